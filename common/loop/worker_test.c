/* Blocking work on other threads. */
#include "loop/slice.h"
#include "loop/worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { JOBS = 500 };

struct counted {
    struct worker_job job;
    pthread_t worked_on;
    unsigned *done_count;
    sem_t *gate; /* NULL: does not wait */
};

static void work(struct worker_job *job)
{
    struct counted *counted = (struct counted *)job;
    counted->worked_on = pthread_self();
    if (counted->gate != NULL)
        sem_wait(counted->gate);
}

static void done(struct worker_job *job)
{
    struct counted *counted = (struct counted *)job;
    assert_false(pthread_equal(counted->worked_on, pthread_self()));
    ++*counted->done_count;
    free(counted);
}

static struct counted *new_job(unsigned *done_count, sem_t *gate)
{
    struct counted *counted = calloc(1, sizeof *counted);
    assert_non_null(counted);
    counted->job.work = work;
    counted->job.done = done;
    counted->done_count = done_count;
    counted->gate = gate;
    return counted;
}

static void work_runs_on_a_worker_and_done_on_the_loop(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    struct worker *worker = worker_create(loop, "test", 3, JOBS, &error);
    assert_non_null(worker);
    unsigned done_count = 0;
    for (unsigned i = 0; i < JOBS; i++)
        assert_true(worker_submit(worker, &new_job(&done_count, NULL)->job));
    uint64_t deadline_ms = loop_now_ms(loop) + 10000;
    while (done_count < JOBS && loop_now_ms(loop) < deadline_ms)
        loop_run_once(loop, 1000);
    assert_int_equal(done_count, JOBS);
    worker_destroy(worker);
    loop_destroy(loop);
}

static void a_full_queue_takes_nothing_and_destroying_finishes_what_was_taken(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    struct worker *worker = worker_create(loop, "a rather long thread name", 1, 2, &error);
    assert_non_null(worker);
    sem_t gate;
    sem_init(&gate, 0, 0);
    unsigned done_count = 0;
    unsigned taken = 0;
    /* One at work, two waiting; the thread may not have fetched the first yet. */
    struct counted *job = new_job(&done_count, &gate);
    while (taken < 3) {
        if (!worker_submit(worker, &job->job))
            continue;
        taken++;
        job = new_job(&done_count, &gate);
    }
    while (worker_waiting(worker) != 2)
        ;
    assert_false(worker_submit(worker, &job->job));
    free(job);
    for (unsigned i = 0; i < taken; i++)
        sem_post(&gate);
    worker_destroy(worker);
    assert_int_equal(done_count, taken);
    sem_destroy(&gate);
    loop_destroy(loop);
}

struct seen {
    struct worker_job job;
    cpu_set_t processors;
    bool done;
};

static void see(struct worker_job *job)
{
    struct seen *seen = (struct seen *)job;
    assert_int_equal(sched_getaffinity(0, sizeof seen->processors, &seen->processors), 0);
}

static void mark_done(struct worker_job *job)
{
    ((struct seen *)job)->done = true;
}

static void pinned_threads_have_a_processor_each_counted_round(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    const unsigned count = (unsigned)CPU_COUNT(&allowed);
    for (unsigned first = 0; first < 2 * count; first++) {
        struct worker *worker = worker_create(loop, "pinned", 1, 1, &error);
        struct seen seen = { .job = { .work = see, .done = mark_done } };
        assert_true(worker_pin(worker, first));
        assert_true(worker_submit(worker, &seen.job));
        worker_destroy(worker);
        assert_true(seen.done);
        assert_int_equal(CPU_COUNT(&seen.processors), 1);
        unsigned before = 0;
        for (size_t i = 0; !CPU_ISSET(i, &seen.processors); i++)
            before += CPU_ISSET(i, &allowed) != 0;
        assert_int_equal(before, first % count);
    }
    loop_destroy(loop);
}

/* The slice is a hint: whatever the kernel makes of it, the thread stays what it was. */
static void a_slice_changes_neither_policy_nor_priority(void **state)
{
    (void)state;
    const int policy = sched_getscheduler(0), nice_before = getpriority(PRIO_PROCESS, 0);
    slice_set(SLICE_SHORT_US);
    slice_set(SLICE_LONG_US);
    assert_int_equal(sched_getscheduler(0), policy);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_changes_neither_policy_nor_priority),
        cmocka_unit_test(work_runs_on_a_worker_and_done_on_the_loop),
        cmocka_unit_test(a_full_queue_takes_nothing_and_destroying_finishes_what_was_taken),
        cmocka_unit_test(pinned_threads_have_a_processor_each_counted_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
