/* The node's wallet: it funds and signs, and is told again what it must not spend. What it made is
 * held against the plan before it is stored: a wallet that pays somebody else, or too much of a
 * fee, or with coins that may vanish, makes payments stand still, and nothing leaves the house. */
#include "services/payout/inside.h"

#include "core/transaction/transaction.h"
#include "service/log.h"

#include <inttypes.h>

/* The wallet has no more than what is asked for and a little for the fee. */
static bool lacks_funds(struct engine *engine, const struct payment_record *payment,
                        const char *reason)
{
    uint64_t balance = 0;
    struct error ignored;
    if (strstr(reason, "nsufficient") != NULL)
        return true;
    if (node_wallet_balance(engine->node, &balance, &ignored) != NODE_OK)
        return true; /* nothing is known against the outputs */
    return balance < payment->amount.units + payment->amount.units / 100;
}

/* An output is at fault: a payment of several is given up and its accounts are paid in smaller
 * ones; one alone is put aside for a while. What somebody asked for ends alone: they chose the
 * amount, and it may not bear its fee; that says nothing against what is due to them or others. */
static enum step give_up_outputs(struct engine *engine, struct payment_record *payment,
                                 uint32_t batch_limit, const char *reason, struct error *error)
{
    if (payment->output_count > 1)
        engine->batch_limit = batch_limit > 0 ? batch_limit : 1;
    else if (payment->request[0] == '\0')
        engine_hold_account(engine, payment->outputs[0].account);
    return engine_note_reason(engine, payment, PAYMENT_VOIDING, reason, error);
}

/* Nothing is wrong with the outputs: it waits, unsigned, and nothing is paid meanwhile. */
static enum step wait_because(struct engine *engine, struct payment_record *payment,
                              const char *reason, struct error *error)
{
    enum step step = engine_note_reason(engine, payment, PAYMENT_INTENT, reason, error);
    return step == STEP_DONE ? STEP_WAIT : step;
}

/* The wallet said no. Where it lacks money the payment waits for coins to mature. */
static enum step refused(struct engine *engine, struct payment_record *payment, const char *reason,
                         struct error *error)
{
    engine->counters.payments_refused++;
    if (lacks_funds(engine, payment, reason))
        return wait_because(engine, payment, reason, error);
    return give_up_outputs(engine, payment, 1, reason, error);
}

bool engine_payment_terms(const struct engine *engine, const struct payment_record *payment,
                          struct arena *arena, struct payment_terms *terms_r)
{
    size_t count = payment->output_count;
    struct payment_receiver *receivers = arena_take(arena, count * sizeof *receivers);
    struct output_script *scripts = arena_take(arena, count * sizeof *scripts);
    ASSERT(receivers != NULL && scripts != NULL);
    for (size_t i = 0; i < count; i++) {
        if (address_parse(engine->options.coin, span_text(payment->outputs[i].address), &scripts[i],
                          NULL) != ADDRESS_OK)
            return false;
        receivers[i] = (struct payment_receiver){ output_script_span(&scripts[i]),
                                                  payment->outputs[i].amount };
    }
    *terms_r = (struct payment_terms){ .receivers = receivers,
                                       .count = count,
                                       .receivers_pay = payment->receivers_pay,
                                       .rate_max = engine->options.fee_rate_max,
                                       .dust_scale = engine_dust_scale(engine->options.coin) };
    return true;
}

static bool is_locked(const struct engine *engine, const struct payment_input *input)
{
    for (size_t i = 0; i < engine->lock_count; i++)
        if (engine->locks[i].output == input->output &&
            memcmp(engine->locks[i].txid, input->txid, 32) == 0)
            return true;
    return false;
}

/* What its inputs are worth, by the chain: each is there, unspent, and no other live payment's.
 * STEP_DONE with *reason_r NULL, or what is wrong with one. */
static enum step weigh_inputs(struct engine *engine, const struct raw_transaction *transaction,
                              uint64_t *sum_r, const char **reason_r, struct error *error)
{
    struct payment_input input;
    *sum_r = 0;
    *reason_r = NULL;
    for (uint64_t i = 0; raw_transaction_input(transaction, i, input.txid, &input.output); i++) {
        struct node_output coin;
        if (is_locked(engine, &input)) {
            *reason_r = "the wallet put a coin of another payment into this one";
            return STEP_DONE;
        }
        switch (node_output(engine->node, input.txid, input.output, &coin, error)) {
        case NODE_OK:
            break;
        case NODE_MISSING:
        case NODE_REFUSED:
        case NODE_UNAVAILABLE:
        case NODE_UNKNOWN:
            return engine_node_away(engine, error);
        }
        if (!coin.unspent || coin.amount > MONEY_MAX - *sum_r) {
            *reason_r = "the wallet chose a coin that is not in the chain, or spent there";
            return STEP_DONE;
        }
        *sum_r += coin.amount;
    }
    return STEP_DONE;
}

/* Holds the wallet's transaction against the plan; then it is the payment's first version. */
static enum step take_first(struct engine *engine, struct payment_record *payment,
                            struct payment_terms *terms, const struct node_transaction *transaction,
                            struct error *error)
{
    struct raw_transaction raw;
    const char *reason = NULL;
    uint64_t fee = 0;
    enum payment_fault fault = PAYMENT_FAULT_BYTES;
    engine->relock = true; /* should it not be taken, its coins are free again */
    if (raw_transaction_read(transaction->raw, &raw) && !raw.other_flags) {
        enum step step = weigh_inputs(engine, &raw, &terms->input_sum, &reason, error);
        if (step != STEP_DONE)
            return step;
        terms->change = transaction->change;
        if (reason == NULL)
            fault = payment_check(transaction->raw, terms, &fee);
    }
    if (reason != NULL || fault != PAYMENT_SOUND) {
        reason = reason != NULL ? reason : payment_fault_text(fault);
        engine->counters.payments_refused++;
        /* Change that would be dust goes to the fee, and Bitcoin Core's wallet then takes less from
         * the receivers: with the same coins it would always do so, with other outputs it takes
         * others. */
        bool uneven = fault == PAYMENT_FAULT_OUTPUTS && payment->receivers_pay;
        if (fault == PAYMENT_FAULT_WEIGHT || fault == PAYMENT_FAULT_DUST || uneven)
            return give_up_outputs(engine, payment, (uint32_t)payment->output_count / 2, reason,
                                   error);
        return wait_because(engine, payment, reason, error);
    }
    struct payment_version *version = &payment->versions[0];
    *version = (struct payment_version){ .fee = { fee },
                                         .height = engine->height,
                                         .raw = transaction->raw };
    raw_transaction_txid(&raw, version->txid);
    payment->version_count = 1;
    bool anchored = raw_transaction_input(&raw, 0, payment->anchor_txid, &payment->anchor_output);
    ASSERT(anchored); /* payment_check saw an input */
    engine_choose_version(payment, 0);
    payment->reason[0] = '\0';
    engine->batch_limit = engine->batch_limit * 2 < engine->options.outputs_max
                              ? engine->batch_limit * 2
                              : engine->options.outputs_max;
    enum step step = engine_save(engine, payment, PAYMENT_SIGNED, error);
    engine->relock = step != STEP_DONE;
    return step;
}

enum step engine_sign(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct error *error)
{
    struct node_transaction transaction = { 0 };
    struct payment_terms terms;
    struct node_payment_output *outputs =
        arena_take(arena, payment->output_count * sizeof *outputs);
    ASSERT(outputs != NULL);
    if (!engine_payment_terms(engine, payment, arena, &terms))
        return give_up_outputs(engine, payment, 1, "an address is not of this chain", error);
    for (size_t i = 0; i < payment->output_count; i++)
        outputs[i] = (struct node_payment_output){ payment->outputs[i].address,
                                                   payment->outputs[i].amount.units,
                                                   terms.receivers[i].script };
    struct node_payment wanted = { outputs, payment->output_count, payment->receivers_pay };
    switch (node_build_payment(engine->node, &wanted, arena, &transaction, error)) {
    case NODE_OK:
        break;
    case NODE_MISSING:
    case NODE_REFUSED: {
        char reason[sizeof error->text];
        memcpy(reason, error->text, sizeof reason);
        return refused(engine, payment, reason, error);
    }
    case NODE_UNAVAILABLE:
    case NODE_UNKNOWN: /* nothing was broadcast: a second transaction can do no harm */
        engine->relock = true;
        return engine_node_away(engine, error);
    }
    return take_first(engine, payment, &terms, &transaction, error);
}

static bool gather(void *context, const struct payment_record *payment)
{
    struct engine *engine = context;
    struct raw_transaction raw;
    struct payment_input input;
    if (payment->state != PAYMENT_SIGNED && payment->state != PAYMENT_BROADCAST &&
        payment->state != PAYMENT_UNCERTAIN)
        return true;
    if (payment->version_count == 0 || !raw_transaction_read(payment->versions[0].raw, &raw))
        return true;
    for (uint64_t i = 0; raw_transaction_input(&raw, i, input.txid, &input.output); i++) {
        ENGINE_ROOM(engine, locks, engine->lock_count + 1);
        engine->locks[engine->lock_count++] = input;
    }
    return true;
}

/* The wallet forgets its locks when the node restarts, and nobody tells us when it does: so they
 * are set anew before anything is signed. A refusal means that one is locked or spent already.
 * What is locked for transactions nobody stored is let go first. */
enum step engine_lock_inputs(struct engine *engine, struct error *error)
{
    engine->lock_count = 0;
    enum store_outcome outcome = payment_walk_open(engine->store, gather, engine, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    enum node_answer answer = NODE_OK;
    if (engine->relock)
        answer = node_unlock_all(engine->node, error);
    for (size_t i = 0; i < engine->lock_count; i++) {
        if (answer == NODE_UNAVAILABLE || answer == NODE_UNKNOWN)
            return engine_node_away(engine, error);
        answer = node_lock_input(engine->node, engine->locks[i].txid, engine->locks[i].output, true,
                                 error);
    }
    if (answer == NODE_UNAVAILABLE || answer == NODE_UNKNOWN)
        return engine_node_away(engine, error);
    engine->relock = false;
    return STEP_DONE;
}
