#include "services/share-validator/feed.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    WANTS_MAX = 128,
    WANTS_FOR_JOBS = 96, /* so that nonsense from miners never keeps a template out */
    UNKNOWN_MAX = 256,
    UNKNOWN_MS = 2000,
    JOB_PATIENCE_MS = 2000,
    JOB_TIMEOUT_MS = 500,
    TEMPLATE_TIMEOUT_MS = 5000,
    PAUSE_MS = 50,
    NOT_KEPT_LINE_MS = 1000, /* one line for all that came to no file meanwhile */
    REQUESTS_MAX = 64,
    MESSAGE_BYTES_MAX = 16 << 20,
    JOB_BYTES_MAX = 256 << 10,
    ARENA_BYTES = 2 << 20, /* 65536 transactions of 16 bytes, and room */
};

enum want_kind { WANT_NOTHING, WANT_JOB, WANT_ALL_JOBS, WANT_TEMPLATE };

struct want {
    struct feed *feed;
    enum want_kind kind;
    uint64_t id;
    uint64_t deadline_ms; /* jobs only */
    bool asked;           /* a request is under way */
    uint64_t held_id;     /* the template fetched last, and its job: while that is written */
    uint64_t held_job;
    /* what came of a template so far; NULL: nothing, or its file cannot be */
    struct template_parts *parts;
    struct keep_draft *draft;
};

struct feed {
    struct feed_options options;
    struct bus_client *client;
    struct bus_subscriber *subscriber;
    bool up;
    bool closing;
    bool let_go;        /* no template is fetched any more */
    uint64_t epoch;     /* the newest seen */
    uint64_t published; /* the last sequence seen in it */
    struct want wants[WANTS_MAX];
    struct {
        uint64_t job_id;
        uint64_t until_ms;
    } unknown[UNKNOWN_MAX];
    size_t unknown_next;
    uint64_t not_kept_ms;    /* when the last line told of jobs without a file; 0: none did */
    unsigned not_kept;       /* jobs without one since */
    struct loop_timer timer; /* runs while anything is wanted */
    uint8_t *arena_memory;
    uint8_t *job_bytes;                /* room to encode a job twice */
    struct template_parts *kept_parts; /* of the file that is being read */
    bool kept_bad;                     /* a message of it was not good */
};

static uint64_t now_ms(const struct feed *feed)
{
    return loop_now_ms(feed->options.loop);
}

static struct arena fresh_arena(struct feed *feed)
{
    return arena_over(feed->arena_memory, ARENA_BYTES);
}

bool feed_request(struct feed *feed, struct span message, unsigned timeout_ms,
                  bus_reply_handler handler, void *context)
{
    return feed->up && !feed->closing &&
           bus_request(feed->client, message, timeout_ms, handler, context);
}

static const struct want *find_held(const struct feed *feed, uint64_t template_id)
{
    for (size_t i = WANTS_FOR_JOBS; i < WANTS_MAX; i++)
        if (feed->wants[i].held_id == template_id)
            return &feed->wants[i];
    return NULL;
}

static struct want *find_want(struct feed *feed, enum want_kind kind, uint64_t id)
{
    for (size_t i = 0; i < WANTS_MAX; i++)
        if (feed->wants[i].kind == kind && feed->wants[i].id == id)
            return &feed->wants[i];
    return NULL;
}

/* Held templates are reported, answered or not: the scheduler's patience with us is short. */
static void on_held_acknowledged(void *context, enum bus_outcome outcome, struct span reply)
{
    (void)context, (void)outcome, (void)reply;
}

static void report_held(struct feed *feed, uint64_t template_id)
{
    uint8_t message[128];
    const struct wire_template_held held = { .template_id = template_id,
                                             .instance = feed->options.instance };
    size_t length = wire_encode_template_held(&held, message, sizeof message);
    if (length == 0 ||
        !feed_request(feed, span_of(message, length), JOB_PATIENCE_MS, on_held_acknowledged, feed))
        log_warn("template.held_unsaid", "template=%016" PRIx64, template_id);
}

/* Memory alone holds this job, and the operator has a line; a full disk does not fill the log. */
static void tell_not_kept(struct feed *feed, uint64_t job_id, const struct error *error)
{
    feed->not_kept++;
    if (feed->not_kept_ms != 0 && now_ms(feed) - feed->not_kept_ms < NOT_KEPT_LINE_MS)
        return; /* the next line counts it */
    log_error("job.not_kept", "job=%016" PRIx64 " jobs=%u reason=\"%s\"", job_id, feed->not_kept,
              error->text);
    feed->not_kept_ms = now_ms(feed);
    feed->not_kept = 0;
}

static void on_kept(void *context, uint64_t job_id, const struct error *error)
{
    if (error != NULL)
        tell_not_kept(context, job_id, error);
}

/* The job is in its file, or cannot be: then memory alone holds its transactions, as good as it
 * gets, and the operator has a line. */
static void on_template_kept(void *context, uint64_t job_id, const struct error *error)
{
    const struct want *want = context;
    on_kept(want->feed, job_id, error);
    if (!want->feed->closing)
        report_held(want->feed, want->held_id);
}

/* A job that needs no transactions waits for nobody. */
static void keep_job(struct feed *feed, const struct wire_job *wire)
{
    uint8_t *job = feed->job_bytes, *message = feed->job_bytes + JOB_BYTES_MAX;
    if (keep_has(feed->options.keep, wire->job_id))
        return;
    struct wire_template_reply reply = {
        .last = 1, .job = { job, wire_encode_job(wire, job, JOB_BYTES_MAX) }
    };
    size_t length = wire_encode_template_reply(&reply, message, JOB_BYTES_MAX);
    ASSERT(reply.job.length > 0 && length > 0);
    struct error error;
    if (!keep_write(feed->options.keep, wire->job_id, NULL, span_of(message, length), on_kept, feed,
                    &error))
        tell_not_kept(feed, wire->job_id, &error);
}

static void want_template_quietly(struct feed *feed, uint64_t template_id)
{
    if (!template_table_is_fresh(feed->options.templates, template_id) &&
        !feed_want_template(feed, template_id))
        log_warn("template.not_wanted", "template=%016" PRIx64 " reason=\"too much is wanted\"",
                 template_id);
}

static void want_all_jobs(struct feed *feed);

static bool take_job(struct feed *feed, const struct wire_job *wire)
{
    struct error error;
    if (job_table_take(feed->options.jobs, wire, now_ms(feed), loop_unix_ms(), &error)) {
        if (wire->template_id == 0 && feed->options.keep != NULL)
            keep_job(feed, wire);
        return true;
    }
    log_error("job.refused", "reason=\"%s\"", error.text);
    return false;
}

static void end_job_want(struct feed *feed, uint64_t job_id, enum feed_answer answer)
{
    struct want *want = find_want(feed, WANT_JOB, job_id);
    if (want != NULL && !want->asked)
        want->kind = WANT_NOTHING;
    feed->options.on_job(feed->options.context, job_id, answer);
}

static void on_published_job(struct feed *feed, struct span message)
{
    struct wire_job wire;
    struct error error;
    struct arena arena = fresh_arena(feed);
    if (!wire_decode_job(message, &arena, &wire, &error)) {
        log_warn("job.unreadable", "reason=\"%s\"", error.text);
        return;
    }
    if (wire.epoch < feed->epoch)
        return;
    if (wire.epoch > feed->epoch) {
        log_info("scheduler.epoch", "epoch=%" PRIu64 " was=%" PRIu64, wire.epoch, feed->epoch);
        feed->epoch = wire.epoch;
        feed->published = 0;
    }
    bool gap = wire.sequence > feed->published + 1;
    if (wire.sequence > feed->published)
        feed->published = wire.sequence;
    if (take_job(feed, &wire))
        end_job_want(feed, wire.job_id, FEED_KNOWN);
    want_template_quietly(feed, wire.template_id);
    if (gap)
        want_all_jobs(feed);
}

static void on_announced_template(struct feed *feed, struct span message)
{
    struct wire_template_announce wire;
    struct error error;
    struct arena arena = fresh_arena(feed);
    if (!wire_decode_template_announce(message, &arena, &wire, &error)) {
        log_warn("template.unreadable", "reason=\"%s\"", error.text);
        return;
    }
    if (wire.epoch < feed->epoch || wire.template_id == 0)
        return;
    const struct want *kept = find_held(feed, wire.template_id);
    if (kept != NULL && keep_is_writing(feed->options.keep, kept->held_job))
        return; /* it is reported when it is written */
    if (template_table_is_fresh(feed->options.templates, wire.template_id))
        report_held(feed, wire.template_id);
    else
        want_template_quietly(feed, wire.template_id);
}

static void on_published(void *context, struct span message)
{
    struct feed *feed = context;
    enum wire_type type;
    struct error error;
    if (!wire_peek(message, &type, &error))
        log_warn("scheduler.unreadable", "reason=\"%s\"", error.text);
    else if (type == WIRE_TYPE_job)
        on_published_job(feed, message);
    else if (type == WIRE_TYPE_template_announce)
        on_announced_template(feed, message);
}

static void note_unknown(struct feed *feed, uint64_t job_id)
{
    feed->unknown[feed->unknown_next].job_id = job_id;
    feed->unknown[feed->unknown_next].until_ms = now_ms(feed) + UNKNOWN_MS;
    feed->unknown_next = (feed->unknown_next + 1) % UNKNOWN_MAX;
}

bool feed_job_is_unknown(const struct feed *feed, uint64_t job_id)
{
    for (size_t i = 0; i < UNKNOWN_MAX; i++)
        if (feed->unknown[i].job_id == job_id && feed->unknown[i].until_ms > now_ms(feed))
            return true;
    return false;
}

/* The reply to "all alive" also says how far the publications have come. */
static void take_all_jobs(struct feed *feed, const struct wire_job_reply *reply)
{
    if (reply->epoch > feed->epoch) {
        feed->epoch = reply->epoch;
        feed->published = 0;
    }
    if (reply->epoch == feed->epoch && reply->sequence > feed->published)
        feed->published = reply->sequence;
    for (uint32_t i = 0; i < reply->jobs_count; i++) {
        if (take_job(feed, &reply->jobs[i]))
            end_job_want(feed, reply->jobs[i].job_id, FEED_KNOWN);
        want_template_quietly(feed, reply->jobs[i].template_id);
    }
}

static void on_jobs(void *context, enum bus_outcome outcome, struct span reply)
{
    struct want *want = context;
    struct feed *feed = want->feed;
    want->asked = false;
    if (feed->closing || outcome != BUS_REPLIED)
        return; /* the timer asks again, or gives up */
    struct wire_job_reply decoded;
    struct error error;
    struct arena arena = fresh_arena(feed);
    const enum want_kind kind = want->kind;
    const uint64_t id = want->id;
    want->kind = WANT_NOTHING;
    if (!wire_decode_job_reply(reply, &arena, &decoded, &error)) {
        log_warn("job.unreadable", "reason=\"%s\"", error.text);
        if (kind == WANT_JOB)
            feed->options.on_job(feed->options.context, id, FEED_UNREACHED);
        return;
    }
    if (kind == WANT_ALL_JOBS) {
        take_all_jobs(feed, &decoded);
        return;
    }
    bool known = job_table_find(feed->options.jobs, id) != NULL;
    for (uint32_t i = 0; i < decoded.jobs_count && !known; i++)
        known = take_job(feed, &decoded.jobs[i]) && decoded.jobs[i].job_id == id;
    if (!known)
        note_unknown(feed, id);
    feed->options.on_job(feed->options.context, id, known ? FEED_KNOWN : FEED_UNKNOWN);
}

static void ask(struct want *want);

/* What was begun of the template is let go of. */
static void drop_parts(struct want *want)
{
    template_parts_destroy(want->parts);
    want->parts = NULL;
    keep_drop(want->draft);
    want->draft = NULL;
}

/* Brings template and job to the end of their file as they came; false: there is nothing to wait
 * for, and where there should have been, a line tells why. */
static bool keep_template(struct want *want, const struct wire_template_reply *decoded,
                          struct span message)
{
    struct feed *feed = want->feed;
    struct keep_draft *draft = want->draft;
    bool begun = decoded->first == 0 || draft != NULL;
    struct wire_job job;
    struct error error;
    uint8_t memory[1024];
    struct arena arena = arena_over(memory, sizeof memory);
    if (feed->options.keep == NULL || decoded->job.length == 0)
        return false; /* the draft goes with the rest */
    if (!wire_decode_job(decoded->job, &arena, &job, &error)) {
        tell_not_kept(feed, 0, &error);
        return false;
    }
    if (keep_has(feed->options.keep, job.job_id)) /* being written: reported by whoever does */
        return find_held(feed, decoded->template_id) != NULL &&
               keep_is_writing(feed->options.keep, job.job_id);
    want->draft = NULL; /* taken */
    if (!begun)
        error_fill(&error, ERROR_FULL, "too much is being written");
    if (!begun || !keep_write(feed->options.keep, job.job_id, draft, message, on_template_kept,
                              want, &error)) {
        tell_not_kept(feed, job.job_id, &error);
        return false;
    }
    want->held_id = decoded->template_id;
    want->held_job = job.job_id;
    return true;
}

/* The next of its transactions; false, with the sentence, where they make none. */
static bool take_piece(struct want *want, const struct wire_template_reply *decoded,
                       struct span message, struct error *error)
{
    struct keep *keep = want->feed->options.keep;
    if (want->parts == NULL)
        want->parts = template_parts_create();
    if (want->parts == NULL)
        return error_set(error, ERROR_FULL, "no memory for the transactions of a template");
    if (!template_parts_add(want->parts, decoded, error))
        return false;
    if (decoded->last != 0 || keep == NULL || decoded->transactions_count == 0)
        return true;
    if (decoded->first == 0)
        want->draft = keep_begin(keep, decoded->template_id);
    if (want->draft != NULL)
        keep_add(want->draft, message);
    return true;
}

static void take_template(struct want *want, const struct wire_template_reply *decoded,
                          struct span message)
{
    struct feed *feed = want->feed;
    struct error error;
    if (!take_piece(want, decoded, message, &error)) {
        log_error("template.refused", "reason=\"%s\"", error.text);
        want->kind = WANT_NOTHING;
        drop_parts(want);
        return;
    }
    if (decoded->last == 0) {
        if (decoded->transactions_count > 0)
            ask(want); /* else the timer does */
        return;
    }
    want->kind = WANT_NOTHING;
    template_table_take(feed->options.templates, want->id, want->parts, false);
    want->parts = NULL;
    if (!keep_template(want, decoded, message))
        report_held(feed, want->id);
    drop_parts(want);
    feed->options.on_template(feed->options.context, want->id, FEED_KNOWN);
}

static void on_template(void *context, enum bus_outcome outcome, struct span reply)
{
    struct want *want = context;
    struct feed *feed = want->feed;
    want->asked = false;
    if (feed->closing || feed->let_go || outcome != BUS_REPLIED)
        return;
    struct wire_template_reply decoded;
    struct error error;
    struct arena arena = fresh_arena(feed);
    bool readable = wire_decode_template_reply(reply, &arena, &decoded, &error);
    if (readable && decoded.template_id == want->id) {
        take_template(want, &decoded, reply);
        return;
    }
    want->kind = WANT_NOTHING;
    drop_parts(want);
    if (readable)
        feed->options.on_template(feed->options.context, want->id, FEED_UNKNOWN);
    else
        log_warn("template.unreadable", "reason=\"%s\"", error.text);
}

static void ask(struct want *want)
{
    struct feed *feed = want->feed;
    uint8_t message[32];
    size_t length;
    bus_reply_handler handler = on_jobs;
    unsigned timeout_ms = JOB_TIMEOUT_MS;
    if (want->kind == WANT_TEMPLATE) {
        const struct wire_template_request request = {
            .template_id = want->id,
            .first = want->parts != NULL ? template_parts_count(want->parts) : 0
        };
        length = wire_encode_template_request(&request, message, sizeof message);
        handler = on_template;
        timeout_ms = TEMPLATE_TIMEOUT_MS;
    } else {
        const struct wire_job_request request = { .job_id = want->id };
        length = wire_encode_job_request(&request, message, sizeof message);
    }
    ASSERT(length > 0);
    want->asked = feed_request(feed, span_of(message, length), timeout_ms, handler, want);
}

static void on_timer(void *context)
{
    struct feed *feed = context;
    bool more = false;
    for (size_t i = 0; i < WANTS_MAX; i++) {
        struct want *want = &feed->wants[i];
        if (want->kind == WANT_NOTHING)
            continue;
        if (want->kind == WANT_JOB && !want->asked && now_ms(feed) >= want->deadline_ms) {
            want->kind = WANT_NOTHING;
            feed->options.on_job(feed->options.context, want->id, FEED_UNREACHED);
            continue;
        }
        if (!want->asked)
            ask(want);
        more = true;
    }
    if (more && !loop_timer_running(&feed->timer))
        loop_timer_start(feed->options.loop, &feed->timer, PAUSE_MS, 0);
}

static bool want_it(struct feed *feed, enum want_kind kind, uint64_t id)
{
    if (find_want(feed, kind, id) != NULL)
        return true;
    size_t end = kind == WANT_JOB ? WANTS_FOR_JOBS : WANTS_MAX;
    for (size_t i = kind == WANT_JOB ? 0 : WANTS_FOR_JOBS; i < end; i++) {
        struct want *want = &feed->wants[i];
        /* One that is over may still have its request under way. */
        if (want->kind != WANT_NOTHING || want->asked ||
            (want->held_id != 0 && keep_is_writing(feed->options.keep, want->held_job)))
            continue;
        *want = (struct want){
            .feed = feed, .kind = kind, .id = id, .deadline_ms = now_ms(feed) + JOB_PATIENCE_MS
        };
        ask(want);
        if (!loop_timer_running(&feed->timer))
            loop_timer_start(feed->options.loop, &feed->timer, PAUSE_MS, 0);
        return true;
    }
    return false;
}

bool feed_want_job(struct feed *feed, uint64_t job_id)
{
    return want_it(feed, WANT_JOB, job_id);
}

bool feed_want_template(struct feed *feed, uint64_t template_id)
{
    return want_it(feed, WANT_TEMPLATE, template_id);
}

static void want_all_jobs(struct feed *feed)
{
    if (!want_it(feed, WANT_ALL_JOBS, 0))
        log_warn("job.not_wanted", "reason=\"too much is wanted\"");
}

static void on_up(void *context)
{
    struct feed *feed = context;
    feed->up = true;
    want_all_jobs(feed);
    on_timer(feed); /* what waited for the connection */
    feed->options.on_link(feed->options.context, true);
}

static void on_down(void *context)
{
    struct feed *feed = context;
    feed->up = false;
    if (!feed->closing)
        feed->options.on_link(feed->options.context, false);
}

static bool take_kept(struct feed *feed, struct span message, bool last, struct error *error)
{
    struct wire_template_reply reply;
    struct wire_job job;
    struct arena arena = fresh_arena(feed);
    if (!wire_decode_template_reply(message, &arena, &reply, error))
        return false;
    if (feed->kept_parts == NULL)
        feed->kept_parts = template_parts_create();
    if (feed->kept_parts == NULL)
        return error_set(error, ERROR_FULL, "no memory for the transactions of a template");
    if (!template_parts_add(feed->kept_parts, &reply, error))
        return false;
    if (!last)
        return true;
    if (!wire_decode_job(reply.job, &arena, &job, error))
        return false;
    if (reply.template_id != 0) {
        template_table_take(feed->options.templates, reply.template_id, feed->kept_parts, true);
        feed->kept_parts = NULL;
    }
    job.sequence = 0;
    return job_table_take(feed->options.jobs, &job, now_ms(feed), loop_unix_ms(), error);
}

static void on_kept_file(void *context, uint64_t job_id, struct span message, bool last)
{
    struct feed *feed = context;
    struct error error;
    if (!feed->kept_bad && !take_kept(feed, message, last, &error)) {
        feed->kept_bad = true; /* nor is the rest of it looked at */
        log_error("job.not_read", "job=%016" PRIx64 " reason=\"%s\"", job_id, error.text);
    }
    if (!last)
        return;
    feed->kept_bad = false;
    template_parts_destroy(feed->kept_parts);
    feed->kept_parts = NULL;
}

static void on_file_trouble(void *context, const char *sentence)
{
    (void)context;
    log_error("job.not_read", "reason=\"%s\"", sentence);
}

void feed_read_kept(struct feed *feed)
{
    if (feed->options.keep == NULL)
        return;
    keep_read(feed->options.keep, &(struct keep_reader){ .visitor = on_kept_file,
                                                         .on_trouble = on_file_trouble,
                                                         .context = feed });
    if (keep_count(feed->options.keep) > 0)
        log_info("job.kept", "jobs=%zu", keep_count(feed->options.keep));
}

struct feed *feed_create(const struct feed_options *options, struct error *error)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed != NULL) {
        feed->arena_memory = malloc(ARENA_BYTES);
        feed->job_bytes = malloc((size_t)2 * JOB_BYTES_MAX);
    }
    if (feed == NULL || feed->arena_memory == NULL || feed->job_bytes == NULL) {
        error_fill(error, ERROR_FULL, "no memory for the connection to inode-scheduler");
        if (feed != NULL) {
            free(feed->arena_memory);
            free(feed->job_bytes);
        }
        free(feed);
        return NULL;
    }
    feed->options = *options;
    for (size_t i = 0; i < WANTS_MAX; i++)
        feed->wants[i].feed = feed;
    feed->timer = (struct loop_timer){ .on_due = on_timer, .context = feed };
    const struct bus_client_options client = { .in_flight_max = REQUESTS_MAX,
                                               .message_bytes_max = MESSAGE_BYTES_MAX,
                                               .on_up = on_up,
                                               .on_down = on_down,
                                               .context = feed };
    feed->client = bus_connect(options->bus, options->scheduler_url, &client, error);
    if (feed->client != NULL)
        feed->subscriber = bus_subscribe(options->bus, options->publish_url, MESSAGE_BYTES_MAX,
                                         on_published, feed, error);
    if (feed->subscriber == NULL) {
        feed_destroy(feed);
        return NULL;
    }
    return feed;
}

void feed_let_go(struct feed *feed)
{
    if (feed == NULL)
        return;
    feed->let_go = true;
    for (size_t i = 0; i < WANTS_MAX; i++)
        drop_parts(&feed->wants[i]);
}

void feed_destroy(struct feed *feed)
{
    if (feed == NULL)
        return;
    feed->closing = true;
    loop_timer_stop(feed->options.loop, &feed->timer);
    if (feed->subscriber != NULL)
        bus_subscriber_close(feed->subscriber);
    if (feed->client != NULL)
        bus_client_close(feed->client);
    free(feed->arena_memory);
    free(feed->job_bytes);
    free(feed);
}
