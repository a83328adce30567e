#include "services/auth/recovery.h"

#include <sodium.h>

enum { LETTERS = 16 };
/* Without i, l, o and 0, 1, which people mistake: 16 of 31 letters are 79 bits. */
static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";

static void hash(const struct secrets *secrets, uint64_t account_id, const char letters[LETTERS],
                 uint8_t hash_r[FACTOR_RECOVERY_BYTES])
{
    uint8_t id[8];
    store_le64(id, account_id);
    const struct span parts[] = { span_of(id, sizeof id), span_of(letters, LETTERS) };
    secrets_hash(secrets->recovery, parts, 2, hash_r, FACTOR_RECOVERY_BYTES);
}

void recovery_make(const struct secrets *secrets, struct factor *factor,
                   char texts_r[FACTOR_RECOVERY_CODES][RECOVERY_TEXT_BYTES])
{
    for (size_t i = 0; i < FACTOR_RECOVERY_CODES; i++) {
        char letters[LETTERS];
        size_t used = 0;
        for (size_t j = 0; j < LETTERS; j++) {
            letters[j] = alphabet[randombytes_uniform(sizeof alphabet - 1)];
            if (j > 0 && j % 4 == 0)
                texts_r[i][used++] = '-';
            texts_r[i][used++] = letters[j];
        }
        texts_r[i][used] = '\0';
        hash(secrets, factor->account_id, letters, factor->recovery[i]);
        sodium_memzero(letters, sizeof letters);
    }
}

bool recovery_take(const struct secrets *secrets, struct factor *factor, struct span text)
{
    char letters[LETTERS];
    uint8_t wanted[FACTOR_RECOVERY_BYTES];
    size_t count = 0;
    bool taken = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = (char)text.data[i];
        if (c == '-' || c == ' ')
            continue;
        if (count == LETTERS)
            return false;
        letters[count++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    if (count != LETTERS)
        return false;
    hash(secrets, factor->account_id, letters, wanted);
    for (size_t i = 0; i < FACTOR_RECOVERY_CODES; i++)
        if (!sodium_is_zero(factor->recovery[i], FACTOR_RECOVERY_BYTES) &&
            secrets_same(wanted, factor->recovery[i], sizeof wanted)) {
            sodium_memzero(factor->recovery[i], FACTOR_RECOVERY_BYTES);
            taken = true;
        }
    sodium_memzero(letters, sizeof letters);
    return taken;
}

unsigned recovery_left(const struct factor *factor)
{
    unsigned left = 0;
    for (size_t i = 0; i < FACTOR_RECOVERY_CODES; i++)
        left += !sodium_is_zero(factor->recovery[i], FACTOR_RECOVERY_BYTES);
    return left;
}
