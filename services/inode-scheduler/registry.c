#include "services/inode-scheduler/registry.h"

#include "adapter/token_sodium/token.h"
#include "core/score/score.h"
#include "service/log.h"
#include "services/inode-scheduler/books.h"
#include "services/inode-scheduler/list_source.h"
#include "services/inode-scheduler/nonces.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 1000,
    RETRY_MS = 2000,
    SAYINGS_MAX = 1024,
    SOURCE_TIMEOUT_MS = 15000,
    HELLO_SKEW_MS = 600 * 1000,
    HELLO_BYTES_MAX = 512,
};

/* What is done again and again, or again until it is done; and what a failure is counted under. */
enum timer { TIMER_BEGIN, TIMER_DECAY, TIMER_VALIDATOR_DECAY, TIMER_FETCH, TIMER_HELLO, TIMERS };
static const char *const timer_names[TIMERS] = {
    [TIMER_BEGIN] = "begin",
    [TIMER_DECAY] = "decay",
    [TIMER_VALIDATOR_DECAY] = "validator_decay",
    [TIMER_FETCH] = "fetch_validators",
    [TIMER_HELLO] = "hello",
};

_Static_assert((int)INODE_SIGNATURE_BYTES == (int)TOKEN_SIGNATURE_BYTES &&
                   (int)MEMBER_KEY_BYTES == (int)TOKEN_PUBLIC_BYTES,
               "members sign as tokens are signed");

/* What became of one thing to do. */
struct done {
    enum store_outcome outcome;
    struct error error;
};

/* What is done every second, where it is due. */
struct round {
    struct worker_job job;
    bool running;
    bool begin, decays[2]; /* asked for, by enum member_kind */
    bool begun;            /* members': our epoch is in every record */
    struct turn turns[2];  /* as last seen */
    bool known[2];
    struct done beginning, decayed[2];
};

/* The list on its way: read on `lists`, taken in on `members`. */
struct listing {
    struct worker_job job;
    bool running;
    struct member_list list;
    bool good; /* else *error says what is wrong with the source */
    enum store_outcome outcome;
    struct error error;
};

struct registry {
    struct registry_options options;
    char pool[ADDRESS_TEXT_BYTES];
    struct books books;
    struct worker *members, *lists;
    struct nonces *nonces; /* members' */
    struct loop_timer tick, refresh;
    struct round round;
    struct listing listing;
    _Atomic bool stop;
    bool stopping, deposed, down;
    char trouble[sizeof((struct error *)0)->text];
    struct metric *stale, *fetches, *refused[INODE_REFUSALS_COUNT], *taken;
    struct metric *failures[TIMERS];
};

bool registry_check(const struct settings *settings, const struct coin_profile *coin,
                    struct error *error)
{
    struct member_list list = { 0 };
    bool good = true;
    for (size_t i = 0; i < settings->scheduler_validators.count && good; i++)
        good = member_list_add(&list, coin, settings->scheduler_validators.items[i], error);
    good = good && member_list_check(&list, error);
    member_list_free(&list);
    if (!good)
        error_fill_prefix(error, "scheduler.validators");
    return good && (settings->scheduler_validators_from[0] == '\0' ||
                    list_source_check(settings->scheduler_validators_from, error));
}

static void tell_trouble(struct registry *registry, const char *reason)
{
    registry->options.on_trouble(registry->options.context, "validators", reason);
}

static void count_failure(struct registry *registry, enum timer timer, const struct error *error)
{
    metric_add(registry->failures[timer], 1);
    log_warn("timer.failed", "timer=%s reason=\"%s\"", timer_names[timer], error->text);
}

/* What the store's answer means: true where all is done. */
static bool settle(struct registry *registry, enum timer timer, enum store_outcome outcome,
                   const struct error *error)
{
    if (outcome == STORE_DONE)
        return true;
    if (outcome == STORE_CONFLICT && !registry->deposed && !registry->stopping) {
        registry->deposed = true;
        registry->options.on_deposed(registry->options.context);
    } else if (outcome != STORE_CONFLICT) {
        count_failure(registry, timer, error);
    }
    return false;
}

/* The round. */

static struct registry *of_round(struct worker_job *job)
{
    return (struct registry *)((char *)job - offsetof(struct registry, round.job));
}

static void round_work(struct worker_job *job)
{
    struct registry *registry = of_round(job);
    struct round *round = &registry->round;
    const struct settings *settings = registry->options.settings;
    const uint64_t intervals_ms[] = {
        [MEMBER_VALIDATOR] = (uint64_t)settings->time_validator_decay * 1000,
        [MEMBER_POOL] = (uint64_t)settings->time_decay * 1000,
    };
    round->beginning.outcome = STORE_DONE;
    if (round->begin) {
        round->beginning.outcome = books_begin(&registry->books, registry->pool,
                                               settings->chain_tag, &round->beginning.error);
        round->begun = round->beginning.outcome == STORE_DONE;
    }
    /* Each for itself: one that fails stops no other. */
    for (int kind = 0; kind < 2; kind++) {
        struct done *decayed = &round->decayed[kind];
        decayed->outcome = STORE_DONE;
        if (!round->begun || !round->decays[kind])
            continue;
        decayed->outcome = books_decay(&registry->books, (enum member_kind)kind, intervals_ms[kind],
                                       loop_unix_ms(), &round->turns[kind], &decayed->error);
        round->known[kind] = decayed->outcome == STORE_DONE;
    }
}

static void round_done(struct worker_job *job)
{
    struct registry *registry = of_round(job);
    struct round *round = &registry->round;
    round->running = false;
    for (int kind = 0; kind < 2; kind++)
        (void)!settle(registry, kind == MEMBER_POOL ? TIMER_DECAY : TIMER_VALIDATOR_DECAY,
                      round->decayed[kind].outcome, &round->decayed[kind].error);
    if (settle(registry, TIMER_BEGIN, round->beginning.outcome, &round->beginning.error) &&
        round->begin && !registry->stopping) /* the list at once */
        loop_timer_start(registry->options.loop, &registry->refresh, 0,
                         (uint64_t)registry->options.settings->time_fetch_validators * 1000);
}

static void on_tick(void *context)
{
    struct registry *registry = context;
    struct round *round = &registry->round;
    const struct settings *settings = registry->options.settings;
    if (round->running || registry->deposed)
        return;
    round->begin = !round->begun;
    bool any = round->begin;
    for (int kind = 0; kind < 2; kind++) {
        uint64_t interval_ms =
            1000 *
            (uint64_t)(kind == MEMBER_POOL ? settings->time_decay : settings->time_validator_decay);
        round->decays[kind] = !round->known[kind] || !round->turns[kind].whole ||
                              turn_is_due(&round->turns[kind], interval_ms, loop_unix_ms());
        any = any || round->decays[kind];
    }
    round->job = (struct worker_job){ .work = round_work, .done = round_done };
    round->running = any && worker_submit(registry->members, &round->job);
}

/* The list. */

static struct registry *of_listing(struct worker_job *job)
{
    return (struct registry *)((char *)job - offsetof(struct registry, listing.job));
}

static bool read_list(struct registry *registry, struct member_list *list, struct error *error)
{
    const struct settings *settings = registry->options.settings;
    const struct coin_profile *coin = registry->options.coin;
    for (size_t i = 0; i < settings->scheduler_validators.count; i++)
        if (!member_list_add(list, coin, settings->scheduler_validators.items[i], error))
            return false;
    if (settings->scheduler_validators_from[0] != '\0') {
        const struct list_source source = { .from = settings->scheduler_validators_from,
                                            .ca_file = settings->scheduler_validators_ca_file,
                                            .bytes_max = MEMBER_LIST_BYTES_MAX,
                                            .timeout_ms = SOURCE_TIMEOUT_MS,
                                            .stop = &registry->stop };
        char *text;
        size_t length;
        if (!list_source_read(&source, &text, &length, error))
            return false;
        bool read = member_list_read(list, coin, span_of(text, length), error);
        free(text);
        if (!read) {
            error_fill_prefix(error, "%.200s", settings->scheduler_validators_from);
            return false;
        }
    }
    return member_list_check(list, error);
}

static void list_work(struct worker_job *job)
{
    struct registry *registry = of_listing(job);
    struct listing *listing = &registry->listing;
    listing->list = (struct member_list){ 0 };
    listing->good = read_list(registry, &listing->list, &listing->error);
}

static void take_work(struct worker_job *job)
{
    struct registry *registry = of_listing(job);
    struct listing *listing = &registry->listing;
    struct error error;
    listing->outcome = books_take_list(&registry->books, listing->good ? &listing->list : NULL,
                                       loop_unix_ms(), &error);
    if (listing->outcome != STORE_DONE && listing->outcome != STORE_CONFLICT)
        listing->error = error;
}

/* Said once when it goes down, and when it is back. */
static void tell_source(struct registry *registry, const struct listing *listing)
{
    metric_set(registry->stale, !listing->good);
    if (!listing->good && strcmp(registry->trouble, listing->error.text) != 0) {
        snprintf(registry->trouble, sizeof registry->trouble, "%s", listing->error.text);
        log_error("validators.stale", "reason=\"%s\"", registry->trouble);
        tell_trouble(registry, registry->trouble);
    } else if (listing->good && registry->down) {
        log_info("validators.fresh", "validators=%zu pools=%zu", listing->list.validator_count,
                 listing->list.pool_count);
        registry->trouble[0] = '\0';
        tell_trouble(registry, NULL);
    }
    registry->down = !listing->good;
}

static void take_done(struct worker_job *job)
{
    struct registry *registry = of_listing(job);
    struct listing *listing = &registry->listing;
    member_list_free(&listing->list);
    listing->running = false;
    if (!settle(registry, TIMER_FETCH, listing->outcome, &listing->error) && !registry->stopping &&
        !registry->deposed)
        loop_timer_start(registry->options.loop, &registry->refresh, RETRY_MS,
                         (uint64_t)registry->options.settings->time_fetch_validators * 1000);
}

static void list_done(struct worker_job *job)
{
    struct registry *registry = of_listing(job);
    struct listing *listing = &registry->listing;
    metric_add(registry->fetches, 1);
    if (!listing->good)
        count_failure(registry, TIMER_FETCH, &listing->error);
    if (!registry->stopping)
        tell_source(registry, listing);
    listing->job = (struct worker_job){ .work = take_work, .done = take_done };
    if (!registry->stopping && worker_submit(registry->members, &listing->job))
        return;
    member_list_free(&listing->list);
    listing->running = false;
}

static void on_refresh(void *context)
{
    struct registry *registry = context;
    struct listing *listing = &registry->listing;
    if (listing->running || registry->deposed)
        return;
    listing->job = (struct worker_job){ .work = list_work, .done = list_done };
    listing->running = worker_submit(registry->lists, &listing->job);
}

/* Our own validators. */

struct hello {
    struct worker_job job;
    struct registry *registry;
    struct bus_call *call;
    uint8_t bytes[HELLO_BYTES_MAX];
    size_t length;
    const char *refusal; /* static; NULL: it is registered, or *error says why not now */
    enum store_outcome outcome;
    struct error error;
};

/* Why it is no word of one of ours; NULL: it is. */
static const char *check_hello(const struct registry *registry, struct wire_validator_hello *hello,
                               char wallet_r[ADDRESS_TEXT_BYTES])
{
    struct output_script script;
    uint8_t bytes[HELLO_BYTES_MAX], signature[TOKEN_SIGNATURE_BYTES];
    uint64_t now_ms = loop_unix_ms();
    memcpy(signature, hello->signature, sizeof signature);
    memset(hello->signature, 0, sizeof hello->signature);
    size_t length = wire_encode_validator_hello(hello, bytes, sizeof bytes);
    wallet_r[0] = '\0';
    if (length == 0 || !token_verify_bytes(hello->key, span_of(bytes, length), signature))
        return "the signature is wrong";
    if (hello->time_ms > now_ms + HELLO_SKEW_MS || hello->time_ms + HELLO_SKEW_MS < now_ms)
        return "its clock is off by more than ten minutes";
    if (hello->wallet[0] != '\0' && address_parse(registry->options.coin, span_text(hello->wallet),
                                                  &script, wallet_r) != ADDRESS_OK)
        return "validator.wallet is no address of this coin";
    return NULL;
}

static void hello_work(struct worker_job *job)
{
    struct hello *hello = (struct hello *)job;
    uint8_t memory[1024];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_validator_hello message;
    char wallet[ADDRESS_TEXT_BYTES];
    hello->outcome = STORE_DONE;
    if (!wire_decode_validator_hello(span_of(hello->bytes, hello->length), &arena, &message,
                                     &hello->error)) {
        hello->refusal = "the message makes no sense";
        return;
    }
    hello->refusal = check_hello(hello->registry, &message, wallet);
    if (hello->refusal != NULL)
        return;
    struct books_own own = { .instance = message.instance,
                             .wallet = wallet,
                             .now_ms = loop_unix_ms() };
    memcpy(own.key, message.key, sizeof own.key);
    hello->outcome = books_hello(&hello->registry->books, &own, &hello->error);
}

static void hello_done(struct worker_job *job)
{
    struct hello *hello = (struct hello *)job;
    struct wire_ack ack = { .ok = hello->refusal == NULL,
                            .text = hello->refusal != NULL ? hello->refusal : "" };
    uint8_t bytes[600];
    if (hello->refusal != NULL)
        log_warn("validators.refused", "reason=\"%s\"", hello->refusal);
    size_t length = wire_encode_ack(&ack, bytes, sizeof bytes);
    if (settle(hello->registry, TIMER_HELLO, hello->outcome, &hello->error))
        bus_reply(hello->call, span_of(bytes, length));
    else
        bus_drop(hello->call);
    free(hello);
}

void registry_hello(struct registry *registry, struct bus_call *call, struct span message)
{
    struct hello *hello = calloc(1, sizeof *hello);
    ASSERT(hello != NULL);
    hello->job = (struct worker_job){ .work = hello_work, .done = hello_done };
    hello->registry = registry;
    hello->call = call;
    hello->length = message.length;
    if (message.length <= sizeof hello->bytes) {
        memcpy(hello->bytes, message.data, message.length);
        if (worker_submit(registry->members, &hello->job))
            return;
    }
    bus_drop(call);
    free(hello);
}

/* Outside validators. */

struct ping {
    const struct inode_message *message;
    uint64_t now_ms;
};

static bool note_ping(void *context, struct member *member)
{
    const struct ping *ping = context;
    memcpy(member->endpoint, ping->message->endpoint, sizeof member->endpoint);
    member->seen_ms = ping->now_ms;
    if (ping->message->ts > member->said_ms)
        member->said_ms = ping->message->ts;
    return true;
}

static enum inode_refusal take_ping(struct registry *registry, const struct inode_message *message,
                                    uint64_t now_ms, struct error *error)
{
    struct ping ping = { message, now_ms };
    struct member member;
    enum store_outcome outcome = books_update(&registry->books, MEMBER_VALIDATOR,
                                              message->validator, note_ping, &ping, &member, error);
    return outcome == STORE_DONE ? INODE_TAKEN : INODE_BUSY;
}

static enum inode_refusal take_report(struct registry *registry,
                                      const struct inode_message *message,
                                      const struct member *validator, uint64_t now_ms,
                                      struct error *error)
{
    struct member pool;
    enum store_outcome outcome =
        member_get(registry->books.store, MEMBER_POOL, message->pool, &pool, error);
    if (outcome == STORE_MISSING || (outcome == STORE_DONE && pool.source == MEMBER_GONE))
        return INODE_NO_POOL;
    if (outcome != STORE_DONE)
        return INODE_BUSY;
    if (!score_may_report(validator->stake))
        return INODE_NO_STAKE;
    const struct registry_report report = { message, validator, &pool, now_ms };
    return registry->options.on_report == NULL
               ? INODE_NO_TASK
               : registry->options.on_report(registry->options.context, &report);
}

static void say_work(struct worker_job *job)
{
    struct registry_saying *saying = (struct registry_saying *)job;
    struct registry *registry = saying->registry;
    const struct inode_message *message = &saying->message;
    uint64_t now_ms = loop_unix_ms();
    struct member validator;
    struct error error;
    enum store_outcome outcome =
        member_get(registry->books.store, MEMBER_VALIDATOR, message->validator, &validator, &error);
    if (outcome == STORE_FAILED)
        saying->refusal = INODE_BUSY;
    else if (outcome != STORE_DONE || validator.source == MEMBER_GONE ||
             !member_has_key(&validator))
        saying->refusal = INODE_NO_VALIDATOR;
    else if (!token_verify_bytes(validator.key,
                                 span_of(message->canonical, message->canonical_length),
                                 message->signature))
        saying->refusal = INODE_BAD_SIGNATURE;
    else
        saying->refusal = nonces_take(
            registry->nonces, message->validator, validator.said_ms, message->nonce, message->ts,
            now_ms, (uint64_t)registry->options.settings->scheduler_inode_skew_s * 1000);
    if (saying->refusal == INODE_TAKEN)
        saying->refusal = message->type == INODE_PING
                              ? take_ping(registry, message, now_ms, &error)
                              : take_report(registry, message, &validator, now_ms, &error);
}

static void say_done(struct worker_job *job)
{
    struct registry_saying *saying = (struct registry_saying *)job;
    struct registry *registry = saying->registry;
    metric_add(
        saying->refusal == INODE_TAKEN ? registry->taken : registry->refused[saying->refusal], 1);
    saying->done(saying);
}

bool registry_say(struct registry *registry, struct registry_saying *saying)
{
    saying->job = (struct worker_job){ .work = say_work, .done = say_done };
    saying->registry = registry;
    return !registry->stopping && worker_submit(registry->members, &saying->job);
}

void registry_refused(struct registry *registry, enum inode_refusal refusal)
{
    metric_add(registry->refused[refusal], 1);
}

struct worker *registry_worker(struct registry *registry)
{
    return registry->members;
}

struct store *registry_store(struct registry *registry)
{
    return registry->books.store;
}

struct metric *registry_timer_failures(struct metrics *metrics, const char *timer)
{
    char label[48];
    snprintf(label, sizeof label, "timer=\"%s\"", timer);
    return metrics_counter(metrics, "adit_scheduler_timer_failures_total", label,
                           "periodic work that failed and is done again at its next turn", NULL);
}

static void open_metrics(struct registry *registry)
{
    struct metrics *metrics = registry->options.metrics;
    registry->stale = metrics_gauge(metrics, "adit_validators_stale", "",
                                    "1 where the list of validators could not be read again", NULL);
    registry->fetches = metrics_counter(metrics, "adit_validators_fetches_total", "",
                                        "times the list of validators was asked for", NULL);
    for (int timer = 0; timer < TIMERS; timer++)
        registry->failures[timer] = registry_timer_failures(metrics, timer_names[timer]);
    registry->taken = metrics_counter(metrics, "adit_inode_messages_total", "outcome=\"taken\"",
                                      "messages of outside validators", NULL);
    for (int refusal = INODE_BAD_FORMAT; refusal < INODE_REFUSALS_COUNT; refusal++) {
        char label[48];
        snprintf(label, sizeof label, "outcome=\"%s\"",
                 inode_refusal_label((enum inode_refusal)refusal));
        registry->refused[refusal] = metrics_counter(metrics, "adit_inode_messages_total", label,
                                                     "messages of outside validators", NULL);
    }
}

struct registry *registry_create(const struct registry_options *options, struct error *error)
{
    struct registry *registry = calloc(1, sizeof *registry);
    ASSERT(registry != NULL);
    registry->options = *options;
    snprintf(registry->pool, sizeof registry->pool, "%s", options->pool);
    registry->books =
        (struct books){ .store = options->store,
                        .role = options->role,
                        .epoch = options->epoch,
                        .own_stake = (uint32_t)options->settings->scheduler_own_stake };
    registry->nonces = nonces_create();
    open_metrics(registry);
    registry->tick = (struct loop_timer){ .on_due = on_tick, .context = registry };
    registry->refresh = (struct loop_timer){ .on_due = on_refresh, .context = registry };
    registry->members = worker_create(options->loop, "members", 1, SAYINGS_MAX, error);
    registry->lists =
        registry->members != NULL ? worker_create(options->loop, "lists", 1, 2, error) : NULL;
    if (registry->lists == NULL) {
        registry_destroy(registry);
        return NULL;
    }
    loop_timer_start(options->loop, &registry->tick, 0, TICK_MS);
    return registry;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL)
        return;
    registry->stopping = true;
    atomic_store(&registry->stop, true);
    loop_timer_stop(registry->options.loop, &registry->tick);
    loop_timer_stop(registry->options.loop, &registry->refresh);
    if (registry->lists != NULL)
        worker_destroy(registry->lists);
    if (registry->members != NULL)
        worker_destroy(registry->members);
    member_list_free(&registry->listing.list);
    nonces_destroy(registry->nonces);
    store_close(registry->books.store);
    free(registry);
}
