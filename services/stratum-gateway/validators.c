#include "services/stratum-gateway/validators.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(VALIDATORS_MAX <= 64, "each has a bit");

enum {
    REPLY_BYTES_MAX = 65536,
    PAUSE_MIN_MS = 50, /* of one that could not take a batch; doubles */
    PAUSE_MAX_MS = 200,
    DEPART_MS = 10000,     /* one that is leaving is gone by then */
    LEARNT_KEPT_MS = 1000, /* what a share takes is looked at anew after that */
    ROOM_SHARE = 10,       /* of the time-out: what may be queued at one */
    UNSEEN_IN_FLIGHT = 3,  /* batches at one of whom nothing is known of late */
    BATCH_TARGET_NS = 25000000,
    BATCH_SHARES_MIN = 32,
    ALIKE_NS = 1000000, /* and a quarter: expectations as far apart are taken for equal */
    SILENT_TICKS = 2,   /* seen twice, so that a hiccup of our own is not taken for theirs */
};

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
    validator->deaf = false;
    validator->silent_ticks = 0;
    validator->quiet_ms = validator->heard_ms = loop_now_ms(validator->all->loop);
}

/* Better news is believed sooner than worse: a lone share tells of the disk's fsync, not of what a
 * share takes in a flood. */
void validator_judged(struct validator *validator, uint64_t queued, uint64_t took_ns)
{
    uint64_t share_ns = took_ns / (queued > 0 ? queued : 1) + 1, old_ns = validator->share_ns;
    validator_answered(validator);
    validator->refusals = 0;
    if (old_ns == 0)
        validator->share_ns = share_ns;
    else if (share_ns < old_ns)
        validator->share_ns = (old_ns + share_ns) / 2;
    else
        validator->share_ns = old_ns + (share_ns - old_ns) / 8;
    validator->learnt_ms = validator->heard_ms;
    validator->learnt_of = queued;
}

/* One that was lost and comes back without the window stays aside until it judges. */
void validator_refused(struct validator *validator)
{
    unsigned pause_ms = (unsigned)PAUSE_MIN_MS
                        << (validator->refusals < 2 ? validator->refusals : 2);
    uint64_t now_ms = loop_now_ms(validator->all->loop);
    validator->refusals++;
    validator->silent_ticks = 0;
    validator->quiet_ms = validator->heard_ms = now_ms;
    validator->paused_ms = now_ms + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    if (validator->backoff_ms != 0)
        validator->again_ms = validator->paused_ms;
}

void validator_departs(struct validator *validator)
{
    uint64_t now_ms = loop_now_ms(validator->all->loop);
    validator_answered(validator);
    if (now_ms >= validator->departed_ms)
        log_info("validator.departs", "url=%s", validator->url);
    validator->departed_ms = now_ms + DEPART_MS;
}

void validator_given(struct validator *validator, uint32_t shares, uint64_t *queued_r)
{
    if (validator->in_flight++ == 0)
        validator->quiet_ms = loop_now_ms(validator->all->loop);
    validator->shares += shares;
    validator->given = ++validator->all->given;
    *queued_r = validator->shares;
}

void validator_ended(struct validator *validator, uint32_t shares)
{
    ASSERT(validator->in_flight > 0 && validator->shares >= shares);
    validator->in_flight--;
    validator->shares -= shares;
}

static bool is_healthy(const struct validator *validator, uint64_t now_ms)
{
    return validator->up && !validator->leaving && validator->backoff_ms == 0 &&
           now_ms >= validator->departed_ms;
}

static bool knows_share_ns(const struct validator *validator, uint64_t now_ms)
{
    return validator->share_ns != 0 && now_ms - validator->learnt_ms < LEARNT_KEPT_MS;
}

/* What a share takes at the quickest; 0: nothing is known. */
static uint64_t best_share_ns(const struct validators *validators, uint64_t now_ms)
{
    uint64_t best = 0;
    for (size_t i = 0; i < validators->count; i++) {
        const struct validator *one = validators->list[i];
        if (is_healthy(one, now_ms) && knows_share_ns(one, now_ms) &&
            (best == 0 || one->share_ns < best))
            best = one->share_ns;
    }
    return best;
}

/* One of whom nothing is known of late is taken for as good as the best, and so gets to show it. */
static uint64_t share_ns_of(const struct validator *validator, uint64_t now_ms, uint64_t best)
{
    return knows_share_ns(validator, now_ms) ? validator->share_ns : best > 0 ? best : 1;
}

static bool has_room(const struct validator *validator, uint64_t now_ms, uint64_t work_ns)
{
    if (!is_healthy(validator, now_ms) || validator->in_flight >= VALIDATORS_IN_FLIGHT_MAX ||
        now_ms < validator->paused_ms)
        return false;
    if (!knows_share_ns(validator, now_ms) && validator->in_flight >= UNSEEN_IN_FLIGHT)
        return false; /* a slow one would have to drop what we can hold */
    return validator->in_flight == 0 ||
           work_ns <= (uint64_t)validator->all->timeout_ms * 1000000u / ROOM_SHARE;
}

/* The quickest, or another that should be hardly later: these take turns, so that an idle pool uses
 * all and differences too small to be known do not decide. */
struct validator *validators_choose(const struct validators *validators, uint32_t shares,
                                    uint64_t but)
{
    uint64_t now_ms = loop_now_ms(validators->loop), due_ns[VALIDATORS_MAX];
    uint64_t share_ns = best_share_ns(validators, now_ms), soonest_ns = UINT64_MAX;
    struct validator *best = NULL;
    bool any_healthy = false;
    for (size_t i = 0; i < validators->count; i++) {
        const struct validator *one = validators->list[i];
        due_ns[i] = (one->shares + shares) * share_ns_of(one, now_ms, share_ns);
        any_healthy |= is_healthy(one, now_ms);
        if ((one->bit & but) != 0 || !has_room(one, now_ms, due_ns[i]))
            due_ns[i] = UINT64_MAX;
        else if (due_ns[i] < soonest_ns)
            soonest_ns = due_ns[i];
    }
    for (size_t i = 0; i < validators->count && soonest_ns != UINT64_MAX; i++) {
        struct validator *one = validators->list[i];
        if (due_ns[i] <= soonest_ns + soonest_ns / 4 + ALIKE_NS &&
            (best == NULL || one->given < best->given))
            best = one;
    }
    for (size_t i = 0; i < validators->count && !any_healthy; i++) {
        struct validator *one = validators->list[i];
        if ((one->bit & but) == 0 && one->up && !one->leaving && one->in_flight == 0 &&
            now_ms >= one->departed_ms && now_ms >= one->failed_ms + VALIDATORS_BACKOFF_MIN_MS)
            return one;
    }
    return best;
}

bool validators_all_in(const struct validators *validators, uint64_t asked)
{
    bool any = false;
    for (size_t i = 0; i < validators->count; i++) {
        if (validators->list[i]->leaving)
            continue;
        if ((validators->list[i]->bit & asked) == 0)
            return false;
        any = true;
    }
    return any;
}

struct validator *validators_choose_probe(const struct validators *validators, uint64_t but)
{
    uint64_t now_ms = loop_now_ms(validators->loop);
    for (size_t i = 0; i < validators->count; i++) {
        struct validator *one = validators->list[i];
        if (one->up && !one->leaving && one->backoff_ms != 0 && one->in_flight == 0 &&
            now_ms >= one->again_ms && now_ms >= one->departed_ms && (one->bit & but) == 0)
            return one;
    }
    return NULL;
}

struct validator *validators_choose_other(const struct validators *validators, uint32_t shares,
                                          uint64_t denied, uint64_t holders)
{
    struct validator *chosen = validators_choose(validators, shares, denied | holders);
    return chosen != NULL || denied == 0 ? chosen
                                         : validators_choose_probe(validators, denied | holders);
}

unsigned validators_least_under_way(const struct validators *validators)
{
    uint64_t now_ms = loop_now_ms(validators->loop);
    const struct validator *least = NULL;
    for (size_t i = 0; i < validators->count; i++) {
        const struct validator *one = validators->list[i];
        if (is_healthy(one, now_ms) && (least == NULL || one->in_flight < least->in_flight))
            least = one;
    }
    return least != NULL ? least->in_flight : 0;
}

uint32_t validators_batch_shares(const struct validators *validators, uint32_t most)
{
    uint64_t now_ms = loop_now_ms(validators->loop), share_ns = 0;
    for (size_t i = 0; i < validators->count; i++) {
        const struct validator *one = validators->list[i];
        if (is_healthy(one, now_ms) && knows_share_ns(one, now_ms) &&
            one->learnt_of >= BATCH_SHARES_MIN && (share_ns == 0 || one->share_ns < share_ns))
            share_ns = one->share_ns;
    }
    uint64_t shares = share_ns > 0 ? BATCH_TARGET_NS / share_ns : most;
    if (shares < BATCH_SHARES_MIN)
        shares = BATCH_SHARES_MIN;
    return shares < most ? (uint32_t)shares : most;
}

static bool another_answered(const struct validator *validator)
{
    const struct validators *all = validator->all;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i] != validator && all->list[i]->heard_ms > validator->quiet_ms &&
            is_healthy(all->list[i], loop_now_ms(all->loop)))
            return true;
    return false;
}

bool validator_falls_silent(struct validator *validator)
{
    uint64_t now_ms = loop_now_ms(validator->all->loop);
    uint64_t due_ms = 4 * validator->shares * validator->share_ns / 1000000u;
    if (validator->in_flight == 0 || validator->backoff_ms != 0 ||
        now_ms - validator->quiet_ms < VALIDATORS_SILENCE_MS ||
        now_ms - validator->quiet_ms < due_ms || !another_answered(validator)) {
        validator->silent_ticks = 0;
        return false;
    }
    if (++validator->silent_ticks < SILENT_TICKS)
        return false;
    validator->silent_ticks = 0;
    validator_failed(validator, "silent while others answer");
    return true;
}

static void on_up(void *context)
{
    struct validator *validator = context;
    uint64_t now_ms = loop_now_ms(validator->all->loop);
    validator->up = true;
    /* Who is there now may be another: it is looked at at once. */
    validator->paused_ms = validator->departed_ms = 0;
    validator->again_ms = validator->failed_ms = validator->identity_ms = 0;
    validator->known = false;
    memset(validator->key, 0, sizeof validator->key);
    validator->instance[0] = '\0';
    validator->quiet_ms = now_ms;
    log_info("validator.up", "url=%s", validator->url);
    validator->all->on_up(validator->all->context);
}

static void on_down(void *context)
{
    struct validator *validator = context;
    validator->up = false;
    log_warn("validator.down", "url=%s", validator->url);
}

static uint64_t free_bit(const struct validators *validators)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < validators->count; i++)
        taken |= validators->list[i]->bit;
    return ~taken & (taken + 1);
}

static bool open_validator(struct validators *validators, const char *url)
{
    if (validators->count == VALIDATORS_MAX) {
        log_error("validator.too_many", "url=%s max=%d", url, VALIDATORS_MAX);
        return false;
    }
    struct validator *validator = calloc(1, sizeof *validator);
    struct error error = { 0 };
    if (validator == NULL) {
        log_error("validator.connect", "url=%s reason=\"no memory\"", url);
        return false;
    }
    validator->all = validators;
    validator->bit = free_bit(validators);
    snprintf(validator->url, sizeof validator->url, "%s", url);
    const struct bus_client_options options = { .in_flight_max = VALIDATORS_IN_FLIGHT_MAX + 1,
                                                .message_bytes_max = REPLY_BYTES_MAX,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = validator };
    validator->client = bus_connect(validators->bus, url, &options, &error);
    if (validator->client == NULL) {
        log_error("validator.connect", "url=%s reason=\"%s\"", url, error.text);
        free(validator);
        return false;
    }
    validators->list[validators->count++] = validator;
    return true;
}

static void close_validator(struct validators *validators, size_t place)
{
    struct validator *validator = validators->list[place];
    validators->list[place] = validators->list[--validators->count];
    bus_client_close(validator->client);
    free(validator);
}

bool validators_set(struct validators *validators, const char (*urls)[VALIDATORS_URL_BYTES],
                    size_t count)
{
    bool all = true;
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
        if (!known && !open_validator(validators, urls[k]))
            all = false;
    }
    return all;
}

void validators_sweep(struct validators *validators)
{
    for (size_t i = validators->count; i > 0; i--)
        if (validators->list[i - 1]->leaving && validators->list[i - 1]->in_flight == 0)
            close_validator(validators, i - 1);
}

unsigned validators_healthy(const struct validators *validators)
{
    uint64_t now_ms = loop_now_ms(validators->loop);
    unsigned healthy = 0;
    for (size_t i = 0; i < validators->count; i++)
        healthy += is_healthy(validators->list[i], now_ms);
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
                     unsigned timeout_ms, void (*on_one_up)(void *context), void *context)
{
    *validators = (struct validators){
        .loop = loop, .bus = bus, .timeout_ms = timeout_ms, .on_up = on_one_up, .context = context
    };
}

void validators_deinit(struct validators *validators)
{
    for (size_t i = 0; i < validators->count; i++)
        validators->list[i]->leaving = true;
    while (validators->count > 0)
        close_validator(validators, validators->count - 1);
}
