/* The body of a scrypt engine (scrypt_engines.h); included by a source that is compiled for its
 * processor and defines, before the inclusion:
 *
 *   WIDE_LANES          messages at once
 *   wide                the vector type: four uint32_t of each
 *   WIDE_TURN(x, n)     in each group of four words, word i becomes word (i + n) % 4
 *   wide wide_join(const void *const parts[WIDE_LANES])
 *                       four words of each lane, from where they lie (aligned to 16)
 *
 * Salsa20/8 works on four vectors of four words. With the words of a block reordered along the
 * diagonals of the 4 x 4 matrix (word i comes from 5i mod 16), a column round is plain vector
 * arithmetic and a row round the same after turning three of the vectors. The order is kept for the
 * whole walk and undone once at the end. Each lane's table lies in one piece, because a lane reads
 * whole blocks of it at places of its own. */
#pragma once
#include "core/pow/scrypt_engines.h"

#define TABLE_BLOCKS 1024

typedef uint32_t quarter __attribute__((vector_size(16)));

struct block {    /* of one lane */
    quarter v[8]; /* two Salsa blocks */
};
_Static_assert(sizeof(struct block) == 128, "the table has 1024 blocks of 128 bytes");
_Static_assert(SCRYPT_SCRATCH_BYTES >= WIDE_LANES * TABLE_BLOCKS * sizeof(struct block) + 63,
               "the scratch pad has room for every lane's table, and for alignment");

struct blocks { /* of all lanes */
    wide v[8];
};

#define WIDE_INLINE static inline __attribute__((always_inline))

WIDE_INLINE wide rotate_left(wide x, int bits)
{
    return x << bits | x >> (32 - bits);
}

WIDE_INLINE void salsa20_8(wide out[4], const wide in[4])
{
    wide x0 = out[0] ^ in[0], x1 = out[1] ^ in[1], x2 = out[2] ^ in[2], x3 = out[3] ^ in[3];
    const wide before[4] = { x0, x1, x2, x3 };
    for (int i = 0; i < 4; i++) {
        x1 ^= rotate_left(x0 + x3, 7);
        x2 ^= rotate_left(x1 + x0, 9);
        x3 ^= rotate_left(x2 + x1, 13);
        x0 ^= rotate_left(x3 + x2, 18);
        x1 = WIDE_TURN(x1, 3);
        x2 = WIDE_TURN(x2, 2);
        x3 = WIDE_TURN(x3, 1);
        x3 ^= rotate_left(x0 + x1, 7);
        x2 ^= rotate_left(x3 + x0, 9);
        x1 ^= rotate_left(x2 + x3, 13);
        x0 ^= rotate_left(x1 + x2, 18);
        x1 = WIDE_TURN(x1, 1);
        x2 = WIDE_TURN(x2, 2);
        x3 = WIDE_TURN(x3, 3);
    }
    out[0] = x0 + before[0];
    out[1] = x1 + before[1];
    out[2] = x2 + before[2];
    out[3] = x3 + before[3];
}

/* BlockMix for r = 1: X = B1; B0 = X = Salsa(X ^ B0); B1 = Salsa(X ^ B1). */
WIDE_INLINE void block_mix(struct blocks *b)
{
    salsa20_8(b->v, b->v + 4);
    salsa20_8(b->v + 4, b->v);
}

WIDE_INLINE void keep(const struct blocks *x, struct block *tables, size_t at)
{
    for (size_t i = 0; i < 8; i++) {
        quarter parts[WIDE_LANES];
        memcpy(parts, &x->v[i], sizeof parts);
        for (size_t lane = 0; lane < WIDE_LANES; lane++)
            tables[lane * TABLE_BLOCKS + at].v[i] = parts[lane];
    }
}

WIDE_INLINE void mix_in(struct blocks *x, const struct block *tables)
{
    const struct block *others[WIDE_LANES];
    for (size_t lane = 0; lane < WIDE_LANES; lane++)
        others[lane] = &tables[lane * TABLE_BLOCKS + x->v[4][4 * lane] % TABLE_BLOCKS];
    for (size_t i = 0; i < 8; i++) {
        const void *parts[WIDE_LANES];
        for (size_t lane = 0; lane < WIDE_LANES; lane++)
            parts[lane] = &others[lane]->v[i];
        x->v[i] ^= wide_join(parts);
    }
}

/* Where the words of a Salsa block stand in the vectors' order: word i is word 5i mod 16. A
 * table, because clang 14 with -fwrapv reads wrong words where it vectorizes the computed index. */
static const uint8_t diagonal[16] = { 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11 };

static void to_diagonals(uint8_t (*bytes)[128], struct blocks *blocks_r)
{
    uint32_t words[8][WIDE_LANES][4];
    for (size_t lane = 0; lane < WIDE_LANES; lane++)
        for (size_t i = 0; i < 32; i++)
            words[i / 4][lane][i % 4] =
                load_le32(bytes[lane] + 64 * (i / 16) + 4 * (size_t)diagonal[i % 16]);
    memcpy(blocks_r, words, sizeof words);
}

static void from_diagonals(const struct blocks *blocks, uint8_t (*bytes_r)[128])
{
    uint32_t words[8][WIDE_LANES][4];
    memcpy(words, blocks, sizeof words);
    for (size_t lane = 0; lane < WIDE_LANES; lane++)
        for (size_t i = 0; i < 32; i++)
            store_le32(bytes_r[lane] + 64 * (i / 16) + 4 * (size_t)diagonal[i % 16],
                       words[i / 4][lane][i % 4]);
}

static void wide_ro_mix(uint8_t (*bytes)[128], void *tables)
{
    struct blocks x;
    to_diagonals(bytes, &x);
    for (size_t i = 0; i < TABLE_BLOCKS; i++) {
        keep(&x, tables, i);
        block_mix(&x);
    }
    for (size_t i = 0; i < TABLE_BLOCKS; i++) {
        mix_in(&x, tables);
        block_mix(&x);
    }
    from_diagonals(&x, bytes);
}
