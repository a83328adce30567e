/* Letters to files, and to a mail server that stands here in the test and takes what it is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/mail_curl/mail.h"
#include "adapter/mail_curl/testing/smtp_server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mail letter(void)
{
    struct mail mail = { .to = "gertrude@example.org", .subject = "A subject" };
    strcpy(mail.text, "first line\n.second line, which begins with a dot\nd\xc3\xa9j\xc3\xa0\n");
    return mail;
}

static void a_letter_stands_whole_in_a_file_only_its_owner_reads(void **state)
{
    (void)state;
    char folder[64] = "/tmp/adit-mail-XXXXXX", url[128], path[512] = "", text[4096];
    struct error error;
    assert_non_null(mkdtemp(folder));
    snprintf(url, sizeof url, "file:%s/out", folder);
    const struct mail_settings settings = {
        .url = url, .from = "pool@example.org", .password_file = "", .timeout_ms = 1000
    };
    const struct mail mail = letter();
    assert_true(mail_check(&settings, &error));
    assert_true(mail_send(&settings, &mail, &error));
    DIR *out = opendir(url + 5);
    assert_non_null(out);
    const struct dirent *entry;
    while ((entry = readdir(out)) != NULL)
        if (strstr(entry->d_name, ".eml") != NULL)
            snprintf(path, sizeof path, "%s/%.200s", url + 5, entry->d_name);
    closedir(out);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "\r\nTo: <gertrude@example.org>\r\nSubject: A subject\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nfirst line\r\n.second line"));
    unlink(path);
    rmdir(url + 5);
    rmdir(folder);
}

/* To a server of this host; what it heard. */
static const char *give(const struct mail *mail)
{
    static struct smtp_server server;
    char url[96];
    struct error error;
    smtp_begin(&server, SMTP_PLAIN, NULL, NULL, NULL);
    smtp_url(&server, "127.0.0.1", url);
    const struct mail_settings settings = {
        .url = url, .from = "pool@example.org", .password_file = "", .timeout_ms = 20000
    };
    if (!mail_send(&settings, mail, &error))
        fail_msg("%s\n%s", error.text, server.heard);
    smtp_end(&server);
    return server.heard;
}

static void a_letter_may_have_an_id_of_its_own_and_a_way_to_stop_it(void **state)
{
    (void)state;
    struct mail mail = letter();
    mail.id = "msg_1";
    mail.unsubscribe = "https://pool.example/stop/x";
    const char *heard = give(&mail);
    assert_non_null(strstr(heard, "\r\nMessage-ID: <msg_1@example.org>\r\n"));
    assert_non_null(strstr(heard, "\r\nList-Unsubscribe: <https://pool.example/stop/x>\r\n"
                                  "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
}

static void no_address_writes_headers_or_commands_of_its_own(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "a@b.c\r\nBcc: x@y.z", "a@b.c>", "a b@c.d", "nobody", "", "a@b.c,x@y.z", "a@b.c\n", "<a@b.c"
    };
    struct error error;
    const struct mail_settings settings = { .url = "file:/tmp/adit-mail-none",
                                            .from = "pool@example.org",
                                            .password_file = "",
                                            .timeout_ms = 9 };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct mail mail = letter();
        snprintf(mail.to, sizeof mail.to, "%s", addresses[i]);
        assert_false(mail_send(&settings, &mail, &error));
        assert_null(strstr(error.text, "x@y.z"));
    }
    static const struct {
        const char *url, *from;
        bool good;
    } cases[] = {
        { "", "", true },
        { "file:/x", "", true },
        { "smtp://host:25", "pool@example.org", true },
        { "smtps://host", "pool@example.org", true },
        { "smtp://host", "", false },
        { "smtp://host", "a@b\r\nx", false },
        { "http://host", "pool@example.org", false },
        { "host", "pool@example.org", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mail_settings one = { .url = cases[i].url, .from = cases[i].from };
        assert_int_equal(mail_check(&one, &error), cases[i].good);
    }
}

static char folder[] = "/tmp/adit-smtp-XXXXXX";
static char pem[64], other_pem[64], password_file[64];

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(pem, sizeof pem, "%s/pem", folder);
    snprintf(other_pem, sizeof other_pem, "%s/other", folder);
    snprintf(password_file, sizeof password_file, "%s/password", folder);
    smtp_make_certificate(pem, "127.0.0.1");
    smtp_make_certificate(other_pem, "192.0.2.1");
    FILE *file = fopen(password_file, "w");
    assert_non_null(file);
    fputs("sesame\n", file);
    fclose(file);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(pem);
    unlink(other_pem);
    unlink(password_file);
    return rmdir(folder);
}

static void a_mail_server_is_given_the_letter(void **state)
{
    (void)state;
    const struct mail mail = letter();
    const char *heard = give(&mail);
    assert_non_null(strstr(heard, "MAIL FROM:<pool@example.org>"));
    assert_non_null(strstr(heard, "RCPT TO:<gertrude@example.org>"));
    assert_non_null(strstr(heard, "\r\nSubject: A subject\r\n"));
    assert_non_null(strstr(heard, "\r\n..second line")); /* RFC 5321, section 4.5.2 */
}

/* A worker's name, a reason for a pause: whatever ends a line for some server begins no letter. */
static void what_others_wrote_stays_one_letter(void **state)
{
    (void)state;
    struct mail mail = letter();
    strcpy(mail.text,
           "one\r\n.\r\nMAIL FROM:<a@b.c>\r\rtwo\n.\r\nthree\r.\rfour\x1b[2J\x7f\tend\n");
    const char *heard = give(&mail);
    const char *text = strstr(heard, "\r\n\r\none\r\n");
    assert_non_null(text);
    const char *wanted =
        "\r\n\r\none\r\n..\r\nMAIL FROM:<a@b.c>two\r\n..\r\nthree.four[2J\tend\r\n";
    assert_int_equal(strncmp(text, wanted, strlen(wanted)), 0);
}

static void what_a_mail_server_refuses_or_nobody_takes_has_not_been_sent(void **state)
{
    (void)state;
    struct smtp_server server;
    char url[96];
    struct error error;
    const struct mail mail = letter();
    smtp_begin(&server, SMTP_PLAIN, NULL, "RCPT", "550 gertrude@example.org is unknown\r\n");
    smtp_url(&server, "127.0.0.1", url);
    const struct mail_settings settings = {
        .url = url, .from = "pool@example.org", .password_file = "", .timeout_ms = 20000
    };
    assert_false(mail_send(&settings, &mail, &error));
    assert_null(strstr(error.text, "gertrude"));
    assert_int_equal(error.code, ERROR_REFUSED);
    smtp_end(&server);
    assert_false(mail_send(&settings, &mail, &error)); /* nobody listens there any more */
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    const struct mail_settings secret = { .url = url,
                                          .from = "pool@example.org",
                                          .password_file = "/nowhere/password",
                                          .timeout_ms = 20000 };
    assert_false(mail_send(&secret, &mail, &error));
}

/* Only what is said to a letter's receiver and text is about the letter; the rest would be said to
 * each. */
static void what_a_mail_server_says_of_itself_is_held_against_no_letter(void **state)
{
    (void)state;
    static const struct {
        const char *refused, *refusal;
        enum error_code code;
    } cases[] = {
        { "MAIL", "421 closing\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "451 try later\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "452 no storage\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "454 no log-in now\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "530 log in first\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "535 who are you\r\n", ERROR_UNAVAILABLE },
        { "MAIL", "550 no such sender\r\n", ERROR_UNAVAILABLE },
        { "RCPT", "421 closing\r\n", ERROR_UNAVAILABLE },
        { "RCPT", "530 log in first\r\n", ERROR_UNAVAILABLE },
        { "RCPT", "450 mailbox busy\r\n", ERROR_REFUSED },
        { "RCPT", "451 greylisted\r\n", ERROR_REFUSED },
        { "RCPT", "452 the mailbox is full\r\n", ERROR_REFUSED },
        { "RCPT", "550 unknown\r\n", ERROR_REFUSED },
        { "DATA", "421 closing\r\n", ERROR_UNAVAILABLE },
        { "DATA", "452 no storage\r\n", ERROR_UNAVAILABLE },
        { "DATA", "554 no\r\n", ERROR_REFUSED },
        { ".", "421 closing\r\n", ERROR_UNAVAILABLE },
        { ".", "451 look again later\r\n", ERROR_REFUSED },
        { ".", "554 spam\r\n", ERROR_REFUSED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtp_server server;
        struct error error = { .text = "" };
        char url[96], number[4];
        const struct mail mail = letter();
        smtp_begin(&server, SMTP_PLAIN, NULL, cases[i].refused, cases[i].refusal);
        smtp_url(&server, "127.0.0.1", url);
        const struct mail_settings settings = {
            .url = url, .from = "pool@example.org", .password_file = "", .timeout_ms = 20000
        };
        const bool sent = mail_send(&settings, &mail, &error);
        smtp_end(&server);
        snprintf(number, sizeof number, "%.3s", cases[i].refusal);
        if (sent || error.code != cases[i].code || strstr(error.text, number) == NULL)
            fail_msg("%s %s: %d %d %s\n%s", cases[i].refused, number, sent, (int)error.code,
                     error.text, server.heard);
    }
}

/* X: what the server has, its certificate, what we trust, where we say it is, with a password,
 * plain allowed: whether the letter arrives, and whether by TLS. 0.0.0.0 leads to this host too,
 * but is no name of it. */
static const struct {
    enum smtp_tls tls;
    const char *certificate, *authority, *host;
    bool password, plain, arrives, encrypted;
} lines[] = {
    { SMTP_TLS, pem, pem, "127.0.0.1", false, false, true, true },
    { SMTP_STARTTLS, pem, pem, "127.0.0.1", false, false, true, true },
    { SMTP_TLS, pem, pem, "gertrude@127.0.0.1", true, false, true, true },
    { SMTP_STARTTLS, pem, pem, "gertrude@127.0.0.1", true, false, true, true },
    /* nobody we trust says so; another host's; another name */
    { SMTP_TLS, pem, "", "127.0.0.1", false, false, false, false },
    { SMTP_TLS, pem, other_pem, "127.0.0.1", false, false, false, false },
    { SMTP_TLS, other_pem, other_pem, "127.0.0.1", false, false, false, false },
    { SMTP_TLS, pem, pem, "0.0.0.0", false, true, false, false },
    { SMTP_STARTTLS, pem, "", "127.0.0.1", false, false, false, false },
    { SMTP_STARTTLS, other_pem, other_pem, "127.0.0.1", false, false, false, false },
    { SMTP_STARTTLS, pem, other_pem, "gertrude@127.0.0.1", true, false, false, false },
    { SMTP_STARTTLS, pem, other_pem, "127.0.0.1", false, true, false, false },
    /* who strips the offer away gets neither letter nor password */
    { SMTP_PLAIN, pem, pem, "0.0.0.0", false, false, false, false },
    { SMTP_PLAIN, pem, pem, "gertrude@127.0.0.1", true, true, false, false },
    { SMTP_PLAIN, pem, pem, "gertrude@0.0.0.0", true, true, false, false },
    /* unless it is asked for, or the line does not leave the host */
    { SMTP_PLAIN, pem, pem, "0.0.0.0", false, true, true, false },
    { SMTP_PLAIN, pem, pem, "127.0.0.1", false, false, true, false },
};

static void letters_and_passwords_go_by_tls_to_who_is_certified_or_not_at_all(void **state)
{
    (void)state;
    const struct mail mail = letter();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct smtp_server server;
        struct error error = { .text = "" };
        char url[96];
        smtp_begin(&server, lines[i].tls, lines[i].certificate, NULL, NULL);
        smtp_url(&server, lines[i].host, url);
        const struct mail_settings settings = { .url = url,
                                                .from = "pool@example.org",
                                                .password_file =
                                                    lines[i].password ? password_file : "",
                                                .timeout_ms = 20000,
                                                .authority_file = lines[i].authority,
                                                .plain = lines[i].plain };
        bool sent = mail_send(&settings, &mail, &error);
        smtp_end(&server);
        if (sent != lines[i].arrives)
            fail_msg("line %zu: %d %s\n%s", i, sent, error.text, server.heard);
        assert_int_equal(strstr(server.heard, "first line") != NULL, lines[i].arrives);
        assert_int_equal(server.encrypted, lines[i].encrypted);
        bool logged_in = strstr(server.heard, "AUTH PLAIN") != NULL;
        assert_int_equal(logged_in, lines[i].password && lines[i].arrives);
    }
}

static void *raise_flag(void *context)
{
    atomic_store((_Atomic bool *)context, true);
    return NULL;
}

/* One that says nothing is not waited for where the process ends. */
static void a_try_ends_when_it_is_told_to(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(silent, 1), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    char url[96];
    _Atomic bool stop = false;
    pthread_t thread;
    struct error error;
    const struct mail mail = letter();
    snprintf(url, sizeof url, "smtp://127.0.0.1:%d", ntohs(address.sin_port));
    const struct mail_settings settings = { .url = url,
                                            .from = "pool@example.org",
                                            .password_file = "",
                                            .timeout_ms = 600000,
                                            .stop = &stop };
    assert_int_equal(pthread_create(&thread, NULL, raise_flag, &stop), 0);
    assert_false(mail_send(&settings, &mail, &error)); /* or the test is ended by its deadline */
    pthread_join(thread, NULL);
    close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_stands_whole_in_a_file_only_its_owner_reads),
        cmocka_unit_test(a_letter_may_have_an_id_of_its_own_and_a_way_to_stop_it),
        cmocka_unit_test(no_address_writes_headers_or_commands_of_its_own),
        cmocka_unit_test(a_mail_server_is_given_the_letter),
        cmocka_unit_test(what_others_wrote_stays_one_letter),
        cmocka_unit_test(what_a_mail_server_refuses_or_nobody_takes_has_not_been_sent),
        cmocka_unit_test(what_a_mail_server_says_of_itself_is_held_against_no_letter),
        cmocka_unit_test(letters_and_passwords_go_by_tls_to_who_is_certified_or_not_at_all),
        cmocka_unit_test(a_try_ends_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
