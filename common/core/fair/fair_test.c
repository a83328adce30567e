/* The fair queue: nothing is lost or doubled, lines keep their order, and whoever fills it pays. */
#include "base/test_random.h"
#include "core/fair/fair.h"

#include <setjmp.h>
#include <cmocka.h>

enum { ITEMS = 64, FLOW_ITEMS = 20, ALL = 20000 };

struct thing {
    struct fair_item item;
    uint64_t flow;
    uint64_t order;
    int state; /* 0 never put, 1 waiting, 2 taken, 3 replaced, 4 refused */
};

static struct fair *fresh(void **memory_r, size_t items_max, size_t flow_items_max)
{
    *memory_r = malloc(fair_bytes(items_max, flow_items_max));
    assert_non_null(*memory_r);
    return fair_init(*memory_r, items_max, flow_items_max);
}

static void every_item_leaves_once_and_each_line_keeps_its_order(void **state)
{
    (void)state;
    static struct thing things[ALL];
    static uint64_t last_taken[ALL];
    struct test_random random = test_random_begin("fair queue");
    void *memory;
    struct fair *fair = fresh(&memory, ITEMS, FLOW_ITEMS);
    size_t waiting = 0, flows = 1 + test_random_below(&random, 100);
    memset(things, 0, sizeof things);
    memset(last_taken, 0, sizeof last_taken);
    for (size_t i = 0; i < ALL; i++) {
        struct thing *thing = &things[i];
        struct fair_item *replaced = NULL;
        thing->flow = test_random_below(&random, flows);
        thing->order = i + 1;
        switch (fair_put(fair, thing->flow, 1 + (uint32_t)test_random_below(&random, 3),
                         &thing->item, &replaced)) {
        case FAIR_REPLACED:
            assert_int_equal(waiting, ITEMS);
            assert_int_equal(((struct thing *)(void *)replaced)->state, 1);
            assert_true(((struct thing *)(void *)replaced)->flow != thing->flow);
            ((struct thing *)(void *)replaced)->state = 3;
            thing->state = 1;
            break;
        case FAIR_TAKEN:
            waiting++;
            thing->state = 1;
            break;
        case FAIR_REFUSED:
            thing->state = 4;
            break;
        }
        assert_int_equal(fair_count(fair), waiting);
        assert_true(fair_verify(fair));
        for (size_t n = test_random_below(&random, i / 500 % 2 == 0 ? 2 : 4); n > 0; n--) {
            struct thing *next = (struct thing *)(void *)fair_next(fair);
            assert_ptr_equal(fair_take(fair), next);
            if (next == NULL)
                break;
            assert_int_equal(next->state, 1);
            assert_true(next->order > last_taken[next->flow]);
            last_taken[next->flow] = next->order;
            next->state = 2;
            waiting--;
        }
    }
    while (waiting > 0) {
        assert_non_null(fair_take(fair));
        waiting--;
    }
    assert_null(fair_take(fair));
    assert_true(fair_verify(fair));
    free(memory);
}

static void flows_that_always_wait_are_served_the_same_cost(void **state)
{
    (void)state;
    enum { FLOWS = 5, EACH = 400 };
    static struct thing things[FLOWS][EACH];
    struct test_random random = test_random_begin("fair shares");
    void *memory;
    struct fair *fair = fresh(&memory, FLOWS * EACH, EACH);
    for (uint64_t flow = 0; flow < FLOWS; flow++)
        for (size_t i = 0; i < EACH; i++) {
            struct fair_item *replaced;
            things[flow][i].flow = flow;
            /* One flow's items are all dear: it gets fewer of them, not more time. */
            uint32_t cost = flow == 0 ? 3 : 1 + (uint32_t)test_random_below(&random, 3);
            assert_int_equal(fair_put(fair, flow, cost, &things[flow][i].item, &replaced),
                             FAIR_TAKEN);
        }
    uint64_t served[FLOWS] = { 0 }, left[FLOWS] = { EACH, EACH, EACH, EACH, EACH };
    for (;;) {
        const struct thing *thing = (struct thing *)(void *)fair_take(fair);
        served[thing->flow] += thing->item.cost;
        if (--left[thing->flow] == 0)
            break;
        for (size_t i = 0; i < FLOWS; i++)
            for (size_t j = 0; j < FLOWS; j++)
                assert_true(served[i] <= served[j] + 2 * 3);
    }
    free(memory);
}

static void a_quiet_flow_waits_one_round_however_full_the_queue_is(void **state)
{
    (void)state;
    enum { LOUD = 16, EACH = 16 };
    static struct thing things[LOUD * EACH], quiet;
    struct fair_item *replaced = NULL;
    void *memory;
    struct fair *fair = fresh(&memory, LOUD * EACH, EACH);
    for (size_t i = 0; i < LOUD * EACH; i++)
        assert_int_equal(fair_put(fair, i % LOUD, 1, &things[i].item, &replaced), FAIR_TAKEN);
    /* The loud cannot get in any more, the quiet one can, at the cost of one of them. */
    assert_int_equal(fair_put(fair, 3, 1, &quiet.item, &replaced), FAIR_REFUSED);
    assert_int_equal(fair_put(fair, 1000, 1, &quiet.item, &replaced), FAIR_REPLACED);
    assert_ptr_not_equal(replaced, &quiet.item);
    size_t before = 0;
    while (fair_take(fair) != &quiet.item)
        before++;
    assert_in_range(before, 0, LOUD);
    free(memory);
}

static void a_flow_has_no_more_than_its_part(void **state)
{
    (void)state;
    static struct thing things[8];
    struct fair_item *replaced = NULL;
    void *memory;
    struct fair *fair = fresh(&memory, 100, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(fair_put(fair, 42, 1, &things[i].item, &replaced), FAIR_TAKEN);
    assert_int_equal(fair_put(fair, 42, 1, &things[7].item, &replaced), FAIR_REFUSED);
    assert_ptr_equal(fair_take(fair), &things[0].item);
    assert_int_equal(fair_put(fair, 42, 1, &things[7].item, &replaced), FAIR_TAKEN);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_leaves_once_and_each_line_keeps_its_order),
        cmocka_unit_test(flows_that_always_wait_are_served_the_same_cost),
        cmocka_unit_test(a_quiet_flow_waits_one_round_however_full_the_queue_is),
        cmocka_unit_test(a_flow_has_no_more_than_its_part),
    };
    return cmocka_run_group_tests_name("fair", tests, NULL, NULL);
}
