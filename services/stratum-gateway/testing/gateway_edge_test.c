/* Every way in: TLS, WebSocket, PROXY headers and IPv6, with clients nobody here wrote (openssl's
 * s_client, Debian's python3-websockets) where the machine has them. */
#include "services/stratum-gateway/testing/gateway_world.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct limits limits = { 100, HOLD_MS, 262144, 0, 0 };
static char certificates[] = "/tmp/adit-edge-XXXXXX";

static void make_certificate(const char *common_name)
{
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "
             "/CN=%s -keyout %s/key.pem -out %s/cert.pem 2>/dev/null",
             common_name, certificates, certificates);
    assert_int_equal(system(command), 0);
}

static int make_certificates(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(certificates));
    make_certificate("first");
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", certificates);
    return system(command);
}

static int set_up(void **state)
{
    (void)state;
    set_variable("ADIT_STRATUM__TLS_CERTIFICATE", "%s/cert.pem", certificates);
    set_variable("ADIT_STRATUM__TLS_KEY_FILE", "%s/key.pem", certificates);
    set_variable("ADIT_STRATUM__TLS_ADDRESS", "127.0.0.1:0");
    set_variable("ADIT_STRATUM__WEBSOCKET_ADDRESS", "127.0.0.1:0");
    return set_up_with(&limits);
}

static int set_up_proxied(void **state)
{
    set_variable("ADIT_STRATUM__PROXIES", "127.0.0.0/8");
    int result = set_up(state);
    unsetenv("ADIT_STRATUM__PROXIES");
    return result;
}

static int set_up_ipv6(void **state)
{
    set_variable("ADIT_STRATUM__MORE_ADDRESSES", "[::1]:0");
    int result = set_up(state);
    unsetenv("ADIT_STRATUM__MORE_ADDRESSES");
    return result;
}

/* The port of the listener whose log line ends like that. */
static int port_that(const char *speaks)
{
    for (const char *line = f->log; (line = strstr(line, "stratum.listen address=")) != NULL;
         line++) {
        const char *end = strchr(line, '\n'), *says = strstr(line, " speaks=");
        assert_true(end != NULL && says != NULL && says < end);
        if (strncmp(says + 8, speaks, strlen(speaks)) == 0 && says[8 + strlen(speaks)] == '\n') {
            while (*--says != ':')
                ;
            return atoi(says + 1);
        }
    }
    fail_msg("nobody speaks %s\n%s", speaks, f->log);
    return 0;
}

/* A program whose input and output are the miner's lines. */
struct client {
    struct miner miner;
    pid_t pid;
};

static struct client *start_client(const char *const *arguments)
{
    int pair[2];
    struct client *client = calloc(1, sizeof *client);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t parent = getpid();
    client->pid = fork();
    assert_true(client->pid >= 0);
    if (client->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)dup2(pair[1], STDIN_FILENO);
        (void)dup2(pair[1], STDOUT_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(pair[1]);
    client->miner.fd = pair[0];
    return client;
}

static int end_client(struct client *client)
{
    int status;
    (void)shutdown(client->miner.fd, SHUT_WR);
    UNTIL(waitpid(client->pid, &status, WNOHANG) == client->pid);
    close(client->miner.fd);
    free(client);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct client *start_tls(int port)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    return start_client((const char *const[]){ "openssl", "s_client", "-quiet", "-no_ign_eof",
                                               "-connect", address, NULL });
}

static struct client *start_websocket(const char *scheme, int port)
{
    char script[512], url[64];
    snprintf(script, sizeof script, "%s/services/stratum-gateway/testing/websocket_lines",
             getenv("ADIT_SOURCE"));
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/", scheme, port);
    return start_client((const char *const[]){ "/usr/bin/python3", script, url, NULL });
}

static void mine_a_share(struct miner *miner, const char *name, unsigned nonce)
{
    log_in(miner, name);
    submit(miner, 3, name, nonce);
    hear(miner, "{\"id\":3,\"result\":true,\"error\":null}");
}

static void one_port_tells_plain_and_tls_apart(void **state)
{
    (void)state;
    struct miner *plain = connect_miner();
    struct client *tls = start_tls(f->port), *only_tls = start_tls(port_that("tls,"));
    mine_a_share(plain, "a", 1);
    mine_a_share(&tls->miner, "b", 2);
    mine_a_share(&only_tls->miner, "c", 3);
    /* A job reaches each. */
    publish_job(true);
    hear(plain, "mining.notify");
    hear(&tls->miner, "mining.notify");
    hear(&only_tls->miner, "mining.notify");
    disconnect(plain);
    end_client(tls);
    end_client(only_tls);
}

static void websocket_clients_mine_with_and_without_tls(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import websockets' 2>/dev/null") != 0) {
        printf("SKIPPED: python3-websockets is not installed\n");
        skip();
    }
    const struct {
        const char *scheme;
        int port;
    } ways[] = { { "ws", f->port },
                 { "wss", f->port },
                 { "ws", port_that("ws,wss") },
                 { "wss", port_that("ws,wss") } };
    for (unsigned i = 0; i < 4; i++) {
        struct client *client = start_websocket(ways[i].scheme, ways[i].port);
        mine_a_share(&client->miner, "w", i + 1);
        publish_job(true);
        hear(&client->miner, "mining.notify");
        assert_int_equal(end_client(client), 0);
    }
}

static void a_miner_behind_a_trusted_proxy_is_where_the_header_says(void **state)
{
    (void)state;
    struct miner *miner = connect_miner(), *silent = connect_miner();
    say(miner, "PROXY TCP6 2001:db8::7 2001:db8::1 4711 3333\r");
    mine_a_share(miner, "w", 1);
    assert_string_equal(f->peer, "[2001:db8::7]:4711");
    /* From such an address nothing else counts. */
    say(silent, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    UNTIL(take_line(silent) || silent->ended);
    assert_true(silent->ended);
    disconnect(miner);
    disconnect(silent);
}

static void a_header_of_nobody_trusted_is_rubbish(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    say(miner, "PROXY TCP4 192.0.2.7 192.0.2.1 4711 3333\r");
    hear(miner, "Not a JSON object");
    disconnect(miner);
}

static void ipv6_comes_in_like_ipv4(void **state)
{
    (void)state;
    /* The second listener of that kind. */
    const char *line = strstr(f->log, "address=[::1]:");
    assert_non_null(line);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                    .sin6_port = htons((uint16_t)atoi(line + 14)) };
    struct miner *miner = calloc(1, sizeof *miner);
    miner->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(miner->fd, (struct sockaddr *)&address, sizeof address), 0);
    mine_a_share(miner, "w", 1);
    assert_memory_equal(f->peer, "[::1]:", 6);
    disconnect(miner);
}

/* Whose certificate s_client was shown. */
static bool is_shown(int port, const char *common_name)
{
    char command[256];
    snprintf(command, sizeof command,
             "openssl s_client -connect 127.0.0.1:%d </dev/null 2>/dev/null | openssl x509 -noout "
             "-subject 2>/dev/null | grep -q 'CN = %s$'",
             port, common_name);
    return system(command) == 0;
}

static void a_new_certificate_counts_from_the_next_connection_on(void **state)
{
    (void)state;
    int port = port_that("tls,");
    struct client *client = start_tls(port);
    mine_a_share(&client->miner, "w", 1);
    assert_true(is_shown(port, "first"));
    make_certificate("second");
    assert_true(is_shown(port, "first"));
    assert_int_equal(kill(f->child, SIGHUP), 0);
    UNTIL(strstr(f->log, "service.reload") != NULL);
    assert_true(is_shown(port, "second"));
    submit(&client->miner, 4, "w", 2);
    hear(&client->miner, "{\"id\":4,\"result\":true");
    /* One that cannot be used changes nothing. */
    char command[128];
    snprintf(command, sizeof command, "echo rubbish >%s/cert.pem", certificates);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(f->child, SIGHUP), 0);
    UNTIL(strstr(f->log, "service.reload_refused") != NULL);
    assert_true(is_shown(port, "second"));
    end_client(client);
    make_certificate("first");
}

static void an_upgrade_sends_tls_away_and_carries_plain_ones_over(void **state)
{
    (void)state;
    struct miner *plain = connect_miner();
    struct client *tls = start_tls(port_that("tls,"));
    mine_a_share(plain, "a", 1);
    mine_a_share(&tls->miner, "b", 2);
    f->log_bytes = 0;
    assert_true(ask_gateway("upgrade", ""));
    hear(&tls->miner, "client.reconnect");
    UNTIL(strstr(f->log, "service.ready") != NULL);
    end_client(tls);
    submit(plain, 4, "a", 3);
    hear(plain, "{\"id\":4,\"result\":true");
    tls = start_tls(port_that("tls,"));
    mine_a_share(&tls->miner, "b", 4);
    end_client(tls);
    disconnect(plain);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL || system("openssl version >/dev/null 2>&1") != 0) {
        printf("SKIPPED: it needs ADIT_BUILD and the program openssl\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        TEST(one_port_tells_plain_and_tls_apart, set_up),
        TEST(websocket_clients_mine_with_and_without_tls, set_up),
        TEST(a_miner_behind_a_trusted_proxy_is_where_the_header_says, set_up_proxied),
        TEST(a_header_of_nobody_trusted_is_rubbish, set_up),
        TEST(ipv6_comes_in_like_ipv4, set_up_ipv6),
        TEST(an_upgrade_sends_tls_away_and_carries_plain_ones_over, set_up),
        TEST(a_new_certificate_counts_from_the_next_connection_on, set_up),
    };
    return cmocka_run_group_tests_name("gateway, edge", tests, make_certificates,
                                       remove_certificates);
}
