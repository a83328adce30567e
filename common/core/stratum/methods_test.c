/* What a miner may say beyond the plain course of things, and what is said to it: sessions resumed,
 * many names on a connection, difficulties asked for in every way, version masks that change,
 * messages, and the quirks of clients. */
#include "core/stratum/session_fixture.h"

#define JOB "65f0000000000001"

static void know_quirks(const char *text)
{
    struct error error;
    if (!quirks_parse(span_text(text), f->params.algorithm, &f->quirks, &error))
        fail_msg("%s", error.text);
    f->world.quirks = &f->quirks;
}

static void log_in_as(const char *agent)
{
    char line[256];
    snprintf(line, sizeof line, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"%s\"]}",
             agent);
    say(line);
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
}

static const char *last_line(void)
{
    char *end = f->sent + strlen(f->sent) - 1;
    while (end > f->sent && end[-1] != '\n')
        end--;
    return end;
}

/* Coming back. */

/* The connection ends, and another begins with the extranonce1 that was free. */
static struct stratum_session reconnect(uint64_t new_id, uint32_t new_extranonce1)
{
    struct stratum_session parked = f->session;
    (void)stratum_session_return_answers(&f->session);
    stratum_session_init(&f->session, &f->world, new_id, new_extranonce1, 8);
    f->sent[0] = '\0';
    return parked;
}

static void resume(const struct stratum_session *parked)
{
    assert_int_equal(
        step(&(struct stratum_event){ .kind = STRATUM_RESUMED, .resumed.session = parked }),
        STRATUM_TAKEN);
}

static void who_comes_back_keeps_its_extranonce_and_what_its_jobs_were_worth(void **state)
{
    (void)state;
    begin_mining();
    uint64_t old = f->session.told.expected_hashes;
    struct stratum_session parked = reconnect(0xac, 0x99999999);
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"cgminer/4.11.1\","
        "\"00000000000000ab\"]}");
    assert_int_equal(f->resumes, 1);
    assert_int_equal(f->resume_id, 0xab);
    expect(""); /* it is answered when the owner has looked */
    assert_int_equal(say_later("{\"id\":9,\"method\":\"mining.ping\",\"params\":[]}"),
                     STRATUM_LATER);
    resume(&parked);
    expect("{\"id\":1,\"result\":" SUBSCRIBED);
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    /* the job it had, as other work of its own; the difficulty it may have forgotten */
    expect_notify("{\"id\":2,\"result\":true,\"error\":null}\n" DIFFICULTY("16"), JOB "01",
                  ",true]}\n");
    submit(3, JOB, UNIX_S, 7); /* found while it was away */
    assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
    assert_int_equal(load_be32(f->submission.extranonce1), 0x0a0b0c0d);
    assert_int_equal(f->submission.work.expected_hashes, old);
}

static void who_comes_back_too_late_gets_a_new_session(void **state)
{
    (void)state;
    begin_mining();
    (void)reconnect(0xac, 0x0a0b0c0d);
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"\",\"00000000000000ab\"]}");
    resume(NULL);
    assert_non_null(strstr(f->sent, "\"mining.notify\",\"00000000000000ac\""));
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    assert_int_equal(f->session.state, STRATUM_MINING);
    submit(3, JOB, UNIX_S, 7);
    assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
}

static void an_id_that_cannot_be_one_asks_nobody(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"x\",\"nonsense\"]}");
    expect("{\"id\":1,\"result\":" SUBSCRIBED);
    say("{\"id\":2,\"method\":\"mining.subscribe\",\"params\":[\"x\",\"00000000000000ac\"]}");
    expect("{\"id\":2,\"result\":" SUBSCRIBED); /* not once it is subscribed */
    assert_int_equal(f->resumes, 0);
}

/* Names. */

static void many_names_mine_on_one_connection_up_to_the_bound(void **state)
{
    (void)state;
    char line[160];
    f->params.workers_max = 16; /* the fixture lends 32 places */
    begin_mining();
    for (unsigned i = 1; i < STRATUM_WORKERS_OWN + 16; i++) {
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"rig%u\",\"x\"]}", i, i);
        say(line);
        authorised(f->answer, f->worker, STRATUM_YES);
    }
    assert_null(strstr(f->sent, "Too many"));
    for (unsigned i = 1; i < STRATUM_WORKERS_OWN + 16; i++) {
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"rig%u\",\"" JOB
                 "\",\"0000000000000001\",\"%08x\",\"%08x\"]}",
                 i, i, UNIX_S, i);
        say(line);
        assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
        verdict(f->answer, SHARE_ACCEPTED);
    }
    say("{\"id\":99,\"method\":\"mining.authorize\",\"params\":[\"one more\",\"x\"]}");
    assert_string_equal(last_line(),
                        "{\"id\":99,\"result\":null,\"error\":[20,\"Too many workers on "
                        "this connection\",null]}\n");
}

static void a_refused_name_leaves_its_place_to_another(void **state)
{
    (void)state;
    char line[160];
    f->params.workers_max = 16;
    begin_mining();
    for (unsigned i = 0; i < 200; i++) {
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"bad%u\",\"x\"]}", i, i);
        say(line);
        authorised(f->answer, f->worker, STRATUM_NO);
        f->sent[0] = '\0';
    }
    say("{\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"good\",\"x\"]}");
    authorised(f->answer, f->worker, STRATUM_YES);
    expect("{\"id\":1,\"result\":true,\"error\":null}\n");
}

/* Difficulties. */

static void a_difficulty_in_the_password_is_fixed(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x,d=512\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    assert_non_null(strstr(f->sent, DIFFICULTY("512")));
    say("{\"id\":3,\"method\":\"mining.suggest_difficulty\",\"params\":[4]}");
    for (unsigned i = 0; i < 600; i++) { /* silence lowers the others' */
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    assert_int_equal(f->session.vardiff.work.expected_hashes, (uint64_t)512 << 32);
    happen(STRATUM_RAISE); /* the pool cannot keep up: that binds everybody */
    assert_true(f->session.vardiff.work.expected_hashes > (uint64_t)600 << 32);
    for (unsigned i = 0; i < 40; i++) {
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    assert_int_equal(f->session.vardiff.work.expected_hashes, (uint64_t)512 << 32);
}

static void a_difficulty_behind_the_name_is_no_part_of_it(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"addr.rig+d=0.25\",\"d=9\"]}");
    assert_string_equal(f->user, "addr.rig");
    authorised(f->answer, 0, STRATUM_YES);
    assert_non_null(strstr(f->sent, DIFFICULTY("0.25")));
    say("{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"addr.rig+d=0.25\",\"" JOB
        "\",\"0000000000000001\",\"6553f100\",\"00000001\"]}");
    assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
    say("{\"id\":4,\"method\":\"mining.authorize\",\"params\":[\"addr.a+d=b\",\"x\"]}");
    assert_string_equal(f->user, "addr.a+d=b"); /* a name like any other */
}

static void difficulties_reach_down_to_a_billionth(void **state)
{
    (void)state;
    f->params.vardiff.min = work_of(4); /* 1e-9 of a difficulty is 4.3 hashes */
    say("{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[0.000000001]}");
    begin_mining();
    assert_int_equal(f->session.told.expected_hashes, 4);
    submit(3, JOB, UNIX_S, 1);
    assert_int_equal(f->submission.work.expected_hashes, 4);
}

static void a_scrypt_difficulty_reaches_down_to_its_unit(void **state)
{
    (void)state;
    f->params.algorithm = POW_SCRYPT;
    f->params.vardiff.min = work_of(1); /* 2^-16 */
    say("{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[\"0.0000152587890625\"]}");
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    assert_non_null(strstr(f->sent, DIFFICULTY("0.0000152587890625")));
    assert_int_equal(f->session.told.expected_hashes, 1);
}

static void a_target_is_a_difficulty(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.suggest_target\",\"params\":["
        "\"000000000003fffc000000000000000000000000000000000000000000000000\"]}");
    expect("{\"id\":1,\"result\":true,\"error\":null}\n");
    assert_int_equal(f->session.start.expected_hashes, (uint64_t)16384 << 32);
    say("{\"id\":2,\"method\":\"mining.suggest_target\",\"params\":[\"00\"]}");
    assert_int_equal(f->session.start.expected_hashes, f->params.vardiff.max.expected_hashes);
    f->sent[0] = '\0';
    const char *const bad[] = { "[\"xyz\"]", "[]", "[5]", "[\"123\"]", "[\"\"]" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"id\":3,\"method\":\"mining.suggest_target\",\"params\":%s}",
                 bad[i]);
        say(line);
        expect("{\"id\":3,\"result\":null,\"error\":[20,\"Invalid target\",null]}\n");
    }
}

static void a_hint_without_an_id_is_not_answered(void **state)
{
    (void)state;
    /* BFGMiner reads the first line as the answer to its subscribe. */
    say("{\"id\": null, \"method\": \"mining.suggest_target\", \"params\": ["
        "\"00000000ffff0000000000000000000000000000000000000000000000000000\"]}");
    say("{\"id\":null,\"method\":\"mining.capabilities\",\"params\":[{\"notify\":[]}]}");
    say("{\"id\": null, \"method\": \"mining.suggest_difficulty\", \"params\": [nonsense]}");
    say("{\"id\": null, \"method\": \"mining.suggest_difficulty\", \"params\": [\"nonsense\"]}");
    char *rubbish = strstr(f->sent, "Not a JSON");
    assert_non_null(rubbish); /* the third line alone */
    assert_null(strstr(rubbish + 1, "{"));
}

/* Version bits. */

static void a_mask_that_a_job_narrows_is_told_before_it(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\"],"
        "{\"version-rolling.mask\":\"ffffffff\"}]}");
    assert_non_null(strstr(f->sent, "\"version-rolling.mask\":\"1fffe000\""));
    begin_mining();
    f->job[1].version_mask = 0;
    add_job(1, 0x65f0000000000002, 0xaa, false);
    f->job[1].version_mask = 0x00ffe000;
    happen(STRATUM_JOB);
    expect_notify(
        "{\"id\":null,\"method\":\"mining.set_version_mask\",\"params\":[\"00ffe000\"]}\n",
        "65f0000000000002", ",false]}\n");
    submit(3, JOB, UNIX_S, 1); /* of the old job, under the old mask */
    assert_int_equal(f->submission.version_mask, 0x1fffe000);
    submit(4, "65f0000000000002", UNIX_S, 1);
    assert_int_equal(f->submission.version_mask, 0x00ffe000);
}

static void several_versions_are_what_the_pool_lets_roll(void **state)
{
    (void)state;
    say("{\"id\":1,\"method\":\"mining.multi_version\",\"params\":[1]}");
    assert_int_equal(f->session.version_mask, 0);
    say("{\"id\":2,\"method\":\"mining.multi_version\",\"params\":[4]}");
    assert_int_equal(f->session.version_mask, JOB_VERSION_MASK_BIP320);
    expect(
        "{\"id\":1,\"result\":true,\"error\":null}\n{\"id\":2,\"result\":true,\"error\":null}\n");
    say("{\"id\":3,\"method\":\"mining.multi_version\",\"params\":[\"x\"]}");
    expect("{\"id\":3,\"result\":null,\"error\":[20,\"Invalid parameters\",null]}\n");
}

/* What is said to a miner. */

static void messages_and_new_addresses_are_told(void **state)
{
    (void)state;
    struct stratum_event event = { .kind = STRATUM_MESSAGE, .message = "say \"hello\"" };
    assert_int_equal(step(&event), STRATUM_TAKEN);
    expect(""); /* nothing before the subscribe answer */
    begin_mining();
    assert_int_equal(step(&event), STRATUM_TAKEN);
    expect("{\"id\":null,\"method\":\"client.show_message\",\"params\":[\"say ?hello?\"]}\n");
    event.kind = STRATUM_RECONNECT;
    assert_int_equal(step(&event), STRATUM_TAKEN);
    expect("{\"id\":null,\"method\":\"client.reconnect\",\"params\":[]}\n");
    event.reconnect.host = "b.pool.example";
    event.reconnect.port = 3334;
    event.reconnect.wait_s = 5;
    assert_int_equal(step(&event), STRATUM_TAKEN);
    expect(
        "{\"id\":null,\"method\":\"client.reconnect\",\"params\":[\"b.pool.example\",3334,5]}\n");
    assert_int_equal(f->closes, 0);
}

static void who_is_not_subscribed_is_closed_in_place_of_told(void **state)
{
    (void)state;
    happen(STRATUM_RECONNECT);
    assert_int_equal(f->closes, 1);
    expect("");
}

static void a_client_that_does_not_say_what_it_is_is_asked(void **state)
{
    (void)state;
    f->params.asks_for_version = true;
    know_quirks("{\"agent\":\"odd/\",\"missing\":[\"show_message\"]}");
    begin_mining();
    pass_ms(1000);
    assert_true(f->session.version_asked);
    say("{\"id\":1,\"result\":\"odd/1.2\",\"error\":null}");
    assert_string_equal(f->session.agent, "odd/1.2");
    assert_int_equal(f->session.quirk.missing, QUIRK_NO_SHOW_MESSAGE);
    say("{\"id\":1,\"result\":\"another\",\"error\":null}"); /* once */
    assert_string_equal(f->session.agent, "odd/1.2");
    expect("");
}

static void who_said_what_it_is_is_not_asked(void **state)
{
    (void)state;
    f->params.asks_for_version = true;
    log_in_as("known/1");
    assert_null(strstr(f->sent, "get_version"));
}

/* Quirks. */

static void a_floor_of_the_client_holds_against_its_own_wish(void **state)
{
    (void)state;
    f->world.quirks = &f->quirks;
    struct error error;
    assert_true(quirks_parse(span_text(quirks_builtin), POW_SHA256D, &f->quirks, &error));
    log_in_as("NiceHash/1.0.0");
    assert_non_null(strstr(f->sent, DIFFICULTY("500000")));
    say("{\"id\":3,\"method\":\"mining.suggest_difficulty\",\"params\":[1]}");
    for (unsigned i = 0; i < 600; i++) {
        pass_ms(1000);
        happen(STRATUM_TICK);
    }
    assert_int_equal(f->session.vardiff.work.expected_hashes, (uint64_t)500000 << 32);
}

static void a_target_that_is_too_easy_is_paid_as_what_it_is(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"opt/\",\"work_correction_ppm\":20}");
    log_in_as("opt/3");
    assert_non_null(strstr(f->sent, DIFFICULTY("16")));
    submit(3, JOB, UNIX_S, 1);
    uint64_t told = f->session.told.expected_hashes;
    assert_int_equal(told, (uint64_t)16 << 32);
    assert_int_equal(f->submission.work.expected_hashes, told - (told * 20 + 999999) / 1000000);
}

static void short_job_ids_are_read_back(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"short/\",\"job_id_digits\":8}");
    log_in_as("short/1");
    assert_non_null(strstr(f->sent, NOTIFY_HEAD "00000100\",\""));
    submit(3, "00000100", UNIX_S, 1);
    assert_int_equal(f->submission.job_id, 0x65f0000000000001);
    assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
    verdict(f->answer, SHARE_ACCEPTED);
    add_job(1, 0x65f0000000000002, 0xaa, false);
    f->sent[0] = '\0';
    happen(STRATUM_JOB);
    expect_notify("", "00000200", ",false]}\n");
    pass_ms(2000);
    say("{\"id\":4,\"method\":\"mining.suggest_difficulty\",\"params\":[99]}");
    assert_non_null(strstr(f->sent, NOTIFY_HEAD "00000201\",\"")); /* the same job, harder */
    f->sent[0] = '\0';
    const char *const unknown[] = { "00000300", "00000000", "ffffff00", "0000010", "x0000100" };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        submit(5, unknown[i], UNIX_S, 1);
        expect("{\"id\":5,\"result\":false,\"error\":[21,\"Job not found\",null]}\n");
    }
}

static void a_coinbase_too_large_for_a_client_is_never_sent_to_it(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"small/\",\"coinbase_bytes_max\":16}");
    log_in_as("small/1"); /* the job's has 17 */
    assert_int_equal(f->closes, 1);
    assert_string_equal(f->reason, "coinbase too large for this client");
    assert_null(strstr(f->sent, "mining.notify\",\"params"));
    assert_non_null(strstr(f->sent, "client.show_message"));
    assert_true(f->session.coinbase_refused);
}

/* The job with coinbases of 17 (full), 16 and 14 bytes. */
static void shape_the_job(void)
{
    f->job[0].shorter[0] = (struct job_shorter){
        .coinbase1 = { 4, 5 }, .coinbase1_bytes = 2, .coinbase2 = { 6, 7 }, .coinbase2_bytes = 2
    };
    f->job[0].shorter[1] = (struct job_shorter){
        .coinbase1 = { 8 }, .coinbase1_bytes = 1, .coinbase2 = { 9 }, .coinbase2_bytes = 1
    };
    stratum_jobs_init(&f->jobs);
    take_job(0);
}

static void a_client_with_a_small_limit_gets_a_shorter_coinbase(void **state)
{
    (void)state;
    static const struct {
        const char *agent, *halves;
        uint8_t shape;
    } clients[] = {
        { "any/1", "\"010203\",\"feff\"", JOB_SHAPE_FULL },
        { "seventeen/1", "\"010203\",\"feff\"", JOB_SHAPE_FULL },
        { "sixteen/1", "\"0405\",\"0607\"", JOB_SHAPE_UNTAGGED },
        { "fifteen/1", "\"08\",\"09\"", JOB_SHAPE_LEAST },
    };
    know_quirks("{\"agent\":\"seventeen/\",\"coinbase_bytes_max\":17}\n"
                "{\"agent\":\"sixteen/\",\"coinbase_bytes_max\":16}\n"
                "{\"agent\":\"fifteen/\",\"coinbase_bytes_max\":15,\"job_id_digits\":8}\n"
                "{\"agent\":\"thirteen/\",\"coinbase_bytes_max\":13}\n");
    shape_the_job();
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        const bool short_ids = i == 3;
        (void)reconnect(0xab + i, 0x0a0b0c0d);
        log_in_as(clients[i].agent);
        assert_non_null(strstr(f->sent, clients[i].halves));
        submit(3, short_ids ? "00000100" : JOB, UNIX_S, 1);
        assert_int_equal(f->submission.gateway_outcome, SHARE_ACCEPTED);
        assert_int_equal(f->submission.shape, clients[i].shape);
        verdict(f->answer, SHARE_ACCEPTED);
        f->sent[0] = '\0';
        /* and so does a job that is sent again, harder */
        pass_ms(2000);
        say("{\"id\":4,\"method\":\"mining.suggest_difficulty\",\"params\":[99]}");
        assert_non_null(strstr(f->sent, clients[i].halves));
        submit(5, short_ids ? "00000101" : JOB "01", f->session.sent_ntime, 1);
        assert_int_equal(f->submission.shape, clients[i].shape);
        assert_int_equal(f->closes, 0);
        verdict(f->answer, SHARE_ACCEPTED);
    }
    (void)reconnect(0xbb, 0x0a0b0c0d);
    log_in_as("thirteen/1");
    assert_int_equal(f->closes, 1);
    assert_true(f->session.coinbase_refused);
}

static void a_limit_that_is_learnt_late_counts_from_the_next_notification(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"small/\",\"coinbase_bytes_max\":16}");
    f->params.asks_for_version = true;
    shape_the_job();
    begin_mining();
    assert_true(f->session.version_asked);
    say("{\"id\":99999,\"result\":\"small/1\",\"error\":null}");
    expect_notify("", JOB "01", ",true]}\n"); /* the job it has, in a shape it can take */
    submit(3, JOB, UNIX_S, 1);
    assert_int_equal(f->submission.shape, JOB_SHAPE_FULL);
    submit(4, JOB "01", f->session.sent_ntime, 1);
    assert_int_equal(f->submission.shape, JOB_SHAPE_UNTAGGED);

    /* Who comes back under another name is owed what it was sent, in the shape it was sent. */
    struct stratum_session parked = reconnect(0xac, 0x99999999);
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"other\",\"00000000000000ab\"]}");
    resume(&parked);
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    assert_non_null(strstr(f->sent, "\"010203\",\"feff\""));
    submit(5, JOB "01", parked.sent_ntime, 2);
    assert_int_equal(f->submission.shape, JOB_SHAPE_UNTAGGED);
    submit(6, JOB "02", f->session.sent_ntime, 2);
    assert_int_equal(f->submission.shape, JOB_SHAPE_FULL);
}

/* The same asked again: the answer comes first, then the job it can take. */
static void a_limit_that_is_learnt_from_a_second_subscribe_comes_behind_its_answer(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"small/\",\"coinbase_bytes_max\":16}");
    shape_the_job();
    begin_mining();
    say("{\"id\":3,\"method\":\"mining.subscribe\",\"params\":[\"small/1\"]}");
    expect_notify("{\"id\":3,\"result\":" SUBSCRIBED, JOB "01", ",true]}\n");
}

static void a_name_that_may_have_been_cut_is_refused_with_the_reason(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"cut/\",\"name_bytes_max\":10,\"names_escaped\":true}");
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"cut/1\"]}");
    f->sent[0] = '\0';
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"addre%2erig\",\"x\"]}");
    assert_string_equal(f->user, "addre.rig");
    authorised(f->answer, f->worker, STRATUM_NO);
    expect(
        "{\"id\":2,\"result\":false,\"error\":[24,\"your miner cuts names at 10 characters; use a "
        "shorter worker name: no such account\",null]}\n");
    say("{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"a%2\",\"x\"]}");
    assert_string_equal(f->user, "a%2");
    authorised(f->answer, f->worker, STRATUM_NO);
    expect("{\"id\":3,\"result\":false,\"error\":[24,\"no such account\",null]}\n");
}

static void numbers_without_leading_zeros_are_numbers_all_the_same(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"short/\",\"short_numbers\":true}");
    log_in_as("short/1");
    f->sent[0] = '\0';
    say("{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"w\",\"" JOB
        "\",\"0000000000000001\",\"6553f100\",\"1a2b\"]}");
    assert_int_equal(f->submission.nonce, 0x1a2b);
    verdict(f->answer, SHARE_ACCEPTED);
    expect("{\"id\":3,\"result\":true,\"error\":null}\n");
    say("{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"w\",\"" JOB
        "\",\"0000000000000001\",\"6553f100\",\"\"]}");
    expect("{\"id\":4,\"result\":false,\"error\":[20,\"Malformed submission\",null]}\n");
}

static void what_a_client_lacks_is_not_used_with_it(void **state)
{
    (void)state;
    know_quirks("{\"agent\":\"plain/\",\"missing\":[\"show_message\",\"reconnect\","
                "\"set_extranonce\",\"set_version_mask\",\"version_rolling\"]}");
    log_in_as("plain/1");
    f->sent[0] = '\0';
    say("{\"id\":3,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\"],{}]}");
    expect("{\"id\":3,\"result\":{\"version-rolling\":false},\"error\":null}\n");
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_MESSAGE, .message = "hello" }),
                     STRATUM_TAKEN);
    expect("");
    say("{\"id\":4,\"method\":\"mining.extranonce.subscribe\",\"params\":[]}");
    expect("{\"id\":4,\"result\":true,\"error\":null}\n");
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_MOVED, .moved = { 5, 8 } }),
                     STRATUM_TAKEN);
    assert_int_equal(f->closes, 1);
    expect("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_comes_back_keeps_its_extranonce_and_what_its_jobs_were_worth),
        TEST(who_comes_back_too_late_gets_a_new_session),
        TEST(an_id_that_cannot_be_one_asks_nobody),
        TEST(many_names_mine_on_one_connection_up_to_the_bound),
        TEST(a_refused_name_leaves_its_place_to_another),
        TEST(a_difficulty_in_the_password_is_fixed),
        TEST(a_difficulty_behind_the_name_is_no_part_of_it),
        TEST(difficulties_reach_down_to_a_billionth),
        TEST(a_scrypt_difficulty_reaches_down_to_its_unit),
        TEST(a_target_is_a_difficulty),
        TEST(a_hint_without_an_id_is_not_answered),
        TEST(a_mask_that_a_job_narrows_is_told_before_it),
        TEST(several_versions_are_what_the_pool_lets_roll),
        TEST(messages_and_new_addresses_are_told),
        TEST(who_is_not_subscribed_is_closed_in_place_of_told),
        TEST(a_client_that_does_not_say_what_it_is_is_asked),
        TEST(who_said_what_it_is_is_not_asked),
        TEST(a_floor_of_the_client_holds_against_its_own_wish),
        TEST(a_target_that_is_too_easy_is_paid_as_what_it_is),
        TEST(short_job_ids_are_read_back),
        TEST(a_coinbase_too_large_for_a_client_is_never_sent_to_it),
        TEST(a_client_with_a_small_limit_gets_a_shorter_coinbase),
        TEST(a_limit_that_is_learnt_late_counts_from_the_next_notification),
        TEST(a_limit_that_is_learnt_from_a_second_subscribe_comes_behind_its_answer),
        TEST(a_name_that_may_have_been_cut_is_refused_with_the_reason),
        TEST(numbers_without_leading_zeros_are_numbers_all_the_same),
        TEST(what_a_client_lacks_is_not_used_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
