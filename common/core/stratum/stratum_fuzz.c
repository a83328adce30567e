/* Bytes into the session machine: the first byte of each record says what happens, the rest of the
 * line is what the miner says. Whatever comes, the machine's invariants hold and its effects stay
 * within their bounds. Built with libFuzzer by clang (target core_stratum_fuzz), and run over the
 * corpus and random changes of it by core_stratum_fuzz_test. */
#include "base/fuzz.h"
#include "core/stratum/inside.h"

static struct job jobs[4];
static struct stratum_job entries[4];
static char texts[4][JOB_SHAPES][2][STRATUM_NOTIFY_BYTES_MAX];

struct run {
    struct stratum_params params;
    struct stratum_jobs table;
    struct stratum_world world;
    struct stratum_session session;
    _Alignas(struct stratum_answers) uint8_t two[STRATUM_ANSWERS_BYTES(2)];
    _Alignas(struct stratum_answers) uint8_t all[STRATUM_ANSWERS_BYTES(STRATUM_ANSWERS_MAX)];
    struct stratum_effects effects;
    unsigned jobs_added;
    uint32_t pending[4]; /* answers of the last effects that want one */
    uint16_t workers[4];
    unsigned pending_next;
    struct stratum_session parked; /* what a resumed one gets; id 0: none yet */
    struct quirks quirks;
    _Alignas(struct stratum_workers) uint8_t more[STRATUM_WORKERS_BYTES(8)];
};

static void add_job(struct run *run)
{
    unsigned i = run->jobs_added;
    if (i == 4)
        return;
    run->jobs_added++;
    jobs[i] = (struct job){ .id = 0x65f0000000000001 + i,
                            .coinbase1_bytes = 60,
                            .coinbase2_bytes = 60,
                            .extranonce1_bytes = 4,
                            .extranonce2_bytes = i == 3 ? 4 : 8,
                            .version = 0x20000000,
                            .cur_time = 1700000000,
                            .min_time = 1700000000 - 600,
                            .max_time = 1700000000 + 20 };
    jobs[i].prev_hash[0] = (uint8_t)(i / 2);
    entries[i] = (struct stratum_job){ .job = &jobs[i] };
    if (i % 2 != 0)
        for (unsigned shape = 1; shape < JOB_SHAPES; shape++)
            jobs[i].shorter[shape - 1] =
                (struct job_shorter){ .coinbase1_bytes = (uint16_t)(60 - 10 * shape),
                                      .coinbase2_bytes = 60 };
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
        for (int clean = 0; clean < 2; clean++) {
            char *text = texts[i][shape][clean];
            entries[i].text[shape][clean] =
                span_of(text, stratum_notify(&jobs[i], shape, 0, jobs[i].cur_time, clean, text,
                                             STRATUM_NOTIFY_BYTES_MAX));
        }
    ASSERT(stratum_jobs_add(&run->table, &entries[i], run->world.now_ms));
}

static void look(struct run *run)
{
    struct stratum_effects *effects = &run->effects;
    ASSERT(stratum_session_verify(&run->session, &run->world));
    ASSERT(effects->count <= STRATUM_EFFECTS_MAX && effects->text_bytes <= sizeof effects->text);
    for (unsigned i = 0; i < effects->count; i++) {
        const struct stratum_effect *effect = &effects->list[i];
        if (effect->kind == STRATUM_SEND) {
            ASSERT(effect->text.length > 0);
            ASSERT(effect->text.data[effect->text.length - 1] == '\n');
            ASSERT(memchr(effect->text.data, '\0', effect->text.length) == NULL);
        }
        if (effect->kind == STRATUM_SEND_JOB) {
            const uint16_t bytes_max = run->session.quirk.coinbase_bytes_max;
            ASSERT(run->session.state == STRATUM_MINING);
            ASSERT(effect->job->text[effect->shape][effect->clean].length > 0);
            ASSERT(bytes_max == 0 ||
                   job_coinbase_bytes(effect->job->job, effect->shape) <= bytes_max);
        }
        if (effect->kind == STRATUM_SUBMIT) {
            ASSERT(effect->submission.work.expected_hashes >= 1);
            ASSERT(effect->submission.job_id == effect->job->job->id);
            ASSERT(job_coinbase_bytes(effect->job->job, effect->submission.shape) > 0);
            (void)share_key_of(effect->job->job, &effect->submission);
        }
        if (effect->kind == STRATUM_SUBMIT || effect->kind == STRATUM_AUTHORISE) {
            run->pending[run->pending_next % 4] = effect->answer;
            run->workers[run->pending_next++ % 4] =
                effect->kind == STRATUM_AUTHORISE ? effect->worker : (uint16_t)0;
        }
    }
}

static void step(struct run *run, const struct stratum_event *event)
{
    struct stratum_answers *two = (struct stratum_answers *)(void *)run->two;
    struct stratum_answers *all = (struct stratum_answers *)(void *)run->all;
    if (run->session.answers == NULL) {
        two->capacity = 2;
        all->capacity = STRATUM_ANSWERS_MAX;
        ASSERT(stratum_session_lend_answers(&run->session, two) == NULL);
    }
    enum stratum_step outcome =
        stratum_session_step(&run->session, &run->world, event, &run->effects);
    if (outcome == STRATUM_LATER && stratum_session_wants_larger(&run->session)) {
        ASSERT(stratum_session_lend_answers(&run->session, all) == two);
        outcome = stratum_session_step(&run->session, &run->world, event, &run->effects);
    }
    if (outcome == STRATUM_LATER && stratum_session_wants_workers(&run->session)) {
        struct stratum_workers *more = (struct stratum_workers *)(void *)run->more;
        memset(run->more, 0, sizeof run->more);
        more->capacity = 8;
        stratum_session_lend_workers(&run->session, more);
        outcome = stratum_session_step(&run->session, &run->world, event, &run->effects);
    }
    ASSERT(outcome == STRATUM_TAKEN || run->effects.count == 0);
    look(run);
    if (!stratum_session_holds_answers(&run->session))
        (void)stratum_session_return_answers(&run->session);
}

static void begin(struct run *run)
{
    *run = (struct run){ .params = { .algorithm = POW_SHA256D,
                                     .version_mask = JOB_VERSION_MASK_BIP320,
                                     .start = { (uint64_t)1 << 32 },
                                     .vardiff = { .share_interval_ms = 5000,
                                                  .min = { 1 },
                                                  .max = { (uint64_t)1 << 63 } },
                                     .login_timeout_ms = 30000,
                                     .idle_timeout_ms = 900000,
                                     .workers_max = 4,
                                     .asks_for_version = true } };
    static const char odd[] = "{\"agent\":\"short\",\"job_id_digits\":8}\n"
                              "{\"agent\":\"all\",\"missing\":[\"show_message\",\"reconnect\","
                              "\"set_extranonce\",\"set_version_mask\",\"version_rolling\"]}\n"
                              "{\"agent\":\"large\",\"coinbase_bytes_max\":130,"
                              "\"work_correction_ppm\":20,\"name_bytes_max\":8,"
                              "\"names_escaped\":true}\n"
                              "{\"agent\":\"small\",\"coinbase_bytes_max\":120}\n"
                              "{\"agent\":\"least\",\"coinbase_bytes_max\":112}\n";
    struct error error;
    ASSERT(quirks_parse(span_text(odd), POW_SHA256D, &run->quirks, &error));
    stratum_jobs_init(&run->table);
    run->world = (struct stratum_world){ .params = &run->params,
                                         .jobs = &run->table,
                                         .quirks = &run->quirks,
                                         .now_ms = 1000,
                                         .unix_ms = (uint64_t)1700000000 * 1000 };
    stratum_session_init(&run->session, &run->world, 1, 2, 8);
}

/* What the short way takes, the general way reads alike. */
static void compare_ways(struct span line)
{
    struct submit_fields fields, general;
    struct json json;
    struct span id;
    char name[STRATUM_NAME_BYTES_MAX + 1];
    if (!submit_scan(line, &id, &fields))
        return;
    ASSERT(json_parse(line, &json) == JSON_OK && json.tokens[0].kind == JSON_OBJECT);
    ASSERT(json_is_text(&json, json_member(&json, 0, "method"), "mining.submit"));
    ASSERT(span_equal(id, json_text(&json, json_member(&json, 0, "id"))));
    submit_read(&json, json_member(&json, 0, "params"), name, &general);
    ASSERT(span_equal(fields.user, general.user) && span_equal(fields.job, general.job));
    ASSERT(span_equal(fields.extranonce2, general.extranonce2));
    ASSERT(span_equal(fields.ntime, general.ntime) && span_equal(fields.nonce, general.nonce));
    ASSERT(span_equal(fields.bits, general.bits) && fields.has_bits == general.has_bits);
    ASSERT(fields.enough && general.enough);
}

static void one(struct run *run, uint8_t what, struct span line)
{
    struct stratum_event event = { .kind = STRATUM_LINE, .line = line };
    uint32_t answer = run->pending[what % 4];
    switch (what) {
    case 'J':
        add_job(run);
        event.kind = STRATUM_JOB;
        break;
    case 'A': /* 0x41 % 4 = 1 */
    case 'B':
    case 'C':
    case 'D':
        event.kind = STRATUM_AUTHORISED;
        event.authorised.answer = answer;
        event.authorised.worker = run->workers[what % 4];
        event.authorised.generation =
            stratum_session_worker(&run->session, run->workers[what % 4])->generation -
            (line.length % 5 == 4);
        event.authorised.outcome = (enum stratum_authorised)(line.length % 3);
        event.authorised.text = "because of \"this\"\n";
        break;
    case 'V':
    case 'W':
    case 'X':
    case 'Y':
        event.kind = STRATUM_VERDICT;
        event.verdict.answer = answer;
        event.verdict.outcome = (enum share_outcome)(line.length % SHARE_OUTCOMES_COUNT);
        break;
    case 'T':
        run->world.now_ms += line.length * 100;
        run->world.unix_ms += line.length * 100;
        event.kind = STRATUM_TICK;
        break;
    case 'M':
        event.kind = STRATUM_MOVED;
        event.moved.extranonce1 = (uint32_t)line.length;
        event.moved.extranonce2_bytes = 8;
        break;
    case 'P': /* its connection ends, and a new one begins */
        (void)stratum_session_return_answers(&run->session);
        run->parked = run->session;
        run->parked.answers = NULL;
        run->parked.more = NULL;
        run->pending_next = 0;
        memset(run->pending, 0xff, sizeof run->pending);
        memset(run->workers, 0, sizeof run->workers);
        stratum_session_init(&run->session, &run->world, run->parked.id + 1, 77, 8);
        return;
    case 'S':
        event.kind = STRATUM_RESUMED;
        event.resumed.session = run->parked.id != 0 ? &run->parked : NULL;
        break;
    case 'N':
        event.kind = STRATUM_MESSAGE;
        event.message = "a \"message\"\n";
        break;
    case 'H':
        event.kind = STRATUM_RECONNECT;
        event.reconnect.host = line.length % 2 == 0 ? NULL : "pool.example";
        break;
    case 'R':
        run->world.now_ms += line.length * 100;
        event.kind = STRATUM_RAISE;
        break;
    case 'L':
        event.kind = STRATUM_LINE_LONG;
        break;
    default:
        compare_ways(line);
        break;
    }
    step(run, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    begin(&run);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end != NULL ? (size_t)(end - data) : size;
        if (length > 0 && length <= 8192)
            one(&run, data[0],
                data[0] == '{' ? span_of(data, length) : span_of(data + 1, length - 1));
        length += end != NULL;
        data += length;
        size -= length;
    }
    return 0;
}
