#include "services/auth/visit.h"

#include "record/access/keys.h"
#include "service/log.h"
#include "services/auth/form.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS_MS = 1000, MAIL_MS = 30000 };

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
    { HTTP_METHOD_GET, "/api/v1/me/notices", people_notices },
    { HTTP_METHOD_POST, "/api/v1/me/notices", people_choose_notices },
    { HTTP_METHOD_POST, "/api/v1/me/notices/webhook", people_set_webhook },
    { HTTP_METHOD_DELETE, "/api/v1/me/notices/webhook", people_remove_webhook },
    { HTTP_METHOD_POST, "/api/v1/me/notices/test", people_test_notice },
    { HTTP_METHOD_GET, "/api/v1/me/notices/log", people_notices_log },
    { HTTP_METHOD_POST, "/api/v1/auth/notices/unsubscribe/{}", people_stop_letters },
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

/* What may verify now, for ourselves, for who asks, and (auth.pub) for those whom the operator pins
 * to a file; all others are told by said_keys.h. */
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

void people_keys(const struct people *people, struct access_keys *keys_r)
{
    _Static_assert((int)TOKEN_KEYS_MAX == (int)ACCESS_KEYS_MAX, "a record holds a ring's keys");
    _Static_assert((int)TOKEN_PUBLIC_BYTES == (int)ACCESS_KEY_BYTES, "and each whole");
    const struct token_verifier *verifier = &people->verifier;
    keys_r->generation = token_ring_generation(people->ring);
    keys_r->count = verifier->count;
    for (size_t i = 0; i < verifier->count; i++)
        memcpy(keys_r->keys[i], verifier->keys[i].public_key, ACCESS_KEY_BYTES);
}

static bool open_key(struct people *people, struct error *error)
{
    char path[4096];
    key_path(people, "auth.key", path);
    people->ring = token_ring_open(path, loop_unix_ms() / 1000, error);
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

static void on_letters(void *context, const char *reason)
{
    struct people *people = context;
    if (people->options.on_letters != NULL)
        people->options.on_letters(people->options.context, reason);
}

static void on_notices(void *context, const char *reason)
{
    struct people *people = context;
    if (people->options.on_notices != NULL)
        people->options.on_notices(people->options.context, reason);
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
    const struct mailer_options mail = {
        .loop = people->options.loop,
        .metrics = people->options.metrics,
        .mail = { .url = settings->auth_mail,
                  .from = settings->auth_mail_from,
                  .password_file = settings->auth_mail_password_file,
                  .authority_file = settings->auth_mail_authority_file,
                  .plain = settings->auth_mail_plain,
                  .timeout_ms = MAIL_MS },
        .key = people->secrets.letter,
        .open_store = open_store,
        .on_away = on_letters,
        .context = people,
    };
    people->mailer = mailer_create(&mail, error);
    const struct notifier_options notices = { .loop = people->options.loop,
                                              .metrics = people->options.metrics,
                                              .settings = settings,
                                              .secrets = &people->secrets,
                                              .mail = &mail.mail,
                                              .open_store = open_store,
                                              .on_letters = on_notices,
                                              .context = people };
    people->notifier = people->mailer != NULL ? notifier_create(&notices, error) : NULL;
    people->names = people->notifier != NULL ? names_open(error) : NULL;
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
    notifier_destroy(people->notifier);
    names_close(people->names);
    if (loop_timer_running(&people->keys_timer))
        loop_timer_stop(people->options.loop, &people->keys_timer);
    if (people->ring != NULL)
        token_ring_close(people->ring);
    sodium_memzero(people, sizeof *people);
    free(people);
}
