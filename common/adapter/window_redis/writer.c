/* The writer: one FCALL a batch. What an answer proves about an append is decided here, in
 * `refusal_proves_nothing_happened`: Redis answers these before it runs a function, and the last is
 * the function's own word (window.lua), whereas any other error may have come from the middle of
 * one. NOPERM is not among them: a function runs its commands with the user's rights. */
#include "adapter/window_redis/link.h"
#include "adapter/window_redis/packed.h"
#include "adapter/window_redis/window_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OUTSTANDING_DEFAULT = 256,
    TIMEOUT_DEFAULT_MS = 10000,
    WAIT_DEFAULT_MS = 1000,
    REFUSAL_BYTES = 200,
    FIXED_ARGUMENTS = 15, /* FCALL, function, 5, five keys, seven arguments */
};

struct writer;

struct append {
    struct writer *writer;
    window_append_handler handler;
    void *context;
    struct append *next; /* in the free list, or in one of the lists below */
    /* while replicas are waited for: what the server said, with verdicts of its own */
    struct window_result result;
};

struct list {
    struct append *first;
    struct append **end;
};

struct writer {
    struct window_writer port;
    struct loop *loop;
    struct link link;
    struct append *appends;
    struct append *free;
    struct list unsent;   /* answered UNAVAILABLE at the end of the round */
    struct list unwaited; /* the server has them, the replicas perhaps not yet */
    struct loop_timer unsent_timer;
    unsigned wait_replicas;
    unsigned wait_ms;
    unsigned memory_percent_max;
    bool wait_due;               /* appends were sent since the last WAIT */
    char refusal[REFUSAL_BYTES]; /* why nothing is sent although the link is ready */
    const char **argv;           /* scratch for one command */
    size_t *lengths;
    uint8_t *packed;
};

static struct writer *writer_of(struct window_writer *port)
{
    return (struct writer *)port;
}

static void list_push(struct list *list, struct append *append)
{
    append->next = NULL;
    *list->end = append;
    list->end = &append->next;
}

/* All of them, linked by `next`. */
static struct append *list_take(struct list *list)
{
    struct append *first = list->first;
    list->first = NULL;
    list->end = &list->first;
    return first;
}

static void finish(struct append *append, const struct window_result *result)
{
    struct writer *writer = append->writer;
    window_append_handler handler = append->handler;
    void *context = append->context;
    append->next = writer->free;
    writer->free = append;
    handler(context, result);
}

static bool refusal_proves_nothing_happened(const char *text)
{
    static const char *const starts[] = {
        "LOADING ",    "MISCONF ",    "OOM ",        "READONLY ",    "NOAUTH ",
        "BUSY ",       "MASTERDOWN ", "NOREPLICAS ", "CLUSTERDOWN ", "ERR Function not found",
        "NOTAPPLIED ",
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* A server that has lost the functions, its leadership, or took rights away is greeted anew: the
 * connection may lead to another server by now, and the greeting finds out what is missing. */
static bool needs_greeting(const char *text)
{
    static const char *const starts[] = {
        "READONLY ", "NOAUTH ",     "ERR Function not found",
        "NOPERM ",   "NOTAPPLIED ", "ERR The user executing the script",
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static struct span element(const redisReply *answer, size_t index)
{
    if (answer->elements <= index || answer->element[index]->type != REDIS_REPLY_STRING)
        return (struct span){ NULL, 0 };
    return span_of(answer->element[index]->str, (size_t)answer->element[index]->len);
}

/* The answer of window.lua: {'A', id}, {'R', record} or {'L'}. */
static bool read_answer(const redisReply *answer, struct window_result *result_r,
                        struct error *error)
{
    struct span word = answer->type == REDIS_REPLY_ARRAY ? element(answer, 0) : span_text("");
    if (word.length != 1)
        return error_set(error, ERROR_INVALID, "redis gave an answer of an unexpected kind");
    switch (word.data[0]) {
    case 'A':
        result_r->outcome = WINDOW_APPENDED;
        return packed_id_read(element(answer, 1), &result_r->position, error);
    case 'R':
        result_r->outcome = WINDOW_REPEATED;
        return packed_record_read(element(answer, 1), &result_r->position, &result_r->verdicts,
                                  error);
    case 'L':
        result_r->outcome = WINDOW_REFUSED;
        return true;
    default:
        return error_set(error, ERROR_INVALID, "redis gave an answer of an unexpected kind");
    }
}

/* The server has the batch; whether its replicas have it is answered by the WAIT behind it. */
static void keep_until_waited(struct append *append, const struct window_result *result)
{
    append->result = *result;
    if (result->verdicts.length > 0) {
        uint8_t *copy = malloc(result->verdicts.length);
        ASSERT(copy != NULL);
        memcpy(copy, result->verdicts.data, result->verdicts.length);
        append->result.verdicts.data = copy;
    }
    list_push(&append->writer->unwaited, append);
}

static void finish_waited(struct writer *writer, const char *reason /* NULL: they have it */)
{
    struct append *append = list_take(&writer->unwaited);
    while (append != NULL) {
        struct append *next = append->next;
        struct window_result result = append->result;
        void *verdicts = (void *)(uintptr_t)result.verdicts.data;
        if (reason != NULL)
            result = (struct window_result){ .outcome = WINDOW_UNKNOWN, .reason = reason };
        finish(append, &result);
        free(verdicts);
        append = next;
    }
}

/* Commands are answered in their order, so what is in the list now is what was sent before this
 * WAIT and after the one before. It waits for all that the server had written when it came (for a
 * repeat, too, which writes nothing). */
static void on_waited(struct redisAsyncContext *redis, void *reply, void *context)
{
    struct writer *writer = context;
    const redisReply *answer = reply;
    char reason[REFUSAL_BYTES];
    link_answered(&writer->link, redis, answer);
    if (answer == NULL)
        finish_waited(writer, writer->link.error.text);
    else if (answer->type == REDIS_REPLY_INTEGER && answer->integer >= writer->wait_replicas)
        finish_waited(writer, NULL);
    else {
        if (answer->type == REDIS_REPLY_INTEGER)
            snprintf(reason, sizeof reason, "%lld of %u replicas had it within %u ms",
                     answer->integer, writer->wait_replicas, writer->wait_ms);
        else
            snprintf(reason, sizeof reason, "WAIT: %.150s",
                     answer->type == REDIS_REPLY_ERROR ? answer->str : "an unexpected answer");
        finish_waited(writer, reason);
    }
}

/* Behind the appends of the round, in the same write: the replicas are asked once for all. */
static void send_wait(void *context)
{
    struct writer *writer = context;
    char numbers[2][16];
    if (!writer->wait_due)
        return;
    writer->wait_due = false;
    snprintf(numbers[0], sizeof numbers[0], "%u", writer->wait_replicas);
    snprintf(numbers[1], sizeof numbers[1], "%u", writer->wait_ms);
    const char *argv[] = { "WAIT", numbers[0], numbers[1] };
    if (!link_command(&writer->link, 3, argv, NULL, on_waited, writer) && link_ready(&writer->link))
        link_break(&writer->link, "no memory for a command");
}

static void on_answer(struct redisAsyncContext *redis, void *reply, void *context)
{
    struct append *append = context;
    struct link *link = &append->writer->link;
    const redisReply *answer = reply;
    struct window_result result = { .reason = "" };
    struct error error;
    link_answered(link, redis, answer);
    if (answer == NULL) {
        result = (struct window_result){ .outcome = WINDOW_UNKNOWN, .reason = link->error.text };
    } else if (answer->type == REDIS_REPLY_ERROR) {
        result.outcome =
            refusal_proves_nothing_happened(answer->str) ? WINDOW_UNAVAILABLE : WINDOW_UNKNOWN;
        result.reason = answer->str;
        if (needs_greeting(answer->str) && link->redis == redis)
            link_break(link, answer->str);
    } else if (!read_answer(answer, &result, &error)) {
        result = (struct window_result){ .outcome = WINDOW_UNKNOWN, .reason = error.text };
    }
    result.history = link->history;
    if (append->writer->wait_replicas > 0 &&
        (result.outcome == WINDOW_APPENDED || result.outcome == WINDOW_REPEATED))
        keep_until_waited(append, &result);
    else
        finish(append, &result);
}

static void answer_unsent(void *context)
{
    struct writer *writer = context;
    /* Only those there are now: a handler may append again. */
    struct append *append = list_take(&writer->unsent);
    const struct window_result result = { .outcome = WINDOW_UNAVAILABLE,
                                          .reason = link_ready(&writer->link)
                                                        ? writer->refusal
                                                        : writer->link.error.text };
    while (append != NULL) {
        struct append *next = append->next;
        finish(append, &result);
        append = next;
    }
}

struct command {
    struct writer *writer;
    int argc;
};

static void argument(struct command *command, const void *data, size_t length)
{
    command->writer->argv[command->argc] = data;
    command->writer->lengths[command->argc++] = length;
}

static void argument_text(struct command *command, const char *text)
{
    argument(command, text, strlen(text));
}

static bool send_batch(struct writer *writer, const struct window_batch *batch,
                       struct append *append)
{
    struct command command = { .writer = writer };
    char records_key[PACKED_KEY_BYTES];
    uint8_t numbers[24];
    char counts[2][24];
    uint8_t indexes[WINDOW_BATCH_SHARES_MAX][4];
    packed_key_records(batch->lease_id, records_key);
    store_be64(numbers, batch->lease_id);
    store_be64(numbers + 8, batch->sequence);
    store_be64(numbers + 16, batch->lowest);
    snprintf(counts[0], sizeof counts[0], "%zu", batch->share_count);
    snprintf(counts[1], sizeof counts[1], "%" PRIu32, batch->rejected_count);
    argument_text(&command, "FCALL");
    argument_text(&command, "adit_window_append_1");
    argument_text(&command, "5");
    argument_text(&command, PACKED_KEY_STREAM);
    argument_text(&command, records_key);
    argument_text(&command, PACKED_KEY_LEASES);
    argument_text(&command, PACKED_KEY_CANDIDATES);
    argument_text(&command, PACKED_KEY_TOTALS);
    for (size_t i = 0; i < 3; i++)
        argument(&command, numbers + 8 * i, 8);
    size_t packed_bytes = batch->share_count > 0 ? packed_batch_write(batch, writer->packed) : 0;
    argument(&command, writer->packed, packed_bytes);
    argument(&command, batch->verdicts.data, batch->verdicts.length);
    argument_text(&command, counts[0]);
    argument_text(&command, counts[1]);
    for (size_t i = 0; i < batch->candidate_count; i++) {
        const struct window_candidate *candidate = &batch->candidates[i];
        bool credited = candidate->credited_index >= 0;
        store_be32(indexes[i], credited ? (uint32_t)candidate->credited_index : 0);
        argument(&command, candidate->block_hash, sizeof candidate->block_hash);
        argument(&command, indexes[i], credited ? 4 : 0);
        argument(&command, candidate->record.data, candidate->record.length);
    }
    return link_command(&writer->link, command.argc, writer->argv, writer->lengths, on_answer,
                        append);
}

/* Whether a ready server should not be asked, and writer->refusal says why. A shared bound of
 * memory leaves room for what must go on: payout's reading, the file's rewriting, the clients. */
static bool refuses(struct writer *writer)
{
    const struct link *link = &writer->link;
    if (link->replicas < writer->wait_replicas)
        snprintf(writer->refusal, sizeof writer->refusal,
                 "%u of the %u replicas that every share waits for are connected", link->replicas,
                 writer->wait_replicas);
    else if (writer->memory_percent_max != 0 && link->memory_percent >= writer->memory_percent_max)
        snprintf(writer->refusal, sizeof writer->refusal,
                 "%u %% of its maxmemory are used, beyond %u %% no share is taken: see whether "
                 "payout runs, or give it more memory",
                 link->memory_percent, writer->memory_percent_max);
    else
        return false;
    return true;
}

static bool append_batch(struct window_writer *port, const struct window_batch *batch,
                         window_append_handler handler, void *context)
{
    struct writer *writer = writer_of(port);
    ASSERT(window_batch_in_bounds(batch));
    struct append *append = writer->free;
    if (append == NULL)
        return false;
    writer->free = append->next;
    append->handler = handler;
    append->context = context;
    append->next = NULL;
    snprintf(writer->refusal, sizeof writer->refusal, "too many commands are under way");
    if (!(link_ready(&writer->link) && refuses(writer)) && send_batch(writer, batch, append)) {
        writer->wait_due = writer->wait_replicas > 0;
        return true;
    }
    list_push(&writer->unsent, append);
    if (!loop_timer_running(&writer->unsent_timer))
        loop_timer_start(writer->loop, &writer->unsent_timer, 0, 0);
    return true;
}

static bool ready(const struct window_writer *port)
{
    return link_ready(&((const struct writer *)port)->link);
}

static void release(struct writer *writer)
{
    free(writer->appends);
    free(writer->argv);
    free(writer->lengths);
    free(writer->packed);
    free(writer);
}

static void close_writer(struct window_writer *port)
{
    struct writer *writer = writer_of(port);
    link_close(&writer->link);
    finish_waited(writer, "the share window was closed");
    loop_timer_stop(writer->loop, &writer->unsent_timer);
    answer_unsent(writer);
    release(writer);
}

static const struct window_writer_ops writer_ops = { .append = append_batch,
                                                     .ready = ready,
                                                     .close = close_writer };

struct window_writer *window_redis_writer_open(struct loop *loop,
                                               const struct window_redis_options *options,
                                               struct error *error)
{
    struct redis_address address;
    if (!redis_address_parse(options->url, options->password_file, &address, error))
        return NULL;
    unsigned max = options->outstanding_max != 0 ? options->outstanding_max : OUTSTANDING_DEFAULT;
    size_t arguments = FIXED_ARGUMENTS + 3 * (size_t)WINDOW_BATCH_SHARES_MAX;
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        error_fill(error, ERROR_FULL, "no memory for the share window's writer");
        return NULL;
    }
    writer->port.ops = &writer_ops;
    writer->loop = loop;
    (void)list_take(&writer->unsent);
    (void)list_take(&writer->unwaited);
    writer->wait_replicas = options->wait_replicas;
    writer->wait_ms = options->wait_ms != 0 ? options->wait_ms : WAIT_DEFAULT_MS;
    writer->memory_percent_max = options->memory_percent_max;
    writer->unsent_timer = (struct loop_timer){ .on_due = answer_unsent, .context = writer };
    writer->appends = calloc(max, sizeof *writer->appends);
    writer->argv = calloc(arguments, sizeof *writer->argv);
    writer->lengths = calloc(arguments, sizeof *writer->lengths);
    writer->packed = malloc(PACKED_BATCH_BYTES_MAX);
    if (writer->appends == NULL || writer->argv == NULL || writer->lengths == NULL ||
        writer->packed == NULL) {
        error_fill(error, ERROR_FULL, "no memory for the share window's writer");
        release(writer);
        return NULL;
    }
    for (unsigned i = 0; i < max; i++) {
        writer->appends[i].writer = writer;
        writer->appends[i].next = i + 1 < max ? &writer->appends[i + 1] : NULL;
    }
    writer->free = writer->appends;
    unsigned timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    if (!link_open(&writer->link, loop, &address, timeout_ms, 2 * max, options->on_state,
                   options->context, error)) {
        release(writer);
        return NULL;
    }
    writer->link.on_slow = options->on_slow;
    if (writer->wait_replicas > 0) {
        writer->link.before_flush = send_wait;
        writer->link.flush_context = writer;
    }
    return &writer->port;
}
