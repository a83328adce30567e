/* The fault points between the engine and its world. */
#include "tests/sim/sim.h"

#include <stdlib.h>

struct faulty_store {
    struct store port;
    struct sim_world *world;
    struct store *inner;
};
struct faulty_node {
    struct node port;
    struct sim_world *world;
    struct node *inner;
};
struct faulty_window {
    struct window_reader port;
    struct sim_world *world;
    struct window_reader *inner;
};

void sim_revive(struct sim_world *world)
{
    world->dead = false;
    world->fault = SIM_WELL;
    world->fault_at = 0;
}

static void run_rival(struct sim_world *world)
{
    world->fault = SIM_WELL;
    world->sheltered = true;
    world->rival(world);
    world->sheltered = false;
    world->rival_ran = true;
}

/* Before a call: false when it must not happen. */
static bool enter(struct sim_world *world, bool *last_r)
{
    *last_r = false;
    if (world->sheltered)
        return true;
    if (world->dead)
        return false;
    bool here = world->fault != SIM_WELL && ++world->calls == world->fault_at;
    if (world->fault == SIM_WELL)
        world->calls++;
    if (!here)
        return true;
    switch (world->fault) {
    case SIM_DIE_BEFORE:
        world->dead = true;
        return false;
    case SIM_STOP_BEFORE:
        run_rival(world);
        return true;
    case SIM_WELL:
    case SIM_DIE_AFTER:
    case SIM_STOP_AFTER:
        break;
    }
    *last_r = true;
    return true;
}

/* After a call: false when nobody hears its answer. */
static bool leave(struct sim_world *world, bool last)
{
    if (!last)
        return true;
    if (world->fault == SIM_DIE_AFTER) {
        world->dead = true;
        return false;
    }
    run_rival(world);
    return true;
}

static bool away(struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, "the simulated world is away");
}

/* The store. */

static struct store *store_inner(struct store *store)
{
    return ((struct faulty_store *)store)->inner;
}
static struct sim_world *store_world(struct store *store)
{
    return ((struct faulty_store *)store)->world;
}

static bool f_declare(struct store *store, const struct store_collection *const *collections,
                      size_t count, struct error *error)
{
    return store_declare(store_inner(store), collections, count, error);
}

/* A fault in a group of writes: some of them happened. */
static enum store_outcome apply_some(struct store *store, struct store_write *writes, size_t count,
                                     size_t carried_out, enum store_outcome rest,
                                     struct error *error)
{
    if (carried_out > 0)
        (void)!store_apply(store_inner(store), writes, carried_out, error);
    for (size_t i = carried_out; i < count; i++)
        writes[i].outcome = rest;
    error_fill(error, ERROR_TIMEOUT, "the simulated store did not answer");
    return rest;
}

static enum store_outcome f_apply(struct store *store, struct store_write *writes, size_t count,
                                  struct error *error)
{
    struct sim_world *world = store_world(store);
    bool last;
    world->writes += count;
    if (!enter(world, &last)) {
        /* Of a group, an adapter may have sent a part. */
        size_t part = world->dead && count > 1 ? sim_below(&world->random, count) : 0;
        if (world->fault == SIM_DIE_BEFORE && part > 0) {
            world->fault = SIM_WELL;
            return apply_some(store, writes, count, part, STORE_FAILED, error);
        }
        for (size_t i = 0; i < count; i++)
            writes[i].outcome = STORE_FAILED;
        (void)away(error);
        return STORE_FAILED;
    }
    if (!last && !world->sheltered &&
        sim_below(&world->random, 1000) < world->store_trouble_per_mille) {
        switch (sim_below(&world->random, 3)) {
        case 0:
            return apply_some(store, writes, count, 0, STORE_FAILED, error);
        case 1:
            return apply_some(store, writes, count, sim_below(&world->random, count + 1),
                              STORE_UNKNOWN, error);
        default:
            return apply_some(store, writes, count, count, STORE_UNKNOWN, error);
        }
    }
    enum store_outcome outcome = store_apply(store_inner(store), writes, count, error);
    if (!world->sheltered && world->writes_left > 0 && --world->writes_left == 0)
        world->dead = true;
    if (!leave(world, last)) {
        (void)away(error);
        return STORE_UNKNOWN;
    }
    return outcome;
}

static enum store_outcome f_get(struct store *store, const struct store_collection *collection,
                                const char *id, struct arena *arena, struct store_record *record_r,
                                struct error *error)
{
    bool last;
    if (!enter(store_world(store), &last)) {
        (void)away(error);
        return STORE_FAILED;
    }
    enum store_outcome outcome =
        store_get(store_inner(store), collection, id, arena, record_r, error);
    if (!leave(store_world(store), last)) {
        (void)away(error);
        return STORE_FAILED;
    }
    return outcome;
}

static enum store_outcome f_find(struct store *store, const struct store_collection *collection,
                                 const struct store_query *query, store_visitor visitor,
                                 void *context, struct error *error)
{
    bool last;
    if (!enter(store_world(store), &last)) {
        (void)away(error);
        return STORE_FAILED;
    }
    enum store_outcome outcome =
        store_find(store_inner(store), collection, query, visitor, context, error);
    if (!leave(store_world(store), last)) {
        (void)away(error);
        return STORE_FAILED;
    }
    return outcome;
}

static bool f_store_ping(struct store *store, struct error *error)
{
    return store_ping(store_inner(store), error);
}

static bool f_store_writable(struct store *store, struct error *error)
{
    return store_writable(store_inner(store), error);
}

static void f_store_close(struct store *store)
{
    store_close(store_inner(store));
    free(store);
}

struct store *sim_faulty_store(struct sim_world *world, struct store *inner)
{
    static const struct store_ops ops = { f_declare,    f_apply,          f_get,        f_find,
                                          f_store_ping, f_store_writable, f_store_close };
    struct faulty_store *store = calloc(1, sizeof *store);
    ASSERT(store != NULL);
    *store = (struct faulty_store){ { &ops }, world, inner };
    return &store->port;
}

/* The node. `call` is carried out unless the world is dead, away or in trouble. */

#define NODE_CALL(node, call)                                                                      \
    struct sim_world *world = ((struct faulty_node *)(node))->world;                               \
    struct node *inner = ((struct faulty_node *)(node))->inner;                                    \
    bool last;                                                                                     \
    if (!enter(world, &last) || (world->node_away && !world->sheltered)) {                         \
        (void)away(error);                                                                         \
        return NODE_UNAVAILABLE;                                                                   \
    }                                                                                              \
    uint64_t luck = last || world->sheltered ? 1000 : sim_below(&world->random, 1000);             \
    if (luck < world->node_trouble_per_mille / 3) {                                                \
        (void)away(error);                                                                         \
        return NODE_UNAVAILABLE;                                                                   \
    }                                                                                              \
    if (luck < 2 * world->node_trouble_per_mille / 3) {                                            \
        (void)away(error);                                                                         \
        return NODE_UNKNOWN; /* not carried out */                                                 \
    }                                                                                              \
    enum node_answer answer = call;                                                                \
    if (luck < world->node_trouble_per_mille || !leave(world, last)) {                             \
        (void)away(error);                                                                         \
        return NODE_UNKNOWN; /* carried out */                                                     \
    }                                                                                              \
    return answer

static const char *f_name(const struct node *node)
{
    return node_name(((const struct faulty_node *)node)->inner);
}
static enum node_answer f_chain(struct node *node, struct node_chain *chain_r, struct error *error)
{
    NODE_CALL(node, node_chain(inner, chain_r, error));
}
static enum node_answer f_block(struct node *node, const uint8_t hash[32],
                                struct node_block *block_r, struct error *error)
{
    NODE_CALL(node, node_block(inner, hash, block_r, error));
}
static enum node_answer f_template(struct node *node, const char *longpoll_id, struct arena *arena,
                                   struct block_template *template_r, const char **longpoll_id_r,
                                   struct error *error)
{
    NODE_CALL(node, node_get_template(inner, longpoll_id, arena, template_r, longpoll_id_r, error));
}
static enum node_answer f_validate(struct node *node, const char *address, bool *valid_r,
                                   struct error *error)
{
    NODE_CALL(node, node_validate_address(inner, address, valid_r, error));
}
static enum node_answer f_balance(struct node *node, uint64_t *amount_r, struct error *error)
{
    NODE_CALL(node, node_wallet_balance(inner, amount_r, error));
}
static enum node_answer f_build(struct node *node, const struct node_payment *payment,
                                struct arena *arena, struct node_transaction *transaction_r,
                                struct error *error)
{
    NODE_CALL(node, node_build_payment(inner, payment, arena, transaction_r, error));
}
static enum node_answer f_sign(struct node *node, struct span raw, struct arena *arena,
                               struct node_transaction *transaction_r, struct error *error)
{
    NODE_CALL(node, node_sign(inner, raw, arena, transaction_r, error));
}
static enum node_answer f_output(struct node *node, const uint8_t txid[32], uint32_t index,
                                 struct node_output *output_r, struct error *error)
{
    NODE_CALL(node, node_output(inner, txid, index, output_r, error));
}
static enum node_answer f_spender(struct node *node, const uint8_t txid[32], uint32_t index,
                                  uint8_t spender_r[32], uint32_t *confirmations_r,
                                  struct error *error)
{
    NODE_CALL(node, node_spender(inner, txid, index, spender_r, confirmations_r, error));
}
static enum node_answer f_unlock_all(struct node *node, struct error *error)
{
    NODE_CALL(node, node_unlock_all(inner, error));
}
static enum node_answer f_broadcast(struct node *node, struct span raw, struct error *error)
{
    NODE_CALL(node, node_broadcast(inner, raw, error));
}
static enum node_answer f_transaction(struct node *node, const uint8_t txid[32],
                                      struct node_transaction_state *state_r, struct error *error)
{
    NODE_CALL(node, node_transaction(inner, txid, state_r, error));
}
static enum node_answer f_lock(struct node *node, const uint8_t txid[32], uint32_t output,
                               bool wanted, struct error *error)
{
    NODE_CALL(node, node_lock_input(inner, txid, output, wanted, error));
}
static void f_interrupt(struct node *node)
{
    (void)node;
}
static void f_node_close(struct node *node)
{
    node_close(((struct faulty_node *)node)->inner);
    free(node);
}

struct node *sim_faulty_node(struct sim_world *world, struct node *inner)
{
    static const struct node_ops ops = {
        .name = f_name,
        .chain = f_chain,
        .block = f_block,
        .get_template = f_template,
        .validate_address = f_validate,
        .wallet_balance = f_balance,
        .build_payment = f_build,
        .sign = f_sign,
        .output = f_output,
        .spender = f_spender,
        .unlock_all = f_unlock_all,
        .broadcast = f_broadcast,
        .transaction = f_transaction,
        .lock_input = f_lock,
        .interrupt = f_interrupt,
        .close = f_node_close,
    };
    struct faulty_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL);
    *node = (struct faulty_node){ { &ops }, world, inner };
    return &node->port;
}

/* The window. */

#define WINDOW_CALL(reader, call)                                                                  \
    struct sim_world *world = ((struct faulty_window *)(reader))->world;                           \
    struct window_reader *inner = ((struct faulty_window *)(reader))->inner;                       \
    bool last;                                                                                     \
    if (!enter(world, &last) || (world->window_away && !world->sheltered))                         \
        return away(error);                                                                        \
    bool done = call;                                                                              \
    return leave(world, last) ? done : away(error)

static bool f_walk_back(struct window_reader *reader, const struct window_position *from,
                        window_batch_visitor visitor, void *context, struct error *error)
{
    WINDOW_CALL(reader, window_walk_back(inner, from, visitor, context, error));
}
static bool f_walk_on(struct window_reader *reader, const struct window_position *after,
                      window_batch_visitor visitor, void *context, struct error *error)
{
    WINDOW_CALL(reader, window_walk_on(inner, after, visitor, context, error));
}
static bool f_candidates(struct window_reader *reader, window_found_visitor visitor, void *context,
                         struct error *error)
{
    WINDOW_CALL(reader, window_candidates(inner, visitor, context, error));
}
static bool f_candidate_get(struct window_reader *reader, const uint8_t block_hash[32],
                            window_found_visitor visitor, void *context, bool *found_r,
                            struct error *error)
{
    WINDOW_CALL(reader, window_candidate_get(inner, block_hash, visitor, context, found_r, error));
}
static bool f_candidate_done(struct window_reader *reader, const uint8_t block_hash[32],
                             struct error *error)
{
    WINDOW_CALL(reader, window_candidate_done(inner, block_hash, error));
}
static bool f_trim(struct window_reader *reader, const struct window_position *before,
                   uint64_t *removed_r, struct error *error)
{
    WINDOW_CALL(reader, window_trim(inner, before, removed_r, error));
}
static bool f_window_ping(struct window_reader *reader, struct error *error)
{
    WINDOW_CALL(reader, window_ping(inner, error));
}
static void f_window_close(struct window_reader *reader)
{
    window_reader_close(((struct faulty_window *)reader)->inner);
    free(reader);
}

struct window_reader *sim_faulty_window(struct sim_world *world, struct window_reader *inner)
{
    static const struct window_reader_ops ops = {
        .walk_back = f_walk_back,
        .walk_on = f_walk_on,
        .candidates = f_candidates,
        .candidate_get = f_candidate_get,
        .candidate_done = f_candidate_done,
        .trim = f_trim,
        .ping = f_window_ping,
        .close = f_window_close,
    };
    struct faulty_window *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    *reader = (struct faulty_window){ { &ops }, world, inner };
    return &reader->port;
}
