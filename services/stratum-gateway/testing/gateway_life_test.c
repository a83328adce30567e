/* Who behaves badly and what follows; what an operator may ask; how a gateway leaves. */
#include "services/stratum-gateway/testing/gateway_world.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 100, HOLD_MS, 262144, 0, 0 });
}

static int set_up_hasty(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 100, HOLD_MS, 262144, 0, HASTY_MS });
}

static int set_up_tight(void **state)
{
    set_variable("ADIT_STRATUM__ADDRESS_CONNECTIONS_MAX", "3");
    set_variable("ADIT_STRATUM__ALLOW", "127.0.0.9/32");
    int result = set_up(state);
    unsetenv("ADIT_STRATUM__ADDRESS_CONNECTIONS_MAX");
    unsetenv("ADIT_STRATUM__ALLOW");
    return result;
}

/* Shares whose nonce is no hex, until the connection ends; whether it was warned meanwhile. */
static bool junk_until_thrown_out(struct miner *miner)
{
    bool warned = false;
    uint64_t end_ns = loop_clock_ns() + 60000000000u;
    for (unsigned id = 10; !miner->ended; id++) {
        assert_true(loop_clock_ns() < end_ns);
        /* Paused, it is not read for ten seconds: what it sends waits, a little at a time. */
        struct pollfd writable = { .fd = miner->fd, .events = POLLOUT };
        if (poll(&writable, 1, 0) == 1 && id < 400 &&
            (writable.revents & (POLLERR | POLLHUP)) == 0) {
            char line[256];
            int length =
                snprintf(line, sizeof line,
                         "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\","
                         "\"%016llx\",\"0000000000000000\",\"%08x\",\"nothexxx\"]}\n",
                         id, (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000));
            (void)!send(miner->fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        while (take_line(miner))
            warned |= strstr(miner->line, "client.show_message") != NULL;
        turn();
    }
    return warned;
}

static void junk_is_warned_paused_and_thrown_out_and_its_neighbour_mines_on(void **state)
{
    (void)state;
    struct miner *good = connect_from("127.0.0.5"), *bad = connect_from("127.0.0.5");
    log_in(good, "w");
    submit(good, 3, "w", 1);
    hear(good, "{\"id\":3,\"result\":true");
    log_in(bad, "w");
    assert_true(junk_until_thrown_out(bad));
    UNTIL(strstr(f->log, "conduct.thrown_out") != NULL);
    submit(good, 4, "w", 2);
    hear(good, "{\"id\":4,\"result\":true");
    /* One of two, the other in good standing: the address answers for half of it. */
    assert_true(ask_gateway("bans", ""));
    assert_string_equal(f->said, "nobody is banned");
    struct miner *again = connect_from("127.0.0.5");
    log_in(again, "w");
    disconnect(again);
    disconnect(bad);
    disconnect(good);
}

static void a_refused_name_again_and_again_bans_the_address(void **state)
{
    (void)state;
    struct miner *miner = NULL;
    for (unsigned i = 0; strstr(f->log, "conduct.ban") == NULL; i++) {
        assert_true(i < 1000);
        if (miner == NULL)
            miner = connect_from("127.0.0.6");
        say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"no%u\",\"x\"]}", i);
        UNTIL(take_line(miner) || miner->ended);
        if (miner->ended || i % 8 == 7) {
            disconnect(miner);
            miner = NULL;
        }
        turn();
    }
    if (miner != NULL)
        disconnect(miner);
    miner = connect_from("127.0.0.6");
    hear(miner, "\"error\":[20,\"Banned for ");
    UNTIL(take_line(miner) || miner->ended);
    assert_true(miner->ended);
    disconnect(miner);
    /* It is this address alone, and the operator can end it. */
    miner = connect_from("127.0.0.7");
    log_in(miner, "w");
    disconnect(miner);
    assert_true(ask_gateway("bans", ""));
    assert_memory_equal(f->said, "127.0.0.6 for ", 14);
    assert_false(ask_gateway("lift", "127.0.0.7"));
    assert_true(ask_gateway("lift", "127.0.0.6"));
    miner = connect_from("127.0.0.6");
    log_in(miner, "w");
    disconnect(miner);
}

static void an_address_that_sends_rubbish_is_soon_refused_at_the_door(void **state)
{
    (void)state;
    for (unsigned i = 0; strstr(f->log, "conduct.ban") == NULL; i++) {
        assert_true(i < 1000);
        struct miner *miner = connect_from("127.0.0.6");
        (void)!send(miner->fd, "rubbish\n", 8, MSG_NOSIGNAL);
        UNTIL(take_line(miner) || miner->ended);
        disconnect(miner);
        turn();
    }
    struct miner *miner = connect_from("127.0.0.6");
    hear(miner, "not Stratum");
    disconnect(miner);
    miner = connect_from("127.0.0.7");
    log_in(miner, "w");
    disconnect(miner);
}

static void an_operator_bans_addresses_and_workers(void **state)
{
    (void)state;
    assert_true(ask_gateway("ban", "127.0.0.8 3600"));
    assert_true(ask_gateway("ban", "worker 7/8 60"));
    assert_false(ask_gateway("ban", "10.0.0.0/8 60"));
    assert_false(ask_gateway("sing", ""));
    struct miner *miner = connect_from("127.0.0.8");
    hear(miner, "\"error\":[20,\"Banned for 3600 s: by the operator\"");
    disconnect(miner);
    miner = connect_miner();
    say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    hear(miner, "\"id\":1,\"result\":[[");
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "[24,\"Banned for ");
    assert_true(ask_gateway("lift", "all"));
    say(miner, "{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "{\"id\":3,\"result\":true");
    disconnect(miner);
}

static void an_address_has_so_many_connections_unless_it_is_allowed_more(void **state)
{
    (void)state;
    struct miner *miners[8];
    for (unsigned i = 0; i < 3; i++) {
        miners[i] = connect_miner();
        log_in(miners[i], "w");
    }
    struct miner *refused = connect_miner();
    hear(refused, "Too many connections from your address, try again");
    disconnect(refused);
    for (unsigned i = 3; i < 8; i++) {
        miners[i] = connect_from("127.0.0.9");
        log_in(miners[i], "w");
    }
    disconnect(miners[0]);
    UNTIL(ask_gateway("status", "") && strncmp(f->said, "7 connections", 13) == 0);
    miners[0] = connect_miner();
    log_in(miners[0], "w");
    for (unsigned i = 0; i < 8; i++)
        disconnect(miners[i]);
}

static void requests_beyond_their_rate_are_held_against_a_session(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    bool warned = false;
    for (unsigned i = 0; i < 2000 && !warned && !miner->ended; i++) {
        say(miner, "{\"id\":5,\"method\":\"mining.ping\",\"params\":[]}");
        while (take_line(miner))
            warned |= strstr(miner->line, "more requests than a miner needs") != NULL;
        turn();
    }
    UNTIL((take_line(miner), warned |= strstr(miner->line, "more requests") != NULL) ||
          miner->ended);
    assert_true(warned);
    disconnect(miner);
}

static int set_up_slow(void **state)
{
    set_variable("ADIT_STRATUM__LINES_PER_S", "50");
    set_variable("ADIT_STRATUM__REQUESTS_PER_S", "0");
    int result = set_up(state);
    unsetenv("ADIT_STRATUM__LINES_PER_S");
    unsetenv("ADIT_STRATUM__REQUESTS_PER_S");
    return result;
}

static bool somebody_was_slowed(void)
{
    assert_true(ask_gateway("status", ""));
    return strstr(f->said, "slowed 0,") == NULL;
}

/* Shares count as well; what is too much waits, and is lost no more than it is held against. */
static void lines_beyond_their_rate_wait_and_harm_nobody_else(void **state)
{
    (void)state;
    enum { SHARES = 60, PINGS = 60 };
    struct miner *much = connect_miner(), *other = connect_miner();
    log_in(much, "w");
    log_in(other, "w");
    for (unsigned i = 0; i < SHARES; i++)
        submit(much, 100 + i, "w", i);
    for (unsigned i = 0; i < PINGS; i++)
        say(much, "{\"id\":5,\"method\":\"mining.ping\",\"params\":[]}");
    UNTIL(somebody_was_slowed());
    submit(other, 3, "w", 1000);
    hear(other, "{\"id\":3,\"result\":true");
    unsigned accepted = 0, pongs = 0;
    while (accepted < SHARES || pongs < PINGS) {
        UNTIL(take_line(much));
        accepted += strstr(much->line, "\"result\":true") != NULL;
        pongs += strstr(much->line, "\"pong\"") != NULL;
    }
    assert_true(ask_gateway("bans", ""));
    assert_string_equal(f->said, "nobody is banned");
    assert_null(strstr(f->log, "conduct."));
    disconnect(much);
    disconnect(other);
}

static int set_up_lenient(void **state)
{
    static const char *const nothing[] = { "ADIT_STRATUM__POINTS_LOGIN",
                                           "ADIT_STRATUM__POINTS_RUBBISH",
                                           "ADIT_STRATUM__POINTS_BAD_SHARE" };
    for (unsigned i = 0; i < 3; i++)
        set_variable(nothing[i], "0");
    int result = set_up(state);
    for (unsigned i = 0; i < 3; i++)
        unsetenv(nothing[i]);
    return result;
}

/* Each of these is far more than what bans under the usual settings. */
static void what_costs_no_points_is_held_against_nobody(void **state)
{
    (void)state;
    struct miner *miner = connect_from("127.0.0.6");
    log_in(miner, "w");
    for (unsigned i = 0; i < 120; i++) {
        say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"no%u\",\"x\"]}", i);
        hear(miner, "{\"id\":2,\"result\":false");
        say(miner,
            "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
            "\"0000000000000000\",\"00000000\",\"nothexxx\"]}",
            (unsigned long long)f->job_id);
        hear(miner, "{\"id\":4,\"result\":false");
    }
    for (unsigned i = 0; i < 120; i++) {
        struct miner *rubbish = connect_from("127.0.0.6");
        (void)!send(rubbish->fd, "rubbish\n", 8, MSG_NOSIGNAL);
        UNTIL(take_line(rubbish) || rubbish->ended);
        disconnect(rubbish);
    }
    assert_true(ask_gateway("bans", ""));
    assert_string_equal(f->said, "nobody is banned");
    submit(miner, 5, "w", 1);
    hear(miner, "{\"id\":5,\"result\":true");
    disconnect(miner);
}

static void told_to_drain_it_sends_everybody_away_behind_their_answers(void **state)
{
    (void)state;
    struct miner *idle = connect_miner(), *busy = connect_miner(), *stranger = connect_miner();
    log_in(idle, "w");
    log_in(busy, "w");
    f->validators[0].silent = f->validators[1].silent = true;
    submit(busy, 3, "w", 1);
    UNTIL(f->seen_count > 0);
    assert_true(ask_gateway("drain", ""));
    hear(idle, "{\"id\":null,\"method\":\"client.reconnect\",\"params\":[]}");
    UNTIL(take_line(idle) || idle->ended);
    assert_true(idle->ended);
    UNTIL(take_line(stranger) || stranger->ended);
    assert_true(stranger->ended);
    f->validators[0].silent = f->validators[1].silent = false;
    hear(busy, "{\"id\":3,\"result\":true");
    hear(busy, "client.reconnect");
    int status;
    UNTIL(waitpid(f->child, &status, WNOHANG) == f->child);
    f->child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    disconnect(idle);
    disconnect(busy);
    disconnect(stranger);
}

/* Shares the validators were given, each batch once. */
static unsigned shares_judged(void)
{
    unsigned shares = 0;
    for (unsigned i = 0; i < f->seen_count; i++) {
        bool again = false;
        for (unsigned j = 0; j < i && !again; j++)
            again = f->seen[j].lease_id == f->seen[i].lease_id &&
                    f->seen[j].sequence == f->seen[i].sequence;
        shares += again ? 0 : f->seen[i].count;
    }
    return shares;
}

enum { LOADED = 20, IN_FLIGHT = 4 };

/* Miners that keep some submits unanswered, whatever happens. */
struct load {
    struct miner *miners[LOADED];
    unsigned sent[LOADED], answered[LOADED];
};

static void load_turn(struct load *load, bool submits)
{
    turn();
    for (unsigned i = 0; i < LOADED; i++) {
        struct miner *miner = load->miners[i];
        while (take_line(miner)) {
            char expected[64];
            if (strstr(miner->line, "\"id\":null") != NULL)
                continue;
            snprintf(expected, sizeof expected, "{\"id\":%u,\"result\":true,\"error\":null}",
                     100 + load->answered[i]);
            assert_string_equal(miner->line, expected);
            load->answered[i]++;
        }
        assert_false(miner->ended);
        if (submits && load->sent[i] - load->answered[i] < IN_FLIGHT) {
            submit(miner, 100 + load->sent[i], "w", i * 1000000 + load->sent[i]);
            load->sent[i]++;
        }
    }
}

static unsigned sum(const unsigned counts[LOADED])
{
    unsigned total = 0;
    for (unsigned i = 0; i < LOADED; i++)
        total += counts[i];
    return total;
}

static void another_program_takes_over_and_every_share_counts_once(void **state)
{
    (void)state;
    static struct load load;
    load = (struct load){ .sent = { 0 } };
    struct miner *half = connect_miner(), *fresh = connect_miner();
    log_in(half, "h");
    char share[256];
    snprintf(share, sizeof share,
             "\"method\":\"mining.submit\",\"params\":[\"h\",\"%016llx\","
             "\"0000000000000000\",\"%08x\",\"00000077\"]}",
             (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000));
    say(half, "{\"id\":3,%s", share);
    hear(half, "{\"id\":3,\"result\":true");
    for (unsigned i = 0; i < LOADED; i++) {
        load.miners[i] = connect_miner();
        log_in(load.miners[i], "w");
    }
    static const char begun[] = "{\"id\":4,\"method\":\"mining.pi";
    assert_int_equal(send(half->fd, begun, sizeof begun - 1, MSG_NOSIGNAL), sizeof begun - 1);
    while (sum(load.answered) < 200)
        load_turn(&load, true);
    for (unsigned upgrades = 1; upgrades <= 2; upgrades++) {
        f->log_bytes = 0;
        f->log[0] = '\0';
        assert_true(ask_gateway("upgrade", ""));
        uint64_t end_ns = loop_clock_ns() + 60000000000u;
        while (strstr(f->log, "service.ready") == NULL) {
            assert_true(loop_clock_ns() < end_ns);
            load_turn(&load, true);
        }
        assert_non_null(strstr(f->log, "upgrade.taken connections=22 miners=21"));
        for (unsigned goal = sum(load.answered) + 200; sum(load.answered) < goal;)
            load_turn(&load, true);
    }
    while (sum(load.answered) < sum(load.sent))
        load_turn(&load, false);
    assert_int_equal(shares_judged(), sum(load.sent) + 1);
    assert_int_equal(f->lease_id, 1); /* none was asked for anew */
    /* What was begun goes on, what is known stays known, and the port is the same. */
    say(half, "ng\",\"params\":[]}");
    hear(half, "{\"id\":4,\"result\":\"pong\"");
    say(half, "{\"id\":5,%s", share);
    hear(half, "{\"id\":5,\"result\":false,\"error\":[22,");
    log_in(fresh, "f");
    publish_job(true);
    hear(half, "mining.notify");
    submit(half, 6, "h", 78);
    hear(half, "{\"id\":6,\"result\":true");
    struct miner *late = connect_miner();
    log_in(late, "l");
    disconnect(late);
    disconnect(half);
    disconnect(fresh);
    for (unsigned i = 0; i < LOADED; i++)
        disconnect(load.miners[i]);
}

static void an_upgrade_without_verdicts_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->validators[0].silent = f->validators[1].silent = true;
    submit(miner, 3, "w", 1);
    UNTIL(f->seen_count > 0);
    assert_true(ask_gateway("upgrade", ""));
    submit(miner, 4, "w", 2);
    UNTIL(strstr(f->log, "upgrade.refused") != NULL);
    f->validators[0].silent = f->validators[1].silent = false;
    hear(miner, "{\"id\":3,\"result\":");
    hear(miner, "{\"id\":4,\"result\":true");
    disconnect(miner);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not say where the gateway is\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        TEST(junk_is_warned_paused_and_thrown_out_and_its_neighbour_mines_on, set_up),
        TEST(a_refused_name_again_and_again_bans_the_address, set_up),
        TEST(an_address_that_sends_rubbish_is_soon_refused_at_the_door, set_up),
        TEST(an_operator_bans_addresses_and_workers, set_up),
        TEST(an_address_has_so_many_connections_unless_it_is_allowed_more, set_up_tight),
        TEST(requests_beyond_their_rate_are_held_against_a_session, set_up),
        TEST(lines_beyond_their_rate_wait_and_harm_nobody_else, set_up_slow),
        TEST(what_costs_no_points_is_held_against_nobody, set_up_lenient),
        TEST(another_program_takes_over_and_every_share_counts_once, set_up),
        TEST(an_upgrade_without_verdicts_is_refused_and_nothing_is_lost, set_up_hasty),
        TEST(told_to_drain_it_sends_everybody_away_behind_their_answers, set_up_hasty),
    };
    return cmocka_run_group_tests_name("gateway, life", tests, NULL, NULL);
}
