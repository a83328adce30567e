/* Answers, in the order of the requests. An answer that is known while nothing older is held goes
 * out at once; otherwise it waits in the ring, and whenever the oldest becomes known, it and all
 * known ones behind it leave. */
#include "core/stratum/inside.h"

enum answer_kind {
    ANSWER_UNKNOWN,
    ANSWER_RESUMING, /* of a subscribe: not known either, but by another event */
    ANSWER_TRUE,
    ANSWER_PONG,
    ANSWER_ERROR,    /* detail: enum stratum_error */
    ANSWER_REJECTED, /* detail: enum share_outcome */
    ANSWER_SUBSCRIBED,
};

const char *stratum_error_text(enum stratum_error error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case name:                                                                                     \
        return text;
        STRATUM_ERRORS(X)
#undef X
    }
    return "Unknown error";
}

int stratum_error_code(enum stratum_error error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case name:                                                                                     \
        return code;
        STRATUM_ERRORS(X)
#undef X
    }
    return 20;
}

static void print_failure(struct print *print, bool is_false, int code, const char *text)
{
    print_text(print, is_false ? "false,\"error\":[" : "null,\"error\":[");
    print_number(print, (uint64_t)code);
    print_text(print, ",");
    print_safe_string(print, text, STRATUM_REFUSAL_BYTES_MAX);
    print_text(print, ",null]}\n");
}

static void print_answer(struct step *step, struct span id, enum answer_kind kind, unsigned detail)
{
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":");
    print_bytes(&print, id);
    print_text(&print, ",\"result\":");
    switch (kind) {
    case ANSWER_UNKNOWN:
    case ANSWER_RESUMING:
        ASSERT(kind > ANSWER_RESUMING);
        break;
    case ANSWER_TRUE:
        print_text(&print, "true,\"error\":null}\n");
        break;
    case ANSWER_PONG:
        print_text(&print, "\"pong\",\"error\":null}\n");
        break;
    case ANSWER_SUBSCRIBED:
        print_subscribed(&print, step->session);
        print_text(&print, ",\"error\":null}\n");
        break;
    case ANSWER_ERROR: {
        enum stratum_error error = (enum stratum_error)detail;
        bool is_false = stratum_error_code(error) == 24; /* of mining.authorize */
        print_failure(&print, is_false, stratum_error_code(error), stratum_error_text(error));
        break;
    }
    case ANSWER_REJECTED: {
        enum share_outcome outcome = (enum share_outcome)detail;
        print_failure(&print, true, share_outcome_stratum_code(outcome),
                      share_outcome_text(outcome));
        break;
    }
    }
    step_text_end(step, &print);
}

struct stratum_answers *stratum_session_lend_answers(struct stratum_session *session,
                                                     struct stratum_answers *answers)
{
    struct stratum_answers *old = session->answers;
    ASSERT(answers->count == 0 && answers->capacity <= STRATUM_ANSWERS_MAX &&
           answers->capacity > (old != NULL ? old->capacity : 0) &&
           (answers->capacity & (answers->capacity - 1)) == 0);
    answers->first = old != NULL ? old->first : session->first_answer;
    session->answers = answers;
    if (old == NULL)
        return NULL;
    for (uint32_t number = old->first; answers->count < old->count; number++, answers->count++)
        answers->ring[number % answers->capacity] = old->ring[number % old->capacity];
    answers->head_ms = old->head_ms;
    old->count = 0;
    return old;
}

struct stratum_answers *stratum_session_return_answers(struct stratum_session *session)
{
    struct stratum_answers *answers = session->answers;
    if (answers == NULL)
        return NULL;
    session->first_answer = answers->first + answers->count;
    session->answers = NULL;
    answers->count = 0;
    return answers;
}

bool answers_full(const struct stratum_session *session)
{
    return session->answers->count == session->answers->capacity;
}

static struct stratum_answer *push(struct request *request, enum answer_kind kind, unsigned detail)
{
    struct stratum_answers *answers = request->step->session->answers;
    ASSERT(answers->count < answers->capacity && request->id.length <= STRATUM_ID_BYTES_MAX);
    if (answers->count == 0)
        answers->head_ms = request->step->world->now_ms;
    struct stratum_answer *answer =
        &answers->ring[(answers->first + answers->count) % answers->capacity];
    answers->count++;
    answer->kind = (uint8_t)kind;
    answer->detail = (uint8_t)detail;
    answer->id_bytes = (uint8_t)request->id.length;
    memcpy(answer->id, request->id.data, request->id.length);
    return answer;
}

static void give(struct request *request, enum answer_kind kind, unsigned detail)
{
    if (request->silent)
        return;
    if (stratum_session_holds_answers(request->step->session))
        (void)push(request, kind, detail);
    else
        print_answer(request->step, request->id, kind, detail);
}

void answer_true(struct request *request)
{
    give(request, ANSWER_TRUE, 0);
}

void answer_pong(struct request *request)
{
    give(request, ANSWER_PONG, 0);
}

void answer_error(struct request *request, enum stratum_error error)
{
    give(request, ANSWER_ERROR, error);
}

/* Who only ever sends what is rejected is closed. Stale shares, and what the pool could not handle,
 * say nothing about the miner. */
static void count(struct step *step, enum share_outcome outcome)
{
    struct stratum_session *session = step->session;
    if (outcome == SHARE_ACCEPTED)
        session->rejects = 0;
    if (outcome == SHARE_ACCEPTED || outcome == SHARE_STALE || outcome == SHARE_OVERLOADED ||
        outcome == SHARE_NOT_DURABLE)
        return;
    if (++session->rejects >= STRATUM_REJECTS_MAX)
        step_close(step, "too many rejected shares");
}

void answer_rejected(struct request *request, enum share_outcome outcome)
{
    request->step->effects->refused = outcome;
    give(request, ANSWER_REJECTED, outcome);
    count(request->step, outcome);
}

uint32_t answer_hold(struct request *request)
{
    struct stratum_answers *answers = request->step->session->answers;
    (void)push(request, ANSWER_UNKNOWN, 0);
    return answers->first + answers->count - 1;
}

uint32_t answer_hold_subscribe(struct request *request)
{
    ASSERT(!stratum_session_holds_answers(request->step->session));
    (void)push(request, ANSWER_RESUMING, 0);
    return request->step->session->answers->first;
}

void answer_error_without_id(struct step *step, enum stratum_error error)
{
    /* It belongs to no request, so nobody can miss its turn. */
    print_answer(step, span_text("null"), ANSWER_ERROR, error);
}

/* The held answer of a number; NULL where it is not held or known already. */
static struct stratum_answer *find_unknown(struct step *step, uint32_t number)
{
    struct stratum_answers *answers = step->session->answers;
    if (answers == NULL || number - answers->first >= answers->count)
        return NULL;
    struct stratum_answer *answer = &answers->ring[number % answers->capacity];
    return answer->kind == ANSWER_UNKNOWN ? answer : NULL;
}

static void release(struct step *step)
{
    struct stratum_answers *answers = step->session->answers;
    while (answers->count > 0) {
        struct stratum_answer *answer = &answers->ring[answers->first % answers->capacity];
        if (answer->kind <= ANSWER_RESUMING)
            break;
        print_answer(step, span_of(answer->id, answer->id_bytes), (enum answer_kind)answer->kind,
                     answer->detail);
        answers->first++;
        answers->count--;
        answers->head_ms = step->world->now_ms;
    }
}

bool answer_settle_share(struct step *step, uint32_t number, enum share_outcome outcome)
{
    struct stratum_answer *answer = find_unknown(step, number);
    if (answer == NULL)
        return false;
    answer->kind = outcome == SHARE_ACCEPTED ? ANSWER_TRUE : ANSWER_REJECTED;
    answer->detail = (uint8_t)outcome;
    release(step);
    count(step, outcome);
    return true;
}

/* It was asked while nothing older was held, and nothing was taken since. */
void answer_settle_subscribe(struct step *step)
{
    struct stratum_answers *answers = step->session->answers;
    ASSERT(answers != NULL && answers->count == 1);
    answers->ring[answers->first % answers->capacity].kind = ANSWER_SUBSCRIBED;
    release(step);
}

bool answer_settle_authorised(struct step *step, uint32_t number, enum stratum_authorised outcome,
                              const char *text)
{
    struct stratum_answer *answer = find_unknown(step, number);
    if (answer == NULL)
        return false;
    answer->kind = outcome == STRATUM_YES ? ANSWER_TRUE : ANSWER_ERROR;
    answer->detail = outcome == STRATUM_AWAY ? STRATUM_ERROR_AUTH_AWAY : STRATUM_ERROR_REFUSED;
    struct stratum_answers *answers = step->session->answers;
    if (outcome == STRATUM_NO && text != NULL && text[0] != '\0' && number == answers->first) {
        /* Its turn: the reason can go out whole. One that must wait says only "Not authorized". */
        struct print print = step_text_begin(step);
        print_text(&print, "{\"id\":");
        print_bytes(&print, span_of(answer->id, answer->id_bytes));
        print_text(&print, ",\"result\":");
        print_failure(&print, true, stratum_error_code(STRATUM_ERROR_REFUSED), text);
        step_text_end(step, &print);
        answers->first++;
        answers->count--;
        answers->head_ms = step->world->now_ms;
    }
    release(step);
    return true;
}

struct print answer_begin(struct request *request)
{
    ASSERT(!stratum_session_holds_answers(request->step->session));
    struct print print = step_text_begin(request->step);
    print_text(&print, "{\"id\":");
    print_bytes(&print, request->id);
    print_text(&print, ",\"result\":");
    return print;
}

void answer_end(struct request *request, struct print *print)
{
    print_text(print, ",\"error\":null}\n");
    step_text_end(request->step, print);
}
