/* What takes its time at the HTTP port of a real process: a head has ten seconds. */
#include "adapter/http_kore/tests/probe_process.h"
#include "loop/loop.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A head has ten seconds, however often a byte of it comes. */
static void a_head_that_comes_too_slowly_is_told_so(void **state)
{
    (void)state;
    char text[2048];
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", NULL);
    int slow = probe_dial(probe.http_port), silent = probe_dial(probe.http_port);
    probe_say(slow, "GET /hello/a HTTP/1.1\r\nHost: x\r\nX: ");
    for (struct pollfd one = { .fd = slow, .events = POLLIN }; poll(&one, 1, 200) == 0;) {
        assert_true(loop_clock_ns() < deadline_ns);
        (void)!send(slow, "a", 1, MSG_NOSIGNAL);
    }
    assert_false(probe_hear(slow, "no server says this", text, sizeof text));
    assert_int_equal(strncmp(text, "HTTP/1.1 408 ", 13), 0);
    assert_non_null(strstr(text, "\"title\":\"Too slow\""));
    assert_false(probe_hear(silent, "no server says this", text,
                            sizeof text)); /* who asked nothing is answered nothing */
    assert_string_equal(text, "");
    close(slow);
    close(silent);
    assert_int_equal(probe_stop(&probe), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_comes_too_slowly_is_told_so),
    };
    return cmocka_run_group_tests(tests, probe_make_folder, probe_remove_folder);
}
