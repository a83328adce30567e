#include "services/stratum-gateway/audits.h"

#include "core/audit/audit.h"
#include "core/share/outcome.h"
#include "service/log.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    TIMEOUT_MS = 5000,
    NAME_BYTES = 96, /* proto/audit_sample.def */
    JOB_BYTES = 8192,
    MESSAGE_BYTES = AUDITS_MESSAGE_MAX * (JOB_BYTES + 512),
};

struct drawn {
    uint64_t number;
    struct wire_audit_sample sample; /* its text is `name` */
    struct wire_share share;
    char name[NAME_BYTES + 1];
};

struct audits {
    struct audits_options options;
    struct audit_key key;
    uint64_t highest; /* number that may be drawn */
    /* this turn's: any order */
    struct drawn turn[AUDITS_TURN_MAX];
    size_t turn_count, turn_max;
    uint64_t turn_highest; /* where it is full, of those in it */
    /* held: a ring */
    struct drawn held[AUDITS_HELD_MAX];
    size_t first, count;
    size_t under_way; /* the first so many are at inode-scheduler */
    bool refused;     /* it was said */
    struct loop_timer timer;
    struct metric *drawn, *passed_over, *handed_in, *dropped, *waiting;
    uint8_t message[MESSAGE_BYTES];
    uint8_t jobs[AUDITS_MESSAGE_MAX][JOB_BYTES];
};

static struct drawn *held_at(struct audits *audits, size_t place)
{
    return &audits->held[(audits->first + place) % AUDITS_HELD_MAX];
}

/* Drawing. */

static size_t place_of_highest(const struct audits *audits)
{
    size_t place = 0;
    for (size_t i = 1; i < audits->turn_count; i++)
        if (audits->turn[i].number > audits->turn[place].number)
            place = i;
    return place;
}

/* Where to put one of that number: a new place, or that of the highest, which gives way. */
static struct drawn *make_place(struct audits *audits)
{
    if (audits->turn_count < audits->turn_max)
        return &audits->turn[audits->turn_count++];
    metric_add(audits->passed_over, 1);
    return &audits->turn[place_of_highest(audits)];
}

static void take(struct audits *audits, const struct batch *batch, const struct validator *by,
                 const struct wire_verdict_batch *verdicts, uint32_t index, uint64_t number)
{
    struct drawn *drawn = make_place(audits);
    *drawn = (struct drawn){
        .number = number,
        .share = batch->shares[index],
        .sample = { .lease_id = batch->lease_id,
                    .sequence = batch->sequence,
                    .index = index,
                    .outcome = verdicts->verdicts[index].outcome,
                    .is_block = verdicts->verdicts[index].is_block,
                    .final = batch->final,
                    .alone = batch->sends == 1,
                    .judged_ms = loop_round_unix_ms(audits->options.loop) },
    };
    for (uint32_t i = 0; i < verdicts->verdicts_count; i++) {
        bool accepted = verdicts->verdicts[i].outcome == SHARE_ACCEPTED;
        drawn->sample.accepted += accepted;
        drawn->sample.rank += accepted && i < index;
    }
    memcpy(drawn->sample.first_key, by->key, sizeof drawn->sample.first_key);
    snprintf(drawn->name, sizeof drawn->name, "%.*s", NAME_BYTES,
             by->instance[0] != '\0' ? by->instance : by->url);
    metric_add(audits->drawn, 1);
    audits->turn_highest = audits->turn_count < audits->turn_max
                               ? audits->highest
                               : audits->turn[place_of_highest(audits)].number;
}

void audits_draw(struct audits *audits, const struct batch *batch, const struct validator *by,
                 const struct wire_verdict_batch *verdicts)
{
    const uint64_t seed = audit_seed(&audits->key, batch->lease_id, batch->sequence);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t number = audit_number(seed, i);
        if (number <= audits->turn_highest)
            take(audits, batch, by, verdicts, i, number);
    }
}

/* Handing in. */

static void end_turn(struct audits *audits)
{
    for (size_t i = 0; i < audits->turn_count; i++) {
        if (audits->count == AUDITS_HELD_MAX) {
            metric_add(audits->dropped, audits->turn_count - i);
            break;
        }
        *held_at(audits, audits->count++) = audits->turn[i];
    }
    audits->turn_count = 0;
    audits->turn_highest = audits->highest;
}

static void forget_first(struct audits *audits, size_t count)
{
    audits->first = (audits->first + count) % AUDITS_HELD_MAX;
    audits->count -= count;
    metric_set(audits->waiting, audits->count);
}

static void on_ack(void *context, enum bus_outcome outcome, struct span message)
{
    struct audits *audits = context;
    const size_t sent = audits->under_way;
    uint8_t memory[1024];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_ack ack;
    struct error error;
    audits->under_way = 0;
    if (outcome != BUS_REPLIED || !wire_decode_ack(message, &arena, &ack, &error))
        return; /* again at the next turn */
    if (!ack.ok && !audits->refused)
        log_error("audits.refused", "reason=\"%s\"", ack.text);
    audits->refused = !ack.ok;
    metric_add(ack.ok ? audits->handed_in : audits->dropped, sent);
    forget_first(audits, sent);
    if (audits->count > 0)
        audits_hand_in(audits);
}

/* The job of that id among those of the message, else it joins them; false where it is forgotten.
 */
static bool add_job(struct audits *audits, struct drawn *drawn, struct wire_audit_job *jobs,
                    uint64_t *ids, uint32_t *count)
{
    uint64_t tip_gone_ms = 0;
    const struct job *job =
        audits->options.find_job(audits->options.context, drawn->share.job_id, &tip_gone_ms);
    struct wire_job wire;
    if (job == NULL)
        return false;
    drawn->sample.tip_gone_ms = tip_gone_ms;
    for (uint32_t i = 0; i < *count; i++)
        if (ids[i] == drawn->share.job_id)
            return true;
    job_to_wire(job, 1, &wire);
    size_t length = wire_encode_job(&wire, audits->jobs[*count], JOB_BYTES);
    ASSERT(length > 0); /* a struct job is smaller */
    ids[*count] = drawn->share.job_id;
    jobs[*count].data = span_of(audits->jobs[*count], length);
    ++*count;
    return true;
}

void audits_hand_in(struct audits *audits)
{
    struct wire_audit_sample samples[AUDITS_MESSAGE_MAX];
    struct wire_share shares[AUDITS_MESSAGE_MAX];
    struct wire_audit_job jobs[AUDITS_MESSAGE_MAX];
    uint64_t ids[AUDITS_MESSAGE_MAX];
    uint32_t count = 0, jobs_count = 0;
    struct bus_client *scheduler = *audits->options.scheduler;
    if (audits->under_way > 0 || scheduler == NULL)
        return;
    end_turn(audits);
    while (audits->count > count && count < AUDITS_MESSAGE_MAX) {
        struct drawn *drawn = held_at(audits, count);
        if (add_job(audits, drawn, jobs, ids, &jobs_count)) {
            samples[count] = drawn->sample;
            samples[count].first = drawn->name;
            shares[count++] = drawn->share;
        } else if (count == 0) { /* nobody could judge it any more */
            metric_add(audits->dropped, 1);
            forget_first(audits, 1);
        } else {
            break; /* after these */
        }
    }
    metric_set(audits->waiting, audits->count);
    if (count == 0)
        return;
    const struct wire_audit_samples message = { .samples = samples,
                                                .samples_count = count,
                                                .shares = shares,
                                                .shares_count = count,
                                                .jobs = jobs,
                                                .jobs_count = jobs_count };
    size_t length = wire_encode_audit_samples(&message, audits->message, sizeof audits->message);
    ASSERT(length > 0);
    if (bus_request(scheduler, span_of(audits->message, length), TIMEOUT_MS, on_ack, audits))
        audits->under_way = count;
}

size_t audits_waiting(const struct audits *audits)
{
    return audits->turn_count + audits->count;
}

static void on_due(void *context)
{
    audits_hand_in(context);
}

static void register_metrics(struct audits *audits, struct metrics *metrics)
{
    audits->drawn = metrics_counter(metrics, "adit_gateway_audits_drawn_total", "",
                                    "Submissions drawn to be judged again.", "audits_drawn");
    audits->passed_over =
        metrics_counter(metrics, "adit_gateway_audits_passed_over_total", "",
                        "Of them, given up for others: more than audit.per_second.", NULL);
    audits->handed_in = metrics_counter(metrics, "adit_gateway_audits_handed_in_total", "",
                                        "Of them, taken by inode-scheduler.", NULL);
    audits->dropped =
        metrics_counter(metrics, "adit_gateway_audits_dropped_total", "",
                        "Of them, lost: inode-scheduler was away for too long.", NULL);
    audits->waiting = metrics_gauge(metrics, "adit_gateway_audits_waiting", "",
                                    "Of them, waiting for inode-scheduler.", NULL);
}

struct audits *audits_create(const struct audits_options *options, struct error *error)
{
    struct audits *audits = calloc(1, sizeof *audits);
    if (audits == NULL ||
        getrandom(&audits->key, sizeof audits->key, 0) != (ssize_t)sizeof audits->key) {
        error_fill(error, ERROR_SYSTEM, "no memory, or no random key, for audits");
        free(audits);
        return NULL;
    }
    uint64_t turn_max = options->per_second * options->period_ms / 1000;
    audits->options = *options;
    audits->highest = audits->turn_highest = audit_highest_drawn(options->rate);
    audits->turn_max = turn_max < 1 ? 1 : turn_max < AUDITS_TURN_MAX ? turn_max : AUDITS_TURN_MAX;
    register_metrics(audits, options->metrics);
    audits->timer = (struct loop_timer){ .on_due = on_due, .context = audits };
    loop_timer_start(options->loop, &audits->timer, options->period_ms, options->period_ms);
    return audits;
}

void audits_destroy(struct audits *audits)
{
    if (audits == NULL)
        return;
    loop_timer_stop(audits->options.loop, &audits->timer);
    free(audits);
}
