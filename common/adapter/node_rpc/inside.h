/* What the files of adapter/node_rpc share. Private to it. */
#pragma once
#include "adapter/node_rpc/amount.h"
#include "adapter/node_rpc/rpc.h"
#include "adapter/node_rpc/template.h"

struct node_rpc {
    struct node port; /* first */
    struct rpc *rpc;
    const struct coin_profile *coin;
    struct template_space *space; /* made at the first template */
    struct template_reader reader;
    struct node_watcher watcher; /* on_tip NULL: nobody wants to know */
    /* of the template that arrives: bytes read; transactions told, and their bytes */
    size_t seen_bytes, told, told_bytes;
};

/* template_call.c: getblocktemplate. */
enum node_answer node_rpc_get_template(struct node *port, const char *longpoll_id,
                                       struct arena *arena, struct block_template *template_r,
                                       const char **longpoll_id_r, struct error *error);

/* tip.c: getblockheader. */
enum node_answer node_rpc_tip(struct node *port, const uint8_t hash[32], struct node_tip *tip_r,
                              struct error *error);
enum tip_reading {
    TIP_READ,
    TIP_ODD,   /* the answer makes no sense */
    TIP_FALSE, /* what it shows cannot be a block of this chain with this hash */
};
/* The answer to getblockheader for this hash; *why_r is static where it is not read. */
enum tip_reading node_rpc_read_tip(const struct coin_profile *coin, const json_t *result,
                                   const uint8_t hash[32], struct node_tip *tip_r,
                                   const char **why_r);

/* A call that changes nothing. */
MUST_CHECK enum node_answer node_rpc_ask(struct node_rpc *node, const char *method,
                                         const char *params, struct rpc_reply *reply_r,
                                         struct error *error);
/* An answer that cannot be made sense of: NODE_UNKNOWN, with the sentence in *error. */
enum node_answer node_rpc_odd(struct node_rpc *node, const char *what, struct error *error);

void node_rpc_show_hash(const uint8_t hash[32], char text_r[65]);
MUST_CHECK bool node_rpc_read_hash(const json_t *value, uint8_t hash_r[32]);
MUST_CHECK bool node_rpc_read_u32(const json_t *value, uint32_t *value_r);

/* wallet.c: the port's calls about money. */
enum node_answer node_rpc_wallet_balance(struct node *port, uint64_t *amount_r,
                                         struct error *error);
enum node_answer node_rpc_build_payment(struct node *port, const struct node_payment *payment,
                                        struct arena *arena, struct node_transaction *transaction_r,
                                        struct error *error);
enum node_answer node_rpc_sign(struct node *port, struct span raw, struct arena *arena,
                               struct node_transaction *transaction_r, struct error *error);
enum node_answer node_rpc_broadcast(struct node *port, struct span raw, struct error *error);
enum node_answer node_rpc_transaction(struct node *port, const uint8_t txid[32],
                                      struct node_transaction_state *state_r, struct error *error);
enum node_answer node_rpc_lock_input(struct node *port, const uint8_t txid[32], uint32_t output,
                                     bool lock, struct error *error);
enum node_answer node_rpc_unlock_all(struct node *port, struct error *error);
/* A call to the wallet's own path; `changes` as in struct rpc_request. */
enum node_answer node_rpc_ask_wallet(struct node_rpc *node, const char *method, const char *params,
                                     bool changes, struct rpc_reply *reply_r, struct error *error);

/* spent.c: what became of an output. */
enum node_answer node_rpc_output(struct node *port, const uint8_t txid[32], uint32_t output,
                                 struct node_output *output_r, struct error *error);
enum node_answer node_rpc_spender(struct node *port, const uint8_t txid[32], uint32_t output,
                                  uint8_t spender_r[32], uint32_t *confirmations_r,
                                  struct error *error);
