#include "services/auth/miners.h"

#include "core/identity/blake2b.h"
#include "service/log.h"
#include "services/auth/binding.h"
#include "services/auth/known.h"
#include "services/auth/store_thread.h"
#include "wire/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    TICK_MS = 100,
    BUCKETS = 1024,
    REPLY_BYTES_MAX = 1024,
    WATCH_MS = 2000, /* a store that goes away is known of though no miner comes */
};

struct waiter {
    struct waiter *next;
    struct bus_call *call;
    uint64_t since_ms;
};

/* A name the store is being asked about, with all who want to know. It outlives its waiters'
 * patience: what the store says then is remembered for the next time. */
struct question {
    struct store_job job;
    struct question *chain;
    struct miners *miners;
    struct waiter *waiters;
    uint8_t key[KNOWN_KEY_BYTES];
    struct binding_name name;
    enum binding_outcome outcome;
    bool made;
};

struct miners {
    struct miners_options options;
    struct identity_key key;
    struct secrets secrets;
    struct names *names;
    uint8_t seed[32];
    struct known *known;
    struct store_thread *store;
    struct bus_server *server;
    struct loop_timer tick;
    struct question *buckets[BUCKETS];
    struct miners_counts counts;
    uint64_t undecodable;
    struct {
        struct metric *yes, *no, *unavailable, *remembered, *made, *undecodable, *known, *questions,
            *away;
        struct metric_histogram *asked_us;
    } metrics;
};

static void reply(struct bus_call *call, const struct wire_authorise_reply *message)
{
    uint8_t memory[REPLY_BYTES_MAX];
    size_t length = wire_encode_authorise_reply(message, memory, sizeof memory);
    ASSERT(length > 0);
    (void)bus_reply(call, span_of(memory, length));
}

static void say_yes(struct miners *miners, struct bus_call *call, const struct binding_name *name)
{
    miners->counts.yes++;
    metric_add(miners->metrics.yes, 1);
    reply(call, &(struct wire_authorise_reply){ .outcome = WIRE_AUTHORISE_YES,
                                                .account = name->account_id,
                                                .worker = name->worker_id,
                                                .account_name = name->account.canonical,
                                                .worker_name = name->worker,
                                                .text = "" });
}

static void say_other(struct miners *miners, struct bus_call *call,
                      enum wire_authorise_outcome outcome, const char *text)
{
    bool no = outcome == WIRE_AUTHORISE_NO;
    miners->counts.no += no;
    miners->counts.unavailable += !no;
    metric_add(no ? miners->metrics.no : miners->metrics.unavailable, 1);
    reply(call,
          &(struct wire_authorise_reply){
              .outcome = (uint8_t)outcome, .account_name = "", .worker_name = "", .text = text });
}

/* Without the store: who is remembered goes on. */
static void say_without_store(struct miners *miners, struct bus_call *call,
                              const uint8_t key[KNOWN_KEY_BYTES], const struct binding_name *name)
{
    uint64_t seen_ms;
    if (known_find(miners->known, key, &seen_ms)) {
        miners->counts.remembered++;
        metric_add(miners->metrics.remembered, 1);
        say_yes(miners, call, name);
        return;
    }
    say_other(miners, call, WIRE_AUTHORISE_UNAVAILABLE, binding_outcome_text(BINDING_STORE));
}

static void make_key(const struct miners *miners, const struct binding_name *name,
                     uint8_t key_r[KNOWN_KEY_BYTES])
{
    uint8_t kind = (uint8_t)name->account.kind;
    const struct span parts[] = {
        span_of(&kind, 1), span_of(name->account.canonical, strlen(name->account.canonical) + 1),
        span_text(name->worker), span_of(name->password, sizeof name->password)
    };
    blake2b(span_of(miners->seed, sizeof miners->seed), parts, sizeof parts / sizeof *parts, key_r,
            KNOWN_KEY_BYTES);
}

static struct question **bucket_of(struct miners *miners, const uint8_t key[KNOWN_KEY_BYTES])
{
    return &miners->buckets[load_le32(key) % BUCKETS];
}

static struct question *find_question(struct miners *miners, const uint8_t key[KNOWN_KEY_BYTES])
{
    struct question *one = *bucket_of(miners, key);
    while (one != NULL && memcmp(one->key, key, KNOWN_KEY_BYTES) != 0)
        one = one->chain;
    return one;
}

static void remove_question(struct miners *miners, struct question *question)
{
    struct question **at = bucket_of(miners, question->key);
    while (*at != question)
        at = &(*at)->chain;
    *at = question->chain;
    miners->counts.questions--;
    metric_set(miners->metrics.questions, miners->counts.questions);
}

/* On the store's thread. */
static bool ask_store(struct store_job *job, struct store *store, struct error *error)
{
    struct question *question = (struct question *)job;
    uint64_t start_ns = loop_clock_ns();
    question->name.read_only = !store_thread_may_write(job->thread);
    question->outcome =
        binding_bind(store, &question->name, loop_unix_ms(), &question->made, error);
    metric_observe_us(question->miners->metrics.asked_us, (loop_clock_ns() - start_ns) / 1000);
    return question->outcome != BINDING_STORE;
}

static void remember(struct miners *miners, const struct question *question)
{
    if (question->outcome == BINDING_DONE)
        known_put(miners->known, question->key, loop_now_ms(miners->options.loop));
    else
        known_remove(miners->known, question->key);
    metric_set(miners->metrics.known, known_count(miners->known));
}

static void answer(struct miners *miners, struct question *question, struct bus_call *call)
{
    if (question->job.failed)
        say_without_store(miners, call, question->key, &question->name);
    else if (question->outcome == BINDING_DONE)
        say_yes(miners, call, &question->name);
    else
        say_other(miners, call, WIRE_AUTHORISE_NO, binding_outcome_text(question->outcome));
}

static void note(struct miners *miners, const struct question *question)
{
    if (question->job.failed && question->job.error.code == ERROR_INVALID) {
        char safe[sizeof question->job.error.text];
        log_error("auth.damaged", "reason=\"%s\"",
                  log_text(question->job.error.text, safe, sizeof safe));
    }
    if (!question->job.failed && question->outcome == BINDING_TAKEN)
        log_error("auth.taken", "account=%016llx worker=%016llx",
                  (unsigned long long)question->name.account_id,
                  (unsigned long long)question->name.worker_id);
    if (question->made) {
        miners->counts.made++;
        metric_add(miners->metrics.made, 1);
        log_info("account.bound", "account=%016llx name=%s",
                 (unsigned long long)question->name.account_id, question->name.account.canonical);
    }
}

static void done_asking(struct store_job *job)
{
    struct question *question = (struct question *)job;
    struct miners *miners = question->miners;
    remove_question(miners, question);
    if (!job->failed)
        remember(miners, question);
    note(miners, question);
    while (question->waiters != NULL) {
        struct waiter *waiter = question->waiters;
        question->waiters = waiter->next;
        answer(miners, question, waiter->call);
        free(waiter);
    }
    free(question);
}

/* NULL where there is no room. */
static struct question *new_question(struct miners *miners, const uint8_t key[KNOWN_KEY_BYTES],
                                     const struct binding_name *name)
{
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    question->job = (struct store_job){ .ask = ask_store, .done = done_asking };
    question->miners = miners;
    question->name = *name;
    memcpy(question->key, key, KNOWN_KEY_BYTES);
    if (!store_thread_submit(miners->store, &question->job)) {
        free(question);
        return NULL;
    }
    struct question **bucket = bucket_of(miners, key);
    question->chain = *bucket;
    *bucket = question;
    miners->counts.questions++;
    metric_set(miners->metrics.questions, miners->counts.questions);
    return question;
}

static void ask(struct miners *miners, struct bus_call *call, const struct binding_name *name)
{
    uint8_t key[KNOWN_KEY_BYTES];
    uint64_t seen_ms;
    uint64_t now_ms = loop_now_ms(miners->options.loop);
    make_key(miners, name, key);
    if (known_find(miners->known, key, &seen_ms) && now_ms - seen_ms < miners->options.fresh_ms) {
        miners->counts.remembered++;
        metric_add(miners->metrics.remembered, 1);
        say_yes(miners, call, name);
        return;
    }
    struct question *question = find_question(miners, key);
    if (question == NULL)
        question = new_question(miners, key, name);
    struct waiter *waiter = question != NULL ? malloc(sizeof *waiter) : NULL;
    if (waiter == NULL) {
        say_without_store(miners, call, key, name);
        return;
    }
    *waiter = (struct waiter){ question->waiters, call, now_ms };
    question->waiters = waiter;
}

/* Only processes of ours ask here, so this is a bug of somebody's; the 1st, 2nd, 4th, 8th … is
 * written down. */
static void drop(struct miners *miners, struct bus_call *call, const struct error *error)
{
    uint64_t count = ++miners->undecodable;
    metric_add(miners->metrics.undecodable, 1);
    if ((count & (count - 1)) == 0) {
        char safe[sizeof error->text];
        log_warn("auth.undecodable", "count=%llu reason=\"%s\"", (unsigned long long)count,
                 log_text(error->text, safe, sizeof safe));
    }
    bus_drop(call);
}

static void on_authorise(struct miners *miners, struct bus_call *call, struct span message)
{
    struct wire_authorise_request request;
    struct binding_name name;
    struct error error;
    enum address_outcome address;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_decode_authorise_request(message, &arena, &request, &error)) {
        drop(miners, call, &error);
        return;
    }
    if (request.user[0] == '\0') { /* is auth there? It is no refusal of anybody */
        reply(call,
              &(struct wire_authorise_reply){ .outcome = WIRE_AUTHORISE_NO,
                                              .account_name = "",
                                              .worker_name = "",
                                              .text = identity_outcome_text(IDENTITY_EMPTY) });
        return;
    }
    enum identity_outcome outcome = binding_read(miners->names, &miners->key, miners->options.coin,
                                                 span_text(request.user), &name, &address);
    /* A password says nothing where the account's owner has set none: work for another's account
     * is a gift. */
    if (outcome == IDENTITY_OK && name.account.kind == IDENTITY_KIND_ACCOUNT)
        binding_password_hash(&miners->secrets, name.account_id, span_text(request.password),
                              name.password);
    if (outcome == IDENTITY_OK)
        ask(miners, call, &name);
    else
        say_other(miners, call, WIRE_AUTHORISE_NO,
                  outcome == IDENTITY_BAD_ADDRESS && address != ADDRESS_OK
                      ? address_outcome_text(address)
                      : identity_outcome_text(outcome));
}

static void on_call(void *context, struct bus_call *call, struct span message)
{
    struct miners *miners = context;
    enum wire_type type;
    struct error error;
    if (!wire_peek(message, &type, &error)) {
        drop(miners, call, &error);
        return;
    }
    if (type == WIRE_TYPE_authorise_request)
        on_authorise(miners, call, message);
    else if (miners->options.on_other != NULL)
        miners->options.on_other(miners->options.context, call, message);
    else
        bus_drop(call);
}

/* Whoever waited too long is answered without the store. */
static void on_tick(void *context)
{
    struct miners *miners = context;
    uint64_t now_ms = loop_now_ms(miners->options.loop);
    for (size_t i = 0; i < BUCKETS && miners->counts.questions > 0; i++) {
        for (struct question *one = miners->buckets[i]; one != NULL; one = one->chain) {
            struct waiter **at = &one->waiters;
            while (*at != NULL) {
                struct waiter *waiter = *at;
                if (now_ms - waiter->since_ms < MINERS_PATIENCE_MS) {
                    at = &waiter->next;
                    continue;
                }
                *at = waiter->next;
                say_without_store(miners, waiter->call, one->key, &one->name);
                free(waiter);
            }
        }
    }
}

static void on_store(void *context, const char *reason)
{
    struct miners *miners = context;
    metric_set(miners->metrics.away, reason != NULL);
    if (miners->options.on_store != NULL)
        miners->options.on_store(miners->options.context, reason);
}

static struct store *open_store(void *context, struct error *error)
{
    struct miners *miners = context;
    return miners->options.open_store(miners->options.context, error);
}

static void make_metrics(struct miners *miners)
{
    struct metrics *all = miners->options.metrics;
    static const char name[] = "adit_auth_answers_total";
    miners->metrics.yes = metrics_counter(all, name, "outcome=\"yes\"",
                                          "Answers to gateways about miners.", "authorised");
    miners->metrics.no = metrics_counter(all, name, "outcome=\"no\"", "", "refused");
    miners->metrics.unavailable =
        metrics_counter(all, name, "outcome=\"unavailable\"", "", "unavailable");
    miners->metrics.remembered = metrics_counter(all, "adit_auth_remembered_total", "",
                                                 "Yeses without asking the store.", NULL);
    miners->metrics.made = metrics_counter(all, "adit_auth_accounts_bound_total", "",
                                           "Accounts of addresses made.", "accounts_bound");
    miners->metrics.undecodable = metrics_counter(all, "adit_auth_undecodable_total", "",
                                                  "Messages that could not be read.", NULL);
    miners->metrics.known = metrics_gauge(all, "adit_auth_known", "", "Names remembered.", "known");
    miners->metrics.questions = metrics_gauge(all, "adit_auth_questions", "",
                                              "Names the store is being asked about.", NULL);
    miners->metrics.away =
        metrics_gauge(all, "adit_auth_store_away", "", "1 while the store is away.", NULL);
    miners->metrics.asked_us = metrics_histogram(all, "adit_auth_binding_seconds",
                                                 "Time of binding one name in the store.");
}

static bool open_parts(struct miners *miners, struct error *error)
{
    struct miners_options *options = &miners->options;
    miners->known = known_create(options->known_max);
    if (miners->known == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory to remember %zu names",
                         options->known_max);
    miners->names = names_open(error);
    if (miners->names == NULL)
        return false;
    if (getrandom(miners->seed, sizeof miners->seed, 0) != (ssize_t)sizeof miners->seed)
        return error_system(error, errno, "no random bytes");
    const struct store_thread_options store = { .loop = options->loop,
                                                .name = "miners",
                                                .watch_ms = WATCH_MS,
                                                .queue_max = MINERS_QUESTIONS_MAX,
                                                .open = open_store,
                                                .on_state = on_store,
                                                .context = miners };
    miners->store = store_thread_create(&store, error);
    if (miners->store == NULL)
        return false;
    miners->server = bus_serve(options->bus, options->url, MINERS_CALLS_MAX,
                               MINERS_MESSAGE_BYTES_MAX, on_call, miners, error);
    return miners->server != NULL;
}

struct miners *miners_create(const struct miners_options *options, struct error *error)
{
    struct miners *miners = calloc(1, sizeof *miners);
    if (miners == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the miners' authorisation");
        return NULL;
    }
    miners->options = *options;
    miners->key = *options->key;
    secrets_derive(&miners->key, &miners->secrets);
    if (miners->options.known_max == 0)
        miners->options.known_max = MINERS_KNOWN_MAX;
    if (miners->options.fresh_ms == 0)
        miners->options.fresh_ms = MINERS_FRESH_MS;
    make_metrics(miners);
    if (!open_parts(miners, error)) {
        miners_destroy(miners);
        return NULL;
    }
    miners->tick = (struct loop_timer){ .on_due = on_tick, .context = miners };
    loop_timer_start(options->loop, &miners->tick, TICK_MS, TICK_MS);
    return miners;
}

void miners_destroy(struct miners *miners)
{
    if (miners == NULL)
        return;
    loop_timer_stop(miners->options.loop, &miners->tick);
    store_thread_destroy(miners->store); /* its jobs answer all who wait */
    if (miners->server != NULL)
        bus_server_close(miners->server);
    known_destroy(miners->known);
    names_close(miners->names);
    explicit_bzero(&miners->key, sizeof miners->key);
    explicit_bzero(&miners->secrets, sizeof miners->secrets);
    free(miners);
}

struct miners_counts miners_counts(const struct miners *miners)
{
    struct miners_counts counts = miners->counts;
    counts.known = known_count(miners->known);
    counts.store_away = store_thread_away(miners->store);
    return counts;
}
