#include "loop/worker.h"
#include "loop/inside.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

struct worker {
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct worker_job *first; /* under the mutex, as all to `ending` */
    struct worker_job **end;
    size_t waiting;
    bool ending;
    size_t queue_max;
    size_t undone; /* jobs submitted whose `done` has not run; the loop's thread only */
    unsigned thread_count;
    pthread_t threads[];
};

static void run_done(struct loop_task *task)
{
    struct worker_job *job =
        (struct worker_job *)((char *)task - offsetof(struct worker_job, task));
    job->worker->undone--;
    job->done(job);
}

static void *thread_main(void *context)
{
    struct worker *worker = context;
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (worker->first == NULL && !worker->ending)
            pthread_cond_wait(&worker->filled, &worker->mutex);
        struct worker_job *job = worker->first;
        if (job == NULL)
            break;
        worker->first = job->next;
        if (worker->first == NULL)
            worker->end = &worker->first;
        worker->waiting--;
        pthread_mutex_unlock(&worker->mutex);
        job->work(job);
        loop_post(worker->loop, &job->task);
        pthread_mutex_lock(&worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static bool start_threads(struct worker *worker, const char *name, unsigned threads,
                          struct error *error)
{
    /* Signals belong to the thread of the loop. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    while (worker->thread_count < threads && result == 0) {
        result = pthread_create(&worker->threads[worker->thread_count], NULL, thread_main, worker);
        if (result == 0) {
            char short_name[16] = { 0 }; /* the kernel's limit */
            strncpy(short_name, name, sizeof short_name - 1);
            (void)pthread_setname_np(worker->threads[worker->thread_count++], short_name);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0 || error_system(error, result, "a thread for %s cannot be started", name);
}

struct worker *worker_create(struct loop *loop, const char *name, unsigned threads,
                             size_t queue_max, struct error *error)
{
    ASSERT(threads >= 1 && queue_max >= 1);
    struct worker *worker = calloc(1, sizeof *worker + threads * sizeof(pthread_t));
    if (worker == NULL) {
        error_fill_system(error, errno, "no memory for the threads of %s", name);
        return NULL;
    }
    worker->loop = loop;
    worker->end = &worker->first;
    worker->queue_max = queue_max;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->filled, NULL);
    if (!start_threads(worker, name, threads, error)) {
        worker_destroy(worker);
        return NULL;
    }
    return worker;
}

/* The wanted one of the processors in `allowed`, counted round. */
static size_t processor_at(const cpu_set_t *allowed, unsigned wanted)
{
    unsigned left = wanted % (unsigned)CPU_COUNT(allowed);
    size_t processor = 0;
    while (!CPU_ISSET(processor, allowed) || left-- > 0)
        processor++;
    return processor;
}

bool worker_pin(struct worker *worker, unsigned first)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0)
        return false;
    for (unsigned i = 0; i < worker->thread_count; i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(processor_at(&allowed, first + i), &one);
        if (pthread_setaffinity_np(worker->threads[i], sizeof one, &one) != 0)
            return false;
    }
    return true;
}

bool worker_submit(struct worker *worker, struct worker_job *job)
{
    job->next = NULL;
    job->worker = worker;
    job->task.run = run_done;
    pthread_mutex_lock(&worker->mutex);
    bool taken = worker->waiting < worker->queue_max && !worker->ending;
    if (taken) {
        *worker->end = job;
        worker->end = &job->next;
        worker->waiting++;
        pthread_cond_signal(&worker->filled);
    }
    pthread_mutex_unlock(&worker->mutex);
    if (taken)
        worker->undone++;
    return taken;
}

size_t worker_waiting(const struct worker *worker)
{
    struct worker *locked = (struct worker *)worker;
    pthread_mutex_lock(&locked->mutex);
    size_t waiting = worker->waiting;
    pthread_mutex_unlock(&locked->mutex);
    return waiting;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    pthread_mutex_lock(&worker->mutex);
    worker->ending = true;
    pthread_cond_broadcast(&worker->filled);
    pthread_mutex_unlock(&worker->mutex);
    for (unsigned i = 0; i < worker->thread_count; i++)
        pthread_join(worker->threads[i], NULL);
    /* Every job has been posted by now; one call runs them all. */
    if (worker->undone > 0)
        loop_run_posted(worker->loop);
    ASSERT(worker->undone == 0);
    pthread_cond_destroy(&worker->filled);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}
