#include "services/auth/auth.h"

#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>

static void reply_control(struct bus_call *call, bool ok, const char *text)
{
    uint8_t memory[2048];
    const struct wire_control_reply message = { .ok = ok, .text = text };
    size_t length = wire_encode_control_reply(&message, memory, sizeof memory);
    if (length == 0)
        bus_drop(call);
    else
        (void)bus_reply(call, span_of(memory, length));
}

static void on_control(void *context, struct bus_call *call, struct span message)
{
    struct auth *auth = context;
    struct wire_control_request request;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_decode_control_request(message, &arena, &request, &error)) {
        reply_control(call, false, error.text);
        return;
    }
    if (strcmp(request.verb, "status") != 0) {
        reply_control(call, false, "auth knows the verb status");
        return;
    }
    char text[512];
    struct miners_counts counts = miners_counts(auth->miners);
    snprintf(text, sizeof text,
             "{\"store\":\"%s\",\"yes\":%" PRIu64 ",\"no\":%" PRIu64 ",\"unavailable\":%" PRIu64
             ",\"remembered\":%" PRIu64 ",\"accounts_bound\":%" PRIu64
             ",\"known\":%zu,\"questions\":%zu}",
             counts.store_away ? "away" : "up", counts.yes, counts.no, counts.unavailable,
             counts.remembered, counts.made, counts.known, counts.questions);
    reply_control(call, true, text);
}

static struct store *open_store(void *context, struct error *error)
{
    struct auth *auth = context;
    return auth->options.open_store(auth->options.context, error);
}

static void tell(struct auth *auth, const char *what, const char *reason)
{
    if (auth->options.on_trouble != NULL)
        auth->options.on_trouble(auth->options.context, what, reason);
}

static void on_miners_store(void *context, const char *reason)
{
    tell(context, "store", reason);
}

static void on_people_store(void *context, const char *reason)
{
    tell(context, "store for logins", reason);
}

static void on_people_limits(void *context, const char *reason)
{
    tell(context, "limits in redis.cache", reason);
}

static void on_people_letters(void *context, const char *reason)
{
    tell(context, "letters", reason);
}

static void on_people_notices(void *context, const char *reason)
{
    tell(context, "notices by e-mail", reason);
}

bool auth_open(struct auth *auth, const struct auth_options *options, enum service_exit *code_r,
               struct error *error)
{
    *auth = (struct auth){ .options = *options };
    const struct people_options people = { .loop = options->loop,
                                           .metrics = options->metrics,
                                           .settings = options->settings,
                                           .coin = options->coin,
                                           .key = &options->key,
                                           .open_store = open_store,
                                           .on_store = on_people_store,
                                           .on_limits = on_people_limits,
                                           .on_letters = on_people_letters,
                                           .on_notices = on_people_notices,
                                           .context = auth };
    const struct miners_options miners = { .loop = options->loop,
                                           .bus = options->bus,
                                           .url = options->settings->auth_listen,
                                           .metrics = options->metrics,
                                           .coin = options->coin,
                                           .key = &options->key,
                                           .fresh_ms = options->fresh_ms,
                                           .open_store = open_store,
                                           .on_store = on_miners_store,
                                           .on_other = on_control,
                                           .context = auth };
    explicit_bzero(&auth->options.key, sizeof auth->options.key); /* each part has its own */
    *code_r = SERVICE_EXIT_SETTINGS;
    auth->people = people_create(&people, error);
    if (auth->people == NULL)
        return false;
    *code_r = SERVICE_EXIT_PORT;
    auth->miners = miners_create(&miners, error);
    if (auth->miners == NULL)
        people_destroy(auth->people);
    return auth->miners != NULL;
}

void auth_close(struct auth *auth)
{
    miners_destroy(auth->miners);
    people_destroy(auth->people);
}
