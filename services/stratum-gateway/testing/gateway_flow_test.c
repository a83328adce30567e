/* The gateway's process as its peers and miners see it. */
#include "services/stratum-gateway/testing/gateway_world.h"

#include <errno.h>
#include <fcntl.h>
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

static int set_up_small(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 2, HOLD_MS, 262144, 0, 0 });
}

static int set_up_large(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 600, HOLD_MS, 262144, 0, 0 });
}

static int set_up_hasty(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 100, HOLD_MS, 262144, 0, HASTY_MS });
}

static int set_up_brief(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 100, 2000, 262144, 0, 0 });
}

static int set_up_pressed(void **state)
{
    (void)state;
    return set_up_with(&(struct limits){ 100, HOLD_MS, 1024, 0, HASTY_MS });
}

/* Tests. */

static void a_share_goes_round_and_is_answered(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "addr.rig");
    submit(miner, 3, "addr.rig", 1);
    hear(miner, "{\"id\":3,\"result\":true,\"error\":null}");
    assert_int_equal(f->seen_count, 1);
    assert_int_equal(f->seen[0].lease_id, f->lease_id);
    assert_int_equal(f->seen[0].sequence, 1);
    assert_int_equal(f->seen[0].lowest, 1);
    assert_int_equal(f->last_share.account, 7);
    assert_int_equal(f->last_share.worker, 8);
    assert_true(f->last_share.work == (uint64_t)1 << 32);
    assert_int_equal(f->last_share.found, SHARE_ACCEPTED);
    assert_int_equal(load_be32(f->last_share.extranonce1) >> 16, f->lease_id);
    submit(miner, 4, "addr.rig", 2);
    hear(miner, "{\"id\":4,\"result\":true");
    assert_int_equal(f->seen[1].sequence, 2);
    assert_int_equal(f->seen[1].lowest, 1); /* it may be sent again, after a failover */
    UNTIL(f->beats > 0);
    disconnect(miner);
}

static void a_duplicate_goes_nowhere(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    say(miner,
        "{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
        "\"00000000000000Ab\",\"%08x\",\"0000000F\"]}",
        (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000 / 1000 * 1000));
    hear(miner, "{\"id\":3,\"result\":true");
    say(miner,
        "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
        "\"00000000000000aB\",\"%08X\",\"0000000f\",\"00000000\"]}",
        (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000 / 1000 * 1000));
    hear(miner, "{\"id\":4,\"result\":false,\"error\":[22,\"Duplicate share\",null]}");
    assert_int_equal(f->seen_count, 1);
    disconnect(miner);
}

static void a_share_below_its_difficulty_takes_no_room_and_may_come_again(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->validators[0].outcome = f->validators[1].outcome = SHARE_LOW_DIFFICULTY;
    for (unsigned i = 0; i < 2; i++) {
        say(miner,
            "{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
            "\"00000000000000ab\",\"%08x\",\"0000000f\"]}",
            (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000 / 1000 * 1000));
        hear(miner, "{\"id\":3,\"result\":false,\"error\":[23,");
        assert_int_equal(f->seen_count, i + 1);
    }
    disconnect(miner);
}

static void a_silent_validator_is_gone_round_under_the_same_id(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->unanswered = 1;
    submit(miner, 3, "w", 1);
    hear(miner, "{\"id\":3,\"result\":true");
    assert_true(f->seen_count >= 2);
    assert_int_equal(f->seen[1].sequence, f->seen[0].sequence);
    assert_int_equal(f->seen[1].lease_id, f->seen[0].lease_id);
    assert_int_not_equal(f->seen[1].validator, f->seen[0].validator);
    disconnect(miner);
}

static void a_lowest_is_never_above_what_is_unanswered(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_UNKNOWN;
    submit(miner, 3, "w", 1);
    UNTIL(f->seen_count >= 1);
    uint64_t stuck = f->seen[0].sequence;
    for (unsigned i = 0; i < 20; i++) {
        submit(miner, 4 + i, "w", 2 + i);
        unsigned before = f->seen_count;
        UNTIL(f->seen_count > before);
    }
    for (unsigned i = 0; i < f->seen_count; i++) {
        assert_true(f->seen[i].lowest <= f->seen[i].sequence);
        assert_int_equal(f->seen[i].lowest, stuck);
    }
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_JUDGED;
    for (unsigned i = 0; i < 21; i++)
        hear(miner, "\"result\":true");
    disconnect(miner);
}

static void a_share_nobody_keeps_is_answered_honestly_and_may_come_again(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_NOT_DURABLE;
    unsigned ntime = (unsigned)(loop_unix_ms() / 1000);
    const char *line = "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
                       "\"0000000000000000\",\"%08x\",\"00000001\"]}";
    char text[512];
    snprintf(text, sizeof text, line, 3, (unsigned long long)f->job_id, ntime);
    say(miner, "%s", text);
    hear(miner, "{\"id\":3,\"result\":false,\"error\":[20,\"Share could not be stored\",null]}");
    uint64_t given_up = f->seen[0].sequence;
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_JUDGED;
    snprintf(text, sizeof text, line, 4, (unsigned long long)f->job_id, ntime);
    say(miner, "%s", text);
    hear(miner, "{\"id\":4,\"result\":true");
    assert_true(f->seen[f->seen_count - 1].lowest > given_up);
    /* One whose fate is unknown stays a duplicate. */
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_UNKNOWN;
    line = "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
           "\"0000000000000000\",\"%08x\",\"00000077\"]}";
    snprintf(text, sizeof text, line, 5, (unsigned long long)f->job_id, ntime);
    say(miner, "%s", text);
    hear(miner, "{\"id\":5,\"result\":false,\"error\":[20,");
    f->validators[0].status = f->validators[1].status = WIRE_BATCH_JUDGED;
    snprintf(text, sizeof text, line, 6, (unsigned long long)f->job_id, ntime);
    say(miner, "%s", text);
    hear(miner, "{\"id\":6,\"result\":false,\"error\":[22,\"Duplicate share\",null]}");
    disconnect(miner);
}

static void a_share_whose_verdict_is_not_understood_is_never_judged_again(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    for (unsigned i = 0; i < 2; i++)
        f->validators[i].outcome = (enum share_outcome)SHARE_OUTCOMES_COUNT; /* a newer one's */
    unsigned ntime = (unsigned)(loop_unix_ms() / 1000);
    for (unsigned id = 3; id <= 4; id++) {
        say(miner,
            "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
            "\"0000000000000000\",\"%08x\",\"00000055\"]}",
            id, (unsigned long long)f->job_id, ntime);
        if (id == 3)
            hear(miner, "{\"id\":3,\"result\":false,\"error\":[20,\"Share could not be stored\",");
        else
            hear(miner, "{\"id\":4,\"result\":false,\"error\":[22,\"Duplicate share\",null]}");
    }
    assert_int_equal(f->seen_count, 1);
    disconnect(miner);
}

static void a_flood_travels_in_batches(void **state)
{
    (void)state;
    enum { SHARES = 2000 };
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    char text[512];
    unsigned answered = 0, sent = 0;
    uint64_t end_ns = loop_clock_ns() + UNTIL_PATIENCE_MS * UINT64_C(1000000);
    unsigned ntime = (unsigned)(loop_unix_ms() / 1000);
    while (answered < SHARES && loop_clock_ns() < end_ns) {
        for (; sent < SHARES && sent - answered < 500; sent++) {
            int length = snprintf(text, sizeof text,
                                  "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\","
                                  "\"%016llx\",\"0000000000000000\",\"%08x\",\"%08x\"]}\n",
                                  sent, (unsigned long long)f->job_id, ntime, sent);
            if (send(miner->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) != length)
                break;
        }
        loop_run_once(f->loop, 1);
        while (take_line(miner)) {
            unsigned id;
            if (sscanf(miner->line, "{\"id\":%u,\"result\":true", &id) == 1)
                assert_int_equal(id, answered++); /* in the order of the requests */
            else
                assert_non_null(strstr(miner->line, "\"method\""));
        }
    }
    assert_int_equal(answered, SHARES);
    printf("%d shares in %u batches\n", SHARES, f->seen_count);
    assert_true(f->seen_count < SHARES);
    disconnect(miner);
}

enum { FLOOD_MINERS = 12 };

/* Miners that keep so many submissions unanswered; their nonces are the numbers. */
struct flood {
    struct miner *miners[FLOOD_MINERS];
    unsigned sent[FLOOD_MINERS], answered[FLOOD_MINERS], refused[FLOOD_MINERS];
    unsigned refused_first[FLOOD_MINERS]; /* its number */
    unsigned ntime;
};

static void flood_turn(struct flood *flood, unsigned in_flight)
{
    turn();
    for (unsigned i = 0; i < FLOOD_MINERS; i++) {
        struct miner *miner = flood->miners[i];
        for (; flood->sent[i] - flood->answered[i] < in_flight; flood->sent[i]++)
            say(miner,
                "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
                "\"0000000000000000\",\"%08x\",\"%08x\"]}",
                flood->sent[i], (unsigned long long)f->job_id, flood->ntime, flood->sent[i]);
        while (take_line(miner)) {
            unsigned id;
            if (strstr(miner->line, "\"method\"") != NULL)
                continue;
            assert_int_equal(sscanf(miner->line, "{\"id\":%u,", &id), 1);
            assert_int_equal(id, flood->answered[i]++); /* in the order of the requests */
            if (strstr(miner->line, "\"result\":true") != NULL)
                continue;
            if (strstr(miner->line, "[20,\"Overloaded, share not accepted\",null]") == NULL)
                fail_msg("%s", miner->line);
            if (flood->refused[i]++ == 0)
                flood->refused_first[i] = id;
        }
        assert_false(miner->ended);
    }
}

static unsigned sum(const unsigned counts[FLOOD_MINERS])
{
    unsigned total = 0;
    for (unsigned i = 0; i < FLOOD_MINERS; i++)
        total += counts[i];
    return total;
}

static void slow_validators_raise_difficulties_before_shares_are_refused(void **state)
{
    (void)state;
    struct flood flood = { .ntime = (unsigned)(loop_unix_ms() / 1000) };
    for (unsigned i = 0; i < FLOOD_MINERS; i++) {
        flood.miners[i] = connect_miner();
        log_in(flood.miners[i], "w");
    }
    f->validators[0].slow_ms = f->validators[1].slow_ms = 60;
    /* Nearly a thousand held, of 1024: some seconds of that, and all are asked to send less. */
    uint64_t end_ns = loop_clock_ns() + 4000000000u;
    UNTIL_BY(flood_turn(&flood, 80),
             loop_clock_ns() > end_ns && strstr(f->log, "gateway.pressed") != NULL, f->log);
    assert_int_equal(sum(flood.refused), 0);
    /* More than may be held: what is beyond is refused, nothing else. */
    UNTIL_BY(flood_turn(&flood, 128),
             sum(flood.refused) >= 50 && flood.refused[FLOOD_MINERS - 1] > 0, f->log);
    f->validators[0].slow_ms = f->validators[1].slow_ms = 1;
    UNTIL_BY(flood_turn(&flood, 0), sum(flood.answered) == sum(flood.sent), f->log);
    UNTIL(strstr(f->log, "gateway.relieved") != NULL);
    unsigned raised = 0;
    for (const char *at = f->log; (at = strstr(at, "gateway.relieved")) != NULL; at++) {
        unsigned raises;
        assert_int_equal(sscanf(strstr(at, "raised="), "raised=%u", &raises), 1);
        raised += raises;
    }
    assert_true(raised > 0);
    printf("%u shares, %u refused, %u raises\n", sum(flood.sent), sum(flood.refused), raised);
    /* A refused one got no verdict: it may come again. */
    struct miner *last = flood.miners[FLOOD_MINERS - 1];
    say(last,
        "{\"id\":1,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
        "\"0000000000000000\",\"%08x\",\"%08x\"]}",
        (unsigned long long)f->job_id, flood.ntime, flood.refused_first[FLOOD_MINERS - 1]);
    do
        hear(last, "");
    while (strstr(last->line, "\"method\"") != NULL);
    assert_non_null(strstr(last->line, "{\"id\":1,\"result\":true"));
    for (unsigned i = 0; i < FLOOD_MINERS; i++)
        disconnect(flood.miners[i]);
}

static void the_pool_is_full_and_says_so(void **state)
{
    (void)state;
    struct miner *one = connect_miner(), *two = connect_miner();
    log_in(one, "a");
    log_in(two, "b");
    struct miner *three = connect_miner();
    say(three, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    hear(three, "[20,\"The pool is full\",null]");
    UNTIL(take_line(three) || three->ended);
    assert_true(three->ended);
    disconnect(two);
    struct miner *four = NULL;
    /* Its place is free as soon as the gateway has seen the end. */
    uint64_t end_ns = loop_clock_ns() + UNTIL_PATIENCE_MS * UINT64_C(1000000);
    for (bool in = false; !in && loop_clock_ns() < end_ns;) {
        four = connect_miner();
        say(four, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
        UNTIL(take_line(four) || four->ended);
        in = strstr(four->line, "mining.notify") != NULL;
        if (!in)
            disconnect(four);
    }
    submit(one, 3, "a", 1);
    hear(one, "{\"id\":3,\"result\":true");
    disconnect(one);
    disconnect(three);
    disconnect(four);
}

static void rubbish_harms_only_who_sends_it(void **state)
{
    (void)state;
    struct miner *miner = connect_miner(), *junk = connect_miner(), *slow = connect_miner();
    log_in(miner, "w");
    static char bytes[1 << 20];
    memset(bytes, 'A', sizeof bytes);
    size_t sent = 0;
    unsigned id = 10;
    while (sent < sizeof bytes && !junk->ended) {
        ssize_t wrote =
            send(junk->fd, bytes + sent, sizeof bytes - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (wrote > 0)
            sent += (size_t)wrote;
        else if (errno != EAGAIN)
            break;
        assert_int_equal(send(slow->fd, "{", 1, MSG_NOSIGNAL), 1);
        submit(miner, id, "w", id);
        char answer[64];
        snprintf(answer, sizeof answer, "{\"id\":%u,\"result\":true", id++);
        hear(miner, answer);
        receive(junk);
    }
    UNTIL(take_line(junk) || junk->ended);
    if (!junk->ended)
        assert_non_null(strstr(junk->line, "Line too long"));
    static const char *const lines[] = { "HEAD / HTTP/1.1", "{\"id\":1", "\x16\x03\x01\x02", "[]" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct miner *other = connect_miner();
        say(other, "%s", lines[i]);
        hear(other, "[20,\"Not a JSON object in one line\",null]");
        UNTIL(take_line(other) || other->ended);
        disconnect(other);
    }
    submit(miner, id, "w", id);
    hear(miner, "\"result\":true");
    disconnect(miner);
    disconnect(junk);
    disconnect(slow);
}

static void name_job(char id_r[32])
{
    snprintf(id_r, 32, "[\"%016llx\"", (unsigned long long)f->job_id);
}

static void a_new_job_reaches_everybody_and_old_ones_are_late(void **state)
{
    (void)state;
    enum { MINERS = 50 };
    struct miner *miners[MINERS];
    for (unsigned i = 0; i < MINERS; i++) {
        miners[i] = connect_miner();
        log_in(miners[i], "w");
    }
    uint64_t old = f->job_id;
    publish_job(true);
    char id[32];
    name_job(id);
    for (unsigned i = 0; i < MINERS; i++) {
        hear(miners[i], id);
        assert_non_null(strstr(miners[i]->line, ",true]}"));
    }
    publish_job(false);
    for (unsigned i = 0; i < MINERS; i++) {
        hear(miners[i], "mining.notify");
        assert_non_null(strstr(miners[i]->line, ",false]}"));
    }
    /* A share of the old job travels on: it may be a block. */
    f->job_id = old;
    submit(miners[0], 3, "w", 1);
    hear(miners[0], "{\"id\":3,\"result\":true");
    assert_int_equal(f->last_share.job_id, old);
    f->job_id = old + 12345;
    submit(miners[0], 4, "w", 1);
    hear(miners[0], "{\"id\":4,\"result\":false,\"error\":[21,\"Job not found\",null]}");
    for (unsigned i = 0; i < MINERS; i++)
        disconnect(miners[i]);
}

/* What a deposed scheduler still says goes to no miner, whatever its sequence and tip. */
static void a_job_of_an_older_epoch_goes_to_nobody(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    char id[32];
    log_in(miner, "w");
    uint64_t old_sequence = f->sequence;
    f->epoch = 2;
    f->sequence = 0;
    publish_job(true);
    name_job(id);
    hear(miner, "mining.notify");
    assert_non_null(strstr(miner->line, id));
    f->epoch = 1;
    f->sequence = old_sequence + 1000;
    publish_job(true);
    f->epoch = 2;
    f->sequence = 1;
    publish_job(false);
    name_job(id);
    hear(miner, "mining.notify");
    assert_non_null(strstr(miner->line, id));
    submit(miner, 3, "w", 1);
    hear(miner, "{\"id\":3,\"result\":true");
    f->job_id--; /* the deposed one's */
    submit(miner, 4, "w", 1);
    hear(miner, "{\"id\":4,\"result\":false,\"error\":[21,\"Job not found\",null]}");
    f->job_id++;
    struct miner *late = connect_miner();
    log_in(late, "w");
    disconnect(late);
    disconnect(miner);
}

static void jobs_faster_than_they_go_out_leave_nobody_on_an_old_tip(void **state)
{
    (void)state;
    enum { MINERS = 400 };
    static struct miner *miners[MINERS];
    for (unsigned i = 0; i < MINERS; i++) {
        miners[i] = connect_miner();
        log_in(miners[i], "w");
    }
    publish_job(true);
    publish_job(false);
    publish_job(false);
    char id[32];
    name_job(id);
    unsigned notified = 0;
    for (unsigned i = 0; i < MINERS; i++) {
        hear(miners[i], "mining.notify");
        assert_non_null(strstr(miners[i]->line, ",true]}")); /* the first on the new tip */
        for (notified++; strstr(miners[i]->line, id) == NULL; notified++)
            hear(miners[i], "mining.notify");
    }
    printf("%u lines for three jobs and %d miners\n", notified, MINERS);
    for (unsigned i = 0; i < MINERS; i++)
        disconnect(miners[i]);
}

static void a_lost_lease_is_replaced_and_sessions_move(void **state)
{
    (void)state;
    struct miner *moves = connect_miner(), *stays = connect_miner();
    say(moves, "{\"id\":9,\"method\":\"mining.extranonce.subscribe\",\"params\":[]}");
    hear(moves, "{\"id\":9,\"result\":true");
    log_in(moves, "w");
    log_in(stays, "w");
    uint64_t first = f->lease_id;
    f->lease_unknown = true;
    UNTIL(f->lease_id > first);
    hear(moves, "mining.set_extranonce");
    hear(moves, "mining.notify");
    assert_non_null(strstr(moves->line, ",true]}"));
    UNTIL(take_line(stays) || stays->ended);
    assert_true(stays->ended);
    char id[32];
    assert_int_equal(sscanf(moves->line, "%*[^[][\"%18[0-9a-f]", id), 1);
    say(moves,
        "{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"w\",\"%s\","
        "\"0000000000000000\",\"%08x\",\"00000001\"]}",
        id, (unsigned)(loop_unix_ms() / 1000));
    hear(moves, "{\"id\":3,\"result\":true");
    assert_int_equal(f->seen[f->seen_count - 1].lease_id, f->lease_id);
    assert_int_equal(f->seen[f->seen_count - 1].sequence, 1);
    assert_int_equal(load_be32(f->last_share.extranonce1) >> 16, f->lease_id);
    disconnect(moves);
    disconnect(stays);
}

static void names_are_remembered_while_auth_is_away(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "known");
    unsigned asked = f->asked_auth;
    struct miner *again = connect_miner();
    log_in(again, "known");
    assert_int_equal(f->asked_auth, asked);
    bus_server_close(f->auth);
    f->auth = NULL;
    struct miner *third = connect_miner();
    log_in(third, "known");
    /* A stranger waits, and hears why in the end; the others mine. */
    struct miner *stranger = connect_miner();
    say(stranger, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    hear(stranger, "\"id\":1");
    say(stranger, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"stranger\",\"x\"]}");
    submit(third, 3, "known", 1);
    hear(third, "{\"id\":3,\"result\":true");
    hear(stranger, "[24,\"Authorization is not available now, try again\",null]");
    disconnect(miner);
    disconnect(again);
    disconnect(third);
    disconnect(stranger);
}

static void a_refused_name_hears_the_reason(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"nobody\",\"x\"]}");
    hear(miner, "{\"id\":2,\"result\":false,\"error\":[24,\"no such account\",null]}");
    disconnect(miner);
}

static void told_to_stop_it_waits_for_verdicts_and_ends_well(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    log_in(miner, "w");
    f->validators[0].silent = f->validators[1].silent = true;
    submit(miner, 3, "w", 1);
    UNTIL(f->seen_count > 0);
    kill(f->child, SIGTERM);
    UNTIL(strstr(f->log, "service.stopping") != NULL);
    f->validators[0].silent = f->validators[1].silent = false;
    hear(miner, "{\"id\":3,\"result\":true");
    int status;
    UNTIL(waitpid(f->child, &status, WNOHANG) == f->child);
    f->child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    read_log();
    assert_null(strstr(f->log, " error "));
    disconnect(miner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not say where the gateway is\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        TEST(a_share_goes_round_and_is_answered),
        TEST(a_duplicate_goes_nowhere),
        TEST(a_share_below_its_difficulty_takes_no_room_and_may_come_again),
        cmocka_unit_test_setup_teardown(a_silent_validator_is_gone_round_under_the_same_id,
                                        set_up_hasty, tear_down),
        TEST(a_lowest_is_never_above_what_is_unanswered),
        TEST(a_share_whose_verdict_is_not_understood_is_never_judged_again),
        cmocka_unit_test_setup_teardown(
            a_share_nobody_keeps_is_answered_honestly_and_may_come_again, set_up_brief, tear_down),
        TEST(a_flood_travels_in_batches),
        cmocka_unit_test_setup_teardown(the_pool_is_full_and_says_so, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(
            slow_validators_raise_difficulties_before_shares_are_refused, set_up_pressed,
            tear_down),
        TEST(rubbish_harms_only_who_sends_it),
        TEST(a_new_job_reaches_everybody_and_old_ones_are_late),
        TEST(a_job_of_an_older_epoch_goes_to_nobody),
        cmocka_unit_test_setup_teardown(jobs_faster_than_they_go_out_leave_nobody_on_an_old_tip,
                                        set_up_large, tear_down),
        TEST(a_lost_lease_is_replaced_and_sessions_move),
        TEST(names_are_remembered_while_auth_is_away),
        TEST(a_refused_name_hears_the_reason),
        cmocka_unit_test_setup_teardown(told_to_stop_it_waits_for_verdicts_and_ends_well,
                                        set_up_hasty, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
