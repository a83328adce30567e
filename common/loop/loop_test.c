/* The loop: sources, timers, posting and deferring. */
#include "loop/loop.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct loop *new_loop(void)
{
    struct error error;
    struct loop *loop = loop_create(&error);
    assert_non_null(loop);
    return loop;
}

struct watched {
    struct loop *loop;
    struct loop_source source;
    struct watched *victim; /* removed when this one is called */
    unsigned calls;
};

static void on_watched(void *context, uint32_t ready)
{
    struct watched *watched = context;
    assert_true(ready & EPOLLIN);
    watched->calls++;
    loop_remove(watched->loop, &watched->source);
    if (watched->victim != NULL)
        loop_remove(watched->loop, &watched->victim->source);
}

static void watch(struct loop *loop, struct watched *watched)
{
    struct error error;
    *watched = (struct watched){.loop = loop};
    watched->source.fd = eventfd(1, EFD_CLOEXEC);
    watched->source.on_ready = on_watched;
    watched->source.context = watched;
    assert_true(loop_add(loop, &watched->source, EPOLLIN, &error));
}

static void a_source_removed_in_the_same_round_is_not_called(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct watched two[2];
    watch(loop, &two[0]);
    watch(loop, &two[1]);
    two[0].victim = &two[1];
    two[1].victim = &two[0];
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    assert_int_equal(two[0].calls + two[1].calls, 1);
    close(two[0].source.fd);
    close(two[1].source.fd);
    loop_destroy(loop);
}

static void a_descriptor_that_cannot_be_watched_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct error error;
    struct loop_source source = {.fd = -1};
    assert_false(loop_add(loop, &source, EPOLLIN, &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_false(source.registered);
    loop_remove(loop, &source);
    loop_destroy(loop);
}

struct ticking {
    struct loop_timer timer;
    struct loop *loop;
    unsigned id;
    unsigned fired;
    uint64_t fired_ms;
    unsigned *order;
    unsigned *order_count;
    unsigned restarts;
};

static void on_tick(void *context)
{
    struct ticking *ticking = context;
    ticking->fired++;
    ticking->fired_ms = loop_now_ms(ticking->loop);
    if (ticking->order != NULL)
        ticking->order[(*ticking->order_count)++] = ticking->id;
    if (ticking->restarts > 0) {
        ticking->restarts--;
        loop_timer_start(ticking->loop, &ticking->timer, 0, 0);
    }
}

static void timers_fire_in_the_order_they_are_due_whatever_was_stopped_and_moved(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("ADIT_SEED=%u\n", seed);
    srandom(seed);
    enum { COUNT = 300 };
    static struct ticking ticking[COUNT];
    static unsigned order[COUNT];
    unsigned order_count = 0;
    unsigned expected = COUNT;
    struct loop *loop = new_loop();
    for (unsigned i = 0; i < COUNT; i++) {
        ticking[i] =
            (struct ticking){.loop = loop, .id = i, .order = order, .order_count = &order_count};
        ticking[i].timer.on_due = on_tick;
        ticking[i].timer.context = &ticking[i];
        loop_timer_start(loop, &ticking[i].timer, (uint64_t)random() % 40, 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        struct ticking *chosen = &ticking[(unsigned)random() % COUNT];
        if (random() % 3 == 0 && loop_timer_running(&chosen->timer)) {
            loop_timer_stop(loop, &chosen->timer);
            expected--;
        } else if (loop_timer_running(&chosen->timer)) {
            loop_timer_start(loop, &chosen->timer, (uint64_t)random() % 40, 0);
        }
    }
    uint64_t deadline_ms = loop_now_ms(loop) + 5000;
    while (order_count < expected && loop_now_ms(loop) < deadline_ms)
        loop_run_once(loop, 100);
    assert_int_equal(order_count, expected);
    for (unsigned i = 1; i < order_count; i++)
        assert_true(ticking[order[i - 1]].timer.due_ms <= ticking[order[i]].timer.due_ms);
    for (unsigned i = 0; i < order_count; i++)
        assert_true(ticking[order[i]].fired_ms >= ticking[order[i]].timer.due_ms);
    loop_destroy(loop);
}

static void a_timer_that_restarts_itself_at_once_leaves_room_for_others(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct ticking ticking = {.loop = loop, .restarts = 1000000};
    ticking.timer.on_due = on_tick;
    ticking.timer.context = &ticking;
    loop_timer_start(loop, &ticking.timer, 0, 0);
    loop_run_once(loop, -1);
    assert_int_equal(ticking.fired, 1);
    loop_run_once(loop, -1);
    assert_int_equal(ticking.fired, 2);
    loop_destroy(loop);
}

static void a_periodic_timer_goes_on_until_it_is_stopped(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct ticking ticking = {.loop = loop};
    ticking.timer.on_due = on_tick;
    ticking.timer.context = &ticking;
    loop_timer_start(loop, &ticking.timer, 1, 1);
    while (ticking.fired < 5)
        loop_run_once(loop, -1);
    assert_true(loop_timer_running(&ticking.timer));
    loop_timer_stop(loop, &ticking.timer);
    loop_timer_stop(loop, &ticking.timer);
    loop_run_once(loop, 5);
    assert_int_equal(ticking.fired, 5);
    loop_destroy(loop);
}

struct posted {
    struct loop_task task;
    struct poster *poster;
    unsigned number;
};

enum { POSTERS = 4, POSTS = 20000 };

struct poster {
    struct loop *loop;
    unsigned expected; /* the number of the next task: order is kept per thread */
    unsigned *total;
    struct posted posts[POSTS];
};

static void run_posted(struct loop_task *task)
{
    struct posted *posted = (struct posted *)task;
    assert_int_equal(posted->number, posted->poster->expected);
    posted->poster->expected++;
    if (++*posted->poster->total == POSTERS * POSTS)
        loop_stop(posted->poster->loop);
}

static void *post_all(void *context)
{
    struct poster *poster = context;
    for (unsigned i = 0; i < POSTS; i++) {
        poster->posts[i] = (struct posted){{run_posted, NULL}, poster, i};
        loop_post(poster->loop, &poster->posts[i].task);
    }
    return NULL;
}

static void tasks_of_many_threads_all_run_each_threads_in_its_order(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    unsigned total = 0;
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        posters[i].total = &total;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(total, POSTERS * POSTS);
    loop_destroy(loop);
}

static void *stop_it(void *context)
{
    loop_stop_from_anywhere(context);
    return NULL;
}

static void a_stop_from_another_thread_ends_the_run_also_when_it_came_before(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, loop), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    loop_stop_from_anywhere(loop);
    loop_run(loop);
    loop_destroy(loop);
}

struct deferred {
    struct loop_task task;
    struct loop *loop;
    unsigned runs;
    bool again;
};

static void run_deferred(struct loop_task *task)
{
    struct deferred *deferred = (struct deferred *)task;
    deferred->runs++;
    if (deferred->again)
        loop_defer(deferred->loop, task);
}

static void a_deferred_task_runs_once_and_one_deferred_meanwhile_does_not_wait(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct deferred once = {{run_deferred, NULL}, loop, 0, false};
    struct deferred again = {{run_deferred, NULL}, loop, 0, true};
    loop_defer(loop, &once.task);
    loop_defer(loop, &again.task);
    loop_run_once(loop, -1);
    loop_run_once(loop, -1);
    again.again = false;
    loop_run_once(loop, -1);
    loop_run_once(loop, 0);
    assert_int_equal(once.runs, 1);
    assert_int_equal(again.runs, 3);
    loop_destroy(loop);
}

struct staged {
    struct loop_task task;
    struct loop *loop;
    struct staged *next; /* deferred when this one runs */
    enum loop_stage next_stage;
    unsigned ran; /* its place in the order of all */
};

static unsigned staged_count;

static void run_staged(struct loop_task *task)
{
    struct staged *staged = (struct staged *)task;
    staged->ran = ++staged_count;
    if (staged->next != NULL)
        loop_defer_to(staged->loop, &staged->next->task, staged->next_stage);
}

static void the_end_of_a_round_has_stages_and_a_later_one_is_not_put_off(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct staged late = { { run_staged, NULL }, loop, NULL, LOOP_LATE, 0 };
    struct staged next_round = { { run_staged, NULL }, loop, NULL, LOOP_EARLY, 0 };
    struct staged usual = { { run_staged, NULL }, loop, &late, LOOP_LATE, 0 };
    struct staged early = { { run_staged, NULL }, loop, &next_round, LOOP_EARLY, 0 };
    loop_defer(loop, &usual.task);
    loop_defer_to(loop, &early.task, LOOP_EARLY);
    loop_run_once(loop, -1);
    assert_int_equal(early.ran, 1);
    assert_int_equal(usual.ran, 2);
    assert_int_equal(late.ran, 3);
    assert_int_equal(next_round.ran, 0);
    loop_run_once(loop, -1); /* does not wait */
    assert_int_equal(next_round.ran, 4);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_removed_in_the_same_round_is_not_called),
        cmocka_unit_test(a_descriptor_that_cannot_be_watched_is_refused_with_a_sentence),
        cmocka_unit_test(timers_fire_in_the_order_they_are_due_whatever_was_stopped_and_moved),
        cmocka_unit_test(a_timer_that_restarts_itself_at_once_leaves_room_for_others),
        cmocka_unit_test(a_periodic_timer_goes_on_until_it_is_stopped),
        cmocka_unit_test(tasks_of_many_threads_all_run_each_threads_in_its_order),
        cmocka_unit_test(a_stop_from_another_thread_ends_the_run_also_when_it_came_before),
        cmocka_unit_test(a_deferred_task_runs_once_and_one_deferred_meanwhile_does_not_wait),
        cmocka_unit_test(the_end_of_a_round_has_stages_and_a_later_one_is_not_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
