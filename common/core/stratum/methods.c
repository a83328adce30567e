/* From a line to a request to its answer: one table, method to handler. */
#include "core/stratum/inside.h"

struct method {
    const char *name;
    void (*handle)(struct request *request);
    /* its answer is one of the few the ring can hold; the others wait until the ring is empty */
    bool short_answer;
    bool answered_later; /* the ring must be able to hold its id */
};

static void method_subscribe(struct request *request)
{
    struct stratum_session *session = request->step->session;
    char id[17];
    struct print number = { .text = id, .capacity_bytes = sizeof id };
    print_hex_number(&number, session->id, 16);
    struct span id_text = span_of(id, number.used_bytes);
    struct print print = answer_begin(request);
    print_text(&print, "[[[\"mining.set_difficulty\",\"");
    print_bytes(&print, id_text);
    print_text(&print, "\"],[\"mining.notify\",\"");
    print_bytes(&print, id_text);
    print_text(&print, "\"]],\"");
    print_hex_number(&print, session->extranonce1, 8);
    print_text(&print, "\",");
    print_number(&print, session->extranonce2_bytes);
    print_text(&print, "]");
    answer_end(request, &print);
    /* Asked again, it gets the same again: the extranonce is the session's. */
    if (session->state == STRATUM_CONNECTED)
        session_enter_state(session, STRATUM_SUBSCRIBED);
}

static uint64_t mix(uint64_t value)
{
    u128 product = (u128)(value ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t worker_name_hash(struct span name)
{
    uint64_t hash = name.length, last = 0;
    size_t at = 0;
    for (; at + 8 <= name.length; at += 8)
        hash = mix(hash ^ load_le64(name.data + at));
    for (; at < name.length; at++)
        last = last << 8 | name.data[at];
    return mix(hash ^ last);
}

struct stratum_worker *worker_find(struct stratum_session *session, uint64_t name)
{
    for (unsigned i = 0; i < STRATUM_WORKERS_MAX; i++)
        if (session->workers[i].state != STRATUM_WORKER_NONE && session->workers[i].name == name)
            return &session->workers[i];
    return NULL;
}

/* A free place: never used, or that of a name that was refused. */
static struct stratum_worker *free_worker(struct stratum_session *session)
{
    for (unsigned i = 0; i < STRATUM_WORKERS_MAX; i++)
        if (session->workers[i].state == STRATUM_WORKER_NONE)
            return &session->workers[i];
    for (unsigned i = 0; i < STRATUM_WORKERS_MAX; i++)
        if (session->workers[i].state == STRATUM_WORKER_REFUSED)
            return &session->workers[i];
    return NULL;
}

/* The text of a parameter, or "" where it is missing or null; false where it is something else. */
static bool name_of(struct request *request, unsigned index, char *text_r, size_t *length_r)
{
    unsigned token = json_element(request->json, request->params, index);
    text_r[0] = '\0';
    *length_r = 0;
    if (token == 0 || request->json->tokens[token].kind == JSON_NULL)
        return true;
    return json_copy_text(request->json, token, text_r, STRATUM_NAME_BYTES_MAX + 1, length_r);
}

static void method_authorize(struct request *request)
{
    struct step *step = request->step;
    struct stratum_effects *effects = step->effects;
    size_t user_bytes, password_bytes;
    if (!name_of(request, 0, effects->names[0], &user_bytes) || user_bytes == 0 ||
        !name_of(request, 1, effects->names[1], &password_bytes)) {
        answer_error(request, STRATUM_ERROR_NAME);
        return;
    }
    uint64_t name = worker_name_hash(span_of(effects->names[0], user_bytes));
    struct stratum_worker *worker = worker_find(step->session, name);
    if (worker == NULL)
        worker = free_worker(step->session);
    if (worker == NULL) {
        answer_error(request, STRATUM_ERROR_WORKERS);
        return;
    }
    /* Who is authorised already stays so while the question is open. */
    if (worker->state != STRATUM_WORKER_AUTHORISED || worker->name != name)
        *worker =
            (struct stratum_worker){ .name = name,
                                     .state = STRATUM_WORKER_ASKING,
                                     .generation = worker->generation + (worker->name != name) };
    struct stratum_effect *effect = step_effect(step, STRATUM_AUTHORISE);
    effect->answer = answer_hold(request);
    effect->worker = (uint8_t)(worker - step->session->workers);
    effect->generation = worker->generation;
    effect->user = span_of(effects->names[0], user_bytes);
    effect->password = span_of(effects->names[1], password_bytes);
}

/* A difficulty given as a number or as text. */
static bool difficulty_of(struct request *request, unsigned token, struct work *work_r)
{
    const struct json *json = request->json;
    struct vardiff_params bounds = session_bounds(request->step);
    struct span text;
    if (token == 0)
        return false;
    if (json->tokens[token].kind == JSON_NUMBER)
        text = json_text(json, token);
    else if (json->tokens[token].kind == JSON_STRING)
        text = json_inside(json, token);
    else
        return false;
    return difficulty_parse(text, request->step->world->params->algorithm, bounds.min, bounds.max,
                            work_r);
}

static void method_suggest_difficulty(struct request *request)
{
    struct step *step = request->step;
    struct stratum_session *session = step->session;
    struct work work;
    if (!difficulty_of(request, json_element(request->json, request->params, 0), &work)) {
        answer_error(request, STRATUM_ERROR_DIFFICULTY);
        return;
    }
    answer_true(request);
    session->start = work;
    if (session->state != STRATUM_MINING)
        return;
    struct vardiff_params bounds = session_bounds(step);
    vardiff_init(&session->vardiff, &bounds, work, step->world->now_ms);
    step_tell_work(step);
}

static void method_extranonce_subscribe(struct request *request)
{
    request->step->session->extranonce_subscribed = true;
    answer_true(request);
}

/* Ours: the owner sees the flag and sends adit.receipt for shares that are signed for. */
static void method_receipts_subscribe(struct request *request)
{
    request->step->session->receipts_subscribed = true;
    answer_true(request);
}

/* The transactions are the validators' and the scheduler's; a gateway has none. An empty list is
 * what clients that ask take as "nothing to check". */
static void method_get_transactions(struct request *request)
{
    struct print print = answer_begin(request);
    print_text(&print, "[]");
    answer_end(request, &print);
}

static void method_ping(struct request *request)
{
    answer_pong(request);
}

/* The other side's answer to a ping of ours. */
static void method_pong(struct request *request)
{
    (void)request;
}

static const struct method methods[] = {
    { "mining.submit", method_submit, true, true },
    { "mining.subscribe", method_subscribe, false, false },
    { "mining.authorize", method_authorize, true, true },
    { "mining.configure", method_configure, false, false },
    { "mining.suggest_difficulty", method_suggest_difficulty, true, false },
    { "mining.extranonce.subscribe", method_extranonce_subscribe, true, false },
    { "adit.receipts.subscribe", method_receipts_subscribe, true, false },
    { "mining.get_transactions", method_get_transactions, false, false },
    { "mining.ping", method_ping, true, false },
    { "mining.pong", method_pong, true, false },
};

static const struct method *find_method(const struct json *json, unsigned token)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (json_is_text(json, token, methods[i].name))
            return &methods[i];
    return NULL;
}

/* Not JSON, or JSON that is no object. Who begins so is no miner; later a few are borne. */
static enum stratum_step rubbish(struct step *step)
{
    struct stratum_session *session = step->session;
    answer_error_without_id(step, STRATUM_ERROR_NOT_JSON);
    session->rubbish++;
    if (session->state == STRATUM_CONNECTED || session->rubbish >= STRATUM_RUBBISH_MAX)
        step_close(step, "not stratum");
    return STRATUM_TAKEN;
}

/* The id as the request spelt it; one beyond all reason is not repeated. */
static struct span request_id(const struct json *json)
{
    enum { ECHO_BYTES_MAX = 1024 };
    unsigned token = json_member(json, 0, "id");
    if (token == 0 || json->tokens[token].end - json->tokens[token].start > ECHO_BYTES_MAX)
        return span_text("null");
    return json_text(json, token);
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.length; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

enum stratum_step request_line(struct step *step, struct span line)
{
    struct stratum_session *session = step->session;
    struct json json;
    struct span id;
    struct submit_fields submit;
    if (answers_full(session))
        return STRATUM_LATER;
    session->line_ms = step->world->now_ms;
    if (submit_scan(line, &id, &submit)) {
        struct request request = { .step = step, .id = id };
        submit_decide(&request, &submit);
        return STRATUM_TAKEN;
    }
    if (is_blank(line))
        return STRATUM_TAKEN;
    if (json_parse(line, &json) != JSON_OK || json.tokens[0].kind != JSON_OBJECT)
        return rubbish(step);
    struct request request = { .step = step, .json = &json, .id = request_id(&json) };
    unsigned token = json_member(&json, 0, "method");
    /* An answer to a question of ours (client.get_version): nothing to do. */
    if (token == 0 && json_member(&json, 0, "result") != 0)
        return STRATUM_TAKEN;
    const struct method *method = token != 0 ? find_method(&json, token) : NULL;
    bool long_id = request.id.length > STRATUM_ID_BYTES_MAX;
    if (stratum_session_holds_answers(session) &&
        (long_id || (method != NULL && !method->short_answer)))
        return STRATUM_LATER;
    unsigned params = json_member(&json, 0, "params");
    if (token == 0 || json.tokens[token].kind != JSON_STRING)
        answer_error(&request, STRATUM_ERROR_NO_METHOD);
    else if (method == NULL)
        answer_error(&request, STRATUM_ERROR_UNKNOWN_METHOD);
    else if (method->answered_later && long_id)
        answer_error(&request, STRATUM_ERROR_LONG_ID);
    else if (params != 0 && json.tokens[params].kind != JSON_ARRAY &&
             json.tokens[params].kind != JSON_NULL)
        answer_error(&request, STRATUM_ERROR_PARAMS);
    else {
        request.params = params;
        method->handle(&request);
    }
    return STRATUM_TAKEN;
}
