/* The node port over the simulated chain: a wallet that builds, locks and signs; a mempool. */
#include "core/pow/sha256.h"
#include "tests/sim/sim.h"

#include <stdlib.h>

enum { FEE = 777, DUST = 294 };

static const uint8_t change_script[22] = { 0x52, 0x52, 0x52, 0x52, 0x52, 0x52, 0x52, 0x52,
                                           0x52, 0x52, 0x52, 0x52, 0x52, 0x52, 0x52, 0x52,
                                           0x52, 0x52, 0x52, 0x52, 0x52, 0x52 };

struct sim_node {
    struct node port;
    struct sim_world *world;
};

static struct sim_world *world_of(struct node *node)
{
    return ((struct sim_node *)node)->world;
}

static const char *name(const struct node *node)
{
    (void)node;
    return "sim";
}

static enum node_answer chain(struct node *node, struct node_chain *chain_r, struct error *error)
{
    struct sim_world *world = world_of(node);
    (void)error;
    *chain_r = (struct node_chain){ .chain = "regtest", .height = world->height };
    memcpy(chain_r->tip, world->blocks[world->chain[world->height]].hash, 32);
    return NODE_OK;
}

static enum node_answer block(struct node *node, const uint8_t hash[32], struct node_block *block_r,
                              struct error *error)
{
    struct sim_world *world = world_of(node);
    for (size_t i = 0; i < world->block_count && world->has_bits; i++)
        if (memcmp(world->blocks[i].hash, hash, 32) == 0) {
            *block_r = (struct node_block){ .height = world->blocks[i].height };
            /* Four to six thousand hashes a block, another at every height. */
            block_r->bits = 0x1f000000 | (716000 + world->blocks[i].height % 11 * 35000);
            return NODE_OK;
        }
    error_fill(error, ERROR_UNAVAILABLE, "not in this world");
    return NODE_UNAVAILABLE; /* the engine then knows the network's work from events alone */
}

static enum node_answer get_template(struct node *node, const char *longpoll_id,
                                     struct arena *arena, struct block_template *template_r,
                                     const char **longpoll_id_r, struct error *error)
{
    struct sim_world *world = world_of(node);
    (void)longpoll_id;
    (void)arena;
    (void)error;
    memset(template_r, 0, sizeof *template_r);
    template_r->coinbase_value = 2500000 + sim_below(&world->random, 900000);
    *longpoll_id_r = "";
    return NODE_OK;
}

static enum node_answer validate(struct node *node, const char *address, bool *valid_r,
                                 struct error *error)
{
    (void)node;
    (void)error;
    *valid_r = address[0] != '\0';
    return NODE_OK;
}

static bool is_locked(const struct sim_world *world, const struct sim_coin *coin)
{
    for (size_t i = 0; i < world->lock_count; i++)
        if (world->locks[i].output == coin->output &&
            memcmp(world->locks[i].txid, coin->txid, 32) == 0)
            return true;
    return false;
}

static void lock(struct sim_world *world, const struct sim_coin *coin)
{
    if (!is_locked(world, coin) && world->lock_count < sizeof world->locks / sizeof *world->locks)
        world->locks[world->lock_count++] = *coin;
}

/* Free for the wallet: there, unspent in the chain, in no transaction that it knows to be alive. */
static bool is_free(const struct sim_world *world, const struct sim_coin *coin, uint64_t *amount_r)
{
    if (!sim_coin_exists(world, coin, amount_r) ||
        (is_locked(world, coin) && !world->ignores_locks) ||
        sim_spender_in_chain(world, coin, SIZE_MAX) >= 0)
        return false;
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct sim_tx *tx = &world->txs[i];
        if (!tx->pooled)
            continue;
        for (size_t k = 0; k < tx->input_count; k++)
            if (tx->inputs[k].output == coin->output &&
                memcmp(tx->inputs[k].txid, coin->txid, 32) == 0)
                return false;
    }
    return true;
}

/* Calls visit for each free coin of the wallet until it says stop. */
static void each_coin(struct sim_world *world,
                      bool (*visit)(void *context, const struct sim_coin *coin, uint64_t amount),
                      void *context)
{
    uint64_t amount;
    for (size_t i = 0; i < world->fund_count; i++)
        if (is_free(world, &world->funds[i], &amount) && !visit(context, &world->funds[i], amount))
            return;
    for (uint32_t h = 1; h <= world->height && world->spends_coinbases; h++) {
        const struct sim_block *one = &world->blocks[world->chain[h]];
        struct sim_coin coin = { .output = 0 };
        memcpy(coin.txid, one->hash, 32);
        if (one->ours && is_free(world, &coin, &amount) && !visit(context, &coin, amount))
            return;
    }
    for (size_t i = 0; i < world->tx_count; i++)
        for (size_t k = 0; k < world->txs[i].output_count; k++) {
            struct sim_coin coin = { .output = (uint32_t)k };
            memcpy(coin.txid, world->txs[i].txid, 32);
            if (world->txs[i].outputs[k].account == -1 && is_free(world, &coin, &amount) &&
                !visit(context, &coin, amount))
                return;
        }
}

static bool add_amount(void *context, const struct sim_coin *coin, uint64_t amount)
{
    (void)coin;
    *(uint64_t *)context += amount;
    return true;
}

static enum node_answer balance(struct node *node, uint64_t *amount_r, struct error *error)
{
    (void)error;
    *amount_r = 0;
    each_coin(world_of(node), add_amount, amount_r);
    return NODE_OK;
}

struct choosing {
    struct sim_tx *tx;
    uint64_t wanted;
    uint64_t have;
};

static bool choose(void *context, const struct sim_coin *coin, uint64_t amount)
{
    struct choosing *choosing = context;
    if (choosing->tx->input_count == SIM_TX_INPUTS_MAX)
        return false;
    choosing->tx->inputs[choosing->tx->input_count++] = *coin;
    choosing->have += amount;
    return choosing->have < choosing->wanted;
}

/* One coin that covers it all, where there is one, as a wallet would choose. */
static bool choose_one(void *context, const struct sim_coin *coin, uint64_t amount)
{
    struct choosing *choosing = context;
    if (amount < choosing->wanted)
        return true;
    choosing->tx->inputs[0] = *coin;
    choosing->tx->input_count = 1;
    choosing->have = amount;
    return false;
}

static void serialize(struct sim_world *world, struct sim_tx *tx)
{
    size_t used = 0;
    uint8_t *raw = tx->raw;
    store_le32(raw, 2);
    used += 4;
    raw[used++] = (uint8_t)tx->input_count;
    for (size_t i = 0; i < tx->input_count; i++) {
        memcpy(raw + used, tx->inputs[i].txid, 32);
        store_le32(raw + used + 32, tx->inputs[i].output);
        raw[used + 36] = 0;
        store_le32(raw + used + 37, 0xfffffffd);
        used += 41;
    }
    raw[used++] = (uint8_t)tx->output_count;
    for (size_t i = 0; i < tx->output_count; i++) {
        store_le64(raw + used, tx->outputs[i].amount);
        raw[used + 8] = 22;
        int account = tx->outputs[i].account;
        if (account >= 0)
            memcpy(raw + used + 9, world->scripts[account], 22);
        else
            memset(raw + used + 9, account == -1 ? change_script[0] : 0x51, 22);
        used += 31;
    }
    store_le32(raw + used, world->builds); /* no two builds give the same transaction */
    used += 4;
    tx->raw_bytes = used;
    sha256d(span_of(raw, used), tx->txid);
}

/* A wallet at fault: the transaction is another than was asked for. */
static void spoil(struct sim_world *world, struct sim_tx *tx)
{
    tx->bad = true;
    switch (sim_below(&world->random, 4)) {
    case 0: /* a receiver is paid more, at the cost of the change or of what is not there */
        if (tx->outputs[tx->output_count - 1].account == -1) {
            tx->outputs[tx->output_count - 1].amount--;
            tx->outputs[0].amount++;
        } else {
            tx->outputs[0].amount += 100000;
        }
        break;
    case 1: /* nobody planned for this one */
        tx->outputs[tx->output_count].account = -2;
        tx->outputs[tx->output_count++].amount = 1000;
        break;
    case 2: /* the change is forgotten: a fee beyond all bounds, where there was any */
        tx->bad = tx->outputs[tx->output_count - 1].account == -1 &&
                  tx->outputs[tx->output_count - 1].amount > 300000;
        tx->output_count -= tx->bad;
        break;
    default: /* the change goes to somebody else */
        tx->bad = tx->outputs[tx->output_count - 1].account == -1;
        if (tx->bad)
            tx->outputs[tx->output_count - 1].account = -2;
        break;
    }
}

/* Gives the newest transaction away, as signed. */
static void hand_over(struct sim_world *world, struct sim_tx *tx, struct arena *arena,
                      struct node_transaction *transaction_r)
{
    world->builds++;
    serialize(world, tx);
    for (size_t i = 0; i < tx->input_count; i++)
        lock(world, &tx->inputs[i]);
    world->tx_count++;
    uint8_t *raw = arena_take(arena, tx->raw_bytes);
    ASSERT(raw != NULL);
    memcpy(raw, tx->raw, tx->raw_bytes);
    *transaction_r = (struct node_transaction){ .raw = span_of(raw, tx->raw_bytes),
                                                .fee = tx->fee,
                                                .anchor_output = tx->inputs[0].output,
                                                .change = span_of(change_script, 22) };
    memcpy(transaction_r->txid, tx->txid, 32);
    memcpy(transaction_r->anchor_txid, tx->inputs[0].txid, 32);
}

static enum node_answer build(struct node *node, const struct node_payment *payment,
                              struct arena *arena, struct node_transaction *transaction_r,
                              struct error *error)
{
    struct sim_world *world = world_of(node);
    size_t count = payment->count;
    ASSERT(world->tx_count < SIM_TXS_MAX && count + 2 < SIM_TX_OUTPUTS_MAX);
    struct sim_tx *tx = &world->txs[world->tx_count];
    *tx = (struct sim_tx){ .fee = FEE, .original = world->tx_count };
    struct choosing choosing = { tx, payment->receivers_pay ? 0 : FEE, 0 };
    for (size_t i = 0; i < count; i++) {
        int account = -3;
        for (size_t k = 0; k < world->account_count; k++)
            if (strcmp(world->addresses[k], payment->outputs[i].address) == 0)
                account = (int)k;
        ASSERT(account >= 0);
        uint64_t share = FEE / count + (i == 0 ? FEE % count : 0);
        tx->outputs[i].account = account;
        tx->outputs[i].withheld = payment->receivers_pay ? share : 0;
        tx->outputs[i].amount = payment->outputs[i].amount - tx->outputs[i].withheld;
        choosing.wanted += payment->outputs[i].amount;
        if (payment->receivers_pay && payment->outputs[i].amount < share + DUST) {
            error_fill(error, ERROR_REFUSED, "The transaction amount is too small to pay the fee");
            return NODE_REFUSED;
        }
    }
    tx->output_count = count;
    each_coin(world, choose_one, &choosing);
    if (choosing.have == 0)
        each_coin(world, choose, &choosing);
    if (choosing.have < choosing.wanted) {
        error_fill(error, ERROR_REFUSED, "Insufficient funds");
        return NODE_REFUSED;
    }
    if (choosing.have > choosing.wanted) {
        tx->outputs[tx->output_count].account = -1;
        tx->outputs[tx->output_count++].amount = choosing.have - choosing.wanted;
    }
    if (sim_chance(&world->random, world->errs))
        spoil(world, tx);
    hand_over(world, tx, arena, transaction_r);
    return NODE_OK;
}

/* Signs what it is given: a transaction with the inputs of one it made, and other amounts. */
static enum node_answer sign(struct node *node, struct span raw, struct arena *arena,
                             struct node_transaction *transaction_r, struct error *error)
{
    struct sim_world *world = world_of(node);
    const struct sim_tx *before = NULL;
    size_t inputs_bytes = raw.length < 5 ? 0 : 1 + (size_t)raw.data[4] * 41;
    (void)error;
    ASSERT(world->tx_count < SIM_TXS_MAX);
    for (size_t i = world->tx_count; i-- > 0 && before == NULL;) /* the newest of such inputs */
        if (world->txs[i].raw_bytes == raw.length && !world->txs[i].bad &&
            memcmp(world->txs[i].raw + 4, raw.data + 4, inputs_bytes) == 0)
            before = &world->txs[i];
    if (before == NULL)
        sim_fail(world, "the wallet was given a transaction to sign that spends other inputs");
    struct sim_tx *tx = &world->txs[world->tx_count];
    *tx = *before;
    tx->known = tx->pooled = false;
    tx->fee = before->fee;
    for (size_t i = 0; i < tx->output_count; i++) {
        uint64_t amount = load_le64(raw.data + 4 + inputs_bytes + 1 + i * 31);
        tx->fee += before->outputs[i].amount - amount;
        if (tx->outputs[i].account >= 0)
            tx->outputs[i].withheld += before->outputs[i].amount - amount;
        tx->outputs[i].amount = amount;
    }
    if (sim_chance(&world->random, world->errs))
        spoil(world, tx);
    uint64_t amount;
    for (size_t i = 0; i < world->fund_count && world->swaps_coins && !tx->bad; i++)
        if (is_free(world, &world->funds[i], &amount) &&
            memcmp(&world->funds[i], &tx->inputs[0], sizeof tx->inputs[0]) != 0) {
            /* then both could confirm */
            tx->inputs[0] = world->funds[i];
            tx->bad = true;
        }
    hand_over(world, tx, arena, transaction_r);
    return NODE_OK;
}

static enum node_answer output(struct node *node, const uint8_t txid[32], uint32_t index,
                               struct node_output *output_r, struct error *error)
{
    struct sim_world *world = world_of(node);
    struct sim_coin coin = { .output = index };
    uint64_t amount;
    (void)error;
    memcpy(coin.txid, txid, 32);
    *output_r = (struct node_output){ .unspent = false };
    if (sim_coin_exists(world, &coin, &amount) && sim_spender_in_chain(world, &coin, SIZE_MAX) < 0)
        *output_r = (struct node_output){ true, amount, 1 };
    return NODE_OK;
}

static enum node_answer spender(struct node *node, const uint8_t txid[32], uint32_t index,
                                uint8_t spender_r[32], uint32_t *confirmations_r,
                                struct error *error)
{
    struct sim_world *world = world_of(node);
    (void)error;
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct sim_tx *tx = &world->txs[i];
        int at = sim_tx_block(world, i);
        for (size_t k = 0; k < tx->input_count && at >= 0; k++)
            if (tx->inputs[k].output == index && memcmp(tx->inputs[k].txid, txid, 32) == 0) {
                memcpy(spender_r, tx->txid, 32);
                *confirmations_r = sim_confirmations(world, at);
                return NODE_OK;
            }
    }
    return NODE_MISSING;
}

static enum node_answer unlock_all(struct node *node, struct error *error)
{
    (void)error;
    world_of(node)->lock_count = 0;
    return NODE_OK;
}

/* Takes what it replaces out of the mempool; false where that pays as much. */
static bool replace(struct sim_world *world, const struct sim_tx *tx)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < world->tx_count; i++) {
            struct sim_tx *other = &world->txs[i];
            if (other == tx || !other->pooled || other->original != tx->original)
                continue;
            if (pass == 0 && other->fee >= tx->fee)
                return false;
            other->pooled = pass == 0;
        }
    return true;
}

static enum node_answer broadcast(struct node *node, struct span raw, struct error *error)
{
    struct sim_world *world = world_of(node);
    for (size_t i = 0; i < world->tx_count; i++) {
        struct sim_tx *tx = &world->txs[i];
        if (!span_equal(raw, span_of(tx->raw, tx->raw_bytes)))
            continue;
        if (tx->bad)
            sim_fail(world, "a transaction was sent that is not what was planned");
        if (tx->pooled || sim_tx_block(world, i) >= 0)
            return NODE_OK;
        if (!replace(world, tx)) {
            error_fill(error, ERROR_REFUSED, "insufficient fee, rejecting replacement");
            return NODE_REFUSED;
        }
        if (!sim_tx_valid(world, i)) {
            error_fill(error, ERROR_REFUSED, "bad-txns-inputs-missingorspent");
            return NODE_REFUSED;
        }
        tx->pooled = tx->known = true;
        return NODE_OK;
    }
    sim_fail(world, "bytes were broadcast that no wallet made");
}

/* How deep a conflict with this transaction, or with one it descends from, is buried. */
static int32_t conflict_depth(const struct sim_world *world, size_t tx)
{
    const struct sim_tx *one = &world->txs[tx];
    int32_t depth = 0;
    for (size_t k = 0; k < one->input_count; k++) {
        int spender = sim_spender_in_chain(world, &one->inputs[k], tx);
        int32_t found = spender >= 0 ? (int32_t)sim_confirmations(world, spender) : 0;
        for (size_t i = 0; i < world->tx_count && found == 0; i++)
            if (memcmp(world->txs[i].txid, one->inputs[k].txid, 32) == 0 &&
                sim_tx_block(world, i) < 0)
                found = conflict_depth(world, i);
        depth = found > depth ? found : depth;
    }
    return depth;
}

static enum node_answer transaction(struct node *node, const uint8_t txid[32],
                                    struct node_transaction_state *state_r, struct error *error)
{
    struct sim_world *world = world_of(node);
    (void)error;
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct sim_tx *tx = &world->txs[i];
        if (memcmp(tx->txid, txid, 32) != 0 || !tx->known)
            continue;
        int at = sim_tx_block(world, i);
        *state_r = (struct node_transaction_state){ .known = true };
        if (at >= 0) {
            state_r->confirmations = (int32_t)sim_confirmations(world, at);
            memcpy(state_r->block_hash, world->blocks[at].hash, 32);
            return NODE_OK;
        }
        state_r->confirmations = -conflict_depth(world, i);
        return NODE_OK;
    }
    return NODE_MISSING;
}

static enum node_answer lock_input(struct node *node, const uint8_t txid[32], uint32_t output,
                                   bool wanted, struct error *error)
{
    struct sim_world *world = world_of(node);
    struct sim_coin coin = { .output = output };
    (void)error;
    memcpy(coin.txid, txid, 32);
    if (wanted)
        lock(world, &coin);
    for (size_t i = 0; i < world->lock_count && !wanted; i++)
        if (world->locks[i].output == output && memcmp(world->locks[i].txid, txid, 32) == 0)
            world->locks[i--] = world->locks[--world->lock_count];
    return NODE_OK;
}

static void interrupt(struct node *node)
{
    (void)node;
}

static void close_node(struct node *node)
{
    free(node);
}

struct node *sim_node(struct sim_world *world)
{
    static const struct node_ops ops = {
        .name = name,
        .chain = chain,
        .block = block,
        .get_template = get_template,
        .validate_address = validate,
        .wallet_balance = balance,
        .build_payment = build,
        .sign = sign,
        .output = output,
        .spender = spender,
        .unlock_all = unlock_all,
        .broadcast = broadcast,
        .transaction = transaction,
        .lock_input = lock_input,
        .interrupt = interrupt,
        .close = close_node,
    };
    struct sim_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL);
    node->port.ops = &ops;
    node->world = world;
    return &node->port;
}
