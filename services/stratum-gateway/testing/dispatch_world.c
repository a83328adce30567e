#include "services/stratum-gateway/testing/dispatch_world.h"

#include "loop/testing/virtual_clock.h"

#include <stdio.h>
#include <stdlib.h>

struct world *w;

static uint8_t reply_bytes[65536];

/* Answers of a slow validator wait in the order of their asking. */
static void on_clock(void *context)
{
    (void)context;
    unsigned kept = 0;
    for (unsigned i = 0; i < w->late_count; i++) {
        if (w->late[i].due_ns <= loop_clock_ns())
            (void)bus_reply(w->late[i].call, span_of(w->late[i].reply, w->late[i].bytes));
        else
            w->late[kept++] = w->late[i];
    }
    w->late_count = kept;
}

static void answer(unsigned self, struct bus_call *call, const struct wire_share_batch *batch,
                   enum wire_batch_status status)
{
    static struct wire_verdict verdicts[1024];
    for (uint32_t i = 1; i < batch->shares_count; i += 2)
        verdicts[i].outcome = w->outcome;
    const struct wire_verdict_batch reply = { .lease_id = batch->lease_id,
                                              .sequence = batch->sequence,
                                              .status = (uint8_t)status,
                                              .history = w->history,
                                              .verdicts = verdicts,
                                              .verdicts_count = status == WIRE_BATCH_JUDGED
                                                                    ? batch->shares_count
                                                                    : 0 };
    size_t length = wire_encode_verdict_batch(&reply, reply_bytes, sizeof reply_bytes);
    assert_true(length > 0);
    if (w->us_a_share[self] == 0 || status != WIRE_BATCH_JUDGED) {
        (void)bus_reply(call, span_of(reply_bytes, length));
        return;
    }
    uint64_t now_ns = loop_clock_ns(), *busy_ns = &w->busy_ns[self];
    *busy_ns = (*busy_ns > now_ns ? *busy_ns : now_ns) +
               (uint64_t)w->us_a_share[self] * 1000u * batch->shares_count;
    struct late *late = &w->late[w->late_count++];
    assert_true(w->late_count <= LATE_MAX && length <= sizeof late->reply);
    *late = (struct late){ .call = call, .due_ns = *busy_ns, .bytes = length };
    memcpy(late->reply, reply_bytes, length);
}

/* The atomic step: an id below lowest is refused, one applied before changes nothing. */
static bool apply(unsigned self, const struct wire_share_batch *batch)
{
    uint64_t *lowest = &w->window.lowest[batch->lease_id];
    struct step *step = &w->journal[w->steps++ % JOURNAL_MAX];
    *step = (struct step){ batch->lease_id, batch->sequence, *lowest, false, 0, { 0 } };
    assert_true(batch->lowest <= batch->sequence);
    assert_true(batch->sequence < BATCHES_MAX);
    if (batch->lowest > *lowest)
        *lowest = batch->lowest;
    if (batch->sequence < *lowest)
        return false;
    if (!w->window.applied[batch->lease_id][batch->sequence]) {
        w->judged[self] += batch->shares_count;
        step->applied = true;
        for (uint32_t i = 0; i < batch->shares_count; i++) {
            w->in_window[batch->shares[i].nonce]++;
            step->nonces[step->count++] = batch->shares[i].nonce;
        }
    }
    w->window.applied[batch->lease_id][batch->sequence] = true;
    return true;
}

static void on_batch(void *context, struct bus_call *call, struct span message)
{
    unsigned self = (unsigned)((struct bus_server **)context - w->servers);
    static uint8_t memory[1 << 17];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_share_batch batch;
    struct error error;
    assert_true(wire_decode_share_batch(message, &arena, &batch, &error));
    w->batches[self]++;
    if (w->mute[self]) {
        bus_drop(call);
        return;
    }
    if (w->leaving[self]) {
        answer(self, call, &batch, WIRE_BATCH_LEAVING);
        return;
    }
    uint64_t dice = test_random_below(&w->random, 100);
    if (dice < w->trouble) {
        switch (test_random_below(&w->random, 4)) {
        case 0: /* dies with it */
            bus_drop(call);
            return;
        case 1: /* dies after it was applied */
            (void)apply(self, &batch);
            bus_drop(call);
            return;
        case 2:
            answer(self, call, &batch, WIRE_BATCH_OVERLOADED);
            return;
        default:
            if (test_random_below(&w->random, 2) == 0)
                (void)apply(self, &batch);
            answer(self, call, &batch, WIRE_BATCH_UNKNOWN);
            return;
        }
    }
    if (w->not_durable) {
        answer(self, call, &batch, WIRE_BATCH_NOT_DURABLE);
        return;
    }
    if (w->lacks_job[self] && !batch.final) {
        w->denied++;
        answer(self, call, &batch, WIRE_BATCH_CANNOT_JUDGE);
        return;
    }
    w->finals += w->lacks_job[self];
    bool taken = apply(self, &batch);
    w->refusals += !taken;
    answer(self, call, &batch, taken ? WIRE_BATCH_JUDGED : WIRE_BATCH_REFUSED);
}

static void on_end(void *context, const struct dispatch_origin *origin,
                   const struct wire_share *share, const struct dispatch_result *result)
{
    (void)context;
    assert_int_equal(origin->connection, share->nonce);
    assert_int_equal(w->ends[share->nonce], NONE);
    w->ends[share->nonce] = result->end == DISPATCH_JUDGED    ? JUDGED
                            : result->end == DISPATCH_DROPPED ? DROPPED
                                                              : UNKNOWN;
    w->ended++;
    if (result->end == DISPATCH_JUDGED && w->history == 1)
        assert_int_equal(w->in_window[share->nonce], 1);
}

void world_fail_over(unsigned lost)
{
    for (; lost > 0 && w->steps > 0; lost--) {
        const struct step *step = &w->journal[--w->steps % JOURNAL_MAX];
        w->window.lowest[step->lease_id] = step->lowest_before;
        if (!step->applied)
            continue;
        w->window.applied[step->lease_id][step->sequence] = false;
        for (uint32_t i = 0; i < step->count; i++)
            w->in_window[step->nonces[i]]--;
    }
    w->history++;
}

void world_begin(unsigned timeout_ms, uint64_t hold_ms)
{
    world_begin_keeping(timeout_ms, hold_ms, 0, 0);
}

void world_begin_keeping(unsigned timeout_ms, uint64_t hold_ms, uint64_t keep_ms, size_t keep_bytes)
{
    world_begin_remembering(timeout_ms, hold_ms, keep_ms, keep_bytes, 600000);
}

void world_begin_remembering(unsigned timeout_ms, uint64_t hold_ms, uint64_t keep_ms,
                             size_t keep_bytes, uint64_t job_memory_ms)
{
    struct error error;
    virtual_clock_begin();
    w = calloc(1, sizeof *w);
    w->random = test_random_begin("dispatcher");
    w->history = 1;
    w->loop = loop_create(&error);
    w->bus = bus_fake_create(w->loop);
    for (unsigned i = 0; i < VALIDATORS; i++) {
        snprintf(w->urls[i], sizeof w->urls[i], "fake://validator-%u", i);
        w->servers[i] =
            bus_serve(w->bus, w->urls[i], 64, 1 << 20, on_batch, &w->servers[i], &error);
        assert_non_null(w->servers[i]);
    }
    const struct dispatcher_options options = { .loop = w->loop,
                                                .bus = w->bus,
                                                .timeout_ms = timeout_ms,
                                                .hold_ms = hold_ms,
                                                .shares_max = 4000,
                                                .keep_ms = keep_ms,
                                                .keep_bytes_max = keep_bytes,
                                                .job_memory_ms = job_memory_ms,
                                                .handler = on_end };
    w->dispatcher = dispatcher_create(&options);
    dispatcher_set_lease(w->dispatcher, 1);
    w->clock = (struct loop_timer){ .on_due = on_clock };
    loop_timer_start(w->loop, &w->clock, 1, 1);
}

void world_take_real_time(void)
{
    virtual_clock_end();
}

void world_use(unsigned count)
{
    assert_true(dispatcher_set_validators(w->dispatcher,
                                          (const char(*)[VALIDATORS_URL_BYTES])w->urls, count));
}

void world_end(void)
{
    loop_timer_stop(w->loop, &w->clock);
    dispatcher_destroy(w->dispatcher);
    for (unsigned i = 0; i < w->late_count; i++)
        bus_drop(w->late[i].call);
    for (unsigned i = 0; i < VALIDATORS; i++)
        bus_server_close(w->servers[i]);
    bus_destroy(w->bus);
    loop_destroy(w->loop);
    free(w);
    virtual_clock_end();
}

bool world_add(void)
{
    assert_true(w->shares < SHARES_MAX);
    const struct wire_share share = { .nonce = w->shares, .work = 1 };
    const struct dispatch_origin origin = { .connection = w->shares };
    if (!dispatcher_add(w->dispatcher, &share, &origin))
        return false;
    w->shares++;
    return true;
}

void world_pass(unsigned ms)
{
    const uint64_t end_ns = loop_clock_ns() + ms * UINT64_C(1000000);
    do
        loop_run_once(w->loop, 1);
    while (loop_clock_ns() < end_ns);
}

void world_check(unsigned counts[4])
{
    memset(counts, 0, 4 * sizeof *counts);
    for (unsigned i = 0; i < w->shares; i++) {
        counts[w->ends[i]]++;
        assert_true(w->in_window[i] <= 1);
        if (w->ends[i] == JUDGED)
            assert_int_equal(w->in_window[i], 1);
        if (w->ends[i] == DROPPED)
            assert_int_equal(w->in_window[i], 0);
    }
}
