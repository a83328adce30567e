/* What the files of core/proof share: bytes written and read in turn. */
#pragma once
#include "core/proof/proof.h"
#include "core/proof/tagged.h"

/* A cursor over memory that is long enough by construction. */
struct proof_writer {
    uint8_t *at;
};
void proof_put(struct proof_writer *writer, const void *data, size_t length);
void proof_put_u8(struct proof_writer *writer, uint8_t value);
void proof_put_u16(struct proof_writer *writer, uint16_t value);
void proof_put_u32(struct proof_writer *writer, uint32_t value);
void proof_put_u64(struct proof_writer *writer, uint64_t value);
void proof_put_u128(struct proof_writer *writer, u128 value);
void proof_put_node(struct proof_writer *writer, const struct proof_node *node);
void proof_put_position(struct proof_writer *writer, const struct proof_position *position);

/* Sticky: after the first lack every read gives zeros. */
struct proof_reader {
    struct span rest;
    bool failed;
};
void proof_get(struct proof_reader *reader, void *data_r, size_t length);
uint8_t proof_get_u8(struct proof_reader *reader);
uint16_t proof_get_u16(struct proof_reader *reader);
uint32_t proof_get_u32(struct proof_reader *reader);
uint64_t proof_get_u64(struct proof_reader *reader);
u128 proof_get_u128(struct proof_reader *reader);
void proof_get_node(struct proof_reader *reader, struct proof_node *node_r);
void proof_get_position(struct proof_reader *reader, struct proof_position *position_r);
