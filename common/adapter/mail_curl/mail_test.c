/* Letters to files, and to a mail server that stands here in the test and takes what it is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/mail_curl/mail.h"

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
    const struct mail_settings settings = { url, "pool@example.org", "", 1000 };
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

static void no_address_writes_headers_or_commands_of_its_own(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "a@b.c\r\nBcc: x@y.z", "a@b.c>", "a b@c.d", "nobody", "", "a@b.c,x@y.z", "a@b.c\n", "<a@b.c"
    };
    struct error error;
    const struct mail_settings settings = { "file:/tmp/adit-mail-none", "pool@example.org", "", 9 };
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
        const struct mail_settings one = { cases[i].url, cases[i].from, "", 1000 };
        assert_int_equal(mail_check(&one, &error), cases[i].good);
    }
}

/* As much of RFC 5321 as one letter needs. */
struct server {
    int listener, port;
    const char *refusal; /* to RCPT; NULL: none */
    char heard[8192];
    size_t length;
    pthread_t thread;
};

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd = accept(server->listener, NULL, NULL);
    bool data = false;
    size_t from = 0;
    if (fd < 0)
        return NULL;
    say(fd, "220 here\r\n");
    for (;;) {
        ssize_t got =
            recv(fd, server->heard + server->length, sizeof server->heard - 1 - server->length, 0);
        if (got <= 0)
            break;
        server->length += (size_t)got;
        server->heard[server->length] = '\0';
        char *end;
        while ((end = strstr(server->heard + from, "\r\n")) != NULL) {
            const char *line = server->heard + from;
            from = (size_t)(end + 2 - server->heard);
            if (data) {
                data = strncmp(line, ".\r\n", 3) != 0;
                if (!data)
                    say(fd, "250 taken\r\n");
            } else if (strncmp(line, "DATA", 4) == 0) {
                data = true;
                say(fd, "354 go on\r\n");
            } else if (strncmp(line, "RCPT", 4) == 0 && server->refusal != NULL) {
                say(fd, server->refusal);
            } else {
                say(fd, "250 yes\r\n");
            }
        }
    }
    close(fd);
    return NULL;
}

static void begin(struct server *server, const char *refusal)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    memset(server, 0, sizeof *server);
    server->refusal = refusal;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void end(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static void a_mail_server_is_given_the_letter(void **state)
{
    (void)state;
    struct server server;
    char url[64];
    struct error error;
    begin(&server, NULL);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%d", server.port);
    const struct mail_settings settings = { url, "pool@example.org", "", 20000 };
    const struct mail mail = letter();
    if (!mail_send(&settings, &mail, &error))
        fail_msg("%s\n%s", error.text, server.heard);
    end(&server);
    assert_non_null(strstr(server.heard, "MAIL FROM:<pool@example.org>"));
    assert_non_null(strstr(server.heard, "RCPT TO:<gertrude@example.org>"));
    assert_non_null(strstr(server.heard, "\r\nSubject: A subject\r\n"));
    assert_non_null(strstr(server.heard, "\r\n..second line")); /* RFC 5321, section 4.5.2 */
}

static void what_a_mail_server_refuses_or_nobody_takes_has_not_been_sent(void **state)
{
    (void)state;
    struct server server;
    char url[64];
    struct error error;
    const struct mail mail = letter();
    begin(&server, "550 gertrude@example.org is unknown\r\n");
    snprintf(url, sizeof url, "smtp://127.0.0.1:%d", server.port);
    const struct mail_settings settings = { url, "pool@example.org", "", 20000 };
    assert_false(mail_send(&settings, &mail, &error));
    assert_null(strstr(error.text, "gertrude"));
    end(&server);
    assert_false(mail_send(&settings, &mail, &error)); /* nobody listens there any more */
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    const struct mail_settings secret = { url, "pool@example.org", "/nowhere/password", 20000 };
    assert_false(mail_send(&secret, &mail, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_stands_whole_in_a_file_only_its_owner_reads),
        cmocka_unit_test(no_address_writes_headers_or_commands_of_its_own),
        cmocka_unit_test(a_mail_server_is_given_the_letter),
        cmocka_unit_test(what_a_mail_server_refuses_or_nobody_takes_has_not_been_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
