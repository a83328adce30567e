#include "services/auth/visit.h"

#include "loop/slice.h"
#include "service/log.h"
#include "services/auth/form.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEYS_MS = 1000, MAIL_MS = 30000, PASSWORD_NICE = 15 };

static struct visit *visit_of_job(struct worker_job *job)
{
    return (struct visit *)((char *)job - offsetof(struct visit, password_job));
}

static void visit_free(struct visit *visit)
{
    if (visit->form.document != NULL)
        form_free(&visit->form);
    json_decref(visit->reply);
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
    http_client(exchange, &people->options.settings->auth_proxies, visit->client);
    return visit;
}

bool visit_read_form(struct visit *visit, const struct form_field *fields, size_t field_count)
{
    struct form_trouble trouble;
    if (form_read(http_body(visit->exchange), http_header(visit->exchange, "content-type"), fields,
                  field_count, &visit->form, &trouble))
        return true;
    visit_problem(visit, trouble.status, "Bad request", trouble.detail, trouble.field);
    return false;
}

void visit_reply(struct visit *visit, int status, json_t *document)
{
    if (document == NULL) {
        http_reply(visit->exchange, status, NULL, span_of(NULL, 0));
        visit_free(visit);
        return;
    }
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
    for (size_t i = 0; visit->counted && i < visit->limit.count; i++)
        limits_give_back(visit->people->limits, &visit->limit, i);
    if (visit->unavailable != NULL)
        metric_add(visit->unavailable, 1);
    http_add_header(visit->exchange, "Retry-After", "2");
    visit_problem(visit, 503, "Unavailable", detail, NULL);
}

static void on_counted(struct limits_call *call)
{
    struct visit *visit = (struct visit *)((char *)call - offsetof(struct visit, limit));
    char text[16];
    visit->counted = call->allowed;
    if (call->allowed) {
        visit->next(visit);
        return;
    }
    if (visit->limited != NULL)
        metric_add(visit->limited, 1);
    snprintf(text, sizeof text, "%u", call->wait_s);
    http_add_header(visit->exchange, "Retry-After", text);
    visit_problem(visit, 429, "Too many", "too many tries; try later", NULL);
}

void visit_count(struct visit *visit, void (*next)(struct visit *visit))
{
    visit->next = next;
    visit->limit.done = on_counted;
    limits_take(visit->people->limits, &visit->limit);
}

bool people_name(const struct people *people, struct span text, struct identity_account *identity_r)
{
    char name[IDENTITY_CANONICAL_BYTES];
    if (names_prepare(people->names, text, name) == NAMES_OK &&
        identity_resolve(people->options.coin, span_text(name), identity_r, NULL) == IDENTITY_OK &&
        identity_r->kind == IDENTITY_KIND_ACCOUNT)
        return true;
    *identity_r = (struct identity_account){ .kind = IDENTITY_KIND_ACCOUNT };
    return false;
}

bool visit_trouble(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field)
{
    visit->trouble = (struct visit_trouble){ status, title, detail, field };
    return false;
}

bool visit_wrote(struct visit *visit, enum store_outcome outcome)
{
    if (outcome == STORE_CONFLICT)
        (void)visit_trouble(visit, 409, "Conflict", "it was changed just now; try again", NULL);
    return outcome == STORE_DONE;
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

/* Passwords take all of a processor, by purpose: tokens and miners go before. Once a thread. */
static void step_back(void)
{
    static _Thread_local bool done;
    if (done)
        return;
    done = true;
    slice_set(SLICE_LONG_US);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), PASSWORD_NICE);
}

static void on_compute(struct worker_job *job)
{
    struct visit *visit = visit_of_job(job);
    step_back();
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

void visit_note(struct visit *visit, const char *kind, const char *actor, const char *detail)
{
    ASSERT(visit->event_count < VISIT_EVENTS);
    struct event *event = &visit->events[visit->event_count++];
    event->account_id = visit->account.id;
    event->time_ms = loop_unix_ms();
    snprintf(event->kind, sizeof event->kind, "%s", kind);
    snprintf(event->actor, sizeof event->actor, "%s", actor);
    snprintf(event->client, sizeof event->client, "%s", visit->client);
    snprintf(event->detail, sizeof event->detail, "%s", detail);
}

/* Written after what it tells of: where the store fails between the two, the log has it. */
void visit_write_events(struct visit *visit, struct store *store)
{
    for (size_t i = 0; i < visit->event_count; i++) {
        struct event *event = &visit->events[i];
        struct error error;
        uint64_t number;
        enum store_outcome outcome = STORE_UNKNOWN;
        randombytes_buf(&number, sizeof number);
        for (int j = 0; j < 2 && outcome != STORE_DONE; j++)
            outcome = access_event_append(store, event, number, &error);
        if (outcome == STORE_DONE)
            continue;
        char safe[sizeof event->detail];
        metric_add(visit->people->metrics.events_lost, 1);
        log_error("audit.unwritten",
                  "account=%016llx time_ms=%llu kind=%s actor=\"%s\" address=%s detail=\"%s\"",
                  (unsigned long long)event->account_id, (unsigned long long)event->time_ms,
                  event->kind, event->actor, event->client,
                  log_text(event->detail, safe, sizeof safe));
    }
    visit->event_count = 0;
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
    { HTTP_METHOD_POST, "/api/v1/auth/refresh", people_refresh },
    { HTTP_METHOD_POST, "/api/v1/auth/logout", people_logout },
    { HTTP_METHOD_POST, "/api/v1/auth/token", people_exchange_key },
    { HTTP_METHOD_POST, "/api/v1/auth/password/forgot", people_forgot },
    { HTTP_METHOD_POST, "/api/v1/auth/password/reset", people_reset },
    { HTTP_METHOD_POST, "/api/v1/auth/email/confirm", people_confirm },
    { HTTP_METHOD_GET, "/api/v1/auth/events", people_all_events },
    { HTTP_METHOD_GET, "/api/v1/me", people_me },
    { HTTP_METHOD_POST, "/api/v1/me/address", people_set_address },
    { HTTP_METHOD_POST, "/api/v1/me/threshold", people_set_threshold },
    { HTTP_METHOD_POST, "/api/v1/me/email", people_set_email },
    { HTTP_METHOD_POST, "/api/v1/me/email/confirmation", people_confirm_again },
    { HTTP_METHOD_POST, "/api/v1/me/password", people_set_password },
    { HTTP_METHOD_POST, "/api/v1/me/worker-password", people_set_worker_password },
    { HTTP_METHOD_POST, "/api/v1/me/close", people_close },
    { HTTP_METHOD_POST, "/api/v1/me/factor", people_offer_factor },
    { HTTP_METHOD_POST, "/api/v1/me/factor/confirm", people_turn_factor_on },
    { HTTP_METHOD_POST, "/api/v1/me/factor/remove", people_turn_factor_off },
    { HTTP_METHOD_POST, "/api/v1/me/factor/recovery", people_renew_recovery },
    { HTTP_METHOD_GET, "/api/v1/me/keys", people_grants },
    { HTTP_METHOD_POST, "/api/v1/me/keys", people_make_key },
    { HTTP_METHOD_POST, "/api/v1/me/links", people_make_link },
    { HTTP_METHOD_DELETE, "/api/v1/me/keys/{}", people_remove_grant },
    { HTTP_METHOD_GET, "/api/v1/me/events", people_events },
    { HTTP_METHOD_GET, "/api/v1/me/sessions", people_sessions },
    { HTTP_METHOD_DELETE, "/api/v1/me/sessions", people_end_sessions },
    { HTTP_METHOD_DELETE, "/api/v1/me/sessions/{}", people_end_session },
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
    people->metrics.refreshed =
        metrics_counter(all, "adit_auth_refreshes_total", "", "Refresh tokens taken.", "refreshes");
    people->metrics.reused =
        metrics_counter(all, "adit_auth_refresh_reused_total", "",
                        "Sessions ended because a refresh token came twice.", "refresh_reused");
    people->metrics.events_lost =
        metrics_counter(all, "adit_auth_events_unwritten_total", "",
                        "Security events the store did not take; they stand in the log.", NULL);
    people->metrics.password_us = metrics_histogram(all, "adit_auth_password_seconds",
                                                    "Time of computing one password hash.");
}

static void key_path(const struct people *people, const char *name, char path_r[4096])
{
    snprintf(path_r, 4096, "%s/%s", people->options.settings->service_data_dir, name);
}

/* What may verify now, for ourselves, for who asks, and (auth.pub) for those who check tokens by
 * themselves. */
static bool spread_keys(struct people *people, struct error *error)
{
    char path[4096];
    uint64_t life_s = (uint64_t)people->options.settings->auth_token_minutes * 60;
    token_ring_verifier(people->ring, loop_unix_ms() / 1000, life_s, &people->verifier);
    token_jwks(&people->verifier, people->jwks);
    key_path(people, "auth.pub", path);
    return token_publish(&people->verifier, path, error);
}

/* Keys come by rotation, and die. */
static void on_keys(void *context)
{
    struct people *people = context;
    struct error error;
    bool changed;
    size_t before = people->verifier.count;
    if (!token_ring_refresh(people->ring, &changed, &error) || !spread_keys(people, &error)) {
        char safe[sizeof error.text];
        log_error("auth.keys", "reason=\"%s\"", log_text(error.text, safe, sizeof safe));
        return;
    }
    if (changed || before != people->verifier.count)
        log_info("auth.keys", "verifying=%zu", people->verifier.count);
}

static bool open_key(struct people *people, struct error *error)
{
    char path[4096];
    key_path(people, "auth.key", path);
    people->ring = token_ring_open(path, error);
    if (people->ring == NULL || !spread_keys(people, error))
        return false;
    people->keys_timer = (struct loop_timer){ .on_due = on_keys, .context = people };
    loop_timer_start(people->options.loop, &people->keys_timer, KEYS_MS, KEYS_MS);
    return true;
}

static void on_limits(void *context, const char *reason)
{
    struct people *people = context;
    if (people->options.on_limits != NULL)
        people->options.on_limits(people->options.context, reason);
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
    const struct limits_options limits = { .loop = people->options.loop,
                                           .url = settings->redis_cache,
                                           .key = people->secrets.limit,
                                           .on_away = on_limits,
                                           .context = people };
    people->limits = limits_create(&limits, error);
    if (people->limits == NULL)
        return false;
    const struct mail_settings mail = { .url = settings->auth_mail,
                                        .from = settings->auth_mail_from,
                                        .password_file = settings->auth_mail_password_file,
                                        .timeout_ms = MAIL_MS };
    people->mailer = mailer_create(people->options.loop, &mail, people->options.metrics, error);
    people->names = people->mailer != NULL ? names_open(error) : NULL;
    if (people->names == NULL)
        return false;
    if (!password_dummy(&people->cost, people->dummy))
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
    secrets_derive(&people->key, &people->secrets);
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
    limits_destroy(people->limits);
    mailer_destroy(people->mailer);
    names_close(people->names);
    if (loop_timer_running(&people->keys_timer))
        loop_timer_stop(people->options.loop, &people->keys_timer);
    if (people->ring != NULL)
        token_ring_close(people->ring);
    sodium_memzero(people, sizeof *people);
    free(people);
}
