#include "tests/conformance/player.h"

#include "core/pow/sha256.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void connect_player(struct player *player)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)player->pool->stratum_port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    player->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(player->fd >= 0);
    assert_int_equal(connect(player->fd, (const struct sockaddr *)&address, sizeof address), 0);
    player->used = 0;
    player->subscribed = player->told_difficulty = false;
    player->job.there = false;
    player->next_work = player->work = work_of(0);
}

void player_begin(struct player *player, const struct pool_fixture *pool,
                  enum pow_algorithm algorithm, const char *name)
{
    *player = (struct player){ .pool = pool, .algorithm = algorithm, .name = name };
    snprintf(player->user, sizeof player->user, "%s.%s", pool->pool_address, name);
    connect_player(player);
}

void player_end(struct player *player)
{
    close(player->fd);
}

void player_reconnect(struct player *player)
{
    close(player->fd);
    connect_player(player);
}

static void send_line(struct player *player, const char *text)
{
    char line[4096];
    int length = snprintf(line, sizeof line, "%s\n", text);
    assert_in_range(length, 1, sizeof line - 1);
    if (send(player->fd, line, (size_t)length, MSG_NOSIGNAL) != length)
        fail_msg("%s: the pool closed the connection before: %s", player->name, text);
}

/* Every `$NAME` of the text replaced. */
static void fill_in(const char *text, const char *const (*values)[2], size_t count, char *out_r,
                    size_t bytes)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t i = 0;
        while (i < count && strncmp(text, values[i][0], strlen(values[i][0])) != 0)
            i++;
        const char *piece = i < count ? values[i][1] : text;
        size_t length = i < count ? strlen(piece) : 1;
        assert_true(used + length < bytes);
        memcpy(out_r + used, piece, length);
        used += length;
        text += i < count ? strlen(values[i][0]) : 1;
    }
    out_r[used] = '\0';
}

void player_say(struct player *player, const char *text)
{
    char line[4096];
    const char *const values[][2] = { { "$USER", player->user }, { "$SESSION", player->session } };
    fill_in(text, values, 2, line, sizeof line);
    send_line(player, line);
}

static size_t read_hex(const json_t *value, uint8_t *bytes_r, size_t capacity)
{
    const char *text = json_string_value(value);
    assert_non_null(text);
    size_t length = strlen(text) / 2;
    assert_true(length <= capacity && strlen(text) % 2 == 0);
    assert_true(length == 0 || hex_decode(text, 2 * length, bytes_r, length));
    return length;
}

static uint32_t read_number(const json_t *value)
{
    uint8_t bytes[4];
    assert_int_equal(read_hex(value, bytes, sizeof bytes), 4);
    return load_be32(bytes);
}

static void take_job(struct player *player, const json_t *params)
{
    struct player_job *job = &player->job;
    assert_int_equal(json_array_size(params), 9);
    if (!player->told_difficulty)
        fail_msg("%s: a job came before any difficulty", player->name);
    snprintf(job->id, sizeof job->id, "%s", json_string_value(json_array_get(params, 0)));
    assert_int_equal(read_hex(json_array_get(params, 1), job->prev, 32), 32);
    job->coinbase1_bytes =
        read_hex(json_array_get(params, 2), job->coinbase1, sizeof job->coinbase1);
    job->coinbase2_bytes =
        read_hex(json_array_get(params, 3), job->coinbase2, sizeof job->coinbase2);
    const json_t *branches = json_array_get(params, 4);
    job->branches_count = json_array_size(branches);
    assert_true(json_is_array(branches) && job->branches_count <= 32);
    for (size_t i = 0; i < job->branches_count; i++)
        assert_int_equal(read_hex(json_array_get(branches, i), job->branches[i], 32), 32);
    job->version = read_number(json_array_get(params, 5));
    job->bits = read_number(json_array_get(params, 6));
    job->ntime = read_number(json_array_get(params, 7));
    assert_true(json_is_boolean(json_array_get(params, 8)));
    job->clean = json_is_true(json_array_get(params, 8));
    if (!job->there && !job->clean)
        fail_msg("%s: the first job is not a clean one", player->name);
    job->there = true;
    player->work = player->next_work;
}

static void take_difficulty(struct player *player, const json_t *params)
{
    char text[64];
    snprintf(text, sizeof text, "%.17g", json_number_value(json_array_get(params, 0)));
    assert_true(difficulty_parse(span_text(text), player->algorithm, work_of(1),
                                 work_of((uint64_t)1 << 63), &player->next_work));
    player->told_difficulty = true;
}

static void take_push(struct player *player, const char *method, const json_t *params)
{
    if (!player->subscribed)
        fail_msg("%s: %s was pushed before the subscribe answer", player->name, method);
    if (strcmp(method, "mining.notify") == 0)
        take_job(player, params);
    else if (strcmp(method, "mining.set_difficulty") == 0)
        take_difficulty(player, params);
    else if (strcmp(method, "mining.set_version_mask") == 0)
        player->mask = read_number(json_array_get(params, 0));
}

static void take_answer(struct player *player, const json_t *result)
{
    size_t index;
    json_t *pair;
    const char *mask = json_string_value(json_object_get(result, "version-rolling.mask"));
    if (mask != NULL)
        player->mask = (uint32_t)strtoul(mask, NULL, 16);
    if (json_array_size(result) != 3)
        return;
    json_array_foreach(
        json_array_get(result, 0), index,
        pair) if (strcmp(json_string_value(json_array_get(pair, 0)), "mining.notify") == 0)
        snprintf(player->session, sizeof player->session, "%s",
                 json_string_value(json_array_get(pair, 1)));
    snprintf(player->extranonce1, sizeof player->extranonce1, "%s",
             json_string_value(json_array_get(result, 1)));
    player->extranonce2_bytes = (unsigned)json_integer_value(json_array_get(result, 2));
    assert_in_range(player->extranonce2_bytes, 4, 8);
    player->subscribed = true;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool take_line(struct player *player)
{
    char *newline = memchr(player->text, '\n', player->used);
    if (newline == NULL)
        return false;
    size_t length = (size_t)(newline - player->text);
    assert_true(length < sizeof player->line);
    memcpy(player->line, player->text, length);
    player->line[length] = '\0';
    player->used -= length + 1;
    memmove(player->text, newline + 1, player->used);
    return true;
}

void player_hear(struct player *player)
{
    uint64_t until_ms = clock_ms() + PLAYER_PATIENCE_MS;
    while (!take_line(player)) {
        struct pollfd look = { .fd = player->fd, .events = POLLIN };
        (void)poll(&look, 1, 100);
        ssize_t got = recv(player->fd, player->text + player->used,
                           sizeof player->text - player->used, MSG_DONTWAIT);
        if (got == 0)
            fail_msg("%s: the pool closed the connection after: %s", player->name, player->line);
        if (got > 0)
            player->used += (size_t)got;
        if (clock_ms() > until_ms)
            fail_msg("%s: nothing comes after: %s", player->name, player->line);
    }
    json_t *message = json_loads(player->line, 0, NULL);
    if (!json_is_object(message))
        fail_msg("%s: not JSON: %s", player->name, player->line);
    const char *method = json_string_value(json_object_get(message, "method"));
    if (method != NULL)
        take_push(player, method, json_object_get(message, "params"));
    else
        take_answer(player, json_object_get(message, "result"));
    json_decref(message);
}

bool player_heard(const struct player *player, const char *pattern)
{
    const char *at = player->line;
    char whole[4096];
    const char *const values[][2] = { { "$USER", player->user }, { "$SESSION", player->session } };
    fill_in(pattern, values, 2, whole, sizeof whole);
    bool anywhere = false;
    for (char *piece = whole, *end; piece != NULL; piece = end) {
        end = strchr(piece, '*');
        if (end != NULL)
            *end++ = '\0';
        const char *found = anywhere                                 ? strstr(at, piece)
                            : strncmp(at, piece, strlen(piece)) == 0 ? at
                                                                     : NULL;
        if (found == NULL)
            return false;
        at = found + strlen(piece);
        anywhere = true;
    }
    size_t length = strlen(pattern);
    return *at == '\0' || (length > 0 && pattern[length - 1] == '*');
}

void player_await_job(struct player *player)
{
    while (!player->job.there)
        player_hear(player);
}

/* Building a header, as clients do (references: cpuminer util.c, BIP 310). */

static void merkle_root(const struct player *player, const char *extranonce2, uint8_t root_r[32])
{
    static uint8_t coinbase[8192];
    const struct player_job *job = &player->job;
    size_t used = 0, digits1 = strlen(player->extranonce1), digits2 = strlen(extranonce2);
    memcpy(coinbase, job->coinbase1, job->coinbase1_bytes);
    used += job->coinbase1_bytes;
    assert_true(hex_decode(player->extranonce1, digits1, coinbase + used, digits1 / 2));
    used += digits1 / 2;
    assert_true(hex_decode(extranonce2, digits2, coinbase + used, digits2 / 2));
    used += digits2 / 2;
    memcpy(coinbase + used, job->coinbase2, job->coinbase2_bytes);
    used += job->coinbase2_bytes;
    sha256d(span_of(coinbase, used), root_r);
    for (size_t i = 0; i < job->branches_count; i++) {
        uint8_t pair[64];
        memcpy(pair, root_r, 32);
        memcpy(pair + 32, job->branches[i], 32);
        sha256d(span_of(pair, sizeof pair), root_r);
    }
}

static bool is_good(const struct player *player, const uint8_t header[80])
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t hash[POW_HASH_BYTES];
    pow_hash(player->algorithm, header, scratch, hash);
    return difficulty_is_met(u256_load_le(hash), player->work);
}

void player_submit(struct player *player, const char *text, bool good)
{
    const struct player_job *job = &player->job;
    uint8_t header[80];
    char extranonce2[20], ntime[12], nonce_text[12], plain[12], bits_text[12];
    uint32_t bits = strstr(text, "$BITS") != NULL ? player->mask & 0x0a5ce000 : 0;
    uint32_t version = (job->version & ~player->mask) | (bits & player->mask);
    if (strstr(text, "$BITS") == NULL)
        version = job->version;
    snprintf(extranonce2, sizeof extranonce2, "%0*llx", (int)(2 * player->extranonce2_bytes),
             (unsigned long long)++player->extranonce2);
    store_le32(header, version);
    for (int i = 0; i < 32; i += 4)
        store_le32(header + 4 + i, load_be32(job->prev + i));
    merkle_root(player, extranonce2, header + 36);
    store_le32(header + 68, job->ntime);
    store_le32(header + 72, job->bits);
    uint32_t nonce = 0x1000;
    for (;; nonce++) {
        store_le32(header + 76, nonce);
        if (is_good(player, header) == good)
            break;
        if (nonce > 0x1000 + 20000000)
            fail_msg("%s: no share can be found at this difficulty", player->name);
    }
    snprintf(ntime, sizeof ntime, "%08x", job->ntime);
    snprintf(nonce_text, sizeof nonce_text, "%08x", nonce);
    snprintf(plain, sizeof plain, "%x", nonce);
    snprintf(bits_text, sizeof bits_text, "%08x", bits);
    const char *const values[][2] = {
        { "$USER", player->user }, { "$JOB", job->id },      { "$EN2", extranonce2 },
        { "$NTIME", ntime },       { "$NONCE", nonce_text }, { "$SHORT", plain },
        { "$BITS", bits_text },
    };
    fill_in(text, values, sizeof values / sizeof *values, player->last_share,
            sizeof player->last_share);
    send_line(player, player->last_share);
}

int player_answer(struct player *player)
{
    for (;;) {
        player_hear(player);
        json_t *message = json_loads(player->line, 0, NULL);
        bool is_answer = json_object_get(message, "method") == NULL;
        const json_t *error = json_object_get(message, "error");
        int code = json_is_array(error) ? (int)json_integer_value(json_array_get(error, 0)) : 0;
        bool is_true = json_is_true(json_object_get(message, "result"));
        json_decref(message);
        if (is_answer)
            return code != 0 || is_true ? code : -1;
    }
}
