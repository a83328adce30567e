/* The dispatcher against validators over a window, on a bus that loses and cuts: whatever
 * happens, each share has one end, what was judged is in the window once, and what was said to be
 * dropped is never in it. */
#include "adapter/bus_fake/bus_fake.h"
#include "base/test_random.h"
#include "services/stratum-gateway/dispatcher.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { VALIDATORS = 3, SHARES_MAX = 20000, BATCHES_MAX = 40000, LATE_MAX = 512 };

enum share_end { NONE, JUDGED, DROPPED, UNKNOWN };

/* What the window keeps of a lease: which sequences were applied, and below what none is. */
struct window {
    bool applied[3][BATCHES_MAX];
    uint64_t lowest[3];
};

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct dispatcher *dispatcher;
    struct bus_server *servers[VALIDATORS];
    char urls[VALIDATORS][VALIDATORS_URL_BYTES];
    struct test_random random;
    struct window window;
    enum share_end ends[SHARES_MAX];
    unsigned in_window[SHARES_MAX];
    unsigned trouble; /* per cent of requests that go wrong */
    bool not_durable; /* the window takes nothing */
    bool mute[VALIDATORS];
    unsigned batches[VALIDATORS];
    unsigned refusals;
    unsigned shares, ended;
    uint64_t last_sequence;
} * w;

static uint8_t reply_bytes[65536];

static void answer(struct bus_call *call, const struct wire_share_batch *batch,
                   enum wire_batch_status status)
{
    static struct wire_verdict verdicts[1024];
    const struct wire_verdict_batch reply = { .lease_id = batch->lease_id,
                                              .sequence = batch->sequence,
                                              .status = (uint8_t)status,
                                              .verdicts = verdicts,
                                              .verdicts_count = status == WIRE_BATCH_JUDGED
                                                                    ? batch->shares_count
                                                                    : 0 };
    size_t length = wire_encode_verdict_batch(&reply, reply_bytes, sizeof reply_bytes);
    assert_true(length > 0);
    (void)bus_reply(call, span_of(reply_bytes, length));
}

/* The atomic step: an id below lowest is refused, one applied before changes nothing. */
static bool apply(const struct wire_share_batch *batch)
{
    uint64_t *lowest = &w->window.lowest[batch->lease_id];
    assert_true(batch->lowest <= batch->sequence);
    assert_true(batch->sequence < BATCHES_MAX);
    if (batch->lowest > *lowest)
        *lowest = batch->lowest;
    if (batch->sequence < *lowest)
        return false;
    if (!w->window.applied[batch->lease_id][batch->sequence])
        for (uint32_t i = 0; i < batch->shares_count; i++)
            w->in_window[batch->shares[i].nonce]++;
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
    uint64_t dice = test_random_below(&w->random, 100);
    if (dice < w->trouble) {
        switch (test_random_below(&w->random, 4)) {
        case 0: /* dies with it */
            bus_drop(call);
            return;
        case 1: /* dies after it was applied */
            (void)apply(&batch);
            bus_drop(call);
            return;
        case 2:
            answer(call, &batch, WIRE_BATCH_OVERLOADED);
            return;
        default:
            if (test_random_below(&w->random, 2) == 0)
                (void)apply(&batch);
            answer(call, &batch, WIRE_BATCH_UNKNOWN);
            return;
        }
    }
    if (w->not_durable) {
        answer(call, &batch, WIRE_BATCH_NOT_DURABLE);
        return;
    }
    bool taken = apply(&batch);
    w->refusals += !taken;
    answer(call, &batch, taken ? WIRE_BATCH_JUDGED : WIRE_BATCH_REFUSED);
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
    if (result->end == DISPATCH_JUDGED)
        assert_int_equal(w->in_window[share->nonce], 1);
}

static void begin(unsigned timeout_ms, uint64_t hold_ms)
{
    struct error error;
    w = calloc(1, sizeof *w);
    w->random = test_random_begin("dispatcher");
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
                                                .handler = on_end };
    w->dispatcher = dispatcher_create(&options);
    dispatcher_set_lease(w->dispatcher, 1);
}

static void use(unsigned count)
{
    dispatcher_set_validators(w->dispatcher, (const char(*)[VALIDATORS_URL_BYTES])w->urls, count);
}

static void end(void)
{
    dispatcher_destroy(w->dispatcher);
    for (unsigned i = 0; i < VALIDATORS; i++)
        bus_server_close(w->servers[i]);
    bus_destroy(w->bus);
    loop_destroy(w->loop);
    free(w);
}

static bool add(void)
{
    const struct wire_share share = { .nonce = w->shares, .work = 1 };
    const struct dispatch_origin origin = { .connection = w->shares };
    if (!dispatcher_add(w->dispatcher, &share, &origin))
        return false;
    w->shares++;
    return true;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t end_ns_ = loop_clock_ns() + 20000000000u;                                         \
        while (!(condition)) {                                                                     \
            assert_true(loop_clock_ns() < end_ns_);                                                \
            loop_run_once(w->loop, 5);                                                             \
        }                                                                                          \
    } while (0)

static void check_ends(unsigned counts[4])
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

static void a_lone_share_leaves_at_once_and_a_flood_in_batches(void **state)
{
    (void)state;
    unsigned counts[4];
    begin(200, 5000);
    use(1);
    loop_run_once(w->loop, 0);
    assert_true(add());
    UNTIL(w->ended == 1);
    assert_int_equal(w->batches[0], 1);
    while (w->shares < 3000)
        assert_true(add());
    UNTIL(w->ended == w->shares);
    assert_true(w->batches[0] <= 2 + 3000 / DISPATCH_BATCH_MAX);
    check_ends(counts);
    assert_int_equal(counts[JUDGED], w->shares);
    end();
}

static void whatever_goes_wrong_each_share_has_one_true_end(void **state)
{
    (void)state;
    unsigned counts[4];
    begin(30, 300);
    use(VALIDATORS);
    w->trouble = 30;
    for (unsigned round = 0; round < 1500; round++) {
        for (uint64_t burst = test_random_below(&w->random, 12); burst > 0; burst--)
            (void)add();
        switch (test_random_below(&w->random, 60)) {
        case 0:
            bus_fake_lose_requests(w->bus, 2);
            break;
        case 1:
            bus_fake_lose_replies(w->bus, 2);
            break;
        /* Requests are not doubled here: the bus delivers each at most once, which is what makes a
         * clear no of every validator that had a batch a proof that it was not applied. */
        case 3:
            bus_fake_cut(w->bus, w->urls[test_random_below(&w->random, VALIDATORS)]);
            break;
        case 4:
            for (unsigned i = 0; i < VALIDATORS; i++)
                bus_fake_mend(w->bus, w->urls[i]);
            break;
        case 5:
            w->not_durable = !w->not_durable;
            break;
        case 6:
            use(1 + (unsigned)test_random_below(&w->random, VALIDATORS));
            break;
        default:
            break;
        }
        if (round == 900)
            dispatcher_set_lease(w->dispatcher, 2);
        loop_run_once(w->loop, 1);
        check_ends(counts);
    }
    w->trouble = 0;
    w->not_durable = false;
    use(VALIDATORS);
    for (unsigned i = 0; i < VALIDATORS; i++)
        bus_fake_mend(w->bus, w->urls[i]);
    UNTIL(w->ended == w->shares);
    /* Anything still under way somewhere must come to nothing. */
    assert_true(add());
    UNTIL(w->ended == w->shares);
    for (unsigned i = 0; i < 50; i++)
        loop_run_once(w->loop, 2);
    check_ends(counts);
    printf("%u shares: %u judged, %u dropped, %u unknown\n", w->shares, counts[JUDGED],
           counts[DROPPED], counts[UNKNOWN]);
    assert_true(counts[JUDGED] > w->shares / 10);
    end();
}

static void a_mute_validator_holds_up_nobody_for_long(void **state)
{
    (void)state;
    begin(50, 5000);
    use(2);
    w->mute[0] = true;
    loop_run_once(w->loop, 0);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(add());
        loop_run_once(w->loop, 1);
    }
    UNTIL(w->ended == w->shares);
    /* After it failed it is tried seldom. */
    unsigned tried = w->batches[0];
    assert_true(tried <= 40);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(add());
        UNTIL(w->ended == w->shares);
    }
    assert_true(w->batches[0] <= tried + 5);
    end();
}

static void a_lone_validator_that_comes_back_is_used_within_a_moment(void **state)
{
    (void)state;
    begin(50, 5000);
    use(1);
    w->mute[0] = true;
    loop_run_once(w->loop, 0);
    uint64_t end_ns = loop_clock_ns() + 1000000000u;
    while (loop_clock_ns() < end_ns) {
        if (w->shares < 1000)
            assert_true(add());
        loop_run_once(w->loop, 5);
    }
    w->mute[0] = false;
    uint64_t back_ns = loop_clock_ns();
    UNTIL(w->ended == w->shares);
    assert_true(loop_clock_ns() - back_ns < 1000000000u);
    unsigned counts[4];
    check_ends(counts);
    assert_int_equal(counts[JUDGED], w->shares);
    end();
}

static void what_is_held_is_bounded(void **state)
{
    (void)state;
    begin(50, 400);
    loop_run_once(w->loop, 0); /* no validator at all */
    while (add())
        ;
    assert_int_equal(w->shares, 4000);
    assert_int_equal(dispatcher_counts(w->dispatcher).held, 4000);
    UNTIL(w->ended == w->shares);
    unsigned counts[4];
    check_ends(counts);
    assert_int_equal(counts[DROPPED], w->shares); /* provably: they never left */
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_share_leaves_at_once_and_a_flood_in_batches),
        cmocka_unit_test(whatever_goes_wrong_each_share_has_one_true_end),
        cmocka_unit_test(a_mute_validator_holds_up_nobody_for_long),
        cmocka_unit_test(a_lone_validator_that_comes_back_is_used_within_a_moment),
        cmocka_unit_test(what_is_held_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
