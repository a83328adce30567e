/* Walking, candidates, trimming. */
#include "port/suite/window/inside.h"

enum { BATCHES = 200 }; /* several pages of any reader */

/* BATCHES batches of 1 to 5 shares. */
static void fill(struct world *world, size_t count)
{
    for (uint64_t sequence = 1; sequence <= count; sequence++) {
        struct window_share shares[5];
        size_t shares_count = 1 + (size_t)(sequence % 5);
        make_shares(shares, shares_count, 9, sequence, 1);
        struct window_batch batch = { .lease_id = 9,
                                      .sequence = sequence,
                                      .lowest = sequence,
                                      .shares = shares,
                                      .share_count = shares_count,
                                      .verdicts = span_text("v") };
        assert_int_equal(append_wait(world, world->writer, &batch).outcome, WINDOW_APPENDED);
    }
}

static struct seen walk(struct world *world, bool back, const struct window_position *from,
                        size_t stop_after)
{
    struct seen seen = { .stop_after = stop_after };
    struct error error;
    bool good = back ? window_walk_back(world->reader, from, seen_take, &seen, &error)
                     : window_walk_on(world->reader, from, seen_take, &seen, &error);
    if (!good)
        fail_msg("%s", error.text);
    return seen;
}

static void walking_back_is_walking_on_reversed(void **state)
{
    struct world *world = *state;
    struct seen nothing = walk(world, true, NULL, 0);
    assert_int_equal(nothing.count, 0);
    fill(world, BATCHES);
    struct seen on = read_all(world);
    struct seen back = walk(world, true, NULL, 0);
    assert_int_equal(on.count, BATCHES);
    assert_int_equal(back.count, BATCHES);
    for (size_t i = 0; i < BATCHES; i++) {
        assert_int_equal(on.batches[i].sequence, i + 1);
        assert_memory_equal(&on.batches[i], &back.batches[BATCHES - 1 - i], sizeof *on.batches);
    }
    seen_free(&on);
    seen_free(&back);
}

static void a_walk_begins_where_it_is_told_and_ends_when_told(void **state)
{
    struct world *world = *state;
    fill(world, BATCHES);
    struct seen all = read_all(world);
    for (size_t i = 0; i < BATCHES; i += 37) {
        struct window_position within = all.batches[i].first;
        within.index = (uint32_t)all.batches[i].count - 1;
        struct seen back = walk(world, true, &within, 0);
        assert_int_equal(back.count, i + 1); /* its own batch comes first */
        assert_int_equal(back.batches[0].sequence, i + 1);
        struct seen on = walk(world, false, &within, 0);
        assert_int_equal(on.count, BATCHES - 1 - i); /* and is left out here */
        struct seen two = walk(world, false, &within, 2);
        assert_int_equal(two.count, on.count < 2 ? on.count : 2);
        seen_free(&back);
        seen_free(&on);
        seen_free(&two);
    }
    /* Positions that no batch has. */
    const struct window_position zero = { 0 };
    const struct window_position far = { UINT64_MAX, UINT64_MAX, 0 };
    struct seen seen = walk(world, false, &far, 0);
    assert_int_equal(seen.count, 0);
    seen_free(&seen);
    seen = walk(world, true, &far, 0);
    assert_int_equal(seen.count, BATCHES);
    seen_free(&seen);
    seen = walk(world, true, &zero, 0);
    assert_int_equal(seen.count, 0);
    seen_free(&seen);
    seen = walk(world, false, &zero, 0);
    assert_int_equal(seen.count, BATCHES);
    seen_free(&seen);
    seen_free(&all);
}

static void trimming_keeps_the_batch_of_the_position_and_what_follows(void **state)
{
    struct world *world = *state;
    struct error error;
    fill(world, BATCHES);
    struct seen all = read_all(world);
    for (size_t keep_from = 0; keep_from < BATCHES; keep_from += 61) {
        struct window_position before = all.batches[keep_from].first;
        before.index = (uint32_t)all.batches[keep_from].count - 1;
        uint64_t removed;
        assert_true(window_trim(world->reader, &before, &removed, &error));
        assert_int_equal(removed, keep_from == 0 ? 0 : 61);
        struct seen left = read_all(world);
        assert_int_equal(left.count, BATCHES - keep_from);
        assert_int_equal(left.batches[0].sequence, keep_from + 1);
        seen_free(&left);
    }
    /* All of it; positions still grow afterwards. */
    const struct window_position far = { UINT64_MAX, UINT64_MAX, 0 };
    uint64_t removed;
    assert_true(window_trim(world->reader, &far, &removed, &error));
    struct seen left = read_all(world);
    assert_int_equal(left.count, 0);
    seen_free(&left);
    struct window_share share;
    make_shares(&share, 1, 9, BATCHES + 1, 1);
    struct window_batch batch = {
        .lease_id = 9, .sequence = BATCHES + 1, .lowest = 1, .shares = &share, .share_count = 1
    };
    struct answer answer = append_wait(world, world->writer, &batch);
    assert_int_equal(answer.outcome, WINDOW_APPENDED);
    assert_int_equal(window_position_compare(&answer.position, &all.batches[BATCHES - 1].first), 1);
    struct window_totals totals;
    assert_true(window_totals_read(world->reader, &totals, &error));
    assert_int_equal(totals.batches, BATCHES + 1); /* totals are not trimmed */
    seen_free(&all);
}

static struct window_state state_of(struct world *world)
{
    struct window_state state;
    struct error error;
    if (!window_state_read(world->reader, &state, &error))
        fail_msg("%s", error.text);
    return state;
}

static void it_says_its_history_and_the_oldest_batch_there(void **state)
{
    struct world *world = *state;
    struct error error;
    uint64_t removed;
    const uint64_t history = state_of(world).history;
    assert_true(state_of(world).empty);
    fill(world, 5);
    struct seen all = read_all(world);
    struct window_state now = state_of(world);
    assert_int_equal(window_position_compare(&now.oldest, &all.batches[0].first), 0);
    assert_true(window_trim(world->reader, &all.batches[3].first, &removed, &error));
    now = state_of(world);
    assert_int_equal(window_position_compare(&now.oldest, &all.batches[3].first), 0);
    seen_free(&all);
    assert_false(state_of(world).empty);
    /* Readers and writers hear the same name. */
    struct window_share share;
    make_shares(&share, 1, 9, 6, 1);
    struct window_batch batch = {
        .lease_id = 9, .sequence = 6, .lowest = 1, .shares = &share, .share_count = 1
    };
    assert_int_not_equal(history, 0);
    assert_true(append_wait(world, world->writer, &batch).history == history);
    assert_true(state_of(world).history == history);
}

struct found {
    unsigned count;
    struct window_found last;
    uint8_t record[200000];
    size_t record_bytes;
};

static bool found_take(void *context, const struct window_found *given)
{
    struct found *found = context;
    found->count++;
    found->last = *given;
    assert_true(given->record.length <= sizeof found->record);
    memcpy(found->record, given->record.data, given->record.length);
    found->record_bytes = given->record.length;
    return true;
}

static struct window_candidate candidate_of(uint8_t tag, int32_t credited_index, const char *record)
{
    struct window_candidate candidate = { .index = 0,
                                          .credited_index = credited_index,
                                          .record = span_text(record) };
    memset(candidate.block_hash, tag, sizeof candidate.block_hash);
    candidate.block_hash[3] = 0; /* bytes, not text */
    return candidate;
}

static struct answer append_candidates(struct world *world, uint64_t sequence, size_t shares_count,
                                       const struct window_candidate *candidates, size_t count)
{
    struct window_share shares[8];
    make_shares(shares, shares_count, 2, sequence, 1);
    struct window_batch batch = { .lease_id = 2,
                                  .sequence = sequence,
                                  .lowest = 1,
                                  .shares = shares,
                                  .share_count = shares_count,
                                  .verdicts = span_text("v"),
                                  .candidates = candidates,
                                  .candidate_count = count };
    return append_wait(world, world->writer, &batch);
}

static struct found *get(struct world *world, const struct window_candidate *candidate,
                         bool expected)
{
    static struct found found;
    found = (struct found){ 0 };
    bool there;
    struct error error;
    if (!window_candidate_get(world->reader, candidate->block_hash, found_take, &found, &there,
                              &error))
        fail_msg("%s", error.text);
    assert_int_equal(there, expected);
    assert_int_equal(found.count, expected);
    if (expected)
        assert_memory_equal(found.last.block_hash, candidate->block_hash, 32);
    return &found;
}

static void a_candidate_ends_its_window_at_its_share_or_at_the_last_one_before(void **state)
{
    struct world *world = *state;
    const struct window_candidate first = candidate_of(1, -1, "nothing before");
    assert_int_equal(append_candidates(world, 1, 3, &first, 1).outcome, WINDOW_APPENDED);
    assert_true(get(world, &first, true)->last.empty);

    const struct window_candidate two[] = { candidate_of(2, 4, "credited"),
                                            candidate_of(3, -1, "late") };
    struct window_position before = append_candidates(world, 2, 4, NULL, 0).position;
    struct window_position own = append_candidates(world, 3, 6, two, 2).position;
    struct found *found = get(world, &two[0], true);
    assert_true(found->last.credited && !found->last.empty);
    own.index = 4;
    assert_int_equal(window_position_compare(&found->last.end, &own), 0);
    assert_int_equal(found->record_bytes, 8);
    assert_memory_equal(found->record, "credited", 8);
    found = get(world, &two[1], true);
    assert_true(!found->last.credited && !found->last.empty);
    before.index = 3; /* the last share of the batch before its own */
    assert_int_equal(window_position_compare(&found->last.end, &before), 0);

    /* In a batch of which nothing counts. */
    const struct window_candidate alone = candidate_of(4, -1, "");
    own.index = 5;
    assert_int_equal(append_candidates(world, 4, 0, &alone, 1).outcome, WINDOW_APPENDED);
    found = get(world, &alone, true);
    assert_int_equal(window_position_compare(&found->last.end, &own), 0);

    struct found all = { 0 };
    struct error error;
    assert_true(window_candidates(world->reader, found_take, &all, &error));
    assert_int_equal(all.count, 4);
    struct window_totals totals;
    assert_true(window_totals_read(world->reader, &totals, &error));
    assert_int_equal(totals.candidates, 4);
}

static void a_candidate_stays_as_it_was_first_recorded_until_it_is_done(void **state)
{
    struct world *world = *state;
    struct error error;
    static uint8_t long_record[140000];
    for (size_t i = 0; i < sizeof long_record; i++)
        long_record[i] = (uint8_t)(i * 7);
    struct window_candidate candidate = candidate_of(8, 0, "");
    candidate.record = span_of(long_record, sizeof long_record);
    struct window_position own = append_candidates(world, 1, 1, &candidate, 1).position;
    const struct window_candidate again = candidate_of(8, -1, "again");
    assert_int_equal(append_candidates(world, 1, 1, &again, 1).outcome, WINDOW_REPEATED);
    assert_int_equal(append_candidates(world, 2, 1, &again, 1).outcome, WINDOW_APPENDED);
    struct found *found = get(world, &candidate, true);
    assert_true(found->last.credited);
    assert_int_equal(window_position_compare(&found->last.end, &own), 0);
    assert_int_equal(found->record_bytes, sizeof long_record);
    assert_memory_equal(found->record, long_record, sizeof long_record);

    assert_true(window_candidate_done(world->reader, candidate.block_hash, &error));
    (void)get(world, &candidate, false);
    assert_true(window_candidate_done(world->reader, candidate.block_hash, &error));
    struct found all = { 0 };
    assert_true(window_candidates(world->reader, found_take, &all, &error));
    assert_int_equal(all.count, 0);
}

const struct CMUnitTest read_tests[] = {
    WORLD_TEST(walking_back_is_walking_on_reversed),
    WORLD_TEST(a_walk_begins_where_it_is_told_and_ends_when_told),
    WORLD_TEST(trimming_keeps_the_batch_of_the_position_and_what_follows),
    WORLD_TEST(it_says_its_history_and_the_oldest_batch_there),
    WORLD_TEST(a_candidate_ends_its_window_at_its_share_or_at_the_last_one_before),
    WORLD_TEST(a_candidate_stays_as_it_was_first_recorded_until_it_is_done),
};
const size_t read_tests_count = sizeof read_tests / sizeof read_tests[0];
