/* mining.authorize [user, password]: who mines, and the difficulty it may name beside: `+d=1024`
 * behind the user name, or `d=1024` in the password, which then stays. */
#include "core/stratum/inside.h"

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

bool difficulty_of(struct request *request, unsigned token, struct work *work_r)
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

void session_wish(struct step *step, struct work work)
{
    struct stratum_session *session = step->session;
    session->start = work;
    session->wished = true;
    if (session->state != STRATUM_MINING)
        return;
    struct vardiff_params bounds = session_bounds(step);
    vardiff_init(&session->vardiff, &bounds, work, step->world->now_ms);
    step_tell_work(step);
}

/* `d=…` among what the password says, parted by commas, semicolons or blanks. */
static struct span difficulty_in_password(struct span password)
{
    size_t start = 0;
    for (size_t at = 0; at <= password.length; at++) {
        if (at < password.length && password.data[at] != ',' && password.data[at] != ';' &&
            password.data[at] != ' ')
            continue;
        if (at - start > 2 && memcmp(password.data + start, "d=", 2) == 0)
            return span_of(password.data + start + 2, at - start - 2);
        start = at + 1;
    }
    return span_of(NULL, 0);
}

/* `+d=…` at a user name's end. */
static struct span difficulty_in_name(struct span user)
{
    static const char mark[] = "+d=";
    for (size_t at = user.length; at > 3; at--)
        if (memcmp(user.data + at - 3, mark, 3) == 0)
            return span_of(user.data + at, user.length - at);
    return span_of(NULL, 0);
}

/* Reads the difficulty a login names, the name's before the password's, and cuts it off the name. A
 * fixed difficulty is within the port's bounds, like any other. */
static void take_difficulty(struct step *step, char *user, size_t *user_bytes, struct span password)
{
    enum pow_algorithm algorithm = step->world->params->algorithm;
    struct vardiff_params bounds = session_bounds(step);
    struct work work;
    struct span text = difficulty_in_name(span_of(user, *user_bytes));
    if (text.length > 0 && difficulty_parse(text, algorithm, bounds.min, bounds.max, &work)) {
        *user_bytes -= text.length + 3;
        user[*user_bytes] = '\0';
    } else {
        text = difficulty_in_password(password);
        if (text.length == 0 || !difficulty_parse(text, algorithm, bounds.min, bounds.max, &work))
            return;
    }
    step->session->fixed = true;
    session_wish(step, work);
}

/* '%2e' becomes '.', for clients that write names so. */
static void unescape(char *name, size_t *bytes)
{
    size_t to = 0;
    for (size_t at = 0; at < *bytes; at++, to++) {
        uint64_t value;
        name[to] = name[at];
        if (name[at] != '%' || *bytes - at < 3 || !hex_decode_u64(name + at + 1, 2, &value) ||
            value == 0)
            continue;
        name[to] = (char)value;
        at += 2;
    }
    name[to] = '\0';
    *bytes = to;
}

/* The place of a name: its own, or a new one. NULL after an error was answered, or where places
 * must be lent. */
static struct stratum_worker *place_of(struct request *request, uint64_t name)
{
    struct stratum_session *session = request->step->session;
    struct stratum_worker *worker = worker_find(session, name);
    if (worker == NULL)
        worker = worker_place(session, name);
    if (worker == NULL) {
        session->wants_workers = session->more == NULL && !session->no_workers &&
                                 request->step->world->params->workers_max > STRATUM_WORKERS_OWN;
        if (!session->wants_workers)
            answer_error(request, STRATUM_ERROR_WORKERS);
    }
    return worker;
}

void method_authorize(struct request *request)
{
    struct step *step = request->step;
    struct stratum_effects *effects = step->effects;
    struct stratum_session *session = step->session;
    size_t user_bytes, password_bytes;
    if (!name_of(request, 0, effects->names[0], &user_bytes) || user_bytes == 0 ||
        !name_of(request, 1, effects->names[1], &password_bytes)) {
        answer_error(request, STRATUM_ERROR_NAME);
        return;
    }
    /* The name as it will stand in the submissions. */
    uint64_t name = worker_name_hash(span_of(effects->names[0], user_bytes));
    struct stratum_worker *worker = place_of(request, name);
    if (worker == NULL)
        return;
    /* Who is authorised already stays so while the question is open. */
    if (worker->state != STRATUM_WORKER_AUTHORISED || worker->name != name)
        *worker =
            (struct stratum_worker){ .name = name,
                                     .state = STRATUM_WORKER_ASKING,
                                     .generation = worker->generation + (worker->name != name) };
    worker->maybe_cut =
        session->quirk.name_bytes_max != 0 && user_bytes >= session->quirk.name_bytes_max;
    uint32_t answer = answer_hold(request);
    if (session->quirk.names_escaped)
        unescape(effects->names[0], &user_bytes);
    take_difficulty(step, effects->names[0], &user_bytes,
                    span_of(effects->names[1], password_bytes));
    struct stratum_effect *effect = step_effect(step, STRATUM_AUTHORISE);
    effect->answer = answer;
    effect->worker = (uint16_t)worker_number(session, worker);
    effect->generation = worker->generation;
    effect->user = span_of(effects->names[0], user_bytes);
    effect->password = span_of(effects->names[1], password_bytes);
}
