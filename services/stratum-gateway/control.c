#include "services/stratum-gateway/control.h"

#include "service/log.h"
#include "services/stratum-gateway/gateway.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <time.h>

enum { IN_FLIGHT = 4, REQUEST_BYTES = 4096, TEXT_BYTES = 16000, REPLY_BYTES = 17000 };

static void reply(struct bus_call *call, bool ok, const char *text)
{
    uint8_t memory[REPLY_BYTES];
    const struct wire_control_reply message = { .ok = ok, .text = text };
    size_t length = wire_encode_control_reply(&message, memory, sizeof memory);
    if (length == 0)
        bus_drop(call);
    else
        (void)bus_reply(call, span_of(memory, length));
}

static void say_status(struct gateway *gateway, struct bus_call *call)
{
    char text[512];
    struct dispatcher_counts counts = dispatcher_counts(gateway->dispatcher);
    const struct conducts *conducts = &gateway->conducts;
    snprintf(text, sizeof text,
             "%zu connections, %zu mining, %zu shares without a verdict\n"
             "thrown out %" PRIu64 ", slowed %" PRIu64 ", banned %" PRIu64
             ", refused at the door %" PRIu64,
             gateway->connections.open, gateway->miners, counts.held, conducts->thrown_out,
             conducts->slowed, conducts->banned, conducts->refused);
    reply(call, true, text);
}

static void say_bans(struct gateway *gateway, struct bus_call *call)
{
    static const char MORE[] = "… and more";
    char text[TEXT_BYTES + sizeof MORE];
    if (!conducts_print_bans(gateway, text, TEXT_BYTES))
        strcat(text, MORE);
    reply(call, true, text[0] != '\0' ? text : "nobody is banned");
}

bool control_ban(struct gateway *gateway, const char *argument, const char **text_r)
{
    char whom[128], *end;
    snprintf(whom, sizeof whom, "%s", argument);
    char *last = strrchr(whom, ' ');
    unsigned long seconds = (unsigned long)gateway->settings->stratum_ban_s;
    if (last != NULL && last[1] >= '0' && last[1] <= '9' && strchr(last, '/') == NULL) {
        seconds = strtoul(last + 1, &end, 10);
        *last = '\0';
    }
    bool valid = seconds > 0 && seconds <= 366ul * 86400;
    bool done = valid && conducts_ban(gateway, whom, (uint64_t)seconds * 1000);
    *text_r = !valid ? "for how long? give seconds, up to a year"
              : done ? "banned; connections that are open stay"
                     : "that is no address, no IPv6 network of 64 bits and no worker "
                       "ACCOUNT/WORKER";
    return done;
}

bool control_lift(struct gateway *gateway, const char *argument, const char **text_r)
{
    bool done = conducts_lift(gateway, argument);
    *text_r = done ? "lifted" : "nobody of that name is banned (adit gateway bans lists them)";
    return done;
}

static void drain(struct gateway *gateway, struct bus_call *call)
{
    log_info("control.drain", "miners=%zu", gateway->miners);
    reply(call, true, "draining: no new connections, miners are told to reconnect");
    (void)kill(getpid(), SIGTERM); /* what an orderly stop does anyway */
}

static void upgrade(struct gateway *gateway, struct bus_call *call)
{
    struct error error;
    if (upgrading_begin(gateway, &error))
        reply(call, true, "the program is replaced when all shares have their verdicts");
    else
        reply(call, false, error.text);
}

/* What became of it: who asked goes on asking while it is under way, and knows one that came to
 * something by its time. */
static void say_upgraded(struct gateway *gateway, struct bus_call *call)
{
    const struct upgrading *upgrading = &gateway->upgrading;
    const time_t seconds = (time_t)(upgrading->taken_ms / 1000);
    char text[96];
    struct tm at;
    if (upgrading->state != UPGRADING_NOT) {
        reply(call, true, "under way");
    } else if (upgrading->refused[0] != '\0') {
        reply(call, false, upgrading->refused);
    } else if (upgrading->taken_ms == 0) {
        reply(call, false, "this program took over from none");
    } else {
        (void)gmtime_r(&seconds, &at);
        snprintf(text, sizeof text,
                 "another program took over at %02d:%02d:%02d.%03u, with all plain connections",
                 at.tm_hour, at.tm_min, at.tm_sec, (unsigned)(upgrading->taken_ms % 1000));
        reply(call, true, text);
    }
}

static void on_request(void *context, struct bus_call *call, struct span message)
{
    struct gateway *gateway = context;
    struct wire_control_request request;
    struct error error;
    const char *text = "";
    _Alignas(16) uint8_t memory[REQUEST_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_decode_control_request(message, &arena, &request, &error))
        reply(call, false, error.text);
    else if (strcmp(request.verb, "status") == 0)
        say_status(gateway, call);
    else if (strcmp(request.verb, "bans") == 0)
        say_bans(gateway, call);
    else if (strcmp(request.verb, "ban") == 0)
        reply(call, control_ban(gateway, request.argument, &text), text);
    else if (strcmp(request.verb, "lift") == 0)
        reply(call, control_lift(gateway, request.argument, &text), text);
    else if (strcmp(request.verb, "drain") == 0)
        drain(gateway, call);
    else if (strcmp(request.verb, "upgrade") == 0)
        upgrade(gateway, call);
    else if (strcmp(request.verb, "upgraded") == 0)
        say_upgraded(gateway, call);
    else
        reply(call, false, "a gateway knows status, bans, ban, lift, drain and upgrade");
}

bool control_open(struct gateway *gateway, struct error *error)
{
    gateway->control = bus_serve(gateway->service->bus, gateway->settings->stratum_control,
                                 IN_FLIGHT, REQUEST_BYTES, on_request, gateway, error);
    return gateway->control != NULL;
}

void control_close(struct gateway *gateway)
{
    if (gateway->control != NULL)
        bus_server_close(gateway->control);
    gateway->control = NULL;
}
