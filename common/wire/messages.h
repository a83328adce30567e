/* The messages of proto/ as structs, and their encoders and decoders.
 *
 * For each `MESSAGE(name, …)` there are `struct wire_<name>`, `wire_encode_<name>` and
 * `wire_decode_<name>`; records have only the struct. The bytes are the schema's, field by field;
 * no struct is ever copied onto a wire. Decoded blobs are borrowed from the message, texts and
 * lists from the arena. Nothing here allocates; any thread may call. */
#pragma once
#include "wire/cursor.h"

enum wire_batch_status {
    /* Verdicts follow; what was accepted is durable. */
    WIRE_BATCH_JUDGED = 1,
    /* All but UNKNOWN are about this request alone: after an unanswered one, or an UNKNOWN, they
     * prove nothing about the batch.
     * The id is below the lease's lowest: nothing more will be applied. */
    WIRE_BATCH_REFUSED = 2,
    /* The window cannot take it now and nothing was applied; try again. */
    WIRE_BATCH_NOT_DURABLE = 3,
    /* It may or may not have been applied; ask again under the same id. */
    WIRE_BATCH_UNKNOWN = 4,
    /* This validator has no room; nothing was applied. */
    WIRE_BATCH_OVERLOADED = 5,
    /* This validator is going away; nothing was applied, send no more. */
    WIRE_BATCH_LEAVING = 6,
    /* Neither this validator nor the scheduler has a job of it, another validator may; nothing was
     * applied. Never where `final` is set. */
    WIRE_BATCH_CANNOT_JUDGE = 7,
};

enum wire_authorise_outcome {
    WIRE_AUTHORISE_YES = 1,
    WIRE_AUTHORISE_NO = 2,          /* not a valid name or address, or a wrong password */
    WIRE_AUTHORISE_UNAVAILABLE = 3, /* the store cannot be asked now; try again */
};

enum wire_state {
    WIRE_STATE_STARTING = 1,
    WIRE_STATE_RUNNING = 2,
    WIRE_STATE_DEGRADED = 3, /* serves, but something it needs is away (last_error says what) */
    WIRE_STATE_STOPPING = 4,
};

enum wire_reward_kind {
    WIRE_REWARD_FOUND = 1,    /* the block joined the best chain */
    WIRE_REWARD_MATURED = 2,  /* its coinbase can be spent */
    WIRE_REWARD_ORPHANED = 3, /* it left the best chain */
    /* a scheduler began to lead (its epoch is the generation): no block, nothing to post */
    WIRE_REWARD_TAKEN_OVER = 4,
    /* a payment at emission.address is deep enough; its transaction's id stands for the block's
     * hash, its generation is the nth time it was credited (record/emission has the rest) */
    WIRE_REWARD_RECEIVED = 5,
    WIRE_REWARD_RETRACTED = 6, /* it left the best chain all the same */
};

enum {
    WIRE_MAGIC_0 = 0xad,
    WIRE_MAGIC_1 = 0x17,
    WIRE_HEADER_BYTES = 4,
};

/* The type byte of a message, by name: WIRE_TYPE_<name>, WIRE_VERSION_<name>. */
#define MESSAGE(name, type, version) WIRE_TYPE_##name = type, WIRE_VERSION_##name = version,
#include "wire/ignore_fields.h"
enum wire_type {
#include "proto/all.def"
};
#include "wire/undefine.h"

/* The structs. */
#define MESSAGE(name, type, version) struct wire_##name {
#define RECORD(name) struct wire_##name {
#define U8(field) uint8_t field;
#define U16(field) uint16_t field;
#define U32(field) uint32_t field;
#define U64(field) uint64_t field;
#define BYTES(field, length) uint8_t field[length];
#define BLOB(field, max) struct span field;
#define TEXT(field, max) const char *field;
#define LIST(field, record, max)                                                                   \
    struct wire_##record *field;                                                                   \
    uint32_t field##_count;
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#include "proto/all.def"
#include "wire/undefine.h"

/* wire_encode_<name>: the encoded message in memory[0, capacity); its length, or 0 when it does
 * not fit or a field breaks a bound of the schema. With memory NULL: the length needed.
 * wire_decode_<name>: false with one sentence in *error for a foreign magic, another type, an
 * unknown version, a truncated message, one with bytes left over, or a full arena. */
#define MESSAGE(name, type, version)                                                               \
    MUST_CHECK size_t wire_encode_##name(const struct wire_##name *message, uint8_t *memory,       \
                                         size_t capacity_bytes);                                   \
    MUST_CHECK bool wire_decode_##name(struct span bytes, struct arena *arena,                     \
                                       struct wire_##name *message_r, struct error *error);
#include "wire/ignore_fields.h"
#include "proto/all.def"
#include "wire/undefine.h"

/* The type of an encoded message, for dispatch; false when it is none of ours. The version is
 * checked by the decoder. */
MUST_CHECK bool wire_peek(struct span bytes, enum wire_type *type_r, struct error *error);

/* The schema's name of a type, or "unknown". */
const char *wire_type_name(enum wire_type type);
