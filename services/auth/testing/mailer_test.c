/* The outbox: letters outlive the process that wrote them, several instances send each once, and
 * what cannot be sent is given up when its time is over. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "loop/testing/until.h"
#include "record/access/letter.h"
#include "services/auth/mailer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOUR_MS = 3600000 };

static struct fixture {
    char folder[32], away_url[64], url[64];
    struct loop *loop;
    struct metrics *metrics;
    struct store *store;
    bool is_away; /* as health is told */
} * f;

static const uint8_t key[32] = { 7 };

#define UNTIL(condition) LOOP_UNTIL(f->loop, condition, "")

static int setup(void **state)
{
    struct error error;
    (void)state;
    f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/adit-mailer-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->url, sizeof f->url, "file:%s", f->folder);
    snprintf(f->away_url, sizeof f->away_url, "file:%s/not/there", f->folder);
    f->loop = loop_create(&error);
    f->metrics = metrics_create();
    f->store = store_fake_create();
    assert_true(access_declare(f->store, &error));
    return 0;
}

/* How many letters arrived; they are taken away. */
static size_t arrived(void)
{
    DIR *open_folder = opendir(f->folder);
    const struct dirent *entry;
    size_t count = 0;
    while ((entry = readdir(open_folder)) != NULL) {
        char path[400];
        if (strstr(entry->d_name, ".eml") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", f->folder, entry->d_name);
        count += unlink(path) == 0;
    }
    closedir(open_folder);
    return count;
}

static int teardown(void **state)
{
    (void)state;
    store_close(f->store);
    loop_destroy(f->loop);
    metrics_destroy(f->metrics);
    (void)arrived();
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static struct store *open_store(void *context, struct error *error)
{
    (void)context;
    (void)error;
    return store_fake_share(f->store);
}

static void on_away(void *context, const char *reason)
{
    (void)context;
    f->is_away = reason != NULL;
}

static struct mailer *start(const char *url)
{
    struct error error;
    const struct mailer_options options = {
        .loop = f->loop,
        .metrics = f->metrics,
        .mail = { .url = url, .from = "pool@example.org", .timeout_ms = 20000 },
        .key = key,
        .open_store = open_store,
        .on_away = on_away,
    };
    struct mailer *mailer = mailer_create(&options, &error);
    if (mailer == NULL)
        fail_msg("%s", error.text);
    return mailer;
}

static void post(struct mailer *mailer, const char *to, uint64_t expires_ms)
{
    struct error error;
    struct mail mail = { .subject = "A subject", .text = "the token is open-sesame\n" };
    snprintf(mail.to, sizeof mail.to, "%s", to);
    assert_true(mailer_post(mailer, f->store, &mail, expires_ms, &error));
}

static uint64_t in_an_hour(void)
{
    return loop_unix_ms() + HOUR_MS;
}

static bool is_empty(void)
{
    struct letter letter;
    struct error error;
    return letter_due(f->store, INT64_MAX, &letter, &error) == STORE_MISSING;
}

/* The one letter there is. */
static struct letter the_letter(void)
{
    struct letter letter;
    struct error error;
    assert_int_equal(letter_due(f->store, INT64_MAX, &letter, &error), STORE_DONE);
    return letter;
}

static uint64_t metric_of(const char *line)
{
    static char text[65536];
    assert_true(metrics_print(f->metrics, text, sizeof text) > 0);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtoull(at + strlen(line), NULL, 10);
}

static void a_letter_outlives_its_process_and_a_server_that_is_away(void **state)
{
    (void)state;
    struct mailer *mailer = start(f->away_url);
    post(mailer, "gertrude@example.org", in_an_hour());
    mailer_kick(mailer);
    UNTIL(metric_of("\nadit_auth_mail_failures_total ") == 1);
    struct letter letter = the_letter();
    assert_int_equal(letter.tries, 1);
    assert_true(letter.next_ms > letter.expires_ms - HOUR_MS); /* later */
    mailer_destroy(mailer);
    assert_int_equal(arrived(), 0);
    /* Its time comes; so does a server. */
    struct error error;
    letter = the_letter();
    letter.next_ms = 1;
    assert_int_equal(letter_save(f->store, &letter, &error), STORE_DONE);
    mailer = start(f->url);
    UNTIL(is_empty());
    mailer_destroy(mailer);
    assert_int_equal(arrived(), 1);
}

static void health_is_told_that_no_letter_can_be_sent_and_that_they_can_again(void **state)
{
    (void)state;
    struct error error;
    char here[64];
    struct mailer *mailer = start(f->away_url);
    post(mailer, "gertrude@example.org", in_an_hour());
    mailer_kick(mailer);
    UNTIL(f->is_away);
    /* Its folder can be made, once the one above is there. */
    snprintf(here, sizeof here, "%s/not", f->folder);
    assert_int_equal(mkdir(here, 0700), 0);
    struct letter letter = the_letter();
    letter.next_ms = 1;
    assert_int_equal(letter_save(f->store, &letter, &error), STORE_DONE);
    UNTIL(!f->is_away && is_empty());
    mailer_destroy(mailer);
    /* Where arrived() looks. */
    char from[400], to[64];
    DIR *folder = opendir(f->away_url + strlen("file:"));
    assert_non_null(folder);
    const struct dirent *entry;
    snprintf(to, sizeof to, "%s/one.eml", f->folder);
    while ((entry = readdir(folder)) != NULL)
        if (strstr(entry->d_name, ".eml") != NULL) {
            snprintf(from, sizeof from, "%s/%s", f->away_url + strlen("file:"), entry->d_name);
            assert_int_equal(rename(from, to), 0);
        }
    closedir(folder);
    assert_int_equal(rmdir(f->away_url + strlen("file:")), 0);
    assert_int_equal(rmdir(here), 0);
    assert_int_equal(arrived(), 1);
}

static void of_several_instances_one_sends_each_letter(void **state)
{
    (void)state;
    enum { MAILERS = 4, LETTERS = 300 };
    struct mailer *mailers[MAILERS];
    for (size_t i = 0; i < MAILERS; i++)
        mailers[i] = start(f->url);
    for (size_t i = 0; i < LETTERS; i++) {
        post(mailers[i % MAILERS], "gertrude@example.org", in_an_hour());
        for (size_t j = 0; j < MAILERS; j++)
            mailer_kick(mailers[j]);
    }
    UNTIL(is_empty());
    for (size_t i = 0; i < MAILERS; i++)
        mailer_destroy(mailers[i]);
    assert_int_equal(arrived(), LETTERS);
}

/* Whoever took it and died leaves it to be sent when its next try is due. */
static void a_letter_that_was_taken_is_left_alone_until_its_taker_must_be_dead(void **state)
{
    (void)state;
    struct error error;
    struct mailer *off = start(""), *mailer;
    post(off, "gertrude@example.org", in_an_hour()); /* nothing is kept where none are sent */
    assert_true(is_empty());
    mailer_destroy(off);
    mailer = start(f->away_url);
    post(mailer, "gertrude@example.org", in_an_hour());
    mailer_destroy(mailer);
    struct letter letter = the_letter();
    letter.next_ms = loop_unix_ms() + HOUR_MS / 2;
    letter.tries = 1;
    assert_int_equal(letter_save(f->store, &letter, &error), STORE_DONE);
    mailer = start(f->url);
    post(mailer, "alice@example.org", in_an_hour());
    mailer_kick(mailer);
    size_t count = 0;
    UNTIL((count += arrived()) == 1);
    UNTIL(the_letter().next_ms == letter.next_ms); /* alice's is crossed out */
    letter = the_letter();
    letter.next_ms = 1;
    assert_int_equal(letter_save(f->store, &letter, &error), STORE_DONE);
    mailer_kick(mailer);
    UNTIL(is_empty());
    mailer_destroy(mailer);
    assert_int_equal(count + arrived(), 2);
}

static void a_letter_whose_time_is_over_is_given_up_and_so_is_one_nobody_can_open(void **state)
{
    (void)state;
    struct error error;
    struct mailer *mailer = start(f->url);
    post(mailer, "gertrude@example.org", loop_unix_ms());
    mailer_kick(mailer);
    UNTIL(metric_of("adit_auth_mails_total{outcome=\"unsent\"} ") == 1 && is_empty());
    struct letter strange = { .next_ms = 1, .expires_ms = in_an_hour() };
    assert_int_equal(letter_insert(f->store, &strange, 9, &error), STORE_DONE);
    post(mailer, "", in_an_hour()); /* to nobody: no letter, and no failure */
    mailer_kick(mailer);
    UNTIL(metric_of("adit_auth_mails_total{outcome=\"unsent\"} ") == 2 && is_empty());
    mailer_destroy(mailer);
    assert_int_equal(arrived(), 0);
}

static void what_waits_can_be_read_by_nobody_and_all_look_alike(void **state)
{
    (void)state;
    struct mailer *mailer = start(f->away_url);
    post(mailer, "gertrude@example.org", in_an_hour());
    const struct letter letter = the_letter();
    mailer_destroy(mailer);
    static const char *const secrets[] = { "gertrude", "subject", "open-sesame" };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        assert_null(memmem(letter.sealed, sizeof letter.sealed, secrets[i], strlen(secrets[i])));
}

static void the_outbox_is_bounded_and_a_full_one_says_so(void **state)
{
    (void)state;
    struct error error;
    size_t kept = 0;
    enum store_outcome outcome;
    for (uint64_t seed = 0; seed < 2 * LETTERS_MAX; seed++) {
        struct letter letter = { .next_ms = INT64_MAX, .expires_ms = INT64_MAX };
        outcome = letter_insert(f->store, &letter, seed, &error);
        assert_true(outcome == STORE_DONE || outcome == STORE_EXISTS);
        kept += outcome == STORE_DONE;
    }
    assert_int_equal(kept, LETTERS_MAX);
    struct mailer *mailer = start(f->url);
    const struct mail mail = { .to = "gertrude@example.org", .subject = "A", .text = "B" };
    assert_false(mailer_post(mailer, f->store, &mail, in_an_hour(), &error));
    assert_int_equal(error.code, ERROR_FULL);
    mailer_destroy(mailer);
}

static void while_the_store_is_away_letters_wait_in_it(void **state)
{
    (void)state;
    struct error error;
    struct mailer *mailer = start(f->url);
    const struct mail mail = { .to = "gertrude@example.org", .subject = "A", .text = "B" };
    store_fake_away(f->store, true);
    assert_false(mailer_post(mailer, f->store, &mail, in_an_hour(), &error));
    mailer_kick(mailer);
    store_fake_away(f->store, false);
    post(mailer, "gertrude@example.org", in_an_hour());
    mailer_kick(mailer);
    UNTIL(is_empty()); /* by the next look at the latest */
    mailer_destroy(mailer);
    assert_int_equal(arrived(), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_letter_outlives_its_process_and_a_server_that_is_away),
        TEST(health_is_told_that_no_letter_can_be_sent_and_that_they_can_again),
        TEST(of_several_instances_one_sends_each_letter),
        TEST(a_letter_that_was_taken_is_left_alone_until_its_taker_must_be_dead),
        TEST(a_letter_whose_time_is_over_is_given_up_and_so_is_one_nobody_can_open),
        TEST(what_waits_can_be_read_by_nobody_and_all_look_alike),
        TEST(the_outbox_is_bounded_and_a_full_one_says_so),
        TEST(while_the_store_is_away_letters_wait_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
