/* Stock miners against whole pools, one of each algorithm: each connects in plain and by TLS, is
 * let in and gets a share accepted, by what it says itself. ADIT_TEST_MINERD names pooler's
 * cpuminer
 * ("minerd"), ADIT_TEST_CPUMINER_OPT JayDDee's cpuminer-opt; those that are not named are left
 * out. */
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

/* A client, what it calls TLS, and what it says of a share that was accepted. */
struct stock {
    const char *name, *variable;
    const char *tls;
    const char *accepted;
    const char *own; /* an option of its own, or NULL */
    bool has_blake2s;
};
static const struct stock stocks[] = {
    { "minerd", "ADIT_TEST_MINERD", "stratum+tcps", "(yay!!!)", NULL, false },
    { "cpuminer-opt", "ADIT_TEST_CPUMINER_OPT", "stratum+ssl", "Accepted 1", "--no-color", true },
};
enum { STOCKS = sizeof stocks / sizeof *stocks };

static struct pool_fixture pool;
static char certificates[] = "/tmp/adit-stock-XXXXXX";
static char log_path[128];

static int make_certificate(void **state)
{
    char command[512];
    (void)state;
    assert_non_null(mkdtemp(certificates));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "
             "/CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out "
             "%s/cert.pem 2>/dev/null",
             certificates, certificates);
    assert_int_equal(system(command), 0);
    return 0;
}

static int remove_certificate(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", certificates);
    return system(command);
}

static pid_t start_miner(const struct stock *stock, const char *algorithm, const char *scheme)
{
    char url[64], user[160], cert[160];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, pool.stratum_port);
    snprintf(user, sizeof user, "%s.%s", pool.pool_address, stock->name);
    snprintf(cert, sizeof cert, "--cert=%s/cert.pem", certificates);
    snprintf(log_path, sizeof log_path, "%s/%s-%.11s.log", pool.folder, stock->name, scheme);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl(getenv(stock->variable), stock->name, "-a", algorithm, "-o", url, "-u", user, "-p",
              "x", "-t", "1", cert, stock->own, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static bool has_accepted(const struct pool_fixture *unused, void *context)
{
    const struct stock *stock = context;
    char text[65536];
    (void)unused;
    FILE *file = fopen(log_path, "re");
    if (file == NULL)
        return false;
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return strstr(text, stock->accepted) != NULL;
}

static void mine(const char *algorithm, const char *start)
{
    char settings[768];
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"profile\":\"devnet-%s\"},\"payout\":{\"enabled\":false},"
             "\"demo\":{\"hashrate\":1000000000},\"stratum\":{\"start_difficulty\":\"%s\","
             "\"tls_certificate\":\"%s/cert.pem\",\"tls_key_file\":\"%s/key.pem\"}}",
             algorithm, start, certificates, certificates);
    pool_start(&pool, settings, false);
    for (size_t i = 0; i < STOCKS; i++) {
        const struct stock *stock = &stocks[i];
        if (getenv(stock->variable) == NULL ||
            (strcmp(algorithm, "blake2s") == 0 && !stock->has_blake2s))
            continue;
        for (size_t tls = 0; tls < 2; tls++) {
            const char *scheme = tls ? stock->tls : "stratum+tcp";
            char what[128];
            snprintf(what, sizeof what, "%s to have a share of %s accepted by %s", stock->name,
                     algorithm, scheme);
            pid_t miner = start_miner(stock, algorithm, scheme);
            pool_wait(&pool, what, 60, has_accepted, (void *)(uintptr_t)stock);
            kill(miner, SIGKILL);
            waitpid(miner, NULL, 0);
            printf("%s: %s by %s\n", stock->name, algorithm, scheme);
        }
    }
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

static void it_mines_blake2s(void **state)
{
    (void)state;
    if (getenv("ADIT_TEST_CPUMINER_OPT") == NULL)
        skip(); /* pooler's has no blake2s */
    mine("blake2s", "0.0001");
}

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL ||
        (getenv("ADIT_TEST_MINERD") == NULL && getenv("ADIT_TEST_CPUMINER_OPT") == NULL)) {
        printf("SKIPPED: neither ADIT_TEST_MINERD nor ADIT_TEST_CPUMINER_OPT names a miner\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_mines_sha256d),
        cmocka_unit_test(it_mines_scrypt),
        cmocka_unit_test(it_mines_blake2s),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
