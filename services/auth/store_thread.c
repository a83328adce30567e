#include "services/auth/store_thread.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PROBE_MS = 250, WRITABLE_MS = 2000 };

struct store_thread {
    struct store_thread_options options;
    struct worker *worker;
    struct store *store;    /* the thread's */
    _Atomic bool stopping;  /* jobs still waiting are failed */
    _Atomic bool read_only; /* it answers, and is not to be written to */
    bool away;
    bool told;              /* on_state, of one that is away or cannot be written to */
    bool doubted;           /* the last probe could not have written */
    struct error unwritten; /* of the probe under way: why it could not write */
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
    struct store_thread *thread = job->thread;
    struct error ignored;
    job->failed = !ask(job);
    /* What cannot be written may still be read. */
    const bool unwritten = job->error.code == ERROR_FULL || job->error.code == ERROR_TIMEOUT;
    job->answered = !job->failed || job->error.code == ERROR_INVALID ||
                    (unwritten && thread->store != NULL && store_ping(thread->store, &ignored));
}

/* 0: not at all. */
static void ask_every(struct store_thread *thread, uint64_t period_ms)
{
    if (period_ms > 0)
        loop_timer_start(thread->options.loop, &thread->timer, period_ms, period_ms);
    else
        loop_timer_stop(thread->options.loop, &thread->timer);
}

/* `reason` is for a store that is away or cannot be written to; of one it is told once. */
static void set_state(struct store_thread *thread, bool away, const char *reason)
{
    if (thread->away == away && thread->told == (reason != NULL))
        return;
    thread->away = away;
    thread->told = reason != NULL;
    atomic_store(&thread->read_only, !away && reason != NULL);
    const uint64_t watch_ms = thread->options.watch_ms;
    ask_every(thread, away ? PROBE_MS : watch_ms > 0 ? watch_ms : thread->told ? WRITABLE_MS : 0);
    if (thread->options.on_state != NULL)
        thread->options.on_state(thread->options.context, reason);
}

static void done(struct worker_job *worker_job)
{
    struct store_job *job = job_of(worker_job);
    struct store_thread *thread = job->thread;
    if (job->failed && job->error.code != ERROR_INVALID && !atomic_load(&thread->stopping))
        set_state(thread, !job->answered, job->error.text);
    job->done(job);
}

/* Reading alone decides whether it is there; that it cannot be written to is only told. */
static bool ask_probe(struct store_job *job, struct store *store, struct error *error)
{
    struct error *unwritten = &job->thread->unwritten;
    if (!store_ping(store, error))
        return false;
    unwritten->code = ERROR_NONE;
    (void)!store_writable(store, unwritten);
    return true;
}

static void done_probe(struct store_job *job)
{
    struct store_thread *thread = job->thread;
    thread->probing = false;
    if (job->failed)
        return;
    /* A single one may have met a write of ours that took its time. */
    const bool unwritten = thread->unwritten.code != ERROR_NONE;
    const bool sure = unwritten && (thread->doubted || (thread->told && !thread->away));
    thread->doubted = unwritten;
    set_state(thread, false, sure ? thread->unwritten.text : NULL);
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

bool store_thread_may_write(struct store_thread *thread)
{
    return !atomic_load(&thread->read_only);
}

bool store_thread_away(const struct store_thread *thread)
{
    return thread->away;
}

size_t store_thread_waiting(const struct store_thread *thread)
{
    return worker_waiting(thread->worker);
}
