#include "services/auth/visit.h"

#include "service/log.h"
#include "services/auth/form.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static struct visit *visit_of_job(struct worker_job *job)
{
    return (struct visit *)((char *)job - offsetof(struct visit, password_job));
}

static void visit_free(struct visit *visit)
{
    sodium_memzero(visit, sizeof *visit);
    free(visit);
}

struct visit *visit_begin(struct people *people, struct http_exchange *exchange)
{
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL) {
        http_problem(exchange, 503, "Unavailable", "there is no memory; try again", NULL);
        return NULL;
    }
    visit->people = people;
    visit->exchange = exchange;
    visit_client(exchange, &people->options.settings->auth_proxies, visit->client);
    return visit;
}

void visit_reply(struct visit *visit, int status, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(document);
    ASSERT(text != NULL);
    http_reply(visit->exchange, status, "application/json", span_text(text));
    sodium_memzero(text, strlen(text)); /* a token may be in it */
    free(text);
    visit_free(visit);
}

void visit_problem(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field)
{
    http_problem(visit->exchange, status, title, detail, field);
    visit_free(visit);
}

void visit_unavailable(struct visit *visit, const char *detail)
{
    struct limiter *limiter = visit->people->limiter;
    const struct span keys[] = { span_text("login"), span_text(visit->client),
                                 span_text(visit->identity.canonical) };
    if (visit->limited[0])
        limiter_give_back(limiter, keys, 2);
    if (visit->limited[1])
        limiter_give_back(limiter, keys, 3);
    if (visit->unavailable != NULL)
        metric_add(visit->unavailable, 1);
    http_add_header(visit->exchange, "Retry-After", "2");
    visit_problem(visit, 503, "Unavailable", detail, NULL);
}

static bool on_ask(struct store_job *job, struct store *store, struct error *error)
{
    struct visit *visit = (struct visit *)job;
    return visit->ask(visit, store, error);
}

static void on_asked(struct store_job *job)
{
    struct visit *visit = (struct visit *)job;
    if (!job->failed) {
        visit->next(visit);
        return;
    }
    if (job->error.code == ERROR_INVALID) {
        char safe[sizeof job->error.text];
        log_error("auth.damaged", "reason=\"%s\"", log_text(job->error.text, safe, sizeof safe));
    }
    visit_unavailable(visit, "the pool's records cannot be reached now; try again");
}

void visit_ask(struct visit *visit,
               bool (*ask)(struct visit *visit, struct store *store, struct error *error),
               void (*next)(struct visit *visit))
{
    visit->ask = ask;
    visit->next = next;
    visit->store.ask = on_ask;
    visit->store.done = on_asked;
    if (atomic_load(&visit->people->stopping) ||
        !store_thread_submit(visit->people->store, &visit->store))
        visit_unavailable(visit, "the pool's records cannot be reached now; try again");
}

static void on_compute(struct worker_job *job)
{
    struct visit *visit = visit_of_job(job);
    visit->verdict = PASSWORD_UNDECIDED;
    visit->hashed = false;
    if (atomic_load(&visit->people->stopping))
        return;
    uint64_t start_ns = loop_clock_ns();
    visit->compute(visit);
    metric_observe_us(visit->people->metrics.password_us, (loop_clock_ns() - start_ns) / 1000);
}

static void on_computed(struct worker_job *job)
{
    struct visit *visit = visit_of_job(job);
    sodium_memzero(visit->password, sizeof visit->password);
    if (visit->verdict == PASSWORD_UNDECIDED) {
        visit_unavailable(visit, "there is no memory to check passwords; try again");
        return;
    }
    visit->next(visit);
}

void visit_compute(struct visit *visit, void (*compute)(struct visit *visit),
                   void (*next)(struct visit *visit))
{
    visit->compute = compute;
    visit->next = next;
    visit->password_job = (struct worker_job){ .work = on_compute, .done = on_computed };
    if (atomic_load(&visit->people->stopping) ||
        !worker_submit(visit->people->passwords, &visit->password_job))
        visit_unavailable(visit, "too many people are logging in; try again");
}

static void people_jwks(void *context, struct http_exchange *exchange)
{
    struct people *people = context;
    http_add_header(exchange, "Cache-Control", "public, max-age=300");
    http_reply(exchange, 200, "application/jwk-set+json", span_text(people->jwks));
}

const struct http_route people_routes[] = {
    { HTTP_METHOD_POST, "/api/v1/register", people_register },
    { HTTP_METHOD_POST, "/api/v1/login", people_login },
    { HTTP_METHOD_GET, "/api/v1/me", people_me },
    { HTTP_METHOD_GET, "/.well-known/jwks.json", people_jwks },
    { HTTP_METHOD_GET, NULL, NULL },
};

static void make_metrics(struct people *people)
{
    struct metrics *all = people->options.metrics;
    static const char logins[] = "adit_auth_logins_total";
    static const char registrations[] = "adit_auth_registrations_total";
#define COUNTER(field, name, outcome, help, beat)                                                  \
    people->metrics.field = metrics_counter(all, name, "outcome=\"" outcome "\"", help, beat)
    COUNTER(login_ok, logins, "ok", "Logins.", "logins");
    COUNTER(login_wrong, logins, "wrong", "", "logins_wrong");
    COUNTER(login_limited, logins, "limited", "", NULL);
    COUNTER(login_unavailable, logins, "unavailable", "", NULL);
    COUNTER(registered, registrations, "made", "Registrations.", "registrations");
    COUNTER(register_refused, registrations, "refused", "", NULL);
    COUNTER(register_limited, registrations, "limited", "", NULL);
    COUNTER(register_unavailable, registrations, "unavailable", "", NULL);
#undef COUNTER
    people->metrics.password_us = metrics_histogram(all, "adit_auth_password_seconds",
                                                    "Time of computing one password hash.");
}

static bool open_key(struct people *people, struct error *error)
{
    char path[4096];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    snprintf(path, sizeof path, "%s/auth.key", people->options.settings->service_data_dir);
    people->signer = token_signer_open(path, error);
    if (people->signer == NULL)
        return false;
    token_signer_public(people->signer, public_key);
    /* For those who check tokens by themselves (payout). */
    snprintf(path, sizeof path, "%s/auth.pub", people->options.settings->service_data_dir);
    if (!token_publish(people->signer, path, error))
        return false;
    token_jwks(public_key, people->jwks);
    bool added = token_verifier_add(&people->verifier, public_key);
    ASSERT(added);
    return true;
}

static void on_store(void *context, const char *reason)
{
    struct people *people = context;
    if (people->options.on_store != NULL)
        people->options.on_store(people->options.context, reason);
}

static struct store *open_store(void *context, struct error *error)
{
    struct people *people = context;
    return people->options.open_store(people->options.context, error);
}

static bool open_parts(struct people *people, struct error *error)
{
    const struct settings *settings = people->options.settings;
    unsigned threads = (unsigned)settings->auth_argon2_threads;
    people->cost.passes = (unsigned long long)settings->auth_argon2_passes;
    people->cost.memory_bytes = (size_t)settings->auth_argon2_memory_kib * 1024;
    people->limiter = limiter_create();
    if (people->limiter == NULL || !password_dummy(&people->cost, people->dummy))
        return error_set(error, ERROR_FULL,
                         "there is no memory for one password (auth.argon2_memory_kib is %lld)",
                         (long long)settings->auth_argon2_memory_kib);
    const struct store_thread_options store = { .loop = people->options.loop,
                                                .name = "people",
                                                .queue_max = PEOPLE_VISITS_MAX,
                                                .open = open_store,
                                                .on_state = on_store,
                                                .context = people };
    people->store = store_thread_create(&store, error);
    if (people->store == NULL)
        return false;
    people->passwords = worker_create(people->options.loop, "passwords", threads,
                                      (size_t)threads * PEOPLE_QUEUE_MAX, error);
    return people->passwords != NULL;
}

struct people *people_create(const struct people_options *options, struct error *error)
{
    struct people *people = calloc(1, sizeof *people);
    if (people == NULL) {
        error_fill(error, ERROR_FULL, "no memory for people's accounts");
        return NULL;
    }
    people->options = *options;
    people->key = *options->key;
    make_metrics(people);
    if (!open_key(people, error) || !open_parts(people, error)) {
        people_destroy(people);
        return NULL;
    }
    return people;
}

void people_destroy(struct people *people)
{
    if (people == NULL)
        return;
    /* From here on every stage ends its visit. */
    atomic_store(&people->stopping, true);
    store_thread_destroy(people->store);
    worker_destroy(people->passwords);
    limiter_destroy(people->limiter);
    if (people->signer != NULL)
        token_signer_close(people->signer);
    sodium_memzero(people, sizeof *people);
    free(people);
}
