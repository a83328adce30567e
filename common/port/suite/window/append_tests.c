/* What one append does, and what a second under the same id does. */
#include "port/suite/window/inside.h"

static struct window_batch batch_of(uint64_t lease, uint64_t sequence, uint64_t lowest,
                                    const struct window_share *shares, size_t count,
                                    const char *verdicts)
{
    return (struct window_batch){ .lease_id = lease,
                                  .sequence = sequence,
                                  .lowest = lowest,
                                  .shares = shares,
                                  .share_count = count,
                                  .verdicts = span_text(verdicts) };
}

static struct window_totals totals_of(struct world *world)
{
    struct window_totals totals;
    struct error error;
    if (!window_totals_read(world->reader, &totals, &error))
        fail_msg("%s", error.text);
    return totals;
}

static void an_accepted_share_is_kept_field_by_field(void **state)
{
    struct world *world = *state;
    const struct window_share shares[] = {
        { .account = UINT64_MAX,
          .worker = 0,
          .work = 1,
          .job_id = 0x0102030405060708,
          .time_ms = 1700000000123 },
        { .account = 1, .worker = UINT64_MAX, .work = UINT64_MAX, .job_id = 0, .time_ms = 0 },
    };
    struct window_batch batch = batch_of(UINT64_MAX, 9, 1, shares, 2, "ok");
    struct answer answer = append_wait(world, world->writer, &batch);
    assert_int_equal(answer.outcome, WINDOW_APPENDED);
    assert_int_equal(answer.position.index, 0);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 1);
    assert_int_equal(window_position_compare(&seen.batches[0].first, &answer.position), 0);
    assert_true(seen.batches[0].lease_id == UINT64_MAX && seen.batches[0].sequence == 9);
    assert_int_equal(seen.batches[0].count, 2);
    assert_memory_equal(seen.batches[0].shares, shares, sizeof shares);
    seen_free(&seen);
}

static void the_longest_batch_fits(void **state)
{
    struct world *world = *state;
    static struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    static uint8_t verdicts[WINDOW_VERDICTS_BYTES_MAX];
    make_shares(shares, WINDOW_BATCH_SHARES_MAX, 1, 1, 1);
    memset(verdicts, 0xa5, sizeof verdicts);
    struct window_batch batch = batch_of(1, 1, 1, shares, WINDOW_BATCH_SHARES_MAX, "");
    batch.verdicts = span_of(verdicts, sizeof verdicts);
    assert_int_equal(append_wait(world, world->writer, &batch).outcome, WINDOW_APPENDED);
    struct answer again = append_wait(world, world->writer, &batch);
    assert_int_equal(again.outcome, WINDOW_REPEATED);
    assert_int_equal(again.verdicts_bytes, sizeof verdicts);
    assert_memory_equal(again.verdicts, verdicts, sizeof verdicts);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.batches[0].count, WINDOW_BATCH_SHARES_MAX);
    seen_free(&seen);
}

static void a_repeat_answers_the_first_verdicts_and_adds_nothing(void **state)
{
    struct world *world = *state;
    struct window_share shares[3];
    make_shares(shares, 3, 5, 1, 1);
    struct window_batch first = batch_of(5, 1, 1, shares, 3, "first\0 verdicts");
    first.rejected_count = 2;
    struct answer answer = append_wait(world, world->writer, &first);
    /* Another validator judged the same batch otherwise. */
    struct window_writer *other = world_writer(world, 0);
    struct window_batch second = batch_of(5, 1, 1, shares, 1, "second");
    second.rejected_count = 4;
    struct answer again = append_wait(world, other, &second);
    window_writer_close(other);
    assert_int_equal(again.outcome, WINDOW_REPEATED);
    assert_int_equal(again.verdicts_bytes, first.verdicts.length);
    assert_memory_equal(again.verdicts, first.verdicts.data, first.verdicts.length);
    assert_int_equal(window_position_compare(&again.position, &answer.position), 0);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.batches[0].count, 3);
    seen_free(&seen);
    struct window_totals totals = totals_of(world);
    assert_int_equal(totals.accepted, 3);
    assert_int_equal(totals.rejected, 2);
    assert_int_equal(totals.batches, 1);
}

static void a_batch_without_accepted_shares_is_remembered_and_counted(void **state)
{
    struct world *world = *state;
    struct window_batch batch = batch_of(5, 1, 1, NULL, 0, "no");
    batch.rejected_count = 7;
    assert_int_equal(append_wait(world, world->writer, &batch).outcome, WINDOW_APPENDED);
    struct answer again = append_wait(world, world->writer, &batch);
    assert_int_equal(again.outcome, WINDOW_REPEATED);
    assert_int_equal(again.verdicts_bytes, 2);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 0);
    seen_free(&seen);
    struct window_totals totals = totals_of(world);
    assert_int_equal(totals.accepted, 0);
    assert_int_equal(totals.rejected, 7);
    assert_int_equal(totals.batches, 1);
}

static enum window_outcome append_one(struct world *world, uint64_t lease, uint64_t sequence,
                                      uint64_t lowest)
{
    struct window_share share;
    make_shares(&share, 1, lease, sequence, 1);
    struct window_batch batch = batch_of(lease, sequence, lowest, &share, 1, "v");
    return append_wait(world, world->writer, &batch).outcome;
}

static void ids_below_the_lowest_are_refused_for_ever(void **state)
{
    struct world *world = *state;
    assert_int_equal(append_one(world, 1, 10, 8), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 1, 7, 7), WINDOW_REFUSED);  /* never applied */
    assert_int_equal(append_one(world, 1, 9, 3), WINDOW_APPENDED); /* the lowest never falls */
    assert_int_equal(append_one(world, 1, 7, 1), WINDOW_REFUSED);
    assert_int_equal(append_one(world, 1, 10, 8), WINDOW_REPEATED);
    assert_int_equal(append_one(world, 1, 11, 11), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 1, 10, 8), WINDOW_REFUSED); /* was applied, is over */
    assert_int_equal(append_one(world, 2, 1, 1), WINDOW_APPENDED); /* leases are apart */
    assert_int_equal(append_one(world, 1, 8, 8), WINDOW_REFUSED);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 4);
    seen_free(&seen);
}

/* Sequences are 64 bits: next to every power of two they must be ordered as numbers are, and be
 * told apart where a double could not. */
static void sequences_are_ordered_and_told_apart_over_64_bits(void **state)
{
    struct world *world = *state;
    for (unsigned bit = 1; bit < 64; bit++) {
        uint64_t at = (uint64_t)1 << bit;
        uint64_t lease = 1000 + bit;
        assert_int_equal(append_one(world, lease, at, at - 1), WINDOW_APPENDED);
        assert_int_equal(append_one(world, lease, at + 1, at - 1), WINDOW_APPENDED);
        assert_int_equal(append_one(world, lease, at - 1, at - 1), WINDOW_APPENDED);
        assert_int_equal(append_one(world, lease, at, at), WINDOW_REPEATED);
        assert_int_equal(append_one(world, lease, at - 1, at - 1), WINDOW_REFUSED);
        assert_int_equal(append_one(world, lease, at, at - 1), WINDOW_REPEATED);
    }
    const uint64_t last = WINDOW_SEQUENCE_MAX;
    assert_int_equal(append_one(world, 7, last, last - 1), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 7, last - 1, last - 1), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 7, last, last), WINDOW_REPEATED);
    assert_int_equal(append_one(world, 7, last - 1, last - 1), WINDOW_REFUSED);
}

/* More records end at once than one call drops: they must be gone for good all the same. */
static void a_jump_of_the_lowest_refuses_all_that_it_passed(void **state)
{
    struct world *world = *state;
    enum { MANY = 300 };
    for (uint64_t sequence = 1; sequence <= MANY; sequence++)
        assert_int_equal(append_one(world, 3, sequence, 1), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 3, MANY + 1, MANY + 1), WINDOW_APPENDED);
    for (uint64_t sequence = 1; sequence <= MANY; sequence++)
        assert_int_equal(append_one(world, 3, sequence, 1), WINDOW_REFUSED);
    assert_int_equal(append_one(world, 3, MANY + 1, MANY + 1), WINDOW_REPEATED);
    assert_int_equal(totals_of(world).accepted, MANY + 1);
}

struct leases_seen {
    size_t count;
    uint64_t ids[400];
    bool ended[400];
};

static bool lease_take(void *context, uint64_t lease_id, bool ended)
{
    struct leases_seen *seen = context;
    for (size_t i = 0; i < seen->count; i++)
        if (seen->ids[i] == lease_id)
            return true;
    assert_true(seen->count < 400);
    seen->ids[seen->count] = lease_id;
    seen->ended[seen->count++] = ended;
    return true;
}

static struct leases_seen leases_of(struct world *world)
{
    struct leases_seen seen = { 0 };
    struct error error;
    if (!window_leases(world->reader, lease_take, &seen, &error))
        fail_msg("%s", error.text);
    return seen;
}

static void end_lease(struct world *world, uint64_t lease)
{
    struct error error;
    if (!window_lease_end(world->reader, lease, &error))
        fail_msg("%s", error.text);
}

static void a_lease_that_is_over_is_refused_whole_and_for_ever(void **state)
{
    struct world *world = *state;
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        assert_int_equal(append_one(world, 5, sequence, 1), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 6, 1, 1), WINDOW_APPENDED);
    for (int again = 0; again < 2; again++) {
        end_lease(world, 5);
        for (uint64_t sequence = 1; sequence <= 4; sequence++)
            assert_int_equal(append_one(world, 5, sequence, 1), WINDOW_REFUSED);
        assert_int_equal(append_one(world, 5, WINDOW_SEQUENCE_MAX, 1), WINDOW_REFUSED);
        assert_int_equal(append_one(world, 5, WINDOW_SEQUENCE_MAX, WINDOW_SEQUENCE_MAX),
                         WINDOW_REFUSED);
    }
    assert_int_equal(append_one(world, 6, 1, 1), WINDOW_REPEATED);
    /* One that never appended: its first batch may be on its way yet. */
    end_lease(world, 9);
    assert_int_equal(append_one(world, 9, 1, 1), WINDOW_REFUSED);
    struct seen seen = read_all(world);
    assert_int_equal(seen.count, 4);
    seen_free(&seen);
    assert_int_equal(totals_of(world).accepted, 4);
}

static void the_leases_it_knows_are_shown_with_their_end(void **state)
{
    struct world *world = *state;
    enum { MANY = 300 };
    assert_int_equal(leases_of(world).count, 0);
    for (uint64_t lease = 1; lease <= MANY; lease++)
        assert_int_equal(append_one(world, lease * 3, 1, 1), WINDOW_APPENDED);
    for (uint64_t lease = 1; lease <= MANY; lease += 7)
        end_lease(world, lease * 3);
    struct leases_seen seen = leases_of(world);
    assert_int_equal(seen.count, MANY);
    uint64_t sum = 0;
    for (size_t i = 0; i < seen.count; i++) {
        assert_int_equal(seen.ids[i] % 3, 0);
        assert_int_equal(seen.ended[i], (seen.ids[i] / 3 - 1) % 7 == 0);
        sum += seen.ids[i] / 3;
    }
    assert_int_equal(sum, MANY * (MANY + 1) / 2);
}

static void below_the_mark_all_leases_are_over_and_forgotten(void **state)
{
    struct world *world = *state;
    struct error error;
    for (uint64_t lease = 1; lease <= 300; lease++)
        assert_int_equal(append_one(world, lease, 1, 1), WINDOW_APPENDED);
    for (uint64_t lease = 1; lease <= 200; lease++)
        end_lease(world, lease);
    for (int again = 0; again < 2; again++) {
        assert_true(window_leases_below(world->reader, 251, &error));
        /* A mark never goes back. */
        assert_true(window_leases_below(world->reader, 7, &error));
        struct leases_seen seen = leases_of(world);
        assert_int_equal(seen.count, 51);
        for (size_t i = 0; i < seen.count; i++) {
            assert_in_range(seen.ids[i], 250, 300);
            assert_int_equal(seen.ended[i], seen.ids[i] == 250);
        }
        /* Ended, never ended, never seen: all of them are over. */
        static const uint64_t over[] = { 1, 200, 230, 250 };
        for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
            assert_int_equal(append_one(world, over[i], 1, 1), WINDOW_REFUSED);
            assert_int_equal(append_one(world, over[i], 2, 2), WINDOW_REFUSED);
        }
        assert_int_equal(append_one(world, 251, 1, 1), WINDOW_REPEATED);
        assert_int_equal(append_one(world, 300, 1, 1), WINDOW_REPEATED);
    }
    assert_int_equal(append_one(world, 251, 2, 1), WINDOW_APPENDED);
    assert_int_equal(append_one(world, 301, 1, 1), WINDOW_APPENDED);
    assert_int_equal(totals_of(world).batches, 302);
}

static void beyond_the_bound_nothing_is_sent(void **state)
{
    struct world *world = *state;
    struct window_writer *small = world_writer(world, 2);
    struct answer answers[3] = { { 0 } };
    struct window_share share;
    for (uint64_t i = 0; i < 3; i++) {
        make_shares(&share, 1, 4, i + 1, 1);
        struct window_batch batch = batch_of(4, i + 1, 1, &share, 1, "v");
        assert_int_equal(window_append(small, &batch, answer_take, &answers[i]), i < 2);
    }
    world_wait(world, &answers[0].done, "the first append");
    world_wait(world, &answers[1].done, "the second append");
    assert_false(answers[2].done);
    window_writer_close(small);
    assert_int_equal(totals_of(world).accepted, 2);
}

static void closing_ends_what_is_outstanding_as_unknown(void **state)
{
    struct world *world = *state;
    struct window_writer *writer = world_writer(world, 0);
    struct answer answer = { 0 };
    struct window_share share;
    make_shares(&share, 1, 4, 1, 1);
    struct window_batch batch = batch_of(4, 1, 1, &share, 1, "v");
    assert_true(window_append(writer, &batch, answer_take, &answer));
    window_writer_close(writer);
    assert_true(answer.done);
    assert_int_equal(answer.outcome, WINDOW_UNKNOWN);
    /* And asking again tells, whichever it was. */
    struct answer again = append_wait(world, world->writer, &batch);
    assert_true(again.outcome == WINDOW_APPENDED || again.outcome == WINDOW_REPEATED);
    assert_int_equal(totals_of(world).accepted, 1);
}

const struct CMUnitTest append_tests[] = {
    WORLD_TEST(an_accepted_share_is_kept_field_by_field),
    WORLD_TEST(the_longest_batch_fits),
    WORLD_TEST(a_repeat_answers_the_first_verdicts_and_adds_nothing),
    WORLD_TEST(a_batch_without_accepted_shares_is_remembered_and_counted),
    WORLD_TEST(ids_below_the_lowest_are_refused_for_ever),
    WORLD_TEST(sequences_are_ordered_and_told_apart_over_64_bits),
    WORLD_TEST(a_jump_of_the_lowest_refuses_all_that_it_passed),
    WORLD_TEST(a_lease_that_is_over_is_refused_whole_and_for_ever),
    WORLD_TEST(the_leases_it_knows_are_shown_with_their_end),
    WORLD_TEST(below_the_mark_all_leases_are_over_and_forgotten),
    WORLD_TEST(beyond_the_bound_nothing_is_sent),
    WORLD_TEST(closing_ends_what_is_outstanding_as_unknown),
};
const size_t append_tests_count = sizeof append_tests / sizeof append_tests[0];
