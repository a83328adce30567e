#include "services/stratum-gateway/validators.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPLY_BYTES_MAX = 65536 };

void validator_failed(struct validator *validator, const char *why)
{
    uint64_t now_ms = loop_now_ms(validator->all->loop);
    if (validator->leaving)
        return;
    if (validator->backoff_ms == 0) {
        log_warn("validator.failing", "url=%s reason=\"%s\"", validator->url, why);
        validator->backoff_ms = VALIDATORS_BACKOFF_MIN_MS;
    } else if (now_ms >= validator->again_ms) {
        /* What was under way together counts as one failure. */
        validator->backoff_ms = validator->backoff_ms * 2 < VALIDATORS_BACKOFF_MAX_MS
                                    ? validator->backoff_ms * 2
                                    : VALIDATORS_BACKOFF_MAX_MS;
    }
    validator->failed_ms = now_ms;
    validator->again_ms = now_ms + validator->backoff_ms;
}

void validator_answered(struct validator *validator)
{
    if (validator->backoff_ms != 0)
        log_info("validator.answers", "url=%s", validator->url);
    validator->backoff_ms = 0;
}

void validator_paused(struct validator *validator, uint64_t pause_ms)
{
    validator->paused_ms = loop_now_ms(validator->all->loop) + pause_ms;
}

static bool is_healthy(const struct validator *validator)
{
    return validator->up && !validator->leaving && validator->backoff_ms == 0;
}

static bool has_room(const struct validator *validator, uint64_t now_ms)
{
    return is_healthy(validator) && validator->in_flight < VALIDATORS_IN_FLIGHT_MAX &&
           now_ms >= validator->paused_ms;
}

/* A failing one whose turn it is to show that it is back. */
static bool may_be_tried(const struct validator *validator, uint64_t now_ms, bool any_healthy)
{
    if (!validator->up || validator->leaving || validator->backoff_ms == 0 ||
        validator->in_flight != 0)
        return false;
    return now_ms >= validator->again_ms ||
           (!any_healthy && now_ms >= validator->failed_ms + VALIDATORS_BACKOFF_MIN_MS);
}

struct validator *validators_choose(const struct validators *validators)
{
    uint64_t now_ms = loop_now_ms(validators->loop);
    struct validator *best = NULL;
    bool any_healthy = false;
    for (size_t i = 0; i < validators->count; i++) {
        struct validator *one = validators->list[i];
        any_healthy |= is_healthy(one);
        if (has_room(one, now_ms) && (best == NULL || one->in_flight < best->in_flight))
            best = one;
    }
    for (size_t i = 0; i < validators->count; i++)
        if (may_be_tried(validators->list[i], now_ms, any_healthy))
            return validators->list[i];
    return best;
}

static void on_up(void *context)
{
    struct validator *validator = context;
    validator->up = true;
    log_info("validator.up", "url=%s", validator->url);
    validator->all->on_up(validator->all->context);
}

static void on_down(void *context)
{
    struct validator *validator = context;
    validator->up = false;
    log_warn("validator.down", "url=%s", validator->url);
}

static void open_validator(struct validators *validators, const char *url)
{
    if (validators->count == VALIDATORS_MAX) {
        log_error("validator.too_many", "url=%s max=%d", url, VALIDATORS_MAX);
        return;
    }
    struct validator *validator = calloc(1, sizeof *validator);
    struct error error = { 0 };
    if (validator == NULL)
        return;
    validator->all = validators;
    snprintf(validator->url, sizeof validator->url, "%s", url);
    const struct bus_client_options options = { .in_flight_max = VALIDATORS_IN_FLIGHT_MAX,
                                                .message_bytes_max = REPLY_BYTES_MAX,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = validator };
    validator->client = bus_connect(validators->bus, url, &options, &error);
    if (validator->client == NULL) {
        log_error("validator.connect", "url=%s reason=\"%s\"", url, error.text);
        free(validator);
        return;
    }
    validators->list[validators->count++] = validator;
}

static void close_validator(struct validators *validators, size_t place)
{
    struct validator *validator = validators->list[place];
    validators->list[place] = validators->list[--validators->count];
    bus_client_close(validator->client);
    free(validator);
}

void validators_set(struct validators *validators, const char (*urls)[VALIDATORS_URL_BYTES],
                    size_t count)
{
    for (size_t i = 0; i < validators->count; i++)
        validators->list[i]->leaving = true;
    for (size_t k = 0; k < count; k++) {
        bool known = false;
        for (size_t i = 0; i < validators->count; i++) {
            if (strcmp(validators->list[i]->url, urls[k]) == 0) {
                validators->list[i]->leaving = false;
                known = true;
            }
        }
        if (!known)
            open_validator(validators, urls[k]);
    }
}

void validators_sweep(struct validators *validators)
{
    for (size_t i = validators->count; i > 0; i--)
        if (validators->list[i - 1]->leaving && validators->list[i - 1]->in_flight == 0)
            close_validator(validators, i - 1);
}

unsigned validators_healthy(const struct validators *validators)
{
    unsigned healthy = 0;
    for (size_t i = 0; i < validators->count; i++)
        healthy += is_healthy(validators->list[i]);
    return healthy;
}

unsigned validators_staying(const struct validators *validators)
{
    unsigned staying = 0;
    for (size_t i = 0; i < validators->count; i++)
        staying += !validators->list[i]->leaving;
    return staying;
}

void validators_init(struct validators *validators, struct loop *loop, struct bus *bus,
                     void (*on_one_up)(void *context), void *context)
{
    *validators =
        (struct validators){ .loop = loop, .bus = bus, .on_up = on_one_up, .context = context };
}

void validators_deinit(struct validators *validators)
{
    for (size_t i = 0; i < validators->count; i++)
        validators->list[i]->leaving = true;
    while (validators->count > 0)
        close_validator(validators, validators->count - 1);
}
