/* `adit status` and `adit top` on a whole pool, as a person's terminal shows them: a pseudo
 * terminal of several sizes, one that is resized while top runs, and a pipe. What `adit status`
 * says is also in `adit status --json`, field by field. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60, SCREEN_BYTES = 1 << 16 };

static struct pool_fixture pool;

/* A terminal with `adit top` in it. */
struct terminal {
    int fd;
    pid_t pid;
    unsigned columns, rows;
    char bytes[SCREEN_BYTES]; /* of the page being drawn, from its home on */
    size_t used;
    unsigned pages; /* whole ones since the last size */
    char page[SCREEN_BYTES];
};

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void resize(struct terminal *terminal, unsigned columns, unsigned rows)
{
    const struct winsize size = { .ws_col = (unsigned short)columns,
                                  .ws_row = (unsigned short)rows };
    assert_int_equal(ioctl(terminal->fd, TIOCSWINSZ, &size), 0);
    terminal->columns = columns;
    terminal->rows = rows;
    terminal->pages = 0;
}

static void adit_path(char *path_r, size_t bytes)
{
    snprintf(path_r, bytes, "%s/bin/adit", getenv("ADIT_BUILD"));
}

static void begin_top(struct terminal *terminal, unsigned columns, unsigned rows)
{
    char adit[300];
    adit_path(adit, sizeof adit);
    *terminal = (struct terminal){ .fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
    assert_true(terminal->fd >= 0);
    assert_int_equal(grantpt(terminal->fd), 0);
    assert_int_equal(unlockpt(terminal->fd), 0);
    resize(terminal, columns, rows);
    const char *name = ptsname(terminal->fd);
    assert_non_null(name);
    terminal->pid = fork();
    if (terminal->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        int tty = open(name, O_RDWR); /* becomes its controlling terminal */
        dup2(tty, STDOUT_FILENO);
        dup2(tty, STDERR_FILENO);
        execl(adit, adit, "top", "--data", pool.data, (char *)NULL);
        _exit(127);
    }
    assert_true(terminal->pid > 0);
}

static void end_top(struct terminal *terminal)
{
    kill(terminal->pid, SIGTERM);
    (void)waitpid(terminal->pid, NULL, 0);
    close(terminal->fd);
}

/* A page ends with the clearing of what is below it. */
static void take_page(struct terminal *terminal)
{
    static const char end[] = "\033[J";
    char *found;
    while ((found = strstr(terminal->bytes, end)) != NULL) {
        size_t length = (size_t)(found - terminal->bytes) + strlen(end);
        memcpy(terminal->page, terminal->bytes, length);
        terminal->page[length] = '\0';
        memmove(terminal->bytes, terminal->bytes + length, terminal->used - length + 1);
        terminal->used -= length;
        terminal->pages++;
    }
}

static void read_some(struct terminal *terminal)
{
    struct pollfd ready = { .fd = terminal->fd, .events = POLLIN };
    if (poll(&ready, 1, 100) <= 0)
        return;
    ssize_t length = read(terminal->fd, terminal->bytes + terminal->used,
                          sizeof terminal->bytes - 1 - terminal->used);
    if (length <= 0)
        fail_msg("top ended: %s", terminal->page);
    terminal->used += (size_t)length;
    terminal->bytes[terminal->used] = '\0';
    take_page(terminal);
}

/* The widest line of the page and how many there are, with the controls a page may have: home, the
 * end of a line cleared, the end of the page. */
static void measure(const char *page, unsigned *widest_r, unsigned *lines_r)
{
    unsigned width = 0;
    *widest_r = *lines_r = 0;
    for (; *page != '\0'; page++) {
        if (*page == '\033') {
            assert_int_equal(page[1], '[');
            page += 2 + strspn(page + 2, "0123456789;");
            assert_non_null(strchr("HKJ", *page));
            continue;
        }
        *lines_r += *page == '\n';
        width =
            *page == '\n' || *page == '\r' ? 0 : width + (((unsigned char)*page & 0xc0) != 0x80);
        assert_true((unsigned char)*page >= ' ' || *page == '\n' || *page == '\r');
        *widest_r = width > *widest_r ? width : *widest_r;
    }
}

static bool fits(const struct terminal *terminal)
{
    unsigned widest, lines;
    measure(terminal->page, &widest, &lines);
    return widest <= terminal->columns && lines < terminal->rows;
}

/* Pages of this size come, whole ones: the last may still have been made for the size before. */
static void expect_pages(struct terminal *terminal, unsigned widest_least)
{
    const uint64_t end_s = now_s() + PATIENCE_S;
    unsigned widest = 0, lines;
    while (terminal->pages < 3 || !fits(terminal) || widest < widest_least) {
        if (now_s() > end_s)
            fail_msg("%ux%u: no page that fits and is used, last:\n%s", terminal->columns,
                     terminal->rows, terminal->page);
        read_some(terminal);
        measure(terminal->page, &widest, &lines);
    }
    assert_non_null(strstr(terminal->page, "pool "));
}

static void top_fits_terminals_of_any_size(void **state)
{
    (void)state;
    static const struct {
        unsigned columns, rows, widest_least;
    } sizes[] = { { 40, 12, 30 }, { 80, 24, 60 }, { 200, 60, 81 } };
    static struct terminal terminal;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        begin_top(&terminal, sizes[i].columns, sizes[i].rows);
        expect_pages(&terminal, sizes[i].widest_least);
        if (sizes[i].rows > 20) { /* all of it has room */
            static const char *const names[] = { "stratum-gateway", "share-validator",
                                                 "inode-scheduler", "auth", "payout" };
            for (size_t k = 0; k < 5; k++)
                assert_non_null(strstr(terminal.page, names[k]));
        }
        end_top(&terminal);
    }
}

static void top_follows_a_terminal_that_is_resized(void **state)
{
    (void)state;
    static struct terminal terminal;
    begin_top(&terminal, 200, 60);
    expect_pages(&terminal, 81);
    resize(&terminal, 40, 12);
    expect_pages(&terminal, 30);
    resize(&terminal, 120, 40);
    expect_pages(&terminal, 81);
    end_top(&terminal);
}

static void in_a_pipe_top_says_plain_lines_and_ends_with_its_reader(void **state)
{
    (void)state;
    char adit[300], command[500], line[2048];
    unsigned lines = 0;
    adit_path(adit, sizeof adit);
    snprintf(command, sizeof command, "exec %s top --data %s", adit, pool.data);
    FILE *out = popen(command, "re");
    assert_non_null(out);
    while (lines < 5 && fgets(line, sizeof line, out) != NULL) {
        lines++;
        assert_null(strchr(line, '\033'));
        if (lines == 1)
            assert_int_equal(strncmp(line, "pool ", 5), 0);
    }
    assert_int_equal(lines, 5);
    (void)pclose(out); /* comes back when it has ended, at its next page */
}

static json_t *status_json(void)
{
    char adit[300], command[500];
    adit_path(adit, sizeof adit);
    snprintf(command, sizeof command, "exec %s status --json --data %s", adit, pool.data);
    FILE *out = popen(command, "re");
    assert_non_null(out);
    json_error_t error;
    json_t *all = json_loadf(out, 0, &error);
    (void)pclose(out);
    if (all == NULL)
        fail_msg("adit status --json: %s", error.text);
    return all;
}

/* "a.b.0.c"; NULL where it is not there. */
static const json_t *at(const json_t *value, const char *path)
{
    char key[64];
    while (value != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key))
                                     : json_object_get(value, key);
        path += length + (path[length] == '.');
    }
    return value;
}

static bool has_block_and_hashrate(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    json_t *all = status_json();
    bool yes = at(all, "blocks.blocks.0") != NULL && json_is_object(at(all, "pool.solvency")) &&
               json_is_number(at(all, "statistics.hashrate_errors.10m"));
    json_decref(all);
    return yes;
}

static void all_that_status_says_is_in_its_json(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        json_type type;
    } fields[] = {
        { "status", JSON_STRING },
        { "reason", JSON_STRING },
        { "pool.status", JSON_STRING },
        { "pool.reason", JSON_STRING },
        { "pool.health.status", JSON_STRING },
        { "pool.health.reasons", JSON_ARRAY },
        { "pool.connected_miners", JSON_INTEGER },
        { "pool.total_shares", JSON_INTEGER },
        { "pool.valid_shares", JSON_INTEGER },
        { "pool.last_updated", JSON_INTEGER },
        { "pool.exponent", JSON_INTEGER },
        { "pool.ticker", JSON_STRING },
        { "pool.solvency.owed", JSON_STRING },
        { "pool.solvency.in_flight", JSON_STRING },
        { "pool.solvency.wallet", JSON_STRING },
        { "pool.recovery.by", JSON_STRING },
        { "pool.recovery.processes.0.name", JSON_STRING },
        { "pool.recovery.processes.0.instance", JSON_STRING },
        { "pool.recovery.processes.0.state", JSON_STRING },
        { "pool.recovery.processes.0.restarts", JSON_INTEGER },
        { "pool.recovery.processes.0.attempts", JSON_INTEGER },
        { "pool.recovery.processes.0.why", JSON_STRING },
        { "statistics.total_hashrate", JSON_REAL },
        { "statistics.hashrate_errors.10m", JSON_REAL },
        { "statistics.shares_per_second", JSON_REAL },
        { "statistics.blocks_found", JSON_INTEGER },
        { "blocks.exponent", JSON_INTEGER },
        { "blocks.blocks.0.height", JSON_INTEGER },
        { "blocks.blocks.0.state", JSON_STRING },
        { "blocks.blocks.0.found_ms", JSON_INTEGER },
        { "blocks.blocks.0.reward", JSON_STRING },
        { "blocks.blocks.0.hash", JSON_STRING },
    };
    static const struct {
        const char *name;
        json_type type;
    } of_component[] = {
        { "status", JSON_STRING },
        { "last_check", JSON_INTEGER },
        { "error_count", JSON_INTEGER },
        { "last_error", JSON_STRING },
        { "instances.0.instance", JSON_STRING },
        { "instances.0.status", JSON_STRING },
        { "instances.0.last_check", JSON_INTEGER },
        { "instances.0.started", JSON_INTEGER },
        { "instances.0.error_count", JSON_INTEGER },
        { "instances.0.last_error", JSON_STRING },
        { "instances.0.restarts", JSON_INTEGER },
    };
    static const char *const names[] = { "stratum-gateway", "share-validator", "inode-scheduler",
                                         "auth", "payout" };
    pool_wait(&pool, "a block and the money are known", 120, has_block_and_hashrate, NULL);
    json_t *all = status_json();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *value = at(all, fields[i].path);
        bool right = value != NULL && (json_typeof(value) == fields[i].type ||
                                       (fields[i].type == JSON_REAL && json_is_number(value)));
        if (!right)
            fail_msg("adit status --json has no %s as it should be", fields[i].path);
    }
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < sizeof of_component / sizeof *of_component; k++) {
            char path[128];
            snprintf(path, sizeof path, "pool.component_health.%s.%s", names[i],
                     of_component[k].name);
            const json_t *value = at(all, path);
            if (value == NULL || json_typeof(value) != of_component[k].type)
                fail_msg("adit status --json has no %s as it should be", path);
        }
    json_decref(all);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, "{\"auth\":{\"argon2_memory_kib\":8192,\"argon2_passes\":1}}", true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_status_says_is_in_its_json),
        cmocka_unit_test(top_fits_terminals_of_any_size),
        cmocka_unit_test(top_follows_a_terminal_that_is_resized),
        cmocka_unit_test(in_a_pipe_top_says_plain_lines_and_ends_with_its_reader),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
