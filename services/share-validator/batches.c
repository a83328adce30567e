#include "services/share-validator/batch.h"

#include "service/log.h"
#include "services/share-validator/verdicts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_BYTES = WINDOW_BATCH_SHARES_MAX * sizeof(struct wire_share) + 1024,
    REPLY_BYTES = 64 + 2 * WINDOW_BATCH_SHARES_MAX,
    ASK_PAUSE_MS = 50,
};

static const char *const state_names[] = { "free", "waiting", "hashing", "appending", "asking" };
static const bool legal_moves[5][5] = {
    [BATCH_FREE] = { [BATCH_WAITING] = true },
    [BATCH_WAITING] = { [BATCH_HASHING] = true, [BATCH_APPENDING] = true, [BATCH_FREE] = true },
    [BATCH_HASHING] = { [BATCH_WAITING] = true, [BATCH_APPENDING] = true, [BATCH_FREE] = true },
    [BATCH_APPENDING] = { [BATCH_ASKING] = true, [BATCH_FREE] = true },
    [BATCH_ASKING] = { [BATCH_FREE] = true },
};

static void batch_enter_state(struct batch *batch, enum batch_state next)
{
    if (batch->state == next)
        return;
    ASSERT(legal_moves[batch->state][next]);
    log_debug("batch.state", "batch=%016" PRIx64 "/%" PRIu64 " from=%s to=%s", batch->lease_id,
              batch->sequence, state_names[batch->state], state_names[next]);
    batch->state = next;
}

static struct batch **bucket_of(struct batches *batches, uint64_t lease_id, uint64_t sequence)
{
    uint64_t mixed = (lease_id * 0x9e3779b97f4a7c15u) ^ sequence;
    return &batches->buckets[(mixed ^ mixed >> 32) & (batches->bucket_count - 1)];
}

static struct batch *find_batch(struct batches *batches, uint64_t lease_id, uint64_t sequence)
{
    struct batch *batch = *bucket_of(batches, lease_id, sequence);
    while (batch != NULL && (batch->lease_id != lease_id || batch->sequence != sequence))
        batch = batch->next_in_bucket;
    return batch;
}

/* Replies. */
static void reply_to(struct batches *batches, struct bus_call *call, uint64_t lease_id,
                     uint64_t sequence, enum wire_batch_status status, uint64_t history,
                     const struct wire_verdict *verdicts, size_t count)
{
    const struct wire_verdict_batch reply = {
        .lease_id = lease_id,
        .sequence = sequence,
        .status = (uint8_t)status,
        .history = history,
        .verdicts = (struct wire_verdict *)(uintptr_t)verdicts,
        .verdicts_count = (uint32_t)count,
    };
    size_t length = wire_encode_verdict_batch(&reply, batches->reply, REPLY_BYTES);
    ASSERT(length > 0);
    (void)bus_reply(call, span_of(batches->reply, length));
}

/* Answers everybody who asked for the batch and frees it. */
static void finish(struct batch *batch, enum wire_batch_status status,
                   const struct wire_verdict *verdicts)
{
    struct batches *batches = batch->owner;
    ASSERT(batch->hashing == 0 && !batch->window_busy);
    metric_add(batches->by_status[status], 1);
    size_t count = status == WIRE_BATCH_JUDGED ? batch->count : 0;
    for (size_t i = 0; i < batch->call_count; i++)
        reply_to(batches, batch->calls[i], batch->lease_id, batch->sequence, status, batch->history,
                 verdicts, count);
    for (size_t i = 0; i < batch->candidate_count; i++)
        free(batch->candidates[i].record);
    batch->candidate_count = 0;
    struct batch **at = bucket_of(batches, batch->lease_id, batch->sequence);
    while (*at != batch)
        at = &(*at)->next_in_bucket;
    *at = batch->next_in_bucket;
    batch_enter_state(batch, BATCH_FREE);
    batch->next_free = batches->free;
    batches->free = batch;
    batches->count--;
    metric_set(batches->in_flight, batches->count);
}

/* The window. */
static void count_verdicts(struct batch *batch)
{
    struct batches *batches = batch->owner;
    uint64_t rejected = 0;
    for (size_t i = 0; i < batch->count; i++) {
        metric_add(batches->shares_total[batch->verdicts[i].outcome], 1);
        rejected += batch->verdicts[i].outcome != SHARE_ACCEPTED;
    }
    metric_add(batches->shares_rejected, rejected);
}

static void sign_for(struct batch *batch, const struct window_result *result,
                     const struct wire_verdict *verdicts)
{
    receipts_take(batch->owner->options.receipts,
                  &(struct receipts_batch){ .lease_id = batch->lease_id,
                                            .sequence = batch->sequence,
                                            .first = result->position,
                                            .history = result->history,
                                            .shares = batch->shares,
                                            .verdicts = verdicts,
                                            .count = batch->count });
}

static void finish_repeated(struct batch *batch, const struct window_result *result)
{
    struct batches *batches = batch->owner;
    struct error error;
    metric_add(batches->repeated, 1);
    if (verdicts_read(result->verdicts, batches->stored, batch->count, &error)) {
        /* Whoever appended it may have died before it signed; a place signed for twice is one. */
        sign_for(batch, result, batches->stored);
        finish(batch, WIRE_BATCH_JUDGED, batches->stored);
        return;
    }
    log_error("batch.stored_verdicts", "batch=%016" PRIx64 "/%" PRIu64 " reason=\"%s\"",
              batch->lease_id, batch->sequence, error.text);
    finish(batch, WIRE_BATCH_UNKNOWN, NULL);
}

static void ask_later(struct batch *batch, const char *reason)
{
    struct batches *batches = batch->owner;
    uint64_t now_ms = loop_now_ms(batches->options.loop);
    if (batch->state != BATCH_ASKING) {
        batch_enter_state(batch, BATCH_ASKING);
        batch->ask_until_ms = now_ms + BATCHES_ASK_MS;
        log_debug("batch.unknown", "batch=%016" PRIx64 "/%" PRIu64 " reason=\"%s\"",
                  batch->lease_id, batch->sequence, reason);
    }
    if (!loop_timer_running(&batches->timer))
        loop_timer_start(batches->options.loop, &batches->timer, ASK_PAUSE_MS, ASK_PAUSE_MS);
}

static void on_appended(void *context, const struct window_result *result)
{
    struct batch *batch = context;
    struct batches *batches = batch->owner;
    batch->window_busy = false;
    batch->history = result->history;
    const bool was_unknown = batch->state == BATCH_ASKING;
    switch (result->outcome) {
    case WINDOW_APPENDED:
        metric_observe_us(batches->append_time, (loop_clock_ns() - batch->append_began_ns) / 1000);
        batches->options.on_window(batches->options.context, NULL);
        count_verdicts(batch);
        sign_for(batch, result, batch->verdicts);
        finish(batch, WIRE_BATCH_JUDGED, batch->verdicts);
        break;
    case WINDOW_REPEATED:
        finish_repeated(batch, result);
        break;
    case WINDOW_REFUSED:
        finish(batch, WIRE_BATCH_REFUSED, NULL);
        break;
    case WINDOW_UNAVAILABLE:
        batches->options.on_window(batches->options.context, result->reason);
        /* That this asking was not applied says nothing about the one before it. */
        if (was_unknown)
            ask_later(batch, result->reason);
        else
            finish(batch, WIRE_BATCH_NOT_DURABLE, NULL);
        break;
    case WINDOW_UNKNOWN:
        ask_later(batch, result->reason);
        break;
    }
}

static size_t fill_shares(struct batch *batch, int32_t *credited_indexes)
{
    struct batches *batches = batch->owner;
    size_t credited = 0;
    size_t candidate = 0;
    /* Candidates come in the order of their shares only where all were judged in one go. */
    for (size_t i = 0; i < batch->candidate_count; i++)
        credited_indexes[i] = -1;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->verdicts[i].outcome != SHARE_ACCEPTED)
            continue;
        const struct wire_share *share = &batch->shares[i];
        for (candidate = 0; candidate < batch->candidate_count && batch->verdicts[i].is_block;
             candidate++)
            if (batch->candidates[candidate].index == i)
                credited_indexes[candidate] = (int32_t)credited;
        batches->shares[credited++] = (struct window_share){
            .account = share->account,
            .worker = share->worker,
            .work = share->work,
            .job_id = share->job_id,
            .time_ms = share->received_ms,
        };
    }
    return credited;
}

/* No gateway of ours sends such a batch, so the message or its sender is broken. It is judged all
 * the same, because a block among its shares is a block, but it never reaches the window: a lowest
 * above its own sequence would refuse batches nobody has answered. The answer is the one that is
 * never final: nothing was applied, another validator may be asked. */
static void refuse_malformed(struct batch *batch)
{
    log_warn("batch.malformed",
             "batch=%016" PRIx64 "/%" PRIu64 " lowest=%" PRIu64 " shares=%zu candidates=%zu",
             batch->lease_id, batch->sequence, batch->lowest, batch->count, batch->candidate_count);
    finish(batch, WIRE_BATCH_OVERLOADED, NULL);
}

static void append(struct batch *batch)
{
    struct batches *batches = batch->owner;
    int32_t credited_indexes[WINDOW_BATCH_SHARES_MAX];
    size_t credited = fill_shares(batch, credited_indexes);
    for (size_t i = 0; i < batch->candidate_count; i++) {
        struct batch_candidate *candidate = &batch->candidates[i];
        struct window_candidate *given = &batches->window_candidates[i];
        memcpy(given->block_hash, candidate->hash, sizeof given->block_hash);
        given->index = candidate->index;
        given->credited_index = credited_indexes[i];
        given->record = span_of(candidate->record, candidate->record_bytes);
    }
    size_t verdict_bytes = verdicts_write(batch->verdicts, batch->count, batches->verdict_bytes);
    const struct window_batch given = {
        .lease_id = batch->lease_id,
        .sequence = batch->sequence,
        .lowest = batch->lowest,
        .shares = batches->shares,
        .share_count = credited,
        .verdicts = span_of(batches->verdict_bytes, verdict_bytes),
        .candidates = batches->window_candidates,
        .candidate_count = batch->candidate_count,
        .rejected_count = (uint32_t)(batch->count - credited),
    };
    if (!window_batch_in_bounds(&given)) {
        refuse_malformed(batch);
        return;
    }
    batch->append_began_ns = loop_clock_ns();
    batch->window_busy = window_append(batches->options.window, &given, on_appended, batch);
    if (batch->window_busy)
        return;
    /* The window's bound is ours, so this is not seen; nothing was sent. */
    if (batch->state == BATCH_ASKING)
        ask_later(batch, "too many appends are under way");
    else
        finish(batch, WIRE_BATCH_OVERLOADED, NULL);
}

void batch_go_on(struct batch *batch)
{
    if (batch->hashing > 0) {
        batch_enter_state(batch, BATCH_HASHING);
    } else if (batch->judged_count == batch->count) {
        batch_enter_state(batch, BATCH_APPENDING);
        append(batch);
    } else if (batch->denied) {
        finish(batch, WIRE_BATCH_CANNOT_JUDGE, NULL);
    } else if (batch->unreached) {
        /* Another validator may know the job. Nothing was applied. */
        finish(batch, WIRE_BATCH_OVERLOADED, NULL);
    } else {
        batch_enter_state(batch, BATCH_WAITING);
    }
}

void batches_job(struct batches *batches, uint64_t job_id, enum feed_answer answer)
{
    for (size_t i = 0; i < batches->options.batches_max; i++) {
        struct batch *batch = &batches->batches[i];
        if (batch->state != BATCH_WAITING && batch->state != BATCH_HASHING)
            continue;
        if (batch->judged_count == batch->count)
            continue;
        bool wanted = false;
        for (size_t j = 0; j < batch->count && !wanted; j++)
            wanted = !batch->judged[j] && batch->shares[j].job_id == job_id;
        if (!wanted)
            continue;
        if (answer == FEED_KNOWN)
            judge_batch(batch);
        else if (answer == FEED_UNKNOWN)
            judge_job_missing(batch, job_id);
        else
            batch->unreached = true;
        batch_go_on(batch);
    }
}

static void on_timer(void *context)
{
    struct batches *batches = context;
    uint64_t now_ms = loop_now_ms(batches->options.loop);
    bool more = false;
    for (size_t i = 0; i < batches->options.batches_max; i++) {
        struct batch *batch = &batches->batches[i];
        if (batch->state != BATCH_ASKING)
            continue;
        if (!batch->window_busy && now_ms >= batch->ask_until_ms) {
            finish(batch, WIRE_BATCH_UNKNOWN, NULL);
            continue;
        }
        more = true;
        if (!batch->window_busy && window_ready(batches->options.window))
            append(batch);
    }
    if (!more)
        loop_timer_stop(batches->options.loop, &batches->timer);
}

void batches_window_ready(struct batches *batches)
{
    on_timer(batches);
}

/* Intake. */
static bool make_room(struct batch *batch, size_t count)
{
    if (count <= batch->capacity)
        return true;
    free(batch->shares);
    free(batch->verdicts);
    free(batch->judged);
    batch->shares = malloc(count * sizeof *batch->shares);
    batch->verdicts = malloc(count * sizeof *batch->verdicts);
    batch->judged = malloc(count * sizeof *batch->judged);
    batch->capacity = 0;
    if (batch->shares == NULL || batch->verdicts == NULL || batch->judged == NULL)
        return false;
    batch->capacity = count;
    return true;
}

static void start(struct batches *batches, struct bus_call *call,
                  const struct wire_share_batch *wire)
{
    struct batch *batch = batches->free;
    if (batch == NULL || !make_room(batch, wire->shares_count) || batches->draining ||
        blocks_full(batches->options.blocks)) {
        enum wire_batch_status status =
            batches->draining ? WIRE_BATCH_LEAVING : WIRE_BATCH_OVERLOADED;
        metric_add(batches->by_status[status], 1);
        reply_to(batches, call, wire->lease_id, wire->sequence, status, 0, NULL, 0);
        return;
    }
    batches->free = batch->next_free;
    batches->count++;
    metric_set(batches->in_flight, batches->count);
    batch->lease_id = wire->lease_id;
    batch->sequence = wire->sequence;
    batch->lowest = wire->lowest;
    batch->again = wire->again != 0;
    batch->final = wire->final != 0;
    batch->history = 0;
    batch->calls[0] = call;
    batch->call_count = 1;
    batch->count = wire->shares_count;
    batch->judged_count = 0;
    batch->unreached = false;
    batch->denied = false;
    batch->hashing = 0;
    batch->judging = false;
    if (batch->count > 0)
        memcpy(batch->shares, wire->shares, batch->count * sizeof *batch->shares);
    for (size_t i = 0; i < batch->count; i++) {
        batch->verdicts[i] = (struct wire_verdict){ 0 };
        batch->judged[i] = false;
    }
    struct batch **bucket = bucket_of(batches, batch->lease_id, batch->sequence);
    batch->next_in_bucket = *bucket;
    *bucket = batch;
    batch_enter_state(batch, BATCH_WAITING);
    judge_batch(batch);
    batch_go_on(batch);
}

/* The gateway asks again for what is being worked on. */
static void join(struct batch *batch, struct bus_call *call, const struct wire_share_batch *wire)
{
    if (wire->lowest > batch->lowest && wire->lowest <= batch->sequence)
        batch->lowest = wire->lowest;
    batch->again |= wire->again != 0; /* answered meanwhile, under a history that is over */
    batch->final |= wire->final != 0;
    if (batch->call_count == BATCH_CALLS_MAX) {
        /* Whoever asked first has stopped waiting long ago. */
        bus_drop(batch->calls[0]);
        memmove(batch->calls, batch->calls + 1, (BATCH_CALLS_MAX - 1) * sizeof batch->calls[0]);
        batch->call_count--;
    }
    batch->calls[batch->call_count++] = call;
}

void batches_take(struct batches *batches, struct bus_call *call, struct span message)
{
    struct wire_share_batch wire;
    struct error error;
    struct arena arena = arena_over(batches->arena_memory, ARENA_BYTES);
    if (!wire_decode_share_batch(message, &arena, &wire, &error)) {
        log_warn("batch.unreadable", "reason=\"%s\"", error.text);
        bus_drop(call);
        return;
    }
    struct batch *same = find_batch(batches, wire.lease_id, wire.sequence);
    if (same != NULL)
        join(same, call, &wire);
    else
        start(batches, call, &wire);
}

void batches_drain(struct batches *batches)
{
    batches->draining = true;
}

size_t batches_count(const struct batches *batches)
{
    return batches->count;
}

static void register_metrics(struct batches *batches, struct metrics *metrics)
{
    static const char *const statuses[] = { NULL,
                                            "status=\"judged\"",
                                            "status=\"refused\"",
                                            "status=\"not_durable\"",
                                            "status=\"unknown\"",
                                            "status=\"overloaded\"",
                                            "status=\"leaving\"",
                                            "status=\"cannot_judge\"" };
    for (unsigned i = 0; i < SHARE_OUTCOMES_COUNT; i++) {
        char label[64];
        snprintf(label, sizeof label, "outcome=\"%s\"", share_outcome_label((enum share_outcome)i));
        batches->shares_total[i] = metrics_counter(metrics, "adit_validator_shares_total", label,
                                                   "Shares judged and recorded, by verdict.",
                                                   i == SHARE_ACCEPTED ? "shares_accepted" : NULL);
    }
    batches->shares_rejected = metrics_counter(metrics, "adit_validator_shares_rejected_total", "",
                                               "Shares judged and rejected.", "shares_rejected");
    for (size_t i = 1; i < sizeof statuses / sizeof statuses[0]; i++)
        batches->by_status[i] = metrics_counter(metrics, "adit_validator_batches_total",
                                                statuses[i], "Batches answered, by status.",
                                                i == WIRE_BATCH_JUDGED ? "batches" : NULL);
    batches->repeated = metrics_counter(metrics, "adit_validator_batches_repeated_total", "",
                                        "Batches the window had already.", NULL);
    batches->in_flight = metrics_gauge(metrics, "adit_validator_batches_in_flight", "",
                                       "Batches being worked on.", NULL);
    batches->append_time = metrics_histogram(metrics, "adit_validator_append_seconds",
                                             "From the append to the window's answer.");
    batches->hash_time = metrics_histogram(metrics, "adit_validator_hash_seconds",
                                           "Hashing the shares of a batch (or of a chunk).");
}

static bool allocate(struct batches *batches)
{
    size_t max = batches->options.batches_max;
    batches->bucket_count = 64;
    while (batches->bucket_count < 2 * max)
        batches->bucket_count *= 2;
    batches->batches = calloc(max, sizeof *batches->batches);
    batches->buckets = calloc(batches->bucket_count, sizeof(struct batch *));
    batches->arena_memory = malloc(ARENA_BYTES);
    batches->shares = calloc(WINDOW_BATCH_SHARES_MAX, sizeof *batches->shares);
    batches->window_candidates =
        calloc(WINDOW_BATCH_SHARES_MAX, sizeof *batches->window_candidates);
    batches->verdict_bytes = malloc(WINDOW_VERDICTS_BYTES_MAX);
    batches->stored = calloc(WINDOW_BATCH_SHARES_MAX, sizeof *batches->stored);
    batches->reply = malloc(REPLY_BYTES);
    return batches->batches != NULL && batches->buckets != NULL && batches->arena_memory != NULL &&
           batches->shares != NULL && batches->window_candidates != NULL &&
           batches->verdict_bytes != NULL && batches->stored != NULL && batches->reply != NULL;
}

struct batches *batches_create(const struct batches_options *options, struct error *error)
{
    struct batches *batches = calloc(1, sizeof *batches);
    ASSERT(batches != NULL);
    batches->options = *options;
    batches->timer = (struct loop_timer){ .on_due = on_timer, .context = batches };
    if (!allocate(batches)) {
        error_fill(error, ERROR_FULL, "no memory for %zu batches in flight (validator.batches_max)",
                   options->batches_max);
        batches_destroy(batches);
        return NULL;
    }
    for (size_t i = 0; i < options->batches_max; i++) {
        batches->batches[i].owner = batches;
        batches->batches[i].next_free = batches->free;
        batches->free = &batches->batches[i];
    }
    register_metrics(batches, options->metrics);
    return batches;
}

static void forget_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->call_count && batch->state != BATCH_FREE; i++)
        bus_drop(batch->calls[i]);
    for (size_t i = 0; i < batch->candidate_count; i++)
        free(batch->candidates[i].record);
    free(batch->candidates);
    free(batch->shares);
    free(batch->verdicts);
    free(batch->judged);
}

void batches_join(struct batches *batches)
{
    if (batches == NULL)
        return;
    hashing_destroy(batches->hashing);
    batches->hashing = NULL;
}

void batches_destroy(struct batches *batches)
{
    if (batches == NULL)
        return;
    ASSERT(batches->hashing == NULL);
    loop_timer_stop(batches->options.loop, &batches->timer);
    for (size_t i = 0; i < batches->options.batches_max && batches->batches != NULL; i++)
        forget_batch(&batches->batches[i]);
    free(batches->batches);
    free(batches->buckets);
    free(batches->arena_memory);
    free(batches->shares);
    free(batches->window_candidates);
    free(batches->verdict_bytes);
    free(batches->stored);
    free(batches->reply);
    free(batches);
}
