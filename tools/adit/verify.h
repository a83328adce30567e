/* adit verify: what its files share. Everything is checked here, on this machine, from what was
 * given; nothing is asked of the pool but documents. One thread; the process's life is the
 * memory's. */
#pragma once
#include "adapter/proof_json/proof_json.h"

/* Exit codes; the first thing found wrong decides. */
enum verify_code {
    VERIFY_RIGHT = 0,
    VERIFY_UNREADABLE = 1, /* something could not be read or fetched: nothing was shown */
    VERIFY_WRONG = 2,      /* the proof does not hold */
    VERIFY_SPLIT = 3,      /* the chain of proofs is not the one that others were shown */
    VERIFY_OMITTED = 4,    /* less work is proven than was done */
    VERIFY_USAGE = 64,
};

enum { VERIFY_BLOCKS_MAX = 64, VERIFY_RECEIPTS_MAX = 64, VERIFY_KEYS_MAX = 16 };

struct verify {
    const char *source;                    /* the proof: a file or an URL; NULL: receipts alone */
    const char *chain;                     /* the chain of proofs likewise; NULL: none */
    const char *node;                      /* a node's RPC URL; NULL: none */
    const char *blocks[VERIFY_BLOCKS_MAX]; /* files or URLs of raw blocks in hex */
    size_t block_count;
    const char *receipts[VERIFY_RECEIPTS_MAX]; /* files or URLs */
    size_t receipt_count;
    uint8_t keys[VERIFY_KEYS_MAX][32]; /* of validators whose receipts count; none: all do */
    size_t key_count;
    bool has_work;
    u128 work; /* the miner's own count */
    enum verify_code code;

    struct proof proof;
    char profile[64]; /* the coin's, as the document names it; "" */
    char account[128];
    struct proof_statement *statements; /* the chain from the first one given */
    uint8_t (*heads)[PROOF_HASH_BYTES];
    size_t count;
    bool found_in_chain;
    size_t commitments; /* met in blocks, and right */
};

/* One line each: what holds, what does not (the first decides the exit code), what is not known. */
void verify_good(const char *format, ...) PRINTF_LIKE(1, 2);
void verify_bad(struct verify *verify, enum verify_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);
void verify_note(const char *format, ...) PRINTF_LIKE(1, 2);

/* verify_chain.c: reads the chain of proofs and looks for the proof's statement in it; false when
 * it cannot be read. */
MUST_CHECK bool verify_chain(struct verify *verify, struct error *error);
/* verify_blocks.c: what the blocks commit to; false when one cannot be read. */
MUST_CHECK bool verify_blocks(struct verify *verify, struct error *error);

/* verify_receipts.c: what the receipts sum up to, against the proof if there is one; false when
 * they cannot be read. */
MUST_CHECK bool verify_receipts(struct verify *verify, struct error *error);

/* verify_read.c: the text or JSON of a file, of standard input ("-") or of an http(s) URL; NULL
 * with *error. Caller owns. */
char *verify_text(const char *source, struct error *error);
json_t *verify_json(const char *source, struct error *error);
/* One call to a node, its `result`; NULL with *error. `params` is JSON text. */
json_t *verify_node(const char *url, const char *method, const char *params, struct error *error);
bool verify_is_url(const char *source);
