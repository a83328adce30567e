/* What outside validators say over WebSocket: one JSON object a message, signed.
 *
 *   {"type":"PING","validator_wallet":…,"ip":…,"port":…,"ts":…,"nonce":…,"sig":…}
 *   {"type":"TASK","validator_wallet":…,"pool_wallet":…,"val_id":…,"verdict":…,"evidence":…,…}
 *
 * A message is a flat object of texts (printable ASCII) and whole numbers. What is signed is its
 * canonical form: the line "adit-inode-1", a line "inode=" with the id of our own pool, so that no
 * message means anything to another deployment, and then, in the byte order of their names, one
 * line `name=value` for each member but `sig`, all lines ended by a line feed. docs/validators.md
 * has a worked example, which the test holds this against.
 *
 * Pure but for jansson's memory, which is given back before it returns; any thread. */
#pragma once
#include "core/address/address.h"
#include "record/member/member.h"

enum {
    INODE_MESSAGE_MAX = 16384, /* bytes */
    INODE_MEMBERS_MAX = 16,
    INODE_NAME_MAX = 32,
    INODE_NONCE_MAX = 32,
    INODE_TASK_ID_BYTES = 65,
    INODE_EVIDENCE_BYTES = 8193,
    INODE_SIGNATURE_BYTES = 64,
    INODE_CANONICAL_BYTES = INODE_MESSAGE_MAX + 512,
};

enum inode_type { INODE_PING = 1, INODE_TASK };

/* X(enum name, what the client is told): the texts of the protocol this one follows, and ours. */
#define INODE_REFUSALS(X)                                                                          \
    X(INODE_BAD_FORMAT, "ERROR: Invalid message format")                                           \
    X(INODE_BAD_TYPE, "ERROR: Unknown message type")                                               \
    X(INODE_NO_VALIDATOR, "ERROR: Validator not found")                                            \
    X(INODE_NO_POOL, "ERROR: Pool not registered.")                                                \
    X(INODE_NO_STAKE, "ERROR: Not enough stake")                                                   \
    X(INODE_BAD_SIGNATURE, "ERROR: Wrong signature")                                               \
    X(INODE_STALE, "ERROR: Stale message")                                                         \
    X(INODE_REPLAYED, "ERROR: Replayed message")                                                   \
    X(INODE_TOO_MANY, "ERROR: Too many messages")                                                  \
    X(INODE_NO_TASK, "ERROR: Unknown task")                                                        \
    X(INODE_BUSY, "ERROR: Busy, say it again")

enum inode_refusal {
    INODE_TAKEN,
#define X(name, text) name,
    INODE_REFUSALS(X)
#undef X
        INODE_REFUSALS_COUNT
};
/* Static; "" for INODE_TAKEN. */
const char *inode_refusal_text(enum inode_refusal refusal);
/* "bad_format", …: for a metric's label; static. */
const char *inode_refusal_label(enum inode_refusal refusal);

struct inode_message {
    enum inode_type type;
    char validator[MEMBER_ID_BYTES]; /* validator_wallet */
    uint64_t ts;                     /* unix, ms */
    char nonce[INODE_NONCE_MAX + 1]; /* 8 to 32 of A-Z a-z 0-9 - _ */
    uint8_t signature[INODE_SIGNATURE_BYTES];
    /* PING */
    char endpoint[MEMBER_ENDPOINT_BYTES]; /* "ip:port", "[ip]:port"; never dialled */
    /* TASK */
    char pool[MEMBER_ID_BYTES]; /* pool_wallet */
    char task[INODE_TASK_ID_BYTES];
    bool valid; /* verdict: "valid" (also where none is given) or "invalid" */
    char evidence[INODE_EVIDENCE_BYTES];
    /* what the signature is over */
    char canonical[INODE_CANONICAL_BYTES];
    size_t canonical_length;
};

/* INODE_TAKEN, or INODE_BAD_FORMAT or INODE_BAD_TYPE, with *message_r undefined. `inode` is our own
 * pool's id. */
MUST_CHECK enum inode_refusal inode_message_read(struct span text, const char *inode,
                                                 struct inode_message *message_r);
