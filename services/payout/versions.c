/* The versions of a signed payment: which of them the chain has, sending them, and making one with
 * a higher fee. All spend the same inputs, so at most one can confirm; each is stored before it is
 * sent, and all are watched. */
#include "services/payout/inside.h"

#include "core/transaction/transaction.h"
#include "service/log.h"

#include <inttypes.h>

void engine_choose_version(struct payment_record *payment, size_t index)
{
    ASSERT(index < payment->version_count);
    memcpy(payment->txid, payment->versions[index].txid, sizeof payment->txid);
    payment->fee = payment->versions[index].fee;
}

static size_t version_of(const struct payment_record *payment, const uint8_t txid[32])
{
    for (size_t i = 0; i < payment->version_count; i++)
        if (memcmp(payment->versions[i].txid, txid, 32) == 0)
            return i;
    return SIZE_MAX;
}

/* Takes in what the node says of one version; *best_r is the one that is furthest. */
static enum step look_at(struct engine *engine, struct payment_record *payment, size_t index,
                         struct payment_observation *observation, size_t *best_r,
                         struct error *error)
{
    struct node_transaction_state state = { 0 };
    switch (node_transaction(engine->node, payment->versions[index].txid, &state, error)) {
    case NODE_OK:
        break;
    case NODE_MISSING:
        return STEP_DONE;
    case NODE_REFUSED:
    case NODE_UNAVAILABLE:
    case NODE_UNKNOWN:
        return engine_node_away(engine, error);
    }
    if (!state.known || (observation->sight == PAYMENT_SIGHT_KNOWN &&
                         state.confirmations <= observation->confirmations))
        return STEP_DONE;
    observation->sight = PAYMENT_SIGHT_KNOWN;
    observation->confirmations = state.confirmations;
    *best_r = index;
    if (state.confirmations > 0)
        memcpy(payment->block_hash, state.block_hash, sizeof payment->block_hash);
    return STEP_DONE;
}

/* Nobody spent it. It may never come to be: where it is the change of a payment of which another
 * version confirmed. */
static enum node_answer source_conflict(struct engine *engine, const struct payment_input *input,
                                        uint32_t *depth_r, struct error *error)
{
    struct node_transaction_state state = { 0 };
    *depth_r = 0;
    enum node_answer answer = node_transaction(engine->node, input->txid, &state, error);
    if (answer == NODE_OK && state.known && state.confirmations < 0)
        *depth_r = (uint32_t)-state.confirmations;
    return answer == NODE_MISSING ? NODE_OK : answer;
}

/* The node refuses it and knows none of its versions: is an input spent in the chain, and by whom?
 * By one of ours: the wallet forgot it. By another: then it ends when that one is buried. By
 * nobody that can be named: it goes on. */
static enum step look_elsewhere(struct engine *engine, struct payment_record *payment,
                                struct payment_observation *observation, size_t *best_r,
                                struct error *error)
{
    struct raw_transaction raw;
    struct payment_input input;
    if (!raw_transaction_read(payment->versions[0].raw, &raw))
        return STEP_DONE;
    for (uint64_t i = 0; raw_transaction_input(&raw, i, input.txid, &input.output); i++) {
        struct node_output coin;
        uint8_t spender[32] = { 0 };
        uint32_t depth = 0;
        enum node_answer answer = node_output(engine->node, input.txid, input.output, &coin, error);
        if (answer == NODE_OK && coin.unspent)
            continue;
        if (answer == NODE_OK)
            answer = node_spender(engine->node, input.txid, input.output, spender, &depth, error);
        if (answer == NODE_MISSING)
            answer = source_conflict(engine, &input, &depth, error);
        if (answer != NODE_OK)
            return engine_node_away(engine, error);
        size_t ours = version_of(payment, spender);
        if (ours != SIZE_MAX) {
            observation->sight = PAYMENT_SIGHT_KNOWN;
            observation->confirmations = (int32_t)depth;
            *best_r = ours;
            return STEP_DONE;
        }
        if (depth > observation->elsewhere_depth)
            observation->elsewhere_depth = depth;
    }
    return STEP_DONE;
}

/* The next version, unsigned, with its fee and terms; false where there can be none. Memory of the
 * arena. */
static bool plan_bump(const struct engine *engine, const struct payment_record *payment,
                      struct arena *arena, struct payment_terms *terms_r, uint64_t *fee_r,
                      struct span *bytes_r)
{
    if (payment->version_count == 0 || payment->version_count == PAYMENT_VERSIONS_MAX ||
        !engine_payment_terms(engine, payment, arena, terms_r))
        return false;
    const struct payment_version *newest = &payment->versions[payment->version_count - 1];
    struct raw_transaction raw;
    if (!raw_transaction_read(newest->raw, &raw))
        return false;
    terms_r->input_sum = newest->fee.units;
    for (uint64_t i = 0; i < raw.outputs_count; i++) {
        uint64_t amount;
        struct span script;
        if (!raw_transaction_output(&raw, i, &amount, &script))
            return false;
        terms_r->input_sum += amount;
    }
    terms_r->change = payment_change(newest->raw, terms_r);
    *fee_r = payment_next_fee(newest->raw, terms_r, newest->fee.units);
    uint8_t *bytes = arena_take(arena, newest->raw.length);
    if (*fee_r == 0 || bytes == NULL)
        return false;
    *bytes_r = span_of(bytes, payment_bump(newest->raw, terms_r, *fee_r, bytes));
    return bytes_r->length > 0;
}

enum step engine_look(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct payment_observation *observation_r, struct error *error)
{
    struct arena scratch = *arena; /* what is taken here is free again afterwards */
    size_t best = SIZE_MAX;
    if (engine->node == NULL || payment->version_count == 0)
        return STEP_WAIT;
    *observation_r = (struct payment_observation){ .sight = PAYMENT_SIGHT_MISSING };
    enum step step = STEP_DONE;
    bool posted = payment->state == PAYMENT_CONFIRMED;
    size_t first = posted ? version_of(payment, payment->txid) : 0;
    if (first == SIZE_MAX)
        return engine_broken(error, "payment %" PRIu64 " was confirmed by no version of it",
                             payment->number);
    for (size_t i = first; i < (posted ? first + 1 : payment->version_count) && step == STEP_DONE;
         i++)
        step = look_at(engine, payment, i, observation_r, &best, error);
    if (step == STEP_DONE && observation_r->sight == PAYMENT_SIGHT_MISSING &&
        payment->state == PAYMENT_UNCERTAIN)
        step = look_elsewhere(engine, payment, observation_r, &best, error);
    if (step != STEP_DONE)
        return step;
    payment->confirmations = observation_r->confirmations;
    if (posted)
        return STEP_DONE;
    engine_choose_version(payment,
                          observation_r->confirmations > 0 ? best : payment->version_count - 1);
    uint32_t since = payment->versions[payment->version_count - 1].height;
    if (since > 0 && engine->height > since && engine_may_sign(engine, payment)) {
        struct payment_terms terms;
        uint64_t fee;
        struct span bytes;
        observation_r->waited = engine->height - since;
        observation_r->bumpable = plan_bump(engine, payment, &scratch, &terms, &fee, &bytes);
    }
    return STEP_DONE;
}

/* What leaves the house was stored first, under this leader's own epoch. The newest version first;
 * where a node will not have it, an older one may be in its mempool. */
enum step engine_send(struct engine *engine, struct payment_record *payment, struct error *error)
{
    char reason[sizeof error->text] = "";
    enum step step = STEP_DONE;
    if (payment->epoch != engine->epoch)
        step = engine_save(engine, payment, payment->state, error);
    if (step == STEP_DONE)
        step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    for (size_t i = payment->version_count; i-- > 0;) {
        switch (node_broadcast(engine->node, payment->versions[i].raw, error)) {
        case NODE_OK:
            if (payment->state == PAYMENT_BROADCAST)
                return STEP_DONE;
            engine->counters.payments_sent += payment->state == PAYMENT_SIGNED;
            payment->reason[0] = '\0';
            return engine_save(engine, payment, PAYMENT_BROADCAST, error);
        case NODE_REFUSED:
            if (reason[0] == '\0')
                memcpy(reason, error->text, sizeof reason);
            break;
        case NODE_MISSING:
        case NODE_UNAVAILABLE:
        case NODE_UNKNOWN:
            return engine_node_away(engine, error);
        }
    }
    /* No verdict: it may be in a block this node forgot, or its inputs spent by itself. */
    engine->counters.payments_refused++;
    return engine_note_reason(engine, payment, PAYMENT_UNCERTAIN, reason, error);
}

static bool same_inputs(const struct raw_transaction *one, const struct raw_transaction *other)
{
    struct payment_input a, b;
    if (one->inputs_count != other->inputs_count)
        return false;
    for (uint64_t i = 0; i < one->inputs_count; i++)
        if (!raw_transaction_input(one, i, a.txid, &a.output) ||
            !raw_transaction_input(other, i, b.txid, &b.output) || a.output != b.output ||
            memcmp(a.txid, b.txid, 32) != 0)
            return false;
    return true;
}

/* Whether the wallet gave back what it was to sign: the first version's inputs, the plan's outputs,
 * the fee that was meant. */
static bool is_next_version(const struct payment_record *payment, const struct payment_terms *terms,
                            struct span raw, uint64_t fee, uint8_t txid_r[32])
{
    struct raw_transaction first, next;
    uint64_t found = 0;
    if (!raw_transaction_read(payment->versions[0].raw, &first) ||
        payment_check(raw, terms, &found) != PAYMENT_SOUND || found != fee ||
        !raw_transaction_read(raw, &next) || !same_inputs(&first, &next))
        return false;
    raw_transaction_txid(&next, txid_r);
    return version_of(payment, txid_r) == SIZE_MAX;
}

enum step engine_bump(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct error *error)
{
    struct payment_terms terms;
    struct node_transaction transaction = { 0 };
    char reason[sizeof error->text];
    uint64_t fee;
    struct span bytes;
    if (!plan_bump(engine, payment, arena, &terms, &fee, &bytes))
        return STEP_WAIT;
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    /* A wallet that is at fault may take other coins, and lock them: should this one not be taken,
     * they are free again. */
    bool relock = engine->relock;
    engine->relock = true;
    switch (node_sign(engine->node, bytes, arena, &transaction, error)) {
    case NODE_OK:
        break;
    case NODE_MISSING:
    case NODE_REFUSED:
        memcpy(reason, error->text, sizeof reason);
        step = engine_note_reason(engine, payment, payment->state, reason, error);
        return step == STEP_DONE ? STEP_WAIT : step;
    case NODE_UNAVAILABLE:
    case NODE_UNKNOWN:
        return engine_node_away(engine, error);
    }
    struct payment_version *next = &payment->versions[payment->version_count];
    *next = (struct payment_version){ .fee = { fee },
                                      .height = engine->height,
                                      .raw = transaction.raw };
    if (!is_next_version(payment, &terms, transaction.raw, fee, next->txid)) {
        step = engine_note_reason(engine, payment, payment->state,
                                  "the wallet signed another transaction than it was given", error);
        return step == STEP_DONE ? STEP_WAIT : step;
    }
    engine->relock = relock;
    payment->version_count++;
    engine_choose_version(payment, payment->version_count - 1);
    engine->counters.payments_bumped++;
    log_info("payment.bumped", "payment=%" PRIu64 " version=%zu fee=%" PRIu64, payment->number,
             payment->version_count, fee);
    return engine_save(engine, payment, payment->state, error);
}
