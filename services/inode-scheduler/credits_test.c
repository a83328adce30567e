/* Who is found to have dropped or changed credits, and who never is: places, series, auditor and
 * core as they are, between a window, gateways and validators that are played.
 *
 * A seed makes one pool: honest validators and liars, batches of one share and of several, and (in
 * every second) what goes wrong: validators killed between append and answer, stopped ones whose
 * batch another judges too, servers of the window that take over without the newest batches or are
 * just restarted, gateways that die before they sent those again, a window trimmed faster than it
 * is read, a scheduler that stands still or starts anew, and clocks that are seconds apart.
 * Whatever happens no honest validator loses a score; where nothing went wrong each lie is told of
 * its teller, by its kind. ADIT_CREDITS_SEEDS says how many seeds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "services/inode-scheduler/auditor.h"
#include "services/inode-scheduler/stats.h"
#include "services/inode-scheduler/testing/example_share.h"

enum {
    SEEDS = 24,
    HONEST = 3,
    VALIDATORS = 6, /* the others lie */
    BATCHES_MAX = 1024,
    BATCH_MAX = 6,
    STEPS = 220,
    KEEP_MS = 5000,
    MISSING_MS = 3 * KEEP_MS + 10000,
    EXPIRY_MS = 20000,
    SKEW_MS = 2400, /* of two clocks against the scheduler's, so that they agree to within 5 s */
    WAITING_MAX = 8192,
};
#define NOW_MS UINT64_C(1767225601000)

enum lie { LIE_NONE, LIE_ACCOUNT, LIE_WORKER, LIE_WORK, LIE_REJECT, LIE_ACCEPT, LIE_DROP, LIES };

/* As it was sent and answered; `stands` in the window. */
struct played {
    uint64_t sequence, received_ms, judged_ms;
    uint32_t count, credited_count, accepted;
    bool stands, kept, trimmed;
    uint64_t answered_by_history;
    struct window_position first;
    struct wire_share shares[BATCH_MAX];
    uint8_t outcomes[BATCH_MAX]; /* as stored, and answered */
    enum lie lies[BATCH_MAX];
    unsigned liars; /* bits of those who lied about it */
    struct window_share credited[BATCH_MAX];
};

static struct world {
    struct window_reader window; /* its ops stand here: see `of` */
    struct store *store;
    struct auditor *auditor;
    struct places *places;
    struct stats *stats;
    struct test_random random;
    struct error error;
    uint8_t keys[VALIDATORS][MEMBER_KEY_BYTES];
    char ids[VALIDATORS][MEMBER_ID_BYTES];
    struct example_share example; /* a good one */
    bool troubled;
    int64_t gateway_skew, window_skew;
    uint64_t now_ms, epoch, history, newest_high, newest_low, accepted;
    uint64_t read_ms, check_ms, end_ms, stalled_until_ms;
    struct played *batches;
    size_t batch_count;
    unsigned told, punished_honest;
} * w;

static uint64_t below(uint64_t bound)
{
    return test_random_below(&w->random, bound);
}

static bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* The window, played. */

static bool show(const struct played *batch, window_batch_visitor visitor, void *context)
{
    return visitor(context, batch->first, 17, batch->sequence, batch->credited,
                   batch->credited_count);
}

static int by_place(const void *a, const void *b)
{
    return window_position_compare(&(*(struct played *const *)a)->first,
                                   &(*(struct played *const *)b)->first);
}

/* Those that stand there, oldest first. */
static size_t standing(struct played *list[BATCHES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < w->batch_count; i++)
        if (w->batches[i].stands && w->batches[i].credited_count > 0)
            list[count++] = &w->batches[i];
    qsort(list, count, sizeof *list, by_place);
    return count;
}

static bool walk_back(struct window_reader *window, const struct window_position *from,
                      window_batch_visitor visitor, void *context, struct error *error)
{
    struct played *list[BATCHES_MAX];
    (void)window, (void)error;
    for (size_t i = standing(list); i > 0; i--)
        if ((from == NULL || window_position_compare(&list[i - 1]->first, from) <= 0) &&
            !show(list[i - 1], visitor, context))
            break;
    return true;
}

static bool walk_on(struct window_reader *window, const struct window_position *after,
                    window_batch_visitor visitor, void *context, struct error *error)
{
    struct played *list[BATCHES_MAX];
    const size_t count = standing(list);
    (void)window, (void)error;
    for (size_t i = 0; i < count; i++)
        if ((after == NULL || window_position_compare(&list[i]->first, after) > 0) &&
            !show(list[i], visitor, context))
            break;
    return true;
}

static bool totals(struct window_reader *window, struct window_totals *totals_r,
                   struct error *error)
{
    (void)window, (void)error;
    *totals_r = (struct window_totals){ .accepted = w->accepted };
    return true;
}

static bool state(struct window_reader *window, struct window_state *state_r, struct error *error)
{
    struct played *list[BATCHES_MAX];
    const size_t count = standing(list);
    (void)window, (void)error;
    *state_r = (struct window_state){ .history = w->history, .empty = count == 0 };
    if (count > 0)
        state_r->oldest = list[0]->first;
    return true;
}

static const struct window_reader_ops window_ops = {
    .walk_back = walk_back, .walk_on = walk_on, .totals = totals, .state = state
};

static void append(struct played *batch)
{
    const uint64_t time_ms = w->now_ms + (uint64_t)w->window_skew;
    if (time_ms > w->newest_high) {
        w->newest_high = time_ms;
        w->newest_low = 0;
    } else {
        w->newest_low++;
    }
    batch->first = (struct window_position){ w->newest_high, w->newest_low, 0 };
    batch->stands = true;
    batch->trimmed = false;
    w->accepted += batch->credited_count;
}

/* Validators, played. */

static bool is_liar(int validator)
{
    return validator >= HONEST;
}

static bool is_good(const struct wire_share *share)
{
    return share->work == 1;
}

/* Liars of one kind each, the last one of all kinds. */
static enum lie lie_of(int validator, const struct wire_share *share, bool one_kind)
{
    static const enum lie kinds[] = { LIE_ACCOUNT, LIE_WORKER, LIE_WORK,
                                      LIE_REJECT,  LIE_DROP,   LIE_ACCEPT };
    if (!is_liar(validator) || one_in(2))
        return LIE_NONE;
    if (!is_good(share))
        return LIE_ACCEPT;
    if (validator == VALIDATORS - 1 && !one_kind)
        return kinds[below(5)];
    return kinds[w->batches[w->batch_count].sequence % 5];
}

/* What it finds, tells and would credit. */
static void judge(struct played *batch, int validator)
{
    const bool one_kind = one_in(2);
    batch->credited_count = batch->accepted = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct wire_share *share = &batch->shares[i];
        const enum lie lie = lie_of(validator, share, one_kind);
        struct window_share credit = { share->account, share->worker, share->work, share->job_id,
                                       share->received_ms };
        bool accepted = lie == LIE_ACCEPT || (is_good(share) && lie != LIE_REJECT);
        credit.account += lie == LIE_ACCOUNT;
        credit.worker += lie == LIE_WORKER;
        credit.work += lie == LIE_WORK;
        batch->lies[i] = lie;
        batch->outcomes[i] = accepted ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY;
        batch->accepted += accepted;
        if (lie != LIE_NONE)
            batch->liars |= 1u << validator;
        if (accepted && lie != LIE_DROP)
            batch->credited[batch->credited_count++] = credit;
    }
}

/* The gateway hands in all of it, as validator `by` answered. */
static void hand_in(struct played *batch, int by, bool alone)
{
    struct wire_audit_sample samples[BATCH_MAX] = { 0 };
    struct wire_audit_job jobs[1] = { { span_of(w->example.job, w->example.job_length) } };
    uint32_t rank = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        samples[i] = (struct wire_audit_sample){ .lease_id = 17,
                                                 .sequence = batch->sequence,
                                                 .index = i,
                                                 .outcome = batch->outcomes[i],
                                                 .alone = alone,
                                                 .rank = rank,
                                                 .accepted = batch->accepted,
                                                 .judged_ms = batch->judged_ms,
                                                 .first = "v" };
        memcpy(samples[i].first_key, w->keys[by], MEMBER_KEY_BYTES);
        rank += batch->outcomes[i] == SHARE_ACCEPTED;
    }
    const struct wire_audit_samples message = { .samples = samples,
                                                .samples_count = batch->count,
                                                .shares = batch->shares,
                                                .shares_count = batch->count,
                                                .jobs = jobs,
                                                .jobs_count = 1 };
    assert_int_equal(auditor_take(w->auditor, &message, w->now_ms, &w->error), AUDITOR_DONE);
}

static int another(int than)
{
    int other = (int)below(VALIDATORS - 1);
    return other < than ? other : other + 1;
}

/* One batch from the gateway to its end. */
static void send_batch(void)
{
    struct played *batch = &w->batches[w->batch_count];
    int by = (int)below(VALIDATORS);
    bool alone = true;
    *batch = (struct played){ .sequence = w->batch_count + 1,
                              .count = one_in(2) ? 1 : 2 + (uint32_t)below(BATCH_MAX - 1),
                              .received_ms = w->now_ms + (uint64_t)w->gateway_skew };
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->shares[i] = w->example.share;
        batch->shares[i].received_ms = batch->received_ms;
        batch->shares[i].account = 100 + below(3) * 10;
        batch->shares[i].worker = 7 + below(2) * 10;
        batch->shares[i].work = one_in(3) ? UINT64_MAX : 1;
    }
    judge(batch, by);
    if (w->troubled && one_in(8)) { /* killed before its append, or stopped: another judges too */
        by = another(by);
        batch->liars = 0;
        judge(batch, by);
        alone = false;
    } else if (w->troubled && one_in(8)) { /* killed behind it: another finds what it stored */
        by = another(by);
        alone = false;
    }
    w->now_ms += below(300);
    append(batch);
    w->now_ms += below(50);
    batch->judged_ms = w->now_ms + (uint64_t)w->gateway_skew;
    batch->kept = batch->accepted > 0;
    batch->answered_by_history = w->history;
    w->batch_count++;
    hand_in(batch, by, alone);
}

/* What goes wrong. */

/* Gateways send again what they keep, to anybody: what the window has it answers from its records,
 * the rest is judged anew, by a liar perhaps. */
static void send_again(void)
{
    for (size_t i = 0; i < w->batch_count; i++) {
        struct played *batch = &w->batches[i];
        if (!batch->kept || batch->judged_ms + KEEP_MS < w->now_ms + (uint64_t)w->gateway_skew)
            continue;
        if (!batch->stands && !batch->trimmed) {
            const struct played was = *batch;
            judge(batch, (int)below(VALIDATORS));
            append(batch);
            /* Only what it answered first is in the gateway's samples. */
            memcpy(batch->outcomes, was.outcomes, sizeof batch->outcomes);
            batch->accepted = was.accepted;
        }
    }
}

static void fail_over(void)
{
    const uint64_t lost_ms = one_in(2) ? 0 : below(3000);
    w->history += 1 + below(5);
    for (size_t i = 0; i < w->batch_count; i++)
        if (w->batches[i].first.high + lost_ms > w->now_ms + (uint64_t)w->window_skew)
            w->batches[i].stands = false;
    if (one_in(3)) /* the gateway died, too */
        for (size_t i = 0; i < w->batch_count; i++)
            w->batches[i].kept = false;
    w->now_ms += below(2000);
    send_again();
}

static void trim(void)
{
    const uint64_t keep_ms = one_in(2) ? below(300) : 3000;
    for (size_t i = 0; i < w->batch_count; i++)
        if (w->batches[i].first.high + keep_ms < w->now_ms + (uint64_t)w->window_skew) {
            w->batches[i].trimmed = w->batches[i].trimmed || w->batches[i].stands;
            w->batches[i].stands = false;
        }
}

static uint64_t random_number(void *context)
{
    (void)context;
    return test_random_u64(&w->random);
}

static struct credit_found find_credit(void *context, uint64_t lease_id, uint64_t sequence,
                                       uint64_t from_ms, uint64_t to_ms,
                                       struct window_share *shares_r)
{
    (void)context;
    return credits_find(w->places, &w->window, lease_id, sequence, from_ms, to_ms, shares_r);
}

static void stop_scheduler(void)
{
    auditor_destroy(w->auditor);
    stats_destroy(w->stats);
    places_destroy(w->places);
    w->auditor = NULL;
}

static void start_scheduler(void)
{
    const struct auditor_options options = { .store = w->store,
                                             .epoch = ++w->epoch,
                                             .pool = "",
                                             .waiting_max = WAITING_MAX,
                                             .turn_max = WAITING_MAX,
                                             .expiry_ms = EXPIRY_MS,
                                             .keep_ms = UINT32_MAX,
                                             .missing_ms = MISSING_MS,
                                             .random = random_number,
                                             .find_credit = find_credit };
    w->places = places_create();
    w->stats = stats_create(w->now_ms);
    assert_true(w->places != NULL && w->stats != NULL);
    stats_note_places(w->stats, w->places);
    w->auditor = auditor_create(&options, w->now_ms, &w->error);
    assert_non_null(w->auditor);
}

static void go_wrong(void)
{
    switch (below(60)) {
    case 0:
        fail_over();
        break;
    case 1:
        trim();
        break;
    case 2:
        w->stalled_until_ms = w->now_ms + below(20000);
        break;
    case 3:
        stop_scheduler();
        w->now_ms += below(3000);
        start_scheduler();
        break;
    default:
        break;
    }
}

/* The scheduler's timers. */
static void work(void)
{
    if (w->now_ms < w->stalled_until_ms)
        return;
    if (w->now_ms >= w->read_ms + 1000) {
        w->read_ms = w->now_ms;
        assert_true(stats_read(w->stats, &w->window, w->now_ms, &w->error));
    }
    if (w->now_ms >= w->check_ms + 2000) {
        w->check_ms = w->now_ms;
        assert_true(auditor_check_credits(w->auditor, w->now_ms, &w->error));
    }
    if (w->now_ms >= w->end_ms + 5000) {
        w->end_ms = w->now_ms;
        assert_true(auditor_turn(w->auditor, w->now_ms, &w->error));
        assert_true(auditor_end(w->auditor, w->now_ms, &w->error));
    }
}

static void pass(uint64_t ms)
{
    for (const uint64_t until_ms = w->now_ms + ms; w->now_ms < until_ms; w->now_ms += 500)
        work();
}

/* The end. */

static bool on_dispute(void *context, const struct dispute *dispute)
{
    const struct played *batch = &w->batches[dispute->sequence - 1];
    int first = 0;
    (void)context;
    if (batch->liars == 0) /* told of nobody in particular even, it would be wrong */
        fail_msg("nobody lied about batch %u: %s", (unsigned)dispute->sequence, dispute->text);
    if (!dispute->certain)
        return true;
    while (first < VALIDATORS && strcmp(dispute->first, w->ids[first]) != 0)
        first++;
    if ((batch->liars >> first & 1) == 0)
        fail_msg("%s is accused of batch %u: %s", dispute->first, (unsigned)dispute->sequence,
                 dispute->text);
    return true;
}

static bool on_reason(void *context, const struct dispute *dispute)
{
    snprintf(context, DISPUTE_TEXT_BYTES, "%s", dispute->text);
    return true;
}

static void expect_told(const struct played *batch, uint32_t index, const char *behind,
                        const char *words)
{
    char id[DISPUTE_ID_BYTES], text[DISPUTE_TEXT_BYTES] = "";
    task_id(17, batch->sequence, index, id);
    strcat(id, behind);
    assert_int_equal(dispute_find(w->store, id, on_reason, text, &w->error), STORE_DONE);
    if (strstr(text, words) == NULL || text[0] == '\0')
        fail_msg("batch %u of %u shares, share %u, lie %d%s: \"%s\"", (unsigned)batch->sequence,
                 batch->count, index, (int)batch->lies[index], behind, text);
    w->told++;
}

/* Nothing went wrong: each lie is told. */
static void expect_all_told(void)
{
    static const char *const words[LIES] = {
        "", "another account", "another worker", "another work", "", "", "fewer shares"
    };
    for (size_t b = 0; b < w->batch_count; b++) {
        const struct played *batch = &w->batches[b];
        const bool short_of = batch->credited_count < batch->accepted;
        for (uint32_t i = 0; i < batch->count; i++) {
            const enum lie lie = batch->lies[i];
            if (lie == LIE_REJECT || lie == LIE_ACCEPT)
                expect_told(batch, i, "", "the first verdict is wrong");
            else if (lie != LIE_NONE)
                expect_told(batch, i, ":credit", short_of ? "fewer shares" : words[lie]);
        }
    }
}

static void expect_scores(void)
{
    for (int i = 0; i < VALIDATORS; i++) {
        struct member member;
        assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[i], &member, &w->error),
                         STORE_DONE);
        assert_int_equal(member.score, !is_liar(i) || w->troubled ? member.score | !is_liar(i) : 0);
    }
}

static void begin_pool(bool troubled)
{
    static const struct store_collection *const collections[] = {
        &task_collection, &dispute_collection, &validator_collection, &pool_collection
    };
    const struct test_random random = w->random;
    struct played *batches = w->batches;
    *w = (struct world){ .random = random,
                         .batches = batches,
                         .window = { &window_ops },
                         .store = store_fake_create(),
                         .now_ms = NOW_MS,
                         .history = 5,
                         .troubled = troubled };
    w->gateway_skew = (int64_t)below(2 * SKEW_MS) - SKEW_MS;
    w->window_skew = (int64_t)below(2 * SKEW_MS) - SKEW_MS;
    assert_true(store_declare(w->store, collections, 4, &w->error));
    example_share(&w->example);
    for (int i = 0; i < VALIDATORS; i++) {
        struct member member = {
            .kind = MEMBER_VALIDATOR, .stake = 1000, .score = 1, .source = MEMBER_OWN
        };
        memset(w->keys[i], i + 1, MEMBER_KEY_BYTES);
        member_own_id(w->keys[i], w->ids[i]);
        snprintf(member.id, sizeof member.id, "%s", w->ids[i]);
        memcpy(member.key, w->keys[i], sizeof member.key);
        assert_int_equal(member_insert(w->store, &member, 1, &w->error), STORE_DONE);
    }
    start_scheduler();
}

static void end_pool(void)
{
    stop_scheduler();
    store_fake_verify(w->store);
    store_close(w->store);
}

static void play_pool(bool troubled)
{
    begin_pool(troubled);
    pass(9000); /* longer than clocks differ by */
    for (int step = 0; step < STEPS; step++) {
        send_batch();
        w->now_ms += below(400);
        if (troubled)
            go_wrong();
        work();
    }
    w->stalled_until_ms = 0;
    pass(400000); /* what cannot be known is given up by then */
    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
    assert_int_equal(dispute_walk(w->store, 0, NULL, 0, on_dispute, NULL, &w->error), STORE_DONE);
    expect_scores();
    if (!troubled) {
        expect_all_told();
        assert_true(w->told > STEPS / 4);
        assert_int_equal(auditor_counts(w->auditor).credits_unknown, 0);
    }
    end_pool();
}

static int begin(void **state_r)
{
    static struct world world;
    (void)state_r;
    w = &world;
    w->batches = calloc(BATCHES_MAX, sizeof *w->batches);
    assert_non_null(w->batches);
    w->random = test_random_begin("credits");
    return 0;
}

static int end(void **state_r)
{
    (void)state_r;
    free(w->batches);
    return 0;
}

static void liars_are_found_by_their_kind_and_nobody_honest_is_accused(void **state_r)
{
    const char *given = getenv("ADIT_CREDITS_SEEDS");
    const unsigned long seeds = given != NULL ? strtoul(given, NULL, 10) : SEEDS;
    (void)state_r;
    for (unsigned long i = 0; i < seeds; i++) {
        w->random.state += i * 2 * UINT64_C(0x9e3779b97f4a7c15); /* odd, never 0 */
        play_pool(i % 2 == 1);
    }
}

/* Places. */

static enum places_outcome look(struct places *places, uint64_t lease_id, uint64_t sequence,
                                uint64_t from_ms, uint64_t to_ms)
{
    return places_find(places, lease_id, sequence, from_ms, to_ms).outcome;
}

static void a_place_is_found_or_surely_not_there_or_not_known(void **state_r)
{
    struct places *places = places_create();
    (void)state_r;
    assert_non_null(places);
    assert_int_equal(look(places, 1, 1, 5000, 6000), PLACES_UNKNOWN);
    places_read_up_to(places, 1000, 8);
    places_note(places, 1, 7, (struct window_position){ 42, 3, 0 }, 1100);
    const struct places_found found = places_find(places, 1, 7, 5000, 6000);
    assert_int_equal(found.outcome, PLACES_FOUND);
    assert_true(found.steady && found.position.high == 42 && found.position.low == 3);
    assert_int_equal(look(places, 2, 7, 5000, 6000), PLACES_UNKNOWN);
    places_read_up_to(places, 6001, 8);
    assert_int_equal(look(places, 2, 7, 5000, 6000), PLACES_NONE);
    assert_int_equal(look(places, 2, 7, 900, 6000), PLACES_UNKNOWN); /* before us */
    /* A batch that a failover took back and that was appended anew stands at its new place. */
    places_note(places, 1, 7, (struct window_position){ 50, 0, 0 }, 6500);
    assert_int_equal(places_find(places, 1, 7, 5000, 6000).position.high, 50);
    /* The oldest go, and then nothing is sure of their time. */
    places_read_up_to(places, 7000, 8);
    for (uint64_t i = 0; i < PLACES_MAX; i++)
        places_note(places, 3, i + 1, (struct window_position){ 60 + i, 0, 0 }, 7200);
    places_read_up_to(places, 9000, 8);
    assert_int_equal(look(places, 1, 7, 5000, 6000), PLACES_UNKNOWN);
    assert_int_equal(look(places, 1, 7, 6500, 8000), PLACES_UNKNOWN);
    assert_int_equal(look(places, 4, 1, 6501, 8000), PLACES_NONE);
    for (uint64_t i = 0; i < PLACES_MAX; i += 1000)
        assert_int_equal(look(places, 3, i + 1, 7500, 8000), PLACES_FOUND);
    places_destroy(places);
}

static void nothing_is_missed_across_a_change_of_history_or_a_gap(void **state_r)
{
    struct places *places = places_create();
    (void)state_r;
    assert_non_null(places);
    assert_int_equal(places_steady_since_ms(places), 0);
    places_read_up_to(places, 1000, 8);
    places_read_up_to(places, 7000, 8);
    assert_int_equal(places_steady_since_ms(places), 1000);
    assert_int_equal(look(places, 1, 1, 2000, 3000), PLACES_NONE);
    places_read_up_to(places, 8000, 9); /* another server */
    assert_int_equal(look(places, 1, 1, 2000, 3000), PLACES_UNKNOWN);
    assert_false(places_find(places, 1, 1, 2000, 3000).steady);
    places_read_up_to(places, 9000, 9);
    assert_int_equal(look(places, 1, 1, 8000, 8500), PLACES_UNKNOWN);
    assert_int_equal(look(places, 1, 1, 8001, 8500), PLACES_NONE);
    places_read_up_to(places, 10000, 0); /* something was trimmed unread, or it is not known */
    assert_int_equal(places_steady_since_ms(places), 0);
    assert_int_equal(look(places, 1, 1, 10001, 10002), PLACES_UNKNOWN);
    places_read_up_to(places, 11000, 9);
    places_read_up_to(places, 12000, 9);
    assert_int_equal(places_steady_since_ms(places), 11000);
    assert_int_equal(look(places, 1, 1, 10500, 10600), PLACES_UNKNOWN);
    assert_int_equal(look(places, 1, 1, 11001, 11500), PLACES_NONE);
    places_destroy(places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_found_or_surely_not_there_or_not_known),
        cmocka_unit_test(nothing_is_missed_across_a_change_of_history_or_a_gap),
        cmocka_unit_test_setup_teardown(liars_are_found_by_their_kind_and_nobody_honest_is_accused,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
