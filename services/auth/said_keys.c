#include "services/auth/said_keys.h"

#include "loop/loop.h"
#include "record/access/keys.h"
#include "service/log.h"
#include "services/auth/store_thread.h"

#include <inttypes.h>
#include <stdlib.h>

struct said_keys {
    struct store_job job; /* first */
    struct said_keys_options options;
    struct identity_key key;
    struct store_thread *store;
    struct loop_timer timer;
    bool saying;
    struct access_keys asked;   /* the store's thread's while saying */
    enum store_outcome outcome; /* likewise */
    struct access_keys said;    /* count 0: nothing was said yet */
    bool behind;
};

static const char what[] = "keys of tokens";

static bool ask(struct store_job *job, struct store *store, struct error *error)
{
    struct said_keys *said = (struct said_keys *)job;
    said->outcome = access_keys_say(store, &said->key, &said->asked, error);
    return said->outcome != STORE_FAILED && said->outcome != STORE_UNKNOWN;
}

static void set_behind(struct said_keys *said, bool behind)
{
    static const char reason[] = "auth.key is older than that of another instance: give all "
                                 "the same file, or adit auth rotate-key";
    if (said->behind == behind)
        return;
    said->behind = behind;
    if (behind)
        log_error("auth.keys_behind", "generation=%" PRIu64 " reason=\"%s\"",
                  said->asked.generation, reason);
    if (said->options.on_trouble != NULL)
        said->options.on_trouble(said->options.context, what, behind ? reason : NULL);
}

static void done(struct store_job *job)
{
    struct said_keys *said = (struct said_keys *)job;
    said->saying = false;
    if (job->failed || said->outcome == STORE_CONFLICT)
        return; /* at the next look again */
    set_behind(said, said->outcome == STORE_EXISTS);
    if (!said->behind && said->said.generation != said->asked.generation)
        log_info("auth.keys_said", "generation=%" PRIu64 " keys=%zu", said->asked.generation,
                 said->asked.count);
    said->said = said->asked;
}

static void look(void *context)
{
    struct said_keys *said = context;
    uint64_t now_s = loop_unix_ms() / 1000;
    struct access_keys keys = { .said_s = now_s };
    if (said->saying)
        return;
    people_keys(said->options.people, &keys);
    bool same = said->said.count == keys.count && said->said.generation == keys.generation &&
                memcmp(said->said.keys, keys.keys, keys.count * sizeof *keys.keys) == 0;
    /* A clock that was set back must not keep it silent. */
    uint64_t since_s = now_s < said->said.said_s ? UINT64_MAX : now_s - said->said.said_s;
    if (same && since_s < SAID_KEYS_AGAIN_S)
        return;
    said->asked = keys;
    said->job.ask = ask;
    said->job.done = done;
    said->saying = store_thread_submit(said->store, &said->job);
}

struct said_keys *said_keys_create(const struct said_keys_options *options, struct error *error)
{
    struct said_keys *said = calloc(1, sizeof *said);
    if (said == NULL) {
        error_fill(error, ERROR_FULL, "no memory for what is said of keys");
        return NULL;
    }
    said->options = *options;
    said->key = *options->key;
    const struct store_thread_options store = { .loop = options->loop,
                                                .name = "keys",
                                                .queue_max = 1,
                                                .open = options->open_store,
                                                .context = options->context };
    said->store = store_thread_create(&store, error);
    if (said->store == NULL) {
        free(said);
        return NULL;
    }
    said->timer = (struct loop_timer){ .on_due = look, .context = said };
    loop_timer_start(options->loop, &said->timer, 0, SAID_KEYS_LOOK_MS);
    return said;
}

void said_keys_destroy(struct said_keys *said)
{
    if (said == NULL)
        return;
    loop_timer_stop(said->options.loop, &said->timer);
    store_thread_destroy(said->store);
    explicit_bzero(&said->key, sizeof said->key);
    free(said);
}
