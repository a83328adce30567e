/* A real server that fills its disk, or dies and loads its file again, under appends: what was
 * answered is there, what was refused is not, what is unknown is told by asking again; and how soon
 * the writer is back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/window_redis.h"
#include "loop/testing/until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCHES = 400,
    SHARES = 50,
    FILE_BYTES = 300000, /* some 140 batches */
    BACK_MS = 2000,
};

struct ground {
    struct loop *loop;
    struct redis_server server;
    struct window_writer *writer;
    bool ready, slow;
    enum window_outcome outcomes[BATCHES + 1]; /* by sequence; 0: not answered */
    unsigned seen[BATCHES + 1];
};

static void on_state(void *context, bool ready, const char *text)
{
    (void)text;
    ((struct ground *)context)->ready = ready;
}

static void on_slow(void *context, const char *text)
{
    ((struct ground *)context)->slow = text != NULL;
}

#define UNTIL(ground, condition) LOOP_UNTIL((ground)->loop, condition, "")

static void begin(struct ground *ground, const char *const *options, uint64_t file_bytes)
{
    struct error error;
    *ground = (struct ground){ .loop = loop_create(&error) };
    if (!redis_server_begin_small(&ground->server, options, file_bytes, &error))
        fail_msg("%s", error.text);
    const struct window_redis_options writer = { .url = ground->server.url,
                                                 .timeout_ms = UNTIL_PATIENCE_MS,
                                                 .on_state = on_state,
                                                 .on_slow = on_slow,
                                                 .context = ground };
    ground->writer = window_redis_writer_open(ground->loop, &writer, &error);
    UNTIL(ground, ground->ready);
}

static void end(struct ground *ground)
{
    window_writer_close(ground->writer);
    redis_server_end(&ground->server);
    loop_destroy(ground->loop);
}

struct asked {
    struct ground *ground;
    uint64_t sequence;
};

static void take(void *context, const struct window_result *result)
{
    struct asked *asked = context;
    asked->ground->outcomes[asked->sequence] = result->outcome;
    free(asked);
}

static void send(struct ground *ground, uint64_t sequence)
{
    struct window_share shares[SHARES];
    struct asked *asked = malloc(sizeof *asked);
    *asked = (struct asked){ ground, sequence };
    for (size_t i = 0; i < SHARES; i++)
        shares[i] = (struct window_share){ .account = 1, .worker = sequence, .work = 1 };
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .shares = shares,
                                        .share_count = SHARES,
                                        .verdicts = span_text("v") };
    ground->outcomes[sequence] = 0;
    assert_true(window_append(ground->writer, &batch, take, asked));
}

static bool count_shares(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct ground *ground = context;
    (void)first, (void)lease_id, (void)shares;
    assert_int_equal(count, SHARES);
    ground->seen[sequence]++;
    return true;
}

static void read_all(struct ground *ground)
{
    struct error error;
    memset(ground->seen, 0, sizeof ground->seen);
    struct window_reader *reader = window_redis_reader_open(
        &(struct window_redis_options){ .url = ground->server.url }, &error);
    if (!window_walk_on(reader, NULL, count_shares, ground, &error))
        fail_msg("%s", error.text);
    window_reader_close(reader);
}

/* Sends all batches, a few in flight, up to the last or (`stop`) the first that is not kept. */
static uint64_t send_all(struct ground *ground, bool stop)
{
    uint64_t sequence = 1;
    for (; sequence <= BATCHES; sequence++) {
        send(ground, sequence);
        if (sequence < 8)
            continue;
        UNTIL(ground, ground->outcomes[sequence - 7] != 0);
        if (stop && ground->outcomes[sequence - 7] != WINDOW_APPENDED)
            break;
    }
    for (uint64_t i = 1; i <= sequence && i <= BATCHES; i++)
        UNTIL(ground, ground->outcomes[i] != 0);
    return sequence < BATCHES ? sequence : BATCHES;
}

/* What was said so far is true, and every batch that was sent can be brought in, once. */
static void hold_against_the_window(struct ground *ground, uint64_t sent)
{
    enum window_outcome first[BATCHES + 1];
    memcpy(first, ground->outcomes, sizeof first);
    read_all(ground);
    for (uint64_t i = 1; i <= sent; i++) {
        if (first[i] == WINDOW_APPENDED)
            assert_int_equal(ground->seen[i], 1);
        if (first[i] == WINDOW_UNAVAILABLE)
            assert_int_equal(ground->seen[i], 0);
    }
    for (uint64_t i = 1; i <= sent; i++) {
        send(ground, i);
        UNTIL(ground, ground->outcomes[i] != 0);
        assert_int_equal(ground->outcomes[i],
                         ground->seen[i] == 1 ? WINDOW_REPEATED : WINDOW_APPENDED);
    }
    read_all(ground);
    for (uint64_t i = 1; i <= sent; i++)
        assert_int_equal(ground->seen[i], 1);
}

/* With `always` the server ends rather than promise; with room it starts again where it was. */
static void a_full_disk_ends_the_server_and_no_answered_share(void **state)
{
    static struct ground ground;
    struct error error;
    (void)state;
    begin(&ground, NULL, FILE_BYTES);
    uint64_t sent = send_all(&ground, true);
    assert_true(sent > 20 && sent < BATCHES);
    UNTIL(&ground, !ground.ready);
    redis_server_kill(&ground.server);
    ground.server.file_bytes_max = 0;
    assert_true(redis_server_restart(&ground.server, &error));
    UNTIL(&ground, ground.ready);
    hold_against_the_window(&ground, sent);
    end(&ground);
}

/* With `everysec` it goes on and refuses; what it refused it never has. */
static void a_full_disk_is_refused_honestly_where_the_server_goes_on(void **state)
{
    static const char *const everysec[] = { "--appendfsync", "everysec", NULL };
    static struct ground ground;
    struct error error;
    (void)state;
    begin(&ground, everysec, FILE_BYTES);
    uint64_t sent = send_all(&ground, true);
    assert_true(sent > 20 && sent < BATCHES);
    uint64_t refused = sent;
    for (bool said = false; !said; said = ground.outcomes[refused] == WINDOW_UNAVAILABLE) {
        assert_true(++refused <= BATCHES);
        send(&ground, refused);
        UNTIL(&ground, ground.outcomes[refused] != 0);
    }
    redis_server_kill(&ground.server);
    UNTIL(&ground, !ground.ready);
    ground.server.file_bytes_max = 0;
    assert_true(redis_server_restart(&ground.server, &error));
    UNTIL(&ground, ground.ready);
    read_all(&ground);
    for (uint64_t i = 1; i <= refused; i++)
        if (ground.outcomes[i] == WINDOW_UNAVAILABLE)
            assert_int_equal(ground.seen[i], 0);
    end(&ground);
}

/* How long after a server had loaded its file again the writer was ready. */
static uint64_t back_after_ms(struct ground *ground)
{
    struct error error;
    redis_server_kill(&ground->server);
    UNTIL(ground, !ground->ready);
    /* As long as its pauses need to grow to their longest. */
    uint64_t until_ns = loop_clock_ns() + 2500000000ull;
    while (loop_clock_ns() < until_ns)
        loop_run_once(ground->loop, 20);
    if (!redis_server_restart(&ground->server, &error) ||
        !redis_server_wait(&ground->server, &error))
        fail_msg("%s", error.text);
    uint64_t loaded_ns = loop_clock_ns();
    UNTIL(ground, ground->ready);
    return (loop_clock_ns() - loaded_ns) / 1000000;
}

static void after_an_outage_the_writer_is_back_soon(void **state)
{
    static struct ground ground;
    (void)state;
    begin(&ground, NULL, 0);
    (void)send_all(&ground, false);
    /* A machine that stands still for a while says nothing of the writer: not three times. */
    uint64_t back_ms = BACK_MS + 1;
    for (unsigned attempt = 0; attempt < 3 && back_ms > BACK_MS; attempt++)
        back_ms = back_after_ms(&ground);
    assert_in_range(back_ms, 0, BACK_MS);
    hold_against_the_window(&ground, BATCHES);
    end(&ground);
}

/* With something under way, and with nothing. What was sent meanwhile is neither lost nor doubled:
 * the connection is kept, and brings the answers when the server goes on. */
static void a_server_that_hangs_is_told_of_and_what_was_sent_is_kept_once(void **state)
{
    enum { SENT = 20 };
    static struct ground ground;
    (void)state;
    begin(&ground, NULL, 0);
    for (unsigned with = 0; with < 2; with++) {
        redis_server_stop(&ground.server);
        if (with == 1)
            for (uint64_t i = 1; i <= SENT; i++)
                send(&ground, i);
        UNTIL(&ground, ground.slow);
        assert_true(ground.ready);
        for (uint64_t i = 1; i <= SENT; i++)
            assert_int_equal(ground.outcomes[i], 0);
        redis_server_continue(&ground.server);
        UNTIL(&ground, !ground.slow);
        assert_true(ground.ready);
    }
    for (uint64_t i = 1; i <= SENT; i++) {
        UNTIL(&ground, ground.outcomes[i] != 0);
        assert_int_equal(ground.outcomes[i], WINDOW_APPENDED);
    }
    hold_against_the_window(&ground, SENT);
    end(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_ends_the_server_and_no_answered_share),
        cmocka_unit_test(a_full_disk_is_refused_honestly_where_the_server_goes_on),
        cmocka_unit_test(after_an_outage_the_writer_is_back_soon),
        cmocka_unit_test(a_server_that_hangs_is_told_of_and_what_was_sent_is_kept_once),
    };
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("window_redis_outage", tests, NULL, NULL);
}
