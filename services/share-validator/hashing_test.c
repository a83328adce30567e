/* Slow hashing: sessions are served in turn, and whoever floods pays for it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/share-validator/testing/ground.h"

#include <stdio.h>
#include <stdlib.h>

/* A share that counts, or one that wastes a hash; of a session of its own number. */
static struct wire_share session_share(const struct script_job *job, uint32_t session, bool good,
                                       uint32_t nonce)
{
    struct wire_share share = script_share(job, nonce);
    store_le32(share.extranonce1, session);
    if (good) { /* nearly every hash meets a work of 1 */
        struct share_verdict verdict;
        do {
            share.nonce++;
            script_judge(job, &share, &verdict);
        } while (verdict.outcome != SHARE_ACCEPTED);
    } else {
        share.work = UINT64_MAX;
    }
    return share;
}

static size_t count_of(const struct script_answer *answer, enum share_outcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++)
        count += answer->verdicts[i].outcome == outcome;
    return count;
}

static void one_session_s_flood_of_slow_shares_takes_no_turn_from_another(void **state)
{
    enum { FLOOD = 700, OTHERS = 5 };
    static struct wire_share flood[FLOOD], others[OTHERS];
    static struct script_answer flooded, answered;
    struct ground *ground = *state;
    const struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .algorithm = POW_SCRYPT });
    for (uint32_t i = 0; i < FLOOD; i++)
        flood[i] = session_share(job, 1, false, i);
    for (uint32_t i = 0; i < OTHERS; i++)
        others[i] = session_share(job, 2 + i, true, i);
    const struct wire_share_batch first = ground_batch_of(1, flood, FLOOD);
    const struct wire_share_batch second = ground_batch_of(2, others, OTHERS);
    assert_true(script_send(&ground->script, 0, &first, 20000, &flooded));
    assert_true(script_send(&ground->script, 0, &second, 20000, &answered));
    script_wait_flag(&ground->script, "the flood's answer", &flooded.done);
    assert_true(answered.done); /* the others did not wait behind it */
    assert_int_equal(count_of(&answered, SHARE_ACCEPTED), OTHERS);
    assert_int_equal(flooded.count, FLOOD);
    assert_int_equal(count_of(&flooded, SHARE_LOW_DIFFICULTY), GROUND_SESSION_HASHES_MAX);
    assert_int_equal(count_of(&flooded, SHARE_OVERLOADED), FLOOD - GROUND_SESSION_HASHES_MAX);
}

static void whoever_fills_the_hashing_queue_makes_room_for_the_others(void **state)
{
    enum { FLOODS = 3, FLOOD = 500, OTHERS = 20 };
    static struct wire_share flood[FLOODS][FLOOD], others[OTHERS];
    static struct script_answer flooded[FLOODS], answered;
    struct ground *ground = *state;
    const struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .algorithm = POW_SCRYPT });
    for (uint32_t i = 0; i < FLOODS; i++)
        for (uint32_t j = 0; j < FLOOD; j++)
            flood[i][j] = session_share(job, j % 10, false, i * FLOOD + j);
    for (uint32_t i = 0; i < OTHERS; i++)
        others[i] = session_share(job, 100 + i, true, i);
    for (size_t i = 0; i < FLOODS; i++) {
        const struct wire_share_batch batch = ground_batch_of(1 + i, flood[i], FLOOD);
        assert_true(script_send(&ground->script, 0, &batch, 20000, &flooded[i]));
    }
    const struct wire_share_batch batch = ground_batch_of(9, others, OTHERS);
    assert_true(script_send(&ground->script, 0, &batch, 20000, &answered));
    script_wait_flag(&ground->script, "the others' answer", &answered.done);
    assert_int_equal(count_of(&answered, SHARE_ACCEPTED), OTHERS);
    size_t dropped = 0;
    for (size_t i = 0; i < FLOODS; i++) {
        script_wait_flag(&ground->script, "a flood's answer", &flooded[i].done);
        assert_int_equal(flooded[i].status, WIRE_BATCH_JUDGED);
        dropped += count_of(&flooded[i], SHARE_OVERLOADED);
        assert_int_equal(count_of(&flooded[i], SHARE_OVERLOADED) +
                             count_of(&flooded[i], SHARE_LOW_DIFFICULTY),
                         FLOOD);
    }
    assert_true(dropped > 0);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

/* 200 sessions keep as much junk under way as their batches may, and ten miners send a share each
 * in turn, one every few milliseconds. None of theirs is lost. How long they wait is shown, and
 * with ADIT_JUNK_SHARES (how many they send; 60 where not set) also judged. */
static void junk_of_200_sessions_costs_honest_miners_nothing(void **state)
{
    enum { SESSIONS = 200, HONEST = 10, KEPT = 2, SHARES_MAX = 20000 };
    static struct wire_share junk[KEPT][SESSIONS];
    static struct script_answer junked[KEPT], answered;
    static uint64_t waited_us[SHARES_MAX];
    struct ground *ground = *state;
    const struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .algorithm = POW_SCRYPT });
    const char *given = getenv("ADIT_JUNK_SHARES");
    const size_t shares = given != NULL ? strtoul(given, NULL, 10) : 60;
    assert_in_range(shares, 1, SHARES_MAX);
    uint64_t sequence = 0, junk_judged = 0;
    for (size_t i = 0; i < KEPT; i++)
        junked[i].done = true;
    for (size_t sent = 0; sent < shares; sent++) {
        struct wire_share share =
            session_share(job, SESSIONS + (uint32_t)(sent % HONEST), true, (uint32_t)(sent * 1000));
        for (size_t i = 0; i < KEPT; i++) {
            if (!junked[i].done)
                continue;
            junk_judged += junked[i].count;
            for (uint32_t j = 0; j < SESSIONS; j++)
                junk[i][j] = session_share(job, j, false, (uint32_t)(sequence << 8) + j);
            const struct wire_share_batch batch = ground_batch_of(++sequence, junk[i], SESSIONS);
            assert_true(script_send(&ground->script, 0, &batch, 20000, &junked[i]));
        }
        const struct wire_share_batch batch = ground_batch_of(++sequence, &share, 1);
        const uint64_t began_ns = loop_clock_ns();
        assert_true(script_send(&ground->script, 0, &batch, 20000, &answered));
        script_wait_flag(&ground->script, "an honest miner's answer", &answered.done);
        waited_us[sent] = (loop_clock_ns() - began_ns) / 1000;
        assert_int_equal(answered.status, WIRE_BATCH_JUDGED);
        assert_int_equal(answered.verdicts[0].outcome, SHARE_ACCEPTED);
    }
    for (size_t i = 0; i < KEPT; i++)
        script_wait_flag(&ground->script, "the last junk", &junked[i].done);
    qsort(waited_us, shares, sizeof *waited_us, by_size);
    printf("honest shares beside junk: p50 %.1f ms, p99 %.1f ms; %zu of theirs, %zu of junk\n",
           (double)waited_us[shares / 2] / 1000, (double)waited_us[shares * 99 / 100] / 1000,
           shares, (size_t)junk_judged);
    assert_true(junk_judged > 0);
    if (given != NULL)
        assert_true(waited_us[shares * 99 / 100] <= 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUND_TEST(one_session_s_flood_of_slow_shares_takes_no_turn_from_another),
        GROUND_TEST(whoever_fills_the_hashing_queue_makes_room_for_the_others),
        GROUND_TEST(junk_of_200_sessions_costs_honest_miners_nothing),
    };
    return cmocka_run_group_tests_name("hashing", tests, NULL, NULL);
}
