/* Sockets without a gateway behind them: lines in, bytes out, bounds. */
#include "base/test_random.h"
#include "services/stratum-gateway/connections.h"
#include "services/stratum-gateway/listener.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static struct world {
    struct loop *loop;
    struct connections connections;
    char lines[1 << 20]; /* what came, newlines put back */
    size_t lines_bytes;
    unsigned refuse; /* lines not taken at first */
    bool refused;
    unsigned closed, long_lines;
    const char *reason;
} * w;

static bool on_line(void *context, struct connection *connection, struct span line)
{
    (void)context;
    (void)connection;
    if (w->refuse > 0) {
        w->refuse--;
        w->refused = true;
        return false;
    }
    assert_true(line.length <= LINE_MAX_BYTES);
    assert_true(w->lines_bytes + line.length < sizeof w->lines);
    memcpy(w->lines + w->lines_bytes, line.data, line.length);
    w->lines_bytes += line.length;
    w->lines[w->lines_bytes++] = '\n';
    return true;
}

static void on_long_line(void *context, struct connection *connection)
{
    (void)context;
    w->long_lines++;
    connection_write(connection, span_text("too long\n"));
    connection_leave(connection, "line too long");
}

static void on_closed(void *context, struct connection *connection, const char *reason)
{
    (void)context;
    (void)connection;
    w->closed++;
    w->reason = reason;
}

static int set_up(void **state)
{
    (void)state;
    struct error error;
    w = calloc(1, sizeof *w);
    w->loop = loop_create(&error);
    const struct connections_options options = { .loop = w->loop,
                                                 .miners_max = 4,
                                                 .line_bytes_max = LINE_MAX_BYTES,
                                                 .on_line = on_line,
                                                 .on_long_line = on_long_line,
                                                 .on_closed = on_closed };
    assert_true(connections_init(&w->connections, &options, &error));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    connections_deinit(&w->connections);
    while (connections_are_deferred(&w->connections))
        loop_run_once(w->loop, 0);
    loop_destroy(w->loop);
    free(w);
    return 0;
}

static struct connection *open_pair(int *fd_r)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *fd_r = fds[1];
    struct connection *connection = connection_open(&w->connections, fds[0], true);
    assert_non_null(connection);
    return connection;
}

static void turn(unsigned rounds)
{
    while (rounds-- > 0)
        loop_run_once(w->loop, 1);
}

static void lines_arrive_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("lines");
    static char sent[200000];
    size_t bytes = 0;
    int fd;
    struct connection *connection = open_pair(&fd);
    while (bytes < sizeof sent - LINE_MAX_BYTES - 2) {
        size_t length = test_random_below(
            &random, test_random_below(&random, 10) == 0 ? LINE_MAX_BYTES + 1 : 80);
        memset(sent + bytes, 'a' + (int)test_random_below(&random, 26), length);
        bytes += length;
        sent[bytes++] = '\n';
    }
    for (size_t at = 0; at < bytes;) {
        size_t piece =
            1 + test_random_below(&random, test_random_below(&random, 3) == 0 ? 40000 : 200);
        if (piece > bytes - at)
            piece = bytes - at;
        ssize_t wrote = send(fd, sent + at, piece, MSG_NOSIGNAL);
        if (wrote > 0)
            at += (size_t)wrote;
        if (test_random_below(&random, 5) == 0)
            w->refuse = 1;
        turn(1);
        if (w->refused) {
            w->refused = false;
            connection_resume(connection);
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        turn(1);
        connection_resume(connection);
    }
    assert_int_equal(w->lines_bytes, bytes);
    assert_memory_equal(w->lines, sent, bytes);
    assert_null(connection->input); /* nothing is held for a silent one */
    close(fd);
    turn(2);
    assert_int_equal(w->closed, 1);
}

static void a_line_too_long_is_told_and_the_last_words_arrive(void **state)
{
    (void)state;
    int fd;
    char text[LINE_MAX_BYTES + 1], heard[64];
    (void)open_pair(&fd);
    memset(text, 'x', sizeof text);
    assert_int_equal(send(fd, text, sizeof text, MSG_NOSIGNAL), sizeof text);
    turn(3);
    assert_int_equal(w->long_lines, 1);
    assert_int_equal(w->closed, 1);
    assert_int_equal(recv(fd, heard, sizeof heard, 0), 9);
    assert_int_equal(recv(fd, heard, sizeof heard, 0), 0);
    assert_int_equal(w->connections.leaving, 1);
    close(fd);
    turn(2);
    assert_int_equal(w->connections.leaving, 0);
}

static void who_does_not_read_is_closed_at_the_bound(void **state)
{
    (void)state;
    int fd;
    char text[1000];
    struct connection *connection = open_pair(&fd);
    memset(text, 'x', sizeof text);
    unsigned writes = 0;
    while (w->closed == 0 && writes < 10000) {
        connection_write(connection, span_of(text, sizeof text));
        writes++;
        if (writes % 16 == 0)
            turn(1);
    }
    assert_int_equal(w->closed, 1);
    assert_string_equal(w->reason, "does not read");
    assert_int_equal(w->connections.slow, 1);
    turn(2);
    close(fd);
    assert_int_equal(w->connections.open, 0);
}

static void a_slow_reader_gets_every_byte_in_order_and_is_not_read_meanwhile(void **state)
{
    (void)state;
    int fd, small = 4096;
    struct connection *connection = open_pair(&fd);
    (void)setsockopt(connection->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    static char sent[200000], heard[200000];
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)('a' + i % 23);
    connection_write(connection, span_of(sent, 100000));
    connection_write_shared(connection, span_of(sent + 100000, 100000));
    turn(1);
    assert_int_equal(send(fd, "line\n", 5, 0), 5);
    turn(5);
    assert_int_equal(w->lines_bytes, 0);
    size_t got = 0;
    for (unsigned i = 0; i < 10000 && got < sizeof heard; i++) {
        ssize_t n = recv(fd, heard + got, 3000, 0);
        got += n > 0 ? (size_t)n : 0;
        turn(1);
    }
    assert_int_equal(got, sizeof sent);
    assert_memory_equal(heard, sent, sizeof sent);
    turn(3);
    assert_int_equal(w->lines_bytes, 5);
    assert_null(connection->output);
    close(fd);
}

static void places_are_used_again_under_another_generation(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("places");
    int fds[4] = { -1, -1, -1, -1 };
    struct connection *open[4] = { NULL };
    for (unsigned i = 0; i < 5000; i++) {
        unsigned k = (unsigned)test_random_below(&random, 4);
        if (fds[k] < 0) {
            open[k] = open_pair(&fds[k]);
        } else {
            uint32_t index = open[k]->index, generation = open[k]->generation;
            assert_ptr_equal(connection_find(&w->connections, index, generation), open[k]);
            connection_write(open[k], span_text("hello\n"));
            if (test_random_below(&random, 2) == 0) {
                connection_leave(open[k], "told to");
                assert_null(connection_find(&w->connections, index, generation));
            }
            close(fds[k]);
            fds[k] = -1;
            turn(3);
            assert_null(connection_find(&w->connections, index, generation));
        }
        assert_true(w->connections.open <= 4);
    }
    for (unsigned k = 0; k < 4; k++)
        if (fds[k] >= 0)
            close(fds[k]);
    turn(3);
    assert_int_equal(w->connections.open + w->connections.leaving, 0);
    int spare[2];
    for (unsigned k = 0; k < 4; k++)
        (void)open_pair(&fds[k]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, spare), 0);
    assert_null(connection_open(&w->connections, spare[0], true)); /* full */
    close(spare[0]);
    close(spare[1]);
    for (unsigned k = 0; k < 4; k++)
        close(fds[k]);
}

static void an_unfinished_line_takes_little_memory_until_it_is_long(void **state)
{
    (void)state;
    int fd;
    struct connection *connection = open_pair(&fd);
    char text[LINE_MAX_BYTES];
    memset(text, 'x', sizeof text);
    assert_int_equal(write(fd, "{", 1), 1);
    turn(3);
    assert_non_null(connection->input);
    assert_int_equal(connection->input->capacity, BUFFER_USUAL_BYTES);
    assert_int_equal(write(fd, text, 500), 500);
    turn(3);
    assert_int_equal(connection->input->capacity, BUFFER_USUAL_BYTES);
    assert_int_equal(write(fd, "\n", 1), 1);
    turn(3);
    assert_null(connection->input);
    assert_int_equal(w->lines_bytes, 502);
    close(fd);
    turn(3);
}

static void on_accepted(void *context, const struct accepted *accepted)
{
    *(struct accepted *)context = *accepted;
}

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &value, &length), 0);
    return value;
}

static void the_kernel_keeps_little_for_an_accepted_miner(void **state)
{
    (void)state;
    struct listener listener;
    struct error error;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct accepted accepted = { .fd = -1 };
    int miner = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener_open(&listener, w->loop, "127.0.0.1:0", on_accepted, &accepted, &error));
    to.sin_port = htons((uint16_t)atoi(strrchr(listener.address, ':') + 1));
    assert_int_equal(connect(miner, (struct sockaddr *)&to, sizeof to), 0);
    for (unsigned i = 0; i < 1000 && accepted.fd < 0; i++)
        loop_run_once(w->loop, 10);
    assert_true(accepted.fd >= 0);
    /* Linux doubles what was asked for, and says so. */
    assert_int_equal(option_of(accepted.fd, SO_SNDBUF), 2 * (128 << 10));
    assert_int_equal(option_of(accepted.fd, SO_RCVBUF), 2 * (64 << 10));
    char peer[NETWORK_ADDRESS_TEXT];
    network_address_print(&accepted.peer, peer);
    assert_string_equal(peer, "127.0.0.1");
    close(accepted.fd);
    close(miner);
    listener_close(&listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_arrive_whole_however_they_are_cut),
        TEST(a_line_too_long_is_told_and_the_last_words_arrive),
        TEST(who_does_not_read_is_closed_at_the_bound),
        TEST(a_slow_reader_gets_every_byte_in_order_and_is_not_read_meanwhile),
        TEST(places_are_used_again_under_another_generation),
        TEST(an_unfinished_line_takes_little_memory_until_it_is_long),
        TEST(the_kernel_keeps_little_for_an_accepted_miner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
