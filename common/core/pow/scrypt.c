/* RFC 7914 with N = 1024, r = 1, p = 1: PBKDF2 stretches the message to 128 bytes, ROMix walks a
 * table of 1024 such blocks (scrypt_wide.h), PBKDF2 folds the result to 32 bytes. */
#include "core/pow/scrypt.h"
#include "core/pow/scrypt_engines.h"
#include "core/pow/sha256_engines.h"

void scrypt_pbkdf2_once(struct span password, struct span salt, uint8_t *output_r,
                        size_t output_bytes)
{
    ASSERT(output_bytes <= 128);
    uint8_t key[64] = { 0 }, pad[64], digest[32];
    struct sha256_state inner_key, outer_key;
    if (password.length > 64)
        sha256(password, key);
    else if (password.length > 0)
        memcpy(key, password.data, password.length);
    for (int i = 0; i < 64; i++)
        pad[i] = key[i] ^ 0x36;
    sha256_init(&inner_key);
    sha256_update(&inner_key, span_of(pad, 64));
    for (int i = 0; i < 64; i++)
        pad[i] = key[i] ^ 0x5c;
    sha256_init(&outer_key);
    sha256_update(&outer_key, span_of(pad, 64));
    sha256_update(&inner_key, salt);

    uint8_t index[4];
    for (uint32_t i = 1; output_bytes > 0; i++) {
        struct sha256_state inner = inner_key, outer = outer_key;
        store_be32(index, i);
        sha256_update(&inner, span_of(index, 4));
        sha256_final(&inner, digest);
        sha256_update(&outer, span_of(digest, 32));
        sha256_final(&outer, digest);
        size_t part = output_bytes < 32 ? output_bytes : 32;
        memcpy(output_r, digest, part);
        output_r += part;
        output_bytes -= part;
    }
}

/* Every engine there is here, the widest first. */
static size_t engines_of(const struct scrypt_engine *engines_r[3])
{
    size_t count = 0;
    if (scrypt_engine_avx512.lanes > 0 && sha256_avx512_available())
        engines_r[count++] = &scrypt_engine_avx512;
    if (scrypt_engine_avx2.lanes > 0 && sha256_avx2_available())
        engines_r[count++] = &scrypt_engine_avx2;
    engines_r[count++] = &scrypt_engine_single;
    return count;
}

const struct scrypt_engine *scrypt_engine_at(size_t index)
{
    const struct scrypt_engine *engines[3];
    return index < engines_of(engines) ? engines[index] : NULL;
}

/* Written once before main, as in sha256.c. */
static const struct scrypt_engine *scrypt_engine_chosen = &scrypt_engine_single;

__attribute__((constructor)) static void choose_engine(void)
{
    scrypt_engine_chosen = scrypt_engine_at(0);
}

void scrypt_engine_hash(const struct scrypt_engine *engine, const struct span *messages,
                        size_t count, void *scratch, uint8_t (*hashes_r)[32])
{
    ASSERT(count >= 1 && count <= engine->lanes && engine->lanes <= SCRYPT_LANES_MAX);
    uint8_t stretched[SCRYPT_LANES_MAX][128];
    uint8_t *tables = (uint8_t *)scratch + (64 - (uintptr_t)scratch % 64) % 64;
    for (size_t i = 0; i < count; i++)
        scrypt_pbkdf2_once(messages[i], messages[i], stretched[i], sizeof stretched[i]);
    for (size_t i = count; i < engine->lanes; i++) /* idle lanes */
        memcpy(stretched[i], stretched[0], sizeof stretched[i]);
    engine->ro_mix(stretched, tables);
    for (size_t i = 0; i < count; i++)
        scrypt_pbkdf2_once(messages[i], span_of(stretched[i], sizeof stretched[i]), hashes_r[i],
                           32);
}

void scrypt_1024_1_1(struct span bytes, void *scratch, uint8_t hash_r[32])
{
    scrypt_engine_hash(&scrypt_engine_single, &bytes, 1, scratch, (uint8_t(*)[32])(void *)hash_r);
}

void scrypt_headers(const uint8_t (*headers)[80], size_t count, void *scratch,
                    uint8_t (*hashes_r)[32])
{
    while (count > 0) {
        /* Idle lanes cost nothing but the power of the processor. */
        const struct scrypt_engine *engine =
            count > 1 ? scrypt_engine_chosen : &scrypt_engine_single;
        const size_t part = count < engine->lanes ? count : engine->lanes;
        struct span messages[SCRYPT_LANES_MAX];
        for (size_t i = 0; i < part; i++)
            messages[i] = span_of(headers[i], 80);
        scrypt_engine_hash(engine, messages, part, scratch, hashes_r);
        headers += part;
        hashes_r += part;
        count -= part;
    }
}
