#include "services/stratum-gateway/dispatcher.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 20,
    PAUSE_MS = 50, /* before a batch goes out again that was refused for now */
    SPARE_BATCHES_MAX = 64,
    MESSAGE_BYTES = DISPATCH_BATCH_MAX * 96 + 256,
    ARENA_BYTES = DISPATCH_BATCH_MAX * 8 + 1024,
};

struct batch {
    struct batch *next;  /* in the queue it is in */
    struct batch *older; /* in the list of sequenced batches */
    struct batch *newer;
    struct dispatcher *dispatcher;
    struct validator *at; /* flying to */
    uint64_t lease_id;
    uint64_t sequence;  /* 0: it never left */
    uint64_t since_ms;  /* when its oldest share came */
    uint64_t try_ms;    /* not before */
    bool maybe_applied; /* some attempt ended without a clear no */
    uint32_t count;
    struct wire_share shares[DISPATCH_BATCH_MAX];
    struct dispatch_origin origins[DISPATCH_BATCH_MAX];
};

struct queue {
    struct batch *head;
    struct batch *tail;
};

struct dispatcher {
    struct dispatcher_options options;
    struct dispatcher_counts counts;
    uint64_t lease_id;
    uint64_t next_sequence;
    struct batch *filling;
    struct queue fresh;   /* full, never left */
    struct queue again;   /* left before, to leave once more */
    struct batch *oldest; /* sequenced, unanswered: in the order of their sequences */
    struct batch *newest;
    struct batch *spare;
    unsigned spare_count;
    struct loop_task round_end;
    bool round_end_deferred;
    struct loop_timer tick;
    struct validators validators;
    uint8_t message[MESSAGE_BYTES];
    uint8_t arena[ARENA_BYTES];
};

static void pump(struct dispatcher *dispatcher);

static void push(struct queue *queue, struct batch *batch)
{
    batch->next = NULL;
    if (queue->tail != NULL)
        queue->tail->next = batch;
    else
        queue->head = batch;
    queue->tail = batch;
}

static struct batch *pop(struct queue *queue)
{
    struct batch *batch = queue->head;
    queue->head = batch->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    return batch;
}

static struct batch *new_batch(struct dispatcher *dispatcher)
{
    struct batch *batch = dispatcher->spare;
    if (batch != NULL) {
        dispatcher->spare = batch->next;
        dispatcher->spare_count--;
    } else {
        batch = malloc(sizeof *batch);
        if (batch == NULL)
            return NULL;
    }
    /* Only the head: the arrays are written as they fill. */
    memset(batch, 0, offsetof(struct batch, shares));
    batch->dispatcher = dispatcher;
    return batch;
}

static void free_batch(struct dispatcher *dispatcher, struct batch *batch)
{
    if (dispatcher->spare_count == SPARE_BATCHES_MAX) {
        free(batch);
        return;
    }
    batch->next = dispatcher->spare;
    dispatcher->spare = batch;
    dispatcher->spare_count++;
}

/* Sequences are given in the order of leaving, so the list stays sorted within a lease. */
static void give_sequence(struct dispatcher *dispatcher, struct batch *batch)
{
    batch->lease_id = dispatcher->lease_id;
    batch->sequence = dispatcher->next_sequence++;
    batch->older = dispatcher->newest;
    if (dispatcher->newest != NULL)
        dispatcher->newest->newer = batch;
    else
        dispatcher->oldest = batch;
    dispatcher->newest = batch;
    dispatcher->counts.outstanding++;
    dispatcher->counts.batches++;
}

static void leave_list(struct dispatcher *dispatcher, struct batch *batch)
{
    if (batch->sequence == 0)
        return;
    if (batch->older != NULL)
        batch->older->newer = batch->newer;
    else
        dispatcher->oldest = batch->newer;
    if (batch->newer != NULL)
        batch->newer->older = batch->older;
    else
        dispatcher->newest = batch->older;
    dispatcher->counts.outstanding--;
}

/* The lowest sequence of the batch's lease that is unanswered: its own at the highest. Batches of
 * an older lease stand before those of the present one. */
static uint64_t lowest(const struct dispatcher *dispatcher, const struct batch *batch)
{
    const struct batch *at = dispatcher->oldest;
    while (at->lease_id != batch->lease_id)
        at = at->newer;
    return at->sequence;
}

/* Tells every share of the batch its end, and the batch is gone. */
static void end_batch(struct dispatcher *dispatcher, struct batch *batch, enum dispatch_end end,
                      const struct wire_verdict_batch *verdicts)
{
    leave_list(dispatcher, batch);
    dispatcher->counts.held -= batch->count;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct dispatch_result result = { .end = end, .outcome = SHARE_NOT_DURABLE };
        if (end == DISPATCH_JUDGED) {
            bool known = share_outcome_from_wire(verdicts->verdicts[i].outcome, &result.outcome);
            result.is_block = verdicts->verdicts[i].is_block != 0;
            if (!known)
                log_error("verdict.unknown", "outcome=%u", verdicts->verdicts[i].outcome);
        }
        dispatcher->options.handler(dispatcher->options.context, &batch->origins[i],
                                    &batch->shares[i], &result);
    }
    free_batch(dispatcher, batch);
}

/* Ends a batch without verdicts. Where every validator that had it said no, nothing was applied and
 * nothing can be any more. */
static void give_up(struct dispatcher *dispatcher, struct batch *batch)
{
    dispatcher->counts.given_up += batch->maybe_applied;
    dispatcher->counts.dropped += !batch->maybe_applied;
    log_error("batch.given_up",
              "lease=%" PRIu64 " sequence=%" PRIu64 " shares=%u maybe_applied=%d held_ms=%" PRIu64,
              batch->lease_id, batch->sequence, batch->count, batch->maybe_applied,
              loop_now_ms(dispatcher->options.loop) - batch->since_ms);
    end_batch(dispatcher, batch, batch->maybe_applied ? DISPATCH_UNKNOWN : DISPATCH_DROPPED, NULL);
}

static void try_again(struct dispatcher *dispatcher, struct batch *batch, uint64_t pause_ms)
{
    batch->try_ms = loop_now_ms(dispatcher->options.loop) + pause_ms;
    dispatcher->counts.retries++;
    push(&dispatcher->again, batch);
}

static bool decode(struct dispatcher *dispatcher, const struct batch *batch, struct span reply,
                   struct wire_verdict_batch *verdicts_r)
{
    struct error error;
    struct arena arena = arena_over(dispatcher->arena, sizeof dispatcher->arena);
    if (!wire_decode_verdict_batch(reply, &arena, verdicts_r, &error)) {
        log_error("verdict.undecodable", "validator=%s reason=\"%s\"", batch->at->url, error.text);
        return false;
    }
    bool ours =
        verdicts_r->lease_id == batch->lease_id && verdicts_r->sequence == batch->sequence &&
        (verdicts_r->status != WIRE_BATCH_JUDGED || verdicts_r->verdicts_count == batch->count);
    if (!ours)
        log_error("verdict.mismatch", "validator=%s lease=%" PRIu64 " sequence=%" PRIu64,
                  batch->at->url, batch->lease_id, batch->sequence);
    return ours;
}

static void on_verdicts(struct dispatcher *dispatcher, struct batch *batch,
                        struct validator *validator, const struct wire_verdict_batch *verdicts)
{
    switch (verdicts->status) {
    case WIRE_BATCH_JUDGED:
        validator_answered(validator);
        end_batch(dispatcher, batch, DISPATCH_JUDGED, verdicts);
        break;
    case WIRE_BATCH_REFUSED:
        /* Below lowest, which only batches given up are: the window has forgotten what we have not.
         */
        log_error("batch.refused", "lease=%" PRIu64 " sequence=%" PRIu64, batch->lease_id,
                  batch->sequence);
        give_up(dispatcher, batch);
        break;
    case WIRE_BATCH_OVERLOADED:
        validator_answered(validator);
        validator_paused(validator, PAUSE_MS);
        try_again(dispatcher, batch, 0);
        break;
    case WIRE_BATCH_NOT_DURABLE:
        validator_answered(validator); /* it answers; it is the window that cannot */
        try_again(dispatcher, batch, PAUSE_MS);
        break;
    default:
        batch->maybe_applied = true;
        try_again(dispatcher, batch, PAUSE_MS);
        break;
    }
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct batch *batch = context;
    struct dispatcher *dispatcher = batch->dispatcher;
    struct validator *validator = batch->at;
    struct wire_verdict_batch verdicts;
    validator->in_flight--;
    if (outcome == BUS_REPLIED && decode(dispatcher, batch, reply, &verdicts)) {
        on_verdicts(dispatcher, batch, validator, &verdicts);
    } else {
        batch->maybe_applied = true;
        dispatcher->counts.timeouts += outcome == BUS_TIMEOUT;
        validator_failed(validator, outcome == BUS_TIMEOUT   ? "no answer in time"
                                    : outcome == BUS_REPLIED ? "an answer that cannot be read"
                                                             : "connection lost");
        try_again(dispatcher, batch, 0);
    }
    pump(dispatcher);
}

/* Sends it; false, and nothing changed but a sequence perhaps given, where the bus does not take
 * it. */
static bool send_to(struct dispatcher *dispatcher, struct batch *batch, struct validator *validator)
{
    const struct wire_share_batch message = {
        .lease_id = batch->lease_id,
        .sequence = batch->sequence,
        .lowest = lowest(dispatcher, batch),
        .shares = batch->shares,
        .shares_count = batch->count,
    };
    size_t length =
        wire_encode_share_batch(&message, dispatcher->message, sizeof dispatcher->message);
    ASSERT(length > 0);
    batch->at = validator;
    if (!bus_request(validator->client, span_of(dispatcher->message, length),
                     dispatcher->options.timeout_ms, on_reply, batch)) {
        batch->at = NULL;
        return false;
    }
    validator->in_flight++;
    return true;
}

/* What should leave next: first what left before, then what is full, then what is open. */
static struct batch *next_batch(const struct dispatcher *dispatcher, uint64_t now_ms)
{
    const struct batch *again = dispatcher->again.head;
    if (again != NULL && again->try_ms <= now_ms)
        return dispatcher->again.head;
    return dispatcher->fresh.head != NULL ? dispatcher->fresh.head : dispatcher->filling;
}

static void take_batch(struct dispatcher *dispatcher, const struct batch *batch)
{
    if (batch == dispatcher->again.head)
        (void)pop(&dispatcher->again);
    else if (batch == dispatcher->fresh.head)
        (void)pop(&dispatcher->fresh);
    else
        dispatcher->filling = NULL;
}

static void pump(struct dispatcher *dispatcher)
{
    uint64_t now_ms = loop_now_ms(dispatcher->options.loop);
    for (;;) {
        struct batch *batch = next_batch(dispatcher, now_ms);
        struct validator *validator =
            batch != NULL ? validators_choose(&dispatcher->validators) : NULL;
        if (validator == NULL || dispatcher->lease_id == 0)
            return;
        take_batch(dispatcher, batch);
        if (batch->sequence == 0)
            give_sequence(dispatcher, batch);
        if (!send_to(dispatcher, batch, validator)) {
            validator_failed(validator, "a request was not taken");
            push(&dispatcher->again, batch); /* it has an id now */
        }
    }
}

static void give_up_old(struct dispatcher *dispatcher, struct queue *queue, uint64_t now_ms)
{
    struct queue kept = { 0 };
    struct queue old = { 0 };
    while (queue->head != NULL) {
        struct batch *batch = pop(queue);
        push(now_ms - batch->since_ms > dispatcher->options.hold_ms ? &old : &kept, batch);
    }
    *queue = kept;
    while (old.head != NULL)
        give_up(dispatcher, pop(&old));
}

static void on_tick(void *context)
{
    struct dispatcher *dispatcher = context;
    uint64_t now_ms = loop_now_ms(dispatcher->options.loop);
    give_up_old(dispatcher, &dispatcher->again, now_ms);
    give_up_old(dispatcher, &dispatcher->fresh, now_ms);
    struct batch *filling = dispatcher->filling;
    if (filling != NULL && now_ms - filling->since_ms > dispatcher->options.hold_ms) {
        dispatcher->filling = NULL;
        give_up(dispatcher, filling);
    }
    validators_sweep(&dispatcher->validators);
    pump(dispatcher);
}

static void on_round_end(struct loop_task *task)
{
    struct dispatcher *dispatcher =
        (struct dispatcher *)((char *)task - offsetof(struct dispatcher, round_end));
    dispatcher->round_end_deferred = false;
    pump(dispatcher);
}

bool dispatcher_add(struct dispatcher *dispatcher, const struct wire_share *share,
                    const struct dispatch_origin *origin)
{
    if (dispatcher->counts.held >= dispatcher->options.shares_max)
        return false;
    if (dispatcher->filling == NULL) {
        dispatcher->filling = new_batch(dispatcher);
        if (dispatcher->filling == NULL)
            return false;
        dispatcher->filling->since_ms = loop_now_ms(dispatcher->options.loop);
    }
    struct batch *batch = dispatcher->filling;
    batch->shares[batch->count] = *share;
    batch->origins[batch->count] = *origin;
    dispatcher->counts.held++;
    if (++batch->count == DISPATCH_BATCH_MAX) {
        push(&dispatcher->fresh, batch);
        dispatcher->filling = NULL;
    }
    if (!dispatcher->round_end_deferred) {
        dispatcher->round_end_deferred = true;
        loop_defer(dispatcher->options.loop, &dispatcher->round_end);
    }
    return true;
}

static void on_validator_up(void *context)
{
    pump(context);
}

void dispatcher_set_validators(struct dispatcher *dispatcher,
                               const char (*urls)[VALIDATORS_URL_BYTES], size_t count)
{
    validators_set(&dispatcher->validators, urls, count);
}

void dispatcher_set_lease(struct dispatcher *dispatcher, uint64_t lease_id)
{
    if (lease_id == dispatcher->lease_id)
        return;
    dispatcher->lease_id = lease_id;
    dispatcher->next_sequence = 1;
    pump(dispatcher);
}

struct dispatcher_counts dispatcher_counts(const struct dispatcher *dispatcher)
{
    struct dispatcher_counts counts = dispatcher->counts;
    counts.validators = validators_staying(&dispatcher->validators);
    counts.healthy = validators_healthy(&dispatcher->validators);
    return counts;
}

struct dispatcher *dispatcher_create(const struct dispatcher_options *options)
{
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (dispatcher == NULL)
        return NULL;
    dispatcher->options = *options;
    dispatcher->next_sequence = 1;
    dispatcher->round_end.run = on_round_end;
    validators_init(&dispatcher->validators, options->loop, options->bus, on_validator_up,
                    dispatcher);
    dispatcher->tick = (struct loop_timer){ .on_due = on_tick, .context = dispatcher };
    loop_timer_start(options->loop, &dispatcher->tick, TICK_MS, TICK_MS);
    return dispatcher;
}

static void free_queue(struct queue *queue)
{
    while (queue->head != NULL)
        free(pop(queue));
}

void dispatcher_destroy(struct dispatcher *dispatcher)
{
    if (dispatcher == NULL)
        return;
    loop_timer_stop(dispatcher->options.loop, &dispatcher->tick);
    dispatcher->lease_id = 0; /* nothing leaves any more */
    while (dispatcher->round_end_deferred)
        loop_run_once(dispatcher->options.loop, 0);
    validators_deinit(&dispatcher->validators);
    free(dispatcher->filling);
    free_queue(&dispatcher->fresh);
    free_queue(&dispatcher->again);
    while (dispatcher->spare != NULL) {
        struct batch *batch = dispatcher->spare;
        dispatcher->spare = batch->next;
        free(batch);
    }
    free(dispatcher);
}
