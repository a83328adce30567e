#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "adapter/coin_file/coin_file.h"
#include "pool.h"
#include "ports.h"
#include "service/numbered.h"

enum { ORPHANS_WAIT_MS = 10000, ORPHANS_STEP_MS = 50 };
enum { START_GRACE_S = 10 };      /* beyond its own deadline */
enum { PLAN_OTHERS = 8 };         /* children that come behind the validators */
enum { DATA_DIR_BYTES_MAX = 70 }; /* so that run/… fits a unix socket's 108 bytes */

bool plan_data_dir(const char *given, char *path_r, size_t bytes, struct error *error)
{
    char absolute[PATH_MAX];
    if (given[0] == '/') {
        snprintf(absolute, sizeof absolute, "%s", given);
    } else {
        char here[PATH_MAX / 2];
        if (getcwd(here, sizeof here) == NULL)
            return error_system(error, errno, "the current folder");
        snprintf(absolute, sizeof absolute, "%s/%s", here, given);
    }
    if (strlen(absolute) > DATA_DIR_BYTES_MAX || strlen(absolute) >= bytes)
        return error_set(error, ERROR_INVALID,
                         "the data folder's path is longer than %d bytes, too long for the unix "
                         "sockets in it: use --data with a shorter one (%s)",
                         DATA_DIR_BYTES_MAX, absolute);
    snprintf(path_r, bytes, "%.*s", (int)bytes - 1, absolute);
    return true;
}

static bool make_folder(const char *parent, const char *name, struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s%s", parent, name[0] == '\0' ? "" : "/", name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "cannot make the folder %s", path);
    return true;
}

/* The deployment's secret is made once and never changed: account ids are keyed by it. */
static bool make_secret(const char *data_dir, struct error *error)
{
    char path[PATH_MAX], text[65];
    snprintf(path, sizeof path, "%s/secret", data_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? true : error_system(error, errno, "%s", path);
    uint8_t secret[32];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret) {
        close(fd);
        return error_system(error, errno, "no random bytes for %s", path);
    }
    hex_encode(span_of(secret, sizeof secret), text);
    text[64] = '\n';
    bool written = write(fd, text, sizeof text) == sizeof text && fsync(fd) == 0;
    close(fd);
    if (!written) {
        unlink(path);
        return error_set(error, ERROR_SYSTEM, "cannot write %s", path);
    }
    return true;
}

bool plan_make_secret(const char *data_dir, struct error *error)
{
    return make_folder(data_dir, "", error) && make_secret(data_dir, error);
}

static bool write_redis_conf(const struct plan *plan, struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/run/redis.conf", plan->data_dir);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    fprintf(file,
            "# Written at every start. The share window must be durable before it is answered.\n"
            "port 0\nunixsocket %s/run/redis.sock\nunixsocketperm 700\ndir %s/redis\n"
            "appendonly yes\nappendfsync always\nno-appendfsync-on-rewrite no\n"
            "maxmemory-policy noeviction\nsave \"\"\ndaemonize no\nlogfile \"\"\n"
            "always-show-logo no\n",
            plan->data_dir, plan->data_dir);
    if (fclose(file) != 0)
        return error_system(error, errno, "%s", path);
    return true;
}

static struct child *add(struct plan *plan, const char *name, const char *instance,
                         const char *program)
{
    ASSERT(plan->count < PLAN_CHILDREN_MAX);
    struct child *child = &plan->children[plan->count++];
    child_init(child, name, instance);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", plan->bin_dir, program);
    child_argument(child, path);
    snprintf(child->log_path, sizeof child->log_path, "%s/log/%s%s%s.log", plan->data_dir, name,
             strcmp(instance, "1") == 0 ? "" : "-", strcmp(instance, "1") == 0 ? "" : instance);
    return child;
}

static void add_service(struct plan *plan, const struct options *options, const char *name,
                        const char *instance)
{
    struct child *child = add(plan, name, instance, name);
    child->readiness = CHILD_READY_NOTIFY;
    child->hung_ms = (uint64_t)plan->settings.service_hung_s * 1000;
    child->start_ms = (uint64_t)(plan->settings.startup_deadline_s + START_GRACE_S) * 1000;
    child_argument(child, "--data");
    child_argument(child, plan->data_dir);
    child_argument(child, "--instance");
    child_argument(child, instance);
    if (options->config != NULL) {
        char config[PATH_MAX];
        child_argument(child, "--config");
        child_argument(child, realpath(options->config, config) != NULL ? config : options->config);
    }
    if (plan->settings.scheduler_instances == 1)
        return;
    /* Each is asked and heard; the one that leads answers. */
    static const char *const addresses[][2] = { { "SCHEDULER", "rep" }, { "PUBLISH", "pub" } };
    for (size_t i = 0; i < 2; i++) {
        char variable[480];
        snprintf(variable, sizeof variable,
                 "ADIT_SERVICE__%s_URL=ipc://%s/run/scheduler.%s,ipc://%s/run/scheduler-2.%s",
                 addresses[i][0], plan->data_dir, addresses[i][1], plan->data_dir, addresses[i][1]);
        child_variable(child, variable);
    }
}

/* One leads, the other stands by. */
static void add_schedulers(struct plan *plan, const struct options *options)
{
    for (int64_t i = 1; i <= plan->settings.scheduler_instances; i++) {
        static const char *const addresses[][2] = { { "LISTEN", "rep" }, { "PUBLISH", "pub" } };
        add_service(plan, options, "inode-scheduler", i == 1 ? "1" : "2");
        if (plan->settings.scheduler_instances == 1)
            return;
        struct child *child = &plan->children[plan->count - 1];
        for (size_t k = 0; k < 2; k++) {
            char variable[320];
            snprintf(variable, sizeof variable, "ADIT_SCHEDULER__%s=ipc://%s/run/scheduler%s.%s",
                     addresses[k][0], plan->data_dir, i == 1 ? "" : "-2", addresses[k][1]);
            child_variable(child, variable);
        }
        if (i == 1)
            continue;
        char second[280], variable[340];
        pool_second_address(&plan->settings, second, sizeof second);
        snprintf(variable, sizeof variable, "ADIT_SCHEDULER__HTTP_ADDRESS=%s", second);
        child_variable(child, variable);
        child_variable(child, "ADIT_SCHEDULER__ADMIN_ADDRESS=127.0.0.1:0");
    }
}

static void add_redis(struct plan *plan)
{
    char conf[PATH_MAX];
    struct child *child = add(plan, "redis", "1", "redis-server");
    snprintf(conf, sizeof conf, "%s/run/redis.conf", plan->data_dir);
    child_argument(child, conf);
    child->readiness = CHILD_READY_CONNECT;
    snprintf(child->connect_to, sizeof child->connect_to, "%s/run/redis.sock", plan->data_dir);
}

static bool add_devnode(struct plan *plan, struct error *error)
{
    char host[200], port[16], listen[256], folder[PATH_MAX];
    if (!port_split(plan->settings.chain_nodes.items[0], host, sizeof host, port, sizeof port,
                    error))
        return error_prefix(error, "chain.nodes");
    snprintf(listen, sizeof listen, "%s:%s", host, port);
    snprintf(folder, sizeof folder, "%s/devnode", plan->data_dir);
    struct child *child = add(plan, "devnode", "1", "devnode");
    char spacing[24], hint[24];
    snprintf(spacing, sizeof spacing, "%lld", (long long)plan->settings.devnode_block_interval_s);
    /* Both miners of the demo together (add_miners). */
    snprintf(hint, sizeof hint, "%lld",
             (long long)(plan->settings.demo_hashrate + plan->settings.demo_hashrate / 2));
    const char *const arguments[] = { "--listen",
                                      listen,
                                      "--data",
                                      folder,
                                      "--algorithm",
                                      plan->settings.chain_profile + strlen("devnet-"),
                                      "--block-interval-s",
                                      spacing,
                                      "--hashrate-hint",
                                      hint };
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        child_argument(child, arguments[i]);
    child->readiness = CHILD_READY_CONNECT;
    snprintf(child->connect_to, sizeof child->connect_to, "%s", listen);
    return true;
}

/* Two addresses nobody holds the key of: the demo's miners work for the show. */
static bool name_miner(struct plan *plan, size_t index, const struct coin_profile *coin,
                       struct error *error)
{
    uint8_t script[22] = { 0x00, 0x14 }; /* version 0, a key hash of 20 bytes (BIP 141) */
    for (size_t i = 2; i < sizeof script; i++)
        script[i] = (uint8_t)(0xad + 17 * index + i);
    if (!address_format(coin, span_of(script, sizeof script), plan->miners[index]))
        return error_set(error, ERROR_INVALID, "the profile %s has no address for the demo",
                         plan->settings.chain_profile);
    return true;
}

static bool add_miners(struct plan *plan, struct error *error)
{
    struct coin_file memory;
    const struct coin_profile *coin = coin_file_open(
        plan->settings.chain_profile, plan->settings.chain_profile_folder, &memory, error);
    char host[200], port[16], url[300];
    if (coin == NULL)
        return false;
    if (!port_split(plan->settings.stratum_address, host, sizeof host, port, sizeof port, error))
        return error_prefix(error, "stratum.address");
    snprintf(url, sizeof url, "stratum+tcp://127.0.0.1:%s", port);
    for (size_t i = 0; i < PLAN_MINERS; i++) {
        char instance[8], user[160];
        if (!name_miner(plan, i, coin, error))
            return false;
        snprintf(instance, sizeof instance, "%zu", i + 1);
        snprintf(user, sizeof user, "%s.cpu%zu", plan->miners[i], i + 1);
        struct child *child = add(plan, "miner", instance, "adit-miner");
        char hashrate[24];
        snprintf(hashrate, sizeof hashrate, "%lld", (long long)plan->settings.demo_hashrate >> i);
        const char *const arguments[] = {
            "--url",     url, "--user",           user,
            "--pass",    "x", "--algorithm",      pow_algorithm_name(coin->algorithm),
            "--threads", "1", "--hashrate-limit", hashrate
        };
        for (size_t j = 0; j < sizeof arguments / sizeof *arguments; j++)
            child_argument(child, arguments[j]);
        child->readiness = CHILD_READY_STARTED;
        child->gentle = true;
    }
    return true;
}

/* The demo's miners are a few thousand times slower than anything the defaults were made for:
 * unless the settings say otherwise, their sessions start where such a miner finds a share a
 * second. */
static void suit_gateway_to_demo(const struct plan *plan, struct child *gateway)
{
    struct settings defaults;
    if (!settings_load(&defaults, NULL, plan->data_dir, "1", NULL))
        return;
    if (strcmp(plan->settings.stratum_start_difficulty, defaults.stratum_start_difficulty) == 0)
        child_variable(gateway, "ADIT_STRATUM__START_DIFFICULTY=0.00001");
    if (plan->settings.stratum_share_interval_ms == defaults.stratum_share_interval_ms)
        child_variable(gateway, "ADIT_STRATUM__SHARE_INTERVAL_MS=1000");
    settings_deinit(&defaults);
}

static void add_validator(struct plan *plan, const struct options *options, const char *prefix,
                          const char *url)
{
    char instance[16];
    const char *name = url + strlen(prefix);
    if (strncmp(url, prefix, strlen(prefix)) != 0 || strcspn(name, "*?[") < strlen(name))
        return;
    snprintf(instance, sizeof instance, "%.*s", (int)strcspn(name, "."), name);
    add_service(plan, options, "share-validator", instance);
    if (strcmp(instance, "1") != 0)
        child_variable(&plan->children[plan->count - 1],
                       "ADIT_VALIDATOR__ADMIN_ADDRESS=127.0.0.1:0");
}

/* Every entry of stratum.validators that lies in our run folder is a validator to start here, or
 * several where it is numbered. Who is found by a pattern is somebody else's to start. */
static void add_validators(struct plan *plan, const struct options *options)
{
    char prefix[300], url[400];
    snprintf(prefix, sizeof prefix, "ipc://%s/run/validator-", plan->data_dir);
    for (size_t i = 0; i < plan->settings.stratum_validators.count; i++) {
        const char *text = plan->settings.stratum_validators.items[i];
        struct numbered numbered;
        if (!numbered_read(text, &numbered)) {
            add_validator(plan, options, prefix, text);
            continue;
        }
        for (uint32_t number = numbered.first; number <= numbered.last; number++)
            if (plan->count < PLAN_CHILDREN_MAX - PLAN_OTHERS &&
                numbered_write(text, &numbered, number, url, sizeof url))
                add_validator(plan, options, prefix, url);
    }
}

static void add_payouts(struct plan *plan, const struct options *options)
{
    for (int64_t i = 1; i <= plan->settings.payout_instances; i++) {
        char instance[8], listen[320];
        snprintf(instance, sizeof instance, "%lld", (long long)i);
        add_service(plan, options, "payout", instance);
        if (i == 1)
            continue;
        struct child *child = &plan->children[plan->count - 1];
        snprintf(listen, sizeof listen, "ADIT_PAYOUT__LISTEN=ipc://%s/run/payout-%s.rep",
                 plan->data_dir, instance);
        child_variable(child, listen);
        child_variable(child, "ADIT_PAYOUT__ADMIN_ADDRESS=127.0.0.1:0");
    }
}

/* As a browser on this machine reaches it; false where the port is not known beforehand. */
static bool origin_of(const char *address, char *origin_r, size_t bytes)
{
    char host[200], port[16];
    if (!port_split(address, host, sizeof host, port, sizeof port, NULL) || strcmp(port, "0") == 0)
        return false;
    bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    snprintf(origin_r, bytes, strchr(host, ':') != NULL && !any ? "http://[%s]:%s" : "http://%s:%s",
             any ? "127.0.0.1" : host, port);
    return true;
}

/* Without a reverse proxy the dashboard and auth are two origins: the dashboard's pages are told
 * where auth is, and auth whose pages may ask it. Where the settings name a site, they know. */
static void join_pages_and_auth(struct plan *plan)
{
    const struct settings *settings = &plan->settings;
    char site[280], auth[280], variable[320];
    if (settings->auth_site[0] != '\0' || settings->auth_origin[0] != '\0' ||
        !origin_of(settings->scheduler_http_address, site, sizeof site) ||
        !origin_of(settings->auth_http_address, auth, sizeof auth))
        return;
    for (size_t i = 0; i < plan->count; i++) {
        struct child *child = &plan->children[i];
        bool pages = strcmp(child->name, "inode-scheduler") == 0;
        if (!pages && strcmp(child->name, "auth") != 0)
            continue;
        snprintf(variable, sizeof variable, "ADIT_AUTH__SITE=%s", site);
        child_variable(child, variable);
        snprintf(variable, sizeof variable, "ADIT_AUTH__ORIGIN=%s", auth);
        child_variable(child, variable);
    }
}

static bool check_ports(const struct plan *plan, struct error *error)
{
    const struct settings *settings = &plan->settings;
    return port_check(settings->stratum_address, "stratum.address", error) &&
           port_check(settings->scheduler_http_address, "scheduler.http_address", error) &&
           port_check(settings->auth_http_address, "auth.http_address", error) &&
           port_check(settings->stratum_admin_address, "stratum.admin_address", error) &&
           port_check(settings->validator_admin_address, "validator.admin_address", error) &&
           port_check(settings->scheduler_admin_address, "scheduler.admin_address", error) &&
           port_check(settings->auth_admin_address, "auth.admin_address", error) &&
           port_check(settings->payout_admin_address, "payout.admin_address", error) &&
           (!plan->devnode || port_check(settings->chain_nodes.items[0], "chain.nodes", error));
}

static bool is_local(const char *url)
{
    char host[200], port[16];
    return port_split(url, host, sizeof host, port, sizeof port, NULL) &&
           (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0);
}

bool plan_open(struct plan *plan, const struct options *options, struct error *error)
{
    *plan = (struct plan){ .demo = options->demo };
    ssize_t length = readlink("/proc/self/exe", plan->bin_dir, sizeof plan->bin_dir - 1);
    if (length <= 0)
        return error_system(error, errno, "/proc/self/exe");
    *strrchr(plan->bin_dir, '/') = '\0';
    if (!plan_data_dir(options->data_dir, plan->data_dir, sizeof plan->data_dir, error) ||
        !plan_make_secret(plan->data_dir, error) || !make_folder(plan->data_dir, "run", error) ||
        !make_folder(plan->data_dir, "log", error) ||
        !settings_load(&plan->settings, options->config, plan->data_dir, "1", error))
        return false;
    snprintf(plan->run_dir, sizeof plan->run_dir, "%.70s/run", plan->data_dir);
    char socket[300];
    snprintf(socket, sizeof socket, "unix:%s/run/redis.sock", plan->data_dir);
    plan->private_redis = strcmp(plan->settings.redis_window, socket) == 0;
    plan->devnode = strncmp(plan->settings.chain_profile, "devnet-", 7) == 0 &&
                    plan->settings.chain_nodes.count == 1 &&
                    is_local(plan->settings.chain_nodes.items[0]);
    if (!plan->devnode && plan->settings.chain_address[0] == '\0')
        return error_set(
            error, ERROR_INVALID,
            "chain.address is empty: set it to an address of the pool's wallet "
            "(bitcoin-cli getnewaddress), in the settings file or ADIT_CHAIN__ADDRESS");
    return true;
}

/* The processes of a supervisor that was killed end by themselves (PR_SET_PDEATHSIG), but take a
 * moment for it; run/processes still names them. */
static void wait_for_orphans(const struct plan *plan)
{
    char path[200], line[1024];
    snprintf(path, sizeof path, "%s/processes", plan->run_dir);
    FILE *file = fopen(path, "re");
    int tries = ORPHANS_WAIT_MS / ORPHANS_STEP_MS;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        int pid;
        if (sscanf(line, "%*s %*s %d", &pid) != 1 || pid <= 0)
            continue;
        while (kill(pid, 0) == 0 && tries-- > 0)
            nanosleep(&(struct timespec){ .tv_nsec = ORPHANS_STEP_MS * 1000000L }, NULL);
    }
    if (file != NULL)
        fclose(file);
}

/* run/config: which settings file this pool runs on. */
static void remember_config(const struct plan *plan, const struct options *options)
{
    char path[200], config[PATH_MAX] = "";
    snprintf(path, sizeof path, "%s/config", plan->run_dir);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return;
    if (options->config != NULL && realpath(options->config, config) != NULL)
        fprintf(file, "%s\n", config);
    fclose(file);
}

const char *plan_config(const struct options *options, const char *data_dir)
{
    static char config[PATH_MAX];
    char path[200];
    if (options->config != NULL)
        return options->config;
    config[0] = '\0';
    snprintf(path, sizeof path, "%s/run/config", data_dir);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    if (fgets(config, sizeof config, file) != NULL)
        config[strcspn(config, "\n")] = '\0';
    fclose(file);
    return config[0] == '\0' ? NULL : config;
}

bool plan_list(struct plan *plan, const struct options *options, bool *port_r, struct error *error)
{
    wait_for_orphans(plan);
    *port_r = true;
    if (!check_ports(plan, error))
        return false;
    *port_r = false;
    remember_config(plan, options);
    if (plan->private_redis) {
        if (!make_folder(plan->data_dir, "redis", error) || !write_redis_conf(plan, error))
            return false;
        add_redis(plan);
    }
    if (plan->devnode &&
        (!make_folder(plan->data_dir, "devnode", error) || !add_devnode(plan, error)))
        return false;
    add_schedulers(plan, options);
    add_service(plan, options, "auth", "1");
    join_pages_and_auth(plan);
    add_validators(plan, options);
    add_payouts(plan, options);
    add_service(plan, options, "stratum-gateway", "1");
    if (plan->demo)
        suit_gateway_to_demo(plan, &plan->children[plan->count - 1]);
    return !plan->demo || add_miners(plan, error);
}

void plan_deinit(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        child_deinit(&plan->children[i]);
    settings_deinit(&plan->settings);
}
