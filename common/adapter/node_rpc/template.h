/* From the answer to getblocktemplate (BIP 22, 23, 145) to a block_template, read once while it
 * arrives: no tree is built, transactions are decoded straight into the arena and hashed as they
 * come, so that little is left to do after the last byte. Nothing is believed: every field is
 * bounded, and what can be checked against the rest is (target against bits, transaction ids
 * against their bytes, the witness commitment against the transactions). A template that fails
 * would cost every block mined on it.
 *
 * Memory: the arena's, and a template_space, both the caller's. One thread. Does no I/O. Private to
 * adapter/node_rpc; tested and fuzzed by itself. */
#pragma once
#include "adapter/node_rpc/scan.h"
#include "base/arena.h"
#include "core/coin/coin.h"
#include "core/job/template.h"

enum {
    TEMPLATE_DATA_BYTES_MAX = 4 << 20, /* all transactions together: above any block's limit */
    TEMPLATE_EXTENSION_BYTES_MAX = 8 << 20, /* as template_reply takes it along */
    TEMPLATE_COMMITMENT_BYTES_MAX = 83,
    TEMPLATE_LONGPOLL_BYTES_MAX = 512,
    TEMPLATE_MEMBERS_MAX = 64, /* of one object */
};

/* Transactions that were read and are not hashed yet: several together cost less. */
enum { TEMPLATE_TOGETHER = 32, TEMPLATE_STRIPPED_BYTES = 32 << 10 };
struct template_together {
    size_t count;
    struct {
        struct span stripped; /* without its witness, what its txid is the hash of */
        struct span whole;    /* what its wtxid is the hash of; length 0: of the same */
        bool known;           /* wtxid is given, neither can be checked */
        uint8_t wtxid[TEMPLATE_HASH_BYTES];
    } list[TEMPLATE_TOGETHER];
    size_t stripped_bytes;
    uint8_t stripped[TEMPLATE_STRIPPED_BYTES];
};

/* Where transactions are gathered until their number is known: some 4 MB, of which only what is
 * used becomes memory. Kept from call to call. */
struct template_space {
    struct template_transaction transactions[TEMPLATE_TRANSACTIONS_MAX];
    struct template_together together; /* these stand behind the reader's count */
};

enum template_step {
    TEMPLATE_MORE,    /* nothing wrong so far */
    TEMPLATE_WHOLE,   /* read to the end, and good */
    TEMPLATE_OTHER,   /* JSON-RPC's answer, but no template: an error, or another kind of result */
    TEMPLATE_REFUSED, /* *error says why, in one sentence without the node's name */
};

/* The names an object had, so that none is taken twice. */
struct template_members {
    uint64_t hashes[TEMPLATE_MEMBERS_MAX];
    unsigned count;
};

struct template_reader {
    const struct coin_profile *coin;
    struct arena *arena;
    struct template_space *space;
    struct block_template template; /* whole with TEMPLATE_WHOLE; the transactions in the arena */
    const char *longpoll_id;        /* in the arena; NULL: none */
    uint64_t id;                    /* the answer's; 0: none seen */
    bool tip_known;                 /* template.prev_hash is read already */
    bool more_transactions;         /* it is in the middle of them: space->transactions[0, count) */
    size_t count, data_bytes;       /* are good already, with so many bytes */
    struct error error;

    /* private */
    int stage;
    enum template_step step;
    bool more_members; /* something stands before the next member, so a comma must too */
    size_t at, wait_for;
    struct template_members envelope, members;
    uint32_t seen;
    bool error_seen;
    struct template_merkle txids, wtxids;
    bool witness_seen, unchecked, fees_known;
    uint64_t fees;
    bool target_seen;
    struct u256 target;
};

/* The coin's profile, arena and space are borrowed for the reader's life. */
void template_reader_begin(struct template_reader *reader, const struct coin_profile *coin,
                           struct arena *arena, struct template_space *space);
/* `text` is all that has come so far, from the beginning: it may have moved, but what was there is
 * unchanged. `last`: nothing follows. Anything but TEMPLATE_MORE is final; with `last` it never is
 * TEMPLATE_MORE. */
MUST_CHECK enum template_step template_reader_feed(struct template_reader *reader, const char *text,
                                                   size_t length, bool last);
