/* devnode: a small chain for one machine, for demos and tests only.
 *
 * It speaks the part of Bitcoin Core's JSON-RPC that a mining pool uses, and checks every block and
 * transaction it is given by rules of its own. It has no peers: its chain exists nowhere else, and
 * its coins are worth nothing. Every block it answered for is on its disk first. */
#include "tools/devnode/http.h"
#include "tools/devnode/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char help[] =
    "devnode: a small chain for one machine. FOR DEMOS AND TESTS ONLY: no peers, and coins that\n"
    "are worth nothing.\n"
    "\n"
    "  --listen HOST:PORT      where JSON-RPC is answered (127.0.0.1:18443; port 0: any, printed)\n"
    "  --data DIR              folder for the chain and the wallet (needed)\n"
    "  --algorithm NAME        proof of work: blake2s, sha256d or scrypt (blake2s)\n"
    "  --block-interval-s N    wished seconds between blocks (8); the difficulty follows, see\n"
    "                          consensus/target.h for the rule\n"
    "  --maturity N            confirmations before a coinbase may be spent (3)\n"
    "  --hashrate-hint N       hashes per second the first blocks are made for (500000; scrypt\n"
    "                          2000)\n"
    "  --initial-bits HEX      or their difficulty in compact form\n"
    "  --fixed-bits            the difficulty never changes (with --initial-bits 207fffff every\n"
    "                          second hash is a block: for tests)\n"
    "  --rpc-auth-file FILE    a file with user:password that clients must give (none: anybody on\n"
    "                          the address may call)\n"
    "  --die-with-parent       stop when the process that started it dies\n"
    "  --help\n"
    "\n"
    "The subsidy is 50 coins for every block, without halving. Addresses are those of regtest\n"
    "(bcrt1...). `devnode_reorg {\"depth\": n}` replaces the last n blocks.\n"
    "`devnode_fault {\"kind\": word, \"ms\": n}` makes it a bad node until `none` or a restart:\n"
    "slow, slow_template, deaf, syncing, stale, forged_header, forged_work, forged_best, "
    "forged_height.\n";

struct arguments {
    const char *listen;
    const char *data;
    const char *rpc_auth_file;
    uint64_t hashrate;
    bool die_with_parent;
    struct chain_params params;
};

static bool read_number(const char *text, const char *name, uint64_t least, uint64_t most, int base,
                        uint64_t *number_r, struct error *error)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, base);
    if (errno != 0 || text[0] < '0' || *end != 0 || number < least || number > most)
        return error_set(error, ERROR_INVALID,
                         "--%s must be a number from %llu to %llu, not \"%s\"", name,
                         (unsigned long long)least, (unsigned long long)most, text);
    *number_r = number;
    return true;
}

static bool read_option(int option, const char *text, struct arguments *arguments,
                        struct error *error)
{
    struct chain_params *params = &arguments->params;
    struct wide target;
    uint64_t number = 0;
    switch (option) {
    case 'l':
        arguments->listen = text;
        return true;
    case 'd':
        arguments->data = text;
        return true;
    case 'a':
        return hash_algorithm_parse(text, &params->algorithm) ||
               error_set(error, ERROR_INVALID, "--algorithm must be blake2s, sha256d or scrypt");
    case 'i':
        if (!read_number(text, "block-interval-s", 1, 3600, 10, &number, error))
            return false;
        params->block_interval_s = (uint32_t)number;
        return true;
    case 'm':
        if (!read_number(text, "maturity", 1, 1000, 10, &number, error))
            return false;
        params->maturity = (uint32_t)number;
        return true;
    case 'r':
        return read_number(text, "hashrate-hint", 1, UINT64_C(1) << 60, 10, &arguments->hashrate,
                           error);
    case 'b': {
        uint8_t bits[4];
        if (!hex_decode(text, strlen(text), bits, 4) || !target_from_bits(load_be32(bits), &target))
            return error_set(error, ERROR_INVALID,
                             "--initial-bits must be a target in compact form, at most 207fffff");
        params->initial_bits = load_be32(bits);
        return true;
    }
    case 'f':
        params->fixed_bits = true;
        return true;
    case 'u':
        arguments->rpc_auth_file = text;
        return true;
    case 'p':
        arguments->die_with_parent = true;
        return true;
    default:
        return error_set(error, ERROR_INVALID, "see devnode --help");
    }
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments_r,
                           struct error *error)
{
    static const struct option options[] = {
        { "listen", required_argument, NULL, 'l' },
        { "data", required_argument, NULL, 'd' },
        { "algorithm", required_argument, NULL, 'a' },
        { "block-interval-s", required_argument, NULL, 'i' },
        { "maturity", required_argument, NULL, 'm' },
        { "hashrate-hint", required_argument, NULL, 'r' },
        { "initial-bits", required_argument, NULL, 'b' },
        { "fixed-bits", no_argument, NULL, 'f' },
        { "rpc-auth-file", required_argument, NULL, 'u' },
        { "die-with-parent", no_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    *arguments_r = (struct arguments){
        .listen = "127.0.0.1:18443",
        .params = { .algorithm = HASH_BLAKE2S, .block_interval_s = 8, .maturity = 3 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (!read_option(option, optarg, arguments_r, error))
            return false;
    }
    if (optind != argc)
        return error_set(error, ERROR_INVALID, "%s is no option", argv[optind]);
    if (arguments_r->data == NULL)
        return error_set(error, ERROR_INVALID, "--data is needed");
    struct chain_params *params = &arguments_r->params;
    uint64_t rate = arguments_r->hashrate != 0         ? arguments_r->hashrate
                    : params->algorithm == HASH_SCRYPT ? 2000
                                                       : 500000;
    params->initial_bits_hinted = params->initial_bits == 0;
    if (params->initial_bits_hinted)
        params->initial_bits = target_bits_for_hashrate(rate, params->block_interval_s);
    return true;
}

/* The file's first line; caller frees. */
static bool read_authorization(const char *path, char **text_r, struct error *error)
{
    size_t room = 0;
    FILE *file = fopen(path, "re");
    *text_r = NULL;
    if (file == NULL)
        return error_system(error, errno, "cannot open --rpc-auth-file %s", path);
    ssize_t length = getline(text_r, &room, file);
    fclose(file);
    while (length > 0 && ((*text_r)[length - 1] == '\n' || (*text_r)[length - 1] == '\r'))
        (*text_r)[--length] = 0;
    if (length < 3 || strchr(*text_r, ':') == NULL) {
        free(*text_r);
        return error_set(error, ERROR_INVALID, "--rpc-auth-file %s holds no user:password", path);
    }
    return true;
}

/* Where the port was chosen by the system, others find it in the file DIR/endpoint. */
static bool write_endpoint(const char *folder, const char *address, struct error *error)
{
    char path[4096];
    char next[4096 + 8];
    snprintf(path, sizeof path, "%s/endpoint", folder);
    snprintf(next, sizeof next, "%s.new", path);
    FILE *file = fopen(next, "we");
    if (file == NULL)
        return error_system(error, errno, "cannot write %s", next);
    fprintf(file, "%s\n", address);
    if (fclose(file) != 0 || rename(next, path) != 0)
        return error_system(error, errno, "cannot write %s", path);
    return true;
}

static void wait_for_end(int signal_fd, int stop_fd)
{
    struct pollfd pollers[2] = { { .fd = signal_fd, .events = POLLIN },
                                 { .fd = stop_fd, .events = POLLIN } };
    while (poll(pollers, 2, -1) < 0 && errno == EINTR)
        ;
    if (pollers[1].revents != 0)
        usleep(100000); /* lets the answer to `stop` leave */
}

static int run(const struct arguments *arguments, struct error *error)
{
    static struct node node; /* too large for comfort on a stack */
    char *authorization = NULL;
    char address[64];
    sigset_t signals;
    int status = 1;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (arguments->die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (arguments->rpc_auth_file != NULL &&
        !read_authorization(arguments->rpc_auth_file, &authorization, error))
        return 1;
    if (!node_open(&node, arguments->data, &arguments->params, error))
        goto free_authorization;
    uint32_t height = chain_tip(&node.chain)->height; /* from http_start on others move it */
    struct http_server *server =
        http_start(arguments->listen, authorization, rpc_handle, &node, address, error);
    if (server == NULL)
        goto close_node;
    if (!write_endpoint(arguments->data, address, error))
        goto stop_server;
    printf("devnode: a chain for demos and tests only\n"
           "devnode: %s, first bits %08x%s, %u s between blocks, maturity %u, tip %u\n"
           "devnode: listening on %s\n",
           hash_algorithm_name(arguments->params.algorithm), node.chain.params.initial_bits,
           arguments->params.fixed_bits ? " for ever" : "", arguments->params.block_interval_s,
           arguments->params.maturity, height, address);
    fflush(stdout);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    wait_for_end(signal_fd, node.stop_fd);
    close(signal_fd);
    printf("devnode: stopping\n");
    status = 0;
stop_server:
    pthread_mutex_lock(&node.lock);
    node.stopping = true;
    pthread_cond_broadcast(&node.changed);
    pthread_mutex_unlock(&node.lock);
    http_stop(server);
close_node:
    node_close(&node);
free_authorization:
    free(authorization);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct error error = { 0 };
    if (sodium_init() < 0) {
        fprintf(stderr, "devnode: libsodium does not start\n");
        return 1;
    }
    if (!read_arguments(argc, argv, &arguments, &error)) {
        fprintf(stderr, "devnode: %s\n", error.text);
        return 2;
    }
    int status = run(&arguments, &error);
    if (status != 0)
        fprintf(stderr, "devnode: %s\n", error.text);
    return status;
}
