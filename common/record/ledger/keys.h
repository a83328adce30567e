/* How the ledger's records are named: ids that sort as what they name. Inside this folder only. */
#pragma once
#include "record/ledger/ledger_record.h"

enum {
    KEY_SEQUENCE_BYTES = 21, /* 20 decimal digits and a NUL */
    KEY_HASH_BYTES = 65,     /* 64 hex digits, display order, and a NUL */
};

void key_sequence(uint64_t sequence, char text_r[KEY_SEQUENCE_BYTES]);
void key_hash(const uint8_t hash[32], char text_r[KEY_HASH_BYTES]);
/* 16 bytes, little-endian. */
static inline void key_put_u128(uint8_t bytes_r[16], u128 value)
{
    store_le64(bytes_r, (uint64_t)value);
    store_le64(bytes_r + 8, (uint64_t)(value >> 64));
}
static inline u128 key_get_u128(const uint8_t bytes[16])
{
    return (u128)load_le64(bytes + 8) << 64 | load_le64(bytes);
}
/* False unless bytes are exactly `length`; copies them. */
bool key_copy(struct span bytes, uint8_t *data_r, size_t length);
