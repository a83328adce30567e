#include "pool.h"

#include "core/address/address.h"
#include "core/coin/coin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* One expected hash a share: the lowest work there is. */
#define LOWEST_DIFFICULTY "0.00000000023283064365386962890625"
#define LOWEST_SCRYPT_DIFFICULTY "0.0000152587890625"
#define PROFILE "bitcoin-regtest"
#define SCRYPT_PROFILE "devnet-scrypt" /* with the same form of addresses */

static char folder_to_remove[64];
static pid_t folder_owner;

static void remove_folder(void)
{
    if (getpid() != folder_owner || getenv("ADIT_KEEP") != NULL)
        return;
    /* The children die with us; what they still write does not matter. */
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", folder_to_remove, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static void make(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        bench_fail("%s: %s", path, strerror(errno));
}

void pool_make_parts(const char *folder)
{
    make(folder, "");
    make(folder, "log");
    make(folder, "run");
    make(folder, "redis");
}

void pool_make_folder(char path_r[64])
{
    const char *given = getenv("ADIT_BENCH_DIR");
    int length = snprintf(path_r, 64, "%s/adit-bench-XXXXXX", given != NULL ? given : "/tmp");
    if (length >= 64 || mkdtemp(path_r) == NULL)
        bench_fail("no temporary folder %s: %s", path_r, strerror(errno));
    pool_make_parts(path_r);
    memcpy(folder_to_remove, path_r, 64);
    folder_owner = getpid();
    atexit(remove_folder);
}

void pool_start_redis(struct process *redis, const char *folder)
{
    char program[300], socket_path[100], folder_path[100];
    snprintf(socket_path, sizeof socket_path, "%s/run/redis.sock", folder);
    snprintf(folder_path, sizeof folder_path, "%s/redis", folder);
    unlink(socket_path);
    const char *arguments[] = { process_program("redis-server", program),
                                "--port",
                                "0",
                                "--unixsocket",
                                socket_path,
                                "--dir",
                                folder_path,
                                "--appendonly",
                                "yes",
                                "--appendfsync",
                                "always",
                                "--no-appendfsync-on-rewrite",
                                "no",
                                "--maxmemory-policy",
                                "noeviction",
                                "--save",
                                "",
                                NULL };
    process_start(redis, folder, "redis", arguments, NULL, false);
    for (int i = 0; i < 500; i++) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int outcome = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (outcome == 0)
            return;
        bench_pause_ms(10);
    }
    bench_fail("redis-server does not start: see %s", redis->log);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        bench_fail("%s: %s", path, strerror(errno));
}

void pool_address(unsigned n, char text_r[96])
{
    uint8_t script[22] = { 0x00, 0x14 };
    char text[ADDRESS_TEXT_BYTES];
    const struct coin_profile *coin = coin_profile_find(span_text(PROFILE));
    for (size_t i = 2; i < sizeof script; i++)
        script[i] = (uint8_t)(0xbe + i);
    store_le32(script + 2, load_le32(script + 2) + n);
    if (coin == NULL || !address_format(coin, span_of(script, sizeof script), text))
        bench_fail("no address for %s", PROFILE);
    snprintf(text_r, 96, "%s", text);
}

static void write_settings(struct pool *pool, const struct pool_options *options)
{
    uint8_t secret[32];
    char text[65], node[64], api[32];
    const char *profile = options->scrypt ? SCRYPT_PROFILE : PROFILE;
    const char *lowest = options->scrypt ? LOWEST_SCRYPT_DIFFICULTY : LOWEST_DIFFICULTY;
    pool_address(0, pool->address);
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        bench_fail("no random bytes");
    hex_encode(span_of(secret, sizeof secret), text);
    write_text(pool->folder, "secret", text);
    snprintf(api, sizeof api, "127.0.0.1:%u", pool->api_port);
    snprintf(node, sizeof node, "http://127.0.0.1:%u", pool->node_port);
    json_t *validators = json_array();
    for (size_t i = 0; i < options->validators; i++) {
        char url[128];
        snprintf(url, sizeof url, "ipc://%s/run/validator-%zu.rep", pool->folder, i + 1);
        json_array_append_new(validators, json_string(url));
    }
    json_t *all = json_pack(
        "{s:{s:s,s:[s],s:s}, s:{s:i,s:o,s:s,s:s,s:s,s:s,s:s}, s:{s:s}, s:{s:s,s:s}, s:{s:s,s:s}, "
        "s:{s:i,s:i}}",
        "chain", "profile", profile, "nodes", node, "address", pool->address, "stratum",
        "max_miners", (int)options->max_miners, "validators", validators, "address", "127.0.0.1:0",
        "admin_address", "127.0.0.1:0", "start_difficulty", lowest, "min_difficulty", lowest,
        "max_difficulty", lowest, "validator", "admin_address", "127.0.0.1:0", "scheduler",
        "http_address", api, "admin_address", "127.0.0.1:0", "auth", "http_address", "127.0.0.1:0",
        "admin_address", "127.0.0.1:0", "service", "requests_per_s", 0, "address_connections_max",
        0);
    char *dumped = json_dumps(all, JSON_INDENT(2));
    if (dumped == NULL)
        bench_fail("no memory for the settings");
    write_text(pool->folder, "adit.json", dumped);
    free(dumped);
    json_decref(all);
}

static void start_service(struct pool *pool, struct process *process, const char *program,
                          size_t instance, const char *const *variables)
{
    char path[300], config[100], number[16], name[32];
    snprintf(config, sizeof config, "%s/adit.json", pool->folder);
    snprintf(number, sizeof number, "%zu", instance);
    snprintf(name, sizeof name, "%s-%zu", program, instance);
    const char *arguments[] = { process_program(program, path),
                                "--data",
                                pool->folder,
                                "--instance",
                                number,
                                "--config",
                                config,
                                NULL };
    process_start(process, pool->folder, name, arguments, variables, true);
}

static void start_gateway(struct pool *pool, size_t index, bool budgets)
{
    char stratum[64], admin[64];
    pool->stratum_ports[index] = process_free_port();
    pool->admin_ports[index] = process_free_port();
    snprintf(stratum, sizeof stratum, "ADIT_STRATUM__ADDRESS=127.0.0.1:%u",
             pool->stratum_ports[index]);
    snprintf(admin, sizeof admin, "ADIT_STRATUM__ADMIN_ADDRESS=127.0.0.1:%u",
             pool->admin_ports[index]);
    /* Shares without end, and miners without number at one address, are what limits are against. */
    const char *variables[] = { stratum,
                                admin,
                                budgets ? NULL : "ADIT_STRATUM__HASH_BUDGET=0",
                                "ADIT_STRATUM__ALLOW=127.0.0.0/8",
                                "ADIT_STRATUM__LINES_PER_S=1000000",
                                NULL };
    start_service(pool, &pool->gateways[index], "stratum-gateway", index + 1, variables);
}

void pool_start_validator(struct pool *pool, size_t index)
{
    char admin[64];
    if (pool->validator_ports[index] == 0)
        pool->validator_ports[index] = process_free_port();
    snprintf(admin, sizeof admin, "ADIT_VALIDATOR__ADMIN_ADDRESS=127.0.0.1:%u",
             pool->validator_ports[index]);
    const char *variables[] = { admin, NULL };
    start_service(pool, &pool->validators[index], "share-validator", index + 1, variables);
}

static void start_node(struct pool *pool, const struct pool_options *options)
{
    char program[300], port[16], count[16];
    snprintf(port, sizeof port, "%u", pool->node_port);
    snprintf(count, sizeof count, "%zu", options->transactions);
    const char *arguments[] = { process_program("bench-node", program), port, count,
                                options->no_fees ? "nofees" : NULL, NULL };
    process_start(&pool->node, pool->folder, "node", arguments, NULL, false);
}

void pool_begin(struct pool *pool, const struct pool_options *options)
{
    ASSERT(options->gateways <= POOL_GATEWAYS_MAX && options->validators <= POOL_VALIDATORS_MAX);
    *pool =
        (struct pool){ .gateway_count = options->gateways, .validator_count = options->validators };
    pool_make_folder(pool->folder);
    pool->node_port = process_free_port();
    pool->api_port = process_free_port();
    write_settings(pool, options);
    pool_start_redis(&pool->redis, pool->folder);
    start_node(pool, options);
    start_service(pool, &pool->scheduler, "inode-scheduler", 1, NULL);
    process_wait_ready(&pool->scheduler, 40);
    start_service(pool, &pool->auth, "auth", 1, NULL);
    size_t validators = options->later ? 1 : options->validators;
    for (size_t i = 0; i < validators; i++)
        pool_start_validator(pool, i);
    process_wait_ready(&pool->auth, 40);
    for (size_t i = 0; i < validators; i++)
        process_wait_ready(&pool->validators[i], 40);
    for (size_t i = 0; i < options->gateways; i++)
        start_gateway(pool, i, options->budgets);
    for (size_t i = 0; i < options->gateways; i++)
        process_wait_ready(&pool->gateways[i], 40);
}

void pool_end(struct pool *pool)
{
    for (size_t i = 0; i < pool->gateway_count; i++)
        process_end(&pool->gateways[i]);
    for (size_t i = 0; i < pool->validator_count; i++)
        process_end(&pool->validators[i]);
    process_end(&pool->auth);
    process_end(&pool->scheduler);
    process_end(&pool->node);
    process_end(&pool->redis);
}

uint64_t pool_node_number(const struct pool *pool, const char *method, const char *key)
{
    char request[512], body[128], reply[2048];
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)pool->node_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    snprintf(body, sizeof body, "{\"id\":1,\"method\":\"%s\",\"params\":[]}", method);
    snprintf(request, sizeof request, "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t got = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
        for (ssize_t more; got < (ssize_t)sizeof reply - 1;) {
            more = recv(fd, reply + got, sizeof reply - 1 - (size_t)got, 0);
            if (more <= 0)
                break;
            got += more;
            reply[got] = '\0';
            if (strstr(reply, "}}") != NULL)
                break;
        }
    close(fd);
    reply[got] = '\0';
    const char *at = strstr(reply, key);
    if (got == 0 || at == NULL)
        bench_fail("the bench's node does not answer %s", method);
    return strtoull(at + strlen(key) + 2, NULL, 10);
}
