#include "adapter/node_fake/inside.h"

#include "core/difficulty/difficulty.h"
#include "core/pow/sha256.h"
#include "loop/deadline.h"
#include "loop/loop.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static struct node_fake *enter(struct node *port)
{
    struct node_fake *node = (struct node_fake *)port;
    pthread_mutex_lock(&node->chain->lock);
    return node;
}

/* Leaves with what the handle's trouble makes of the answer. */
static enum node_answer leave(struct node_fake *node, enum node_answer answer, struct error *error)
{
    if (node->trouble == NODE_FAKE_AWAY)
        answer = NODE_UNAVAILABLE;
    else if (node->trouble == NODE_FAKE_SILENT)
        answer = NODE_UNKNOWN;
    if (answer == NODE_UNAVAILABLE || answer == NODE_UNKNOWN)
        error_fill(error, ERROR_UNAVAILABLE, "node %s: told to be away", node->name);
    pthread_mutex_unlock(&node->chain->lock);
    return answer;
}

static bool is_away(const struct node_fake *node)
{
    return node->trouble == NODE_FAKE_AWAY;
}

static const char *call_name(const struct node *port)
{
    return ((const struct node_fake *)port)->name;
}

enum { LIE_BYTE = 0xee, LIE_HEIGHT = 1000 };

/* What it claims to be its tip. */
static bool lies(const struct node_fake *node, uint8_t hash_r[32])
{
    if (node->trouble != NODE_FAKE_LIES)
        return false;
    memset(hash_r, LIE_BYTE, 32);
    return true;
}

static enum node_answer call_chain(struct node *port, struct node_chain *chain_r,
                                   struct error *error)
{
    struct node_fake *node = enter(port);
    const struct fake_block *tip = &node->chain->blocks[fake_tip_of(node)];
    *chain_r = (struct node_chain){ .height = tip->height,
                                    .median_time = tip->time,
                                    .initial_download = node->trouble == NODE_FAKE_SYNCING };
    memcpy(chain_r->chain, node->chain->chain, sizeof chain_r->chain);
    memcpy(chain_r->tip, tip->hash, 32);
    store_be64(chain_r->chain_work + 24, tip->height + 1);
    if (lies(node, chain_r->tip)) {
        chain_r->height += LIE_HEIGHT;
        memset(chain_r->chain_work, 0x7f, 32);
    }
    return leave(node, NODE_OK, error);
}

static void wait_for_change(struct node_fake *node, uint64_t changes)
{
    uint64_t end_ns = loop_clock_ns() + WAIT_MS * UINT64_C(1000000);
    while (node->chain->changes == changes && !node->interrupted && !is_away(node))
        if (!deadline_wait(&node->chain->changed, &node->chain->lock, end_ns))
            break;
}

static bool fill_transactions(struct node_fake_chain *chain, struct arena *arena,
                              struct block_template *template_r)
{
    size_t count = chain->transactions_count;
    struct template_transaction *transactions = arena_take(arena, count * sizeof *transactions);
    if (transactions == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = arena_take(arena, chain->transaction_bytes);
        if (data == NULL)
            return false;
        store_le64(data, i + 1);
        transactions[i].data = span_of(data, chain->transaction_bytes);
        sha256d(transactions[i].data, transactions[i].txid);
    }
    template_r->transactions = transactions;
    template_r->transactions_count = count;
    return true;
}

static enum node_answer call_template(struct node *port, const char *longpoll_id,
                                      struct arena *arena, struct block_template *template_r,
                                      const char **longpoll_id_r, struct error *error)
{
    struct node_fake *node = enter(port);
    struct node_fake_chain *chain = node->chain;
    if (longpoll_id != NULL)
        wait_for_change(node, strtoull(longpoll_id, NULL, 10));
    bool interrupted = node->interrupted;
    node->interrupted = false;
    if (interrupted || node->trouble == NODE_FAKE_SYNCING)
        return leave(node, NODE_UNAVAILABLE, error);
    const struct fake_block *tip = &chain->blocks[fake_tip_of(node)];
    *template_r = (struct block_template){ .height = tip->height + 1,
                                           .version = 0x20000000,
                                           .bits = chain->bits,
                                           .cur_time = tip->time + 600,
                                           .min_time = tip->time + 1,
                                           .coinbase_value = FAKE_COINBASE_VALUE,
                                           .fees_known = true };
    memcpy(template_r->prev_hash, tip->hash, 32);
    if (lies(node, template_r->prev_hash))
        template_r->height += LIE_HEIGHT;
    if (node->watcher.on_tip != NULL)
        node->watcher.on_tip(node->watcher.context, template_r->prev_hash);
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)chain->changes);
    *longpoll_id_r = arena_text(arena, span_text(id));
    bool ok = difficulty_target_from_bits(chain->bits, &template_r->network_target) &&
              fill_transactions(chain, arena, template_r) && *longpoll_id_r != NULL;
    ASSERT(ok);
    size_t half = template_r->transactions_count / 2; /* before the rest has arrived */
    if (node->watcher.on_transactions != NULL && half > 0)
        node->watcher.on_transactions(node->watcher.context, template_r->transactions, half);
    return leave(node, NODE_OK, error);
}

static void call_watch(struct node *port, const struct node_watcher *watcher)
{
    struct node_fake *node = enter(port);
    node->watcher = watcher != NULL ? *watcher : (struct node_watcher){ 0 };
    pthread_mutex_unlock(&node->chain->lock);
}

static enum node_answer call_best(struct node *port, uint8_t hash_r[32], struct error *error)
{
    struct node_fake *node = enter(port);
    memcpy(hash_r, node->chain->blocks[fake_tip_of(node)].hash, 32);
    (void)lies(node, hash_r);
    return leave(node, NODE_OK, error);
}

static enum node_answer call_tip(struct node *port, const uint8_t hash[32], struct node_tip *tip_r,
                                 struct error *error)
{
    struct node_fake *node = enter(port);
    uint8_t lie[32];
    size_t at = fake_find(node->chain, hash);
    if (lies(node, lie) && memcmp(hash, lie, 32) == 0) {
        error_fill(error, ERROR_INVALID,
                   "node %s: the header it shows for its tip has another hash", node->name);
        return leave(node, NODE_REFUSED, error);
    }
    if (at == NO_BLOCK)
        return leave(node, NODE_MISSING, error);
    const struct fake_block *block = &node->chain->blocks[at];
    *tip_r = (struct node_tip){ .height = block->height,
                                .bits = node->chain->bits,
                                .median_time = block->time,
                                .is_tip = at == fake_tip_of(node) };
    memcpy(tip_r->hash, block->hash, 32);
    store_be64(tip_r->chain_work + 24, block->height + 1);
    return leave(node, NODE_OK, error);
}

static enum node_submit judge(struct node_fake *node, struct span block, const char **word_r)
{
    struct node_fake_chain *chain = node->chain;
    uint8_t hash[32];
    if (node->trouble == NODE_FAKE_REFUSES || block.length < 81) {
        *word_r = "high-hash";
        return NODE_SUBMIT_REJECTED;
    }
    sha256d_header(block.data, hash);
    if (fake_find(chain, hash) != NO_BLOCK) {
        *word_r = "duplicate";
        return NODE_SUBMIT_DUPLICATE;
    }
    size_t parent = fake_find(chain, block.data + 4);
    if (parent == NO_BLOCK) {
        *word_r = "prev-blk-not-found";
        return NODE_SUBMIT_UNREACHED;
    }
    size_t at = fake_append(chain, parent, hash);
    uint8_t *copy = malloc(block.length);
    ASSERT(copy != NULL);
    memcpy(copy, block.data, block.length);
    chain->blocks[at].bytes = span_of(copy, block.length);
    if (chain->blocks[at].height > chain->blocks[chain->tip].height) {
        fake_set_tip(chain, at);
        *word_r = "accepted";
        return NODE_SUBMIT_ACCEPTED;
    }
    *word_r = "inconclusive";
    return NODE_SUBMIT_INCONCLUSIVE;
}

static enum node_submit call_submit(struct node *port, struct span block, char *answer_r,
                                    size_t answer_bytes)
{
    struct node_fake *node = enter(port);
    const char *word = "away";
    enum node_submit submit = NODE_SUBMIT_UNREACHED;
    if (!is_away(node)) {
        node->chain->submissions++;
        submit = judge(node, block, &word);
        if (node->trouble == NODE_FAKE_SILENT) {
            submit = NODE_SUBMIT_UNREACHED;
            word = "no answer";
        }
    }
    snprintf(answer_r, answer_bytes, "%s", word);
    pthread_mutex_unlock(&node->chain->lock);
    return submit;
}

static enum node_answer call_block_hash(struct node *port, uint32_t height, uint8_t hash_r[32],
                                        struct error *error)
{
    struct node_fake *node = enter(port);
    size_t at = fake_at_height(node->chain, fake_tip_of(node), height);
    if (at != NO_BLOCK)
        memcpy(hash_r, node->chain->blocks[at].hash, 32);
    return leave(node, at == NO_BLOCK ? NODE_MISSING : NODE_OK, error);
}

static enum node_answer call_block(struct node *port, const uint8_t hash[32],
                                   struct node_block *block_r, struct error *error)
{
    struct node_fake *node = enter(port);
    const struct node_fake_chain *chain = node->chain;
    size_t tip = fake_tip_of(node);
    size_t at = fake_find(chain, hash);
    /* What is above a lagging handle's tip it has not heard of. */
    if (at == NO_BLOCK || (fake_at_height(chain, chain->tip, chain->blocks[at].height) == at &&
                           chain->blocks[at].height > chain->blocks[tip].height))
        return leave(node, NODE_MISSING, error);
    const struct fake_block *block = &chain->blocks[at];
    bool best = fake_at_height(chain, tip, block->height) == at;
    *block_r = (struct node_block){
        .height = block->height,
        .time = block->time,
        .bits = chain->bits,
        .confirmations = best ? (int32_t)(chain->blocks[tip].height - block->height + 1) : -1
    };
    memcpy(block_r->hash, block->hash, 32);
    if (block->parent != NO_BLOCK)
        memcpy(block_r->prev_hash, chain->blocks[block->parent].hash, 32);
    return leave(node, NODE_OK, error);
}

/* All or nothing: what the block's template gave, where the script is in the block at all. */
static enum node_answer call_received(struct node *port, const uint8_t hash[32], struct span script,
                                      uint64_t *amount_r, struct error *error)
{
    struct node_fake *node = enter(port);
    size_t at = fake_find(node->chain, hash);
    if (at == NO_BLOCK)
        return leave(node, NODE_MISSING, error);
    struct span bytes = node->chain->blocks[at].bytes;
    *amount_r = bytes.length > 0 && memmem(bytes.data, bytes.length, script.data, script.length)
                    ? FAKE_COINBASE_VALUE
                    : 0;
    return leave(node, NODE_OK, error);
}

static bool tell_paid(const struct fake_paid *paid, node_paid_visitor visit, void *context)
{
    bool more = true;
    for (uint32_t i = 0; i < paid->times && more; i++) {
        uint8_t txid[32];
        memcpy(txid, paid->txid, 32);
        store_le32(txid + 28, load_le32(paid->txid + 28) + i);
        more = visit(context, txid, paid->amount);
    }
    return more;
}

static enum node_answer call_paid(struct node *port, const uint8_t hash[32], struct span script,
                                  node_paid_visitor visit, void *context, struct error *error)
{
    struct node_fake *node = enter(port);
    struct node_fake_chain *chain = node->chain;
    size_t at = fake_find(chain, hash);
    bool more = true;
    if (at == NO_BLOCK)
        return leave(node, NODE_MISSING, error);
    for (size_t i = 0; i < chain->paid_count && more; i++) {
        const struct fake_paid *paid = &chain->paid[i];
        if (paid->block == at && span_equal(span_of(paid->script, paid->script_length), script))
            more = tell_paid(paid, visit, context);
    }
    return leave(node, NODE_OK, error);
}

/* It knows no coin: what could be an address is one. */
static bool is_address(const char *address)
{
    size_t length = 0;
    for (; isalnum((unsigned char)address[length]); length++)
        ;
    return length > 0 && address[length] == '\0';
}

static enum node_answer call_validate(struct node *port, const char *address, bool *valid_r,
                                      struct error *error)
{
    struct node_fake *node = enter(port);
    *valid_r = is_address(address);
    return leave(node, NODE_OK, error);
}

static enum node_answer call_balance(struct node *port, uint64_t *amount_r, struct error *error)
{
    struct node_fake *node = enter(port);
    *amount_r = node->chain->balance;
    return leave(node, NODE_OK, error);
}

enum { FEE = 1000, FRAME_BYTES = 64, OUTPUT_BYTES_MAX = 9 + 0xfd };

/* What one output bears of the fee: as fundrawtransaction does it, which takes less from them where
 * the inputs have an excess too small for change. */
static uint64_t withheld(const struct node_fake_chain *chain, const struct node_payment *payment,
                         size_t index)
{
    uint64_t fee = payment->receivers_pay ? FEE - chain->excess : 0;
    return fee / payment->count + (index == 0 ? fee % payment->count : 0);
}

/* One made-up input, and the outputs. */
static size_t write_payment(struct node_fake_chain *chain, const struct node_payment *payment,
                            uint8_t *raw, struct node_transaction *transaction_r)
{
    const struct node_payment_output *outputs = payment->outputs;
    size_t count = payment->count;
    size_t used = 0;
    store_le32(raw, 2);
    raw[4] = 1;
    used = 5;
    uint8_t number[8];
    store_le64(number, ++chain->made);
    sha256d(span_of(number, sizeof number), transaction_r->anchor_txid);
    transaction_r->anchor_output = 0;
    memcpy(raw + used, transaction_r->anchor_txid, 32);
    memset(raw + used + 32, 0, 5); /* output 0, no script */
    memset(raw + used + 37, 0xff, 4);
    used += 41;
    raw[used++] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        size_t length = outputs[i].script.length;
        ASSERT(length < 0xfd);
        store_le64(raw + used, outputs[i].amount - withheld(chain, payment, i));
        raw[used + 8] = (uint8_t)length;
        memcpy(raw + used + 9, outputs[i].script.data, length);
        used += 9 + length;
    }
    memset(raw + used, 0, 4);
    return used + 4;
}

static enum node_answer call_build(struct node *port, const struct node_payment *payment,
                                   struct arena *arena, struct node_transaction *transaction_r,
                                   struct error *error)
{
    struct node_fake *node = enter(port);
    const struct node_payment_output *outputs = payment->outputs;
    size_t count = payment->count;
    uint64_t sum = payment->receivers_pay ? node->chain->excess : FEE;
    bool addresses = true, bearable = true;
    for (size_t i = 0; i < count; i++) {
        sum += outputs[i].amount;
        addresses = addresses && is_address(outputs[i].address);
        bearable = bearable && outputs[i].amount > withheld(node->chain, payment, i);
    }
    if (is_away(node))
        return leave(node, NODE_UNAVAILABLE, error);
    if (!addresses) {
        error_fill(error, ERROR_REFUSED, "node %s: Invalid address (code -5)", node->name);
        return leave(node, NODE_REFUSED, error);
    }
    if (!bearable) {
        error_fill(error, ERROR_REFUSED,
                   "node %s: The transaction amount is too small to pay the fee (code -4)",
                   node->name);
        return leave(node, NODE_REFUSED, error);
    }
    if (sum > node->chain->balance || count == 0 || count >= 0xfd) {
        error_fill(error, ERROR_REFUSED, "node %s: Insufficient funds (code -4)", node->name);
        return leave(node, NODE_REFUSED, error);
    }
    uint8_t *raw = arena_take(arena, FRAME_BYTES + count * OUTPUT_BYTES_MAX);
    ASSERT(raw != NULL);
    *transaction_r = (struct node_transaction){ .fee = FEE };
    transaction_r->raw = span_of(raw, write_payment(node->chain, payment, raw, transaction_r));
    sha256d(transaction_r->raw, transaction_r->txid);
    node->chain->balance -= sum;
    node->chain->excess = 0;
    struct fake_coin *coin = &node->chain->coins[node->chain->made % COINS_MAX];
    memcpy(coin->txid, transaction_r->anchor_txid, 32);
    coin->amount = sum;
    return leave(node, NODE_OK, error);
}

/* A signature of nothing: the bytes as they are. */
static enum node_answer call_sign(struct node *port, struct span raw, struct arena *arena,
                                  struct node_transaction *transaction_r, struct error *error)
{
    struct node_fake *node = enter(port);
    uint8_t *bytes = arena_take(arena, raw.length);
    ASSERT(bytes != NULL && raw.length > 41);
    memcpy(bytes, raw.data, raw.length);
    *transaction_r = (struct node_transaction){ .raw = span_of(bytes, raw.length) };
    memcpy(transaction_r->anchor_txid, raw.data + 5, 32);
    transaction_r->anchor_output = load_le32(raw.data + 37);
    sha256d(transaction_r->raw, transaction_r->txid);
    return leave(node, NODE_OK, error);
}

/* Its coins are all in the chain, and spent by nobody else. */
static enum node_answer call_output(struct node *port, const uint8_t txid[32], uint32_t output,
                                    struct node_output *output_r, struct error *error)
{
    struct node_fake *node = enter(port);
    *output_r = (struct node_output){ .unspent = false };
    for (size_t i = 0; i < COINS_MAX; i++)
        if (output == 0 && memcmp(node->chain->coins[i].txid, txid, 32) == 0)
            *output_r = (struct node_output){ true, node->chain->coins[i].amount, 100 };
    return leave(node, NODE_OK, error);
}

static enum node_answer call_spender(struct node *port, const uint8_t txid[32], uint32_t output,
                                     uint8_t spender_r[32], uint32_t *confirmations_r,
                                     struct error *error)
{
    (void)txid;
    (void)output;
    (void)spender_r;
    *confirmations_r = 0;
    return leave(enter(port), NODE_MISSING, error);
}

static enum node_answer call_unlock_all(struct node *port, struct error *error)
{
    return leave(enter(port), NODE_OK, error);
}

static struct fake_transaction *find_transaction(struct node_fake_chain *chain,
                                                 const uint8_t txid[32])
{
    for (size_t i = 0; i < chain->known_count; i++)
        if (memcmp(chain->known[i].txid, txid, 32) == 0)
            return &chain->known[i];
    return NULL;
}

static enum node_answer call_broadcast(struct node *port, struct span raw, struct error *error)
{
    struct node_fake *node = enter(port);
    struct node_fake_chain *chain = node->chain;
    uint8_t txid[32];
    if (is_away(node))
        return leave(node, NODE_UNAVAILABLE, error);
    chain->broadcasts++;
    sha256d(raw, txid);
    if (find_transaction(chain, txid) == NULL) {
        ASSERT(chain->known_count < TRANSACTIONS_MAX);
        memcpy(chain->known[chain->known_count].txid, txid, 32);
        chain->known[chain->known_count++].height = 0;
    }
    return leave(node, NODE_OK, error);
}

static enum node_answer call_transaction(struct node *port, const uint8_t txid[32],
                                         struct node_transaction_state *state_r,
                                         struct error *error)
{
    struct node_fake *node = enter(port);
    struct node_fake_chain *chain = node->chain;
    const struct fake_transaction *known = find_transaction(chain, txid);
    *state_r = (struct node_transaction_state){ 0 };
    if (known == NULL)
        return leave(node, NODE_MISSING, error);
    state_r->known = true;
    size_t at =
        known->height == 0 ? NO_BLOCK : fake_at_height(chain, fake_tip_of(node), known->height);
    if (at != NO_BLOCK) {
        state_r->confirmations =
            (int32_t)(chain->blocks[fake_tip_of(node)].height - known->height + 1);
        memcpy(state_r->block_hash, chain->blocks[at].hash, 32);
    }
    return leave(node, NODE_OK, error);
}

static enum node_answer call_lock(struct node *port, const uint8_t txid[32], uint32_t output,
                                  bool lock, struct error *error)
{
    (void)txid;
    (void)output;
    (void)lock;
    return leave(enter(port), NODE_OK, error);
}

static void call_interrupt(struct node *port)
{
    struct node_fake *node = enter(port);
    node->interrupted = true;
    pthread_cond_broadcast(&node->chain->changed);
    pthread_mutex_unlock(&node->chain->lock);
}

static void call_close(struct node *port)
{
    free(port);
}

const struct node_ops node_fake_ops = {
    .name = call_name,
    .chain = call_chain,
    .get_template = call_template,
    .watch = call_watch,
    .best = call_best,
    .tip = call_tip,
    .submit = call_submit,
    .block_hash = call_block_hash,
    .block = call_block,
    .received = call_received,
    .paid = call_paid,
    .validate_address = call_validate,
    .wallet_balance = call_balance,
    .build_payment = call_build,
    .sign = call_sign,
    .output = call_output,
    .spender = call_spender,
    .unlock_all = call_unlock_all,
    .broadcast = call_broadcast,
    .transaction = call_transaction,
    .lock_input = call_lock,
    .interrupt = call_interrupt,
    .close = call_close,
};
