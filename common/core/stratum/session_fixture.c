#include "core/stratum/session_fixture.h"

struct fixture *f;

void add_job(unsigned i, uint64_t id, uint8_t tip, bool clean)
{
    struct job *job = &f->job[i];
    *job = (struct job){ .id = id,
                         .height = 1,
                         .algorithm = POW_SHA256D,
                         .coinbase1 = { 1, 2, 3 },
                         .coinbase1_bytes = 3,
                         .coinbase2 = { 0xfe, 0xff },
                         .coinbase2_bytes = 2,
                         .branches = { { 0x11 }, { 0x22 } },
                         .branches_count = 2,
                         .extranonce1_bytes = 4,
                         .extranonce2_bytes = 8,
                         .clean = clean,
                         .version = 0x20000000,
                         .version_mask = JOB_VERSION_MASK_BIP320,
                         .bits = 0x1d00ffff,
                         .cur_time = UNIX_S,
                         .min_time = UNIX_S - 600,
                         .max_time = UNIX_S + 7200 };
    memset(job->prev_hash, tip, sizeof job->prev_hash);
    take_job(i);
}

void take_job(unsigned i)
{
    const struct job *job = &f->job[i];
    f->entry[i] = (struct stratum_job){ .job = job };
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
        for (int c = 0; c < 2; c++) {
            char *text = f->text[i][shape][c];
            size_t length =
                stratum_notify(job, shape, 0, job->cur_time, c, text, STRATUM_NOTIFY_BYTES_MAX);
            assert_int_equal(length > 0, job_coinbase_bytes(job, shape) > 0);
            f->entry[i].text[shape][c] = span_of(text, length);
        }
    assert_true(stratum_jobs_add(&f->jobs, &f->entry[i], f->world.now_ms));
}

struct stratum_answers *new_ring(uint32_t capacity)
{
    struct stratum_answers *ring = calloc(1, STRATUM_ANSWERS_BYTES(capacity));
    assert_non_null(ring);
    ring->capacity = capacity;
    return ring;
}

int set_up(void **state)
{
    f = *state = calloc(1, sizeof *f);
    f->params = (struct stratum_params){
        .algorithm = POW_SHA256D,
        .version_mask = JOB_VERSION_MASK_BIP320,
        .start = { (uint64_t)16 << 32 },
        .vardiff = { .share_interval_ms = 5000, .min = { 1 << 20 }, .max = { (uint64_t)1 << 60 } },
        .login_timeout_ms = 30000,
        .idle_timeout_ms = 900000
    };
    f->small = new_ring(2);
    f->large = new_ring(STRATUM_ANSWERS_MAX);
    stratum_jobs_init(&f->jobs);
    f->world = (struct stratum_world){
        .params = &f->params, .jobs = &f->jobs, .now_ms = NOW_MS, .unix_ms = (uint64_t)UNIX_S * 1000
    };
    stratum_session_init(&f->session, &f->world, 0xab, 0x0a0b0c0d, 8);
    add_job(0, 0x65f0000000000001, 0xaa, true);
    return 0;
}

int tear_down(void **state)
{
    free(f->more);
    free(f->small);
    free(f->large);
    free(*state);
    return 0;
}

void pass_ms(uint64_t ms)
{
    f->world.now_ms += ms;
    f->world.unix_ms += ms;
}

void gather(struct span text)
{
    size_t used = strlen(f->sent);
    assert_true(used + text.length < sizeof f->sent);
    memcpy(f->sent + used, text.data, text.length);
    f->sent[used + text.length] = '\0';
}

enum stratum_step step(const struct stratum_event *event)
{
    if (event->kind == STRATUM_LINE && f->session.answers == NULL)
        assert_null(stratum_session_lend_answers(&f->session, f->small));
    enum stratum_step outcome = stratum_session_step(&f->session, &f->world, event, &f->effects);
    if (outcome == STRATUM_LATER && stratum_session_wants_larger(&f->session)) {
        assert_ptr_equal(stratum_session_lend_answers(&f->session, f->large), f->small);
        outcome = stratum_session_step(&f->session, &f->world, event, &f->effects);
    }
    if (outcome == STRATUM_LATER && stratum_session_wants_workers(&f->session)) {
        f->more = calloc(1, STRATUM_WORKERS_BYTES(32));
        assert_non_null(f->more);
        f->more->capacity = 32;
        stratum_session_lend_workers(&f->session, f->more);
        outcome = stratum_session_step(&f->session, &f->world, event, &f->effects);
    }
    assert_true(stratum_session_verify(&f->session, &f->world));
    if (!stratum_session_holds_answers(&f->session))
        (void)stratum_session_return_answers(&f->session);
    for (unsigned i = 0; i < f->effects.count; i++) {
        const struct stratum_effect *effect = &f->effects.list[i];
        switch (effect->kind) {
        case STRATUM_SEND:
            gather(effect->text);
            break;
        case STRATUM_SEND_JOB:
            gather(effect->job->text[effect->shape][effect->clean]);
            break;
        case STRATUM_AUTHORISE:
            f->authorises++;
            f->answer = effect->answer;
            f->worker = effect->worker;
            memcpy(f->user, effect->user.data, effect->user.length + 1);
            break;
        case STRATUM_SUBMIT:
            f->submits++;
            f->answer = effect->answer;
            f->submission = effect->submission;
            break;
        case STRATUM_RESUME:
            f->resumes++;
            f->resume_id = effect->session_id;
            break;
        case STRATUM_CLOSE:
            f->closes++;
            f->reason = effect->reason;
            break;
        }
    }
    return outcome;
}

void say(const char *line)
{
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_LINE, .line = span_text(line) }),
                     STRATUM_TAKEN);
}

enum stratum_step say_later(const char *line)
{
    return step(&(struct stratum_event){ .kind = STRATUM_LINE, .line = span_text(line) });
}

void happen(enum stratum_event_kind kind)
{
    assert_int_equal(step(&(struct stratum_event){ .kind = kind }), STRATUM_TAKEN);
}

void authorised_of(uint32_t answer, uint16_t worker, uint32_t generation,
                   enum stratum_authorised outcome)
{
    assert_int_equal(step(&(struct stratum_event){ .kind = STRATUM_AUTHORISED,
                                                   .authorised = { .answer = answer,
                                                                   .worker = worker,
                                                                   .generation = generation,
                                                                   .outcome = outcome,
                                                                   .account_id = 100 + worker,
                                                                   .worker_id = 200 + worker,
                                                                   .text = "no such account" } }),
                     STRATUM_TAKEN);
}

/* About whoever has the place now. */
void authorised(uint32_t answer, uint16_t worker, enum stratum_authorised outcome)
{
    authorised_of(answer, worker, stratum_session_worker(&f->session, worker)->generation, outcome);
}

void verdict(uint32_t answer, enum share_outcome outcome)
{
    assert_int_equal(
        step(&(struct stratum_event){ .kind = STRATUM_VERDICT, .verdict = { answer, outcome } }),
        STRATUM_TAKEN);
}

void expect(const char *text)
{
    assert_string_equal(f->sent, text);
    f->sent[0] = '\0';
}

/* What was sent is a notify of this job id, with this end; `before` stands before it. */
void expect_notify(const char *before, const char *id, const char *end)
{
    char head[256];
    snprintf(head, sizeof head, "%s" NOTIFY_HEAD "%s\",\"", before, id);
    assert_memory_equal(f->sent, head, strlen(head));
    assert_string_equal(f->sent + strlen(f->sent) - strlen(end), end);
    f->sent[0] = '\0';
}

void begin_mining(void)
{
    say("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}");
    say("{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    authorised(f->answer, 0, STRATUM_YES);
    assert_int_equal(f->session.state, STRATUM_MINING);
    f->sent[0] = '\0';
}

void submit(unsigned id, const char *job, unsigned ntime, unsigned nonce)
{
    char line[512];
    snprintf(line, sizeof line,
             "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%s\","
             "\"0000000000000001\",\"%08x\",\"%08x\"]}",
             id, job, ntime, nonce);
    say(line);
}
