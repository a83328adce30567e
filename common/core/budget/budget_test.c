/* Budgets: honest rates pass, junk is cut down to nearly nothing, reconnecting does not help, and
 * neighbours in good standing are not touched. */
#include "base/test_random.h"
#include "core/budget/budget.h"

#include <setjmp.h>
#include <cmocka.h>

static const struct budget_params params = { .share_interval_ms = 5000,
                                             .multiple = 50,
                                             .burst = 200 };

static void an_honest_rate_with_chance_and_a_few_mistakes_always_passes(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("honest budgets");
    for (int i = 0; i < 50; i++) {
        struct budget budget = { 0 };
        struct budget_address address = { 0 };
        uint64_t now_ms = test_random_below(&random, 1000000);
        budget_join(&address);
        for (int share = 0; share < 2000; share++) {
            /* Around the aimed rate, in clumps, one in twenty below its work. */
            now_ms += test_random_below(&random, 4) == 0
                          ? test_random_below(&random, 8u * params.share_interval_ms)
                          : 0;
            assert_true(budget_take(&budget, &(struct budget_origin){ .address = &address },
                                    &params, 1, now_ms));
            budget_verdict(&budget, &(struct budget_origin){ .address = &address },
                           test_random_below(&random, 20) != 0, now_ms);
        }
    }
}

static void no_session_causes_more_than_its_burst_and_its_rate(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("budget bounds");
    for (int i = 0; i < 200; i++) {
        const struct budget_params any = {
            .share_interval_ms = 1 + (uint32_t)test_random_below(&random, 10000),
            .multiple = 1 + (uint32_t)test_random_below(&random, 1000),
            .burst = 1 + (uint32_t)test_random_below(&random, 500),
        };
        struct budget budget = { 0 };
        uint64_t start_ms = test_random_below(&random, 1000000), now_ms = start_ms, taken = 0;
        for (int n = 0; n < 3000; n++) {
            now_ms += test_random_below(&random, 3);
            taken += budget_take(&budget, &(struct budget_origin){ 0 }, &any, 1, now_ms);
        }
        uint64_t interval_us = any.share_interval_ms * 1000ull / any.multiple;
        interval_us = interval_us > 0 ? interval_us : 1;
        assert_true(taken <= any.burst + (now_ms - start_ms) * 1000 / interval_us + 1);
        assert_true(taken >= (any.burst < 3000 ? any.burst : 3000));
    }
}

static void junk_is_cut_to_a_trickle_and_forgiven_by_good_shares(void **state)
{
    (void)state;
    struct budget budget = { 0 };
    uint64_t now_ms = 1000, taken = 0;
    for (; now_ms < 61000; now_ms++)
        if (budget_take(&budget, &(struct budget_origin){ 0 }, &params, 1, now_ms)) {
            budget_verdict(&budget, &(struct budget_origin){ 0 }, false, now_ms);
            taken++;
        }
    /* Of 800 a session in good standing would have had in that minute. */
    assert_in_range(taken, 1, 220);
    for (uint32_t i = 0; i < BUDGET_STRIKES_MAX; i++)
        budget_verdict(&budget, &(struct budget_origin){ 0 }, true, now_ms);
    assert_true(budget.proven);
    now_ms += 60000;
    for (uint32_t i = 0; i < params.burst; i++)
        assert_true(budget_take(&budget, &(struct budget_origin){ 0 }, &params, 1, now_ms));
    assert_false(budget_take(&budget, &(struct budget_origin){ 0 }, &params, 1, now_ms));
}

static void connecting_anew_buys_a_sender_of_junk_nothing(void **state)
{
    (void)state;
    struct budget_address address = { 0 };
    uint64_t now_ms = 1000, first_minute = 0, second_minute = 0;
    for (; now_ms < 121000; now_ms += 10) {
        struct budget fresh = { 0 };
        budget_join(&address);
        for (int i = 0; i < 20; i++)
            if (budget_take(&fresh, &(struct budget_origin){ .address = &address }, &params, 1,
                            now_ms)) {
                *(now_ms < 61000 ? &first_minute : &second_minute) += 1;
                budget_verdict(&fresh, &(struct budget_origin){ .address = &address }, false,
                               now_ms);
            }
        budget_leave(&address);
    }
    assert_in_range(first_minute, 1, 300);
    assert_in_range(second_minute, 0, 60);
    assert_false(budget_forgettable(&address, now_ms));
    assert_true(budget_forgettable(&address, now_ms + 3600000));
}

static void a_miner_in_good_standing_does_not_notice_junk_beside_it(void **state)
{
    (void)state;
    enum { JUNK = 200 };
    static struct budget junk[JUNK];
    struct budget honest = { 0 };
    struct budget_address address = { 0 };
    uint64_t now_ms = 1000, taken = 0;
    memset(junk, 0, sizeof junk);
    budget_join(&address);
    assert_true(
        budget_take(&honest, &(struct budget_origin){ .address = &address }, &params, 1, now_ms));
    budget_verdict(&honest, &(struct budget_origin){ .address = &address }, true, now_ms);
    for (size_t i = 0; i < JUNK; i++)
        budget_join(&address);
    for (; now_ms < 31000; now_ms += 10) {
        for (size_t i = 0; i < JUNK; i++)
            if (budget_take(&junk[i], &(struct budget_origin){ .address = &address }, &params, 1,
                            now_ms)) {
                budget_verdict(&junk[i], &(struct budget_origin){ .address = &address }, false,
                               now_ms);
                taken++;
            }
        if (now_ms % 5000 == 0) {
            assert_true(budget_take(&honest, &(struct budget_origin){ .address = &address },
                                    &params, 1, now_ms));
            budget_verdict(&honest, &(struct budget_origin){ .address = &address }, true, now_ms);
        }
    }
    /* One burst of the address for all of them, and a trickle: of the 40,000 their own budgets
     * would have let through. */
    assert_in_range(taken, 1, 15000);
}

static void without_a_multiple_nothing_is_bounded(void **state)
{
    (void)state;
    const struct budget_params off = { .share_interval_ms = 1, .burst = 1 };
    struct budget budget = { 0 };
    for (int i = 0; i < 10000; i++)
        assert_true(budget_take(&budget, &(struct budget_origin){ 0 }, &off, 3, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_rate_with_chance_and_a_few_mistakes_always_passes),
        cmocka_unit_test(no_session_causes_more_than_its_burst_and_its_rate),
        cmocka_unit_test(junk_is_cut_to_a_trickle_and_forgiven_by_good_shares),
        cmocka_unit_test(connecting_anew_buys_a_sender_of_junk_nothing),
        cmocka_unit_test(a_miner_in_good_standing_does_not_notice_junk_beside_it),
        cmocka_unit_test(without_a_multiple_nothing_is_bounded),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
