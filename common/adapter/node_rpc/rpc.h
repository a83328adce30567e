/* One JSON-RPC call over HTTP, and what its end says about whether it was carried out. Private to
 * adapter/node_rpc. One thread at a time; rpc_interrupt from any. */
#pragma once
#include "adapter/node_rpc/node_rpc.h"

#include <jansson.h>

enum { RPC_REPLY_BYTES_MAX = 64 << 20, RPC_WORDS_BYTES = 256 };

/* Numbers of Bitcoin Core's rpc/protocol.h that have a meaning here. */
enum rpc_code {
    RPC_NOTHING = 0,
    RPC_WALLET_ERROR = -4,
    RPC_NOT_FOUND = -5, /* invalid address or key: no such block or transaction */
    RPC_BAD_PARAMETER = -8,
    RPC_NOT_CONNECTED = -9,
    RPC_SYNCING = -10, /* in initial block download */
    RPC_WALLET_MISSING = -18,
    RPC_WALLET_UNSPECIFIED = -19,
    RPC_UNDECODABLE = -22,
    RPC_VERIFY_ERROR = -25,
    RPC_VERIFY_REJECTED = -26,
    RPC_ALREADY_IN_CHAIN = -27,
    RPC_WARMING_UP = -28,
    RPC_NO_METHOD = -32601,
};

struct rpc;

struct rpc_request {
    const char *method;
    const char *params; /* JSON text of the array; its length follows */
    size_t params_bytes;
    bool wallet;  /* goes to the wallet's own path */
    bool changes; /* carrying it out twice, or not knowing, matters */
    bool longpoll;
    /* Reads a good answer (HTTP 200) itself, NULL: nobody does. Called with all that has come so
     * far each time more comes, and with `last` at the end, where true means that it was read and
     * `result` is wanted by nobody. */
    bool (*reader)(void *context, const char *text, size_t length, bool last);
    void *context;
};

struct rpc_reply {
    json_t *result;              /* owned: json_decref; NULL unless NODE_OK, or if it was read */
    int code;                    /* the node's error number with NODE_REFUSED, else 0 */
    char words[RPC_WORDS_BYTES]; /* its words, printable */
};

MUST_CHECK struct rpc *rpc_open(const struct node_rpc_options *options, struct error *error);
void rpc_close(struct rpc *rpc);
const char *rpc_name(const struct rpc *rpc);
/* The number of the request made last: its answer's id. */
uint64_t rpc_last_id(const struct rpc *rpc);

/* NODE_OK with reply_r->result; NODE_REFUSED with code and words; NODE_UNAVAILABLE when the node
 * was not reached, is warming up or sends us away; NODE_UNKNOWN when the request was sent and no
 * usable answer came. *error is filled unless NODE_OK. */
MUST_CHECK enum node_answer rpc_call(struct rpc *rpc, const struct rpc_request *request,
                                     struct rpc_reply *reply_r, struct error *error);
/* Ends the call under way, or the next one when none is, with NODE_UNAVAILABLE; a call that
 * `changes` and was sent ends with NODE_UNKNOWN. */
void rpc_interrupt(struct rpc *rpc);
