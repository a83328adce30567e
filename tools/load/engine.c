#include "tools/load/engine.h"

#include "tools/load/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    RECEIVE_BYTES = 64 << 10,
    WRITE_BYTES = 64 << 10,
    WAVES = 64,
    DUE_A_ROUND = 512,
    SLEEP_NS_MIN = 50000, /* a due submission may be this much late: it is counted as late */
    STRAGGLERS_MS = 3000,
    RECORDED_STRAGGLERS_MS = 40000, /* longer than a pool holds a share */
    RECONNECT_MS = 50,
    CONNECT_PATIENCE_S = 60,
};

enum phase { PHASE_CONNECT = 1, PHASE_WARM_UP, PHASE_MEASURE, PHASE_STRAGGLERS, PHASE_DONE };

/* A job, or all jobs on one tip, and how they reached the miners. */
struct wave {
    struct line_job job;
    uint64_t first_ns, last_ns;
    uint32_t count; /* miners that have it */
    bool told;
};

struct engine {
    const struct load_options *options;
    struct load_result *result;
    struct connection *connections;
    uint32_t opened, mining;
    int epoll;
    enum phase phase;
    uint64_t phase_end_ns, begin_ns, end_ns, due_ns;
    uint64_t random;
    uint32_t wave; /* number of the newest job, from 1; its place is the number modulo WAVES */
    struct wave waves[WAVES];
    uint32_t tip; /* the same for tips */
    struct wave tips[WAVES];
    struct error refusal; /* what the pool said last when it refused a miner */
    double cpu_begin;
    uint32_t closed; /* that are to come again */
    uint64_t reconnect_ns;
    struct histogram slice;
    uint64_t slice_ns; /* the end of the present one */
    uint64_t slice_accepted;
    char received[RECEIVE_BYTES];
    char write[WRITE_BYTES];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t unix_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t random_next(struct engine *engine)
{
    uint64_t z = engine->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void tell(struct engine *engine, const char *name)
{
    if (engine->options->events == NULL)
        return;
    fprintf(engine->options->events, "@%s\n", name);
    fflush(engine->options->events);
}

/* Connections. */

static void watch(struct engine *engine, struct connection *connection)
{
    bool writes = connection->output_bytes > 0;
    if (writes == connection->writes)
        return;
    connection->writes = writes;
    struct epoll_event event = { .events = EPOLLIN | (writes ? (uint32_t)EPOLLOUT : 0),
                                 .data.ptr = connection };
    (void)epoll_ctl(engine->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

static void record(const struct engine *engine, const struct connection *connection,
                   const struct submission *submission, uint64_t number, int end)
{
    ASSERT(engine->wave - submission->job < WAVES);
    struct record_line line = { .end = end,
                                .miner = connection->index,
                                .session = connection->session,
                                .number = number,
                                .sent_us = submission->sent_us,
                                .ended_us = unix_us() };
    memcpy(line.job, engine->waves[submission->job % WAVES].job.id, sizeof line.job);
    record_write(engine->options->record, &line);
}

/* What is under way on a connection that ends will not be answered any more. */
static void record_lost(const struct engine *engine, const struct connection *connection)
{
    if (engine->options->record == NULL || connection->submissions == NULL)
        return;
    for (uint64_t i = connection->first; i < connection->next; i++) {
        const struct submission *submission =
            &connection->submissions[i & (connection->submissions_capacity - 1)];
        if (submission->due_ns != 0)
            record(engine, connection, submission, i, RECORD_LOST);
    }
}

static void lose(struct engine *engine, struct connection *connection)
{
    if (connection->state == CONNECTION_MINING)
        engine->mining--;
    engine->result->counts.lost +=
        connection->state == CONNECTION_MINING || !engine->options->reconnect;
    record_lost(engine, connection);
    connection_close(connection);
    connection->again_ns = now_ns() + RECONNECT_MS * 1000000ull;
    engine->closed++;
}

static void user_of(const struct engine *engine, const struct connection *connection,
                    char user_r[LINES_USER_BYTES_MAX])
{
    const char *pattern = engine->options->user, *place = strstr(pattern, "%u");
    uint32_t number = connection->index % engine->options->users;
    if (place == NULL)
        snprintf(user_r, LINES_USER_BYTES_MAX, "%s", pattern);
    else
        snprintf(user_r, LINES_USER_BYTES_MAX, "%.*s%" PRIu32 "%s", (int)(place - pattern), pattern,
                 number, place + 2);
}

static bool open_one(struct engine *engine, struct connection *connection, struct error *error)
{
    const struct load_options *options = engine->options;
    connection->index = options->first_index + (uint32_t)(connection - engine->connections);
    const struct load_address *to = &options->addresses[connection->index % options->address_count];
    uint32_t source = options->sources == 0 ? 0
                                            : htonl(INADDR_LOOPBACK + 1 + options->first_source +
                                                    connection->index % options->sources);
    if (!load_connection_open(connection, to->ip, to->port, source))
        return error_system(error, errno, "cannot connect miner %" PRIu32, connection->index);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = connection };
    connection->writes = true;
    if (epoll_ctl(engine->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        return error_system(error, errno, "epoll");
    connection->session++;
    return true;
}

/* Those that were lost come again, a round of them each RECONNECT_MS. */
static void reconnect(struct engine *engine, uint64_t at_ns)
{
    struct error error;
    if (!engine->options->reconnect || engine->closed == 0 || at_ns < engine->reconnect_ns)
        return;
    engine->reconnect_ns = at_ns + RECONNECT_MS * 1000000ull / 2;
    for (uint32_t i = 0; i < engine->opened; i++) {
        struct connection *connection = &engine->connections[i];
        if (connection->state == CONNECTION_CLOSED && at_ns >= connection->again_ns &&
            open_one(engine, connection, &error))
            engine->closed--;
    }
}

static bool connected(struct engine *engine, struct connection *connection)
{
    int trouble = 0;
    socklen_t length = sizeof trouble;
    char user[LINES_USER_BYTES_MAX], text[512];
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &trouble, &length) != 0 || trouble != 0) {
        error_fill_system(&engine->refusal, trouble, "cannot connect to the pool");
        return false;
    }
    user_of(engine, connection, user);
    connection->state = CONNECTION_LOGIN;
    return connection_send(connection, text, line_login(user, text, sizeof text));
}

/* Submissions. */

static bool prepare(struct engine *engine, struct connection *connection)
{
    char user[LINES_USER_BYTES_MAX];
    if (connection->submit_job == connection->wave && connection->submit != NULL)
        return true;
    if (connection->submit == NULL)
        connection->submit = malloc(sizeof *connection->submit);
    if (connection->submit == NULL)
        return false;
    user_of(engine, connection, user);
    line_submit_begin(connection->submit, user, &engine->waves[connection->wave % WAVES].job,
                      connection->extranonce2_bytes);
    connection->submit->ntime += (uint32_t)engine->options->ntime_offset;
    connection->submit_job = connection->wave;
    return true;
}

/* `count` submissions, in as few writes as fit. False: the connection is lost. */
static bool submit(struct engine *engine, struct connection *connection, uint32_t count,
                   uint64_t due_ns)
{
    struct load_counts *counts = &engine->result->counts;
    if (!prepare(engine, connection))
        return false;
    const struct line_submit *line = connection->submit;
    const struct submission submission = { .due_ns = due_ns,
                                           .sent_us =
                                               engine->options->record != NULL ? unix_us() : 0,
                                           .job = connection->submit_job };
    while (count > 0) {
        size_t used = 0;
        for (; count > 0 && used + line->length <= WRITE_BYTES; count--) {
            uint64_t number = connection_note(connection, &submission);
            line_submit_write(line, connection_id_of(number), number, engine->write + used);
            used += line->length;
            counts->submitted++;
        }
        counts->writes++;
        counts->bytes_out += used;
        if (!connection_send(connection, engine->write, used))
            return false;
    }
    watch(engine, connection);
    return true;
}

/* Answers. */

static bool is_measured(const struct engine *engine, uint64_t due_ns)
{
    if (engine->options->mode == LOAD_RATE)
        return due_ns >= engine->begin_ns && due_ns < engine->end_ns &&
               engine->phase >= PHASE_MEASURE;
    return engine->phase == PHASE_MEASURE;
}

static void answered(struct engine *engine, struct connection *connection, uint32_t id,
                     enum line_kind kind, int code, uint64_t at_ns)
{
    struct load_counts *counts = &engine->result->counts;
    struct submission submission;
    uint64_t number;
    if (!connection_answered(connection, id, &submission, &number)) {
        counts->unmatched++;
        return;
    }
    if (engine->options->record != NULL)
        record(engine, connection, &submission, number,
               kind == LINE_TRUE ? RECORD_ACCEPTED
               : code > 0        ? code
                                 : 1);
    if (engine->options->slice_ms != 0) {
        histogram_add(&engine->slice, at_ns - submission.due_ns);
        engine->slice_accepted += kind == LINE_TRUE;
    }
    if (!is_measured(engine, submission.due_ns))
        return;
    histogram_add(&engine->result->latency, at_ns - submission.due_ns);
    if (kind == LINE_TRUE) {
        counts->accepted++;
        return;
    }
    counts->rejected++;
    counts->codes[code > 0 && code < 100 ? code : 0]++;
}

static void begin_mining(struct engine *engine, struct connection *connection)
{
    if (connection->state != CONNECTION_LOGIN || !connection->subscribed ||
        !connection->authorised || connection->wave == 0)
        return;
    connection->state = CONNECTION_MINING;
    engine->mining++;
}

static void tell_wave(struct engine *engine, const char *name, struct wave *wave)
{
    if (engine->options->events == NULL || wave->told)
        return;
    wave->told = true;
    fprintf(engine->options->events,
            "@%s {\"job\":\"%s\",\"previous\":\"%s\",\"clean\":%s,\"branches\":%u,"
            "\"miners\":%" PRIu32 ",\"first_ns\":%" PRIu64 ",\"last_ns\":%" PRIu64 "}\n",
            name, wave->job.id, wave->job.previous, wave->job.clean ? "true" : "false",
            wave->job.branches, wave->count, wave->first_ns, wave->last_ns);
    fflush(engine->options->events);
}

/* The wave of this job, or of its tip: one of the newest, or a new one. Its number. */
static uint32_t wave_of(struct wave *waves, uint32_t *newest, const struct line_job *job,
                        bool by_tip, uint64_t at_ns)
{
    /* Several gateways may be a few jobs apart. */
    uint32_t oldest = *newest > WAVES / 2 ? *newest - WAVES / 2 : 0;
    for (uint32_t number = *newest; number > oldest; number--) {
        const struct line_job *seen = &waves[number % WAVES].job;
        if (by_tip ? strcmp(seen->previous, job->previous) == 0 : strcmp(seen->id, job->id) == 0)
            return number;
    }
    waves[++*newest % WAVES] = (struct wave){ .job = *job, .first_ns = at_ns };
    return *newest;
}

/* One more miner has it; the last one makes it known. */
static void count_miner(struct engine *engine, const char *name, struct wave *wave, uint64_t at_ns)
{
    wave->last_ns = at_ns;
    if (++wave->count == engine->options->connections && engine->options->mode == LOAD_FANOUT)
        tell_wave(engine, name, wave);
}

static bool on_notify(struct engine *engine, struct connection *connection, const char *line,
                      size_t length, uint64_t at_ns)
{
    struct line_job job;
    if (!line_read_notify(line, length, &job))
        return false;
    uint32_t wave = wave_of(engine->waves, &engine->wave, &job, false, at_ns);
    uint32_t tip = wave_of(engine->tips, &engine->tip, &job, true, at_ns);
    bool news = wave != connection->wave, new_tip = tip != connection->tip;
    connection->wave = wave;
    connection->tip = tip;
    begin_mining(engine, connection);
    if (news)
        count_miner(engine, "wave", &engine->waves[wave % WAVES], at_ns);
    if (new_tip)
        count_miner(engine, "tip", &engine->tips[tip % WAVES], at_ns);
    return true;
}

static bool on_login_answer(struct engine *engine, struct connection *connection, const char *line,
                            size_t length, uint32_t id, enum line_kind kind)
{
    if (kind == LINE_ERROR) {
        error_fill(&engine->refusal, ERROR_REFUSED, "the pool said: %.*s",
                   length < 300 ? (int)length : 300, line);
        return false;
    }
    if (id == LINES_ID_SUBSCRIBE) {
        if (!line_read_subscribed(line, length, &connection->extranonce2_bytes))
            return false;
        connection->subscribed = true;
    } else if (id == LINES_ID_AUTHORIZE) {
        connection->authorised = true;
    }
    begin_mining(engine, connection);
    return true;
}

/* False: what it says cannot be used. */
static bool on_line(struct engine *engine, struct connection *connection, const char *line,
                    size_t length, uint64_t at_ns)
{
    uint32_t id;
    int code;
    enum line_kind kind = line_read(line, length, &id, &code);
    switch (kind) {
    case LINE_TRUE:
    case LINE_ERROR:
        if (connection->state == CONNECTION_MINING || id >= LINES_ID_FIRST) {
            answered(engine, connection, id, kind, code, at_ns);
            return true;
        }
        return on_login_answer(engine, connection, line, length, id, kind);
    case LINE_ANSWER:
        return on_login_answer(engine, connection, line, length, id, kind);
    case LINE_NOTIFY:
        return on_notify(engine, connection, line, length, at_ns);
    case LINE_EXTRANONCE:
    case LINE_DIFFICULTY:
    case LINE_OTHER:
        break;
    }
    return true;
}

static bool on_bytes(struct engine *engine, struct connection *connection, const char *bytes,
                     size_t length, uint64_t at_ns)
{
    size_t start = 0;
    if (connection->input_bytes > 0) {
        const char *newline = memchr(bytes, '\n', length);
        size_t rest = newline != NULL ? (size_t)(newline - bytes) : length;
        if (!connection_keep_input(connection, bytes, rest))
            return false;
        if (newline == NULL)
            return true;
        size_t whole = connection->input_bytes;
        connection->input_bytes = 0;
        if (!on_line(engine, connection, connection->input, whole, at_ns))
            return false;
        start = rest + 1;
    }
    while (start < length) {
        const char *newline = memchr(bytes + start, '\n', length - start);
        if (newline == NULL)
            return connection_keep_input(connection, bytes + start, length - start);
        size_t end = (size_t)(newline - bytes);
        if (!on_line(engine, connection, bytes + start, end - start, at_ns))
            return false;
        start = end + 1;
    }
    if (connection->input != NULL && engine->options->mode >= LOAD_IDLE) {
        free(connection->input);
        connection->input = NULL;
        connection->input_capacity = 0;
    }
    return true;
}

/* What a saturating connection has room for, as soon as that is a burst. */
static bool refill(struct engine *engine, struct connection *connection, uint64_t at_ns)
{
    const struct load_options *options = engine->options;
    if (options->mode != LOAD_SATURATE || connection->state != CONNECTION_MINING ||
        engine->phase < PHASE_WARM_UP || engine->phase > PHASE_MEASURE ||
        connection->in_flight >= options->in_flight)
        return true;
    return submit(engine, connection, options->in_flight - connection->in_flight, at_ns);
}

static void on_ready(struct engine *engine, struct connection *connection, uint32_t ready)
{
    struct load_counts *counts = &engine->result->counts;
    bool good = true;
    if (connection->state == CONNECTION_CLOSED)
        return;
    if ((ready & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        good = connection->state == CONNECTION_CONNECTING ? connected(engine, connection)
                                                          : connection_flush(connection);
        if (good)
            watch(engine, connection);
    }
    if (good && (ready & EPOLLIN) != 0) {
        ssize_t got = recv(connection->fd, engine->received, sizeof engine->received, 0);
        uint64_t at_ns = now_ns();
        good = got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
        if (got > 0) {
            counts->reads++;
            counts->bytes_in += (uint64_t)got;
            good = on_bytes(engine, connection, engine->received, (size_t)got, at_ns) &&
                   refill(engine, connection, at_ns);
        }
    }
    if (!good)
        lose(engine, connection);
}

/* Open loop. */

static uint64_t pause_ns(struct engine *engine)
{
    double uniform = (double)((random_next(engine) >> 11) + 1) / 9007199254740992.0;
    return (uint64_t)(-log(uniform) * 1e9 / engine->options->rate);
}

static void submit_due(struct engine *engine, uint64_t at_ns)
{
    for (int i = 0; i < DUE_A_ROUND && engine->due_ns <= at_ns && engine->due_ns < engine->end_ns;
         i++) {
        struct connection *connection =
            &engine->connections[random_next(engine) % engine->options->connections];
        if (connection->state == CONNECTION_MINING) {
            if (!submit(engine, connection, 1, engine->due_ns))
                lose(engine, connection);
            if (engine->due_ns >= engine->begin_ns)
                histogram_add(&engine->result->late, now_ns() - engine->due_ns);
        }
        engine->due_ns += pause_ns(engine);
    }
}

/* Phases. */

static void enter_phase(struct engine *engine, enum phase phase, uint64_t at_ns)
{
    const struct load_options *options = engine->options;
    struct load_result *result = engine->result;
    engine->phase = phase;
    switch (phase) {
    case PHASE_CONNECT:
        engine->phase_end_ns = at_ns + (uint64_t)CONNECT_PATIENCE_S * 1000000000u;
        break;
    case PHASE_WARM_UP:
        result->connect_seconds = (double)(at_ns - engine->begin_ns) / 1e9;
        engine->phase_end_ns = at_ns + (uint64_t)(options->warmup_seconds * 1e9);
        engine->begin_ns = engine->phase_end_ns;
        engine->end_ns = engine->begin_ns + (uint64_t)(options->seconds * 1e9);
        engine->due_ns = at_ns;
        tell(engine, "ready");
        for (uint32_t i = 0; i < engine->opened; i++)
            if (!refill(engine, &engine->connections[i], at_ns))
                lose(engine, &engine->connections[i]);
        break;
    case PHASE_MEASURE: {
        uint64_t lost = result->counts.lost;
        result->counts = (struct load_counts){ .lost = lost };
        engine->begin_ns = at_ns;
        engine->phase_end_ns = engine->end_ns;
        engine->cpu_begin = cpu_seconds();
        tell(engine, "begin");
        break;
    }
    case PHASE_STRAGGLERS:
        engine->end_ns = at_ns;
        result->cpu_seconds = cpu_seconds() - engine->cpu_begin;
        result->seconds = (double)(at_ns - engine->begin_ns) / 1e9;
        tell(engine, "end");
        engine->phase_end_ns =
            at_ns + (options->record != NULL      ? (uint64_t)RECORDED_STRAGGLERS_MS * 1000000u
                     : options->mode == LOAD_RATE ? (uint64_t)STRAGGLERS_MS * 1000000u
                                                  : 0);
        break;
    case PHASE_DONE:
        break;
    }
}

static uint64_t unanswered(const struct engine *engine)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < engine->opened; i++)
        count += engine->connections[i].in_flight;
    return count;
}

/* @slice: what was answered in the last slice_ms, by the monotonic clock. */
static void tell_slice(struct engine *engine, uint64_t at_ns)
{
    const struct load_options *options = engine->options;
    if (options->slice_ms == 0 || engine->phase < PHASE_WARM_UP || at_ns < engine->slice_ns)
        return;
    if (engine->slice_ns != 0 && options->events != NULL) {
        fprintf(options->events,
                "@slice {\"end_ns\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"p50_ms\":%.3f,"
                "\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
                at_ns, engine->slice_accepted, (double)histogram_at(&engine->slice, 500000) / 1e6,
                (double)histogram_at(&engine->slice, 990000) / 1e6,
                (double)engine->slice.max / 1e6);
        fflush(options->events);
    }
    memset(&engine->slice, 0, sizeof engine->slice);
    engine->slice_accepted = 0;
    engine->slice_ns = at_ns + (uint64_t)options->slice_ms * 1000000u;
}

static bool step_phase(struct engine *engine, uint64_t at_ns, struct error *error)
{
    const struct load_options *options = engine->options;
    if (options->stop != NULL && *options->stop && engine->phase >= PHASE_WARM_UP &&
        engine->phase < PHASE_STRAGGLERS)
        enter_phase(engine, PHASE_STRAGGLERS, at_ns);
    if (engine->phase == PHASE_CONNECT) {
        if (options->stop != NULL && *options->stop)
            return error_set(error, ERROR_UNAVAILABLE, "stopped while connecting");
        if ((engine->closed > 0 && !options->reconnect) || at_ns > engine->phase_end_ns) {
            *error = engine->refusal;
            return error->code != ERROR_NONE
                       ? false
                       : error_set(error, ERROR_UNAVAILABLE,
                                   "%" PRIu32 " of %" PRIu32
                                   " miners came to mine, then one was %s",
                                   engine->mining, options->connections,
                                   engine->closed > 0 ? "closed" : "not answered");
        }
        while (engine->opened < options->connections &&
               engine->opened - engine->mining < options->connect_at_once)
            if (!open_one(engine, &engine->connections[engine->opened++], error))
                return false;
        if (engine->mining == options->connections)
            enter_phase(engine, PHASE_WARM_UP, at_ns);
        return true;
    }
    /* What was due before the end is still to be sent where this generator is late. */
    bool all_sent = options->mode != LOAD_RATE || engine->due_ns >= engine->end_ns;
    bool over = at_ns >= engine->phase_end_ns ||
                (engine->phase == PHASE_STRAGGLERS && all_sent && unanswered(engine) == 0);
    if (over)
        enter_phase(engine, engine->phase + 1, at_ns);
    return true;
}

static int wait_ready(struct engine *engine, struct epoll_event *events, uint64_t at_ns)
{
    uint64_t until_ns = engine->phase_end_ns;
    if (engine->phase == PHASE_CONNECT)
        until_ns = at_ns + 10000000;
    else if (engine->options->mode == LOAD_RATE && engine->phase <= PHASE_MEASURE &&
             engine->due_ns < until_ns)
        until_ns = engine->due_ns;
    uint64_t pause = until_ns > at_ns ? until_ns - at_ns : 0;
    if ((engine->phase == PHASE_STRAGGLERS || engine->closed > 0 || engine->options->stop != NULL ||
         engine->options->slice_ms != 0) &&
        pause > 10000000)
        pause = 10000000;
    if (pause > 0 && pause < SLEEP_NS_MIN)
        pause = SLEEP_NS_MIN;
    const struct timespec timeout = { .tv_sec = (time_t)(pause / 1000000000),
                                      .tv_nsec = (long)(pause % 1000000000) };
    return epoll_pwait2(engine->epoll, events, EVENTS, &timeout, NULL);
}

static bool run(struct engine *engine, struct error *error)
{
    struct epoll_event events[EVENTS];
    engine->begin_ns = now_ns();
    enter_phase(engine, PHASE_CONNECT, engine->begin_ns);
    while (engine->phase != PHASE_DONE) {
        uint64_t at_ns = now_ns();
        if (!step_phase(engine, at_ns, error))
            return false;
        reconnect(engine, at_ns);
        tell_slice(engine, at_ns);
        if (engine->options->mode == LOAD_RATE && engine->phase >= PHASE_WARM_UP &&
            engine->phase < PHASE_DONE)
            submit_due(engine, at_ns);
        int count = wait_ready(engine, events, at_ns);
        if (count < 0 && errno != EINTR)
            return error_system(error, errno, "epoll_pwait2");
        for (int i = 0; i < count; i++)
            on_ready(engine, events[i].data.ptr, events[i].events);
    }
    engine->result->counts.unanswered = unanswered(engine);
    for (uint32_t i = 0; i < engine->opened; i++)
        record_lost(engine, &engine->connections[i]);
    return true;
}

bool load_run(const struct load_options *options, struct load_result *result_r, struct error *error)
{
    struct engine *engine = calloc(1, sizeof *engine);
    memset(result_r, 0, sizeof *result_r);
    if (engine == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory for the load generator");
    engine->options = options;
    engine->result = result_r;
    engine->random = options->first_index + 1;
    engine->connections = calloc(options->connections, sizeof *engine->connections);
    engine->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool good = engine->connections != NULL && engine->epoll >= 0
                    ? run(engine, error)
                    : error_system(error, errno, "no memory or epoll for %" PRIu32 " connections",
                                   options->connections);
    for (uint32_t i = 0; engine->connections != NULL && i < engine->opened; i++)
        connection_close(&engine->connections[i]);
    if (engine->epoll >= 0)
        close(engine->epoll);
    free(engine->connections);
    free(engine);
    return good;
}
