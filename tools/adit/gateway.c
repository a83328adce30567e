/* adit gateway: asks a gateway of this pool, over its private socket: how it stands, who is banned;
 * bans, lifts, drains. 0: done; 1: no gateway answers; 2: it refused; 64: wrong use. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "plan.h"
#include "wire/messages.h"

enum { ANSWER_MS = 10000 };

static const char usage[] =
    "usage: adit gateway [--config FILE] [--data DIR] [@INSTANCE] VERB\n"
    "  status                      connections, and what was done about bad conduct\n"
    "  bans                        who is banned, for how long, and why\n"
    "  ban WHOM [SECONDS]          WHOM: an address, an IPv6 network of 64 bits, or\n"
    "                              worker ACCOUNT/WORKER as bans prints it\n"
    "  lift WHOM | all             ends a ban\n"
    "  upgrade                     run the program that is installed now, and drop no miner\n"
    "  drain                       send miners away at a rate, then stop\n";

static int ask(const struct options *options, int verb, const struct settings *settings)
{
    char argument[1025];
    uint8_t bytes[2048];
    struct asking asking;
    ask_join(options, verb + 1, argument, sizeof argument);
    const struct wire_control_request request = { .verb = options->rest[verb],
                                                  .argument = argument };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    if (length == 0)
        return 64;
    if (!ask_process(settings, settings->stratum_control, span_of(bytes, length), ANSWER_MS,
                     &asking)) {
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
