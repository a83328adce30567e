/* What an account is told: its choice, its webhook, what is delivered and what is not. */
#include "services/auth/testing/people_world.h"

#include "adapter/webhook_curl/testing/receiver.h"
#include "record/notice/notice_record.h"
#include "record/notice/preference.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EMAIL "gertrude@example.org"
#define SUBJECT "A payment was sent to you"
#define CHOICE(email, webhook)                                                                     \
    "{\"email\":\"" email "\",\"webhook\":\"" webhook "\",\"offline_after_s\":\"600\"}"
#define PAYMENT                                                                                    \
    "{\"account\":\"gertrude\",\"payment\":7,\"amount\":\"150000000\",\"exponent\":8,"             \
    "\"ticker\":\"BTC\",\"address\":\"" ADDRESS "\",\"txid\":\"00\"}"

static char token[TOKEN_TEXT_BYTES]; /* gertrude's */
static struct receiver receiver;

static int setup_gertrude(void **state)
{
    setenv("ADIT_NOTICES__WEBHOOK_PLAIN", "true", 1);
    setenv("ADIT_NOTICES__WEBHOOK_INSIDE", "127.0.0.0/8", 1);
    setenv("ADIT_NOTICES__RETRY_S", "1", 1);
    setenv("ADIT_NOTICES__LOOK_MS", "50", 1);
    setenv("ADIT_NOTICES__WEBHOOK_TIMEOUT_MS", "60000", 1);
    setenv("ADIT_NOTICES__LETTERS_DAY", "3", 1);
    receiver_begin(&receiver);
    (void)setup(state);
    enrol(GERTRUDE);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(token, sizeof token, "%s", text_of("access_token"));
    return 0;
}

static int teardown_gertrude(void **state)
{
    (void)teardown(state);
    receiver_end(&receiver);
    return 0;
}

static int get(const char *path)
{
    return ask_as(token, EXCHANGE_GET, path, NULL);
}

static int change(const char *path, const char *body)
{
    return ask_as(token, EXCHANGE_POST, path, body);
}

static uint64_t gertrude(void)
{
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    return account.id;
}

static void set_webhook(void)
{
    char body[128];
    snprintf(body, sizeof body, "{\"url\":\"http://127.0.0.1:%d/hook\"}", receiver.port);
    assert_int_equal(change("/api/v1/me/notices/webhook", body), 201);
    receiver_know(&receiver, text_of("secret"));
}

/* As the scheduler does it, as often as it likes. */
static struct notice tell(enum notice_channel channel, const char *cause)
{
    struct error error;
    struct notice notice = { .account = gertrude(),
                             .kind = NOTICE_PAYMENT_SENT,
                             .channel = channel,
                             .created_ms = loop_unix_ms(),
                             .body = PAYMENT };
    notice_name(&notice, cause);
    enum store_outcome outcome = notice_insert(f->store, &notice, &error);
    assert_true(outcome == STORE_DONE || outcome == STORE_EXISTS);
    return notice;
}

static struct notice stored(const struct notice *notice)
{
    struct notice read;
    struct error error;
    assert_int_equal(notice_get(f->store, notice->id, &read, &error), STORE_DONE);
    return read;
}

static bool is_in(const struct notice *notice, enum notice_state state)
{
    return stored(notice).state == state;
}

struct sought {
    const char *text;
    size_t count;
};

static void count_letter(const char *path, const char *text, void *context)
{
    struct sought *sought = context;
    (void)path;
    sought->count += strstr(text, sought->text) != NULL;
}

static size_t letters_with(const char *text)
{
    struct sought sought = { text, 0 };
    walk_letters(count_letter, &sought);
    return sought.count;
}

static bool lists(const char *name, const char *kind)
{
    const json_t *list = json_object_get(f->document, name);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), kind) == 0)
            return true;
    return false;
}

static void nothing_is_told_until_it_is_chosen_and_choices_stay(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "kinds")), NOTICE_CHOICES);
    assert_int_equal(json_array_size(json_object_get(f->document, "email")), 0);
    assert_int_equal(json_array_size(json_object_get(f->document, "webhook")), 0);
    assert_string_equal(text_of("webhook_state"), "none");
    assert_string_equal(text_of("address"), EMAIL);
    assert_int_equal(
        change("/api/v1/me/notices",
               "{\"email\":\"payment.sent,worker.offline\",\"webhook\":\"block.found\","
               "\"offline_after_s\":\"900\"}"),
        200);
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_true(lists("email", "payment.sent") && lists("email", "worker.offline"));
    assert_false(lists("email", "block.found"));
    assert_true(lists("webhook", "block.found"));
    assert_int_equal(json_integer_value(json_object_get(f->document, "offline_after_s")), 900);
    static const struct {
        const char *body, *field;
    } bad[] = {
        { CHOICE("payment.sent,nothing", ""), "email" },
        { CHOICE("", "test"), "webhook" },
        { CHOICE(",", ""), "email" },
        { "{\"email\":\"\",\"webhook\":\"\",\"offline_after_s\":\"1\"}", "offline_after_s" },
        { "{\"email\":\"\",\"webhook\":\"\",\"offline_after_s\":\"604801\"}", "offline_after_s" },
        { "{\"email\":\"\",\"webhook\":\"\",\"offline_after_s\":\"soon\"}", "offline_after_s" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(change("/api/v1/me/notices", bad[i].body), 400);
        assert_string_equal(text_of("field"), bad[i].field);
    }
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_true(lists("email", "payment.sent"));
    assert_int_equal(ask_as(NULL, EXCHANGE_GET, "/api/v1/me/notices", NULL), 401);
}

static void a_webhook_has_a_secret_that_is_shown_once_and_its_owner_hears_of_it(void **state)
{
    (void)state;
    char secret[80];
    static const char *const bad[] = { "ftp://hooks.example.org/",
                                       "https://me:word@hooks.example.org/",
                                       "https://hooks.example.org:22/", "hooks.example.org",
                                       "https://hooks.example.org/#x" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"url\":\"%s\"}", bad[i]);
        assert_int_equal(change("/api/v1/me/notices/webhook", body), 400);
        assert_string_equal(text_of("field"), "url");
    }
    set_webhook();
    snprintf(secret, sizeof secret, "%s", text_of("secret"));
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_string_equal(text_of("webhook_state"), "on");
    char *shown = json_dumps(f->document, 0);
    assert_null(strstr(shown, secret + 6));
    free(shown);
    UNTIL(has_letter(EMAIL, "A webhook was set", NULL));
    set_webhook();
    assert_string_not_equal(secret, text_of("secret"));
    assert_int_equal(ask_as(token, EXCHANGE_DELETE, "/api/v1/me/notices/webhook", NULL), 204);
    assert_int_equal(ask_as(token, EXCHANGE_DELETE, "/api/v1/me/notices/webhook", NULL), 204);
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_string_equal(text_of("webhook_state"), "none");
    assert_string_equal(text_of("webhook_url"), "");
}

static const json_t *entry_of(const char *channel)
{
    assert_int_equal(get("/api/v1/me/notices/log"), 200);
    const json_t *list = json_object_get(f->document, "notices");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(one, "channel")), channel) == 0)
            return one;
    }
    return NULL;
}

static bool log_says(const char *channel, const char *state)
{
    const json_t *entry = entry_of(channel);
    return entry != NULL && strcmp(json_string_value(json_object_get(entry, "state")), state) == 0;
}

static void a_notice_can_be_tried_out_by_each_channel_and_the_log_says_what_came_of_it(void **state)
{
    (void)state;
    assert_int_equal(change("/api/v1/me/notices/test", "{\"channel\":\"pigeon\"}"), 400);
    assert_int_equal(change("/api/v1/me/notices/test", "{\"channel\":\"webhook\"}"), 202);
    UNTIL(log_says("webhook", "given up"));
    assert_string_equal(json_string_value(json_object_get(entry_of("webhook"), "result")),
                        "there is no webhook");
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices/test", "{\"channel\":\"webhook\"}"), 202);
    UNTIL(receiver_count(&receiver) == 1);
    const struct receiver_heard heard = receiver_get(&receiver, 0);
    assert_true(heard.valid);
    assert_int_equal(strncmp(heard.id, "msg_", 4), 0);
    assert_non_null(strstr(heard.body, "\"type\":\"test\""));
    json_t *document = json_loads(heard.body, 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(document, "data"), "account")),
        "gertrude");
    json_decref(document);
    UNTIL(log_says("webhook", "sent"));
    assert_int_equal(change("/api/v1/me/notices/test", "{\"channel\":\"email\"}"), 202);
    UNTIL(log_says("email", "sent"));
    assert_int_equal(letters_with("To: <" EMAIL ">\r\nSubject: A notice to try it out"), 1);
    assert_int_equal(letters_with("https://pool.example/#/me/notices"), 1);
}

static void a_cause_is_delivered_once_by_each_channel_that_was_chosen(void **state)
{
    (void)state;
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "payment.sent")), 200);
    struct notice letter = { .tries = 0 }, hook = { .tries = 0 };
    for (int i = 0; i < 3; i++) {
        letter = tell(NOTICE_LETTER, "payment:7");
        hook = tell(NOTICE_WEBHOOK, "payment:7");
    }
    UNTIL(is_in(&letter, NOTICE_SENT) && is_in(&hook, NOTICE_SENT));
    (void)tell(NOTICE_LETTER, "payment:7");
    (void)tell(NOTICE_WEBHOOK, "payment:7");
    /* What came behind them is delivered, and they were not again. */
    letter = tell(NOTICE_LETTER, "payment:8");
    hook = tell(NOTICE_WEBHOOK, "payment:8");
    UNTIL(is_in(&letter, NOTICE_SENT) && is_in(&hook, NOTICE_SENT));
    assert_int_equal(letters_with("Subject: " SUBJECT), 2);
    assert_int_equal(letters_with("1.5 BTC are on their way to " ADDRESS), 2);
    assert_int_equal(receiver_count(&receiver), 2);
    assert_string_not_equal(receiver_get(&receiver, 0).id, receiver_get(&receiver, 1).id);
    for (size_t i = 0; i < 2; i++) {
        const struct receiver_heard heard = receiver_get(&receiver, i);
        assert_true(heard.valid);
        assert_non_null(strstr(heard.body, "\"type\":\"payment.sent\""));
        assert_non_null(strstr(heard.body, "\"amount\":\"150000000\""));
    }
}

static void what_is_not_wanted_or_has_nowhere_to_go_is_given_up_at_once(void **state)
{
    (void)state;
    INSIDE_ALONE();
    struct notice letter = tell(NOTICE_LETTER, "payment:1");
    UNTIL(is_in(&letter, NOTICE_GIVEN_UP));
    assert_string_equal(stored(&letter).result, "it is not wanted any more");
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "payment.sent")), 200);
    struct notice hook = tell(NOTICE_WEBHOOK, "payment:1");
    UNTIL(is_in(&hook, NOTICE_GIVEN_UP));
    assert_string_equal(stored(&hook).result, "there is no webhook");
    /* An address that nobody confirmed gets none. */
    assert_int_equal(change("/api/v1/me/email",
                            "{\"password\":\"" PASSWORD "\",\"email\":\"other@example.org\"}"),
                     204);
    letter = tell(NOTICE_LETTER, "payment:2");
    UNTIL(is_in(&letter, NOTICE_GIVEN_UP));
    assert_string_equal(stored(&letter).result, "the address of e-mail is not confirmed");
    assert_int_equal(letters_with("Subject: " SUBJECT), 0);
}

static void a_receiver_that_fails_is_asked_again_under_the_same_id(void **state)
{
    (void)state;
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("", "payment.sent")), 200);
    atomic_store(&receiver.status, 500);
    const struct notice hook = tell(NOTICE_WEBHOOK, "payment:9");
    UNTIL(receiver_count(&receiver) >= 1);
    UNTIL(stored(&hook).result[0] != '\0');
    assert_string_equal(stored(&hook).result, "it answered 500");
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_string_equal(text_of("webhook_state"), "failing");
    atomic_store(&receiver.status, 200);
    UNTIL(is_in(&hook, NOTICE_SENT));
    size_t count = receiver_count(&receiver);
    assert_true(count >= 2 && stored(&hook).tries >= count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(receiver_get(&receiver, i).id, receiver_get(&receiver, 0).id);
        assert_true(receiver_get(&receiver, i).valid);
    }
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_string_equal(text_of("webhook_state"), "on");
}

static void a_receiver_that_is_gone_is_switched_off_and_its_owner_written_to(void **state)
{
    (void)state;
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("", "payment.sent")), 200);
    atomic_store(&receiver.status, 410);
    const struct notice hook = tell(NOTICE_WEBHOOK, "payment:1");
    UNTIL(is_in(&hook, NOTICE_GIVEN_UP));
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_string_equal(text_of("webhook_state"), "off");
    UNTIL(letters_with("Subject: Your webhook was switched off") == 1);
    const struct notice next = tell(NOTICE_WEBHOOK, "payment:2");
    UNTIL(is_in(&next, NOTICE_GIVEN_UP));
    assert_int_equal(receiver_count(&receiver), 1);
    /* Set again it is on again, and what was for it before does not come. */
    atomic_store(&receiver.status, 200);
    set_webhook();
    const struct notice last = tell(NOTICE_WEBHOOK, "payment:3");
    UNTIL(is_in(&last, NOTICE_SENT));
    assert_int_equal(receiver_count(&receiver), 2);
}

static void more_letters_than_a_day_allows_are_withheld_and_the_last_one_says_so(void **state)
{
    (void)state;
    INSIDE_ALONE();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "")), 200);
    struct notice letter = { .tries = 0 };
    for (int i = 1; i <= 5; i++) {
        char cause[32];
        snprintf(cause, sizeof cause, "payment:%d", i);
        letter = tell(NOTICE_LETTER, cause);
        UNTIL(!is_in(&letter, NOTICE_WAITING));
    }
    size_t sent = letters_with("Subject: " SUBJECT);
    if (sent > 3) /* midnight (UTC) came between */
        return;
    assert_int_equal(sent, 3);
    assert_true(is_in(&letter, NOTICE_WITHHELD));
    assert_int_equal(letters_with("the last letter of today"), 1);
}

enum { STOP_BYTES = 160 };

/* The token behind the link of a letter. */
static void read_stop(const char *path, const char *text, void *context)
{
    char *stop = context, mark[240];
    (void)path;
    const char *header = strstr(text, "List-Unsubscribe: <https://pool.example/api/v1/"
                                      "auth/notices/unsubscribe/");
    assert_non_null(header);
    assert_non_null(strstr(text, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    header = strstr(header, "unsubscribe/") + strlen("unsubscribe/");
    snprintf(stop, STOP_BYTES, "%.*s", (int)strcspn(header, ">"), header);
    snprintf(mark, sizeof mark, "https://pool.example/account/unsubscribe#%s\r\n", stop);
    assert_non_null(strstr(text, mark));
}

static void the_link_in_a_letter_stops_letters_and_nothing_else(void **state)
{
    (void)state;
    char stop_token[STOP_BYTES] = "", path[240];
    set_webhook();
    UNTIL(has_letter(EMAIL, "A webhook was set", NULL));
    forget_letters();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "payment.sent")), 200);
    struct notice letter = tell(NOTICE_LETTER, "payment:1");
    UNTIL(is_in(&letter, NOTICE_SENT));
    walk_letters(read_stop, stop_token); /* the one there is */
    assert_true(strlen(stop_token) > 40);
    snprintf(path, sizeof path, "/api/v1/auth/notices/unsubscribe/%s", stop_token);
    char *last = &path[strlen(path) - 2], kept = *last;
    *last = kept == 'A' ? 'B' : 'A';
    assert_int_equal(ask_as(NULL, EXCHANGE_POST, path, NULL), 404);
    assert_int_equal(ask_as(NULL, EXCHANGE_POST, "/api/v1/auth/notices/unsubscribe/x", NULL), 404);
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_true(lists("email", "payment.sent"));
    *last = kept;
    assert_int_equal(ask_as(NULL, EXCHANGE_POST, path, NULL), 204);
    assert_int_equal(ask_as(NULL, EXCHANGE_POST, path, NULL), 204);
    assert_int_equal(get("/api/v1/me/notices"), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "email")), 0);
    assert_true(lists("webhook", "payment.sent"));
    letter = tell(NOTICE_LETTER, "payment:2");
    UNTIL(is_in(&letter, NOTICE_GIVEN_UP));
}

static void what_waits_outlives_the_process(void **state)
{
    (void)state;
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "payment.sent")), 200);
    stop();
    const struct notice letter = tell(NOTICE_LETTER, "payment:1"),
                        hook = tell(NOTICE_WEBHOOK, "payment:1");
    start();
    UNTIL(is_in(&letter, NOTICE_SENT) && is_in(&hook, NOTICE_SENT));
    assert_int_equal(letters_with("Subject: " SUBJECT), 1);
    assert_int_equal(receiver_count(&receiver), 1);
}

/* A receiver that takes its time costs nobody else theirs. */
static void a_silent_receiver_holds_up_no_letter_and_no_other_receiver(void **state)
{
    (void)state;
    INSIDE_ALONE();
    struct error error;
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "payment.sent")), 200);
    atomic_store(&receiver.way, RECEIVER_SILENT);
    const struct notice stuck = tell(NOTICE_WEBHOOK, "payment:1");
    UNTIL(receiver_count(&receiver) == 1);
    const struct notice letter = tell(NOTICE_LETTER, "payment:1");
    UNTIL(is_in(&letter, NOTICE_SENT));
    /* Another account's, which has no webhook: it is looked at by the next lane. */
    struct notice other = { .account = 1,
                            .kind = NOTICE_PAYMENT_SENT,
                            .channel = NOTICE_WEBHOOK,
                            .created_ms = loop_unix_ms(),
                            .body = PAYMENT };
    notice_name(&other, "payment:1");
    assert_int_equal(notice_insert(f->store, &other, &error), STORE_DONE);
    UNTIL(is_in(&other, NOTICE_GIVEN_UP));
    assert_true(is_in(&stuck, NOTICE_WAITING));
}

/* Eight of a kind for gertrude's receiver, which never answers; then others' are looked at. */
static void ask_much_of_one(enum notice_kind kind)
{
    struct error error;
    char cause[32];
    set_webhook();
    assert_int_equal(change("/api/v1/me/notices", CHOICE("", "payment.sent")), 200);
    atomic_store(&receiver.way, RECEIVER_SILENT);
    for (int i = 0; i < 8; i++) {
        struct notice one = { .account = gertrude(),
                              .kind = kind,
                              .channel = NOTICE_WEBHOOK,
                              .created_ms = loop_unix_ms(),
                              .body = PAYMENT };
        snprintf(cause, sizeof cause, "cause:%d", i);
        notice_name(&one, cause);
        assert_int_equal(notice_insert(f->store, &one, &error), STORE_DONE);
    }
    UNTIL(receiver_count(&receiver) >= 1);
    for (int i = 0; i < 8; i++) {
        struct notice other = { .account = 1,
                                .kind = NOTICE_PAYMENT_SENT,
                                .channel = NOTICE_WEBHOOK,
                                .created_ms = loop_unix_ms(),
                                .body = PAYMENT };
        snprintf(cause, sizeof cause, "payment:%d", i);
        notice_name(&other, cause);
        assert_int_equal(notice_insert(f->store, &other, &error), STORE_DONE);
        UNTIL(is_in(&other, NOTICE_GIVEN_UP));
    }
    assert_int_equal(receiver_count(&receiver), 1);
}

/* Whoever asks for many, of a receiver that never answers, takes one lane and no more; */
static void notices_that_are_asked_for_leave_the_other_lanes_to_others(void **state)
{
    (void)state;
    INSIDE_ALONE();
    ask_much_of_one(NOTICE_TEST);
}

/* so does who has many coming. */
static void a_receiver_is_tried_by_one_lane_however_much_waits_for_it(void **state)
{
    (void)state;
    INSIDE_ALONE();
    ask_much_of_one(NOTICE_PAYMENT_SENT);
}

/* For longer than a single letter would be tried. A file stands where letters' folder was. */
static void a_mail_server_that_is_away_loses_no_letter_and_health_says_so(void **state)
{
    (void)state;
    INSIDE_ALONE();
    enum { LETTERS = 3 };
    char folder[64], away[72], cause[32];
    struct notice letters[LETTERS];
    f->settings.notices_tries = 1;
    assert_int_equal(change("/api/v1/me/notices", CHOICE("payment.sent", "")), 200);
    snprintf(folder, sizeof folder, "%s/mail", f->folder);
    snprintf(away, sizeof away, "%s.away", folder);
    assert_int_equal(rename(folder, away), 0);
    FILE *file = fopen(folder, "w");
    assert_non_null(file);
    fclose(file);
    uint64_t failures = metric_of("adit_auth_notice_failures_total{channel=\"email\"} ");
    for (int i = 0; i < LETTERS; i++) {
        snprintf(cause, sizeof cause, "payment:%d", i);
        letters[i] = tell(NOTICE_LETTER, cause);
    }
    UNTIL(f->notices_away);
    UNTIL(metric_of("adit_auth_notice_failures_total{channel=\"email\"} ") >= failures + 2);
    for (int i = 0; i < LETTERS; i++)
        assert_true(is_in(&letters[i], NOTICE_WAITING));
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(away, folder), 0);
    for (int i = 0; i < LETTERS; i++)
        UNTIL(is_in(&letters[i], NOTICE_SENT));
    UNTIL(!f->notices_away);
    assert_int_equal(letters_with("Subject: " SUBJECT), LETTERS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gertrude, teardown_gertrude)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_told_until_it_is_chosen_and_choices_stay),
        TEST(a_webhook_has_a_secret_that_is_shown_once_and_its_owner_hears_of_it),
        TEST(a_notice_can_be_tried_out_by_each_channel_and_the_log_says_what_came_of_it),
        TEST(a_cause_is_delivered_once_by_each_channel_that_was_chosen),
        TEST(what_is_not_wanted_or_has_nowhere_to_go_is_given_up_at_once),
        TEST(a_receiver_that_fails_is_asked_again_under_the_same_id),
        TEST(a_receiver_that_is_gone_is_switched_off_and_its_owner_written_to),
        TEST(more_letters_than_a_day_allows_are_withheld_and_the_last_one_says_so),
        TEST(the_link_in_a_letter_stops_letters_and_nothing_else),
        TEST(what_waits_outlives_the_process),
        TEST(a_silent_receiver_holds_up_no_letter_and_no_other_receiver),
        TEST(a_receiver_is_tried_by_one_lane_however_much_waits_for_it),
        TEST(a_mail_server_that_is_away_loses_no_letter_and_health_says_so),
        TEST(notices_that_are_asked_for_leave_the_other_lanes_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
