#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdio.h>

void key_sequence(uint64_t sequence, char text_r[KEY_SEQUENCE_BYTES])
{
    snprintf(text_r, KEY_SEQUENCE_BYTES, "%020" PRIu64, sequence);
}

void key_hash(const uint8_t hash[32], char text_r[KEY_HASH_BYTES])
{
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text_r);
}

bool key_copy(struct span bytes, uint8_t *data_r, size_t length)
{
    if (bytes.length != length)
        return false;
    memcpy(data_r, bytes.data, length);
    return true;
}
