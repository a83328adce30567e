/* Names of processes that run, were stopped, ended, or are elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "service/process/process_life.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void wait_for(pid_t pid, int options)
{
    siginfo_t info = { 0 };
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, options), 0);
}

static void a_process_lives_until_its_last_thread_ended(void **state)
{
    char name[PROCESS_NAME_BYTES];
    (void)state;
    pid_t child = start_child();
    process_name(child, name);
    assert_string_not_equal(name, "");
    assert_int_equal(process_life(name), PROCESS_LIVES);
    kill(child, SIGSTOP);
    wait_for(child, WSTOPPED | WNOWAIT);
    assert_int_equal(process_life(name), PROCESS_LIVES);
    kill(child, SIGKILL);
    wait_for(child, WEXITED | WNOWAIT);
    assert_int_equal(process_life(name), PROCESS_ENDED); /* nobody has asked for its end yet */
    wait_for(child, WEXITED);
    assert_int_equal(process_life(name), PROCESS_ENDED);
}

static void a_number_given_again_is_not_the_process_that_had_it(void **state)
{
    char name[PROCESS_NAME_BYTES];
    (void)state;
    process_name(0, name);
    assert_int_equal(process_life(name), PROCESS_LIVES);
    *strrchr(name, '/') = '\0';
    char earlier[PROCESS_NAME_BYTES + 2];
    snprintf(earlier, sizeof earlier, "%s/1", name);
    assert_int_equal(process_life(earlier), PROCESS_ENDED);
    assert_false(process_end(earlier));
}

static void nothing_is_said_of_another_machine_or_container(void **state)
{
    char name[PROCESS_NAME_BYTES], other[PROCESS_NAME_BYTES];
    (void)state;
    process_name(0, name);
    memcpy(other, name, sizeof name);
    other[0] = other[0] == '0' ? '1' : '0'; /* of the boot */
    assert_int_equal(process_life(other), PROCESS_UNKNOWN);
    assert_false(process_end(other));
    memcpy(other, name, sizeof name);
    char *space = strchr(other, '/') + 1;
    *space = *space == '9' ? '8' : '9';
    assert_int_equal(process_life(other), PROCESS_UNKNOWN);
    static const char *const none[] = { "", "/", "a/b/c/d", "x/1/-1/1", "x/1/0/1" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(process_life(none[i]), PROCESS_UNKNOWN);
        assert_false(process_end(none[i]));
    }
}

static void a_stopped_process_can_be_ended_and_nobody_ends_himself(void **state)
{
    char name[PROCESS_NAME_BYTES], own[PROCESS_NAME_BYTES];
    int status;
    (void)state;
    pid_t child = start_child();
    process_name(child, name);
    kill(child, SIGSTOP);
    wait_for(child, WSTOPPED | WNOWAIT);
    assert_true(process_end(name));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_false(process_end(name));
    process_name(0, own);
    assert_false(process_end(own));
}

/* A child that locks one byte of a file and stops. */
static pid_t start_locker(const char *path, short type, off_t byte)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_true(pid > 0);
    wait_for(pid, WSTOPPED | WNOWAIT);
    return pid;
}

static void who_locks_a_byte_of_a_file_is_told_from_everybody_else(void **state)
{
    char path[] = "/tmp/adit-locks-XXXXXX", other[] = "/tmp/adit-locks-XXXXXX";
    char writer[PROCESS_NAME_BYTES], reader[PROCESS_NAME_BYTES], own[PROCESS_NAME_BYTES];
    int fd = mkstemp(path), other_fd = mkstemp(other);
    (void)state;
    assert_true(fd >= 0 && other_fd >= 0);
    pid_t writing = start_locker(path, F_WRLCK, 120), reading = start_locker(path, F_RDLCK, 123);
    process_name(writing, writer);
    process_name(reading, reader);
    process_name(0, own);
    assert_true(process_locks(writer, path, 120));
    assert_false(process_locks(writer, path, 119));
    assert_false(process_locks(writer, path, 121));
    assert_false(process_locks(writer, other, 120));
    assert_false(process_locks(writer, "/nowhere", 120));
    assert_false(process_locks(reader, path, 120));
    assert_false(process_locks(reader, path, 123));
    assert_false(process_locks(own, path, 120));
    assert_false(process_locks("", path, 120));
    kill(writing, SIGKILL);
    kill(reading, SIGKILL);
    wait_for(writing, WEXITED);
    wait_for(reading, WEXITED);
    assert_false(process_locks(writer, path, 120));
    close(fd);
    close(other_fd);
    unlink(path);
    unlink(other);
}

int main(void)
{
    char name[PROCESS_NAME_BYTES];
    process_name(0, name);
    if (name[0] == '\0') {
        printf("SKIPPED: /proc says neither the boot nor the namespace here\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_lives_until_its_last_thread_ended),
        cmocka_unit_test(a_number_given_again_is_not_the_process_that_had_it),
        cmocka_unit_test(nothing_is_said_of_another_machine_or_container),
        cmocka_unit_test(who_locks_a_byte_of_a_file_is_told_from_everybody_else),
        cmocka_unit_test(a_stopped_process_can_be_ended_and_nobody_ends_himself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
