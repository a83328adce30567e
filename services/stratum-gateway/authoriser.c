#include "services/stratum-gateway/authoriser.h"

#include "service/log.h"
#include "services/stratum-gateway/known_names.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 100,
    TIMEOUT_MS = 1000,    /* of one request */
    PATIENCE_MS = 1000,   /* before an address is let in without an answer */
    CONFIRM_MS = 5000,    /* between rounds over those who were let in so */
    CONFIRM_AT_ONCE = 32, /* of them asked in one round */
    QUIET_MS = 2000,      /* without an answer, and it is asked for nobody */
    IN_FLIGHT_MAX = 64,
    REPLY_BYTES_MAX = 4096,
};

struct waiter {
    struct waiter *next;
    struct authoriser_ticket ticket;
};

/* A question under way, with all who want its answer. */
struct question {
    struct question *next;
    struct authoriser *authoriser;
    struct waiter *waiters;
    uint64_t since_ms;
    bool flying;
    bool failed_once;
    bool provisional; /* they were let in already; only a no or other ids are news */
    char user[STRATUM_NAME_BYTES_MAX + 1];
    char password[STRATUM_NAME_BYTES_MAX + 1];
    char peer[64];
};

struct authoriser {
    struct authoriser_options options;
    struct authoriser_counts counts;
    struct identity_key key;
    bool derives;
    struct bus_client *client;
    struct loop_timer tick;
    struct known_names known;
    struct question *questions; /* asked or to be asked */
    size_t questions_count;
    struct question *provisional; /* let in, to be asked later */
    size_t provisional_count;
    uint64_t confirm_ms;
    uint64_t heard_ms; /* its last answer, or when it was connected */
    uint64_t called_ms;
    bool called; /* for nobody, and there is no answer yet */
};

static uint64_t now_ms(const struct authoriser *authoriser)
{
    return loop_now_ms(authoriser->options.loop);
}

static void remember(struct authoriser *authoriser, const struct question *question,
                     const struct authoriser_result *result)
{
    struct known_name *known =
        known_names_find(&authoriser->known, question->user, question->password);
    if (result->outcome != STRATUM_YES) {
        if (known != NULL)
            known_names_forget(&authoriser->known, known);
        return;
    }
    known = known_names_put(&authoriser->known, question->user, question->password);
    if (known == NULL)
        return;
    known->account_id = result->account_id;
    known->worker_id = result->worker_id;
    known->until_ms = now_ms(authoriser) + AUTHORISER_LIFE_MS;
}

/* The ids auth would give a plain address; false for any other name. */
static bool derive(const struct authoriser *authoriser, const char *user,
                   struct authoriser_result *result_r)
{
    struct identity_name name;
    struct identity_account account;
    if (!authoriser->derives || identity_split(span_text(user), &name) != IDENTITY_OK ||
        identity_resolve(authoriser->options.coin, name.account, &account, NULL) != IDENTITY_OK ||
        account.kind != IDENTITY_KIND_ADDRESS)
        return false;
    *result_r = (struct authoriser_result){ .outcome = STRATUM_YES };
    result_r->account_id = identity_account_id(&authoriser->key, &account);
    result_r->worker_id = identity_worker_id(&authoriser->key, result_r->account_id, name.worker);
    return true;
}

static void tell(struct authoriser *authoriser, struct question *question,
                 const struct authoriser_result *result)
{
    while (question->waiters != NULL) {
        struct waiter *waiter = question->waiters;
        question->waiters = waiter->next;
        authoriser->options.handler(authoriser->options.context, &waiter->ticket, result);
        free(waiter);
    }
}

static void remove_question(struct authoriser *authoriser, struct question *question)
{
    struct question **at = &authoriser->questions;
    while (*at != question)
        at = &(*at)->next;
    *at = question->next;
    authoriser->questions_count--;
}

static void end_question(struct authoriser *authoriser, struct question *question,
                         const struct authoriser_result *result)
{
    remove_question(authoriser, question);
    tell(authoriser, question, result);
    free(question);
}

static struct waiter *new_waiter(const struct authoriser_ticket *ticket, struct waiter *next)
{
    struct waiter *waiter = malloc(sizeof *waiter);
    if (waiter != NULL)
        *waiter = (struct waiter){ .next = next, .ticket = *ticket };
    return waiter;
}

/* Lets all in who wait for it, and keeps the question for later. False where that cannot be. */
static bool let_in(struct authoriser *authoriser, struct question *question)
{
    struct authoriser_result result;
    if (question->provisional || authoriser->provisional_count >= AUTHORISER_PROVISIONAL_MAX ||
        !derive(authoriser, question->user, &result))
        return false;
    remove_question(authoriser, question);
    struct waiter *waiters = question->waiters;
    for (struct waiter *one = waiters; one != NULL; one = one->next) {
        authoriser->options.handler(authoriser->options.context, &one->ticket, &result);
        one->ticket.answer = STRATUM_NO_ANSWER;
    }
    authoriser->counts.provisional++;
    question->provisional = true;
    question->failed_once = false;
    question->next = authoriser->provisional;
    authoriser->provisional = question;
    authoriser->provisional_count++;
    return true;
}

static void on_answer(struct authoriser *authoriser, struct question *question,
                      const struct wire_authorise_reply *reply)
{
    struct authoriser_result result = { .outcome = STRATUM_NO, .text = reply->text };
    if (reply->outcome == WIRE_AUTHORISE_UNAVAILABLE) {
        question->failed_once = true;
        return;
    }
    if (reply->outcome == WIRE_AUTHORISE_YES && reply->account != 0 && reply->worker != 0) {
        result.outcome = STRATUM_YES;
        result.account_id = reply->account;
        result.worker_id = reply->worker;
    } else {
        authoriser->counts.refused++;
    }
    remember(authoriser, question, &result);
    end_question(authoriser, question, &result);
}

/* Whether it answers, by the end of any question. One that was put since the last answer and went
 * without its own tells that it does not. */
static void learn(struct authoriser *authoriser, enum bus_outcome outcome)
{
    const uint64_t now = now_ms(authoriser);
    if (outcome == BUS_REPLIED) {
        if (!authoriser->counts.up)
            authoriser->confirm_ms = 0;
        authoriser->heard_ms = now;
        authoriser->counts.up = authoriser->counts.connected;
    } else if (outcome == BUS_TIMEOUT && now - authoriser->heard_ms >= TIMEOUT_MS) {
        authoriser->counts.up = false;
    }
}

static void on_called(void *context, enum bus_outcome outcome, struct span message)
{
    struct authoriser *authoriser = context;
    (void)message;
    authoriser->called = false;
    learn(authoriser, outcome);
}

static void call_if_quiet(struct authoriser *authoriser)
{
    const struct wire_authorise_request request = { .user = "", .password = "", .peer = "" };
    const uint64_t now = now_ms(authoriser);
    uint8_t message[64];
    if (!authoriser->counts.connected || authoriser->called ||
        now - authoriser->heard_ms < QUIET_MS || now - authoriser->called_ms < QUIET_MS)
        return;
    size_t length = wire_encode_authorise_request(&request, message, sizeof message);
    ASSERT(length > 0);
    authoriser->called_ms = now;
    authoriser->called = bus_request(authoriser->client, span_of(message, length), TIMEOUT_MS,
                                     on_called, authoriser);
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct question *question = context;
    struct authoriser *authoriser = question->authoriser;
    struct wire_authorise_reply reply;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    question->flying = false;
    learn(authoriser, outcome);
    if (outcome != BUS_REPLIED) {
        question->failed_once = true;
        return; /* the tick asks again, lets in or gives up */
    }
    if (!wire_decode_authorise_reply(message, &arena, &reply, &error)) {
        log_error("auth.undecodable", "reason=\"%s\"", error.text);
        question->failed_once = true;
        return;
    }
    on_answer(authoriser, question, &reply);
}

static void send(struct authoriser *authoriser, struct question *question)
{
    const struct wire_authorise_request request = { .user = question->user,
                                                    .password = question->password,
                                                    .peer = question->peer };
    uint8_t message[1024];
    size_t length = wire_encode_authorise_request(&request, message, sizeof message);
    ASSERT(length > 0);
    question->flying =
        bus_request(authoriser->client, span_of(message, length), TIMEOUT_MS, on_reply, question);
    authoriser->counts.asked += question->flying;
}

/* An expired answer counts while there is no better one. */
static bool use_expired(struct authoriser *authoriser, struct question *question)
{
    const struct known_name *known =
        known_names_find(&authoriser->known, question->user, question->password);
    if (known == NULL)
        return false;
    const struct authoriser_result result = { .outcome = STRATUM_YES,
                                              .account_id = known->account_id,
                                              .worker_id = known->worker_id };
    end_question(authoriser, question, &result);
    return true;
}

/* One look at a question nobody is answering. */
static void care(struct authoriser *authoriser, struct question *question)
{
    uint64_t waited_ms = now_ms(authoriser) - question->since_ms;
    bool away = !authoriser->counts.up || question->failed_once || waited_ms >= PATIENCE_MS;
    if (away && (use_expired(authoriser, question) || let_in(authoriser, question)))
        return;
    if (waited_ms < AUTHORISER_WAIT_MS) {
        send(authoriser, question);
        return;
    }
    if (question->provisional) { /* still away: later again */
        remove_question(authoriser, question);
        question->next = authoriser->provisional;
        authoriser->provisional = question;
        authoriser->provisional_count++;
        return;
    }
    authoriser->counts.given_up++;
    const struct authoriser_result result = { .outcome = STRATUM_AWAY };
    end_question(authoriser, question, &result);
}

/* Some of those who were let in without auth are asked about, now that it is there. */
static void confirm_some(struct authoriser *authoriser)
{
    for (unsigned i = 0; i < CONFIRM_AT_ONCE && authoriser->provisional != NULL; i++) {
        struct question *question = authoriser->provisional;
        authoriser->provisional = question->next;
        authoriser->provisional_count--;
        question->since_ms = now_ms(authoriser);
        question->next = authoriser->questions;
        authoriser->questions = question;
        authoriser->questions_count++;
        send(authoriser, question);
    }
}

static void on_tick(void *context)
{
    struct authoriser *authoriser = context;
    struct question *next;
    for (struct question *at = authoriser->questions; at != NULL; at = next) {
        next = at->next;
        if (!at->flying)
            care(authoriser, at);
    }
    call_if_quiet(authoriser);
    if (authoriser->counts.up && now_ms(authoriser) >= authoriser->confirm_ms) {
        confirm_some(authoriser);
        authoriser->confirm_ms =
            now_ms(authoriser) + (authoriser->provisional != NULL ? TICK_MS : CONFIRM_MS);
    }
}

static struct question *find_question(struct authoriser *authoriser, const char *user,
                                      const char *password)
{
    for (struct question *one = authoriser->questions; one != NULL; one = one->next)
        if (!one->provisional && strcmp(one->user, user) == 0 &&
            strcmp(one->password, password) == 0)
            return one;
    return NULL;
}

static struct question *new_question(struct authoriser *authoriser, const char *user,
                                     const char *password, const char *peer)
{
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    question->authoriser = authoriser;
    question->since_ms = now_ms(authoriser);
    snprintf(question->user, sizeof question->user, "%s", user);
    snprintf(question->password, sizeof question->password, "%s", password);
    snprintf(question->peer, sizeof question->peer, "%s", peer);
    question->next = authoriser->questions;
    authoriser->questions = question;
    authoriser->questions_count++;
    send(authoriser, question);
    return question;
}

bool authoriser_ask(struct authoriser *authoriser, const char *user, const char *password,
                    const char *peer, const struct authoriser_ticket *ticket,
                    struct authoriser_result *result_r)
{
    *result_r = (struct authoriser_result){ .outcome = STRATUM_AWAY };
    struct known_name *known = known_names_find(&authoriser->known, user, password);
    if (known != NULL && now_ms(authoriser) < known->until_ms) {
        known_names_use(&authoriser->known, known);
        authoriser->counts.remembered++;
        result_r->outcome = STRATUM_YES;
        result_r->account_id = known->account_id;
        result_r->worker_id = known->worker_id;
        return true;
    }
    struct question *question = find_question(authoriser, user, password);
    if (question == NULL && authoriser->questions_count < AUTHORISER_ASKING_MAX)
        question = new_question(authoriser, user, password, peer);
    struct waiter *waiter = question != NULL ? new_waiter(ticket, question->waiters) : NULL;
    if (waiter == NULL) /* a question without waiters ends unheard */
        return true;
    question->waiters = waiter;
    return false;
}

static void on_up(void *context)
{
    struct authoriser *authoriser = context;
    authoriser->counts.connected = authoriser->counts.up = true;
    authoriser->heard_ms = now_ms(authoriser);
    authoriser->confirm_ms = 0;
}

static void on_down(void *context)
{
    struct authoriser *authoriser = context;
    authoriser->counts.connected = authoriser->counts.up = false;
}

struct authoriser_counts authoriser_counts(const struct authoriser *authoriser)
{
    return authoriser->counts;
}

struct authoriser *authoriser_create(const struct authoriser_options *options, struct error *error)
{
    struct authoriser *authoriser = calloc(1, sizeof *authoriser);
    if (authoriser == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the authoriser");
        return NULL;
    }
    authoriser->options = *options;
    authoriser->derives = options->coin != NULL && options->key != NULL;
    if (authoriser->derives)
        authoriser->key = *options->key;
    known_names_init(&authoriser->known, options->names_max);
    const struct bus_client_options client = { .in_flight_max = IN_FLIGHT_MAX,
                                               .message_bytes_max = REPLY_BYTES_MAX,
                                               .on_up = on_up,
                                               .on_down = on_down,
                                               .context = authoriser };
    authoriser->client = bus_connect(options->bus, options->url, &client, error);
    if (authoriser->client == NULL) {
        free(authoriser);
        return NULL;
    }
    authoriser->tick = (struct loop_timer){ .on_due = on_tick, .context = authoriser };
    loop_timer_start(options->loop, &authoriser->tick, TICK_MS, TICK_MS);
    return authoriser;
}

static void free_questions(struct question *question)
{
    while (question != NULL) {
        struct question *next = question->next;
        while (question->waiters != NULL) {
            struct waiter *waiter = question->waiters;
            question->waiters = waiter->next;
            free(waiter);
        }
        free(question);
        question = next;
    }
}

void authoriser_destroy(struct authoriser *authoriser)
{
    if (authoriser == NULL)
        return;
    loop_timer_stop(authoriser->options.loop, &authoriser->tick);
    bus_client_close(authoriser->client);
    free_questions(authoriser->questions);
    free_questions(authoriser->provisional);
    known_names_deinit(&authoriser->known);
    free(authoriser);
}
