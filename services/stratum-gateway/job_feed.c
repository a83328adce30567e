#include "services/stratum-gateway/job_feed.h"

#include "core/stratum/stratum.h"
#include "service/log.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    MESSAGE_BYTES_MAX = 256 << 10,
    ASK_TIMEOUT_MS = 2000,
    SWEEP_MS = 500,
    ARENA_BYTES = 4096,
    REPLY_ARENA_BYTES = 1 << 16,
};

static void destroy_job(struct job_feed *feed, struct feed_job *job)
{
    duplicates_clear(&job->duplicates, &feed->memory);
    free(job->text);
    free(job);
}

static bool forget_oldest(struct job_feed *feed)
{
    struct stratum_job *oldest = stratum_jobs_forget(&feed->table);
    if (oldest == NULL)
        return false;
    destroy_job(feed, feed_job_of(oldest));
    return true;
}

/* What sessions are told of it: the full shape and the shorter ones there are. */
static bool prepare_text(struct feed_job *entry)
{
    char text[JOB_SHAPES * 2 * STRATUM_NOTIFY_BYTES_MAX];
    size_t used = 0;
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
        for (int clean = 0; clean < 2; clean++) {
            size_t length = stratum_notify(&entry->job, shape, 0, entry->job.cur_time, clean,
                                           text + used, STRATUM_NOTIFY_BYTES_MAX);
            ASSERT(length > 0 || shape != JOB_SHAPE_FULL);
            entry->stratum.text[shape][clean] = span_of(NULL, length);
            used += length;
        }
    entry->text = malloc(used);
    if (entry->text == NULL)
        return false;
    memcpy(entry->text, text, used);
    used = 0;
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
        for (int clean = 0; clean < 2; clean++) {
            struct span *span = &entry->stratum.text[shape][clean];
            *span = span_of(entry->text + used, span->length);
            used += span->length;
        }
    return true;
}

static struct feed_job *prepare(const struct job *job)
{
    struct feed_job *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->job = *job;
    entry->stratum.job = &entry->job;
    if (!prepare_text(entry)) {
        free(entry);
        return NULL;
    }
    return entry;
}

static uint64_t now_ms(const struct job_feed *feed)
{
    uint64_t now = loop_now_ms(feed->loop);
    return now != 0 ? now : 1;
}

/* Makes it the current job; false where it was known. */
static bool take(struct job_feed *feed, const struct wire_job *wire)
{
    struct job job;
    struct error error;
    if (stratum_jobs_find(&feed->table, wire->job_id) != NULL)
        return false;
    bool good = job_from_wire(wire, &job, &error);
    if (good && (job.extranonce1_bytes != 4 || job.extranonce2_bytes > 8))
        good = error_set(&error, ERROR_INVALID, "its extranonces are not 4 and at most 8 bytes");
    if (!good) {
        log_error("job.invalid", "job=%016" PRIx64 " reason=\"%s\"", wire->job_id, error.text);
        return false;
    }
    struct feed_job *entry = prepare(&job);
    if (entry == NULL) {
        log_error("job.no_memory", "job=%016" PRIx64, wire->job_id);
        return false;
    }
    if (feed->table.newest + 1 - feed->table.oldest == STRATUM_JOBS_MAX)
        (void)forget_oldest(feed);
    if (!stratum_jobs_add(&feed->table, &entry->stratum, now_ms(feed))) {
        destroy_job(feed, entry);
        return false;
    }
    feed->taken++;
    log_debug("job.taken", "job=%016" PRIx64 " height=%u clean=%d sequence=%" PRIu64, job.id,
              job.height, job.clean, wire->sequence);
    return true;
}

struct feed_job *job_feed_restore(struct job_feed *feed, const struct wire_job *wire)
{
    return take(feed, wire) ? feed_job_of(stratum_jobs_current(&feed->table)) : NULL;
}

static void enter_epoch(struct job_feed *feed, uint64_t epoch)
{
    if (epoch != feed->epoch)
        log_info("scheduler.epoch", "epoch=%" PRIu64 " was=%" PRIu64, epoch, feed->epoch);
    feed->epoch = epoch;
}

/* The rules of the sequence: an older epoch is not heard; a newer one begins anew; within one, only
 * what is newer counts, and a hole is asked for. Returns whether there is a new current job. */
static bool consider(struct job_feed *feed, const struct wire_job *wire)
{
    if (wire->epoch < feed->epoch ||
        (wire->epoch == feed->epoch && wire->sequence < feed->sequence)) {
        feed->ignored++;
        return false;
    }
    bool first = wire->epoch > feed->epoch;
    bool hole = !first && wire->sequence > feed->sequence + 1;
    enter_epoch(feed, wire->epoch);
    feed->sequence = wire->sequence;
    if (hole) {
        feed->gaps++;
        job_feed_ask(feed);
    }
    return take(feed, wire);
}

static void on_published(void *context, struct span message)
{
    struct job_feed *feed = context;
    enum wire_type type;
    struct error error;
    struct wire_job wire;
    uint8_t memory[ARENA_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_peek(message, &type, &error)) {
        log_warn("feed.foreign", "reason=\"%s\"", error.text);
        return;
    }
    if (type != WIRE_TYPE_job)
        return;
    if (!wire_decode_job(message, &arena, &wire, &error)) {
        log_error("feed.undecodable", "reason=\"%s\"", error.text);
        return;
    }
    feed->heard_ms = now_ms(feed);
    if (consider(feed, &wire))
        feed->on_job(feed->context);
}

/* Jobs in a reply are the oldest first. Only those behind the last one we know are taken: older
 * ones that we missed were sent to no miner of ours. */
static void take_reply(struct job_feed *feed, const struct wire_job_reply *reply)
{
    bool any = false;
    if (reply->epoch < feed->epoch)
        return;
    if (reply->epoch == feed->epoch && stratum_jobs_current(&feed->table) != NULL &&
        reply->sequence <= feed->sequence)
        return;
    uint32_t from = reply->jobs_count;
    while (from > 0 && stratum_jobs_find(&feed->table, reply->jobs[from - 1].job_id) == NULL)
        from--;
    for (uint32_t i = from; i < reply->jobs_count; i++)
        any |= take(feed, &reply->jobs[i]);
    enter_epoch(feed, reply->epoch);
    feed->sequence = reply->sequence;
    if (any)
        feed->on_job(feed->context);
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct job_feed *feed = context;
    feed->asking = false;
    if (outcome != BUS_REPLIED)
        return;
    struct wire_job_reply reply;
    struct error error;
    size_t bytes = 2 * message.length + REPLY_ARENA_BYTES;
    void *memory = malloc(bytes);
    if (memory == NULL)
        return;
    struct arena arena = arena_over(memory, bytes);
    if (wire_decode_job_reply(message, &arena, &reply, &error))
        take_reply(feed, &reply);
    else
        log_error("feed.undecodable", "reason=\"%s\"", error.text);
    free(memory);
}

void job_feed_ask(struct job_feed *feed)
{
    const struct wire_job_request request = { .job_id = 0 };
    uint8_t message[64];
    if (feed->asking)
        return;
    size_t length = wire_encode_job_request(&request, message, sizeof message);
    ASSERT(length > 0);
    feed->asking =
        bus_request(feed->scheduler, span_of(message, length), ASK_TIMEOUT_MS, on_reply, feed);
}

/* Large pages for the sets, ahead of use. */

static struct job_feed *feed_of(struct worker_job *job)
{
    return (struct job_feed *)((char *)job - offsetof(struct job_feed, warming));
}

static void warm_next(struct job_feed *feed)
{
    if (feed->warmer == NULL || feed->is_warming ||
        !duplicates_memory_next_cold(&feed->memory, &feed->warming_extent))
        return;
    feed->is_warming = worker_submit(feed->warmer, &feed->warming);
    ASSERT(feed->is_warming); /* its queue has room for the only job there is */
}

static void on_warming_work(struct worker_job *job)
{
    struct job_feed *feed = feed_of(job);
    duplicates_memory_warm(&feed->memory, feed->warming_extent);
}

static void on_warming_done(struct worker_job *job)
{
    struct job_feed *feed = feed_of(job);
    feed->is_warming = false;
    duplicates_memory_warmed(&feed->memory, feed->warming_extent);
    if (!feed->closing)
        warm_next(feed);
}

static void open_warmer(struct job_feed *feed)
{
    struct error error;
    feed->warming = (struct worker_job){ .work = on_warming_work, .done = on_warming_done };
    feed->warmer = worker_create(feed->loop, "pages", 1, 1, &error);
    if (feed->warmer == NULL)
        log_warn("feed.pages", "reason=\"%s\"", error.text); /* slower, no worse */
    warm_next(feed);
}

static void close_warmer(struct job_feed *feed)
{
    feed->closing = true;
    if (feed->warmer != NULL)
        worker_destroy(feed->warmer);
    feed->warmer = NULL;
}

/* Dead jobs go; a tip that is gone for certain needs no set any more, because its shares carry
 * their reason from then on. */
static void on_sweep(void *context)
{
    struct job_feed *feed = context;
    uint64_t now = now_ms(feed);
    for (struct stratum_job *oldest = stratum_jobs_oldest(&feed->table);
         oldest != NULL && oldest->superseded_ms != 0 &&
         now - oldest->superseded_ms > feed->memory_ms;
         oldest = stratum_jobs_oldest(&feed->table))
        if (!forget_oldest(feed))
            break;
    for (uint64_t at = feed->table.oldest; at <= feed->table.newest; at++) {
        struct feed_job *job = feed_job_of(feed->table.ring[at % STRATUM_JOBS_MAX]);
        if (job->stratum.tip_gone_ms == 0)
            break;
        if (now - job->stratum.tip_gone_ms > STRATUM_STALE_CERTAIN_MS) {
            job->closed = true;
            duplicates_clear(&job->duplicates, &feed->memory);
        }
    }
    duplicates_memory_trim(&feed->memory);
    warm_next(feed);
    if (stratum_jobs_current(&feed->table) == NULL)
        job_feed_ask(feed);
}

/* Closes the oldest superseded job whose set holds memory: from then on its shares do not count,
 * and need no set. */
static bool make_room(struct job_feed *feed, const struct feed_job *but)
{
    for (uint64_t at = feed->table.oldest; at < feed->table.newest; at++) {
        struct feed_job *job = feed_job_of(feed->table.ring[at % STRATUM_JOBS_MAX]);
        if (job == but || !duplicates_holds_memory(&job->duplicates))
            continue;
        log_warn("job.closed", "job=%016" PRIx64 " reason=\"no room to remember more submissions\"",
                 job->job.id);
        job->closed = true;
        duplicates_clear(&job->duplicates, &feed->memory);
        return true;
    }
    return false;
}

enum duplicates_outcome job_feed_see(struct job_feed *feed, struct feed_job *job,
                                     const struct duplicates_key *key)
{
    enum duplicates_outcome outcome;
    do
        outcome = duplicates_add(&job->duplicates, &feed->memory, key);
    while (outcome == DUPLICATES_FULL && make_room(feed, job));
    return outcome;
}

void job_feed_unsee(struct job_feed *feed, uint64_t job_id, const struct duplicates_key *key)
{
    struct stratum_job *job = stratum_jobs_find(&feed->table, job_id);
    if (job != NULL)
        duplicates_remove(&feed_job_of(job)->duplicates, &feed->memory, key);
}

uint64_t job_feed_oldest(const struct job_feed *feed)
{
    struct stratum_job *job = stratum_jobs_oldest(&feed->table);
    return job != NULL ? job->ordinal : 0;
}

uint64_t job_feed_newest(const struct job_feed *feed)
{
    struct stratum_job *job = stratum_jobs_current(&feed->table);
    return job != NULL ? job->ordinal : 0;
}

bool job_feed_open(struct job_feed *feed, struct loop *loop, struct bus *bus,
                   const char *publish_url, struct bus_client *scheduler, uint64_t memory_ms,
                   size_t duplicates_bytes_max, void (*on_job)(void *context), void *context,
                   struct error *error)
{
    uint64_t seed[2];
    *feed = (struct job_feed){ .loop = loop,
                               .memory_ms = memory_ms,
                               .scheduler = scheduler,
                               .timer = { .on_due = on_sweep, .context = feed },
                               .on_job = on_job,
                               .context = context };
    stratum_jobs_init(&feed->table);
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed[0] = seed[1] = loop_clock_ns() * 0x9e3779b97f4a7c15u;
    if (!duplicates_memory_open(&feed->memory, duplicates_bytes_max, seed))
        return error_set(error, ERROR_SYSTEM, "no address space for %zu MB of submissions",
                         duplicates_bytes_max >> 20);
    feed->subscriber =
        bus_subscribe(bus, publish_url, MESSAGE_BYTES_MAX, on_published, feed, error);
    if (feed->subscriber == NULL) {
        duplicates_memory_close(&feed->memory);
        return false;
    }
    open_warmer(feed);
    loop_timer_start(loop, &feed->timer, SWEEP_MS, SWEEP_MS);
    return true;
}

void job_feed_close(struct job_feed *feed)
{
    if (feed->subscriber == NULL)
        return;
    loop_timer_stop(feed->loop, &feed->timer);
    bus_subscriber_close(feed->subscriber);
    feed->subscriber = NULL;
    while (forget_oldest(feed))
        ;
    struct stratum_job *last = stratum_jobs_current(&feed->table);
    if (last != NULL)
        destroy_job(feed, feed_job_of(last));
    stratum_jobs_init(&feed->table);
    close_warmer(feed);
    duplicates_memory_close(&feed->memory);
}
