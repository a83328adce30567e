/* A visit on its way: between the loop, the store's thread and those for passwords, and what is
 * said and written down at its end. */
#include "services/auth/visit.h"

#include "loop/slice.h"
#include "service/log.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PASSWORD_NICE = 15 };

static struct visit *visit_of_job(struct worker_job *job)
{
    return (struct visit *)((char *)job - offsetof(struct visit, password_job));
}

static void visit_free(struct visit *visit)
{
    if (visit->form.document != NULL)
        form_free(&visit->form);
    json_decref(visit->reply);
    if (visit->posted)
        mailer_kick(visit->people->mailer);
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
