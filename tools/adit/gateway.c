/* adit gateway: asks a gateway of this pool, over its private socket: how it stands, who is banned;
 * bans, lifts, drains. 0: done; 1: no gateway answers; 2: it refused; 64: wrong use. */
#include "commands.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "plan.h"
#include "wire/messages.h"

/* An upgrade sends away those it cannot carry, for at most stratum.drain_s, and settles for some
 * seconds. */
enum { ANSWER_MS = 10000, UPGRADE_ASK_MS = 500, UPGRADE_PAUSE_MS = 100, UPGRADE_MORE_MS = 60000 };

static const char usage[] =
    "usage: adit gateway [--config FILE] [--data DIR] [@INSTANCE] VERB\n"
    "  status                      connections, and what was done about bad conduct\n"
    "  bans                        who is banned, for how long, and why\n"
    "  ban WHOM [SECONDS]          WHOM: an address, an IPv6 network of 64 bits, or\n"
    "                              worker ACCOUNT/WORKER as bans prints it\n"
    "  lift WHOM | all             ends a ban\n"
    "  upgrade                     run the program that is installed now, and drop no miner;\n"
    "                              waits until it has taken over\n"
    "  drain                       send miners away at a rate, then stop\n";

/* 0, or 64 where that is no request; *answered_r: somebody answered. */
static int say(const struct settings *settings, const char *verb, const char *argument,
               unsigned answer_ms, bool *answered_r, struct asking *asking)
{
    uint8_t bytes[2048];
    const struct wire_control_request request = { .verb = verb, .argument = argument };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    *answered_r = length > 0 && ask_process(settings, settings->stratum_control,
                                            span_of(bytes, length), answer_ms, asking);
    return length > 0 ? 0 : 64;
}

/* Until a new program answers, or the old one says that it stays. `before` is what was said before
 * the upgrade was asked for. */
static void wait_for_upgrade(const struct settings *settings, const char *before, bool *answered_r,
                             struct asking *asking)
{
    const struct timespec pause = { .tv_nsec = UPGRADE_PAUSE_MS * 1000000 };
    int64_t left_ms = settings->stratum_drain_s * 1000 + UPGRADE_MORE_MS;
    do {
        nanosleep(&pause, NULL);
        (void)say(settings, "upgraded", "", UPGRADE_ASK_MS, answered_r, asking);
        left_ms -= UPGRADE_PAUSE_MS + (*answered_r ? 0 : UPGRADE_ASK_MS);
    } while (left_ms > 0 && (!*answered_r || strcmp(asking->text, "under way") == 0 ||
                             (asking->ok && strcmp(asking->text, before) == 0)));
}

static int ask(const struct options *options, int verb, const struct settings *settings)
{
    char argument[1025], before[256] = "";
    const bool upgrades = strcmp(options->rest[verb], "upgrade") == 0;
    struct asking asking;
    bool answered;
    ask_join(options, verb + 1, argument, sizeof argument);
    if (upgrades && say(settings, "upgraded", "", ANSWER_MS, &answered, &asking) == 0 && answered)
        snprintf(before, sizeof before, "%.255s", asking.text);
    int code = say(settings, options->rest[verb], argument, ANSWER_MS, &answered, &asking);
    if (code != 0)
        return code;
    /* An answer may be lost where all is over at once. */
    if (upgrades && (answered ? asking.ok : before[0] != '\0'))
        wait_for_upgrade(settings, before, &answered, &asking);
    if (!answered) {
        fprintf(stderr, "adit: no gateway answers at %s\n", settings->stratum_control);
        return 1;
    }
    fprintf(asking.ok ? stdout : stderr, "%s%s\n", asking.ok ? "" : "adit: ", asking.text);
    return asking.ok ? 0 : 2;
}

int command_gateway(const struct options *options)
{
    struct settings settings;
    struct error error;
    char data_dir[80];
    int verb = options->rest_count > 0 && options->rest[0][0] == '@';
    const char *instance = verb == 1 ? options->rest[0] + 1 : "1";
    if (options->rest_count <= verb) {
        fprintf(stderr, "%s", usage);
        return 64;
    }
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, instance, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    int code = ask(options, verb, &settings);
    if (code == 64)
        fprintf(stderr, "%s", usage);
    settings_deinit(&settings);
    return code;
}
