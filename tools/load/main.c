/* adit-load: many miners that hash nothing, to see what a pool can bear. It needs a pool whose
 * difficulty is so low that any nonce passes; against any other every share is rejected.
 *
 * With --events, lines that begin with @ say on standard output where it is (@ready, @begin, @end,
 * @result {json}; with fanout, when all miners have a job or a tip: @wave {json}, @tip {json}), for
 * the program that measures beside it. */
#include "tools/load/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static void usage(FILE *out)
{
    fprintf(
        out,
        "adit-load --connect IP:PORT … [OPTION …]\n"
        "  --mode MODE        saturate (default), rate, idle or fanout\n"
        "  --connect IP:PORT  a gateway; given several times, miners are dealt out in turn\n"
        "  --user PATTERN     worker's name; %%u is the miner's number modulo --users\n"
        "  --users N          different names (1000)\n"
        "  --connections N    miners (50)\n"
        "  --first N          number of the first one (0)\n"
        "  --sources N        loopback source addresses from 127.0.0.2 on (8); 0: the kernel's\n"
        "  --first-source N   so many addresses behind 127.0.0.2 they begin (0)\n"
        "  --in-flight N      saturate: unanswered submissions a miner keeps (8)\n"
        "  --rate R           rate: submissions a second over all miners\n"
        "  --seconds S        measure for (10)\n"
        "  --warm-up S        run before that for (2)\n"
        "  --at-once N        handshakes under way while connecting (128)\n"
        "  --record FILE      a line there for each submission and what became of it; SIGTERM "
        "then\n"
        "                     ends the submitting, and the last answers are waited for\n"
        "  --reconnect        a miner whose connection is lost comes again\n"
        "  --ntime-offset S   seconds beside the job's ntime: far off, each share is junk\n"
        "  --slice-ms N       with --events: count and latency each N ms\n"
        "  --json FILE        write the figures there as JSON\n"
        "  --events           say on standard output where it is\n");
}

static bool read_address(const char *text, struct load_options *options)
{
    char host[32];
    const char *colon = strrchr(text, ':');
    struct in_addr address;
    if (options->address_count == LOAD_ADDRESSES_MAX || colon == NULL ||
        (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (inet_pton(AF_INET, host, &address) != 1 || port == 0 || port > 65535)
        return false;
    options->addresses[options->address_count++] =
        (struct load_address){ .ip = address.s_addr, .port = (uint16_t)port };
    return true;
}

static bool read_mode(const char *text, struct load_options *options)
{
    for (enum load_mode mode = LOAD_SATURATE; mode <= LOAD_FANOUT; mode++)
        if (strcmp(text, report_mode_name(mode)) == 0) {
            options->mode = mode;
            return true;
        }
    return false;
}

enum {
    OPTION_MODE = 1,
    OPTION_CONNECT,
    OPTION_USER,
    OPTION_USERS,
    OPTION_CONNECTIONS,
    OPTION_FIRST,
    OPTION_SOURCES,
    OPTION_FIRST_SOURCE,
    OPTION_NTIME_OFFSET,
    OPTION_IN_FLIGHT,
    OPTION_RATE,
    OPTION_SECONDS,
    OPTION_WARM_UP,
    OPTION_AT_ONCE,
    OPTION_JSON,
    OPTION_EVENTS,
    OPTION_RECORD,
    OPTION_RECONNECT,
    OPTION_SLICE,
    OPTION_HELP,
};

static const struct option option_list[] = {
    { "mode", required_argument, NULL, OPTION_MODE },
    { "connect", required_argument, NULL, OPTION_CONNECT },
    { "user", required_argument, NULL, OPTION_USER },
    { "users", required_argument, NULL, OPTION_USERS },
    { "connections", required_argument, NULL, OPTION_CONNECTIONS },
    { "first", required_argument, NULL, OPTION_FIRST },
    { "sources", required_argument, NULL, OPTION_SOURCES },
    { "first-source", required_argument, NULL, OPTION_FIRST_SOURCE },
    { "ntime-offset", required_argument, NULL, OPTION_NTIME_OFFSET },
    { "in-flight", required_argument, NULL, OPTION_IN_FLIGHT },
    { "rate", required_argument, NULL, OPTION_RATE },
    { "seconds", required_argument, NULL, OPTION_SECONDS },
    { "warm-up", required_argument, NULL, OPTION_WARM_UP },
    { "at-once", required_argument, NULL, OPTION_AT_ONCE },
    { "json", required_argument, NULL, OPTION_JSON },
    { "events", no_argument, NULL, OPTION_EVENTS },
    { "record", required_argument, NULL, OPTION_RECORD },
    { "reconnect", no_argument, NULL, OPTION_RECONNECT },
    { "slice-ms", required_argument, NULL, OPTION_SLICE },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static uint32_t count_of(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

/* False: say how it is used. */
static bool read_options(int argc, char **argv, struct load_options *options, const char **json_r)
{
    bool good = true;
    for (int option; good && (option = getopt_long(argc, argv, "", option_list, NULL)) != -1;) {
        switch (option) {
        case OPTION_MODE:
            good = read_mode(optarg, options);
            break;
        case OPTION_CONNECT:
            good = read_address(optarg, options);
            break;
        case OPTION_USER:
            options->user = optarg;
            break;
        case OPTION_USERS:
            options->users = count_of(optarg);
            break;
        case OPTION_CONNECTIONS:
            options->connections = count_of(optarg);
            break;
        case OPTION_FIRST:
            options->first_index = count_of(optarg);
            break;
        case OPTION_SOURCES:
            options->sources = count_of(optarg);
            break;
        case OPTION_FIRST_SOURCE:
            options->first_source = count_of(optarg);
            break;
        case OPTION_NTIME_OFFSET:
            options->ntime_offset = (int32_t)strtol(optarg, NULL, 10);
            break;
        case OPTION_IN_FLIGHT:
            options->in_flight = count_of(optarg);
            break;
        case OPTION_RATE:
            options->rate = strtod(optarg, NULL);
            break;
        case OPTION_SECONDS:
            options->seconds = strtod(optarg, NULL);
            break;
        case OPTION_WARM_UP:
            options->warmup_seconds = strtod(optarg, NULL);
            break;
        case OPTION_AT_ONCE:
            options->connect_at_once = count_of(optarg);
            break;
        case OPTION_JSON:
            *json_r = optarg;
            break;
        case OPTION_EVENTS:
            options->events = stdout;
            break;
        case OPTION_RECORD:
            options->record = fopen(optarg, "we");
            good = options->record != NULL;
            break;
        case OPTION_RECONNECT:
            options->reconnect = true;
            break;
        case OPTION_SLICE:
            options->slice_ms = count_of(optarg);
            break;
        default:
            good = false;
        }
    }
    return good && optind == argc && options->address_count > 0 && options->users > 0 &&
           options->connections > 0 && options->in_flight > 0 && options->connect_at_once > 0 &&
           options->seconds > 0 && strlen(options->user) + 10 < LINES_USER_BYTES_MAX &&
           (options->mode != LOAD_RATE || options->rate > 0);
}

static void raise_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv)
{
    static struct load_result result;
    struct load_options options = {
        .mode = LOAD_SATURATE,
        .user = "load.%u",
        .users = 1000,
        .connections = 50,
        .sources = 8,
        .in_flight = 8,
        .seconds = 10,
        .warmup_seconds = 2,
        .connect_at_once = 128,
        .stop = &stopped,
    };
    const char *json = NULL;
    struct error error;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    if (!read_options(argc, argv, &options, &json)) {
        usage(stderr);
        return 64;
    }
    raise_descriptors();
    if (!load_run(&options, &result, &error)) {
        fprintf(stderr, "adit-load: %s\n", error.text);
        return 1;
    }
    if (options.record != NULL && fclose(options.record) != 0) {
        fprintf(stderr, "adit-load: the record cannot be written: %s\n", strerror(errno));
        return 1;
    }
    if (options.events != NULL) {
        fprintf(options.events, "@result ");
        report_json(&options, &result, options.events);
        fprintf(options.events, "\n");
    } else {
        report_text(&options, &result, stdout);
    }
    FILE *file = json != NULL ? fopen(json, "we") : NULL;
    if (json != NULL && file == NULL) {
        fprintf(stderr, "adit-load: %s: %s\n", json, strerror(errno));
        return 1;
    }
    if (file != NULL) {
        report_json(&options, &result, file);
        fprintf(file, "\n");
        if (fclose(file) != 0)
            return 1;
    }
    return 0;
}
