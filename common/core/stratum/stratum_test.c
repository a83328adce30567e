/* The session machine: transcripts of the kinds of clients there are, the rules of order and of
 * work, and a table of rubbish. A transcript is what a client sends and must read back, byte for
 * byte; requests are spelt as the clients' own sources spell them. */
#include "base/test_random.h"
#include "core/stratum/session_fixture.h"

/* The text. */

static void a_notify_reads_as_every_client_expects_it(void **state)
{
    (void)state;
    struct job job = { .id = 0x1,
                       .version = 1,
                       .bits = 0x1d00ffff,
                       .coinbase1 = { 0xab, 0xcd },
                       .coinbase1_bytes = 2,
                       .coinbase2 = { 0xef },
                       .coinbase2_bytes = 1 };
    /* The genesis block's hash, internal order; on the wire as reference block 1 has it. */
    uint8_t display[32];
    assert_true(hex_decode("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", 64,
                           display, 32));
    bytes_reverse(display, 32, job.prev_hash);
    char text[STRATUM_NOTIFY_BYTES_MAX];
    size_t length = stratum_notify(&job, 0, 0, 0x4966bc61, true, text, sizeof text);
    text[length] = '\0';
    assert_string_equal(text, NOTIFY_HEAD
                        "0000000000000001\","
                        "\"0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000\","
                        "\"abcd\",\"ef\",[],\"00000001\",\"1d00ffff\",\"4966bc61\",true]}\n");
    length = stratum_notify(&job, 0, 0x1f, 0x4966bc62, false, text, sizeof text);
    text[length] = '\0';
    assert_string_equal(text, NOTIFY_HEAD
                        "00000000000000011f\","
                        "\"0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000\","
                        "\"abcd\",\"ef\",[],\"00000001\",\"1d00ffff\",\"4966bc62\",false]}\n");
}

static void the_longest_notify_fits_its_bound(void **state)
{
    (void)state;
    static struct job job;
    job.coinbase1_bytes = job.coinbase2_bytes = JOB_COINBASE_PART_BYTES_MAX;
    job.branches_count = TEMPLATE_BRANCHES_MAX;
    char text[STRATUM_NOTIFY_BYTES_MAX];
    assert_true(stratum_notify(&job, 0, 255, UINT32_MAX, false, text, sizeof text) > 0);
    assert_int_equal(stratum_notify(&job, 0, 255, UINT32_MAX, false, text, 2000), 0);
}

static void job_ids_read_back_and_nothing_else_does(void **state)
{
    (void)state;
    uint64_t id;
    unsigned variant;
    assert_true(stratum_job_id_parse(span_text("65f0000000000001"), &id, &variant));
    assert_true(id == 0x65f0000000000001 && variant == 0);
    assert_true(stratum_job_id_parse(span_text("65f0000000000001ff"), &id, &variant));
    assert_true(variant == 255);
    static const char *const bad[] = { "",
                                       "1",
                                       "65f000000000000",
                                       "65f000000000000g",
                                       "65f00000000000010",
                                       "65f000000000000100",
                                       "65f000000000000101a",
                                       "0x65f0000000001" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(stratum_job_id_parse(span_text(bad[i]), &id, &variant));
}

/* Transcripts. */

/* cpuminer (pooler), util.c: subscribes, authorizes, requests difficulty by name of nothing; ids
 * 1, 2, 4. It reads the very first line as the subscribe answer. */
static void transcript_cpuminer(void **state)
{
    (void)state;
    say("{\"id\": 1, \"method\": \"mining.subscribe\", \"params\": [\"cpuminer/2.5.1\"]}");
    expect("{\"id\":1,\"result\":" SUBSCRIBED);
    say("{\"id\": 2, \"method\": \"mining.authorize\", \"params\": [\"addr.rig\", \"x\"]}");
    expect("");
    assert_string_equal(f->user, "addr.rig");
    authorised(f->answer, 0, STRATUM_YES);
    char head[512];
    snprintf(head, sizeof head, "{\"id\":2,\"result\":true,\"error\":null}\n" DIFFICULTY("16"));
    expect_notify(head, "65f0000000000001", "\"6553f100\",true]}\n");
    say("{\"method\": \"mining.submit\", \"params\": [\"addr.rig\", \"65f0000000000001\", "
        "\"0000000000000000\", \"6553f100\", \"00000001\"], \"id\":4}");
    expect("");
    assert_int_equal(f->submission.account_id, 100);
    assert_int_equal(f->submission.worker_id, 200);
    assert_true(f->submission.work.expected_hashes == (uint64_t)16 << 32);
    assert_int_equal(f->submission.ntime, 0x6553f100);
    assert_int_equal(f->submission.nonce, 1);
    assert_memory_equal(f->submission.extranonce1, "\x0a\x0b\x0c\x0d", 4);
    assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
    verdict(f->answer, SHARE_ACCEPTED);
    expect("{\"id\":4,\"result\":true,\"error\":null}\n");
}

/* cgminer with a ckpool-like server: configure first, a session id to resume, version bits. */
static void transcript_cgminer(void **state)
{
    (void)state;
    say("{\"id\": 0, \"method\": \"mining.configure\", \"params\": [[\"version-rolling\"], "
        "{\"version-rolling.mask\": \"ffffffff\"}]}");
    expect("{\"id\":0,\"result\":{\"version-rolling\":true,\"version-rolling.mask\":\"1fffe000\"},"
           "\"error\":null}\n");
    say("{\"id\": 1, \"method\": \"mining.subscribe\", \"params\": "
        "[\"cgminer/4.11.1\", \"00000000000000aa\"]}");
    expect(""); /* the owner looks for that session first */
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_RESUMED }), STRATUM_TAKEN);
    expect("{\"id\":1,\"result\":" SUBSCRIBED);
    say("{\"id\": 2, \"method\": \"mining.authorize\", \"params\": [\"w\", \"\"]}");
    say("{\"id\": 3, \"method\": \"mining.extranonce.subscribe\", \"params\": []}");
    expect("");
    authorised(f->answer, 0, STRATUM_YES);
    expect_notify("{\"id\":2,\"result\":true,\"error\":null}\n"
                  "{\"id\":3,\"result\":true,\"error\":null}\n" DIFFICULTY("16"),
                  "65f0000000000001", ",true]}\n");
    say("{\"params\": [\"w\", \"65f0000000000001\", \"0100000000000000\", \"6553f101\", "
        "\"f0e1d2c3\", \"0a5ce000\"], \"id\": 5, \"method\": \"mining.submit\"}");
    assert_true(f->submission.has_version_bits);
    assert_int_equal(f->submission.version_bits, 0x0a5ce000);
    assert_int_equal(f->submission.version_mask, 0x1fffe000);
    assert_int_equal(f->submission.nonce, 0xf0e1d2c3);
    verdict(f->answer, SHARE_LOW_DIFFICULTY);
    expect("{\"id\":5,\"result\":false,\"error\":[23,\"Low difficulty share\",null]}\n");
}

/* NiceHash: subscribes with its agent, takes extranonce changes, authorizes, ids as numbers from 1;
 * its proxies send several authorizes on one connection. */
static void transcript_nicehash(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"NiceHash/1.0.0\", null, "
        "\"pool.example.com\", 3333]}");
    expect("{\"id\":1,\"result\":" SUBSCRIBED);
    say("{\"id\":2,\"method\":\"mining.extranonce.subscribe\",\"params\":[]}");
    expect("{\"id\":2,\"result\":true,\"error\":null}\n");
    say("{\"id\":3,\"method\":\"mining.suggest_difficulty\",\"params\":[500000]}");
    expect("{\"id\":3,\"result\":true,\"error\":null}\n");
    say("{\"id\":4,\"method\":\"mining.authorize\",\"params\":[\"a\",\"x\"]}");
    uint32_t first = f->answer;
    say("{\"id\":5,\"method\":\"mining.authorize\",\"params\":[\"b\",\"x\"]}");
    authorised(f->answer, 1, STRATUM_YES);
    expect(""); /* the second answer waits for the first */
    authorised(first, 0, STRATUM_YES);
    expect_notify("{\"id\":4,\"result\":true,\"error\":null}\n"
                  "{\"id\":5,\"result\":true,\"error\":null}\n" DIFFICULTY("500000"),
                  "65f0000000000001", ",true]}\n");
    say("{\"id\":6,\"method\":\"mining.submit\",\"params\":[\"b\",\"65f0000000000001\","
        "\"0000000000000002\",\"6553f100\",\"00000007\",null]}");
    assert_int_equal(f->submission.account_id, 101);
    assert_false(f->submission.has_version_bits);
    verdict(f->answer, SHARE_ACCEPTED);
    expect("{\"id\":6,\"result\":true,\"error\":null}\n");
}

/* Bitaxe (ESP-Miner, stratum_api.c): subscribe, configure, authorize and suggest without waiting.
 */
static void transcript_bitaxe(void **state)
{
    (void)state;
    say("{\"id\": 1, \"method\": \"mining.subscribe\", \"params\": [\"bitaxe/BM1370/v2.4.0\"]}");
    say("{\"id\": 2, \"method\": \"mining.configure\", \"params\": [[\"version-rolling\"], "
        "{\"version-rolling.mask\": \"ffffffff\"}]}");
    say("{\"id\": 3, \"method\": \"mining.authorize\", \"params\": [\"w\", \"x\"]}");
    say("{\"id\": 4, \"method\": \"mining.suggest_difficulty\", \"params\": [1000]}");
    expect("{\"id\":1,\"result\":" SUBSCRIBED
           "{\"id\":2,\"result\":{\"version-rolling\":true,\"version-rolling.mask\":\"1fffe000\"},"
           "\"error\":null}\n");
    authorised(f->answer, 0, STRATUM_YES);
    expect_notify("{\"id\":3,\"result\":true,\"error\":null}\n"
                  "{\"id\":4,\"result\":true,\"error\":null}\n" DIFFICULTY("1000"),
                  "65f0000000000001", ",true]}\n");
}

static void transcript_authorize_before_subscribe(void **state)
{
    (void)state;
    say("{\"id\":\"a\",\"method\":\"mining.authorize\",\"params\":[\"w\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    expect("{\"id\":\"a\",\"result\":true,\"error\":null}\n");
    happen(STRATUM_JOB);
    expect("");
    say("{\"id\":[1,{\"x\":null}],\"method\":\"mining.subscribe\"}");
    char head[512];
    snprintf(head, sizeof head, "{\"id\":[1,{\"x\":null}],\"result\":" SUBSCRIBED DIFFICULTY("16"));
    expect_notify(head, "65f0000000000001", ",true]}\n");
}

/* Order. */

static void nothing_is_pushed_before_the_subscribe_answer(void **state)
{
    (void)state;
    happen(STRATUM_JOB);
    happen(STRATUM_TICK);
    say("{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[\"0.5\"]}");
    expect("{\"id\":1,\"result\":true,\"error\":null}\n");
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    happen(STRATUM_JOB);
    expect("{\"id\":2,\"result\":true,\"error\":null}\n");
}

static void answers_leave_in_the_order_of_the_requests(void **state)
{
    (void)state;
    begin_mining();
    uint32_t number[3];
    for (unsigned i = 0; i < 3; i++) {
        submit(10 + i, "65f0000000000001", UNIX_S, i);
        number[i] = f->answer;
    }
    say("{\"id\":13,\"method\":\"mining.ping\",\"params\":[]}");
    say("{\"id\":14,\"method\":\"mining.nonsense\",\"params\":[]}");
    /* A long answer is not taken while others are held. */
    assert_int_equal(say_later("{\"id\":15,\"method\":\"mining.get_transactions\","
                               "\"params\":[\"65f0000000000001\"]}"),
                     STRATUM_LATER);
    expect("");
    verdict(number[2], SHARE_ACCEPTED);
    expect("");
    verdict(number[0], SHARE_STALE);
    expect("{\"id\":10,\"result\":false,\"error\":[21,\"Stale share\",null]}\n");
    verdict(number[1], SHARE_ACCEPTED);
    expect("{\"id\":11,\"result\":true,\"error\":null}\n"
           "{\"id\":12,\"result\":true,\"error\":null}\n"
           "{\"id\":13,\"result\":\"pong\",\"error\":null}\n"
           "{\"id\":14,\"result\":null,\"error\":[20,\"Unknown method\",null]}\n");
    say("{\"id\":15,\"method\":\"mining.get_transactions\",\"params\":[\"65f0000000000001\"]}");
    expect("{\"id\":15,\"result\":null,\"error\":[20,\"Transactions are not sent here: look at the "
           "pool's blocks\",null]}\n");
    verdict(number[1], SHARE_ACCEPTED); /* a second verdict is nobody's */
    expect("");
}

/* A list, where one is sent, is the job's. */
static void transactions_are_listed_where_there_are_none_and_else_said_to_be_elsewhere(void **state)
{
    (void)state;
    f->job[0].branches_count = 0;
    begin_mining();
    say("{\"id\":\"txlist\",\"method\":\"mining.get_transactions\",\"params\":["
        "\"65f0000000000001\"]}");
    expect("{\"id\":\"txlist\",\"result\":[],\"error\":null}\n");
    say("{\"id\":1,\"method\":\"mining.get_transactions\",\"params\":[\"65f0000000000009\"]}");
    expect("{\"id\":1,\"result\":null,\"error\":[21,\"Job not found\",null]}\n");
    say("{\"id\":2,\"method\":\"mining.get_transactions\",\"params\":[]}");
    expect("{\"id\":2,\"result\":null,\"error\":[20,\"Invalid parameters\",null]}\n");
    assert_int_equal(f->session.rejects, 0);
}

static void a_full_ring_takes_no_more_until_answers_leave(void **state)
{
    (void)state;
    begin_mining();
    uint32_t first = 0;
    for (unsigned i = 0; i < STRATUM_ANSWERS_MAX; i++) {
        submit(i, "65f0000000000001", UNIX_S, i);
        if (i == 0)
            first = f->answer;
    }
    assert_int_equal(say_later("{\"id\":1,\"method\":\"mining.ping\"}"), STRATUM_LATER);
    verdict(first, SHARE_ACCEPTED);
    say("{\"id\":1,\"method\":\"mining.ping\"}");
    f->sent[0] = '\0';
    for (unsigned i = STRATUM_ANSWERS_MAX - 1; i > 0; i--)
        verdict(first + i, SHARE_LOW_DIFFICULTY);
    assert_false(stratum_session_holds_answers(&f->session));
    assert_non_null(strstr(f->sent, "\"pong\""));
}

/* Work. */

static void difficulty_is_told_right_before_the_job_it_counts_from(void **state)
{
    (void)state;
    begin_mining();
    pass_ms(2000);
    say("{\"id\":9,\"method\":\"mining.suggest_difficulty\",\"params\":[64]}");
    expect_notify("{\"id\":9,\"result\":true,\"error\":null}\n" DIFFICULTY("64"),
                  "65f000000000000101", "\"6553f102\",false]}\n");
    /* The header decides: below the new ntime the old work counts, whatever id is named. */
    submit(10, "65f000000000000101", UNIX_S + 1, 1);
    assert_true(f->submission.work.expected_hashes == (uint64_t)16 << 32);
    submit(11, "65f0000000000001", UNIX_S + 1, 2);
    assert_true(f->submission.work.expected_hashes == (uint64_t)16 << 32);
    submit(12, "65f000000000000101", UNIX_S + 2, 1);
    assert_true(f->submission.work.expected_hashes == (uint64_t)64 << 32);
    submit(13, "65f0000000000001", UNIX_S + 2, 3);
    assert_true(f->submission.work.expected_hashes == (uint64_t)64 << 32);
    /* The next job keeps it, and says nothing again. */
    add_job(1, 0x65f0000000000002, 0xaa, false);
    happen(STRATUM_JOB);
    expect_notify("", "65f0000000000002", ",false]}\n");
    submit(14, "65f0000000000002", UNIX_S - 10, 1);
    assert_true(f->submission.work.expected_hashes == (uint64_t)64 << 32);
    submit(15, "65f0000000000001", UNIX_S, 4);
    assert_true(f->submission.work.expected_hashes == (uint64_t)16 << 32);
}

static void whatever_is_claimed_a_header_has_one_work(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("one work a header");
    begin_mining();
    static uint64_t worth[7300]; /* by ntime, as first seen; 0: not seen */
    for (unsigned round = 0; round < 60; round++) {
        char line[128], id[32] = "65f0000000000001";
        pass_ms(1000 + test_random_below(&random, 60000));
        snprintf(line, sizeof line,
                 "{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[%llu]}",
                 (unsigned long long)(1 + test_random_below(&random, 1000)));
        say(line);
        while (stratum_session_holds_answers(&f->session))
            verdict(f->session.answers->first, SHARE_ACCEPTED);
        f->sent[0] = '\0';
        for (unsigned i = 0; i < 40; i++) {
            /* Only up to now: what a miner may have mined already. */
            unsigned ahead = (unsigned)test_random_below(
                &random, (f->world.unix_ms - (uint64_t)UNIX_S * 1000) / 1000 + 1);
            unsigned variant = (unsigned)test_random_below(&random, f->session.sent_variant + 1u);
            if (ahead >= 7200)
                continue;
            if (variant > 0)
                snprintf(id + 16, 3, "%02x", variant & 0xffu);
            else
                id[16] = '\0';
            submit(2, id, UNIX_S + ahead, round * 100 + i);
            uint64_t work = f->submission.work.expected_hashes;
            if (f->submission.gateway_outcome == SHARE_ACCEPTED) {
                assert_true(worth[ahead] == 0 || worth[ahead] == work);
                worth[ahead] = work;
            }
        }
    }
}

static void a_flood_raises_the_work_at_once_and_silence_lowers_it(void **state)
{
    (void)state;
    begin_mining();
    unsigned nonce = 0;
    for (unsigned i = 0; i < 100; i++) {
        pass_ms(20);
        submit(7, "65f0000000000001", UNIX_S, nonce++);
        verdict(f->answer, SHARE_ACCEPTED);
    }
    assert_non_null(strstr(f->sent, "mining.set_difficulty"));
    uint64_t high = f->session.vardiff.work.expected_hashes;
    assert_true(high > (uint64_t)16 << 32);
    f->sent[0] = '\0';
    for (unsigned i = 0; i < 120; i++) {
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    assert_true(f->session.vardiff.work.expected_hashes < high);
    assert_non_null(strstr(f->sent, "mining.set_difficulty"));
}

static void a_pool_that_cannot_keep_up_raises_the_work_and_owes_what_was_due(void **state)
{
    (void)state;
    begin_mining();
    happen(STRATUM_RAISE);
    expect(""); /* right after the job it could not be told apart */
    pass_ms(5000);
    happen(STRATUM_RAISE);
    assert_non_null(strstr(f->sent, "mining.set_difficulty\",\"params\":[32]"));
    assert_non_null(strstr(f->sent, "[\"65f000000000000101\""));
    assert_non_null(strstr(f->sent, "false]}"));
    f->sent[0] = '\0';
    /* What is below the new ntime is owed at the old work, whatever id it names. */
    submit(7, "65f0000000000001", UNIX_S, 1);
    assert_true(f->submission.work.expected_hashes == (uint64_t)16 << 32);
    verdict(f->answer, SHARE_ACCEPTED);
    submit(8, "65f000000000000101", UNIX_S + 5, 2);
    assert_true(f->submission.work.expected_hashes == (uint64_t)32 << 32);
    verdict(f->answer, SHARE_ACCEPTED);
    for (unsigned i = 0; i < 20; i++) {
        pass_ms(1100);
        happen(STRATUM_RAISE);
    }
    assert_true(f->session.vardiff.work.expected_hashes == (uint64_t)(16 << 4) << 32);
    /* After a while without it may happen once more. */
    pass_ms(STRATUM_RAISE_KEPT_MS);
    happen(STRATUM_TICK);
    happen(STRATUM_RAISE);
    happen(STRATUM_RAISE);
    assert_int_equal(f->session.raises, STRATUM_RAISES_MAX);
}

/* The session's work, as the network's of the current job would have it. */
static void set_network_work(unsigned job, uint64_t expected_hashes)
{
    f->job[job].network_target = difficulty_target(work_of(expected_hashes));
}

static void a_session_is_never_raised_above_what_a_block_takes(void **state)
{
    (void)state;
    begin_mining(); /* at 16 */
    set_network_work(0, (uint64_t)50 << 32);
    for (unsigned i = 0; i < 20; i++) {
        pass_ms(5100);
        happen(STRATUM_RAISE);
    }
    uint64_t work = f->session.vardiff.work.expected_hashes;
    assert_true(work > (uint64_t)49 << 32 && work <= (uint64_t)50 << 32);
    assert_true(u256_compare(difficulty_target(work_of(work)), f->job[0].network_target) >= 0);
    /* The network gets easier: the raised work goes down with the job that says so. */
    f->sent[0] = '\0';
    pass_ms(1000);
    add_job(1, 0x65f0000000000002, 2, true);
    set_network_work(1, (uint64_t)20 << 32);
    happen(STRATUM_JOB);
    work = f->session.vardiff.work.expected_hashes;
    assert_true(work > (uint64_t)19 << 32 && work <= (uint64_t)20 << 32);
    assert_non_null(strstr(f->sent, "mining.set_difficulty"));
    /* But not below what it was without the raises: on a chain of toy difficulty nothing changes.
     */
    pass_ms(6000);
    add_job(2, 0x65f0000000000003, 3, true);
    set_network_work(2, 2);
    happen(STRATUM_JOB);
    work = f->session.vardiff.work.expected_hashes;
    assert_true(work == (uint64_t)16 << 32);
    pass_ms(6000);
    happen(STRATUM_RAISE);
    assert_true(f->session.vardiff.work.expected_hashes == work);
}

static void answers_we_hold_back_are_no_silence_of_the_miner(void **state)
{
    (void)state;
    begin_mining();
    submit(7, "65f0000000000001", UNIX_S, 1);
    for (unsigned i = 0; i < 300; i++) {
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    expect("");
    assert_true(f->session.vardiff.work.expected_hashes == (uint64_t)16 << 32);
}

static void a_minimum_difficulty_asked_for_is_kept(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.configure\",\"params\":[[\"minimum-difficulty\","
        "\"subscribe-extranonce\",\"info\",\"no\\\"such\",\"version-rolling\"],"
        "{\"minimum-difficulty.value\":2048,\"version-rolling.mask\":\"00001fff\"}]}");
    expect("{\"id\":1,\"result\":{\"minimum-difficulty\":true,\"subscribe-extranonce\":true,"
           "\"info\":true,\"no\\\"such\":false,\"version-rolling\":false},\"error\":null}\n");
    begin_mining();
    assert_true(f->session.vardiff.work.expected_hashes == (uint64_t)2048 << 32);
    for (unsigned i = 0; i < 600; i++) {
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    assert_true(f->session.vardiff.work.expected_hashes == (uint64_t)2048 << 32);
}

/* Jobs. */

static void a_new_tip_is_clean_for_whoever_missed_it(void **state)
{
    (void)state;
    begin_mining();
    add_job(1, 0x65f0000000000002, 0xbb, true);
    add_job(2, 0x65f0000000000003, 0xbb, false);
    happen(STRATUM_JOB);
    expect_notify("", "65f0000000000003", ",true]}\n");
    add_job(3, 0x65f0000000000004, 0xbb, false);
    happen(STRATUM_JOB);
    expect_notify("", "65f0000000000004", ",false]}\n");
    happen(STRATUM_JOB);
    expect("");
}

static void late_shares_travel_on_with_their_reason(void **state)
{
    (void)state;
    begin_mining();
    add_job(1, 0x65f0000000000002, 0xbb, true);
    submit(1, "65f0000000000002", UNIX_S, 1);
    assert_int_equal(f->submission.gateway_outcome, SHARE_JOB_NOT_FOUND); /* not sent to it yet */
    happen(STRATUM_JOB);
    submit(2, "65f0000000000001", UNIX_S, 1);
    assert_int_equal(f->submission.gateway_outcome,
                     SHARE_ACCEPTED); /* the validators know better */
    pass_ms(STRATUM_STALE_CERTAIN_MS + 1);
    submit(3, "65f0000000000001", UNIX_S, 2);
    assert_int_equal(f->submission.gateway_outcome, SHARE_STALE);
    say("{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"other\",\"65f0000000000002\","
        "\"0000000000000001\",\"6553f100\",\"00000001\"]}");
    assert_int_equal(f->submission.gateway_outcome, SHARE_UNAUTHORIZED);
    assert_int_equal(f->submission.account_id, 0);
    assert_int_equal(f->submits, 4);
}

static void the_table_forgets_the_oldest_and_finds_the_rest(void **state)
{
    (void)state;
    static struct job jobs[STRATUM_JOBS_MAX + 50];
    static struct stratum_job entries[STRATUM_JOBS_MAX + 50];
    static struct stratum_jobs table;
    struct test_random random = test_random_begin("job table");
    stratum_jobs_init(&table);
    assert_null(stratum_jobs_current(&table));
    for (unsigned i = 0; i < STRATUM_JOBS_MAX + 50; i++) {
        jobs[i].id = test_random_u64(&random);
        jobs[i].prev_hash[0] = (uint8_t)(i / 3);
        entries[i].job = &jobs[i];
        if (i >= STRATUM_JOBS_MAX) {
            assert_false(stratum_jobs_add(&table, &entries[i], i + 1));
            assert_ptr_equal(stratum_jobs_forget(&table), &entries[i - STRATUM_JOBS_MAX]);
        }
        assert_true(stratum_jobs_add(&table, &entries[i], i + 1));
        assert_false(stratum_jobs_add(&table, &entries[i], i + 1));
        assert_ptr_equal(stratum_jobs_current(&table), &entries[i]);
        assert_int_equal(entries[i].tip, i / 3 + 1);
        for (unsigned k = 0; k <= i; k++) {
            bool known = k + STRATUM_JOBS_MAX > i;
            assert_ptr_equal(stratum_jobs_find(&table, jobs[k].id), known ? &entries[k] : NULL);
            if (known)
                assert_int_equal(entries[k].tip_gone_ms != 0, k / 3 != i / 3);
        }
    }
    while (stratum_jobs_forget(&table) != NULL)
        ;
    assert_ptr_equal(stratum_jobs_current(&table), &entries[STRATUM_JOBS_MAX + 49]);
}

static void a_session_that_takes_it_is_moved_to_another_extranonce(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.extranonce.subscribe\",\"params\":[]}");
    begin_mining();
    pass_ms(1000);
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_MOVED, .moved = { 0xff, 8 } }),
                     STRATUM_TAKEN);
    expect_notify(
        "{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[\"000000ff\",8]}\n",
        "65f000000000000101", ",true]}\n");
    submit(2, "65f0000000000001", UNIX_S, 1); /* mined before it read that */
    assert_memory_equal(f->submission.extranonce1, "\x0a\x0b\x0c\x0d", 4);
    submit(3, "65f000000000000101", UNIX_S + 1, 1);
    assert_memory_equal(f->submission.extranonce1, "\0\0\0\xff", 4);
}

static void a_session_that_does_not_take_it_is_closed_instead(void **state)
{
    (void)state;
    begin_mining();
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_MOVED, .moved = { 0xff, 8 } }),
                     STRATUM_TAKEN);
    assert_int_equal(f->closes, 1);
}

/* Workers. */

static void a_refused_name_gets_the_reason_and_no_job(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    f->sent[0] = '\0';
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"nobody\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_NO);
    expect("{\"id\":2,\"result\":false,\"error\":[24,\"no such account\",null]}\n");
    say("{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"nobody\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_AWAY);
    expect("{\"id\":3,\"result\":false,\"error\":[24,"
           "\"Authorization is not available now, try again\",null]}\n");
    assert_int_equal(f->session.state, STRATUM_SUBSCRIBED);
}

static void a_ninth_worker_is_refused_and_a_revoked_one_no_longer_mines(void **state)
{
    (void)state;
    begin_mining();
    for (unsigned i = 1; i <= STRATUM_WORKERS_OWN; i++) {
        char line[128];
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"w%u\",\"x\"]}", i, i);
        say(line);
        if (i < STRATUM_WORKERS_OWN)
            authorised(f->answer, (uint8_t)i, STRATUM_YES);
    }
    assert_non_null(strstr(f->sent, "Too many workers"));
    authorised(STRATUM_NO_ANSWER, 0, STRATUM_NO);
    submit(1, "65f0000000000001", UNIX_S, 1);
    assert_int_equal(f->submission.gateway_outcome, SHARE_UNAUTHORIZED);
}

static void a_late_answer_is_not_taken_for_another_name(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    uint32_t first[2], generation = 0;
    for (unsigned i = 0; i < 2; i++) { /* two passwords, so two questions about one name */
        char line[128];
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"old\",\"%u\"]}", 2 + i,
                 i);
        say(line);
        first[i] = f->answer;
        generation = f->session.workers[0].generation;
    }
    for (unsigned i = 1; i < STRATUM_WORKERS_OWN; i++) {
        char line[128];
        snprintf(line, sizeof line,
                 "{\"id\":9,\"method\":\"mining.authorize\",\"params\":[\"w%u\",\"x\"]}", i);
        say(line);
        authorised(f->answer, (uint8_t)i, STRATUM_YES);
    }
    f->sent[0] = '\0';
    authorised_of(first[0], 0, generation, STRATUM_NO);
    say("{\"id\":4,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}"); /* has its place */
    uint32_t second = f->answer;
    struct stratum_worker before = f->session.workers[0];
    assert_int_not_equal(before.generation, generation);
    authorised_of(STRATUM_NO_ANSWER, 0, generation, STRATUM_YES);
    authorised_of(first[1], 0, generation, STRATUM_YES);
    assert_non_null(
        strstr(f->sent, "{\"id\":3,\"result\":false,\"error\":[24,\"Authorization is not"));
    assert_memory_equal(&before, &f->session.workers[0], sizeof before);
    authorised(second, 0, STRATUM_YES);
    assert_int_equal(f->session.workers[0].state, STRATUM_WORKER_AUTHORISED);
    authorised_of(STRATUM_NO_ANSWER, 0, generation, STRATUM_NO); /* news of the old name */
    assert_int_equal(f->session.workers[0].state, STRATUM_WORKER_AUTHORISED);
}

static void who_only_sends_rejected_shares_is_closed(void **state)
{
    (void)state;
    begin_mining();
    for (unsigned i = 0; i < 3 * STRATUM_REJECTS_MAX; i++) {
        static const enum share_outcome harmless[] = { SHARE_STALE, SHARE_OVERLOADED,
                                                       SHARE_NOT_DURABLE };
        f->sent[0] = '\0';
        submit(1, "65f0000000000001", UNIX_S, i);
        verdict(f->answer, harmless[i % 3]);
    }
    for (unsigned round = 0; round < 2; round++) { /* an accepted one forgives those before it */
        for (unsigned i = 1; i < STRATUM_REJECTS_MAX; i++) {
            f->sent[0] = '\0';
            submit(1, "65f0000000000001", UNIX_S, i);
            verdict(f->answer, i % 2 == 0 ? SHARE_LOW_DIFFICULTY : SHARE_DUPLICATE);
        }
        assert_int_equal(f->closes, 0);
        submit(1, "65f0000000000001", UNIX_S, 0);
        verdict(f->answer, round == 0 ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY);
    }
    assert_int_equal(f->closes, 1);
    assert_int_equal(f->session.state, STRATUM_CLOSED);
}

/* Rubbish. */

static void rubbish_gets_the_proper_error(void **state)
{
    (void)state;
#define SUBMIT(params) "{\"id\":1,\"method\":\"mining.submit\",\"params\":" params "}"
    static const struct {
        const char *line;
        int code; /* 0: no answer */
    } table[] = {
        { "", 0 },
        { "\r", 0 },
        { "[]", 20 },
        { "[{\"id\":1,\"method\":\"mining.ping\"}]", 20 },
        { "1", 20 },
        { "{\"id\":1}", 20 },
        { "{\"id\":1,\"method\":null}", 20 },
        { "{\"id\":1,\"method\":7,\"params\":[]}", 20 },
        { "{\"id\":1,\"method\":\"\",\"params\":[]}", 20 },
        { "{\"id\":1,\"method\":\"mining.submit2\",\"params\":[]}", 20 },
        { "{\"id\":1,\"method\":\"mining.submit\",\"params\":{}}", 20 },
        { "{\"id\":1,\"method\":\"mining.submit\",\"params\":\"x\"}", 20 },
        { "{\"id\":1,\"result\":\"adit/0\",\"error\":null}", 0 },
        { "{\"id\":1,\"method\":\"mining.pong\",\"params\":[]}", 0 },
        { SUBMIT("null"), 20 },
        { SUBMIT("[]"), 20 },
        { SUBMIT("[\"w\"]"), 20 },
        { SUBMIT("[1,2,3,4,5]"), 21 },
        { SUBMIT("[\"w\",\"\",\"0000000000000001\",\"6553f100\",\"00000001\"]"), 21 },
        { SUBMIT("[\"w\",\"65f0000000000009\",\"0000000000000001\",\"6553f100\",\"00000001\"]"),
          21 },
        { SUBMIT("[\"w\",\"1\",\"0000000000000001\",\"6553f100\",\"00000001\"]"), 21 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"00000001\",\"6553f100\",\"00000001\"]"), 20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"000000000000000100\",\"6553f100\",\"00000001\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"000000000000000g\",\"6553f100\",\"00000001\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",1,\"6553f100\",\"00000001\"]"), 20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f10\",\"00000001\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",\"06553f100\",\"00000001\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",1700000000,\"00000001\"]"), 20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f100\",\"0x000001\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f100\",\"\"]"), 20 },
        { SUBMIT(
              "[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f100\",\"00000001\",\"z\"]"),
          20 },
        { SUBMIT("[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f100\",\"00000001\",7]"),
          20 },
        { "{\"id\":1,\"method\":\"mining.authorize\",\"params\":[]}", 24 },
        { "{\"id\":1,\"method\":\"mining.authorize\",\"params\":[1,2]}", 24 },
        { "{\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"\\u0000\",\"x\"]}", 24 },
        { "{\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"w\",{}]}", 24 },
        { "{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[]}", 20 },
        { "{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[-1]}", 20 },
        { "{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[\"much\"]}", 20 },
        { "{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[true]}", 20 },
        { "{\"id\":1,\"method\":\"mining.configure\",\"params\":[]}", 20 },
        { "{\"id\":1,\"method\":\"mining.configure\",\"params\":[[1],{}]}", 20 },
        { "{\"id\":1,\"method\":\"mining.configure\",\"params\":[\"version-rolling\",{}]}", 20 },
    };
    begin_mining();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char code[16];
        say(table[i].line);
        snprintf(code, sizeof code, "[%d,\"", table[i].code);
        if (table[i].code == 0)
            expect("");
        else if (strstr(f->sent, code) == NULL)
            fail_msg("%s: %s", table[i].line, f->sent);
        f->sent[0] = '\0';
        f->session.rubbish = 0;
    }
    assert_int_equal(f->submits, 0);
    assert_int_equal(f->closes, 0);
}

static void a_submit_before_subscribe_is_told_so(void **state)
{
    (void)state;
    submit(1, "65f0000000000001", UNIX_S, 1);
    expect("{\"id\":1,\"result\":false,\"error\":[25,\"Not subscribed\",null]}\n");
}

static void who_begins_with_something_else_is_closed_at_once(void **state)
{
    (void)state;
    say("GET / HTTP/1.1");
    assert_int_equal(f->closes, 1);
    expect("{\"id\":null,\"result\":null,\"error\":[20,\"Not a JSON object in one line\",null]}\n");
    say("{\"id\":1,\"method\":\"mining.subscribe\"}");
    expect("");
}

static void a_miner_may_stumble_a_few_times(void **state)
{
    (void)state;
    begin_mining();
    for (unsigned i = 0; i < STRATUM_RUBBISH_MAX; i++) {
        assert_int_equal(f->closes, 0);
        say("{\"id\":1,\"method\":\"mining.submit\",\"params\":[\"w\"");
    }
    assert_int_equal(f->closes, 1);
}

static void a_line_too_long_ends_it(void **state)
{
    (void)state;
    begin_mining();
    happen(STRATUM_LINE_LONG);
    assert_int_equal(f->closes, 1);
    assert_string_equal(f->reason, "line too long");
}

static void long_ids_are_echoed_where_they_can_be_and_refused_where_not(void **state)
{
    (void)state;
    begin_mining();
    say("{\"id\":\"0123456789012345678901234567890123456789\",\"method\":\"mining.ping\"}");
    expect("{\"id\":\"0123456789012345678901234567890123456789\",\"result\":\"pong\","
           "\"error\":null}\n");
    say("{\"id\":\"0123456789012345678901234567890123456789\",\"method\":\"mining.submit\","
        "\"params\":[\"w\",\"65f0000000000001\",\"0000000000000001\",\"6553f100\",\"00000001\"]}");
    expect("{\"id\":\"0123456789012345678901234567890123456789\",\"result\":null,"
           "\"error\":[20,\"Request id too long\",null]}\n");
}

static void time_limits_close_who_does_not_log_in_or_falls_silent(void **state)
{
    (void)state;
    pass_ms(30000);
    happen(STRATUM_TICK);
    assert_int_equal(f->closes, 0);
    pass_ms(1);
    happen(STRATUM_TICK);
    assert_string_equal(f->reason, "login timeout");
    stratum_session_init(&f->session, &f->world, 1, 2, 8);
    begin_mining();
    pass_ms(900000);
    happen(STRATUM_TICK);
    assert_int_equal(f->closes, 1);
    pass_ms(1);
    happen(STRATUM_TICK);
    assert_string_equal(f->reason, "idle timeout");
}

static void an_idle_session_is_small(void **state)
{
    (void)state;
    printf("a session has %zu bytes, a ring of answers %zu\n", sizeof(struct stratum_session),
           STRATUM_ANSWERS_BYTES((size_t)STRATUM_ANSWERS_MAX));
    assert_true(sizeof(struct stratum_session) <= 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notify_reads_as_every_client_expects_it),
        TEST(the_longest_notify_fits_its_bound),
        TEST(job_ids_read_back_and_nothing_else_does),
        TEST(transcript_cpuminer),
        TEST(transcript_cgminer),
        TEST(transcript_nicehash),
        TEST(transcript_bitaxe),
        TEST(transcript_authorize_before_subscribe),
        TEST(nothing_is_pushed_before_the_subscribe_answer),
        TEST(answers_leave_in_the_order_of_the_requests),
        TEST(transactions_are_listed_where_there_are_none_and_else_said_to_be_elsewhere),
        TEST(a_full_ring_takes_no_more_until_answers_leave),
        TEST(difficulty_is_told_right_before_the_job_it_counts_from),
        TEST(whatever_is_claimed_a_header_has_one_work),
        TEST(a_flood_raises_the_work_at_once_and_silence_lowers_it),
        TEST(a_pool_that_cannot_keep_up_raises_the_work_and_owes_what_was_due),
        TEST(a_session_is_never_raised_above_what_a_block_takes),
        TEST(answers_we_hold_back_are_no_silence_of_the_miner),
        TEST(a_minimum_difficulty_asked_for_is_kept),
        TEST(a_new_tip_is_clean_for_whoever_missed_it),
        TEST(late_shares_travel_on_with_their_reason),
        TEST(the_table_forgets_the_oldest_and_finds_the_rest),
        TEST(a_session_that_takes_it_is_moved_to_another_extranonce),
        TEST(a_session_that_does_not_take_it_is_closed_instead),
        TEST(a_refused_name_gets_the_reason_and_no_job),
        TEST(a_ninth_worker_is_refused_and_a_revoked_one_no_longer_mines),
        TEST(who_only_sends_rejected_shares_is_closed),
        TEST(a_late_answer_is_not_taken_for_another_name),
        TEST(rubbish_gets_the_proper_error),
        TEST(a_submit_before_subscribe_is_told_so),
        TEST(who_begins_with_something_else_is_closed_at_once),
        TEST(a_miner_may_stumble_a_few_times),
        TEST(a_line_too_long_ends_it),
        TEST(long_ids_are_echoed_where_they_can_be_and_refused_where_not),
        TEST(time_limits_close_who_does_not_log_in_or_falls_silent),
        TEST(an_idle_session_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
