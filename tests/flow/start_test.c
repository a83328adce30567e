/* Starts of a whole pool in which one part cannot begin: a setting it cannot live with, an address
 * that is taken, a node, a window or a store that takes connections and never answers, a process
 * that never says that it is ready. Each fails as a whole, by one sentence that names the part and
 * what it lacks, with an exit code of its own, and leaves no process behind. The starts of one test
 * run beside each other. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/test_port.h"
#include "service/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { STARTS_MAX = 5, TEXT_BYTES = 16384 };

/* A start that is to fail. */
struct start {
    const char *who;   /* the sentence begins with it; NULL: with nobody's name */
    const char *words; /* and has these */
    int code;
    const char *settings; /* NAME=value … ; %u: a port where nobody answers */
    const char *hangs;    /* the program that never says that it is ready; NULL: none */
    char folder[32];
    FILE *out;
};

/* Takes connections, as far as the kernel does, and never reads. For the life of the test. */
static unsigned silent_port(void)
{
    static unsigned port;
    struct sockaddr_in address = { .sin_family = AF_INET };
    if (port != 0)
        return port;
    port = test_port();
    address.sin_port = htons((in_port_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 256), 0);
    return port;
}

static void write_file(const char *folder, const char *name, mode_t mode, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_config(const char *folder)
{
    char text[800];
    snprintf(text, sizeof text,
             "{\"chain\":{\"nodes\":[\"http://127.0.0.1:%u\"]},"
             "\"stratum\":{\"address\":\"127.0.0.1:%u\",\"admin_address\":\"127.0.0.1:0\"},"
             "\"validator\":{\"admin_address\":\"127.0.0.1:0\"},"
             "\"scheduler\":{\"http_address\":\"127.0.0.1:%u\",\"admin_address\":\"127.0.0.1:0\"},"
             "\"auth\":{\"http_address\":\"127.0.0.1:%u\",\"admin_address\":\"127.0.0.1:0\","
             "\"argon2_memory_kib\":8192,\"argon2_passes\":1},"
             "\"payout\":{\"admin_address\":\"127.0.0.1:0\"}}",
             test_port(), test_port(), test_port(), test_port());
    write_file(folder, "adit.json", 0600, text);
}

static int run(const char *format, ...)
{
    char command[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command);
}

/* adit finds its programs beside itself: a copy of it among links to them, and one that hangs. */
static void make_programs(const struct start *start)
{
    const char *build = getenv("ADIT_BUILD");
    assert_int_equal(run("mkdir %s/bin && ln -s %s/bin/* %s/bin/ && rm %s/bin/adit && "
                         "cp %s/bin/adit %s/bin/adit",
                         start->folder, build, start->folder, start->folder, build, start->folder),
                     0);
    if (start->hangs == NULL)
        return;
    char name[64];
    snprintf(name, sizeof name, "bin/%s", start->hangs);
    assert_int_equal(run("rm %s/%s", start->folder, name), 0);
    write_file(start->folder, name, 0700, "#!/bin/sh\nexec sleep 600\n");
}

static void begin(struct start *start)
{
    char settings[600], command[1200];
    snprintf(start->folder, sizeof start->folder, "/tmp/adit-start-XXXXXX");
    assert_non_null(mkdtemp(start->folder));
    write_config(start->folder);
    make_programs(start);
    const char *mark = strstr(start->settings, "%u");
    snprintf(settings, sizeof settings, "%.*s",
             mark == NULL ? (int)strlen(start->settings) : (int)(mark - start->settings),
             start->settings);
    if (mark != NULL)
        snprintf(settings + strlen(settings), sizeof settings - strlen(settings), "%u%s",
                 silent_port(), mark + 2);
    snprintf(command, sizeof command,
             "env ADIT_STARTUP__DEADLINE_S=5 %s %s/bin/adit up --detach --config %s/adit.json "
             "--data %s/data 2>&1",
             settings, start->folder, start->folder, start->folder);
    start->out = popen(command, "re");
    assert_non_null(start->out);
}

static unsigned processes_left(const char *folder)
{
    char path[200], line[1024];
    unsigned left = 0;
    snprintf(path, sizeof path, "%s/data/run/processes", folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        int pid = 0;
        left += sscanf(line, "%*s %*s %d", &pid) == 1 && pid > 0 && kill(pid, 0) == 0;
    }
    if (file != NULL)
        fclose(file);
    return left;
}

/* The line that adit ended with: the last one that is about its failure. */
static bool has_sentence(const struct start *start, char *text)
{
    char begins[64];
    snprintf(begins, sizeof begins, "adit: %s", start->who != NULL ? start->who : "");
    unsigned sentences = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
        sentences += strncmp(line, begins, strlen(begins)) == 0 && strstr(line, start->words);
    return sentences == 1;
}

static void end(struct start *start)
{
    static char text[TEXT_BYTES], lines[TEXT_BYTES];
    size_t length = fread(text, 1, sizeof text - 1, start->out);
    text[length] = '\0';
    int status = pclose(start->out);
    memcpy(lines, text, sizeof lines);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != start->code || !has_sentence(start, lines))
        fail_msg("%s: expected exit code %d and one sentence of %s with \"%s\", got %d and\n%s",
                 start->settings, start->code, start->who != NULL ? start->who : "adit",
                 start->words, status, text);
    if (processes_left(start->folder) != 0)
        fail_msg("%s: processes are left\n%s", start->settings, text);
    assert_int_equal(run("rm -rf %s", start->folder), 0);
}

static void all_fail(const struct start *starts, size_t count)
{
    struct start mine[STARTS_MAX];
    assert_true(count <= STARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        mine[i] = starts[i];
        begin(&mine[i]);
    }
    for (size_t i = 0; i < count; i++)
        end(&mine[i]);
}

#define ALL_FAIL(starts) all_fail(starts, sizeof(starts) / sizeof *(starts))

static void a_part_that_cannot_live_with_a_setting_ends_the_start(void **state)
{
    (void)state;
    static const struct start starts[] = {
        { .who = "inode-scheduler",
          .words = "chain.address",
          .code = SERVICE_EXIT_SETTINGS,
          .settings = "ADIT_CHAIN__ADDRESS=bcrt1qqqq" },
        { .who = "auth",
          .words = "/proc/none",
          .code = SERVICE_EXIT_PORT,
          .settings = "ADIT_AUTH__LISTEN=ipc:///proc/none/auth" },
        { .who = "share-validator",
          .words = "/proc/none",
          .code = SERVICE_EXIT_SETTINGS,
          .settings = "ADIT_VALIDATOR__SPOOL_DIR=/proc/none/spool" },
        { .who = "payout",
          .words = "/proc/none",
          .code = SERVICE_EXIT_PORT,
          .settings = "ADIT_PAYOUT__LISTEN=ipc:///proc/none/payout" },
        { .who = "stratum-gateway",
          .words = "/proc/none",
          .code = SERVICE_EXIT_PORT,
          .settings = "ADIT_STRATUM__CONTROL=ipc:///proc/none/gateway" },
    };
    ALL_FAIL(starts);
}

static void a_part_that_never_says_that_it_is_ready_ends_the_start(void **state)
{
    (void)state;
    static const char words[] = "did not become ready in time";
    static const struct start starts[] = {
        { .who = "inode-scheduler", .words = words, .code = 4, .hangs = "inode-scheduler" },
        { .who = "auth", .words = words, .code = 4, .hangs = "auth" },
        { .who = "share-validator", .words = words, .code = 4, .hangs = "share-validator" },
        { .who = "payout", .words = words, .code = 4, .hangs = "payout" },
        { .who = "stratum-gateway", .words = words, .code = 4, .hangs = "stratum-gateway" },
    };
    struct start mine[STARTS_MAX];
    for (size_t i = 0; i < STARTS_MAX; i++) {
        mine[i] = starts[i];
        mine[i].settings = "";
    }
    ALL_FAIL(mine);
}

static void what_a_part_needs_and_never_answers_ends_the_start(void **state)
{
    (void)state;
    static const struct start starts[] = {
        { .who = "inode-scheduler",
          .words = "a node was not there within 5 s",
          .code = SERVICE_EXIT_NODE,
          .settings = "ADIT_CHAIN__NODES=http://127.0.0.1:%u "
                      "ADIT_CHAIN__PROFILE=bitcoin-regtest "
                      "ADIT_CHAIN__ADDRESS=bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" },
        { .who = "inode-scheduler",
          .words = "the store was not there within 5 s",
          .code = SERVICE_EXIT_STORE,
          .settings = "ADIT_STORE__URL=mongodb://127.0.0.1:%u/adit" },
        { .who = "share-validator",
          .words = "redis.window was not there within 5 s",
          .code = SERVICE_EXIT_WINDOW,
          .settings = "ADIT_REDIS__WINDOW=tcp://127.0.0.1:%u" },
        { .words = "stratum.admin_address",
          .code = SERVICE_EXIT_PORT,
          .settings = "ADIT_STRATUM__ADMIN_ADDRESS=127.0.0.1:%u" },
    };
    ALL_FAIL(starts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_that_cannot_live_with_a_setting_ends_the_start),
        cmocka_unit_test(a_part_that_never_says_that_it_is_ready_ends_the_start),
        cmocka_unit_test(what_a_part_needs_and_never_answers_ends_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
