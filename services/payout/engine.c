#include "services/payout/audit.h"
#include "services/payout/inside.h"

#include "record/account/account.h"
#include "record/block/block.h"
#include "record/emission/emission_record.h"
#include "record/leader/leader.h"
#include "record/proof/proof_record.h"
#include "record/switch/switch.h"
#include "record/withdrawal/withdrawal.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How often a tick looks at the store anew before it leaves the rest to the next. */
enum { TICK_ROUNDS = 4, NODE_RETRY_MS = 5000, RECALLED_EVENTS = 100 };

void *engine_grow(void *memory, size_t *capacity, size_t need, size_t element_bytes)
{
    if (need <= *capacity)
        return memory;
    size_t wanted = *capacity < 64 ? 64 : *capacity;
    while (wanted < need)
        wanted *= 2;
    memory = realloc(memory, wanted * element_bytes);
    ASSERT(memory != NULL);
    *capacity = wanted;
    return memory;
}

static void note_trouble(struct engine *engine, enum engine_part part, const struct error *error)
{
    engine->trouble = part;
    if (error != NULL)
        engine->trouble_error = *error;
}

enum step engine_step_of(struct engine *engine, enum store_outcome outcome,
                         const struct error *error)
{
    switch (outcome) {
    case STORE_DONE:
    case STORE_EXISTS:
        return STEP_DONE;
    case STORE_CONFLICT:
    case STORE_UNKNOWN:
    case STORE_MISSING: /* where something must be that another may have changed */
        return STEP_AGAIN;
    case STORE_FAILED:
        break;
    }
    if (error->code == ERROR_INVALID)
        return STEP_BROKEN;
    note_trouble(engine, ENGINE_STORE, error);
    return STEP_AWAY;
}

enum step engine_window_away(struct engine *engine, const struct error *error)
{
    note_trouble(engine, ENGINE_WINDOW, error);
    return STEP_AWAY;
}

enum step engine_view_step(struct engine *engine, enum view_answer answer,
                           const struct error *error)
{
    switch (answer) {
    case VIEW_DONE:
        return STEP_DONE;
    case VIEW_NO_WINDOW:
        return engine_window_away(engine, error);
    case VIEW_NO_STORE:
        return engine_step_of(engine, STORE_FAILED, error);
    case VIEW_DAMAGED:
        break;
    }
    return STEP_BROKEN;
}

enum step engine_node_away(struct engine *engine, const struct error *error)
{
    note_trouble(engine, ENGINE_NODE, error);
    engine->node_silent = true;
    return STEP_WAIT;
}

enum step engine_broken(struct error *error, const char *format, ...)
{
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_fill(error, ERROR_INVALID, "%s", text);
    return STEP_BROKEN;
}

enum step engine_lead(struct engine *engine, struct error *error)
{
    enum store_outcome outcome = leader_still(engine->store, ENGINE_ROLE, engine->epoch, error);
    if (outcome == STORE_CONFLICT) {
        error_fill(error, ERROR_REFUSED, "another payout took the leadership from epoch %" PRIu64,
                   engine->epoch);
        return STEP_LOST;
    }
    return engine_step_of(engine, outcome, error);
}

bool engine_declare(struct store *store, struct error *error)
{
    const struct store_collection *collections[] = {
        &set_collection,      &entry_collection,         &balance_collection,
        &snapshot_collection, &snapshot_part_collection, &payment_collection,
        &event_collection,    &block_collection,         &leader_collection,
        &account_collection,  &segment_collection,       &segment_part_collection,
        &proof_collection,    &stretch_collection,       &stretch_part_collection,
        &carry_collection,    &switch_collection,        &withdrawal_collection,
        &emission_collection, &format_collection,
    };
    return store_declare(store, collections, sizeof collections / sizeof *collections, error);
}

/* The newest event that speaks of a block says what one is worth, before the first is processed. */
static bool recall_network_work(struct engine *engine, struct error *error)
{
    uint64_t sequence;
    if (event_newest(engine->store, &sequence, error) != STORE_DONE)
        return false;
    for (int i = 0; i < RECALLED_EVENTS && sequence > 0 && engine->network_work == 0; i++) {
        struct wire_reward_event event;
        if (event_get(engine->store, sequence--, &event, error) != STORE_DONE)
            return false;
        engine->network_work = (u128)event.network_work_high << 64 | event.network_work_low;
    }
    return true;
}

struct engine *engine_open(const struct engine_options *options, struct store *store,
                           struct window_reader *window, struct node *node, uint64_t now_ms,
                           struct error *error)
{
    struct leader held = { 0 };
    enum store_outcome found = leader_read(store, ENGINE_ROLE, &held, error);
    return found == STORE_DONE || found == STORE_MISSING
               ? engine_take_over(options, store, window, node, now_ms, held.epoch, error)
               : NULL;
}

struct engine *engine_take_over(const struct engine_options *options, struct store *store,
                                struct window_reader *window, struct node *node, uint64_t now_ms,
                                uint64_t judged_epoch, struct error *error)
{
    uint64_t epoch = 0;
    const struct leader_claim claim = { .instance = options->instance,
                                        .boot_id = options->boot_id,
                                        .now_ms = now_ms,
                                        .process = options->process != NULL ? options->process : "",
                                        .judged_epoch = judged_epoch };
    enum store_outcome outcome = leader_take_as(store, ENGINE_ROLE, &claim, &epoch, error);
    if (outcome != STORE_DONE) {
        if (outcome == STORE_CONFLICT)
            error_fill(error, ERROR_REFUSED, "another payout took the leadership first");
        return NULL;
    }
    struct engine *engine = calloc(1, sizeof *engine);
    ASSERT(engine != NULL);
    engine->arena_memory = malloc(ENGINE_ARENA_BYTES);
    ASSERT(engine->arena_memory != NULL);
    engine->options = *options;
    engine->store = store;
    engine->window = window;
    engine->node = node;
    view_open(&engine->view, store, window);
    engine->epoch = epoch;
    engine->now_ms = now_ms;
    engine->books_due = true;
    engine->batch_limit = options->outputs_max;
    engine->owing = options->miners_may_owe;
    engine->stretch_limit = UINT64_MAX; /* halved where the reserve is short */
    engine->relock = true;
    engine->push_due_ms = now_ms;
    engine->trim_due_ms = now_ms + options->trim_interval_ms;
    if (!payout_convert(store, epoch, error) || !recall_network_work(engine, error)) {
        engine_close(engine);
        return NULL;
    }
    log_info("payout.leads", "epoch=%" PRIu64, epoch);
    return engine;
}

void engine_close(struct engine *engine)
{
    free(engine->legs);
    free(engine->source);
    free(engine->credits);
    free(engine->amounts);
    free(engine->earnings);
    free(engine->parts);
    view_close(&engine->view);
    free(engine->locks);
    free(engine->arena_memory);
    free(engine);
}

/* Payments are looked at when their time has come; a node that is away is not the ledger's
 * trouble. */
static enum step push(struct engine *engine, struct error *error)
{
    if (engine->now_ms < engine->push_due_ms)
        return STEP_DONE;
    engine->books_due = true; /* until all of it went well */
    engine->node_silent = false;
    enum step step = engine_before_payments(engine, error);
    if (step == STEP_DONE)
        step = engine_follow(engine, error);
    if (step == STEP_DONE && engine->options.pays && !engine->paused)
        step = engine_plan(engine, error);
    if (step != STEP_DONE && step != STEP_WAIT)
        return step;
    engine->books_due = false;
    uint64_t pause_ms = engine->options.push_interval_ms;
    if (engine->node_silent && pause_ms > NODE_RETRY_MS)
        pause_ms = NODE_RETRY_MS;
    engine->push_due_ms = engine->now_ms + pause_ms;
    return STEP_DONE;
}

static enum step run_round(struct engine *engine, struct error *error)
{
    enum step step = engine_lead(engine, error);
    if (step == STEP_DONE)
        step = engine_settle(engine, error);
    if (step == STEP_DONE && engine->books_due) {
        step = engine_books(engine, error);
        engine->books_due = step != STEP_DONE;
    }
    if (step != STEP_DONE)
        return step;
    /* Without the window no block can be shared; what is owed already can still be paid. */
    enum step rewards = engine_stretches(engine, error);
    if (rewards == STEP_DONE)
        rewards = engine_rewards(engine, error);
    /* Nothing is trimmed while a block waits for its share: it may be pinned by nothing. */
    if (rewards == STEP_DONE) {
        step = engine_care(engine, error);
        rewards = step == STEP_DONE ? rewards : step;
    }
    bool no_window = rewards == STEP_AWAY && engine->trouble == ENGINE_WINDOW;
    if (rewards != STEP_DONE && rewards != STEP_WAIT && !no_window)
        return rewards;
    struct error window_error = *error;
    step = push(engine, error);
    if (step == STEP_DONE && rewards == STEP_AWAY)
        *error = window_error;
    return step == STEP_DONE ? rewards : step;
}

enum step engine_tick(struct engine *engine, uint64_t now_ms, struct error *error)
{
    enum step step = STEP_AGAIN;
    engine->now_ms = now_ms;
    /* A silent node stays so until it is asked again. */
    if (!engine->node_silent || now_ms >= engine->push_due_ms)
        engine->trouble = ENGINE_NONE;
    for (int i = 0; i < TICK_ROUNDS && step == STEP_AGAIN; i++) {
        error_fill(error, ERROR_UNAVAILABLE, "the store changed while it was looked at");
        step = run_round(engine, error);
        if (step == STEP_AGAIN)
            engine->books_due = true;
    }
    if (step == STEP_BROKEN) {
        /* What looks like a contradiction is none where somebody else wrote between two reads: a
         * leader that was stopped for a while finds out here. */
        struct error ignored;
        if (engine_lead(engine, &ignored) == STEP_LOST) {
            *error = ignored;
            return STEP_LOST;
        }
    }
    return step;
}

enum step engine_fund(struct engine *engine, uint64_t number, struct money amount,
                      struct money *booked_r, struct error *error)
{
    struct ledger_cause cause = ledger_cause_funded(number, amount);
    struct set_record set;
    error_fill(error, ERROR_UNAVAILABLE, "the ledger moved meanwhile: ask again");
    enum step step = engine_lead(engine, error);
    if (step == STEP_DONE)
        step = engine_settle(engine, error);
    if (step == STEP_DONE)
        step = engine_post(engine, &cause, 0, error);
    if (step != STEP_DONE)
        return step;
    step = engine_step_of(engine, set_of_cause(engine->store, &cause, &set, error), error);
    *booked_r = step == STEP_DONE ? ledger_cause_amount(&set.cause) : MONEY_ZERO;
    return step;
}

void engine_push_now(struct engine *engine)
{
    engine->push_due_ms = 0;
}

enum engine_part engine_trouble(const struct engine *engine, const char **text_r)
{
    *text_r = engine->trouble_error.text;
    return engine->trouble;
}

struct engine_counters engine_counters(const struct engine *engine)
{
    struct engine_counters counters = engine->counters;
    counters.epoch = engine->epoch;
    counters.open_shares = engine->open_shares;
    counters.newest_set = engine->newest_seq;
    counters.newest_event = engine->event_cursor;
    return counters;
}

static bool add_balance(void *context, const struct balance_record *balance)
{
    struct engine_sums *sums = context;
    int64_t *kinds = sums->kinds[balance->account.owner];
    kinds[LEDGER_IMMATURE] += balance->amounts.immature;
    kinds[LEDGER_AVAILABLE] += balance->amounts.available;
    kinds[LEDGER_IN_FLIGHT] += balance->amounts.in_flight;
    kinds[LEDGER_PAID] += balance->amounts.paid;
    sums->accounts += balance->account.owner == LEDGER_MINER;
    return true;
}

static bool count_payment(void *context, const struct payment_record *payment)
{
    ((struct engine_sums *)context)->payments[payment->state]++;
    return true;
}

bool engine_sums(struct store *store, struct engine_sums *sums_r, struct error *error)
{
    struct set_record newest;
    *sums_r = (struct engine_sums){ 0 };
    enum store_outcome outcome = set_newest(store, &newest, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    sums_r->open_sets = outcome == STORE_DONE && newest.state != SET_APPLIED;
    return balance_walk(store, add_balance, sums_r, error) == STORE_DONE &&
           payment_walk_open(store, count_payment, sums_r, error) == STORE_DONE;
}
