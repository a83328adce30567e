#include "tools/miner/client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 5000
#define SEND_TIMEOUT_MS 5000

enum { ID_CONFIGURE = 1, ID_SUBSCRIBE, ID_EXTRANONCE, ID_AUTHORIZE, ID_FIRST_SHARE };

bool client_init(struct client *client, const char *url, const char *user, const char *password,
                 enum miner_algorithm algorithm, bool roll_version,
                 const struct client_events *events, struct error *error)
{
    *client = (struct client){ .fd = -1,
                               .user = user,
                               .password = password,
                               .algorithm = algorithm,
                               .roll_version = roll_version,
                               .events = *events };
    const char *scheme = strstr(url, "://");
    if (scheme != NULL) {
        if (strncmp(url, "stratum+tcp://", 14) != 0 && strncmp(url, "tcp://", 6) != 0)
            return error_set(error, ERROR_INVALID, "%s: only stratum+tcp:// is spoken here", url);
        url = scheme + 3;
    }
    const char *colon = strrchr(url, ':');
    if (colon == NULL || colon == url || colon[1] == 0)
        return error_set(error, ERROR_INVALID, "--url must be stratum+tcp://host:port");
    client->host = strndup(url, (size_t)(colon - url));
    client->port = strndup(colon + 1, strcspn(colon + 1, "/"));
    client->input = malloc(CLIENT_LINE_BYTES_MAX);
    client->job = malloc(sizeof *client->job);
    ASSERT(client->host != NULL && client->port != NULL && client->input != NULL &&
           client->job != NULL);
    return true;
}

void client_deinit(struct client *client)
{
    miner_client_close(client);
    free(client->host);
    free(client->port);
    free(client->input);
    free(client->job);
}

static bool send_json(struct client *client, json_t *json, struct error *error)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    ASSERT(text != NULL);
    size_t length = strlen(text);
    text[length++] = '\n'; /* in the place of the NUL */
    size_t sent = 0;
    bool good = true;
    while (good && sent < length) {
        ssize_t put = send(client->fd, text + sent, length - sent, MSG_NOSIGNAL);
        if (put >= 0) {
            sent += (size_t)put;
        } else if (errno == EAGAIN) {
            struct pollfd poller = { .fd = client->fd, .events = POLLOUT };
            if (poll(&poller, 1, SEND_TIMEOUT_MS) <= 0)
                good = error_set(error, ERROR_TIMEOUT, "the pool does not read");
        } else if (errno != EINTR) {
            good = error_system(error, errno, "cannot send");
        }
    }
    free(text);
    return good;
}

static bool connect_within(int fd, const struct addrinfo *to)
{
    int trouble = 0;
    socklen_t length = sizeof trouble;
    struct pollfd poller = { .fd = fd, .events = POLLOUT };
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return true;
    if (errno != EINPROGRESS)
        return false;
    if (poll(&poller, 1, CONNECT_TIMEOUT_MS) <= 0) {
        errno = ETIMEDOUT;
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &trouble, &length) != 0)
        return false;
    errno = trouble;
    return trouble == 0;
}

static bool open_socket(struct client *client, struct error *error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int on = 1;
    int trouble = getaddrinfo(client->host, client->port, &hints, &found);
    if (trouble != 0)
        return error_set(error, ERROR_UNAVAILABLE, "cannot resolve %s: %s", client->host,
                         gai_strerror(trouble));
    for (const struct addrinfo *at = found; at != NULL && client->fd < 0; at = at->ai_next) {
        client->fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (client->fd >= 0 && !connect_within(client->fd, at)) {
            int saved = errno;
            close(client->fd);
            client->fd = -1;
            errno = saved;
        }
    }
    freeaddrinfo(found);
    if (client->fd < 0)
        return error_system(error, errno, "cannot connect to %s:%s", client->host, client->port);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

bool client_connect(struct client *client, struct error *error)
{
    if (!open_socket(client, error))
        return false;
    client->input_bytes = 0;
    client->subscribed = client->authorized = client->reconnect_asked = false;
    client->version_mask = 0;
    client->difficulty = 1;
    client->next_id = ID_FIRST_SHARE;
    if (client->roll_version &&
        !send_json(client,
                   json_pack("{s:i, s:s, s:[[s], {s:s, s:i}]}", "id", ID_CONFIGURE, "method",
                             "mining.configure", "params", "version-rolling",
                             "version-rolling.mask", "1fffe000", "version-rolling.min-bit-count",
                             2),
                   error))
        return false;
    json_t *params = json_pack("[s]", "adit-miner/0.1");
    if (client->session_id[0] != 0)
        json_array_append_new(params, json_string(client->session_id));
    return send_json(client,
                     json_pack("{s:i, s:s, s:o}", "id", ID_SUBSCRIBE, "method", "mining.subscribe",
                               "params", params),
                     error);
}

size_t miner_client_close(struct client *client)
{
    size_t forgotten = client->pending_count;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->pending_count = 0;
    return forgotten;
}

/* Reads hex of unknown length; false where it is none or longer than `most` bytes. */
static bool read_hex(const json_t *json, uint8_t *bytes_r, size_t most, size_t *length_r)
{
    const char *text = json_string_value(json);
    size_t length = text == NULL ? 1 : strlen(text);
    *length_r = length / 2;
    return length % 2 == 0 && length / 2 <= most && hex_decode(text, length, bytes_r, length / 2);
}

static bool read_word(const json_t *json, uint32_t *word_r)
{
    uint8_t bytes[4];
    size_t length;
    if (!read_hex(json, bytes, sizeof bytes, &length) || length != 4)
        return false;
    *word_r = load_be32(bytes);
    return true;
}

static bool take_extranonce(struct client *client, const json_t *hex, const json_t *size)
{
    json_int_t bytes = json_integer_value(size);
    if (!read_hex(hex, client->extranonce1, sizeof client->extranonce1,
                  &client->extranonce1_bytes) ||
        !json_is_integer(size) || bytes < 1 || bytes > WORK_EXTRANONCE_BYTES_MAX)
        return false;
    client->extranonce2_bytes = (size_t)bytes;
    return true;
}

/* The session id stands beside "mining.notify" in the list of subscriptions. */
static void take_session_id(struct client *client, const json_t *list)
{
    client->session_id[0] = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *id = json_string_value(json_array_get(pair, 1));
        if (name != NULL && id != NULL && strcmp(name, "mining.notify") == 0 &&
            strlen(id) < sizeof client->session_id)
            memcpy(client->session_id, id, strlen(id) + 1);
    }
}

static bool on_subscribed(struct client *client, const json_t *result, struct error *error)
{
    if (!json_is_array(result) ||
        !take_extranonce(client, json_array_get(result, 1), json_array_get(result, 2)))
        return error_set(error, ERROR_REFUSED, "the pool's answer to subscribe is malformed");
    take_session_id(client, json_array_get(result, 0));
    client->subscribed = true;
    return send_json(client,
                     json_pack("{s:i, s:s, s:[]}", "id", ID_EXTRANONCE, "method",
                               "mining.extranonce.subscribe", "params"),
                     error) &&
           send_json(client,
                     json_pack("{s:i, s:s, s:[s, s]}", "id", ID_AUTHORIZE, "method",
                               "mining.authorize", "params", client->user, client->password),
                     error);
}

static void on_configured(struct client *client, const json_t *result)
{
    uint32_t mask = 0;
    if (json_is_true(json_object_get(result, "version-rolling")) &&
        read_word(json_object_get(result, "version-rolling.mask"), &mask))
        client->version_mask = mask & 0x1fffe000;
}

/* The pool's words for a refusal: [code, text, …] or whatever it sent. */
static void reason_text(const json_t *error, char *text_r, size_t bytes)
{
    const char *words = json_string_value(json_array_get(error, 1));
    if (words != NULL)
        snprintf(text_r, bytes, "%lld %s", (long long)json_integer_value(json_array_get(error, 0)),
                 words);
    else
        snprintf(text_r, bytes, "refused without a reason");
}

static bool on_answer(struct client *client, const json_t *line, struct error *error)
{
    const json_t *result = json_object_get(line, "result");
    const json_t *trouble = json_object_get(line, "error");
    json_int_t id = json_integer_value(json_object_get(line, "id"));
    char reason[256];
    reason_text(trouble, reason, sizeof reason);
    bool refused = trouble != NULL && !json_is_null(trouble);
    if (id == ID_CONFIGURE) {
        on_configured(client, result);
    } else if (id == ID_SUBSCRIBE) {
        return refused ? error_set(error, ERROR_REFUSED, "subscribe refused: %s", reason)
                       : on_subscribed(client, result, error);
    } else if (id == ID_AUTHORIZE) {
        client->authorized = json_is_true(result);
        client->events.authorized(client->events.context, client->authorized, reason);
    }
    for (size_t i = 0; i < client->pending_count; i++)
        if ((json_int_t)client->pending[i].id == id) {
            struct client_share share = client->pending[i].share;
            client->pending[i] = client->pending[--client->pending_count];
            bool accepted = !refused && json_is_true(result);
            client->events.answer(client->events.context, &share, accepted ? NULL : reason);
            break;
        }
    return true;
}

/* The previous hash comes as eight words, each with its bytes reversed. */
static bool read_previous(const json_t *json, uint8_t previous_r[32])
{
    uint8_t bytes[32];
    size_t length;
    if (!read_hex(json, bytes, sizeof bytes, &length) || length != 32)
        return false;
    for (size_t i = 0; i < 32; i++)
        previous_r[i] = bytes[(i & ~(size_t)3) + 3 - (i & 3)];
    return true;
}

static bool on_notify(struct client *client, const json_t *params, struct error *error)
{
    struct work_job *job = client->job;
    const char *id = json_string_value(json_array_get(params, 0));
    const json_t *branches = json_array_get(params, 4);
    memset(job, 0, sizeof *job);
    bool good = id != NULL && strlen(id) < sizeof job->id &&
                read_previous(json_array_get(params, 1), job->previous) &&
                read_hex(json_array_get(params, 2), job->coinbase1, sizeof job->coinbase1,
                         &job->coinbase1_bytes) &&
                read_hex(json_array_get(params, 3), job->coinbase2, sizeof job->coinbase2,
                         &job->coinbase2_bytes) &&
                json_is_array(branches) && json_array_size(branches) <= WORK_BRANCHES_MAX &&
                read_word(json_array_get(params, 5), &job->version) &&
                read_word(json_array_get(params, 6), &job->bits) &&
                read_word(json_array_get(params, 7), &job->time) &&
                json_is_boolean(json_array_get(params, 8));
    for (size_t i = 0; good && i < json_array_size(branches); i++) {
        size_t length;
        good = read_hex(json_array_get(branches, i), job->branches[i], 32, &length) && length == 32;
        job->branch_count = i + 1;
    }
    if (!good)
        return error_set(error, ERROR_REFUSED, "the pool sent a malformed job");
    memcpy(job->id, id, strlen(id) + 1);
    memcpy(job->extranonce1, client->extranonce1, sizeof job->extranonce1);
    job->extranonce1_bytes = client->extranonce1_bytes;
    job->extranonce2_bytes = client->extranonce2_bytes;
    job->version_mask = client->version_mask;
    /* A difficulty counts from the next job on. */
    job->difficulty = client->difficulty;
    if (!work_target(client->algorithm, job->difficulty, job->target))
        return error_set(error, ERROR_REFUSED, "the pool sent a difficulty that is none");
    work_network_target(job->bits, job->network_target);
    client->events.job(client->events.context, job, json_is_true(json_array_get(params, 8)));
    return true;
}

static bool on_request(struct client *client, const json_t *line, const char *method,
                       struct error *error)
{
    const json_t *params = json_object_get(line, "params");
    json_t *id = json_object_get(line, "id");
    const json_t *first = json_array_get(params, 0);
    if (strcmp(method, "mining.notify") == 0)
        return !client->subscribed || on_notify(client, params, error);
    if (strcmp(method, "mining.set_difficulty") == 0) {
        if (!json_is_number(first) || !(json_number_value(first) > 0))
            return error_set(error, ERROR_REFUSED, "the pool sent a difficulty that is none");
        client->difficulty = json_number_value(first);
    } else if (strcmp(method, "mining.set_extranonce") == 0) {
        if (!take_extranonce(client, first, json_array_get(params, 1)))
            return error_set(error, ERROR_REFUSED, "the pool sent a malformed extranonce");
    } else if (strcmp(method, "mining.set_version_mask") == 0) {
        uint32_t mask;
        if (client->roll_version && read_word(first, &mask))
            client->version_mask = mask & 0x1fffe000;
    } else if (strcmp(method, "client.show_message") == 0 && json_is_string(first)) {
        client->events.message(client->events.context, json_string_value(first));
    } else if (strcmp(method, "client.reconnect") == 0) {
        client->reconnect_asked = true; /* always to the same place: another would be a theft */
    } else if (id != NULL && !json_is_null(id)) {
        json_t *answer = strcmp(method, "mining.ping") == 0          ? json_string("pong")
                         : strcmp(method, "client.get_version") == 0 ? json_string("adit-miner/0.1")
                                                                     : json_null();
        return send_json(client, json_pack("{s:O, s:o, s:n}", "id", id, "result", answer, "error"),
                         error);
    }
    return true;
}

static bool on_line(struct client *client, const char *text, size_t length, struct error *error)
{
    json_error_t trouble;
    json_t *line = json_loadb(text, length, 0, &trouble);
    if (!json_is_object(line)) {
        json_decref(line);
        return error_set(error, ERROR_REFUSED, "the pool sent a line that is no JSON object");
    }
    const char *method = json_string_value(json_object_get(line, "method"));
    bool good =
        method != NULL ? on_request(client, line, method, error) : on_answer(client, line, error);
    json_decref(line);
    return good;
}

bool client_read(struct client *client, struct error *error)
{
    for (;;) {
        if (client->input_bytes == CLIENT_LINE_BYTES_MAX)
            return error_set(error, ERROR_FULL, "the pool sent a line without an end");
        ssize_t got = recv(client->fd, client->input + client->input_bytes,
                           CLIENT_LINE_BYTES_MAX - client->input_bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return !client->reconnect_asked ||
                   error_set(error, ERROR_UNAVAILABLE, "the pool asked to connect again");
        if (got < 0)
            return error_system(error, errno, "the connection broke");
        if (got == 0)
            return error_set(error, ERROR_UNAVAILABLE, "the pool closed the connection");
        client->input_bytes += (size_t)got;
        char *line = client->input;
        char *end = client->input + client->input_bytes;
        for (char *newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL;
             line = newline + 1)
            if (!on_line(client, line, (size_t)(newline - line), error))
                return false;
        client->input_bytes = (size_t)(end - line);
        memmove(client->input, line, client->input_bytes);
    }
}

bool client_submit(struct client *client, const struct client_share *share, struct error *error)
{
    char extranonce2[2 * WORK_EXTRANONCE_BYTES_MAX + 1];
    char time[9];
    char nonce[9];
    char version[9];
    if (client->pending_count == CLIENT_PENDING_MAX)
        return error_set(error, ERROR_FULL, "too many shares are unanswered");
    hex_encode(span_of(share->extranonce2, share->extranonce2_bytes), extranonce2);
    snprintf(time, sizeof time, "%08x", share->time);
    snprintf(nonce, sizeof nonce, "%08x", share->nonce);
    snprintf(version, sizeof version, "%08x", share->version_bits);
    json_t *params =
        json_pack("[s, s, s, s, s]", client->user, share->job_id, extranonce2, time, nonce);
    if (share->with_version)
        json_array_append_new(params, json_string(version));
    uint64_t id = client->next_id++;
    client->pending[client->pending_count].id = id;
    client->pending[client->pending_count++].share = *share;
    return send_json(client,
                     json_pack("{s:I, s:s, s:o}", "id", (json_int_t)id, "method", "mining.submit",
                               "params", params),
                     error);
}
