/* ROMix for several messages at once: the part of scrypt that takes the time. An engine walks one
 * table a lane; its vectors hold four words of every lane, so that one instruction serves them all,
 * and the lanes' chains of dependent steps run side by side. Which engines a processor has is found
 * once before main (as in sha256.c). Pure; the caller's memory; any thread. */
#pragma once
#include "core/pow/scrypt.h"

/* The blocks of `lanes` messages, in place. tables: 128 KB a lane, aligned to 64. */
struct scrypt_engine {
    const char *name;
    size_t lanes; /* exactly so many; 0: not built for this processor */
    void (*ro_mix)(uint8_t (*blocks)[128], void *tables);
};

extern const struct scrypt_engine scrypt_engine_single; /* runs anywhere */
extern const struct scrypt_engine scrypt_engine_avx2;
extern const struct scrypt_engine scrypt_engine_avx512;

/* The engines this processor can run, the one with most lanes first; NULL behind the last. */
const struct scrypt_engine *scrypt_engine_at(size_t index);

/* Hashes 1 to engine->lanes messages with that engine. scratch: SCRYPT_SCRATCH_BYTES. */
void scrypt_engine_hash(const struct scrypt_engine *engine, const struct span *messages,
                        size_t count, void *scratch, uint8_t (*hashes_r)[32]);
