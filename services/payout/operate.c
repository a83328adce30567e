/* What people ask of payments: approvals, refusals, a pause, a higher fee, withdrawals. Each is one
 * guarded write, made by the leader between two ticks. */
#include "services/payout/inside.h"

#include "record/account/account.h"
#include "record/switch/switch.h"
#include "record/withdrawal/withdrawal.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { OPEN_AT_ONCE = 64 };

static enum step refuse(struct error *error, const char *format, uint64_t number)
{
    char text[sizeof error->text];
    snprintf(text, sizeof text, format, number);
    error_fill(error, ERROR_REFUSED, "%s", text);
    return STEP_WAIT;
}

enum step engine_turn_paused(struct engine *engine, bool paused, const char *by, const char *reason,
                             struct error *error)
{
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    return engine_step_of(
        engine,
        switch_turn(engine->store, ENGINE_PAUSED, paused, by, reason, engine->now_ms, error),
        error);
}

static enum step read_payment(struct engine *engine, uint64_t number, struct arena *arena,
                              struct payment_record *payment_r, struct error *error)
{
    *arena = arena_over(engine->arena_memory, ENGINE_ARENA_BYTES);
    enum store_outcome outcome = payment_get(engine->store, number, arena, payment_r, error);
    if (outcome == STORE_MISSING)
        return refuse(error, "there is no payment %" PRIu64, number);
    return engine_step_of(engine, outcome, error);
}

static bool has_approved(const struct payment_record *payment, const char *who)
{
    size_t length = strlen(who);
    for (const char *p = strstr(payment->approvals, who); p != NULL; p = strstr(p + 1, who))
        if ((p == payment->approvals || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\0'))
            return true;
    return false;
}

/* Who asked for it, or is paid what it asked for. */
static enum step is_own(struct engine *engine, const struct payment_record *payment,
                        uint64_t operator_account, bool *own_r, struct error *error)
{
    struct withdrawal withdrawal;
    *own_r = false;
    if (payment->request[0] == '\0')
        return STEP_DONE;
    enum store_outcome outcome =
        withdrawal_of_id(engine->store, payment->request, &withdrawal, error);
    if (outcome == STORE_MISSING)
        return refuse(error, "the request of payment %" PRIu64 " is not kept", payment->number);
    *own_r = outcome == STORE_DONE &&
             (withdrawal.account == operator_account || withdrawal.asked_by == operator_account);
    return engine_step_of(engine, outcome, error);
}

enum step engine_approve(struct engine *engine, uint64_t number, uint64_t operator_account,
                         struct error *error)
{
    struct payment_record payment;
    struct arena arena;
    char who[ACCOUNT_ID_BYTES];
    enum step step = read_payment(engine, number, &arena, &payment, error);
    if (step != STEP_DONE)
        return step;
    account_id_text(operator_account, who);
    if (!payment.approve || (payment.state != PAYMENT_PLANNED && payment.state != PAYMENT_INTENT))
        return refuse(error, "payment %" PRIu64 " does not wait for an approval", number);
    bool own;
    step = is_own(engine, &payment, operator_account, &own, error);
    if (step != STEP_DONE)
        return step;
    if (own)
        return refuse(error,
                      "payment %" PRIu64 " was asked for by this operator: another approves it",
                      number);
    if (has_approved(&payment, who))
        return refuse(error, "payment %" PRIu64 " has this operator's approval; it needs another's",
                      number);
    size_t used = strlen(payment.approvals);
    if (used + strlen(who) + 2 > sizeof payment.approvals)
        return refuse(error, "payment %" PRIu64 " has all the approvals there can be", number);
    snprintf(payment.approvals + used, sizeof payment.approvals - used, "%s%s",
             used == 0 ? "" : " ", who);
    log_info("payment.approved", "payment=%" PRIu64 " operator=%s enough=%d", number, who,
             engine_is_approved(engine, &payment));
    step = engine_save(engine, &payment, payment.state, error);
    engine_push_now(engine);
    return step;
}

enum step engine_reject(struct engine *engine, uint64_t number, const char *reason,
                        struct error *error)
{
    struct payment_record payment;
    struct arena arena;
    enum step step = read_payment(engine, number, &arena, &payment, error);
    if (step != STEP_DONE)
        return step;
    if (payment.state != PAYMENT_PLANNED && payment.state != PAYMENT_INTENT)
        return refuse(error, "payment %" PRIu64 " is signed: only the chain ends it", number);
    for (size_t i = 0; i < payment.output_count; i++)
        engine_hold_account(engine, payment.outputs[i].account);
    step = engine_note_reason(engine, &payment, PAYMENT_VOIDING, reason, error);
    engine->books_due = true;
    engine_push_now(engine);
    return step;
}

enum step engine_raise_fee(struct engine *engine, uint64_t number, struct error *error)
{
    struct payment_record payment;
    struct payment_observation seen = { .sight = PAYMENT_SIGHT_NONE };
    struct arena arena;
    enum step step = read_payment(engine, number, &arena, &payment, error);
    if (step != STEP_DONE)
        return step;
    if (engine->node == NULL ||
        (payment.state != PAYMENT_BROADCAST && payment.state != PAYMENT_UNCERTAIN) ||
        !engine_may_sign(engine, &payment))
        return refuse(error, "payment %" PRIu64 " is not on its way, or payments are paused",
                      number);
    size_t versions = payment.version_count;
    error_fill(error, ERROR_UNAVAILABLE, "the ledger moved meanwhile: ask again");
    step = engine_settle(engine, error);
    if (step == STEP_DONE)
        step = engine_post_said(engine, &payment, error);
    if (step != STEP_DONE)
        return step;
    error_fill(error, ERROR_UNAVAILABLE, "the node does not answer");
    step = engine_look(engine, &payment, &arena, &seen, error);
    if (step != STEP_DONE)
        return step;
    if (seen.confirmations != 0)
        return refuse(error, "payment %" PRIu64 " is in a block, or conflicts with one", number);
    step = engine_bump(engine, &payment, &arena, error);
    engine_push_now(engine);
    if (step == STEP_DONE && payment.version_count > versions)
        return STEP_DONE;
    return step == STEP_WAIT || step == STEP_DONE
               ? refuse(error,
                        "payment %" PRIu64
                        " can have no higher fee: no change, or payout.fee_rate_max is reached",
                        number)
               : step;
}

/* An account that asks without end must fill neither the store nor anybody's time. */
static enum step has_room(struct engine *engine, uint64_t account, struct error *error)
{
    const struct engine_options *options = &engine->options;
    size_t open = 0, of_day = 0;
    if (options->requests_open == 0 && options->requests_day == 0)
        return STEP_DONE;
    size_t most = options->requests_open > options->requests_day ? options->requests_open
                                                                 : options->requests_day;
    enum store_outcome outcome = withdrawal_count(
        engine->store, account, engine->now_ms / WITHDRAWAL_DAY_MS, most, &open, &of_day, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    if (options->requests_open > 0 && open >= options->requests_open)
        return refuse(error, "%" PRIu64 " requests of this account wait already", open);
    if (options->requests_day > 0 && of_day >= options->requests_day)
        return refuse(error, "this account has asked %" PRIu64 " times today: ask tomorrow",
                      of_day);
    return STEP_DONE;
}

enum step engine_withdraw(struct engine *engine, const struct engine_asking *asking,
                          struct withdrawal *withdrawal_r, struct error *error)
{
    if (!withdrawal_name_is_good(asking->request))
        return refuse(error, "a request's name is 1 to %" PRIu64 " letters, digits, - and _",
                      WITHDRAWAL_NAME_BYTES - 1);
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    /* Asked before: what became of it. */
    enum store_outcome outcome =
        withdrawal_get(engine->store, asking->account, asking->request, withdrawal_r, error);
    engine_push_now(engine);
    if (outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    step = has_room(engine, asking->account, error);
    if (step != STEP_DONE)
        return step;
    *withdrawal_r = (struct withdrawal){ .account = asking->account,
                                         .state = WITHDRAWAL_OPEN,
                                         .amount = asking->amount,
                                         .asked_by = asking->operator_account,
                                         .created_ms = engine->now_ms };
    snprintf(withdrawal_r->request, sizeof withdrawal_r->request, "%s", asking->request);
    snprintf(withdrawal_r->address, sizeof withdrawal_r->address, "%s", asking->address);
    outcome = withdrawal_insert(engine->store, withdrawal_r, error);
    if (outcome == STORE_EXISTS) /* by a rival, just now */
        outcome =
            withdrawal_get(engine->store, asking->account, asking->request, withdrawal_r, error);
    else if (outcome == STORE_DONE)
        log_info("payment.withdrawal",
                 "account=%016" PRIx64 " request=%s amount=%" PRIu64 " operator=%016" PRIx64,
                 asking->account, asking->request, asking->amount.units, asking->operator_account);
    return engine_step_of(engine, outcome, error);
}

/* Those that were asked first, of those behind the last that was looked at: however many wait for
 * funds or for tomorrow, the others are reached. */
struct open_ones {
    const struct withdrawal *behind;
    struct withdrawal list[OPEN_AT_ONCE];
    size_t count;
};

static int compare(const struct withdrawal *a, const struct withdrawal *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    if (a->account != b->account)
        return a->account < b->account ? -1 : 1;
    return strcmp(a->request, b->request);
}

static bool gather(void *context, const struct withdrawal *withdrawal)
{
    struct open_ones *open = context;
    if (open->behind->request[0] != '\0' && compare(withdrawal, open->behind) <= 0)
        return true;
    size_t place = open->count;
    while (place > 0 && compare(withdrawal, &open->list[place - 1]) < 0)
        place--;
    if (place == OPEN_AT_ONCE)
        return true;
    if (open->count < OPEN_AT_ONCE)
        open->count++;
    memmove(&open->list[place + 1], &open->list[place],
            (open->count - place - 1) * sizeof *open->list);
    open->list[place] = *withdrawal;
    return true;
}

static enum step end(struct engine *engine, struct withdrawal *withdrawal,
                     enum withdrawal_state state, const char *reason, struct error *error)
{
    withdrawal->state = state;
    (void)log_text(reason, withdrawal->reason, sizeof withdrawal->reason);
    log_info("payment.withdrawal",
             "account=%016" PRIx64 " request=%s state=%s payment=%" PRIu64 " reason=\"%s\"",
             withdrawal->account, withdrawal->request, withdrawal_state_name(state),
             withdrawal->payment, reason);
    return engine_step_of(engine, withdrawal_save(engine->store, withdrawal, error), error);
}

/* Where it goes, and how much of it; *reason_r is set where it never will. */
static enum step weigh(struct engine *engine, const struct withdrawal *withdrawal,
                       struct payment_output *output_r, const char **reason_r, struct error *error)
{
    struct account account;
    struct account_payout payout;
    struct balance_record balance;
    struct output_script script;
    bool own = withdrawal->account == 0;
    struct ledger_account ledger =
        own ? ledger_house(LEDGER_FEE) : ledger_miner(withdrawal->account);
    const char *address = withdrawal->address;
    *reason_r = NULL;
    if (!own) {
        enum store_outcome outcome =
            account_get(engine->store, withdrawal->account, &account, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return engine_step_of(engine, outcome, error);
        if (outcome == STORE_DONE)
            payout = account_payout(&account, engine->options.coin);
        if (outcome == STORE_MISSING || account.state == ACCOUNT_LOCKED)
            *reason_r = "the account is locked, or there is none";
        else if (!account_is_payable(&account, &payout, engine->now_ms))
            *reason_r = "the account's address was changed a short while ago";
        address = outcome == STORE_DONE ? payout.address : "";
    }
    enum store_outcome outcome = balance_get(engine->store, &ledger, &balance, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    int64_t available = outcome == STORE_DONE ? balance.amounts.available : 0;
    uint64_t amount = withdrawal->amount.units;
    if (amount == 0 && available > 0)
        amount = (uint64_t)available;
    if (*reason_r != NULL)
        return STEP_DONE;
    if (address_parse(engine->options.coin, span_text(address), &script, NULL) != ADDRESS_OK)
        *reason_r = "there is no address of this chain to pay to";
    else if (amount == 0 || available < 0 || amount > (uint64_t)available)
        *reason_r = "more than what is available";
    else if (engine->options.day_max.units > 0 && amount > engine->options.day_max.units)
        *reason_r = "more than what is paid in a day";
    else if (amount <
             payment_dust(output_script_span(&script), engine_dust_scale(engine->options.coin))
                 .units)
        *reason_r = "less than nodes relay";
    *output_r = (struct payment_output){ .account = withdrawal->account, .amount = { amount } };
    snprintf(output_r->address, sizeof output_r->address, "%s", address);
    return STEP_DONE;
}

static enum step answer(struct engine *engine, struct withdrawal *withdrawal, uint64_t left,
                        uint64_t funds, struct error *error)
{
    char id[WITHDRAWAL_ID_BYTES];
    const char *reason;
    struct payment_output output;
    uint64_t newest;
    withdrawal_id(withdrawal->account, withdrawal->request, id);
    enum store_outcome outcome = payment_newest(engine->store, &newest, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    /* Planned already, and only the record does not say so yet. */
    outcome = payment_of_request(engine->store, id, &withdrawal->payment, error);
    if (outcome == STORE_DONE)
        return end(engine, withdrawal, WITHDRAWAL_PLANNED, "", error);
    if (outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    enum step step = weigh(engine, withdrawal, &output, &reason, error);
    if (step != STEP_DONE)
        return step;
    if (reason != NULL)
        return end(engine, withdrawal, WITHDRAWAL_REFUSED, reason, error);
    if (output.amount.units > left || output.amount.units > funds)
        return STEP_WAIT;
    uint64_t limit = engine->options.approve_above.units;
    /* Else many small ones, a transaction each, would cost the pool more than they are worth. */
    bool is_small =
        withdrawal->account != 0 && output.amount.units < engine->options.threshold.units;
    struct payment_record payment = {
        .number = newest + 1,
        .state = PAYMENT_PLANNED,
        .amount = output.amount,
        .receivers_pay = engine->options.receivers_pay || is_small,
        /* What the pool pays itself is never one person's decision. */
        .approve = withdrawal->account == 0 || (limit > 0 && output.amount.units > limit),
        .outputs = &output,
        .output_count = 1,
    };
    snprintf(payment.request, sizeof payment.request, "%s", id);
    step = engine_insert_payment(engine, &payment, error);
    if (step != STEP_DONE)
        return step;
    withdrawal->payment = payment.number;
    step = end(engine, withdrawal, WITHDRAWAL_PLANNED, "", error);
    return step == STEP_DONE ? engine_payment(engine, payment.number, error) : step;
}

enum step engine_answer_withdrawals(struct engine *engine, struct error *error)
{
    struct open_ones open = { .behind = &engine->asked };
    uint64_t left, funds = 0;
    enum store_outcome outcome = withdrawal_walk_open(engine->store, 0, gather, &open, error);
    enum step step = engine_step_of(engine, outcome, error);
    struct withdrawal last = { .request = "" };
    if (open.count == OPEN_AT_ONCE) /* the next look goes on behind them */
        last = open.list[OPEN_AT_ONCE - 1];
    for (size_t i = 0; i < open.count && step == STEP_DONE; i++) {
        step = engine_left_today(engine, &left, error);
        if (step == STEP_DONE && node_wallet_balance(engine->node, &funds, error) != NODE_OK)
            return engine_node_away(engine, error);
        if (step == STEP_DONE)
            step = answer(engine, &open.list[i], left, funds, error);
        if (step == STEP_WAIT && !engine->node_silent)
            step = STEP_DONE; /* this one waits, the next may not */
    }
    if (step == STEP_DONE)
        engine->asked = last;
    return step;
}
