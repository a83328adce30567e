/* One payment's way through its states. Every arrow is one write of its record, guarded by the
 * version read. The ledger goes first only where money is taken from an account: a plan that never
 * gets that far is given up by a set that takes its place. Everything else is decided by the
 * record, and the ledger follows before anything else is done to the payment: a leader that was
 * stopped in between finds its record moved on, or its place in the ledger taken by what its own
 * record said:
 *
 *   intent      record PLANNED -> set posted -> record INTENT
 *   signed      wallet signs -> record SIGNED with the bytes -> broadcast
 *   bumped      wallet signs a version with a higher fee -> record with both -> broadcast
 *   confirmed   chain shows it -> record CONFIRMED -> set posted
 *   reopened    it left the chain -> record BROADCAST -> set posted
 *   given up    record VOIDING (nobody can sign it any more) -> set posted -> record VOIDED */
#include "services/payout/inside.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { PAYMENT_STEPS_MAX = 12 };

enum step engine_save(struct engine *engine, struct payment_record *payment,
                      enum payment_state state, struct error *error)
{
    enum payment_state from = payment->state;
    ASSERT(state == from || payment_move_is_legal(from, state));
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    payment->state = state;
    payment->epoch = engine->epoch;
    payment->updated_ms = engine->now_ms;
    enum store_outcome outcome = payment_save(engine->store, payment, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    if (state != from)
        log_info("payment.state", "payment=%" PRIu64 " from=%s to=%s amount=%" PRIu64,
                 payment->number, payment_state_name(from), payment_state_name(state),
                 payment->amount.units);
    return STEP_DONE;
}

enum step engine_note_reason(struct engine *engine, struct payment_record *payment,
                             enum payment_state state, const char *reason, struct error *error)
{
    char safe[PAYMENT_REASON_BYTES];
    log_text(reason, safe, sizeof safe);
    if (state == payment->state && strcmp(safe, payment->reason) == 0)
        return STEP_DONE;
    snprintf(payment->reason, sizeof payment->reason, "%s", safe);
    log_warn("payment.refused", "payment=%" PRIu64 " state=%s reason=\"%s\"", payment->number,
             payment_state_name(state), safe);
    return engine_save(engine, payment, state, error);
}

enum step engine_post_said(struct engine *engine, const struct payment_record *payment,
                           struct error *error)
{
    if (payment->confirmed == 0)
        return STEP_DONE;
    bool stands = payment->state == PAYMENT_CONFIRMED || payment->state == PAYMENT_SETTLED;
    struct ledger_cause cause = ledger_cause_payment(stands ? LEDGER_CONFIRMED : LEDGER_REOPENED,
                                                     payment->number, payment->confirmed);
    return engine_post(engine, &cause, 0, error);
}

/* A write was cut off: the ledger may be a step ahead of a plan, or behind what a record says. */
static enum step catch_up(struct engine *engine, struct payment_record *payment,
                          struct error *error)
{
    struct ledger_cause intent = ledger_cause_payment(LEDGER_INTENT, payment->number, 1);
    bool posted = false;
    enum step step = engine_post_said(engine, payment, error);
    if (step == STEP_DONE && payment->state == PAYMENT_PLANNED)
        step = engine_is_posted(engine, &intent, &posted, error);
    return step == STEP_DONE && posted ? engine_save(engine, payment, PAYMENT_INTENT, error) : step;
}

/* Every output must still be covered; it is, unless something was posted between plan and intent.
 */
static enum step is_covered(struct engine *engine, const struct payment_record *payment,
                            bool *covered_r, struct error *error)
{
    *covered_r = true;
    for (size_t i = 0; i < payment->output_count && *covered_r; i++) {
        struct balance_record balance;
        uint64_t id = payment->outputs[i].account;
        struct ledger_account account = id == 0 ? ledger_house(LEDGER_FEE) : ledger_miner(id);
        enum store_outcome outcome = balance_get(engine->store, &account, &balance, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return engine_step_of(engine, outcome, error);
        *covered_r = balance.amounts.available >= (int64_t)payment->outputs[i].amount.units;
    }
    return STEP_DONE;
}

static enum step post_intent(struct engine *engine, struct payment_record *payment,
                             struct error *error)
{
    bool covered;
    enum step step = is_covered(engine, payment, &covered, error);
    if (step != STEP_DONE)
        return step;
    if (!covered)
        return engine_note_reason(engine, payment, PAYMENT_VOIDING,
                                  "the balances changed before it was posted", error);
    struct ledger_cause cause = ledger_cause_payment(LEDGER_INTENT, payment->number, 1);
    step = engine_post(engine, &cause, 0, error);
    return step == STEP_DONE ? engine_save(engine, payment, PAYMENT_INTENT, error) : step;
}

/* The record first, with the version that it was and so what it cost: a leader that was stopped
 * before the set could else call paid what another, who saw another chain, gives back meanwhile. */
static enum step confirm(struct engine *engine, struct payment_record *payment, struct error *error)
{
    payment->confirmed++;
    payment->reason[0] = '\0';
    enum step step = engine_save(engine, payment, PAYMENT_CONFIRMED, error);
    if (step != STEP_DONE)
        return step;
    engine->counters.payments_confirmed++;
    return engine_post_said(engine, payment, error);
}

/* The record first: a leader that was stopped before the set could else take back what another saw
 * confirmed again meanwhile, and settled. */
static enum step reopen(struct engine *engine, struct payment_record *payment, struct error *error)
{
    log_warn("payment.reopened", "payment=%" PRIu64 " confirmations=%" PRId32, payment->number,
             payment->confirmations);
    enum step step = engine_save(engine, payment, PAYMENT_BROADCAST, error);
    return step == STEP_DONE ? engine_post_said(engine, payment, error) : step;
}

static enum step give_back(struct engine *engine, struct payment_record *payment,
                           struct error *error)
{
    struct ledger_cause cause = ledger_cause_payment(LEDGER_VOIDED, payment->number, 1);
    engine->relock = true; /* its coins are nobody's now */
    enum step step = engine_post(engine, &cause, 0, error);
    return step == STEP_DONE ? engine_save(engine, payment, PAYMENT_VOIDED, error) : step;
}

static enum step build(struct engine *engine, struct payment_record *payment, struct arena *arena,
                       struct error *error)
{
    if (engine->node == NULL || !engine_may_sign(engine, payment))
        return STEP_WAIT;
    enum step step = engine_lock_inputs(engine, error);
    return step == STEP_DONE ? engine_sign(engine, payment, arena, error) : step;
}

static enum step act(struct engine *engine, struct payment_record *payment,
                     enum payment_action action, struct payment_observation *observation,
                     struct arena *arena, struct error *error)
{
    switch (action) {
    case PAYMENT_WAIT:
        return STEP_WAIT;
    case PAYMENT_POST:
        return post_intent(engine, payment, error);
    case PAYMENT_BUILD:
        return build(engine, payment, arena, error);
    case PAYMENT_LOOK:
        return engine_look(engine, payment, arena, observation, error);
    case PAYMENT_BUMP: {
        observation->bumpable = false; /* once a look; made or not, it is sent again */
        enum step step = engine_bump(engine, payment, arena, error);
        return step == STEP_WAIT && !engine->node_silent ? STEP_DONE : step;
    }
    case PAYMENT_SEND: {
        enum step step = engine_send(engine, payment, error);
        return step == STEP_DONE ? STEP_WAIT : step; /* the chain needs its time now */
    }
    case PAYMENT_CONFIRM:
        return confirm(engine, payment, error);
    case PAYMENT_REOPEN:
        return reopen(engine, payment, error);
    case PAYMENT_SETTLE:
        return engine_save(engine, payment, PAYMENT_SETTLED, error);
    case PAYMENT_GIVE_UP:
        return engine_note_reason(engine, payment, PAYMENT_VOIDING,
                                  "another transaction spent its inputs, and is buried", error);
    case PAYMENT_GIVE_BACK:
        return give_back(engine, payment, error);
    }
    return STEP_WAIT;
}

static enum step run_payment(struct engine *engine, uint64_t number, bool books_only,
                             struct error *error)
{
    struct payment_record payment;
    struct arena arena = arena_over(engine->arena_memory, ENGINE_ARENA_BYTES);
    enum store_outcome outcome = payment_get(engine->store, number, &arena, &payment, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    struct payment_observation observation = { .sight = PAYMENT_SIGHT_NONE };
    enum step step = catch_up(engine, &payment, error);
    for (int i = 0; i < PAYMENT_STEPS_MAX && step == STEP_DONE; i++) {
        enum payment_action action =
            payment_next(payment.state, &engine->options.payment, &observation);
        if (books_only && action != PAYMENT_POST && action != PAYMENT_GIVE_BACK)
            break;
        enum payment_state before = payment.state;
        step = act(engine, &payment, action, &observation, &arena, error);
        if (payment.state != before) /* what was seen of one version says nothing of the others */
            observation = (struct payment_observation){ .sight = PAYMENT_SIGHT_NONE };
    }
    return step == STEP_WAIT ? STEP_DONE : step;
}

enum step engine_payment(struct engine *engine, uint64_t number, struct error *error)
{
    return run_payment(engine, number, false, error);
}

struct numbers {
    uint64_t list[ENGINE_PAYMENTS_AT_ONCE];
    size_t count;
    bool is_signed; /* which of the two kinds */
};

static bool gather(void *context, const struct payment_record *payment)
{
    struct numbers *numbers = context;
    bool is_signed = payment->state != PAYMENT_PLANNED && payment->state != PAYMENT_INTENT;
    if (is_signed == numbers->is_signed)
        numbers->list[numbers->count++] = payment->number;
    return numbers->count < ENGINE_PAYMENTS_AT_ONCE;
}

static enum step for_each(struct engine *engine, bool is_signed, bool books_only,
                          struct error *error)
{
    struct numbers numbers = { .count = 0, .is_signed = is_signed };
    enum store_outcome outcome = payment_walk_open(engine->store, gather, &numbers, error);
    enum step step = engine_step_of(engine, outcome, error);
    for (size_t i = 0; i < numbers.count && step == STEP_DONE; i++) {
        step = run_payment(engine, numbers.list[i], books_only, error);
        if (step == STEP_DONE && engine->node_silent && !books_only)
            step = STEP_WAIT; /* one time-out a tick is enough */
    }
    return step;
}

/* Those that are signed come first: where a reorganisation undid one, its inputs must be locked
 * again before the wallet may choose inputs for another. */
static enum step for_each_open(struct engine *engine, bool books_only, struct error *error)
{
    enum step step = for_each(engine, true, books_only, error);
    return step == STEP_DONE ? for_each(engine, false, books_only, error) : step;
}

enum step engine_books(struct engine *engine, struct error *error)
{
    return for_each_open(engine, true, error);
}

enum step engine_follow(struct engine *engine, struct error *error)
{
    return for_each_open(engine, false, error);
}

enum step engine_recall(struct engine *engine, struct error *error)
{
    struct numbers numbers = { .count = 0, .is_signed = false };
    enum store_outcome outcome = payment_walk_open(engine->store, gather, &numbers, error);
    enum step step = engine_step_of(engine, outcome, error);
    for (size_t i = 0; i < numbers.count && step == STEP_DONE; i++) {
        struct payment_record payment;
        struct arena arena = arena_over(engine->arena_memory, ENGINE_ARENA_BYTES);
        outcome = payment_get(engine->store, numbers.list[i], &arena, &payment, error);
        if (outcome != STORE_DONE)
            return engine_step_of(engine, outcome, error);
        /* A rival that took over meanwhile may have signed it: then it is recalled no more. */
        if (payment.state != PAYMENT_PLANNED && payment.state != PAYMENT_INTENT)
            return STEP_AGAIN;
        step = engine_note_reason(engine, &payment, PAYMENT_VOIDING,
                                  "a matured block was orphaned before it was signed", error);
        if (step == STEP_DONE)
            step = give_back(engine, &payment, error);
    }
    return step;
}
