/* The node's wallet: it funds and signs, and is told again what it must not spend. */
#include "services/payout/inside.h"

enum { INPUTS_MAX = 512 };

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

/* The wallet said no. Where it lacks money the payment waits for coins to mature. Else something is
 * wrong with an output: a payment of several is given up and its accounts are paid one by one; one
 * alone is put aside for a while. */
static enum step refused(struct engine *engine, struct payment_record *payment, const char *reason,
                         struct error *error)
{
    engine->counters.payments_refused++;
    if (lacks_funds(engine, payment, reason)) {
        enum step step = engine_note_reason(engine, payment, PAYMENT_INTENT, reason, error);
        return step == STEP_DONE ? STEP_WAIT : step;
    }
    if (payment->output_count == 1)
        engine_hold_account(engine, payment->outputs[0].account);
    engine->batch_limit = 1;
    return engine_note_reason(engine, payment, PAYMENT_VOIDING, reason, error);
}

enum step engine_sign(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct error *error)
{
    struct node_transaction transaction = { 0 };
    struct node_payment_output *outputs =
        arena_take(arena, payment->output_count * sizeof *outputs);
    ASSERT(outputs != NULL);
    for (size_t i = 0; i < payment->output_count; i++)
        outputs[i] = (struct node_payment_output){ payment->outputs[i].address,
                                                   payment->outputs[i].amount.units };
    switch (node_build_payment(engine->node, outputs, payment->output_count, arena, &transaction,
                               error)) {
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
        return engine_node_away(engine, error);
    }
    if (transaction.fee > MONEY_MAX)
        return refused(engine, payment, "the node names an impossible fee", error);
    memcpy(payment->txid, transaction.txid, sizeof payment->txid);
    memcpy(payment->anchor_txid, transaction.anchor_txid, sizeof payment->anchor_txid);
    payment->anchor_output = transaction.anchor_output;
    payment->raw = transaction.raw;
    payment->fee.units = transaction.fee;
    payment->reason[0] = '\0';
    engine->batch_limit = engine->batch_limit * 2 < engine->options.outputs_max
                              ? engine->batch_limit * 2
                              : engine->options.outputs_max;
    return engine_save(engine, payment, PAYMENT_SIGNED, error);
}

struct locks {
    struct payment_input list[INPUTS_MAX];
    size_t count;
};

static void add_lock(struct locks *locks, const uint8_t txid[32], uint32_t output)
{
    if (locks->count == INPUTS_MAX)
        return;
    memcpy(locks->list[locks->count].txid, txid, 32);
    locks->list[locks->count++].output = output;
}

static bool gather(void *context, const struct payment_record *payment)
{
    struct locks *locks = context;
    if (payment->state != PAYMENT_SIGNED && payment->state != PAYMENT_BROADCAST &&
        payment->state != PAYMENT_UNCERTAIN)
        return true;
    struct payment_input inputs[INPUTS_MAX];
    size_t count = payment_inputs(payment->raw, inputs, INPUTS_MAX);
    for (size_t i = 0; i < count && i < INPUTS_MAX; i++)
        add_lock(locks, inputs[i].txid, inputs[i].output);
    add_lock(locks, payment->anchor_txid, payment->anchor_output);
    return true;
}

/* The wallet forgets its locks when the node restarts, and nobody tells us when it does: so they
 * are set anew before anything is signed. A refusal means that one is locked or spent already. */
enum step engine_lock_inputs(struct engine *engine, struct error *error)
{
    struct locks locks = { .count = 0 };
    enum store_outcome outcome = payment_walk_open(engine->store, gather, &locks, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    for (size_t i = 0; i < locks.count; i++) {
        enum node_answer answer =
            node_lock_input(engine->node, locks.list[i].txid, locks.list[i].output, true, error);
        if (answer == NODE_UNAVAILABLE || answer == NODE_UNKNOWN)
            return engine_node_away(engine, error);
    }
    return STEP_DONE;
}
