/* A stock miner (pooler's cpuminer, named by ADIT_TEST_MINERD) against whole pools: it connects, is
 * let in and gets a share accepted, by what it says itself. */
#include "tests/fixture/pool_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pool_fixture pool;
static char log_path[96];

static pid_t start_miner(const char *algorithm)
{
    char url[64], user[160];
    snprintf(url, sizeof url, "stratum+tcp://127.0.0.1:%u", pool.stratum_port);
    snprintf(user, sizeof user, "%s.minerd", pool.pool_address);
    snprintf(log_path, sizeof log_path, "%s/minerd.log", pool.folder);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl(getenv("ADIT_TEST_MINERD"), "minerd", "-a", algorithm, "-o", url, "-u", user, "-p",
              "x", "-t", "1", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static bool has_accepted(const struct pool_fixture *unused, void *context)
{
    char text[65536];
    (void)unused;
    (void)context;
    FILE *file = fopen(log_path, "re");
    if (file == NULL)
        return false;
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return strstr(text, "(yay!!!)") != NULL;
}

static void mine(const char *algorithm, const char *start)
{
    char settings[256];
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"profile\":\"devnet-%s\"},\"payout\":{\"enabled\":false},"
             "\"demo\":{\"hashrate\":1000000000},\"stratum\":{\"start_difficulty\":\"%s\"}}",
             algorithm, start);
    pool_start(&pool, settings, false);
    pid_t miner = start_miner(algorithm);
    pool_wait(&pool, "the miner has a share accepted", 60, has_accepted, NULL);
    kill(miner, SIGKILL);
    waitpid(miner, NULL, 0);
    pool_end(&pool);
}

static void it_mines_sha256d(void **state)
{
    (void)state;
    mine("sha256d", "0.0001");
}

static void it_mines_scrypt(void **state)
{
    (void)state;
    mine("scrypt", "0.005");
}

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL || getenv("ADIT_TEST_MINERD") == NULL) {
        printf("SKIPPED: ADIT_TEST_MINERD does not name a cpuminer\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_mines_sha256d),
        cmocka_unit_test(it_mines_scrypt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
