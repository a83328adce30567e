/* Notices over a real connection: heard, lost, heard again; and who is not listened to. The
 * publisher is played byte by byte. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_zmq/node_zmq.h"
#include "loop/testing/until.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct node_zmq *zmq;
    int listener, peer;
    unsigned port;
    unsigned blocks, states;
    uint8_t block[32];
    bool heard;
    char trouble[256];
};

static void on_block(void *context, const uint8_t hash[32])
{
    struct fixture *f = context;
    memcpy(f->block, hash, 32);
    f->blocks++;
}

static void on_state(void *context, const char *trouble)
{
    struct fixture *f = context;
    f->heard = trouble == NULL;
    snprintf(f->trouble, sizeof f->trouble, "%s", trouble != NULL ? trouble : "");
    f->states++;
}

static void listen_at(struct fixture *f)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)f->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    const int on = 1;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(f->listener, 4), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &length), 0);
    f->port = ntohs(address.sin_port);
}

static struct fixture *open_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error error;
    char address[64];
    assert_non_null(f);
    f->loop = loop_create(&error);
    listen_at(f);
    snprintf(address, sizeof address, "tcp://localhost:%u", f->port);
    f->zmq = node_zmq_open(&(struct node_zmq_options){ .loop = f->loop,
                                                       .address = address,
                                                       .on_block = on_block,
                                                       .on_state = on_state,
                                                       .context = f },
                           &error);
    if (f->zmq == NULL)
        fail_msg("%s", error.text);
    f->peer = -1;
    return f;
}

static void close_fixture(struct fixture *f)
{
    node_zmq_close(f->zmq);
    if (f->peer >= 0)
        close(f->peer);
    close(f->listener);
    loop_destroy(f->loop);
    free(f);
}

static void meet(struct fixture *f)
{
    if (f->peer >= 0)
        close(f->peer);
    LOOP_UNTIL(f->loop, (f->peer = accept(f->listener, NULL, NULL)) >= 0, "");
}

static void send_bytes(struct fixture *f, const void *bytes, size_t length)
{
    assert_int_equal(send(f->peer, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Waits for these very bytes from the client. */
static void expect_bytes(struct fixture *f, const void *bytes, size_t length)
{
    uint8_t got[256];
    size_t used = 0;
    while (used < length) {
        ssize_t n = -1;
        LOOP_UNTIL(f->loop, (n = recv(f->peer, got + used, length - used, MSG_DONTWAIT)) > 0, "");
        used += (size_t)n;
    }
    assert_memory_equal(got, bytes, length);
}

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL";
static const char said_greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL";
static const char ready[] = "\4\x19\5READY\13Socket-Type\0\0\0\3PUB";
static const char said_ready[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
static const char said_topic[] = "\0\12\1hashblock";

static void shake_hands(struct fixture *f)
{
    meet(f);
    expect_bytes(f, said_greeting, sizeof said_greeting);
    send_bytes(f, greeting, sizeof greeting);
    expect_bytes(f, said_ready, sizeof said_ready - 1);
    send_bytes(f, ready, sizeof ready - 1);
    expect_bytes(f, said_topic, sizeof said_topic - 1);
    LOOP_UNTIL(f->loop, f->heard, f->trouble);
}

static void announce(struct fixture *f, uint8_t block)
{
    char notice[51] = "\1\11hashblock\1\40";
    memset(notice + 13, block, 31);
    notice[44] = 0x55; /* the last of the hash as shown, the first of it inside */
    memcpy(notice + 45, "\0\4\1\0\0\0", 6);
    send_bytes(f, notice, sizeof notice);
}

static void a_notice_is_heard_and_turned_round(void **state)
{
    struct fixture *f = open_fixture();
    (void)state;
    shake_hands(f);
    announce(f, 7);
    LOOP_UNTIL(f->loop, f->blocks >= 1, "");
    assert_int_equal(f->block[0], 0x55);
    assert_int_equal(f->block[31], 7);
    /* Of another topic, or too short: no block. */
    send_bytes(f, "\1\6hashtx\1\1x\0\4\1\0\0\0", 17);
    send_bytes(f, "\1\11hashblock\0\1x", 14);
    announce(f, 8);
    LOOP_UNTIL(f->loop, f->block[31] == 8, "");
    assert_int_equal(f->blocks, 2);
    close_fixture(f);
}

static void a_publisher_that_went_is_looked_for_until_it_is_back(void **state)
{
    struct fixture *f = open_fixture();
    (void)state;
    shake_hands(f);
    close(f->listener);
    close(f->peer);
    f->peer = -1;
    LOOP_UNTIL(f->loop, !f->heard, "");
    assert_non_null(strstr(f->trouble, "not heard"));
    listen_at(f);
    shake_hands(f);
    announce(f, 9);
    LOOP_UNTIL(f->loop, f->blocks >= 1, "");
    close_fixture(f);
}

static void who_is_no_publisher_is_left_with_a_reason(void **state)
{
    struct fixture *f = open_fixture();
    (void)state;
    meet(f);
    static const char http[64] = "HTTP/1.1 400 Bad Request\r\n";
    send_bytes(f, http, sizeof http);
    LOOP_UNTIL(f->loop, strstr(f->trouble, "does not speak ZMTP") != NULL, f->trouble);
    meet(f); /* tried again */
    send_bytes(f, greeting, sizeof greeting);
    send_bytes(f, said_ready, sizeof said_ready - 1); /* a subscriber, too */
    LOOP_UNTIL(f->loop, strstr(f->trouble, "no publisher") != NULL, f->trouble);
    shake_hands(f);
    send_bytes(f, "\2\0\0\0\1\0\0\0\0", 9);
    LOOP_UNTIL(f->loop, strstr(f->trouble, "more than any notice") != NULL, f->trouble);
    assert_int_equal(f->blocks, 0);
    close_fixture(f);
}

static void addresses_that_make_no_sense_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "tcp://",
                                       "tcp://host",
                                       "tcp://:1",
                                       "http://host:1",
                                       "ipc:///tmp/x",
                                       "tcp://host:0",
                                       "tcp://host:65536",
                                       "tcp://host:1x",
                                       "tcp://host:" };
    struct error error;
    (void)state;
    struct loop *loop = loop_create(&error);
    struct fixture f = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(node_zmq_open(&(struct node_zmq_options){ .loop = loop,
                                                              .address = bad[i],
                                                              .on_block = on_block,
                                                              .on_state = on_state,
                                                              .context = &f },
                                  &error));
    struct node_zmq *six = node_zmq_open(&(struct node_zmq_options){ .loop = loop,
                                                                     .address = "tcp://[::1]:1",
                                                                     .on_block = on_block,
                                                                     .on_state = on_state,
                                                                     .context = &f },
                                         &error);
    assert_non_null(six);
    LOOP_UNTIL(loop, f.states >= 1, "");
    node_zmq_close(six);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notice_is_heard_and_turned_round),
        cmocka_unit_test(a_publisher_that_went_is_looked_for_until_it_is_back),
        cmocka_unit_test(who_is_no_publisher_is_left_with_a_reason),
        cmocka_unit_test(addresses_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests_name("a node's notices", tests, NULL, NULL);
}
