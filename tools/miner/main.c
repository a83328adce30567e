/* adit-miner: a CPU miner for the Stratum V1 protocol, for demos and tests.
 *
 * It shares no protocol code with the pool, and checks every share against the exact target before
 * it sends it, so that a refusal always says something about the pool. It runs at low priority and
 * can be held to a hash rate. It keeps trying to connect, for ever. */
#include "tools/miner/engine.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_SECONDS 2

static const char help[] =
    "adit-miner: a CPU miner for Stratum V1\n"
    "\n"
    "  --url stratum+tcp://HOST:PORT   the pool (needed)\n"
    "  --user NAME                     account or address, with .worker behind it (needed)\n"
    "  --user-file FILE                its first line is the user\n"
    "  --pass TEXT                     password (x)\n"
    "  --algorithm NAME                sha256d, blake2s or scrypt (sha256d)\n"
    "  --threads N                     hashing threads (1)\n"
    "  --max-shares N                  end when N shares are accepted (0: go on)\n"
    "  --max-seconds N                 end after N seconds (0: go on)\n"
    "  --hashrate-limit H              at most H hashes per second (0: no limit)\n"
    "  --throttle PERCENT              hash only this part of the time (100)\n"
    "  --version-rolling               ask for version rolling (BIP310) and use it\n"
    "  --quiet                         totals only\n"
    "  --json                          one JSON object a line\n"
    "  --die-with-parent               stop when the process that started it dies\n"
    "  --help\n"
    "\n"
    "Exit code: 0 when the wanted shares were accepted (without --max-shares: at least one), 1 "
    "when\n"
    "not, 2 for a wrong command line.\n";

struct arguments {
    const char *url, *user, *password;
    char user_text[256]; /* of --user-file */
    struct engine_options engine;
    uint64_t shares_max, seconds_max;
    bool version_rolling, quiet, json, die_with_parent;
};

struct miner {
    struct arguments arguments;
    struct engine engine;
    struct client client;
    uint64_t submitted, accepted, rejected, unanswered, blocks;
    bool refused_login;
    double backoff_s, connect_at_s, begun_s;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* One line of what happened; `json` is taken. */
static void tell(const struct miner *miner, json_t *json, const char *text)
{
    if (miner->arguments.json && !miner->arguments.quiet) {
        char *line = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (line != NULL)
            puts(line);
        free(line);
    } else if (!miner->arguments.quiet) {
        time_t now = time(NULL);
        struct tm local;
        char clock[16];
        strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
        printf("%s %s\n", clock, text);
    }
    json_decref(json);
    fflush(stdout);
}

static void on_authorized(void *context, bool accepted, const char *reason)
{
    struct miner *miner = context;
    char text[320];
    snprintf(text, sizeof text, accepted ? "authorized as %s" : "not authorized as %s: %s",
             miner->arguments.user, reason);
    tell(miner,
         json_pack("{s:s, s:b, s:s}", "event", "authorized", "accepted", accepted, "reason",
                   accepted ? "" : reason),
         text);
    miner->refused_login = !accepted;
    if (accepted)
        miner->backoff_s = 0;
}

static void on_job(void *context, const struct work_job *job, bool clean)
{
    struct miner *miner = context;
    char text[320];
    (void)clean; /* the newest job is always the one to work on */
    snprintf(text, sizeof text, "job %s, difficulty %.12g", job->id, job->difficulty);
    tell(
        miner,
        json_pack("{s:s, s:s, s:f}", "event", "job", "job", job->id, "difficulty", job->difficulty),
        text);
    engine_set_job(&miner->engine, job);
}

static void on_answer(void *context, const struct client_share *share, const char *reason)
{
    struct miner *miner = context;
    uint8_t shown[32];
    char hash[65];
    char extranonce2[2 * WORK_EXTRANONCE_BYTES_MAX + 1];
    char text[512];
    *(reason == NULL ? &miner->accepted : &miner->rejected) += 1;
    miner->blocks += share->is_block;
    bytes_reverse(share->digest, 32, shown);
    hex_encode(span_of(shown, sizeof shown), hash);
    hex_encode(span_of(share->extranonce2, share->extranonce2_bytes), extranonce2);
    snprintf(text, sizeof text, "%s %llu/%llu %.16s…%s%s%s",
             reason == NULL ? "accepted" : "rejected", (unsigned long long)miner->accepted,
             (unsigned long long)(miner->accepted + miner->rejected), hash,
             share->is_block ? " (a block)" : "", reason == NULL ? "" : ": ",
             reason == NULL ? "" : reason);
    tell(miner,
         json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:s, s:b, s:s}", "event",
                   reason == NULL ? "accepted" : "rejected", "job", share->job_id, "extranonce2",
                   extranonce2, "time", (json_int_t)share->time, "nonce", (json_int_t)share->nonce,
                   "version_bits", (json_int_t)share->version_bits, "difficulty", share->difficulty,
                   "hash", hash, "block", share->is_block, "reason", reason == NULL ? "" : reason),
         text);
}

static void on_message(void *context, const char *message)
{
    const struct miner *miner = context;
    char text[320];
    snprintf(text, sizeof text, "the pool says: %.280s", message);
    tell(miner, json_pack("{s:s, s:s}", "event", "message", "text", message), text);
}

static bool read_number(const char *text, const char *name, uint64_t least, uint64_t most,
                        uint64_t *number_r, struct error *error)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != 0 || number < least ||
        number > most)
        return error_set(error, ERROR_INVALID,
                         "--%s must be a number from %llu to %llu, not \"%s\"", name,
                         (unsigned long long)least, (unsigned long long)most, text);
    *number_r = number;
    return true;
}

static bool read_user(const char *path, char *user_r, size_t bytes, struct error *error)
{
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(user_r, (int)bytes, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (!read)
        return error_set(error, ERROR_INVALID, "no user can be read from %s", path);
    user_r[strcspn(user_r, "\r\n")] = '\0';
    return true;
}

static bool read_option(int option, const char *text, struct arguments *arguments,
                        struct error *error)
{
    uint64_t number = 0;
    switch (option) {
    case 'o':
        arguments->url = text;
        return true;
    case 'u':
        arguments->user = text;
        return true;
    case 'f':
        arguments->user = arguments->user_text;
        return read_user(text, arguments->user_text, sizeof arguments->user_text, error);
    case 'p':
        arguments->password = text;
        return true;
    case 'a':
        return miner_algorithm_parse(text, &arguments->engine.algorithm) ||
               error_set(error, ERROR_INVALID, "--algorithm must be sha256d, blake2s or scrypt");
    case 't':
        if (!read_number(text, "threads", 1, ENGINE_THREADS_MAX, &number, error))
            return false;
        arguments->engine.threads = (unsigned)number;
        return true;
    case 'n':
        return read_number(text, "max-shares", 0, UINT64_MAX, &arguments->shares_max, error);
    case 's':
        return read_number(text, "max-seconds", 0, 31536000, &arguments->seconds_max, error);
    case 'l':
        if (!read_number(text, "hashrate-limit", 0, UINT64_C(1) << 50, &number, error))
            return false;
        arguments->engine.hashrate_limit = (double)number;
        return true;
    case 'r':
        if (!read_number(text, "throttle", 1, 100, &number, error))
            return false;
        arguments->engine.throttle_percent = (unsigned)number;
        return true;
    case 'v':
        arguments->version_rolling = true;
        return true;
    case 'q':
        arguments->quiet = true;
        return true;
    case 'j':
        arguments->json = true;
        return true;
    case 'd':
        arguments->die_with_parent = true;
        return true;
    default:
        return error_set(error, ERROR_INVALID, "see adit-miner --help");
    }
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments_r,
                           struct error *error)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'o' },
        { "user", required_argument, NULL, 'u' },
        { "user-file", required_argument, NULL, 'f' },
        { "pass", required_argument, NULL, 'p' },
        { "algorithm", required_argument, NULL, 'a' },
        { "threads", required_argument, NULL, 't' },
        { "max-shares", required_argument, NULL, 'n' },
        { "max-seconds", required_argument, NULL, 's' },
        { "hashrate-limit", required_argument, NULL, 'l' },
        { "throttle", required_argument, NULL, 'r' },
        { "version-rolling", no_argument, NULL, 'v' },
        { "quiet", no_argument, NULL, 'q' },
        { "json", no_argument, NULL, 'j' },
        { "die-with-parent", no_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    *arguments_r = (struct arguments){
        .password = "x",
        .engine = { .algorithm = MINER_SHA256D, .threads = 1, .throttle_percent = 100 }
    };
    int option;
    while ((option = getopt_long(argc, argv, "o:u:p:a:t:", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (!read_option(option, optarg, arguments_r, error))
            return false;
    }
    if (optind != argc)
        return error_set(error, ERROR_INVALID, "%s is no option", argv[optind]);
    if (arguments_r->url == NULL || arguments_r->user == NULL)
        return error_set(error, ERROR_INVALID, "--url and --user are needed");
    return true;
}

static void disconnect(struct miner *miner, const struct error *error)
{
    char text[640];
    engine_set_job(&miner->engine, NULL);
    miner->unanswered += miner_client_close(&miner->client);
    miner->backoff_s = miner->backoff_s == 0 ? 0.25 : 2 * miner->backoff_s;
    if (miner->backoff_s > 15)
        miner->backoff_s = 15;
    /* Some randomness, so that a pool's miners do not come back all at once. */
    double wait_s = miner->backoff_s * (0.75 + randombytes_uniform(1000) / 2000.0);
    miner->connect_at_s = now_s() + wait_s;
    snprintf(text, sizeof text, "%s; next try in %.1f s", error->text, wait_s);
    tell(miner, json_pack("{s:s, s:s}", "event", "disconnected", "reason", error->text), text);
}

static bool may_submit(const struct miner *miner)
{
    uint64_t most = miner->arguments.shares_max;
    return most == 0 || miner->accepted + miner->client.pending_count < most;
}

/* Sends what the threads found; false: the connection is over. */
static bool submit_found(struct miner *miner, struct error *error)
{
    struct client_share share;
    uint64_t count;
    if (read(miner->engine.found_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return error_system(error, errno, "cannot read the eventfd");
    while (engine_take(&miner->engine, &share)) {
        if (!miner->client.authorized || !may_submit(miner))
            continue;
        if (!client_submit(&miner->client, &share, error))
            return error->code == ERROR_FULL; /* a pool that does not answer costs the share */
        miner->submitted++;
    }
    return true;
}

static bool done(const struct miner *miner)
{
    const struct arguments *arguments = &miner->arguments;
    return (arguments->shares_max != 0 && miner->accepted >= arguments->shares_max) ||
           (arguments->seconds_max != 0 &&
            now_s() - miner->begun_s >= (double)arguments->seconds_max);
}

/* Milliseconds until something has to be done without being woken. */
static int wait_ms(const struct miner *miner)
{
    double wait = 1;
    if (miner->client.fd < 0 && miner->connect_at_s - now_s() < wait)
        wait = miner->connect_at_s - now_s();
    return wait < 0 ? 0 : (int)(wait * 1000) + 1;
}

static void run(struct miner *miner, int signal_fd)
{
    struct error error = { 0 };
    while (!done(miner)) {
        if (miner->client.fd < 0 && now_s() >= miner->connect_at_s &&
            !client_connect(&miner->client, &error))
            disconnect(miner, &error);
        struct pollfd pollers[3] = { { .fd = signal_fd, .events = POLLIN },
                                     { .fd = miner->engine.found_fd, .events = POLLIN },
                                     { .fd = miner->client.fd, .events = POLLIN } };
        if (poll(pollers, 3, wait_ms(miner)) < 0 && errno != EINTR)
            return;
        if (pollers[0].revents != 0)
            return;
        if (miner->client.fd >= 0 &&
            ((pollers[2].revents != 0 && !client_read(&miner->client, &error)) ||
             (pollers[1].revents != 0 && !submit_found(miner, &error))))
            disconnect(miner, &error);
        if (miner->refused_login) {
            error_fill(&error, ERROR_REFUSED, "the pool does not let %s in", miner->arguments.user);
            miner->refused_login = false;
            if (miner->client.fd >= 0)
                disconnect(miner, &error);
        }
    }
}

/* The answers to what was sent last are worth a moment. */
static void await_answers(struct miner *miner)
{
    struct error error;
    double deadline_s = now_s() + DRAIN_SECONDS;
    engine_set_job(&miner->engine, NULL);
    while (miner->client.fd >= 0 && miner->client.pending_count > 0 && now_s() < deadline_s) {
        struct pollfd poller = { .fd = miner->client.fd, .events = POLLIN };
        if (poll(&poller, 1, 100) > 0 && !client_read(&miner->client, &error))
            return;
    }
}

static void tell_totals(const struct miner *miner)
{
    double seconds = now_s() - miner->begun_s;
    double rate = seconds > 0 ? (double)atomic_load(&miner->engine.hashes) / seconds : 0;
    unsigned long long accepted = miner->accepted;
    unsigned long long rejected = miner->rejected;
    unsigned long long unanswered = miner->unanswered + miner->client.pending_count;
    unsigned long long blocks = miner->blocks;
    if (miner->arguments.json)
        printf("{\"event\":\"totals\",\"submitted\":%llu,\"accepted\":%llu,\"rejected\":%llu,"
               "\"unanswered\":%llu,"
               "\"blocks\":%llu,\"hashrate\":%.0f,\"seconds\":%.1f}\n",
               (unsigned long long)miner->submitted, accepted, rejected, unanswered, blocks, rate,
               seconds);
    else
        printf("totals: %llu accepted, %llu rejected, %llu unanswered, %llu blocks, %.0f hashes/s "
               "over %.1f s\n",
               accepted, rejected, unanswered, blocks, rate, seconds);
}

int main(int argc, char **argv)
{
    static struct miner miner; /* its queues are too large for a stack */
    struct error error = { 0 };
    sigset_t signals;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sodium_init() < 0) {
        fprintf(stderr, "adit-miner: libsodium does not start\n");
        return 1;
    }
    if (!read_arguments(argc, argv, &miner.arguments, &error)) {
        fprintf(stderr, "adit-miner: %s\n", error.text);
        return 2;
    }
    if (miner.arguments.die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (setpriority(PRIO_PROCESS, 0, 10) != 0)
        fprintf(stderr, "adit-miner: runs at normal priority\n");
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    const struct client_events events = { on_authorized, on_job, on_answer, on_message, &miner };
    if (signal_fd < 0 || !client_init(&miner.client, miner.arguments.url, miner.arguments.user,
                                      miner.arguments.password, miner.arguments.engine.algorithm,
                                      miner.arguments.version_rolling, &events, &error)) {
        fprintf(stderr, "adit-miner: %s\n", error.text);
        return 2;
    }
    if (!engine_start(&miner.engine, &miner.arguments.engine, &error)) {
        fprintf(stderr, "adit-miner: %s\n", error.text);
        client_deinit(&miner.client);
        return 1;
    }
    miner.begun_s = miner.connect_at_s = now_s();
    run(&miner, signal_fd);
    await_answers(&miner);
    tell_totals(&miner);
    engine_stop(&miner.engine);
    client_deinit(&miner.client);
    close(signal_fd);
    uint64_t wanted = miner.arguments.shares_max == 0 ? 1 : miner.arguments.shares_max;
    return miner.accepted >= wanted ? 0 : 1;
}
