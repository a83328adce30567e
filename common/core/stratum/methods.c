/* From a line to a request to its answer: one table, method to handler. */
#include "core/stratum/inside.h"

struct method {
    const char *name;
    void (*handle)(struct request *request);
    /* its answer is one of the few the ring can hold; the others wait until the ring is empty */
    bool short_answer;
    bool answered_later; /* the ring must be able to hold its id */
    /* without an id nobody waits for its answer, and some clients (BFGMiner) take the first line
     * they read for the answer to what they asked after it */
    bool is_hint;
};

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

/* [job id]. BFGMiner asks it of each pool once, to see what it mines (util.c
 * stratum_probe_transparency): a list must have as many transactions as the job's merkle branch
 * says, and an empty one for a job that has some is called a lie (miner.c, "mismatched block
 * contents"), again with every job. What is no list is noted once. So the list is sent where it is
 * empty, and else it is said that there is none here: megabytes for each who asks are no gateway's.
 */
static void method_get_transactions(struct request *request)
{
    unsigned variant,
        token = request->params != 0 ? json_element(request->json, request->params, 0) : 0;
    const struct stratum_job *job;
    if (token == 0 || request->json->tokens[token].kind != JSON_STRING) {
        answer_error(request, STRATUM_ERROR_PARAMS);
    } else if (!session_find_job(request->step, json_inside(request->json, token), &job,
                                 &variant)) {
        answer_error(request, STRATUM_ERROR_NO_JOB);
    } else if (job->job->branches_count > 0) {
        answer_error(request, STRATUM_ERROR_TRANSACTIONS);
    } else {
        struct print print = answer_begin(request);
        print_text(&print, "[]");
        answer_end(request, &print);
    }
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

/* What a client can do beyond the usual: we need to know none of it. */
static void method_capabilities(struct request *request)
{
    answer_true(request);
}

static const struct method methods[] = {
    { "mining.submit", method_submit, true, true, false },
    { "mining.subscribe", method_subscribe, false, false, false },
    { "mining.authorize", method_authorize, true, true, false },
    { "mining.configure", method_configure, false, false, false },
    { "mining.suggest_difficulty", method_suggest_difficulty, true, false, true },
    { "mining.suggest_target", method_suggest_target, true, false, true },
    { "mining.multi_version", method_multi_version, true, false, false },
    { "mining.capabilities", method_capabilities, true, false, true },
    { "mining.extranonce.subscribe", method_extranonce_subscribe, true, false, false },
    { "adit.receipts.subscribe", method_receipts_subscribe, true, false, false },
    { "mining.get_transactions", method_get_transactions, false, false, false },
    { "mining.ping", method_ping, true, false, false },
    { "mining.pong", method_pong, true, false, false },
    { "pong", method_pong, true, false, false }, /* ESP-Miner's spelling */
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

/* An answer to a question of ours: to client.get_version, the one there is, where it gives a
 * text. */
static void take_answer(struct step *step, const struct json *json)
{
    char agent[256];
    if (step->session->version_asked && step->session->agent[0] == '\0' &&
        json_copy_text(json, json_member(json, 0, "result"), agent, sizeof agent, NULL)) {
        session_know_agent(step, agent);
        session_mend_shape(step);
    }
}

enum stratum_step request_line(struct step *step, struct span line)
{
    struct stratum_session *session = step->session;
    struct json json;
    struct span id;
    struct submit_fields submit;
    session->wants_workers = false;
    if (answers_full(session) || session->resuming)
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
    if (token == 0 && json_member(&json, 0, "result") != 0) {
        take_answer(step, &json);
        return STRATUM_TAKEN;
    }
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
        request.silent = method->is_hint && span_equal(request.id, span_text("null"));
        method->handle(&request);
    }
    return session->wants_workers ? STRATUM_LATER : STRATUM_TAKEN;
}
