/* The bus between hosts: the suite of every bus over TLS, who is let in, and who is not. The
 * certificates in testing/ were made for this test, are good until 2126, and protect nothing. */
#include "adapter/bus_fake/bus_suite.h"
#include "adapter/bus_nng/bus_nng.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *testing_folder;

/* Paths of a member's files; each call's texts last until the next but three. */
static const char *path_of(const char *file)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", testing_folder, file);
    return path;
}

static struct bus *create_as(struct loop *loop, const char *who, const char *name,
                             struct error *error)
{
    char certificate[64], key[64];
    snprintf(certificate, sizeof certificate, "%s.crt", who);
    snprintf(key, sizeof key, "%s.key", who);
    const struct bus_nng_tls tls = { path_of("authority.crt"), path_of(certificate), path_of(key),
                                     name };
    return bus_nng_create_tls(loop, &tls, error);
}

static struct bus *create_member(struct loop *loop)
{
    struct error error;
    return create_as(loop, "member", "adit", &error);
}

/* A port that was free a moment ago. */
static const char *url_of(const char *scheme)
{
    static char text[64];
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    struct sockaddr *plain = (struct sockaddr *)(void *)&address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, plain, length) != 0 || getsockname(fd, plain, &length) != 0)
        return NULL;
    close(fd);
    snprintf(text, sizeof text, "%s://127.0.0.1:%u", scheme, ntohs(address.sin_port));
    return text;
}

static const char *tls_url(void)
{
    return url_of("tls+tcp");
}

static void echo(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    bus_reply(call, message);
}

/* One who asks. */
struct asker {
    struct bus *bus;
    struct bus_client *client;
    unsigned ups;
    unsigned answers;
    unsigned replies;
};

static void on_up(void *context)
{
    ((struct asker *)context)->ups++;
}

static void on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct asker *asker = context;
    asker->answers++;
    if (outcome == BUS_REPLIED && span_equal(reply, span_text("x")))
        asker->replies++;
}

static void open_asker(struct asker *asker, struct bus *bus, const char *url)
{
    struct error error;
    assert_non_null(bus);
    *asker = (struct asker){ .bus = bus };
    const struct bus_client_options options = {
        .in_flight_max = 8, .message_bytes_max = 1000, .on_up = on_up, .context = asker
    };
    asker->client = bus_connect(bus, url, &options, &error);
    assert_non_null(asker->client);
}

static void close_asker(struct asker *asker)
{
    bus_client_close(asker->client);
    bus_destroy(asker->bus);
}

/* The member is served, however long the other one has been knocking; the other one never is. */
static void is_kept_out(struct bus *(*create)(struct loop *loop), const char *scheme,
                        const char *server_as)
{
    struct error error;
    struct loop *loop = loop_create(&error);
    struct bus *bus = create_as(loop, server_as, "adit", &error);
    assert_non_null(bus);
    char url[64], other_url[64];
    snprintf(url, sizeof url, "%s", tls_url());
    snprintf(other_url, sizeof other_url, "%s%s", scheme, strstr(url, "://"));
    struct bus_server *server = bus_serve(bus, url, 4, 1000, echo, NULL, &error);
    assert_non_null(server);
    struct asker other, member;
    open_asker(&other, create(loop), other_url);
    const uint64_t until_ns = loop_clock_ns() + 400000000u; /* some ten attempts */
    while (loop_clock_ns() < until_ns)
        loop_run_once(loop, 20);
    assert_int_equal(other.ups, 0);
    if (strcmp(server_as, "member") == 0) {
        open_asker(&member, create_member(loop), url);
        assert_true(bus_suite_until(loop, &member.ups, 1));
        assert_true(bus_request(member.client, span_text("x"), 20000, on_answer, &member));
        assert_true(bus_suite_until(loop, &member.replies, 1));
        close_asker(&member);
    }
    assert_int_equal(other.ups, 0);
    close_asker(&other);
    bus_server_close(server);
    bus_destroy(bus);
    loop_destroy(loop);
}

static struct bus *create_stranger(struct loop *loop)
{
    struct error error;
    return create_as(loop, "stranger", "adit", &error);
}

static struct bus *create_without(struct loop *loop)
{
    struct error error;
    return bus_nng_create(loop, &error);
}

static void a_certificate_of_another_authority_lets_nobody_in(void **state)
{
    (void)state;
    is_kept_out(create_stranger, "tls+tcp", "member");
}

static void who_shows_no_certificate_is_not_let_in(void **state)
{
    (void)state;
    is_kept_out(create_without, "tcp", "member");
}

static void a_server_of_another_name_or_authority_is_not_talked_to(void **state)
{
    (void)state;
    is_kept_out(create_member, "tls+tcp", "other-name");
    is_kept_out(create_member, "tls+tcp", "stranger");
}

static void busy_connections_can_be_closed_from_either_side_at_any_time(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    for (unsigned round = 0; round < 20; round++) {
        struct bus *bus = create_member(loop);
        char url[64];
        snprintf(url, sizeof url, "%s", tls_url());
        struct bus_server *server = bus_serve(bus, url, 8, 1000, echo, NULL, &error);
        assert_non_null(server);
        struct asker asker;
        open_asker(&asker, create_member(loop), url);
        assert_true(bus_suite_until(loop, &asker.ups, 1));
        unsigned asked = 0;
        while (asker.answers < 8 + round % 7)
            if (!bus_request(asker.client, span_text("x"), 20000, on_answer, &asker))
                loop_run_once(loop, 20);
            else
                asked++;
        assert_true(asked >= asker.replies);
        if (round % 2 == 0) {
            bus_server_close(server);
            close_asker(&asker);
        } else {
            close_asker(&asker);
            bus_server_close(server);
        }
        bus_destroy(bus);
    }
    loop_destroy(loop);
}

static void what_is_wrong_with_the_files_is_said(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    const char *good_certificate = path_of("member.crt");
    assert_null(create_as(loop, "nobody", "adit", &error));
    assert_non_null(strstr(error.text, "bus.certificate_file"));
    struct bus_nng_tls tls = { path_of("member.key"), good_certificate, path_of("member.key"),
                               "adit" };
    assert_null(bus_nng_create_tls(loop, &tls, &error));
    assert_non_null(strstr(error.text, "bus.authority_file"));
    tls.authority_file = path_of("authority.crt");
    tls.key_file = good_certificate;
    assert_null(bus_nng_create_tls(loop, &tls, &error));
    assert_non_null(strstr(error.text, "are not a certificate and its key"));
    /* And without any, an address that needs them is refused in words. */
    struct bus *bus = create_without(loop);
    assert_null(bus_serve(bus, tls_url(), 1, 100, echo, NULL, &error));
    assert_non_null(strstr(error.text, "bus.authority_file"));
    const struct bus_client_options options = { .in_flight_max = 1, .message_bytes_max = 100 };
    assert_null(bus_connect(bus, tls_url(), &options, &error));
    assert_non_null(strstr(error.text, "bus.authority_file"));
    bus_destroy(bus);
    loop_destroy(loop);
}

int main(void)
{
    static char folder[400];
    const char *source = getenv("ADIT_SOURCE");
    snprintf(folder, sizeof folder, "%s/common/adapter/bus_nng/testing",
             source != NULL ? source : ".");
    testing_folder = folder;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_of_another_authority_lets_nobody_in),
        cmocka_unit_test(who_shows_no_certificate_is_not_let_in),
        cmocka_unit_test(a_server_of_another_name_or_authority_is_not_talked_to),
        cmocka_unit_test(busy_connections_can_be_closed_from_either_side_at_any_time),
        cmocka_unit_test(what_is_wrong_with_the_files_is_said),
    };
    int failed = bus_suite_run("bus_nng over tls", create_member, tls_url);
    return failed + cmocka_run_group_tests_name("bus_nng between hosts", tests, NULL, NULL);
}
