/* Who is paid next: the accounts that wait longest, at most outputs_max in a transaction, each
 * output script once. One payment at a time is unsigned: while the wallet lacks money, the next
 * would lack it too. Strictly in order, so that a large balance is not overtaken for ever by small
 * ones. */
#include "services/payout/inside.h"

#include "record/account/account.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE = 64,
    PLANS_A_TICK = 64,
    HOLD_FIRST_MS = 3600 * 1000,
    HOLD_MAX_MS = 24 * 3600 * 1000,
};

void engine_hold_account(struct engine *engine, uint64_t account)
{
    struct engine_hold *hold = NULL;
    for (size_t i = 0; i < engine->hold_count && hold == NULL; i++)
        if (engine->holds[i].account == account)
            hold = &engine->holds[i];
    if (hold == NULL && engine->hold_count == ENGINE_HELD_MAX) {
        /* Full: the oldest goes, and is tried again. */
        memmove(engine->holds, engine->holds + 1, (ENGINE_HELD_MAX - 1) * sizeof *engine->holds);
        engine->hold_count--;
    }
    if (hold == NULL) {
        hold = &engine->holds[engine->hold_count++];
        *hold = (struct engine_hold){ .account = account, .wait_ms = HOLD_FIRST_MS / 2 };
    }
    hold->wait_ms = hold->wait_ms * 2 < HOLD_MAX_MS ? hold->wait_ms * 2 : HOLD_MAX_MS;
    hold->until_ms = engine->now_ms + hold->wait_ms;
    log_warn("payment.account_held", "account=%016" PRIx64 " for_ms=%" PRIu64, account,
             hold->wait_ms);
}

static bool is_held(const struct engine *engine, uint64_t account)
{
    for (size_t i = 0; i < engine->hold_count; i++)
        if (engine->holds[i].account == account)
            return engine->now_ms < engine->holds[i].until_ms;
    return false;
}

struct page {
    struct payment_due due[PAGE];
    struct payment_queue queue;
    bool has_last; /* only what stands behind it */
    struct payment_due last;
};

static bool offer(void *context, const struct balance_record *balance)
{
    struct page *page = context;
    if (balance->account.owner != LEDGER_MINER)
        return true;
    struct payment_due due = { balance->account.id,
                               { (uint64_t)balance->amounts.available },
                               balance->amounts.waiting_since };
    if (page->has_last &&
        (due.waiting_since < page->last.waiting_since ||
         (due.waiting_since == page->last.waiting_since && due.account <= page->last.account)))
        return true;
    payment_queue_offer(&page->queue, &due);
    return true;
}

struct plan {
    struct payment_output outputs[PAYMENT_OUTPUTS_MAX];
    size_t count;
    uint64_t total;
    uint64_t funds; /* what the wallet can spend */
    bool short_of_funds;
    uint64_t left; /* of today's cap */
    bool capped;
};

static bool has_address(const struct plan *plan, const char *address)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->outputs[i].address, address) == 0)
            return true;
    return false;
}

/* Adds an account where it can be paid now. */
static enum step consider(struct engine *engine, const struct payment_due *due, struct plan *plan,
                          struct error *error)
{
    struct account account;
    if (is_held(engine, due->account))
        return STEP_DONE;
    enum store_outcome outcome = account_get(engine->store, due->account, &account, error);
    if (outcome == STORE_MISSING)
        return STEP_DONE; /* credited, but nobody knows yet where to pay it */
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    struct account_payout payout = account_payout(&account, engine->options.coin);
    struct money dust =
        payment_dust(output_script_span(&payout.script), engine_dust_scale(engine->options.coin));
    if (!account_is_payable(&account, &payout, engine->now_ms) || payout.address[0] == '\0' ||
        due->amount.units < payout.threshold || due->amount.units < dust.units ||
        has_address(plan, payout.address))
        return STEP_DONE;
    bool valid = false;
    switch (node_validate_address(engine->node, payout.address, &valid, error)) {
    case NODE_OK:
        break;
    case NODE_MISSING:
    case NODE_REFUSED:
        valid = false;
        break;
    case NODE_UNAVAILABLE:
    case NODE_UNKNOWN:
        return engine_node_away(engine, error);
    }
    if (!valid) {
        engine_hold_account(engine, due->account);
        return STEP_DONE;
    }
    /* What is more than a day's is paid in parts, or it would keep those behind it waiting for
     * ever. */
    uint64_t amount = due->amount.units, day_max = engine->options.day_max.units;
    if (day_max > 0 && amount > day_max && day_max >= dust.units)
        amount = day_max;
    /* Strictly in order: what does not fit any more keeps those behind it waiting. */
    plan->short_of_funds = amount > plan->funds - plan->total;
    plan->capped = amount > plan->left - plan->total;
    if (plan->short_of_funds || plan->capped)
        return STEP_DONE;
    struct payment_output *output = &plan->outputs[plan->count++];
    *output = (struct payment_output){ .account = due->account, .amount = { amount } };
    snprintf(output->address, sizeof output->address, "%s", payout.address);
    plan->total += amount;
    return STEP_DONE;
}

static enum step choose(struct engine *engine, struct plan *plan, struct error *error)
{
    struct page page = { .has_last = false };
    while (plan->count < engine->batch_limit && !plan->short_of_funds && !plan->capped) {
        page.queue = (struct payment_queue){ page.due, PAGE, 0 };
        enum store_outcome outcome = balance_walk_available(
            engine->store, (int64_t)engine->options.threshold.units, offer, &page, error);
        if (outcome != STORE_DONE)
            return engine_step_of(engine, outcome, error);
        for (size_t i = 0; i < page.queue.count; i++) {
            if (plan->count == engine->batch_limit || plan->short_of_funds || plan->capped)
                break;
            enum step step = consider(engine, &page.due[i], plan, error);
            if (step != STEP_DONE)
                return step;
        }
        if (page.queue.count < PAGE)
            break;
        page.last = page.due[PAGE - 1];
        page.has_last = true;
    }
    return STEP_DONE;
}

struct unsigned_search {
    const struct engine *engine;
    bool found;
};

/* What waits for an operator keeps nobody else waiting. */
static bool note_unsigned(void *context, const struct payment_record *payment)
{
    struct unsigned_search *search = context;
    bool open = payment->state == PAYMENT_PLANNED || payment->state == PAYMENT_INTENT;
    search->found = search->found || (open && engine_is_approved(search->engine, payment));
    return !search->found;
}

static void say_short(struct engine *engine, const struct plan *plan)
{
    if (plan->short_of_funds && plan->count == 0 && !engine->funds_warned)
        log_warn("payment.funds", "wallet=%" PRIu64 " too_little_for=next", plan->funds);
    engine->funds_warned = plan->short_of_funds && plan->count == 0;
    if (plan->capped && plan->count == 0 && !engine->cap_warned)
        log_warn("payment.day_cap", "left=%" PRIu64 " too_little_for=next", plan->left);
    engine->cap_warned = plan->capped && plan->count == 0;
}

enum step engine_insert_payment(struct engine *engine, struct payment_record *payment,
                                struct error *error)
{
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    payment->epoch = engine->epoch;
    payment->created_ms = payment->updated_ms = engine->now_ms;
    enum store_outcome outcome = payment_insert(engine->store, payment, error);
    if (outcome == STORE_EXISTS) /* a rival's, or ours whose answer got lost: the books say */
        return STEP_AGAIN;
    return engine_step_of(engine, outcome, error);
}

/* One new payment; *more_r says whether another may follow. */
static enum step plan_one(struct engine *engine, struct plan *plan, bool *more_r,
                          struct error *error)
{
    *more_r = false;
    plan->count = 0;
    plan->total = 0;
    plan->short_of_funds = plan->capped = false;
    struct unsigned_search search = { engine, false };
    uint64_t newest;
    enum store_outcome outcome = payment_newest(engine->store, &newest, error);
    if (outcome == STORE_DONE)
        outcome = payment_walk_open(engine->store, note_unsigned, &search, error);
    if (outcome != STORE_DONE || search.found)
        return engine_step_of(engine, outcome, error);
    enum step step = engine_left_today(engine, &plan->left, error);
    if (step != STEP_DONE)
        return step;
    switch (node_wallet_balance(engine->node, &plan->funds, error)) {
    case NODE_OK:
        break;
    case NODE_MISSING:
    case NODE_REFUSED:
    case NODE_UNAVAILABLE:
    case NODE_UNKNOWN:
        return engine_node_away(engine, error);
    }
    step = choose(engine, plan, error);
    if (step != STEP_DONE)
        return step;
    say_short(engine, plan);
    if (plan->count == 0)
        return STEP_DONE;
    if (engine->options.dry_run) {
        log_info("payment.dry_run", "accounts=%zu amount=%" PRIu64, plan->count, plan->total);
        return STEP_DONE;
    }
    struct payment_record payment = {
        .number = newest + 1,
        .state = PAYMENT_PLANNED,
        .amount = { plan->total },
        .receivers_pay = engine->options.receivers_pay,
        .approve = engine->options.approve_above.units > 0 &&
                   plan->total > engine->options.approve_above.units,
        .outputs = plan->outputs,
        .output_count = plan->count,
    };
    step = engine_insert_payment(engine, &payment, error);
    if (step != STEP_DONE)
        return step;
    *more_r = !plan->short_of_funds && !plan->capped;
    return engine_payment(engine, payment.number, error);
}

enum step engine_plan(struct engine *engine, struct error *error)
{
    if (engine->node == NULL)
        return STEP_DONE;
    /* What the wallet locked for nothing is money it says it has not. */
    enum step asked = STEP_DONE;
    if (engine->relock && !engine->options.dry_run)
        asked = engine_lock_inputs(engine, error);
    /* Who asked goes first, at any hour. */
    if (asked == STEP_DONE && !engine->options.dry_run)
        asked = engine_answer_withdrawals(engine, error);
    if (asked != STEP_DONE || !engine_is_pay_hour(engine))
        return asked;
    struct plan *plan = calloc(1, sizeof *plan);
    ASSERT(plan != NULL);
    enum step step = STEP_DONE;
    bool more = true;
    for (int i = 0; i < PLANS_A_TICK && more && step == STEP_DONE; i++)
        step = plan_one(engine, plan, &more, error);
    free(plan);
    return step;
}
