/* Each of the five processes is started while something it cannot start without is away, or hangs:
 * it says so in one sentence and ends with a code of its own after startup.deadline_s, and in
 * order, within seconds (printed), when it is told to stop meanwhile by SIGTERM or SIGINT. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, DEADLINE_MS = 1000, STOP_MS_MAX = 8000, SETTINGS_MAX = 16 };

static char folder[] = "/tmp/adit-waiting-XXXXXX";

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* A server on loopback that takes connections and answers nothing. */
static int hang(unsigned *port_r)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port_r = ntohs(address.sin_port);
    return fd;
}

static void path_of(const char *name, char path_r[256])
{
    snprintf(path_r, 256, "%s/%s", folder, name);
}

/* Under one setting more; what it says goes to FOLDER/log. It dies with us. */
static pid_t start(const char *program, const char *setting)
{
    char path[4096], log[256];
    const char *const settings[SETTINGS_MAX] = {
        "ADIT_CHAIN__PROFILE=bitcoin-regtest",
        "ADIT_CHAIN__ADDRESS=bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "ADIT_SCHEDULER__ADMIN_ADDRESS=127.0.0.1:0",
        "ADIT_SCHEDULER__HTTP_ADDRESS=127.0.0.1:0",
        "ADIT_AUTH__ADMIN_ADDRESS=127.0.0.1:0",
        "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:0",
        "ADIT_PAYOUT__ADMIN_ADDRESS=127.0.0.1:0",
        "ADIT_VALIDATOR__ADMIN_ADDRESS=127.0.0.1:0",
        "ADIT_STRATUM__ADMIN_ADDRESS=127.0.0.1:0",
        "ADIT_STRATUM__ADDRESS=127.0.0.1:0",
        setting,
    };
    snprintf(path, sizeof path, "%s/bin/%s", getenv("ADIT_BUILD"), program);
    path_of("log", log);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    pid_t pid = fork();
    if (pid != 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, 1);
    dup2(fd, 2);
    for (size_t i = 0; i < SETTINGS_MAX && settings[i] != NULL; i++)
        putenv((char *)settings[i]);
    execl(path, path, "--data", folder, (char *)NULL);
    _exit(127);
}

static const char *what_it_said(void)
{
    static char text[1 << 16];
    char log[256];
    path_of("log", log);
    FILE *file = fopen(log, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    return text;
}

static int await_exit(pid_t pid)
{
    for (uint64_t began = now_ms(); now_ms() < began + PATIENCE_MS; pause_ms(5)) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return -1;
}

static const struct away {
    const char *program, *setting;
    int code;
    const char *words;
} aways[] = {
    { "inode-scheduler", "ADIT_STORE__URL=sqlite:/proc/none/adit.db", 1, "the store" },
    { "inode-scheduler", "ADIT_CHAIN__NODES=http://127.0.0.1:1", 2, "a node" },
    { "auth", "ADIT_STORE__URL=sqlite:/proc/none/adit.db", 1, "the store" },
    { "payout", "ADIT_STORE__URL=sqlite:/proc/none/adit.db", 1, "the store" },
    { "payout", "ADIT_REDIS__WINDOW=tcp://127.0.0.1:1", 3, "redis.window" },
    { "share-validator", "ADIT_REDIS__WINDOW=tcp://127.0.0.1:1", 3, "redis.window" },
    { "stratum-gateway", NULL, 4, "inode-scheduler" },
};

static void each_says_what_was_not_there_and_ends_with_a_code_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof aways / sizeof *aways; i++) {
        char sentence[256];
        setenv("ADIT_STARTUP__DEADLINE_S", "1", 1);
        const uint64_t began = now_ms();
        const int code = await_exit(start(aways[i].program, aways[i].setting));
        const uint64_t took = now_ms() - began;
        snprintf(sentence, sizeof sentence, "%s: %s was not there within 1 s", aways[i].program,
                 aways[i].words);
        if (code != aways[i].code || took < DEADLINE_MS || strstr(what_it_said(), sentence) == NULL)
            fail_msg("%s under %s: %d after %u ms\n%s", aways[i].program,
                     aways[i].setting != NULL ? aways[i].setting : "nothing", code, (unsigned)took,
                     what_it_said());
        printf("%s without %s: %d\n", aways[i].program, aways[i].words, code);
    }
}

/* %u: the port of a server that hangs. */
static const struct hanging {
    const char *program, *setting;
} hangings[] = {
    { "inode-scheduler", "ADIT_STORE__URL=mongodb://127.0.0.1:%u/adit" },
    { "inode-scheduler", "ADIT_CHAIN__NODES=http://127.0.0.1:%u" },
    { "auth", "ADIT_STORE__URL=mongodb://127.0.0.1:%u/adit" },
    { "payout", "ADIT_STORE__URL=mongodb://127.0.0.1:%u/adit" },
    { "payout", "ADIT_REDIS__WINDOW=tcp://127.0.0.1:%u" },
    { "share-validator", "ADIT_REDIS__WINDOW=tcp://127.0.0.1:%u" },
    { "stratum-gateway", "ADIT_SERVICE__SCHEDULER_URL=tcp://127.0.0.1:%u" },
};

static void expect_stop(const struct hanging *hanging, int signal)
{
    unsigned port;
    char setting[256];
    int fd = hang(&port);
    struct pollfd connected = { .fd = fd, .events = POLLIN };
    const char *mark = strstr(hanging->setting, "%u");
    snprintf(setting, sizeof setting, "%.*s%u%s", (int)(mark - hanging->setting), hanging->setting,
             port, mark + 2);
    pid_t pid = start(hanging->program, setting);
    if (poll(&connected, 1, PATIENCE_MS) != 1)
        fail_msg("%s did not connect\n%s", hanging->program, what_it_said());
    const uint64_t began = now_ms();
    kill(pid, signal);
    const int code = await_exit(pid);
    const uint64_t took = now_ms() - began;
    printf("%s, %s: ended in %u ms\n", hanging->program, strsignal(signal), (unsigned)took);
    if (code != 0 || took > STOP_MS_MAX)
        fail_msg("%s under %s: %d after %u ms\n%s", hanging->program, setting, code, (unsigned)took,
                 what_it_said());
    close(fd);
}

static void each_stops_in_order_while_it_waits_for_what_hangs(void **state)
{
    (void)state;
    setenv("ADIT_STARTUP__DEADLINE_S", "600", 1);
    for (size_t i = 0; i < sizeof hangings / sizeof *hangings; i++) {
        expect_stop(&hangings[i], SIGTERM);
        expect_stop(&hangings[i], SIGINT);
    }
}

static int begin(void **state)
{
    char path[256];
    (void)state;
    setvbuf(stdout, NULL, _IOLBF, 0);
    assert_non_null(mkdtemp(folder));
    path_of("secret", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 32; i++)
        assert_int_equal(write(fd, "ab", 2), 2);
    close(fd);
    return 0;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_says_what_was_not_there_and_ends_with_a_code_of_its_own),
        cmocka_unit_test(each_stops_in_order_while_it_waits_for_what_hangs),
    };
    return cmocka_run_group_tests_name("starting", tests, begin, end);
}
