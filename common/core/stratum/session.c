/* States, jobs and difficulty of a session; requests are read in methods.c. */
#include "core/stratum/inside.h"

void stratum_session_init(struct stratum_session *session, const struct stratum_world *world,
                          uint64_t id, uint32_t extranonce1, uint8_t extranonce2_bytes)
{
    *session = (struct stratum_session){
        .id = id,
        .extranonce1 = extranonce1,
        .extranonce1_before = extranonce1,
        .extranonce2_bytes = extranonce2_bytes,
        .opened_ms = world->now_ms,
        .line_ms = world->now_ms,
        .start = world->params->start,
    };
}

void session_enter_state(struct stratum_session *session, enum stratum_state state)
{
    static const bool legal[4][4] = {
        [STRATUM_CONNECTED] = { [STRATUM_SUBSCRIBED] = true, [STRATUM_CLOSED] = true },
        [STRATUM_SUBSCRIBED] = { [STRATUM_MINING] = true, [STRATUM_CLOSED] = true },
        [STRATUM_MINING] = { [STRATUM_CLOSED] = true },
    };
    ASSERT(legal[session->state][state]);
    session->state = state;
}

struct stratum_effect *step_effect(struct step *step, enum stratum_effect_kind kind)
{
    struct stratum_effects *effects = step->effects;
    ASSERT(effects->count < STRATUM_EFFECTS_MAX);
    struct stratum_effect *effect = &effects->list[effects->count++];
    effect->kind = kind;
    return effect;
}

struct print step_text_begin(struct step *step)
{
    struct stratum_effects *effects = step->effects;
    return (struct print){ .text = effects->text + effects->text_bytes,
                           .capacity_bytes = sizeof effects->text - effects->text_bytes };
}

void step_text_end(struct step *step, const struct print *print)
{
    struct stratum_effects *effects = step->effects;
    ASSERT(!print->failed); /* the bounds of all texts together are below the buffer's */
    struct stratum_effect *last = effects->count > 0 ? &effects->list[effects->count - 1] : NULL;
    if (last != NULL && last->kind == STRATUM_SEND)
        last->text.length += print->used_bytes;
    else
        step_effect(step, STRATUM_SEND)->text = span_of(print->text, print->used_bytes);
    effects->text_bytes += print->used_bytes;
}

void step_close(struct step *step, const char *reason)
{
    if (step->session->state == STRATUM_CLOSED)
        return;
    session_enter_state(step->session, STRATUM_CLOSED);
    step_effect(step, STRATUM_CLOSE)->reason = reason;
}

struct vardiff_params session_bounds(const struct step *step)
{
    struct vardiff_params bounds = step->world->params->vardiff;
    struct work least = step->session->least;
    if (step->session->quirk.least.expected_hashes > least.expected_hashes)
        least = step->session->quirk.least;
    if (least.expected_hashes > bounds.min.expected_hashes)
        bounds.min = vardiff_clamp(&bounds, least);
    return bounds;
}

uint32_t session_version_mask(const struct step *step, const struct job *job)
{
    const struct stratum_job *current = stratum_jobs_current(step->world->jobs);
    uint32_t mask = step->session->version_wish & step->world->params->version_mask;
    if (job == NULL && current != NULL)
        job = current->job;
    return job != NULL ? mask & job->version_mask : mask;
}

/* The pool's distress must not cost a block: a raised session is never asked for more than a block
 * of this job needs, but for what it was worth before (on a chain of toy difficulty). */
static struct work most_raised(const struct stratum_session *session, const struct job *job)
{
    struct work network = difficulty_within(job->network_target);
    struct work before = session->raises > 0 ? session->unraised : session->vardiff.work;
    return before.expected_hashes > network.expected_hashes ? before : network;
}

/* The session's bounds while it is raised, or is to be. */
static struct vardiff_params raised_bounds(const struct step *step, const struct job *job)
{
    struct vardiff_params bounds = session_bounds(step);
    struct work most = vardiff_clamp(&bounds, most_raised(step->session, job));
    bounds.max = most;
    return bounds;
}

static bool work_is_told(const struct stratum_session *session)
{
    return session->marks_count > 0 &&
           session->told.expected_hashes == session->vardiff.work.expected_hashes;
}

/* set_difficulty, right before the job whose shares from `place` on are worth it. */
static void tell_difficulty(struct step *step, uint64_t place)
{
    struct stratum_session *session = step->session;
    char text[DIFFICULTY_TEXT_BYTES];
    if (work_is_told(session))
        return;
    (void)difficulty_format(session->vardiff.work, step->world->params->algorithm, text);
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[");
    print_text(&print, text);
    print_text(&print, "]}\n");
    step_text_end(step, &print);
    if (session->marks_count == STRATUM_MARKS_MAX) {
        session->marks_count--;
        memmove(session->marks, session->marks + 1, session->marks_count * sizeof *session->marks);
    }
    session->told = session->vardiff.work;
    session->marks[session->marks_count++] =
        (struct stratum_mark){ .place = place,
                               .work = quirk_corrected(&session->quirk, session->told) };
}

/* set_version_mask, right before the job from whose notification on another mask counts. */
static void tell_version_mask(struct step *step, const struct job *job, uint64_t notification)
{
    struct stratum_session *session = step->session;
    uint32_t mask = session_version_mask(step, job);
    if (mask == session->version_mask)
        return;
    session->version_mask_before = session->version_mask;
    session->version_mask = mask;
    session->version_moved = notification;
    if ((session->quirk.missing & QUIRK_NO_SET_VERSION_MASK) != 0)
        return;
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":null,\"method\":\"mining.set_version_mask\",\"params\":[\"");
    print_hex_number(&print, mask, 8);
    print_text(&print, "\"]}\n");
    step_text_end(step, &print);
}

static void show_message(struct step *step, const char *text)
{
    struct stratum_session *session = step->session;
    if (session->state == STRATUM_CONNECTED ||
        (session->quirk.missing & QUIRK_NO_SHOW_MESSAGE) != 0)
        return;
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":null,\"method\":\"client.show_message\",\"params\":[");
    print_safe_string(&print, text, STRATUM_MESSAGE_BYTES_MAX);
    print_text(&print, "]}\n");
    step_text_end(step, &print);
}

unsigned session_shape(const struct stratum_session *session, const struct job *job,
                       uint64_t notification)
{
    unsigned bytes_max = notification < session->reshaped ? session->coinbase_bytes_max_before
                                                          : session->quirk.coinbase_bytes_max;
    return bytes_max == 0 ? JOB_SHAPE_FULL : job_shape_within(job, bytes_max);
}

void session_reshape(struct stratum_session *session, uint16_t bytes_max_before)
{
    if (bytes_max_before == session->quirk.coinbase_bytes_max)
        return;
    session->coinbase_bytes_max_before = bytes_max_before;
    session->reshaped = (session->sent_ordinal << 8 | session->sent_variant) + 1;
}

/* False where even the job's shortest coinbase is known to be too much for this client: it would
 * mine what is no block, or crash. */
static bool coinbase_fits(struct step *step, const struct job *job)
{
    struct stratum_session *session = step->session;
    if (session_shape(session, job, UINT64_MAX) < JOB_SHAPES)
        return true;
    show_message(step, "This pool's coinbase is larger than your miner can take");
    session->coinbase_refused = true;
    step_close(step, "coinbase too large for this client");
    return false;
}

/* A notification of its own: another variant, or a short id. The job has a shape that fits. */
static void send_text(struct step *step, const struct stratum_job *job, unsigned variant,
                      uint32_t ntime, bool clean)
{
    struct print print = step_text_begin(step);
    unsigned shape = session_shape(step->session, job->job, UINT64_MAX);
    print.used_bytes = step->session->quirk.job_id_digits == STRATUM_SHORT_ID_DIGITS
                           ? stratum_notify_short(job->job, shape, job->ordinal, variant, ntime,
                                                  clean, print.text, print.capacity_bytes)
                           : stratum_notify(job->job, shape, variant, ntime, clean, print.text,
                                            print.capacity_bytes);
    ASSERT(print.used_bytes > 0);
    step_text_end(step, &print);
}

static void tell_extranonce(struct step *step)
{
    struct stratum_session *session = step->session;
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[\"");
    print_hex_number(&print, session->extranonce1, 8);
    print_text(&print, "\",");
    print_number(&print, session->extranonce2_bytes);
    print_text(&print, "]}\n");
    step_text_end(step, &print);
}

/* The current job, as all get it. */
static void send_job(struct step *step, const struct stratum_job *job, bool clean)
{
    struct stratum_session *session = step->session;
    if (job->job->extranonce2_bytes != session->extranonce2_bytes) {
        if (!session->extranonce_subscribed) {
            step_close(step, "extranonce2 size changed");
            return;
        }
        session->extranonce2_bytes = job->job->extranonce2_bytes;
        tell_extranonce(step);
        clean = true;
    }
    if (!coinbase_fits(step, job->job))
        return;
    tell_version_mask(step, job->job, job->ordinal << 8);
    if (session->raises > 0) {
        struct vardiff_params bounds = session_bounds(step);
        vardiff_lower(&session->vardiff, &bounds, most_raised(session, job->job),
                      step->world->now_ms);
    }
    tell_difficulty(step, job->ordinal << 32);
    clean = clean || job->job->clean || job->tip != session->sent_tip;
    if (session->quirk.job_id_digits == STRATUM_SHORT_ID_DIGITS) {
        send_text(step, job, 0, job->job->cur_time, clean);
    } else {
        struct stratum_effect *effect = step_effect(step, STRATUM_SEND_JOB);
        effect->job = job;
        effect->shape = (uint8_t)session_shape(session, job->job, UINT64_MAX);
        effect->clean = clean;
    }
    session->sent_ordinal = job->ordinal;
    session->sent_variant = 0;
    session->sent_ntime = 0;
    session->sent_tip = job->tip;
    session->notify_ms = step->world->now_ms;
}

/* The ntime a job sent again begins at: later than any before it, and than now where it can be.
 * 0: there is none left. */
static uint32_t next_ntime(const struct step *step, const struct job *job)
{
    uint64_t ntime = step->world->unix_ms / 1000;
    if (ntime <= job->cur_time)
        ntime = (uint64_t)job->cur_time + 1;
    if (ntime <= step->session->sent_ntime)
        ntime = (uint64_t)step->session->sent_ntime + 1;
    return ntime <= job->max_time ? (uint32_t)ntime : 0;
}

/* The current job once more, as other work of its own. False where that cannot be: the next job
 * will do. */
static bool send_job_again(struct step *step, bool clean)
{
    struct stratum_session *session = step->session;
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (session->state != STRATUM_MINING || job == NULL || job->ordinal != session->sent_ordinal ||
        session->sent_variant == STRATUM_VARIANTS_MAX ||
        job->job->extranonce2_bytes != session->extranonce2_bytes)
        return false;
    uint32_t ntime = next_ntime(step, job->job);
    if (ntime == 0)
        return false;
    tell_version_mask(step, job->job, job->ordinal << 8 | (session->sent_variant + 1u));
    tell_difficulty(step, job->ordinal << 32 | ntime);
    session->sent_variant++;
    send_text(step, job, session->sent_variant, ntime, clean);
    session->sent_ntime = ntime;
    session->notify_ms = step->world->now_ms;
    return true;
}

void session_mend_shape(struct step *step)
{
    struct stratum_session *session = step->session;
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (session->state != STRATUM_MINING || job == NULL || job->ordinal != session->sent_ordinal ||
        session_shape(session, job->job, job->ordinal << 8 | session->sent_variant) ==
            session_shape(session, job->job, UINT64_MAX))
        return;
    if (coinbase_fits(step, job->job))
        (void)send_job_again(step, true); /* where that cannot be, the next job will do */
}

void step_tell_work(struct step *step)
{
    struct stratum_session *session = step->session;
    if (session->state != STRATUM_MINING || work_is_told(session) ||
        step->world->now_ms < session->notify_ms + VARDIFF_CHANGE_MS)
        return;
    (void)send_job_again(step, false);
}

/* What a client is that did not say so. */
static void ask_for_version(struct step *step)
{
    struct stratum_session *session = step->session;
    if (!step->world->params->asks_for_version || session->agent[0] != '\0' ||
        session->version_asked || session->state != STRATUM_MINING)
        return;
    session->version_asked = true;
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":99999,\"method\":\"client.get_version\",\"params\":[]}\n");
    step_text_end(step, &print);
}

/* Mining begins when the session is subscribed and authorised, its answers have left and there is
 * something to mine. */
static void begin_mining(struct step *step)
{
    struct stratum_session *session = step->session;
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (session->state != STRATUM_SUBSCRIBED || !session->authorised || job == NULL ||
        stratum_session_holds_answers(session))
        return;
    struct vardiff_params bounds = session_bounds(step);
    vardiff_init(&session->vardiff, &bounds, session->start, step->world->now_ms);
    session_enter_state(session, STRATUM_MINING);
    /* One that was resumed may have had this very job: it gets it as other work. */
    if (job->ordinal != session->sent_ordinal)
        send_job(step, job, true);
    else
        (void)send_job_again(step, true);
    ask_for_version(step);
}

static void on_job(struct step *step)
{
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (step->session->state == STRATUM_MINING && job != NULL &&
        job->ordinal != step->session->sent_ordinal)
        send_job(step, job, false);
}

static void on_tick(struct step *step)
{
    struct stratum_session *session = step->session;
    const struct stratum_params *params = step->world->params;
    uint64_t now_ms = step->world->now_ms;
    if (!session->authorised && now_ms - session->opened_ms > params->login_timeout_ms) {
        step_close(step, "login timeout");
        return;
    }
    if (now_ms - session->line_ms > params->idle_timeout_ms) {
        step_close(step, "idle timeout");
        return;
    }
    if (session->raises > 0 && now_ms - session->raised_ms >= STRATUM_RAISE_KEPT_MS) {
        session->raises--;
        session->raised_ms = now_ms;
    }
    if (session->state != STRATUM_MINING)
        return;
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    struct vardiff_params bounds =
        session->raises > 0 && job != NULL ? raised_bounds(step, job->job) : session_bounds(step);
    if (session->fixed) {
        /* What the pool raised under pressure is taken back when that is over. */
        if (session->raises == 0 && session->vardiff.work.expected_hashes !=
                                        vardiff_clamp(&bounds, session->start).expected_hashes)
            vardiff_init(&session->vardiff, &bounds, session->start, now_ms);
        step_tell_work(step);
        return;
    }
    /* A miner whose answers we hold back may be waiting for them. */
    if (stratum_session_holds_answers(session) &&
        now_ms - session->answers->head_ms > STRATUM_HELD_SILENCE_MS)
        vardiff_skip(&session->vardiff, now_ms);
    else if (vardiff_tick(&session->vardiff, &bounds, now_ms))
        step_tell_work(step);
    step_tell_work(step);
}

static void on_raise(struct step *step)
{
    struct stratum_session *session = step->session;
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (session->state != STRATUM_MINING || session->raises == STRATUM_RAISES_MAX || job == NULL)
        return;
    struct vardiff_params bounds = raised_bounds(step, job->job);
    const struct work before = session->vardiff.work;
    if (!vardiff_raise(&session->vardiff, &bounds, step->world->now_ms))
        return;
    if (session->raises++ == 0)
        session->unraised = before;
    session->raised_ms = step->world->now_ms;
    step_tell_work(step);
}

static void on_authorised(struct step *step, const struct stratum_event *event)
{
    struct stratum_session *session = step->session;
    struct stratum_worker *worker = stratum_session_worker(session, event->authorised.worker);
    ASSERT(worker != NULL);
    enum stratum_authorised outcome = event->authorised.outcome;
    if (event->authorised.generation != worker->generation) {
        /* Another name has the place by now. Who asked is not in, whatever the answer was. */
        if (outcome == STRATUM_YES)
            outcome = STRATUM_AWAY;
    } else if (outcome == STRATUM_YES) {
        worker->account_id = event->authorised.account_id;
        worker->worker_id = event->authorised.worker_id;
        worker->state = STRATUM_WORKER_AUTHORISED;
        session->authorised = true;
    } else if (outcome == STRATUM_NO || worker->state != STRATUM_WORKER_AUTHORISED) {
        worker->state = STRATUM_WORKER_REFUSED;
    }
    const char *text = event->authorised.text;
    char reason[STRATUM_REFUSAL_BYTES_MAX];
    if (worker->maybe_cut && text != NULL) {
        struct print print = { .text = reason, .capacity_bytes = sizeof reason - 1 };
        print_text(&print, "your miner cuts names at ");
        print_number(&print, session->quirk.name_bytes_max);
        print_text(&print, " characters; use a shorter worker name: ");
        size_t room = print.capacity_bytes - print.used_bytes, length = strlen(text);
        print_bytes(&print, span_of(text, length < room ? length : room));
        reason[print.used_bytes] = '\0';
        text = reason;
    }
    (void)answer_settle_authorised(step, event->authorised.answer, outcome, text);
}

/* Clients of cgminer's family follow only to a host of the same domain; with no parameters they
 * come back to where they are. */
static void on_reconnect(struct step *step, const struct stratum_event *event)
{
    struct stratum_session *session = step->session;
    if (session->state == STRATUM_CONNECTED || (session->quirk.missing & QUIRK_NO_RECONNECT) != 0) {
        step_close(step, "reconnect");
        return;
    }
    struct print print = step_text_begin(step);
    print_text(&print, "{\"id\":null,\"method\":\"client.reconnect\",\"params\":[");
    if (event->reconnect.host != NULL) {
        print_safe_string(&print, event->reconnect.host, STRATUM_MESSAGE_BYTES_MAX);
        print_text(&print, ",");
        print_number(&print, event->reconnect.port);
        print_text(&print, ",");
        print_number(&print, event->reconnect.wait_s);
    }
    print_text(&print, "]}\n");
    step_text_end(step, &print);
}

static void on_moved(struct step *step, const struct stratum_event *event)
{
    struct stratum_session *session = step->session;
    if (session->state != STRATUM_CONNECTED &&
        (!session->extranonce_subscribed ||
         (session->quirk.missing & QUIRK_NO_SET_EXTRANONCE) != 0)) {
        step_close(step, "extranonce moved");
        return;
    }
    session->extranonce1_before = session->extranonce1;
    session->extranonce1 = event->moved.extranonce1;
    session->extranonce2_bytes = event->moved.extranonce2_bytes;
    session->moved = (session->sent_ordinal << 8 | session->sent_variant) + 1;
    if (session->state == STRATUM_CONNECTED)
        return;
    tell_extranonce(step);
    const struct stratum_job *job = stratum_jobs_current(step->world->jobs);
    if (session->state == STRATUM_MINING && job != NULL && !send_job_again(step, true) &&
        job->ordinal != session->sent_ordinal)
        send_job(step, job, true);
}

enum stratum_step stratum_session_step(struct stratum_session *session,
                                       const struct stratum_world *world,
                                       const struct stratum_event *event,
                                       struct stratum_effects *effects_r)
{
    struct step step = { .session = session, .world = world, .effects = effects_r };
    enum stratum_step outcome = STRATUM_TAKEN;
    effects_r->count = 0;
    effects_r->text_bytes = 0;
    effects_r->refused = SHARE_ACCEPTED;
    if (session->state == STRATUM_CLOSED)
        return STRATUM_TAKEN;
    switch (event->kind) {
    case STRATUM_LINE:
        ASSERT(session->answers != NULL);
        outcome = request_line(&step, event->line);
        break;
    case STRATUM_LINE_LONG:
        answer_error_without_id(&step, STRATUM_ERROR_LONG_LINE);
        step_close(&step, "line too long");
        break;
    case STRATUM_AUTHORISED:
        on_authorised(&step, event);
        break;
    case STRATUM_VERDICT:
        (void)answer_settle_share(&step, event->verdict.answer, event->verdict.outcome);
        break;
    case STRATUM_JOB:
        on_job(&step);
        break;
    case STRATUM_TICK:
        on_tick(&step);
        break;
    case STRATUM_RAISE:
        on_raise(&step);
        break;
    case STRATUM_MOVED:
        on_moved(&step, event);
        break;
    case STRATUM_RESUMED:
        session_on_resumed(&step, event->resumed.session);
        break;
    case STRATUM_MESSAGE:
        show_message(&step, event->message);
        break;
    case STRATUM_RECONNECT:
        on_reconnect(&step, event);
        break;
    }
    begin_mining(&step);
    return outcome;
}

bool stratum_session_verify(const struct stratum_session *session,
                            const struct stratum_world *world)
{
    if (session->marks_count > STRATUM_MARKS_MAX ||
        (session->answers != NULL && session->answers->count > session->answers->capacity) ||
        (session->state == STRATUM_MINING && session->marks_count == 0) ||
        session->raises > STRATUM_RAISES_MAX)
        return false;
    for (unsigned i = 0; i < session->marks_count; i++) {
        uint64_t work = session->marks[i].work.expected_hashes;
        if (work == 0 || work > world->params->vardiff.max.expected_hashes ||
            (i > 0 && session->marks[i].place <= session->marks[i - 1].place))
            return false;
    }
    bool authorised = false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < stratum_session_places(session); i++) {
        uint8_t state = i < STRATUM_WORKERS_OWN
                            ? session->workers[i].state
                            : session->more->places[i - STRATUM_WORKERS_OWN].state;
        authorised |= state == STRATUM_WORKER_AUTHORISED;
        used += i >= STRATUM_WORKERS_OWN && state != STRATUM_WORKER_NONE;
    }
    if (session->more != NULL &&
        (session->more->used != used || used > session->more->capacity / 2))
        return false;
    return session->authorised || !authorised;
}
