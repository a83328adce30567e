/* RFC 7914 with N = 1024, r = 1, p = 1: PBKDF2 stretches the message to 128 bytes, ROMix walks a
 * table of 1024 such blocks, PBKDF2 folds the result to 32 bytes.
 *
 * Salsa20/8 works on four vectors of four words. With the words of a block reordered along the
 * diagonals of the 4 x 4 matrix (word i comes from 5i mod 16), a column round is plain vector
 * arithmetic and a row round the same after rotating three of the vectors. The order is kept for
 * the whole walk and undone once at the end. */
#include "core/pow/scrypt.h"
#include "core/pow/sha256.h"

#define TABLE_BLOCKS 1024

typedef uint32_t lanes __attribute__((vector_size(16)));

struct block {
    lanes v[8]; /* two Salsa blocks */
};
_Static_assert(sizeof(struct block) == 128, "the table has 1024 blocks of 128 bytes");
_Static_assert(SCRYPT_SCRATCH_BYTES >= TABLE_BLOCKS * sizeof(struct block) + 63,
               "the scratch pad has room for alignment");

static inline lanes rotate_left(lanes x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static inline void salsa20_8(lanes out[4], const lanes in[4])
{
    lanes x0 = out[0] ^ in[0], x1 = out[1] ^ in[1], x2 = out[2] ^ in[2], x3 = out[3] ^ in[3];
    const lanes before[4] = { x0, x1, x2, x3 };
    for (int i = 0; i < 4; i++) {
        x1 ^= rotate_left(x0 + x3, 7);
        x2 ^= rotate_left(x1 + x0, 9);
        x3 ^= rotate_left(x2 + x1, 13);
        x0 ^= rotate_left(x3 + x2, 18);
        x1 = __builtin_shufflevector(x1, x1, 3, 0, 1, 2);
        x2 = __builtin_shufflevector(x2, x2, 2, 3, 0, 1);
        x3 = __builtin_shufflevector(x3, x3, 1, 2, 3, 0);
        x3 ^= rotate_left(x0 + x1, 7);
        x2 ^= rotate_left(x3 + x0, 9);
        x1 ^= rotate_left(x2 + x3, 13);
        x0 ^= rotate_left(x1 + x2, 18);
        x1 = __builtin_shufflevector(x1, x1, 1, 2, 3, 0);
        x2 = __builtin_shufflevector(x2, x2, 2, 3, 0, 1);
        x3 = __builtin_shufflevector(x3, x3, 3, 0, 1, 2);
    }
    out[0] = x0 + before[0];
    out[1] = x1 + before[1];
    out[2] = x2 + before[2];
    out[3] = x3 + before[3];
}

/* BlockMix for r = 1: X = B1; B0 = X = Salsa(X ^ B0); B1 = Salsa(X ^ B1). */
static inline void block_mix(struct block *b)
{
    salsa20_8(b->v, b->v + 4);
    salsa20_8(b->v + 4, b->v);
}

static void ro_mix(struct block *x, struct block *table)
{
    for (int i = 0; i < TABLE_BLOCKS; i++) {
        table[i] = *x;
        block_mix(x);
    }
    for (int i = 0; i < TABLE_BLOCKS; i++) {
        const struct block *other = &table[x->v[4][0] % TABLE_BLOCKS];
        for (int j = 0; j < 8; j++)
            x->v[j] ^= other->v[j];
        block_mix(x);
    }
}

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

/* Where the words of a Salsa block stand in the vectors' order: word i is word 5i mod 16. A
 * table, because clang 14 with -fwrapv reads wrong words where it vectorizes the computed index. */
static const uint8_t diagonal[16] = { 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11 };

static void to_diagonals(const uint8_t bytes[128], struct block *block_r)
{
    uint32_t words[32];
    for (size_t i = 0; i < 32; i++)
        words[i] = load_le32(bytes + 64 * (i / 16) + 4 * (size_t)diagonal[i % 16]);
    memcpy(block_r, words, sizeof words);
}

static void from_diagonals(const struct block *block, uint8_t bytes_r[128])
{
    uint32_t words[32];
    memcpy(words, block, sizeof words);
    for (size_t i = 0; i < 32; i++)
        store_le32(bytes_r + 64 * (i / 16) + 4 * (size_t)diagonal[i % 16], words[i]);
}

void scrypt_1024_1_1(struct span bytes, void *scratch, uint8_t hash_r[32])
{
    uint8_t stretched[128];
    struct block x;
    uintptr_t misaligned = (uintptr_t)scratch % 64;
    struct block *table = (struct block *)(void *)((uint8_t *)scratch + (64 - misaligned) % 64);

    scrypt_pbkdf2_once(bytes, bytes, stretched, sizeof stretched);
    to_diagonals(stretched, &x);
    ro_mix(&x, table);
    from_diagonals(&x, stretched);
    scrypt_pbkdf2_once(bytes, span_of(stretched, sizeof stretched), hash_r, 32);
}
