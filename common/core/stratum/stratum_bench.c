/* What a line of mining.submit costs: read by the general way and by the short one, and through
 * the whole session machine with its verdict and answer. Prints nanoseconds of the processor;
 * judges nothing. */
#include "core/stratum/inside.h"

#include <stdio.h>
#include <time.h>

enum { LINES = 200000, ROUNDS = 5 };

static const char line_text[] =
    "{\"params\": [\"bcrt1q0xcqpzrky6eff2g52qdye53xkk9jxkvrh6yhyw.rig12\", \"65f0000000000001\", "
    "\"0000000000000001\", \"6553f101\", \"b2957c02\", \"00002000\"], \"id\": 12345, \"method\": "
    "\"mining.submit\"}";
static const char name_text[] = "bcrt1q0xcqpzrky6eff2g52qdye53xkk9jxkvrh6yhyw.rig12";

static struct {
    struct stratum_params params;
    struct stratum_jobs table;
    struct stratum_world world;
    struct stratum_session session;
    struct stratum_effects effects;
    struct job job;
    struct stratum_job entry;
    char text[2][STRATUM_NOTIFY_BYTES_MAX];
    _Alignas(struct stratum_answers) uint8_t ring[STRATUM_ANSWERS_BYTES(8)];
} b;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static bool step(const struct stratum_event *event)
{
    return stratum_session_step(&b.session, &b.world, event, &b.effects) == STRATUM_TAKEN;
}

static bool line(const char *text)
{
    const struct stratum_event event = { .kind = STRATUM_LINE, .line = span_text(text) };
    return step(&event);
}

static bool begin(void)
{
    char authorize[200];
    struct stratum_answers *ring = (struct stratum_answers *)(void *)b.ring;
    b.params = (struct stratum_params){
        .version_mask = JOB_VERSION_MASK_BIP320,
        .start = { 1 },
        .vardiff = { .share_interval_ms = 5000, .min = { 1 }, .max = { 1 } }
    };
    stratum_jobs_init(&b.table);
    b.world = (struct stratum_world){ &b.params, &b.table, NULL, 1000, 1700000000000 };
    b.job = (struct job){ .id = 0x65f0000000000001,
                          .extranonce1_bytes = 4,
                          .extranonce2_bytes = 8,
                          .version = 0x20000000,
                          .version_mask = JOB_VERSION_MASK_BIP320,
                          .cur_time = 1700000000,
                          .max_time = 1700007200 };
    b.entry.job = &b.job;
    for (int clean = 0; clean < 2; clean++)
        b.entry.text[0][clean] =
            span_of(b.text[clean], stratum_notify(&b.job, 0, 0, b.job.cur_time, clean,
                                                  b.text[clean], STRATUM_NOTIFY_BYTES_MAX));
    if (!stratum_jobs_add(&b.table, &b.entry, 1000))
        return false;
    stratum_session_init(&b.session, &b.world, 1, 2, 8);
    ring->capacity = 8;
    if (stratum_session_lend_answers(&b.session, ring) != NULL)
        return false;
    snprintf(authorize, sizeof authorize,
             "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"\"]}", name_text);
    if (!line("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}") || !line(authorize))
        return false;
    const struct stratum_effect *asked = &b.effects.list[b.effects.count - 1];
    const struct stratum_event yes = { .kind = STRATUM_AUTHORISED,
                                       .authorised = { .answer = asked->answer,
                                                       .worker = asked->worker,
                                                       .generation = asked->generation,
                                                       .account_id = 1,
                                                       .worker_id = 2 } };
    return step(&yes) && b.session.state == STRATUM_MINING;
}

static bool read_generally(void)
{
    struct json json;
    struct submit_fields fields;
    char name[STRATUM_NAME_BYTES_MAX + 1];
    if (json_parse(span_of(line_text, sizeof line_text - 1), &json) != JSON_OK)
        return false;
    submit_read(&json, json_member(&json, 0, "params"), name, &fields);
    return fields.enough;
}

static bool read_shortly(void)
{
    struct span id;
    struct submit_fields fields;
    return submit_scan(span_of(line_text, sizeof line_text - 1), &id, &fields);
}

static bool go_through(void)
{
    if (!line(line_text) || b.effects.list[0].kind != STRATUM_SUBMIT)
        return false;
    const struct stratum_event verdict = {
        .kind = STRATUM_VERDICT, .verdict = { b.effects.list[0].answer, SHARE_ACCEPTED }
    };
    return step(&verdict) && b.effects.count == 1;
}

static void measure(const char *what, bool (*once)(void))
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < LINES; i++)
            if (!once()) {
                printf("%s: failed\n", what);
                return;
            }
        double sample = (now_ns() - start) / LINES;
        best = best == 0 || sample < best ? sample : best;
    }
    printf("%10.1f ns %s\n", best, what);
}

int main(void)
{
    if (!begin())
        return 1;
    measure("a line read generally", read_generally);
    measure("a line read the short way", read_shortly);
    measure("a line through the session, verdict and answer", go_through);
    return 0;
}
