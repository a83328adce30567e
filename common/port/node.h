/* A coin node: what the pool asks of it. A port: adapter/node_rpc speaks Bitcoin Core's JSON-RPC
 * over HTTP (libcurl, jansson), adapter/node_fake plays a chain in memory for tests.
 *
 * Calls block (long polling for a minute): call them on a worker's or an own thread, one thread at
 * a time per handle; node_interrupt alone may come from any thread. Hashes are 32 bytes in
 * internal byte order (the reverse of what RPC shows). Amounts are base units. */
#pragma once
#include "base/arena.h"
#include "core/job/template.h"

struct node;

struct node_chain {
    char chain[16]; /* "main", "test", "signet", "regtest", … as getblockchaininfo says */
    uint32_t height;
    uint8_t tip[32];
    bool initial_download;  /* still syncing: its templates are not to be mined on */
    uint8_t chain_work[32]; /* big-endian: compare with memcmp */
    uint32_t median_time;
};

struct node_block {
    uint8_t hash[32];
    uint8_t prev_hash[32];
    uint32_t height;
    int32_t confirmations; /* -1: known, but not on the best chain */
    uint32_t time;
    uint32_t bits;
    uint8_t coinbase_txid[32];
};

/* The block that the next one builds on: enough to know that one's header by the coin's rules. */
struct node_tip {
    uint8_t hash[32];
    uint8_t prev_hash[32]; /* zeros: none, or not known */
    uint32_t height;
    uint32_t bits;
    uint32_t median_time;   /* of the eleven blocks that end with it (BIP 113) */
    bool is_tip;            /* nothing of the node's best chain stands on it */
    uint8_t chain_work[32]; /* up to it, big-endian: compare with memcmp */
};

/* Who wants to know what is known of a template while the rest still arrives. Called on the thread
 * that is in node_get_template; all of it may turn out to be no template in the end. */
struct node_watcher {
    /* The block it builds on. */
    void (*on_tip)(void *context, const uint8_t hash[32]);
    /* The next of its transactions, in order; not always all of them. The list is borrowed until
     * this returns; the bytes lie in the arena and stay what they are. NULL: unwanted. */
    void (*on_transactions)(void *context, const struct template_transaction *transactions,
                            size_t count);
    void *context;
};

enum node_answer {
    NODE_OK = 1,
    NODE_MISSING,     /* the node knows no such block or transaction */
    NODE_REFUSED,     /* the node said no; *error has its words and `code` its number */
    NODE_UNAVAILABLE, /* not reached: the request was not carried out */
    NODE_UNKNOWN,     /* reached, but no answer came: it may have been carried out */
};

/* What submitblock answered. */
enum node_submit {
    NODE_SUBMIT_ACCEPTED = 1, /* null */
    NODE_SUBMIT_DUPLICATE,    /* it has it: as good as accepted */
    NODE_SUBMIT_INCONCLUSIVE, /* kept, but not on the best chain now */
    NODE_SUBMIT_REJECTED,     /* refused for good; the word is in `answer_r` */
    NODE_SUBMIT_UNREACHED,    /* not reached, or no answer: try again */
};

struct node_payment_output {
    const char *address;
    uint64_t amount;
    struct span script; /* what the address stands for */
};

struct node_payment {
    const struct node_payment_output *outputs;
    size_t count;
    bool receivers_pay; /* the fee, in equal parts; the first also the rest */
};

/* A signed transaction as the wallet made it; nothing was broadcast. Memory in the arena. */
struct node_transaction {
    uint8_t txid[32];
    struct span raw;
    uint64_t fee;
    uint8_t anchor_txid[32]; /* its first input, which every later version spends too */
    uint32_t anchor_output;
    struct span change; /* the script of an address of the wallet, where change was to go */
};

/* An output of a transaction, as the best chain alone shows it (no mempool). */
struct node_output {
    bool unspent; /* it is in the chain and nothing in the chain spends it */
    uint64_t amount;
    uint32_t confirmations;
};

struct node_transaction_state {
    bool known;            /* to wallet or mempool or chain */
    int32_t confirmations; /* 0: in the mempool; negative: conflicted by a block that deep */
    uint8_t block_hash[32];
};

/* Told of a transaction that pays so much to a script; false ends it. */
typedef bool (*node_paid_visitor)(void *context, const uint8_t txid[32], uint64_t amount);

struct node_ops {
    const char *(*name)(const struct node *node);
    enum node_answer (*chain)(struct node *, struct node_chain *, struct error *);
    enum node_answer (*get_template)(struct node *, const char *longpoll_id, struct arena *,
                                     struct block_template *, const char **longpoll_id_r,
                                     struct error *);
    void (*watch)(struct node *, const struct node_watcher *);
    enum node_answer (*best)(struct node *, uint8_t hash_r[32], struct error *);
    enum node_answer (*tip)(struct node *, const uint8_t hash[32], struct node_tip *,
                            struct error *);
    enum node_submit (*submit)(struct node *, struct span block, char *answer_r,
                               size_t answer_bytes);
    enum node_answer (*block_hash)(struct node *, uint32_t height, uint8_t hash_r[32],
                                   struct error *);
    enum node_answer (*block)(struct node *, const uint8_t hash[32], struct node_block *,
                              struct error *);
    enum node_answer (*received)(struct node *, const uint8_t hash[32], struct span script,
                                 uint64_t *amount_r, struct error *);
    enum node_answer (*paid)(struct node *, const uint8_t hash[32], struct span script,
                             node_paid_visitor visit, void *context, struct error *);
    enum node_answer (*validate_address)(struct node *, const char *address, bool *valid_r,
                                         struct error *);
    enum node_answer (*wallet_balance)(struct node *, uint64_t *amount_r, struct error *);
    enum node_answer (*build_payment)(struct node *, const struct node_payment *, struct arena *,
                                      struct node_transaction *, struct error *);
    enum node_answer (*sign)(struct node *, struct span raw, struct arena *,
                             struct node_transaction *, struct error *);
    enum node_answer (*output)(struct node *, const uint8_t txid[32], uint32_t output,
                               struct node_output *, struct error *);
    enum node_answer (*spender)(struct node *, const uint8_t txid[32], uint32_t output,
                                uint8_t spender_r[32], uint32_t *confirmations_r, struct error *);
    enum node_answer (*unlock_all)(struct node *, struct error *);
    enum node_answer (*broadcast)(struct node *, struct span raw, struct error *);
    enum node_answer (*transaction)(struct node *, const uint8_t txid[32],
                                    struct node_transaction_state *, struct error *);
    enum node_answer (*lock_input)(struct node *, const uint8_t txid[32], uint32_t output,
                                   bool lock, struct error *);
    void (*interrupt)(struct node *);
    void (*close)(struct node *);
};
struct node {
    const struct node_ops *ops;
};

/* host:port, for logs and the operator; never credentials. */
static inline const char *node_name(const struct node *node)
{
    return node->ops->name(node);
}
MUST_CHECK static inline enum node_answer node_chain(struct node *node, struct node_chain *chain_r,
                                                     struct error *error)
{
    return node->ops->chain(node, chain_r, error);
}
/* A block template (BIP22, BIP23, BIP145) in the arena. With longpoll_id (NULL: at once) it waits
 * until the template changes or the node gives up waiting. */
MUST_CHECK static inline enum node_answer
node_get_template(struct node *node, const char *longpoll_id, struct arena *arena,
                  struct block_template *template_r, const char **longpoll_id_r,
                  struct error *error)
{
    return node->ops->get_template(node, longpoll_id, arena, template_r, longpoll_id_r, error);
}
/* From now on the watcher (copied) is told of templates while they arrive. NULL: no more. Not while
 * a call is under way. */
static inline void node_watch(struct node *node, const struct node_watcher *watcher)
{
    node->ops->watch(node, watcher);
}
/* The best chain's tip, which the node has found valid. */
MUST_CHECK static inline enum node_answer node_best(struct node *node, uint8_t hash_r[32],
                                                    struct error *error)
{
    return node->ops->best(node, hash_r, error);
}
/* A block as what the next one builds on; NODE_MISSING where the node does not know it,
 * NODE_REFUSED where what it shows cannot be a block of the chain. */
MUST_CHECK static inline enum node_answer node_tip(struct node *node, const uint8_t hash[32],
                                                   struct node_tip *tip_r, struct error *error)
{
    return node->ops->tip(node, hash, tip_r, error);
}
/* Submits a serialized block; the node's word (BIP22) or the trouble is written to answer_r. */
MUST_CHECK static inline enum node_submit node_submit(struct node *node, struct span block,
                                                      char *answer_r, size_t answer_bytes)
{
    return node->ops->submit(node, block, answer_r, answer_bytes);
}
/* The block of the best chain at a height; NODE_MISSING beyond the tip. */
MUST_CHECK static inline enum node_answer node_block_hash(struct node *node, uint32_t height,
                                                          uint8_t hash_r[32], struct error *error)
{
    return node->ops->block_hash(node, height, hash_r, error);
}
MUST_CHECK static inline enum node_answer node_block(struct node *node, const uint8_t hash[32],
                                                     struct node_block *block_r,
                                                     struct error *error)
{
    return node->ops->block(node, hash, block_r, error);
}
/* The sum of a block's coinbase outputs to a script. */
MUST_CHECK static inline enum node_answer node_received(struct node *node, const uint8_t hash[32],
                                                        struct span script, uint64_t *amount_r,
                                                        struct error *error)
{
    return node->ops->received(node, hash, script, amount_r, error);
}
/* The transactions of a block but for its coinbase that pay to a script, in the block's order, each
 * with the sum of its outputs there. An answer other than NODE_OK may come after some were told. */
MUST_CHECK static inline enum node_answer node_paid(struct node *node, const uint8_t hash[32],
                                                    struct span script, node_paid_visitor visit,
                                                    void *context, struct error *error)
{
    return node->ops->paid(node, hash, script, visit, context, error);
}
MUST_CHECK static inline enum node_answer
node_validate_address(struct node *node, const char *address, bool *valid_r, struct error *error)
{
    return node->ops->validate_address(node, address, valid_r, error);
}
/* What the wallet could spend now. */
MUST_CHECK static inline enum node_answer node_wallet_balance(struct node *node, uint64_t *amount_r,
                                                              struct error *error)
{
    return node->ops->wallet_balance(node, amount_r, error);
}
/* Lets the wallet build, fund and sign a transaction with these outputs, from coins that are in the
 * chain. Never broadcasts; its inputs are locked in the wallet. */
MUST_CHECK static inline enum node_answer
node_build_payment(struct node *node, const struct node_payment *payment, struct arena *arena,
                   struct node_transaction *transaction_r, struct error *error)
{
    return node->ops->build_payment(node, payment, arena, transaction_r, error);
}
/* Lets the wallet sign a transaction whose inputs and outputs are chosen already (raw, txid and
 * anchor are filled). Never broadcasts. NODE_REFUSED where it cannot sign all of it. */
MUST_CHECK static inline enum node_answer node_sign(struct node *node, struct span raw,
                                                    struct arena *arena,
                                                    struct node_transaction *transaction_r,
                                                    struct error *error)
{
    return node->ops->sign(node, raw, arena, transaction_r, error);
}
/* NODE_OK, also for an output that is spent or was never in the chain (unspent is false then). */
MUST_CHECK static inline enum node_answer node_output(struct node *node, const uint8_t txid[32],
                                                      uint32_t output, struct node_output *output_r,
                                                      struct error *error)
{
    return node->ops->output(node, txid, output, output_r, error);
}
/* Which transaction in the best chain spends an output of the wallet's, and how deep it is;
 * NODE_MISSING where none is found, which proves nothing. Reads the wallet's history from that
 * output's block on: not for every day. */
MUST_CHECK static inline enum node_answer node_spender(struct node *node, const uint8_t txid[32],
                                                       uint32_t output, uint8_t spender_r[32],
                                                       uint32_t *confirmations_r,
                                                       struct error *error)
{
    return node->ops->spender(node, txid, output, spender_r, confirmations_r, error);
}
/* NODE_OK also when the node or the chain already has it. NODE_REFUSED with "missing or spent
 * inputs" is no verdict on the payment: only reconciliation ends that. */
MUST_CHECK static inline enum node_answer node_broadcast(struct node *node, struct span raw,
                                                         struct error *error)
{
    return node->ops->broadcast(node, raw, error);
}
MUST_CHECK static inline enum node_answer node_transaction(struct node *node,
                                                           const uint8_t txid[32],
                                                           struct node_transaction_state *state_r,
                                                           struct error *error)
{
    return node->ops->transaction(node, txid, state_r, error);
}
/* Keeps the wallet from spending an output (or lets it again): locks are lost when the node
 * restarts, so payout sets them anew from the store. */
MUST_CHECK static inline enum node_answer node_lock_input(struct node *node, const uint8_t txid[32],
                                                          uint32_t output, bool lock,
                                                          struct error *error)
{
    return node->ops->lock_input(node, txid, output, lock, error);
}
/* Lets the wallet spend everything again. */
MUST_CHECK static inline enum node_answer node_unlock_all(struct node *node, struct error *error)
{
    return node->ops->unlock_all(node, error);
}
/* Makes a call that is under way on another thread end soon with NODE_UNAVAILABLE. */
static inline void node_interrupt(struct node *node)
{
    node->ops->interrupt(node);
}
static inline void node_close(struct node *node)
{
    node->ops->close(node);
}
