/* The reader: pages of bounded size, so that neither side ever holds a whole window. Every command
 * it sends may be sent twice without harm, so one that fails on an old connection is tried once
 * more on a new one. */
#include "adapter/window_redis/address.h"
#include "adapter/window_redis/info.h"
#include "adapter/window_redis/packed.h"
#include "adapter/window_redis/window_redis.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

enum {
    PAGE_ENTRIES = 64, /* at most 64 · 41 KB */
    TRIM_ENTRIES = 1000,
    TIMEOUT_DEFAULT_MS = 10000,
};

struct reader {
    struct window_reader port;
    struct redis_address address;
    struct timeval timeout;
    redisContext *redis;
    bool lacks_right;          /* the last refusal was for that */
    bool may_not_ask;          /* for the history: the user lacks the right to INFO */
    struct packed_batch batch; /* scratch of the walks */
};

static struct reader *reader_of(struct window_reader *port)
{
    return (struct reader *)port;
}

static void disconnect(struct reader *reader)
{
    if (reader->redis != NULL)
        redisFree(reader->redis);
    reader->redis = NULL;
}

static bool failed(struct reader *reader, struct error *error)
{
    error_fill(error, ERROR_UNAVAILABLE, "redis at %s: %s", reader->address.name,
               reader->redis == NULL ? "no memory" : reader->redis->errstr);
    disconnect(reader);
    return false;
}

static bool connect_reader(struct reader *reader, struct error *error)
{
    const struct redis_address *address = &reader->address;
    char password[ADDRESS_TEXT_BYTES_MAX];
    if (!redis_address_password(address, password, error))
        return false;
    reader->redis = address->unix_path[0] != '\0'
                        ? redisConnectUnixWithTimeout(address->unix_path, reader->timeout)
                        : redisConnectWithTimeout(address->host, address->port, reader->timeout);
    if (reader->redis == NULL || reader->redis->err != 0 ||
        redisSetTimeout(reader->redis, reader->timeout) != REDIS_OK)
        return failed(reader, error);
    if (password[0] == '\0')
        return true;
    redisReply *answer = redisCommand(reader->redis, "AUTH %s", password);
    explicit_bzero(password, sizeof password);
    if (answer == NULL)
        return failed(reader, error);
    bool good = answer->type == REDIS_REPLY_STATUS;
    if (!good)
        error_fill(error, ERROR_REFUSED, "redis at %s: %s", address->name, answer->str);
    freeReplyObject(answer);
    if (!good)
        disconnect(reader);
    return good;
}

/* The answer, of the type wanted (nil is let through for strings); NULL and *error otherwise.
 * Caller frees. */
static redisReply *ask(struct reader *reader, int wanted, int argc, const char **argv,
                       const size_t *lengths, struct error *error)
{
    bool old = reader->redis != NULL;
    redisReply *answer = NULL;
    for (;;) {
        if (reader->redis == NULL && !connect_reader(reader, error))
            return NULL;
        answer = redisCommandArgv(reader->redis, argc, argv, lengths);
        if (answer != NULL)
            break;
        (void)failed(reader, error);
        if (!old)
            return NULL;
        old = false;
    }
    if (answer->type == wanted || (wanted == REDIS_REPLY_STRING && answer->type == REDIS_REPLY_NIL))
        return answer;
    const bool refused = answer->type == REDIS_REPLY_ERROR;
    const bool waits = refused && (strncmp(answer->str, "LOADING", 7) == 0 ||
                                   strncmp(answer->str, "MASTERDOWN", 10) == 0);
    reader->lacks_right = refused && strncmp(answer->str, "NOPERM ", 7) == 0;
    error_fill(error, waits ? ERROR_UNAVAILABLE : ERROR_REFUSED, "redis at %s: %s",
               reader->address.name, refused ? answer->str : "an answer of an unexpected kind");
    /* A new connection may lead to a server that does not refuse. */
    if (refused)
        disconnect(reader);
    freeReplyObject(answer);
    return NULL;
}

#define ASK(reader, wanted, error, ...)                                                            \
    ask(reader, wanted, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *)),     \
        (const char *[]){ __VA_ARGS__ }, NULL, error)

/* One entry of XRANGE: {id, {"b", batch}}. */
static bool read_entry(struct reader *reader, const redisReply *entry,
                       struct window_position *first_r, struct error *error)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING ||
        entry->element[1]->type != REDIS_REPLY_ARRAY || entry->element[1]->elements != 2 ||
        entry->element[1]->element[1]->type != REDIS_REPLY_STRING)
        return error_set(error, ERROR_INVALID, "an entry of the window is not readable");
    const redisReply *id = entry->element[0];
    const redisReply *packed = entry->element[1]->element[1];
    return packed_id_read(span_of(id->str, (size_t)id->len), first_r, error) &&
           packed_batch_read(span_of(packed->str, (size_t)packed->len), &reader->batch, error);
}

/* Walks from `begin` to `end` with XRANGE or XREVRANGE, page by page. */
static bool walk(struct reader *reader, const char *command, const char *begin, const char *end,
                 window_batch_visitor visitor, void *context, struct error *error)
{
    char from[PACKED_ID_BYTES + 1];
    char page_size[16];
    snprintf(from, sizeof from, "%s", begin);
    snprintf(page_size, sizeof page_size, "%d", PAGE_ENTRIES);
    for (bool more = true; more;) {
        redisReply *page = ASK(reader, REDIS_REPLY_ARRAY, error, command, PACKED_KEY_STREAM, from,
                               end, "COUNT", page_size);
        if (page == NULL)
            return false;
        struct window_position first = { 0 };
        more = page->elements == PAGE_ENTRIES;
        bool good = true;
        bool go_on = true;
        for (size_t i = 0; i < page->elements && good && go_on; i++) {
            good = read_entry(reader, page->element[i], &first, error);
            go_on = good && visitor(context, first, reader->batch.lease_id, reader->batch.sequence,
                                    reader->batch.shares, reader->batch.share_count);
        }
        freeReplyObject(page);
        if (!good || !go_on)
            return good;
        from[0] = '(';
        packed_id_write(&first, from + 1);
    }
    return true;
}

static bool walk_back(struct window_reader *port, const struct window_position *from,
                      window_batch_visitor visitor, void *context, struct error *error)
{
    char begin[PACKED_ID_BYTES] = "+";
    if (from != NULL)
        packed_id_write(from, begin);
    return walk(reader_of(port), "XREVRANGE", begin, "-", visitor, context, error);
}

static bool walk_on(struct window_reader *port, const struct window_position *after,
                    window_batch_visitor visitor, void *context, struct error *error)
{
    char begin[PACKED_ID_BYTES + 1] = "-";
    if (after != NULL) {
        /* Nothing can follow the last id there is, and Redis refuses the question. */
        if (after->high == UINT64_MAX && after->low == UINT64_MAX)
            return true;
        begin[0] = '(';
        packed_id_write(after, begin + 1);
    }
    return walk(reader_of(port), "XRANGE", begin, "+", visitor, context, error);
}

/* `damaged_too`: one that cannot be read is shown as such, else it is not there. */
static bool get_candidate(struct reader *reader, struct span hash, bool damaged_too,
                          window_found_visitor visitor, void *context, bool *found_r, bool *go_on_r,
                          struct error *error)
{
    const char *argv[] = { "HGET", PACKED_KEY_CANDIDATES, (const char *)hash.data };
    const size_t lengths[] = { 4, sizeof PACKED_KEY_CANDIDATES - 1, hash.length };
    redisReply *value = ask(reader, REDIS_REPLY_STRING, 3, argv, lengths, error);
    if (value == NULL)
        return false;
    *found_r = value->type == REDIS_REPLY_STRING;
    struct window_found found;
    struct error damage;
    if (*found_r &&
        !packed_candidate_read(hash, span_of(value->str, (size_t)value->len), &found, &damage)) {
        found = (struct window_found){ .empty = true, .damaged = true };
        memcpy(found.block_hash, hash.data, sizeof found.block_hash);
        *found_r = damaged_too;
    }
    if (*found_r)
        *go_on_r = visitor(context, &found);
    freeReplyObject(value);
    return true;
}

static bool candidates(struct window_reader *port, window_found_visitor visitor, void *context,
                       struct error *error)
{
    struct reader *reader = reader_of(port);
    redisReply *keys = ASK(reader, REDIS_REPLY_ARRAY, error, "HKEYS", PACKED_KEY_CANDIDATES);
    if (keys == NULL)
        return false;
    bool good = true;
    bool go_on = true;
    for (size_t i = 0; i < keys->elements && good && go_on; i++) {
        bool found; /* one that is done meanwhile is simply not shown */
        struct span hash = span_of(keys->element[i]->str, (size_t)keys->element[i]->len);
        if (hash.length == 32) /* no other names a block */
            good = get_candidate(reader, hash, true, visitor, context, &found, &go_on, error);
    }
    freeReplyObject(keys);
    return good;
}

static bool candidate_get(struct window_reader *port, const uint8_t block_hash[32],
                          window_found_visitor visitor, void *context, bool *found_r,
                          struct error *error)
{
    bool go_on;
    return get_candidate(reader_of(port), span_of(block_hash, 32), false, visitor, context, found_r,
                         &go_on, error);
}

static bool candidate_done(struct window_reader *port, const uint8_t block_hash[32],
                           struct error *error)
{
    const char *argv[] = { "HDEL", PACKED_KEY_CANDIDATES, (const char *)block_hash };
    const size_t lengths[] = { 4, sizeof PACKED_KEY_CANDIDATES - 1, 32 };
    redisReply *answer = ask(reader_of(port), REDIS_REPLY_INTEGER, 3, argv, lengths, error);
    if (answer == NULL)
        return false;
    freeReplyObject(answer);
    return true;
}

/* Whole nodes of the stream first, a bounded number a call, so that Redis never stops for long;
 * then the few entries left before the id. */
static bool trim(struct window_reader *port, const struct window_position *before,
                 uint64_t *removed_r, struct error *error)
{
    struct reader *reader = reader_of(port);
    char id[PACKED_ID_BYTES];
    char limit[16];
    packed_id_write(before, id);
    snprintf(limit, sizeof limit, "%d", TRIM_ENTRIES);
    *removed_r = 0;
    for (bool whole_nodes = true;;) {
        redisReply *answer = whole_nodes ? ASK(reader, REDIS_REPLY_INTEGER, error, "XTRIM",
                                               PACKED_KEY_STREAM, "MINID", "~", id, "LIMIT", limit)
                                         : ASK(reader, REDIS_REPLY_INTEGER, error, "XTRIM",
                                               PACKED_KEY_STREAM, "MINID", "=", id);
        if (answer == NULL)
            return false;
        uint64_t removed = (uint64_t)answer->integer;
        freeReplyObject(answer);
        *removed_r += removed;
        if (!whole_nodes)
            return true;
        whole_nodes = removed > 0;
    }
}

/* One page of HSCAN: {cursor, {lease, lowest, …}}. */
static bool visit_leases(const redisReply *page, window_lease_visitor visitor, void *context,
                         bool *go_on_r, struct error *error)
{
    if (page->elements != 2 || page->element[0]->type != REDIS_REPLY_STRING ||
        page->element[1]->type != REDIS_REPLY_ARRAY || page->element[1]->elements % 2 != 0)
        return error_set(error, ERROR_INVALID, "the window's leases are not readable");
    const redisReply *list = page->element[1];
    for (size_t i = 0; i < list->elements && *go_on_r; i += 2) {
        const redisReply *lease = list->element[i];
        const redisReply *lowest = list->element[i + 1];
        if (lease->len == sizeof PACKED_FIELD_BELOW - 1 && lowest->len == 8) {
            uint64_t below = load_be64((const uint8_t *)lowest->str);
            *go_on_r = below <= 1 || visitor(context, below - 1, true);
            continue;
        }
        if (lease->len != 8 || lowest->len != 8)
            return error_set(error, ERROR_INVALID, "a lease in the window is not readable");
        *go_on_r = visitor(context, load_be64((const uint8_t *)lease->str),
                           load_be64((const uint8_t *)lowest->str) == UINT64_MAX);
    }
    return true;
}

static bool leases(struct window_reader *port, window_lease_visitor visitor, void *context,
                   struct error *error)
{
    struct reader *reader = reader_of(port);
    char cursor[24] = "0";
    bool good = true;
    bool go_on = true;
    do {
        redisReply *page = ASK(reader, REDIS_REPLY_ARRAY, error, "HSCAN", PACKED_KEY_LEASES, cursor,
                               "COUNT", "500");
        if (page == NULL)
            return false;
        good = visit_leases(page, visitor, context, &go_on, error);
        if (good)
            snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        freeReplyObject(page);
    } while (good && go_on && strcmp(cursor, "0") != 0);
    return good;
}

/* Both commands or none: a lease that is known as ended has no records left behind. */
static bool end_in_transaction(struct reader *reader, uint64_t lease_id, struct error *error)
{
    uint8_t numbers[16];
    char records_key[PACKED_KEY_BYTES];
    store_be64(numbers, lease_id);
    store_be64(numbers + 8, UINT64_MAX);
    packed_key_records(lease_id, records_key);
    const char *set[] = { "HSET", PACKED_KEY_LEASES, (const char *)numbers,
                          (const char *)numbers + 8 };
    const size_t set_lengths[] = { 4, sizeof PACKED_KEY_LEASES - 1, 8, 8 };
    bool sent = redisAppendCommand(reader->redis, "MULTI") == REDIS_OK &&
                redisAppendCommandArgv(reader->redis, 4, set, set_lengths) == REDIS_OK &&
                redisAppendCommand(reader->redis, "UNLINK %s", records_key) == REDIS_OK &&
                redisAppendCommand(reader->redis, "EXEC") == REDIS_OK;
    redisReply *answer = NULL;
    char refusal[200] = ""; /* the first: EXEC's own says only that there was one */
    for (int left = 4; sent && left > 0; left--) {
        freeReplyObject(answer);
        answer = NULL;
        sent = redisGetReply(reader->redis, (void **)&answer) == REDIS_OK;
        if (sent && answer->type == REDIS_REPLY_ERROR && refusal[0] == '\0')
            snprintf(refusal, sizeof refusal, "%.190s", answer->str);
    }
    if (!sent)
        return failed(reader, error);
    bool good = answer->type == REDIS_REPLY_ARRAY && answer->elements == 2 &&
                answer->element[0]->type == REDIS_REPLY_INTEGER &&
                answer->element[1]->type == REDIS_REPLY_INTEGER;
    if (!good) {
        error_fill(error, ERROR_REFUSED, "redis at %s: %s", reader->address.name,
                   refusal[0] != '\0' ? refusal : "an answer of an unexpected kind");
        disconnect(reader);
    }
    freeReplyObject(answer);
    return good;
}

static bool lease_end(struct window_reader *port, uint64_t lease_id, struct error *error)
{
    struct reader *reader = reader_of(port);
    bool old = reader->redis != NULL;
    if (!old && !connect_reader(reader, error))
        return false;
    if (end_in_transaction(reader, lease_id, error))
        return true;
    /* It may be harmlessly done twice, and the old connection may just have been cut. */
    return old && reader->redis == NULL && connect_reader(reader, error) &&
           end_in_transaction(reader, lease_id, error);
}

/* Raises the mark; *below_r is what it is then. */
static bool raise_mark(struct reader *reader, uint64_t lease_id, uint64_t *below_r,
                       struct error *error)
{
    uint8_t number[8];
    redisReply *known =
        ASK(reader, REDIS_REPLY_STRING, error, "HGET", PACKED_KEY_LEASES, PACKED_FIELD_BELOW);
    if (known == NULL)
        return false;
    *below_r = known->type == REDIS_REPLY_STRING && known->len == 8
                   ? load_be64((const uint8_t *)known->str)
                   : 0;
    freeReplyObject(known);
    if (*below_r >= lease_id)
        return true;
    *below_r = lease_id;
    store_be64(number, lease_id);
    const char *argv[] = { "HSET", PACKED_KEY_LEASES, PACKED_FIELD_BELOW, (const char *)number };
    const size_t lengths[] = { 4, sizeof PACKED_KEY_LEASES - 1, sizeof PACKED_FIELD_BELOW - 1, 8 };
    redisReply *answer = ask(reader, REDIS_REPLY_INTEGER, 4, argv, lengths, error);
    freeReplyObject(answer);
    return answer != NULL;
}

/* What is kept of one lease below the mark. The records first: while the field is there, a run that
 * is cut short finds them again. */
static bool forget_lease(struct reader *reader, const uint8_t lease[8], struct error *error)
{
    char records_key[PACKED_KEY_BYTES];
    packed_key_records(load_be64(lease), records_key);
    redisReply *answer = ASK(reader, REDIS_REPLY_INTEGER, error, "UNLINK", records_key);
    freeReplyObject(answer);
    if (answer == NULL)
        return false;
    const char *argv[] = { "HDEL", PACKED_KEY_LEASES, (const char *)lease };
    const size_t lengths[] = { 4, sizeof PACKED_KEY_LEASES - 1, 8 };
    answer = ask(reader, REDIS_REPLY_INTEGER, 3, argv, lengths, error);
    freeReplyObject(answer);
    return answer != NULL;
}

static bool leases_below(struct window_reader *port, uint64_t lease_id, struct error *error)
{
    struct reader *reader = reader_of(port);
    uint64_t below;
    if (!raise_mark(reader, lease_id, &below, error))
        return false;
    char cursor[24] = "0";
    do {
        redisReply *page = ASK(reader, REDIS_REPLY_ARRAY, error, "HSCAN", PACKED_KEY_LEASES, cursor,
                               "COUNT", "500");
        if (page == NULL)
            return false;
        bool good = page->elements == 2 && page->element[0]->type == REDIS_REPLY_STRING &&
                    page->element[1]->type == REDIS_REPLY_ARRAY;
        if (!good)
            error_fill(error, ERROR_INVALID, "the window's leases are not readable");
        for (size_t i = 0; good && i < page->element[1]->elements; i += 2) {
            const redisReply *lease = page->element[1]->element[i];
            if (lease->len == 8 && load_be64((const uint8_t *)lease->str) < below)
                good = forget_lease(reader, (const uint8_t *)lease->str, error);
        }
        if (good)
            snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        freeReplyObject(page);
        if (!good)
            return false;
    } while (strcmp(cursor, "0") != 0);
    return true;
}

static bool totals(struct window_reader *port, struct window_totals *totals_r, struct error *error)
{
    redisReply *answer = ASK(reader_of(port), REDIS_REPLY_ARRAY, error, "HMGET", PACKED_KEY_TOTALS,
                             "accepted", "rejected", "batches", "candidates");
    if (answer == NULL)
        return false;
    uint64_t values[4] = { 0 };
    bool good = answer->elements == 4;
    for (size_t i = 0; i < 4 && good; i++) {
        const redisReply *value = answer->element[i];
        u128 number = 0;
        if (value->type != REDIS_REPLY_NIL)
            good = value->type == REDIS_REPLY_STRING &&
                   u128_parse(value->str, (size_t)value->len, &number);
        values[i] = (uint64_t)number;
    }
    freeReplyObject(answer);
    if (!good)
        return error_set(error, ERROR_INVALID, "the window's totals are not readable");
    *totals_r = (struct window_totals){ values[0], values[1], values[2], values[3] };
    return true;
}

/* The history's name; 0 where this user may not ask for it, and where the server does not tell now:
 * one that is busy, or asks for another password, is asked again the next time. A user's lack of a
 * right lasts, and to meet it anew at each reading would cost a connection. */
static bool read_history(struct reader *reader, uint64_t *history_r, struct error *error)
{
    *history_r = 0;
    if (reader->may_not_ask)
        return true;
    struct error why;
    redisReply *answer = ASK(reader, REDIS_REPLY_STRING, &why, "INFO", "replication");
    reader->may_not_ask = answer == NULL && why.code == ERROR_REFUSED && reader->lacks_right;
    if (answer == NULL)
        return why.code == ERROR_REFUSED || error_set(error, why.code, "%s", why.text);
    if (answer->type == REDIS_REPLY_STRING)
        *history_r = info_history(answer->str);
    freeReplyObject(answer);
    return true;
}

static bool state(struct window_reader *port, struct window_state *state_r, struct error *error)
{
    struct reader *reader = reader_of(port);
    *state_r = (struct window_state){ .empty = true };
    if (!read_history(reader, &state_r->history, error))
        return false;
    redisReply *page =
        ASK(reader, REDIS_REPLY_ARRAY, error, "XRANGE", PACKED_KEY_STREAM, "-", "+", "COUNT", "1");
    if (page == NULL)
        return false;
    state_r->empty = page->elements == 0;
    bool good = state_r->empty || read_entry(reader, page->element[0], &state_r->oldest, error);
    freeReplyObject(page);
    return good;
}

static bool ping(struct window_reader *port, struct error *error)
{
    redisReply *answer = ASK(reader_of(port), REDIS_REPLY_STATUS, error, "PING");
    if (answer == NULL)
        return false;
    freeReplyObject(answer);
    return true;
}

static void close_reader(struct window_reader *port)
{
    struct reader *reader = reader_of(port);
    disconnect(reader);
    redis_address_close(&reader->address);
    free(reader);
}

static const struct window_reader_ops reader_ops = {
    .walk_back = walk_back,
    .walk_on = walk_on,
    .candidates = candidates,
    .candidate_get = candidate_get,
    .candidate_done = candidate_done,
    .trim = trim,
    .leases = leases,
    .lease_end = lease_end,
    .leases_below = leases_below,
    .totals = totals,
    .state = state,
    .ping = ping,
    .close = close_reader,
};

struct window_reader *window_redis_reader_open(const struct window_redis_options *options,
                                               struct error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        error_fill(error, ERROR_FULL, "no memory for the share window's reader");
        return NULL;
    }
    reader->port.ops = &reader_ops;
    unsigned timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    reader->timeout = (struct timeval){ .tv_sec = (time_t)(timeout_ms / 1000),
                                        .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000 };
    if (!redis_address_parse(options->url, options->password_file, &reader->address, error) ||
        !redis_address_open(&reader->address, error)) {
        free(reader);
        return NULL;
    }
    return &reader->port;
}
