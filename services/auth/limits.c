#include "services/auth/limits.h"

#include "adapter/cache_redis/cache.h"

#include <stdlib.h>

enum { CACHE_TIMEOUT_MS = 250 };

struct limits {
    struct limits_options options;
    struct limiter *here; /* what counts while redis is away */
    struct cache *cache;  /* the thread's; NULL: none is set */
    struct worker *worker;
    bool away;
    bool ending; /* nothing is submitted any more */
};

struct limits *limits_create(const struct limits_options *options, struct error *error)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits == NULL || (limits->here = limiter_create()) == NULL) {
        error_fill(error, ERROR_FULL, "no memory for limits");
        free(limits);
        return NULL;
    }
    limits->options = *options;
    if (options->url[0] == '\0')
        return limits;
    limits->cache = cache_open(options->url, CACHE_TIMEOUT_MS, error);
    if (limits->cache != NULL)
        limits->worker = worker_create(options->loop, "limits", 1, LIMITS_QUEUE_MAX, error);
    if (limits->worker != NULL)
        return limits;
    limits_destroy(limits);
    return NULL;
}

void limits_destroy(struct limits *limits)
{
    if (limits == NULL)
        return;
    limits->ending = true;
    if (limits->worker != NULL)
        worker_destroy(limits->worker);
    cache_close(limits->cache);
    limiter_destroy(limits->here);
    free(limits);
}

void limits_add(const struct limits *limits, struct limits_call *call, unsigned max,
                const struct span *parts, size_t count)
{
    if (max == 0)
        return;
    ASSERT(call->count < LIMITS_KEYS_MAX);
    struct limits_key *key = &call->keys[call->count++];
    key->max = max;
    secrets_hash(limits->options.key, parts, count, key->bytes, sizeof key->bytes);
}

static struct span bytes_of(const struct limits_key *key)
{
    return span_of(key->bytes, sizeof key->bytes);
}

static void count_here(struct limits_call *call)
{
    struct limiter *here = call->limits->here;
    uint64_t now_s = loop_unix_ms() / 1000;
    call->counted_here = true;
    call->allowed = true;
    for (size_t i = 0; i < call->count && call->allowed; i++) {
        const struct span key = bytes_of(&call->keys[i]);
        call->allowed = limiter_take(here, &key, 1, call->keys[i].max, now_s, &call->wait_s);
        for (size_t j = 0; j < i && !call->allowed; j++) {
            const struct span taken = bytes_of(&call->keys[j]);
            limiter_give_back(here, &taken, 1);
        }
    }
}

/* On the worker's thread. */
static void ask(struct worker_job *job)
{
    struct limits_call *call =
        (struct limits_call *)((char *)job - offsetof(struct limits_call, job));
    struct cache *cache = call->limits->cache;
    struct cache_count counts[LIMITS_KEYS_MAX];
    uint64_t wait_ms = 0;
    for (size_t i = 0; i < call->count; i++)
        counts[i] = (struct cache_count){ bytes_of(&call->keys[i]), call->keys[i].max };
    switch (call->verb) {
    case LIMITS_TAKE:
        call->reached = cache_take(cache, counts, call->count, LIMITER_WINDOW_S * (uint64_t)1000,
                                   &call->allowed, &wait_ms, &call->error);
        call->wait_s = (unsigned)((wait_ms + 999) / 1000);
        break;
    case LIMITS_GIVE_BACK:
        call->reached = cache_give_back(cache, counts[0].key, &call->error);
        break;
    case LIMITS_FORGET:
        call->reached = cache_forget(cache, counts[0].key, &call->error);
        break;
    }
}

static void note(struct limits *limits, const struct limits_call *call)
{
    if (limits->away == !call->reached)
        return;
    limits->away = !call->reached;
    if (limits->options.on_away != NULL)
        limits->options.on_away(limits->options.context, call->reached ? NULL : call->error.text);
}

static void asked(struct worker_job *job)
{
    struct limits_call *call =
        (struct limits_call *)((char *)job - offsetof(struct limits_call, job));
    note(call->limits, call);
    if (!call->reached && call->verb == LIMITS_TAKE)
        count_here(call);
    call->done(call);
}

static bool submit(struct limits *limits, struct limits_call *call, enum limits_verb verb)
{
    call->limits = limits;
    call->verb = verb;
    call->counted_here = false;
    call->job = (struct worker_job){ .work = ask, .done = asked };
    return limits->worker != NULL && !limits->ending && worker_submit(limits->worker, &call->job);
}

void limits_take(struct limits *limits, struct limits_call *call)
{
    if (call->count > 0 && submit(limits, call, LIMITS_TAKE))
        return;
    /* Without redis, or with more waiting for it than it answers. */
    count_here(call);
    call->done(call);
}

static void forget_call(struct limits_call *call)
{
    free(call);
}

/* One key of a call that was allowed. */
static void change(struct limits *limits, const struct limits_call *call, size_t key,
                   enum limits_verb verb)
{
    const struct span bytes = bytes_of(&call->keys[key]);
    if (call->counted_here && verb == LIMITS_GIVE_BACK)
        limiter_give_back(limits->here, &bytes, 1);
    else if (call->counted_here)
        limiter_forget(limits->here, &bytes, 1);
    if (call->counted_here)
        return;
    struct limits_call *other = calloc(1, sizeof *other);
    if (other == NULL)
        return; /* the count ends by itself */
    other->keys[0] = call->keys[key];
    other->count = 1;
    other->done = forget_call;
    if (!submit(limits, other, verb))
        free(other);
}

void limits_give_back(struct limits *limits, const struct limits_call *call, size_t key)
{
    change(limits, call, key, LIMITS_GIVE_BACK);
}

void limits_forget(struct limits *limits, const struct limits_call *call, size_t key)
{
    change(limits, call, key, LIMITS_FORGET);
}
