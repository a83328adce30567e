#include "services/auth/store_thread.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PROBE_MS = 250 };

struct store_thread {
    struct store_thread_options options;
    struct worker *worker;
    struct store *store;   /* the thread's */
    _Atomic bool stopping; /* jobs still waiting are failed */
    bool away;
    bool probing;
    struct store_job probe;
    struct loop_timer timer;
};

static struct store_job *job_of(struct worker_job *job)
{
    return (struct store_job *)((char *)job - offsetof(struct store_job, job));
}

static bool ask(struct store_job *job)
{
    struct store_thread *thread = job->thread;
    if (atomic_load(&thread->stopping))
        return error_set(&job->error, ERROR_UNAVAILABLE, "the process is stopping");
    if (thread->store == NULL)
        thread->store = thread->options.open(thread->options.context, &job->error);
    return thread->store != NULL && job->ask(job, thread->store, &job->error);
}

static void work(struct worker_job *worker_job)
{
    struct store_job *job = job_of(worker_job);
    job->failed = !ask(job);
}

/* 0: not at all. */
static void ask_every(struct store_thread *thread, uint64_t period_ms)
{
    if (period_ms > 0)
        loop_timer_start(thread->options.loop, &thread->timer, period_ms, period_ms);
    else
        loop_timer_stop(thread->options.loop, &thread->timer);
}

static void set_away(struct store_thread *thread, bool away, const char *reason)
{
    if (thread->away == away)
        return;
    thread->away = away;
    ask_every(thread, away ? PROBE_MS : thread->options.watch_ms);
    if (thread->options.on_state != NULL)
        thread->options.on_state(thread->options.context, away ? reason : NULL);
}

static void done(struct worker_job *worker_job)
{
    struct store_job *job = job_of(worker_job);
    struct store_thread *thread = job->thread;
    if (job->failed && job->error.code != ERROR_INVALID && !atomic_load(&thread->stopping))
        set_away(thread, true, job->error.text);
    job->done(job);
}

static bool ask_probe(struct store_job *job, struct store *store, struct error *error)
{
    (void)job;
    return store_ping(store, error);
}

static void done_probe(struct store_job *job)
{
    job->thread->probing = false;
    if (!job->failed)
        set_away(job->thread, false, NULL);
}

static bool submit(struct store_thread *thread, struct store_job *job)
{
    job->thread = thread;
    job->failed = false;
    job->error = (struct error){ .code = ERROR_NONE };
    job->job = (struct worker_job){ .work = work, .done = done };
    return worker_submit(thread->worker, &job->job);
}

static void on_probe(void *context)
{
    struct store_thread *thread = context;
    if (!thread->probing)
        thread->probing = submit(thread, &thread->probe);
}

struct store_thread *store_thread_create(const struct store_thread_options *options,
                                         struct error *error)
{
    struct store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the store's thread");
        return NULL;
    }
    thread->options = *options;
    thread->probe = (struct store_job){ .ask = ask_probe, .done = done_probe };
    thread->timer = (struct loop_timer){ .on_due = on_probe, .context = thread };
    /* one place more: for the probe */
    thread->worker = worker_create(options->loop, options->name, 1, options->queue_max + 1, error);
    if (thread->worker == NULL) {
        free(thread);
        return NULL;
    }
    ask_every(thread, options->watch_ms);
    return thread;
}

void store_thread_destroy(struct store_thread *thread)
{
    if (thread == NULL)
        return;
    atomic_store(&thread->stopping, true);
    loop_timer_stop(thread->options.loop, &thread->timer);
    worker_destroy(thread->worker);
    if (thread->store != NULL)
        store_close(thread->store);
    free(thread);
}

bool store_thread_submit(struct store_thread *thread, struct store_job *job)
{
    if (thread->away || atomic_load(&thread->stopping) ||
        worker_waiting(thread->worker) >= thread->options.queue_max)
        return false;
    return submit(thread, job);
}

bool store_thread_away(const struct store_thread *thread)
{
    return thread->away;
}

size_t store_thread_waiting(const struct store_thread *thread)
{
    return worker_waiting(thread->worker);
}
