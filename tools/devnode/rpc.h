/* JSON-RPC as Bitcoin Core speaks it: the same method names, parameters, results and error codes
 * for the subset that a pool uses. rpc.c finds the method and frames the answer; the rpc_*.c files
 * hold the methods. A method runs under the node's lock. */
#pragma once
#include "tools/devnode/json.h"
#include "tools/devnode/node.h"

/* Bitcoin Core's error codes (its rpc/protocol.h). */
enum rpc_code {
    RPC_MISC = -1,
    RPC_TYPE = -3,
    RPC_WALLET = -4,
    RPC_NOT_FOUND = -5, /* invalid address or key */
    RPC_PARAMETER = -8,
    RPC_SYNCING = -10, /* in initial block download */
    RPC_DECODE = -22,
    RPC_VERIFY = -25,
    RPC_VERIFY_REJECTED = -26,
    RPC_ALREADY_IN_CHAIN = -27,
    RPC_PARSE = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INTERNAL = -32603,
};

struct rpc_call {
    struct node *node;
    json_t *params; /* an array; borrowed */
    int fd;         /* the client's connection */
    int code;       /* not 0: it failed */
    char message[512];
};

/* A method's result (new reference), or NULL after rpc_fail. */
typedef json_t *rpc_method(struct rpc_call *call);
struct rpc_entry {
    const char *name;
    rpc_method *method;
    const char *params; /* names by position, separated by '|', for calls with named parameters */
};
/* Ended by an entry without a name. */
extern const struct rpc_entry rpc_chain_methods[];
extern const struct rpc_entry rpc_mining_methods[];
extern const struct rpc_entry rpc_tx_methods[];
extern const struct rpc_entry rpc_wallet_methods[];
extern const struct rpc_entry rpc_history_methods[];
extern const struct rpc_entry rpc_fault_methods[];

/* rpc_fault.c: what the node's fault (fault.h) makes of a call. Before the method runs: false where
 * it is refused. After it: its result, or another in its place (taken, new reference). */
MUST_CHECK bool rpc_fault_before(struct rpc_call *call, const char *method);
unsigned rpc_fault_delay_ms(const struct node *node, const char *method);
json_t *rpc_fault_after(struct rpc_call *call, const char *method, json_t *result);
/* rpc_mining.c: what getblocktemplate answers now. */
json_t *rpc_template_json(const struct node *node);

/* Answers one HTTP request (an http_handle; the context is the node). */
int rpc_handle(void *context, const char *path, struct span body, int fd, char **answer_r);

/* NULL, with the error set. */
json_t *rpc_fail(struct rpc_call *call, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Parameters by position. A missing or null one gives the fallback where there is one; a wrong type
 * or a missing one without fallback fails the call and returns false. */
MUST_CHECK bool rpc_text(struct rpc_call *call, size_t at, const char *name, const char **text_r);
MUST_CHECK bool rpc_number(struct rpc_call *call, size_t at, const char *name, int64_t fallback,
                           int64_t least, int64_t most, int64_t *number_r);
/* Also takes a number, as Bitcoin Core does for verbosity. */
MUST_CHECK bool rpc_flag(struct rpc_call *call, size_t at, const char *name, bool fallback,
                         bool *flag_r);
/* NULL where missing or null. */
json_t *rpc_param(const struct rpc_call *call, size_t at);
/* 64 hex digits in display order. */
MUST_CHECK bool rpc_hash(struct rpc_call *call, const char *text, const char *name,
                         uint8_t hash_r[32]);
/* The block a hash parameter names; NULL after rpc_fail. */
struct chain_block *rpc_block(struct rpc_call *call, size_t at, const char *name);
/* The transaction a hex parameter holds; NULL after rpc_fail. Caller owns. */
struct tx *rpc_tx(struct rpc_call *call, const char *hex);

/* A transaction as getrawtransaction shows it, without the block's fields. */
json_t *rpc_tx_json(const struct tx *tx);
json_t *rpc_tx_hex(const struct tx *tx);
json_t *rpc_last_block_json(const struct node *node);
json_t *rpc_script_json(struct span script);
json_t *rpc_bits_json(uint32_t bits);
json_t *rpc_target_json(uint32_t bits);
/* The block that holds a transaction in the best chain, or NULL; *index_r is its place in it. */
struct chain_block *rpc_find_confirmed(const struct node *node, const uint8_t txid[32],
                                       size_t *index_r);
