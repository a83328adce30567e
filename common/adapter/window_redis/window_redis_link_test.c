/* What the adapter makes of a real server's moods: settings, passwords, full memory, lost
 * functions, silence. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/window_redis.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

struct ground {
    struct loop *loop;
    struct redis_server server;
    struct window_writer *writer;
    bool ready;
    unsigned states;
    char text[512];
};

struct answer {
    bool done;
    enum window_outcome outcome;
    char reason[200];
};

static void on_state(void *context, bool ready, const char *text)
{
    struct ground *ground = context;
    ground->ready = ready;
    ground->states++;
    snprintf(ground->text, sizeof ground->text, "%s", text);
}

static void begin(struct ground *ground, const char *const *server_options,
                  const struct window_redis_options *extra)
{
    struct error error;
    *ground = (struct ground){ .loop = loop_create(&error) };
    assert_non_null(ground->loop);
    if (!redis_server_begin(&ground->server, server_options, &error))
        fail_msg("%s", error.text);
    struct window_redis_options options = *extra;
    options.url = ground->server.url;
    options.on_state = on_state;
    options.context = ground;
    ground->writer = window_redis_writer_open(ground->loop, &options, &error);
    assert_non_null(ground->writer);
}

static void end(struct ground *ground)
{
    window_writer_close(ground->writer);
    redis_server_end(&ground->server);
    loop_destroy(ground->loop);
}

static void turn_until(struct ground *ground, const bool *flag, bool value)
{
    uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
    while (*flag != value) {
        if (loop_clock_ns() > end_ns)
            fail_msg("waited in vain; the last state was \"%s\"", ground->text);
        loop_run_once(ground->loop, 50);
    }
}

static void turn_until_told(struct ground *ground)
{
    uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
    while (ground->states == 0) {
        assert_true(loop_clock_ns() < end_ns);
        loop_run_once(ground->loop, 50);
    }
}

static void take(void *context, const struct window_result *result)
{
    struct answer *answer = context;
    answer->done = true;
    answer->outcome = result->outcome;
    snprintf(answer->reason, sizeof answer->reason, "%s", result->reason);
}

static struct answer append(struct ground *ground, uint64_t sequence, size_t shares_count)
{
    static struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    struct answer answer = { 0 };
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .shares = shares,
                                        .share_count = shares_count,
                                        .verdicts = span_text("v") };
    assert_true(window_append(ground->writer, &batch, take, &answer));
    assert_false(answer.done);
    turn_until(ground, &answer.done, true);
    return answer;
}

static void command(struct ground *ground, const char *text)
{
    redisContext *redis = redisConnectUnix(ground->server.url + 5);
    assert_non_null(redis);
    redisReply *reply = redisCommand(redis, text);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    redisFree(redis);
}

static void without_a_server_appends_are_answered_unavailable(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    redis_server_kill(&ground.server);
    turn_until(&ground, &ground.ready, false);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_UNAVAILABLE);
    assert_false(window_ready(ground.writer));
    struct error error;
    assert_true(redis_server_restart(&ground.server, &error));
    turn_until(&ground, &ground.ready, true);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_APPENDED);
    end(&ground);
}

static void a_server_that_would_lose_data_is_not_used(void **state)
{
    (void)state;
    static const char *const moods[][3] = { { "--appendonly", "no", NULL },
                                            { "--maxmemory-policy", "allkeys-lru", NULL } };
    static const char *const words[] = { "appendonly", "noeviction" };
    for (size_t i = 0; i < 2; i++) {
        struct ground ground;
        begin(&ground, moods[i], &(struct window_redis_options){ 0 });
        turn_until_told(&ground);
        assert_false(ground.ready);
        assert_non_null(strstr(ground.text, words[i]));
        assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_UNAVAILABLE);
        end(&ground);
    }
}

static void a_server_that_syncs_late_is_used_and_warned_of(void **state)
{
    (void)state;
    static const char *const moods[][3] = { { "--appendfsync", "everysec", NULL },
                                            { "--no-appendfsync-on-rewrite", "yes", NULL } };
    for (size_t i = 0; i < 2; i++) {
        struct ground ground;
        begin(&ground, moods[i], &(struct window_redis_options){ 0 });
        turn_until(&ground, &ground.ready, true);
        assert_non_null(strstr(ground.text, moods[i][0] + 2));
        assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_APPENDED);
        end(&ground);
    }
}

/* CONFIG forbidden, as where Redis is rented: what INFO shows decides; what nothing shows is not
 * relied on. Each line: more rights taken, what the server is, whether it is used, what is said. */
static void what_cannot_be_seen_is_not_relied_on(void **state)
{
    (void)state;
    static const struct {
        const char *rights;
        const char *options[3];
        bool ready;
        const char *said;
    } cases[] = {
        { "-config", { NULL }, true, "appendfsync is not known" },
        { "-config -info", { NULL }, false, "nothing is known about its durability" },
        { "-config", { "--appendonly", "no", NULL }, false, "set appendonly yes" },
        { "-config", { "--maxmemory-policy", "allkeys-lru", NULL }, false, "noeviction" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        struct ground ground;
        begin(&ground, cases[i].options, &(struct window_redis_options){ 0 });
        turn_until_told(&ground);
        snprintf(text, sizeof text, "ACL SETUSER default %s", cases[i].rights);
        command(&ground, text);
        command(&ground, "CLIENT KILL TYPE normal");
        uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
        while (strstr(ground.text, cases[i].said) == NULL || ground.ready != cases[i].ready) {
            if (loop_clock_ns() > end_ns)
                fail_msg("with %s it says \"%s\"", cases[i].rights, ground.text);
            loop_run_once(ground.loop, 50);
        }
        assert_int_equal(append(&ground, 1, 1).outcome,
                         cases[i].ready ? WINDOW_APPENDED : WINDOW_UNAVAILABLE);
        end(&ground);
    }
}

static void a_wrong_password_is_said_and_a_new_one_read(void **state)
{
    (void)state;
    char path[] = "/tmp/adit-password-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "wrong", 5) == 5);
    static const char *const protect[] = { "--requirepass", "right", NULL };
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ .password_file = path });
    redis_server_kill(&ground.server);
    ground.server.options = protect;
    struct error error;
    assert_true(redis_server_restart(&ground.server, &error));
    uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
    while (strstr(ground.text, "WRONGPASS") == NULL) {
        assert_true(loop_clock_ns() < end_ns);
        loop_run_once(ground.loop, 50);
    }
    assert_false(ground.ready);
    assert_true(pwrite(fd, "right", 5, 0) == 5); /* the file is read anew */
    turn_until(&ground, &ground.ready, true);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_APPENDED);
    close(fd);
    unlink(path);
    end(&ground);
}

static void a_full_server_refuses_and_nothing_is_applied(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    command(&ground, "CONFIG SET maxmemory 1");
    struct answer answer = append(&ground, 1, 1000);
    assert_int_equal(answer.outcome, WINDOW_UNAVAILABLE);
    assert_non_null(strstr(answer.reason, "OOM"));
    command(&ground, "CONFIG SET maxmemory 0");
    assert_int_equal(append(&ground, 1, 1000).outcome, WINDOW_APPENDED);
    end(&ground);
}

static void a_replica_refuses_and_is_left_until_it_leads(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    command(&ground, "REPLICAOF 127.0.0.1 1");
    struct answer answer = append(&ground, 1, 1);
    assert_int_equal(answer.outcome, WINDOW_UNAVAILABLE);
    assert_false(window_ready(ground.writer));
    command(&ground, "REPLICAOF NO ONE");
    turn_until(&ground, &ground.ready, true);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_APPENDED);
    end(&ground);
}

static void lost_functions_are_loaded_again(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    command(&ground, "FUNCTION FLUSH");
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_UNAVAILABLE);
    turn_until(&ground, &ground.ready, true);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_APPENDED);
    end(&ground);
}

static void a_server_that_falls_silent_leaves_it_unknown(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ .timeout_ms = 300 });
    turn_until(&ground, &ground.ready, true);
    redis_server_stop(&ground.server);
    assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_UNKNOWN);
    redis_server_continue(&ground.server);
    /* A busy machine may be silent for so long again. */
    enum window_outcome outcome = WINDOW_UNKNOWN;
    while (outcome == WINDOW_UNKNOWN || outcome == WINDOW_UNAVAILABLE) {
        turn_until(&ground, &ground.ready, true);
        outcome = append(&ground, 1, 1).outcome;
    }
    assert_true(outcome == WINDOW_APPENDED || outcome == WINDOW_REPEATED);
    end(&ground);
}

/* Records end by sequence, so a long life leaves no more of them than are in flight. */
static void records_do_not_pile_up(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    static struct window_share share;
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        struct answer answer = { 0 };
        const struct window_batch batch = { .lease_id = 1,
                                            .sequence = sequence,
                                            .lowest = sequence > 10 ? sequence - 10 : 1,
                                            .shares = &share,
                                            .share_count = 1,
                                            .verdicts = span_text("v") };
        assert_true(window_append(ground.writer, &batch, take, &answer));
        turn_until(&ground, &answer.done, true);
        assert_int_equal(answer.outcome, WINDOW_APPENDED);
    }
    redisContext *redis = redisConnectUnix(ground.server.url + 5);
    redisReply *reply = redisCommand(redis, "ZCARD adit:window:lease:0000000000000001");
    assert_int_equal(reply->integer, 11);
    freeReplyObject(reply);
    redisFree(redis);
    end(&ground);
}

/* A batch whose only share is a block: it needs every command there is. */
static struct answer append_block(struct ground *ground, uint64_t sequence)
{
    static const struct window_share share = { .account = 1, .work = 1 };
    struct answer answer = { 0 };
    struct window_candidate candidate = { .record = span_text("record") };
    store_be64(candidate.block_hash, sequence);
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .shares = &share,
                                        .share_count = 1,
                                        .verdicts = span_text("v"),
                                        .candidates = &candidate,
                                        .candidate_count = 1 };
    assert_true(window_append(ground->writer, &batch, take, &answer));
    turn_until(ground, &answer.done, true);
    return answer;
}

static long long number(struct ground *ground, const char *text)
{
    redisContext *redis = redisConnectUnix(ground->server.url + 5);
    redisReply *reply = redisCommand(redis, text);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    long long value = reply->integer;
    freeReplyObject(reply);
    redisFree(redis);
    return value;
}

/* What docs/durability.md gives the user of the validators. */
#define VALIDATOR_RIGHTS                                                                           \
    "~adit:window:* -@all +config|get +info +function|load +fcall +hget +hmget +hset +hsetnx "     \
    "+hincrby "                                                                                    \
    "+zadd +zrem +zrangebylex +xadd +xrevrange"

static const char *const needed[] = { "hget", "hmget", "hset",  "hsetnx",    "hincrby",    "zadd",
                                      "zrem", "xadd",  "fcall", "xrevrange", "zrangebylex" };

static void the_documented_rights_are_enough(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    redisContext *redis = redisConnectUnix(ground.server.url + 5);
    static const char *const commands[] = { "MULTI", "CLIENT KILL TYPE normal",
                                            "ACL SETUSER default resetkeys " VALIDATOR_RIGHTS,
                                            "EXEC" };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        redisReply *reply = redisCommand(redis, commands[i]);
        assert_non_null(reply);
        assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
    redisFree(redis);
    turn_until(&ground, &ground.ready, false); /* greeted with these rights alone */
    turn_until(&ground, &ground.ready, true);
    assert_string_equal(ground.text, "");
    assert_int_equal(append_block(&ground, 1).outcome, WINDOW_APPENDED);
    assert_int_equal(append_block(&ground, 1).outcome, WINDOW_REPEATED);
    end(&ground);
}

static void a_user_who_lacks_a_right_is_told_which_before_the_first_share(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        char text[100];
        struct ground ground;
        begin(&ground, NULL, &(struct window_redis_options){ 0 });
        turn_until(&ground, &ground.ready, true);
        snprintf(text, sizeof text, "ACL SETUSER default -%s", needed[i]);
        command(&ground, text);
        command(&ground, "CLIENT KILL TYPE normal");
        turn_until(&ground, &ground.ready, false);
        uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
        while (strstr(ground.text, needed[i]) == NULL) {
            if (ground.ready || loop_clock_ns() > end_ns)
                fail_msg("without %s it says \"%s\"", needed[i], ground.text);
            loop_run_once(ground.loop, 50);
        }
        assert_int_equal(append(&ground, 1, 1).outcome, WINDOW_UNAVAILABLE);
        end(&ground);
    }
}

/* The rights go while the link stands, hence without a greeting: whatever is missing, no share may
 * be left in the window without the record that its repeat is known by. */
static void a_right_that_is_lost_meanwhile_leaves_no_share_behind(void **state)
{
    (void)state;
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        uint64_t sequence = i + 1;
        char text[100];
        snprintf(text, sizeof text, "ACL SETUSER default -%s", needed[i]);
        command(&ground, text);
        for (int j = 0; j < 3; j++) {
            enum window_outcome outcome = append_block(&ground, sequence).outcome;
            /* zrem is needed only where a record is dropped, hset where the lowest grows */
            if (strcmp(needed[i], "zrem") != 0 && strcmp(needed[i], "hset") != 0)
                assert_true(outcome == WINDOW_UNAVAILABLE || outcome == WINDOW_UNKNOWN);
        }
        snprintf(text, sizeof text, "ACL SETUSER default +%s", needed[i]);
        command(&ground, text);
        turn_until(&ground, &ground.ready, true);
        (void)append_block(&ground, sequence);
        assert_int_equal(append_block(&ground, sequence).outcome, WINDOW_REPEATED);
        assert_int_equal(number(&ground, "XLEN adit:window:shares"), sequence);
        assert_int_equal(number(&ground, "HLEN adit:window:candidates"), sequence);
    }
    end(&ground);
}

static void a_key_of_another_kind_leaves_no_share_behind(void **state)
{
    (void)state;
    static const char *const keys[] = { "leases", "lease:0000000000000001", "candidates",
                                        "totals" };
    struct ground ground;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "SET adit:window:%s text", keys[i]);
        command(&ground, text);
        assert_int_equal(append_block(&ground, 1).outcome, WINDOW_UNKNOWN);
        assert_int_equal(number(&ground, "XLEN adit:window:shares"), 0);
        snprintf(text, sizeof text, "DEL adit:window:%s", keys[i]);
        command(&ground, text);
    }
    /* A text among the totals is met last: the append holds. */
    command(&ground, "HSET adit:window:totals accepted text");
    assert_int_equal(append_block(&ground, 1).outcome, WINDOW_UNKNOWN);
    assert_int_equal(append_block(&ground, 1).outcome, WINDOW_REPEATED);
    assert_int_equal(number(&ground, "XLEN adit:window:shares"), 1);
    end(&ground);
}

static void a_lease_that_is_over_leaves_no_records(void **state)
{
    (void)state;
    struct ground ground;
    struct error error;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    struct window_reader *reader = window_redis_reader_open(
        &(struct window_redis_options){ .url = ground.server.url }, &error);
    assert_non_null(reader);
    for (uint64_t sequence = 1; sequence <= 20; sequence++)
        (void)append(&ground, sequence, 1);
    assert_int_equal(number(&ground, "EXISTS adit:window:lease:0000000000000001"), 1);
    assert_true(window_lease_end(reader, 1, &error));
    assert_int_equal(number(&ground, "EXISTS adit:window:lease:0000000000000001"), 0);
    assert_int_equal(append(&ground, 5, 1).outcome, WINDOW_REFUSED);
    assert_int_equal(number(&ground, "EXISTS adit:window:lease:0000000000000001"), 0);
    assert_int_equal(number(&ground, "XLEN adit:window:shares"), 20);
    /* A server that is away, or refuses, is an error and nothing is done. */
    command(&ground, "ACL SETUSER default -unlink");
    assert_false(window_lease_end(reader, 2, &error));
    assert_non_null(strstr(error.text, "unlink"));
    assert_int_equal(number(&ground, "HLEN adit:window:leases"), 1);
    redis_server_kill(&ground.server);
    assert_false(window_lease_end(reader, 2, &error));
    assert_true(redis_server_restart(&ground.server, &error));
    turn_until(&ground, &ground.ready, false);
    turn_until(&ground, &ground.ready, true);
    assert_true(window_lease_end(reader, 2, &error));
    window_reader_close(reader);
    end(&ground);
}

static void on(redisContext *redis, const char *text)
{
    redisReply *reply = redisCommand(redis, text);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", text, reply->str);
    freeReplyObject(reply);
}

/* Whoever reads learns the history's name again when the server tells it again; only a user who
 * lacks the right reads on without. */
static void a_history_that_is_refused_once_is_asked_for_again(void **state)
{
    (void)state;
    struct ground ground;
    struct error error;
    struct window_state seen;
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    struct window_reader *reader = window_redis_reader_open(
        &(struct window_redis_options){ .url = ground.server.url }, &error);
    assert_non_null(reader);
    assert_true(window_state_read(reader, &seen, &error));
    uint64_t history = seen.history;
    assert_int_not_equal(history, 0);
    redisContext *redis = redisConnectUnix(ground.server.url + 5);
    assert_non_null(redis);
    on(redis, "ACL SETUSER default resetpass >other");
    on(redis, "CLIENT KILL TYPE normal");
    assert_false(window_state_read(reader, &seen, &error));
    assert_non_null(strstr(error.text, "NOAUTH"));
    on(redis, "ACL SETUSER default nopass");
    assert_true(window_state_read(reader, &seen, &error));
    assert_true(seen.history == history);
    on(redis, "ACL SETUSER default -info");
    for (int i = 0; i < 2; i++) {
        assert_true(window_state_read(reader, &seen, &error));
        assert_int_equal(seen.history, 0);
    }
    redisFree(redis);
    window_reader_close(reader);
    end(&ground);
}

struct damage {
    unsigned shown, damaged;
};

static bool look_for_damage(void *context, const struct window_found *found)
{
    struct damage *damage = context;
    damage->shown++;
    damage->damaged += found->damaged;
    if (found->damaged) {
        assert_true(found->empty && !found->credited && found->record.length == 0);
        assert_int_equal(found->block_hash[0], 'x');
    }
    return true;
}

/* One bad candidate must not hide the others, nor be beyond reach. */
static void a_damaged_candidate_is_shown_as_such_and_can_be_done(void **state)
{
    (void)state;
    struct ground ground;
    struct error error;
    struct damage damage = { 0 };
    begin(&ground, NULL, &(struct window_redis_options){ 0 });
    turn_until(&ground, &ground.ready, true);
    struct window_reader *reader = window_redis_reader_open(
        &(struct window_redis_options){ .url = ground.server.url }, &error);
    assert_non_null(reader);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        assert_int_equal(append_block(&ground, sequence).outcome, WINDOW_APPENDED);
    command(&ground, "HSET adit:window:candidates xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx rubbish");
    command(&ground, "HSET adit:window:candidates short rubbish");
    assert_true(window_candidates(reader, look_for_damage, &damage, &error));
    assert_int_equal(damage.shown, 4);
    assert_int_equal(damage.damaged, 1);
    uint8_t hash[32];
    bool found;
    memset(hash, 'x', sizeof hash);
    assert_true(window_candidate_get(reader, hash, look_for_damage, &damage, &found, &error));
    assert_false(found);
    assert_true(window_candidate_done(reader, hash, &error));
    assert_true(window_candidates(reader, look_for_damage, &damage, &error));
    assert_int_equal(damage.shown, 7);
    assert_int_equal(damage.damaged, 1);
    window_reader_close(reader);
    end(&ground);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_server_appends_are_answered_unavailable),
        cmocka_unit_test(a_server_that_would_lose_data_is_not_used),
        cmocka_unit_test(a_server_that_syncs_late_is_used_and_warned_of),
        cmocka_unit_test(what_cannot_be_seen_is_not_relied_on),
        cmocka_unit_test(a_wrong_password_is_said_and_a_new_one_read),
        cmocka_unit_test(a_full_server_refuses_and_nothing_is_applied),
        cmocka_unit_test(a_replica_refuses_and_is_left_until_it_leads),
        cmocka_unit_test(lost_functions_are_loaded_again),
        cmocka_unit_test(a_server_that_falls_silent_leaves_it_unknown),
        cmocka_unit_test(records_do_not_pile_up),
        cmocka_unit_test(the_documented_rights_are_enough),
        cmocka_unit_test(a_user_who_lacks_a_right_is_told_which_before_the_first_share),
        cmocka_unit_test(a_right_that_is_lost_meanwhile_leaves_no_share_behind),
        cmocka_unit_test(a_key_of_another_kind_leaves_no_share_behind),
        cmocka_unit_test(a_lease_that_is_over_leaves_no_records),
        cmocka_unit_test(a_history_that_is_refused_once_is_asked_for_again),
        cmocka_unit_test(a_damaged_candidate_is_shown_as_such_and_can_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
