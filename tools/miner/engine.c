#include "tools/miner/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_s(double seconds)
{
    struct timespec time = { .tv_sec = (time_t)seconds };
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

/* One header's worth of nonces for one thread. */
struct unit {
    struct work_job job;
    uint64_t round;
    uint8_t extranonce2[WORK_EXTRANONCE_BYTES_MAX];
    uint32_t version_bits;
};

/* Waits for a job; false when stopping. */
static bool take_unit(struct engine *engine, struct unit *unit)
{
    pthread_mutex_lock(&engine->lock);
    while (engine->job == NULL && !engine->stopping)
        pthread_cond_wait(&engine->work, &engine->lock);
    bool go = !engine->stopping;
    if (go) {
        uint64_t counter = engine->next_extranonce2++;
        unit->round = atomic_load(&engine->round);
        unit->job = *engine->job;
        /* The counter's low bits choose the version bits too, where they may be rolled. */
        uint32_t mask = unit->job.version_mask;
        unit->version_bits = mask == 0 ? 0 : ((uint32_t)counter * 0x00e6d000U) & mask;
        memset(unit->extranonce2, 0, sizeof unit->extranonce2);
        for (size_t i = 0; i < unit->job.extranonce2_bytes && i < 8; i++)
            unit->extranonce2[i] = (uint8_t)(counter >> (8 * i));
    }
    pthread_mutex_unlock(&engine->lock);
    return go;
}

static void report(struct engine *engine, const struct unit *unit, uint32_t nonce)
{
    struct client_share share = { .extranonce2_bytes = unit->job.extranonce2_bytes,
                                  .time = unit->job.time,
                                  .nonce = nonce,
                                  .version_bits = unit->version_bits,
                                  .with_version = unit->job.version_mask != 0,
                                  .difficulty = unit->job.difficulty };
    uint8_t header[MINER_HEADER_BYTES];
    uint64_t one = 1;
    memcpy(share.job_id, unit->job.id, sizeof share.job_id);
    memcpy(share.extranonce2, unit->extranonce2, sizeof share.extranonce2);
    /* Built and hashed again from the job, by other code: what is submitted is a share. */
    work_header(&unit->job, unit->extranonce2, unit->version_bits, header);
    store_le32(header + 76, nonce);
    miner_hash_reference(engine->options.algorithm, header, share.digest);
    ASSERT(miner_target_met(share.digest, unit->job.target));
    share.is_block = miner_target_met(share.digest, unit->job.network_target);
    pthread_mutex_lock(&engine->lock);
    bool current = unit->round == atomic_load(&engine->round);
    if (current && engine->queued < ENGINE_QUEUE_MAX)
        engine->queue[engine->queued++] = share;
    else if (current)
        engine->dropped++;
    pthread_mutex_unlock(&engine->lock);
    if (write(engine->found_fd, &one, sizeof one) < 0)
        ASSERT(errno == EAGAIN);
}

/* Keeps to the limits: sleeps so that the hashes since `begin` took as long as they should. */
static void pace(const struct engine_options *options, uint32_t tried, double begin)
{
    double took = now_s() - begin;
    double wished = took;
    if (options->hashrate_limit > 0)
        wished = (double)tried * options->threads / options->hashrate_limit;
    if (options->throttle_percent < 100) {
        double paced = took * 100.0 / options->throttle_percent;
        wished = paced > wished ? paced : wished;
    }
    if (wished > took)
        sleep_s(wished - took < 1 ? wished - took : 1);
}

static uint32_t batch_size(const struct engine_options *options)
{
    uint32_t batch = options->algorithm == MINER_SCRYPT ? 32 : 32768;
    double per_thread = options->hashrate_limit / options->threads;
    /* About ten batches a second keep a limited miner smooth and its reaction quick. */
    if (options->hashrate_limit > 0 && per_thread / 10 < batch)
        batch = per_thread < 10 ? 1 : (uint32_t)(per_thread / 10);
    return batch;
}

static void *thread_main(void *argument)
{
    struct engine *engine = argument;
    struct unit *unit = malloc(sizeof *unit);
    uint32_t batch = batch_size(&engine->options);
    ASSERT(unit != NULL);
    while (take_unit(engine, unit)) {
        struct miner_scan scan;
        uint8_t header[MINER_HEADER_BYTES];
        uint32_t nonce = 0;
        bool more = true;
        work_header(&unit->job, unit->extranonce2, unit->version_bits, header);
        miner_scan_init(&scan, engine->options.algorithm, header, unit->job.target);
        while (more && atomic_load_explicit(&engine->round, memory_order_relaxed) == unit->round) {
            uint32_t tried = 0;
            double begin = now_s();
            bool found = miner_scan_run(&scan, &nonce, batch, &tried);
            atomic_fetch_add_explicit(&engine->hashes, tried, memory_order_relaxed);
            if (found)
                report(engine, unit, nonce++);
            more = nonce != 0;
            pace(&engine->options, tried, begin);
        }
    }
    free(unit);
    return NULL;
}

bool engine_start(struct engine *engine, const struct engine_options *options, struct error *error)
{
    memset(engine, 0, sizeof *engine);
    engine->options = *options;
    engine->found_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (engine->found_fd < 0)
        return error_system(error, errno, "cannot make an eventfd");
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->work, NULL);
    for (unsigned i = 0; i < options->threads; i++)
        if (pthread_create(&engine->threads[i], NULL, thread_main, engine) != 0) {
            engine->options.threads = i;
            engine_stop(engine);
            return error_set(error, ERROR_SYSTEM, "cannot start %u threads", options->threads);
        }
    return true;
}

void engine_stop(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    atomic_fetch_add(&engine->round, 1);
    pthread_cond_broadcast(&engine->work);
    pthread_mutex_unlock(&engine->lock);
    for (unsigned i = 0; i < engine->options.threads; i++)
        pthread_join(engine->threads[i], NULL);
    free(engine->job);
    engine->job = NULL;
    pthread_cond_destroy(&engine->work);
    pthread_mutex_destroy(&engine->lock);
    close(engine->found_fd);
}

void engine_set_job(struct engine *engine, const struct work_job *job)
{
    struct work_job *copy = NULL;
    if (job != NULL) {
        copy = malloc(sizeof *copy);
        ASSERT(copy != NULL);
        *copy = *job;
    }
    pthread_mutex_lock(&engine->lock);
    free(engine->job);
    engine->job = copy;
    engine->queued = 0; /* shares of the old job would be late */
    atomic_fetch_add(&engine->round, 1);
    pthread_cond_broadcast(&engine->work);
    pthread_mutex_unlock(&engine->lock);
}

bool engine_take(struct engine *engine, struct client_share *share_r)
{
    pthread_mutex_lock(&engine->lock);
    bool any = engine->queued > 0;
    if (any) {
        *share_r = engine->queue[0];
        memmove(engine->queue, engine->queue + 1, --engine->queued * sizeof *engine->queue);
    }
    pthread_mutex_unlock(&engine->lock);
    return any;
}
