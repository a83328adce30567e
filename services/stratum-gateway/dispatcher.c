#include "services/stratum-gateway/dispatcher.h"

#include "service/log.h"
#include "services/stratum-gateway/identities.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 20,
    PAUSE_MS = 50,      /* before a batch goes out again that was refused for now */
    ROUND_MS = 250,     /* before all are asked again for a batch that none could judge */
    GATHER_SHARES = 32, /* what an open batch must hold for each one under way */
    MESSAGE_BYTES = DISPATCH_BATCH_MAX * 96 + 256,
    ARENA_BYTES = DISPATCH_BATCH_MAX * 8 + 1024,
};

struct dispatcher {
    struct dispatcher_options options;
    struct dispatcher_counts counts;
    uint64_t lease_id;
    uint64_t next_sequence;
    struct batch *filling;
    struct batch_queue fresh; /* full, never left */
    struct batch_queue again; /* left before, to leave once more */
    struct batches batches;
    uint32_t batch_shares; /* how many the open batch is to hold */
    struct loop_task round_end;
    bool round_end_deferred;
    struct loop_timer tick;
    struct validators validators;
    struct replay *replay; /* NULL: answered batches are not kept */
    uint8_t message[MESSAGE_BYTES];
    uint8_t arena[ARENA_BYTES];
};

static void pump(struct dispatcher *dispatcher);

/* Tells every share of the batch its end, and the batch is gone. */
static void end_batch(struct dispatcher *dispatcher, struct batch *batch, enum dispatch_end end,
                      const struct wire_verdict_batch *verdicts)
{
    dispatcher->counts.outstanding -= batch->sequence != 0;
    batches_leave(&dispatcher->batches, batch);
    if (batch->queued)
        batch_queue_remove(&dispatcher->again, batch);
    for (unsigned i = 0; i < BATCH_FLIGHTS_MAX; i++)
        if (batch->flights[i] != NULL)
            batch_land(batch, batch->flights[i]); /* its answer will find nobody */
    dispatcher->counts.held -= batch->count;
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct dispatch_result result = { .end = end, .outcome = SHARE_NOT_DURABLE };
        if (end == DISPATCH_JUDGED) {
            bool known = share_outcome_from_wire(verdicts->verdicts[i].outcome, &result.outcome);
            result.is_block = verdicts->verdicts[i].is_block != 0;
            if (!known) { /* a newer validator's word: whether the share counts is not known here */
                result.end = DISPATCH_UNKNOWN;
                if (unknown++ == 0)
                    log_error("verdict.unknown",
                              "lease=%" PRIu64 " sequence=%" PRIu64 " outcome=%u", batch->lease_id,
                              batch->sequence, verdicts->verdicts[i].outcome);
            }
        }
        dispatcher->options.handler(dispatcher->options.context, &batch->origins[i],
                                    &batch->shares[i], &result);
    }
    batches_free(&dispatcher->batches, batch);
}

/* Ends a batch without verdicts. Where every validator that had it said no, nothing was applied and
 * nothing can be any more. */
static void give_up(struct dispatcher *dispatcher, struct batch *batch)
{
    bool maybe = batch->maybe_applied || batch_flights(batch) > 0;
    dispatcher->counts.given_up += maybe;
    dispatcher->counts.dropped += !maybe;
    log_error("batch.given_up",
              "lease=%" PRIu64 " sequence=%" PRIu64 " shares=%u maybe_applied=%d held_ms=%" PRIu64,
              batch->lease_id, batch->sequence, batch->count, maybe,
              loop_now_ms(dispatcher->options.loop) - batch->since_ms);
    end_batch(dispatcher, batch, maybe ? DISPATCH_UNKNOWN : DISPATCH_DROPPED, NULL);
}

/* It waits to leave once more, unless it does already or another validator still has it. */
static void try_again(struct dispatcher *dispatcher, struct batch *batch, uint64_t pause_ms)
{
    if (batch->queued || batch_flights(batch) > 0)
        return;
    batch->try_ms = loop_now_ms(dispatcher->options.loop) + pause_ms;
    batch->queued = true;
    dispatcher->counts.retries++;
    batch_queue_push(&dispatcher->again, batch);
}

static bool decode(struct dispatcher *dispatcher, const struct flight *flight, struct span reply,
                   struct wire_verdict_batch *verdicts_r)
{
    struct error error;
    struct arena arena = arena_over(dispatcher->arena, sizeof dispatcher->arena);
    if (!wire_decode_verdict_batch(reply, &arena, verdicts_r, &error)) {
        log_error("verdict.undecodable", "validator=%s reason=\"%s\"", flight->at->url, error.text);
        return false;
    }
    bool ours =
        verdicts_r->lease_id == flight->lease_id && verdicts_r->sequence == flight->sequence &&
        (verdicts_r->status != WIRE_BATCH_JUDGED || verdicts_r->verdicts_count == flight->shares);
    if (!ours)
        log_error("verdict.mismatch", "validator=%s lease=%" PRIu64 " sequence=%" PRIu64,
                  flight->at->url, flight->lease_id, flight->sequence);
    return ours;
}

/* What the answer says of who gave it. */
static void judge_validator(const struct flight *flight, uint8_t status)
{
    switch (status) {
    case WIRE_BATCH_JUDGED:
        validator_judged(flight->at, flight->queued, loop_clock_ns() - flight->sent_ns);
        break;
    case WIRE_BATCH_OVERLOADED:
    case WIRE_BATCH_NOT_DURABLE:
        validator_refused(flight->at);
        break;
    case WIRE_BATCH_LEAVING:
        validator_departs(flight->at);
        break;
    default:
        validator_answered(flight->at);
        break;
    }
}

/* Nobody stores anything for it, so asking the next one is safe. */
static void cannot_judge(struct dispatcher *dispatcher, struct batch *batch, uint64_t bit)
{
    batch->denied = true;
    batch->cannot |= bit;
    if (!validators_all_in(&dispatcher->validators, batch->cannot)) {
        try_again(dispatcher, batch, 0);
        return;
    }
    batch->cannot = 0;
    try_again(dispatcher, batch, ROUND_MS);
}

/* What the answer says of the batch. */
static void on_verdicts(struct dispatcher *dispatcher, struct batch *batch,
                        const struct validator *by, const struct wire_verdict_batch *verdicts)
{
    switch (verdicts->status) {
    case WIRE_BATCH_JUDGED:
        if (dispatcher->replay != NULL)
            replay_keep(dispatcher->replay, batch, verdicts);
        if (dispatcher->options.audits != NULL)
            audits_draw(dispatcher->options.audits, batch, by, verdicts);
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
    case WIRE_BATCH_LEAVING:
    case WIRE_BATCH_NOT_DURABLE: /* perhaps another reaches the window; else it is they who pause */
        try_again(dispatcher, batch, 0);
        break;
    case WIRE_BATCH_CANNOT_JUDGE:
        cannot_judge(dispatcher, batch, by->bit);
        break;
    default:
        batch->maybe_applied = true;
        try_again(dispatcher, batch, PAUSE_MS);
        break;
    }
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct flight *flight = context;
    struct dispatcher *dispatcher = flight->dispatcher;
    struct batch *batch = flight->batch;
    struct wire_verdict_batch verdicts;
    validator_ended(flight->at, flight->shares);
    if (batch != NULL)
        batch_land(batch, flight);
    if (outcome == BUS_REPLIED && decode(dispatcher, flight, reply, &verdicts)) {
        judge_validator(flight, verdicts.status);
        if (batch != NULL)
            on_verdicts(dispatcher, batch, flight->at, &verdicts);
    } else {
        dispatcher->counts.timeouts += outcome == BUS_TIMEOUT;
        validator_failed(flight->at, outcome == BUS_TIMEOUT   ? "no answer in time"
                                     : outcome == BUS_REPLIED ? "an answer that cannot be read"
                                                              : "connection lost");
        if (batch != NULL) {
            batch->maybe_applied = true;
            try_again(dispatcher, batch, 0);
        }
    }
    free(flight);
    pump(dispatcher);
}

/* What may still be sent again must not be below it. */
static uint64_t lowest_of(const struct dispatcher *dispatcher, const struct batch *batch)
{
    uint64_t lowest = batches_lowest(&dispatcher->batches, batch);
    return dispatcher->replay != NULL ? replay_lowest(dispatcher->replay, batch->lease_id, lowest)
                                      : lowest;
}

/* False, and nothing changed, where the bus does not take it. */
static bool send_to(struct dispatcher *dispatcher, struct batch *batch, struct validator *validator)
{
    const struct wire_share_batch message = {
        .lease_id = batch->lease_id,
        .sequence = batch->sequence,
        .lowest = lowest_of(dispatcher, batch),
        .final = batch->final,
        .shares = batch->shares,
        .shares_count = batch->count,
    };
    size_t length =
        wire_encode_share_batch(&message, dispatcher->message, sizeof dispatcher->message);
    struct flight *flight = malloc(sizeof *flight);
    ASSERT(length > 0);
    if (flight == NULL)
        return false;
    *flight = (struct flight){ .dispatcher = dispatcher,
                               .batch = batch,
                               .at = validator,
                               .lease_id = batch->lease_id,
                               .sequence = batch->sequence,
                               .sent_ns = loop_clock_ns(),
                               .shares = batch->count };
    if (!bus_request(validator->client, span_of(dispatcher->message, length),
                     dispatcher->options.timeout_ms, on_reply, flight)) {
        free(flight);
        return false;
    }
    batch->sends++;
    batch_take_off(batch, flight);
    validator_given(validator, batch->count, &flight->queued);
    return true;
}

/* A copy to one that may be back: if it is not, nobody waits for it. */
static void probe(struct dispatcher *dispatcher, struct batch *batch)
{
    struct validator *lost = validators_choose_probe(&dispatcher->validators, batch_holders(batch));
    if (lost == NULL || batch_flights(batch) != 1)
        return;
    if (send_to(dispatcher, batch, lost))
        dispatcher->counts.probes++;
    else
        validator_failed(lost, "a request was not taken");
}

/* The open batch waits for more shares, or for an answer. */
static bool gathers(const struct dispatcher *dispatcher)
{
    return dispatcher->filling->count <
           GATHER_SHARES * validators_least_under_way(&dispatcher->validators);
}

/* What should leave next, and to whom: first what left before, then what is full, then what is
 * open. NULL: nothing can. */
static struct batch *next_batch(const struct dispatcher *dispatcher, uint64_t now_ms,
                                struct validator **validator_r)
{
    for (struct batch *batch = dispatcher->again.head; batch != NULL; batch = batch->next) {
        if (batch->try_ms > now_ms)
            continue;
        const uint64_t holders = batch_holders(batch);
        *validator_r =
            validators_choose_other(&dispatcher->validators, batch->count, batch->cannot, holders);
        if (*validator_r != NULL)
            return batch;
        if ((holders | batch->cannot) == 0)
            return NULL; /* nobody has room */
    }
    struct batch *batch =
        dispatcher->fresh.head != NULL ? dispatcher->fresh.head : dispatcher->filling;
    if (batch == NULL || (batch == dispatcher->filling && gathers(dispatcher)))
        return NULL;
    *validator_r = validators_choose(&dispatcher->validators, batch->count, 0);
    return *validator_r != NULL ? batch : NULL;
}

static void take_batch(struct dispatcher *dispatcher, struct batch *batch)
{
    if (batch->queued)
        batch_queue_remove(&dispatcher->again, batch);
    else if (batch == dispatcher->fresh.head)
        (void)batch_queue_pop(&dispatcher->fresh);
    else
        dispatcher->filling = NULL;
    batch->queued = false;
}

static void give_sequence(struct dispatcher *dispatcher, struct batch *batch)
{
    batches_enter(&dispatcher->batches, batch, dispatcher->lease_id, dispatcher->next_sequence++);
    dispatcher->counts.outstanding++;
    dispatcher->counts.batches++;
}

static void pump(struct dispatcher *dispatcher)
{
    uint64_t now_ms = loop_now_ms(dispatcher->options.loop);
    struct validator *validator;
    for (struct batch *batch; dispatcher->lease_id != 0 &&
                              (batch = next_batch(dispatcher, now_ms, &validator)) != NULL;) {
        take_batch(dispatcher, batch);
        if (batch->sequence == 0)
            give_sequence(dispatcher, batch);
        if (send_to(dispatcher, batch, validator)) {
            probe(dispatcher, batch);
        } else {
            validator_failed(validator, "a request was not taken");
            batch->queued = true;
            batch_queue_push(&dispatcher->again, batch); /* it has an id now */
        }
    }
}

/* What a silent validator has goes to others as well. */
static void hedge(struct dispatcher *dispatcher, const struct validator *silent)
{
    for (struct batch *batch = dispatcher->batches.oldest; batch != NULL; batch = batch->newer) {
        if (batch->queued || batch_flights(batch) != 1 || !batch_is_at(batch, silent))
            continue;
        batch->try_ms = 0;
        batch->queued = true;
        dispatcher->counts.hedged++;
        batch_queue_push(&dispatcher->again, batch);
    }
}

static void give_up_old(struct dispatcher *dispatcher, struct batch_queue *queue, uint64_t now_ms)
{
    struct batch_queue kept = { 0 };
    struct batch_queue old = { 0 };
    while (queue->head != NULL) {
        struct batch *batch = batch_queue_pop(queue);
        bool is_old = now_ms - batch->since_ms > dispatcher->options.hold_ms;
        if (is_old)
            batch->queued = false;
        batch_queue_push(is_old ? &old : &kept, batch);
    }
    *queue = kept;
    while (old.head != NULL)
        give_up(dispatcher, batch_queue_pop(&old));
}

/* Whoever is left to ask is away: some of its shares can be judged yet. */
static void end_rounds(struct dispatcher *dispatcher, uint64_t now_ms)
{
    for (struct batch *batch = dispatcher->again.head; batch != NULL; batch = batch->next) {
        if (!batch->denied || batch->final ||
            now_ms - batch->since_ms <= dispatcher->options.hold_ms / 2)
            continue;
        batch->final = true;
        batch->cannot = 0;
        batch->try_ms = 0;
    }
}

static void on_tick(void *context)
{
    struct dispatcher *dispatcher = context;
    uint64_t now_ms = loop_now_ms(dispatcher->options.loop);
    end_rounds(dispatcher, now_ms);
    give_up_old(dispatcher, &dispatcher->again, now_ms);
    give_up_old(dispatcher, &dispatcher->fresh, now_ms);
    struct batch *filling = dispatcher->filling;
    if (filling != NULL && now_ms - filling->since_ms > dispatcher->options.hold_ms) {
        dispatcher->filling = NULL;
        give_up(dispatcher, filling);
    }
    for (size_t i = 0; i < dispatcher->validators.count; i++)
        if (validator_falls_silent(dispatcher->validators.list[i]))
            hedge(dispatcher, dispatcher->validators.list[i]);
    if (dispatcher->replay != NULL)
        replay_tick(dispatcher->replay);
    validators_sweep(&dispatcher->validators);
    if (dispatcher->options.asks_identities)
        identities_tick(&dispatcher->validators, dispatcher->counts.held == 0);
    pump(dispatcher);
}

static void on_round_end(struct loop_task *task)
{
    struct dispatcher *dispatcher =
        (struct dispatcher *)((char *)task - offsetof(struct dispatcher, round_end));
    dispatcher->round_end_deferred = false;
    pump(dispatcher);
}

void dispatcher_expect(struct dispatcher *dispatcher)
{
    if (dispatcher->round_end_deferred)
        return;
    dispatcher->round_end_deferred = true;
    loop_defer(dispatcher->options.loop, &dispatcher->round_end);
}

bool dispatcher_add(struct dispatcher *dispatcher, const struct wire_share *share,
                    const struct dispatch_origin *origin)
{
    if (dispatcher->counts.held >= dispatcher->options.shares_max)
        return false;
    if (dispatcher->filling == NULL) {
        dispatcher->filling = batches_new(&dispatcher->batches);
        if (dispatcher->filling == NULL)
            return false;
        dispatcher->filling->since_ms = loop_now_ms(dispatcher->options.loop);
        dispatcher->batch_shares =
            validators_batch_shares(&dispatcher->validators, DISPATCH_BATCH_MAX);
    }
    struct batch *batch = dispatcher->filling;
    batch->shares[batch->count] = *share;
    batch->origins[batch->count] = *origin;
    dispatcher->counts.held++;
    if (++batch->count >= dispatcher->batch_shares) {
        batch_queue_push(&dispatcher->fresh, batch);
        dispatcher->filling = NULL;
    }
    dispatcher_expect(dispatcher);
    return true;
}

static void on_validator_up(void *context)
{
    pump(context);
}

bool dispatcher_set_validators(struct dispatcher *dispatcher,
                               const char (*urls)[VALIDATORS_URL_BYTES], size_t count)
{
    return validators_set(&dispatcher->validators, urls, count);
}

uint64_t dispatcher_next_sequence(const struct dispatcher *dispatcher)
{
    return dispatcher->next_sequence;
}

void dispatcher_go_on_from(struct dispatcher *dispatcher, uint64_t sequence)
{
    ASSERT(sequence >= dispatcher->next_sequence);
    dispatcher->next_sequence = sequence;
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
    if (dispatcher->replay != NULL)
        counts.replay = replay_counts(dispatcher->replay);
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
    validators_init(&dispatcher->validators, options->loop, options->bus, options->timeout_ms,
                    on_validator_up, dispatcher);
    const struct replay_options replay = { .loop = options->loop,
                                           .validators = &dispatcher->validators,
                                           .timeout_ms = options->timeout_ms,
                                           .keep_ms = options->keep_ms,
                                           .bytes_max = options->keep_bytes_max,
                                           .job_memory_ms = options->job_memory_ms };
    if (options->keep_ms > 0 && (dispatcher->replay = replay_create(&replay)) == NULL) {
        validators_deinit(&dispatcher->validators);
        free(dispatcher);
        return NULL;
    }
    dispatcher->tick = (struct loop_timer){ .on_due = on_tick, .context = dispatcher };
    loop_timer_start(options->loop, &dispatcher->tick, TICK_MS, TICK_MS);
    return dispatcher;
}

static void free_queue(struct batch_queue *queue)
{
    while (queue->head != NULL)
        free(batch_queue_pop(queue));
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
    replay_destroy(dispatcher->replay);
    free(dispatcher->filling);
    free_queue(&dispatcher->fresh);
    free_queue(&dispatcher->again);
    batches_deinit(&dispatcher->batches);
    free(dispatcher);
}
