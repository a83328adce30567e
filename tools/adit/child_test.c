/* When the supervisor starts a process again: real processes that serve for a while, or never. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "child.h"
#include "loop/testing/virtual_clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct child child;
static char folder[] = "/tmp/adit-child-XXXXXX";
static char log_path[64];

/* A process that sleeps; ready at once, or (with a socket nobody opens) never. */
static void make_child(enum child_readiness readiness)
{
    struct error error;
    child_init(&child, "sleeper", "1");
    child_argument(&child, "/bin/sleep");
    child_argument(&child, "60");
    child.readiness = readiness;
    snprintf(child.connect_to, sizeof child.connect_to, "/nowhere/socket");
    snprintf(child.log_path, sizeof child.log_path, "%s", log_path);
    assert_true(child_open(&child, loop, folder, &error));
}

static void start_child(void)
{
    struct error error;
    assert_true(child_start(&child, &error));
    child_probe(&child);
}

static void turn_for(uint64_t ms)
{
    uint64_t end_ms = loop_clock_ns() / 1000000 + ms;
    while (loop_clock_ns() / 1000000 < end_ms)
        loop_run_once(loop, 10);
}

/* Kills it and lets the supervisor know; the delay until it may start again. */
static uint64_t kill_child(void)
{
    int status;
    kill(child.pid, SIGKILL);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    loop_run_once(loop, 0);
    child_ended(&child, status);
    assert_int_equal(child.state, CHILD_WAITING);
    return child.start_again_ms - loop_now_ms(loop);
}

static void one_that_served_is_started_at_once_however_often_it_dies(void **state)
{
    (void)state;
    make_child(CHILD_READY_STARTED);
    for (unsigned i = 1; i <= 3; i++) {
        start_child();
        assert_int_equal(child.state, CHILD_RUNNING);
        turn_for(1100);
        assert_int_equal(kill_child(), 0);
        assert_int_equal(child.restarts, i);
        assert_int_equal(child.attempts, 1); /* the one before served */
        assert_string_equal(child.last_end, "killed by signal 9");
        assert_true(child.ended_unix_ms >= child.begun_unix_ms && child.begun_unix_ms > 0);
    }
    start_child();
    child_settle(&child);
    assert_int_equal(child.attempts, 1); /* ready, and has not served yet */
    turn_for(1100);
    child_settle(&child);
    assert_int_equal(child.attempts, 0);
    assert_int_equal(child_next_unix_ms(&child), 0);
    assert_int_equal(kill_child(), 0);
    child_deinit(&child);
}

static void one_that_never_serves_waits_twice_as_long_each_time(void **state)
{
    (void)state;
    make_child(CHILD_READY_CONNECT);
    uint64_t wanted_ms = CHILD_BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < 12; i++) {
        start_child();
        assert_int_equal(child.state, CHILD_STARTING);
        assert_int_equal(kill_child(), wanted_ms);
        assert_int_equal(child.attempts, i + 1);
        assert_true(child_next_unix_ms(&child) >= loop_unix_ms());
        wanted_ms = 2 * wanted_ms < CHILD_BACKOFF_LAST_MS ? 2 * wanted_ms : CHILD_BACKOFF_LAST_MS;
    }
    child_deinit(&child);
}

static void one_that_dies_right_after_it_was_ready_waits_until_it_has_served(void **state)
{
    (void)state;
    make_child(CHILD_READY_STARTED);
    start_child();
    assert_int_equal(kill_child(), CHILD_BACKOFF_FIRST_MS);
    start_child();
    assert_int_equal(kill_child(), 2 * CHILD_BACKOFF_FIRST_MS);
    start_child();
    turn_for(1100);
    assert_int_equal(kill_child(), 0);
    start_child();
    assert_int_equal(kill_child(), CHILD_BACKOFF_FIRST_MS);
    child_deinit(&child);
}

static void say_alive(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", child.notify_path);
    assert_int_equal(
        sendto(fd, "WATCHDOG=1", 10, 0, (const struct sockaddr *)&address, sizeof address), 10);
    close(fd);
    loop_run_once(loop, 0);
}

static void one_that_hangs_is_ended_and_started_again(void **state)
{
    (void)state;
    int status;
    make_child(CHILD_READY_NOTIFY);
    child.hung_ms = 2 * CHILD_LOOK_MS;
    child.start_ms = CHILD_LOOK_MS;
    start_child();
    kill(child.pid, SIGSTOP); /* so that it cannot end by itself */
    assert_false(child_watch(&child, CHILD_LOOK_MS));
    assert_false(child_watch(&child, CHILD_LOOK_MS)); /* it starts, and has longer for that */
    child.state = CHILD_RUNNING;
    say_alive();
    assert_false(child_watch(&child, 3600 * 1000)); /* this process slept, not the child */
    say_alive();
    assert_false(child_watch(&child, CHILD_LOOK_MS));
    assert_false(child.hung);
    assert_true(child_watch(&child, CHILD_LOOK_MS));
    assert_true(child.hung);
    for (unsigned ms = 0; ms < CHILD_HUNG_TERM_MS; ms += CHILD_LOOK_MS) {
        assert_false(child.killed);
        assert_false(child_watch(&child, CHILD_LOOK_MS)); /* is said once */
    }
    assert_true(child.killed);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    child_ended(&child, status);
    assert_int_equal(child.state, CHILD_WAITING);
    assert_int_equal(child.restarts, 1);
    assert_string_equal(child.last_end, "it hung, 1 s without a sign of life; killed by signal 9");
    start_child();
    assert_false(child.hung);
    kill_child();
    assert_string_equal(child.last_end, "killed by signal 9");
    child_deinit(&child);
}

static void one_that_a_debugger_holds_does_not_hang(void **state)
{
    (void)state;
    int status;
    make_child(CHILD_READY_NOTIFY);
    child.hung_ms = CHILD_LOOK_MS;
    start_child();
    child.state = CHILD_RUNNING;
    if (ptrace(PTRACE_SEIZE, child.pid, NULL, NULL) == 0) {
        for (unsigned i = 0; i < 10; i++)
            assert_false(child_watch(&child, CHILD_LOOK_MS));
        assert_false(child.hung);
        kill(child.pid, SIGSTOP);
        while (waitpid(child.pid, &status, WUNTRACED) == child.pid && !WIFSTOPPED(status))
            continue;
        assert_int_equal(ptrace(PTRACE_DETACH, child.pid, NULL, NULL), 0);
    } else {
        print_message("not shown here: no process may be traced\n");
    }
    child.hung_ms = 0; /* nobody watches */
    for (unsigned i = 0; i < 10; i++)
        assert_false(child_watch(&child, CHILD_LOOK_MS));
    child.hung_ms = CHILD_LOOK_MS;
    assert_true(child_watch(&child, CHILD_LOOK_MS));
    kill_child();
    child_deinit(&child);
}

static int begin(void **state)
{
    (void)state;
    struct error error;
    int fd;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    fd = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    virtual_clock_begin(); /* the child sleeps; what passes is the supervisor's time alone */
    loop = loop_create(&error);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && loop != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    loop_destroy(loop);
    virtual_clock_end();
    unlink(log_path);
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_served_is_started_at_once_however_often_it_dies),
        cmocka_unit_test(one_that_never_serves_waits_twice_as_long_each_time),
        cmocka_unit_test(one_that_dies_right_after_it_was_ready_waits_until_it_has_served),
        cmocka_unit_test(one_that_hangs_is_ended_and_started_again),
        cmocka_unit_test(one_that_a_debugger_holds_does_not_hang),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
