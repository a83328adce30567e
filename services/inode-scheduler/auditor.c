#include "services/inode-scheduler/auditor_inside.h"

#include "core/score/score.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORGET_AT_ONCE = 256, INSERTS_AT_ONCE = 32, KNOWN_AGAIN_MS = 2000 };

static const struct known *find_known(const struct auditor *auditor,
                                      const uint8_t key[MEMBER_KEY_BYTES])
{
    for (size_t i = 0; i < auditor->known_count; i++)
        if (memcmp(auditor->known[i].key, key, MEMBER_KEY_BYTES) == 0)
            return &auditor->known[i];
    return NULL;
}

void auditor_first(const struct auditor *auditor, const struct wire_audit_sample *sample,
                   char first_r[TASK_MEMBER_BYTES])
{
    static const uint8_t none[MEMBER_KEY_BYTES];
    const struct known *known = find_known(auditor, sample->first_key);
    if (memcmp(sample->first_key, none, sizeof none) == 0)
        log_text(sample->first, first_r, TASK_MEMBER_BYTES);
    else if (known != NULL) /* a list may name one of our own by its key */
        snprintf(first_r, TASK_MEMBER_BYTES, "%s", known->id);
    else
        member_own_id(sample->first_key, first_r);
}

static bool on_member(void *context, const struct member *member)
{
    struct auditor *auditor = context;
    if (member->source == MEMBER_GONE || !member_has_key(member))
        return true;
    struct known *known = &auditor->known[auditor->known_count++];
    *known = (struct known){ .stake = member->stake,
                             .outside = member->source == MEMBER_LISTED,
                             .seen_ms = member->seen_ms };
    memcpy(known->id, member->id, sizeof known->id);
    memcpy(known->key, member->key, sizeof known->key);
    return auditor->known_count < AUDITOR_KNOWN_MAX;
}

bool auditor_read_known(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    auditor->known_count = 0;
    auditor->known_ms = now_ms;
    return member_walk(auditor->options.store, MEMBER_VALIDATOR, on_member, auditor, error) ==
           STORE_DONE;
}

bool auditor_is_certain(const struct wire_audit_sample *sample)
{
    static const uint8_t none[MEMBER_KEY_BYTES];
    return sample->alone != 0 && memcmp(sample->first_key, none, sizeof none) != 0;
}

/* Memory. */

static struct held *hold(struct auditor *auditor, const struct task *task)
{
    struct held *held = malloc(sizeof *held + task->body.length);
    if (held == NULL)
        return NULL;
    held->task = *task;
    if (task->body.length > 0)
        memcpy(held->body, task->body.data, task->body.length);
    held->task.body.data = held->body;
    auditor->held[auditor->held_count++] = held;
    auditor->counts.waiting = auditor->held_count;
    return held;
}

void auditor_remove(struct auditor *auditor, size_t place)
{
    free(auditor->held[place]);
    auditor->held[place] = auditor->held[--auditor->held_count];
    auditor->counts.waiting = auditor->held_count;
}

static bool on_open(void *context, const struct task *task)
{
    struct auditor *auditor = context;
    struct error error;
    if (auditor->held_count == auditor->options.waiting_max || hold(auditor, task) == NULL)
        return false;
    if (task_body_read(task->body, &auditor->body, &error))
        auditor_watch_credit(auditor, task, &auditor->body);
    return true;
}

struct auditor *auditor_create(const struct auditor_options *options, uint64_t now_ms,
                               struct error *error)
{
    struct auditor *auditor = calloc(1, sizeof *auditor);
    if (auditor == NULL)
        return NULL;
    auditor->options = *options;
    auditor->held = calloc(options->waiting_max, sizeof *auditor->held);
    auditor->credits = calloc(options->waiting_max, sizeof *auditor->credits);
    auditor->known = calloc(AUDITOR_KNOWN_MAX, sizeof *auditor->known);
    bool ok = auditor->held != NULL && auditor->credits != NULL && auditor->known != NULL;
    if (!ok)
        error_fill(error, ERROR_FULL, "no memory for validation tasks");
    if (!ok || !auditor_read_known(auditor, now_ms, error) ||
        task_walk_open(options->store, on_open, auditor, error) != STORE_DONE) {
        auditor_destroy(auditor);
        return NULL;
    }
    return auditor;
}

void auditor_destroy(struct auditor *auditor)
{
    if (auditor == NULL)
        return;
    while (auditor->held_count > 0)
        free(auditor->held[--auditor->held_count]);
    free(auditor->held);
    free(auditor->credits);
    free(auditor->known);
    free(auditor->scratch);
    free(auditor);
}

struct auditor_counts auditor_counts(const struct auditor *auditor)
{
    return auditor->counts;
}

/* Taking. */

static bool is_in_doubt(const struct auditor *auditor, const struct task_body *body)
{
    const struct wire_audit_sample *sample = &body->sample;
    uint64_t gone_ms = sample->tip_gone_ms != 0 ? sample->tip_gone_ms : UINT64_MAX;
    if (auditor->options.tip_gone_ms != NULL) {
        uint64_t seen_ms =
            auditor->options.tip_gone_ms(auditor->options.context, body->job.prev_hash);
        if (seen_ms == UINT64_MAX) /* another scheduler's job: only the gateway's word is there */
            gone_ms = gone_ms != UINT64_MAX ? gone_ms : 0;
        else if (seen_ms != 0 && seen_ms < gone_ms)
            gone_ms = seen_ms;
    }
    return gone_ms != UINT64_MAX && body->share.received_ms + AUDIT_CLOCKS_MS >= gone_ms;
}

static bool make_task(struct auditor *auditor, const struct wire_audit_samples *samples,
                      uint32_t index, uint64_t now_ms, uint8_t *bytes, struct task *task_r)
{
    const struct wire_audit_sample *sample = &samples->samples[index];
    struct error error;
    size_t length = task_body_write(samples, index, bytes);
    if (length == 0 || sample->outcome >= SHARE_OUTCOMES_COUNT ||
        !task_body_read(span_of(bytes, length), &auditor->body, &error))
        return false;
    *task_r = (struct task){ .state = TASK_WAITING,
                             .handed_in_ms = now_ms,
                             .tip_in_doubt = is_in_doubt(auditor, &auditor->body),
                             .epoch = auditor->options.epoch,
                             .body = span_of(bytes, length) };
    task_id(sample->lease_id, sample->sequence, sample->index, task_r->id);
    return true;
}

/* One that is in the store: new, or there before, as when our answer got lost. */
static bool keep(struct auditor *auditor, struct task *task, uint8_t *bytes, struct error *error)
{
    for (size_t i = 0; i < auditor->held_count && task->version == 0; i++)
        if (strcmp(auditor->held[i]->task.id, task->id) == 0)
            return true;
    if (task->version == 0) {
        char id[TASK_ID_BYTES];
        memcpy(id, task->id, sizeof id);
        enum store_outcome outcome = task_get(auditor->options.store, id, task, bytes, error);
        if (outcome == STORE_MISSING || (outcome == STORE_DONE && task->state == TASK_SETTLED))
            return true;
        if (outcome != STORE_DONE)
            return false;
    }
    ASSERT(hold(auditor, task) != NULL);
    auditor->counts.taken++;
    if (task_body_read(task->body, &auditor->body, error))
        auditor_watch_credit(auditor, task, &auditor->body);
    return true;
}

enum auditor_outcome auditor_take(struct auditor *auditor, const struct wire_audit_samples *samples,
                                  uint64_t now_ms, struct error *error)
{
    struct task tasks[INSERTS_AT_ONCE];
    size_t count = 0;
    if (samples->samples_count != samples->shares_count ||
        samples->samples_count > INSERTS_AT_ONCE) {
        error_fill(error, ERROR_INVALID, "there must be one share for each sample");
        return AUDITOR_REFUSED;
    }
    if (auditor->held_count + samples->samples_count > auditor->options.waiting_max) {
        error_fill(error, ERROR_FULL, "%zu validation tasks wait already", auditor->held_count);
        return AUDITOR_LATER;
    }
    uint8_t *bytes = malloc((size_t)INSERTS_AT_ONCE * TASK_BODY_BYTES_MAX);
    ASSERT(bytes != NULL);
    for (uint32_t i = 0; i < samples->samples_count; i++) {
        if (make_task(auditor, samples, i, now_ms, bytes + count * TASK_BODY_BYTES_MAX,
                      &tasks[count]))
            count++;
        else
            auditor->counts.unreadable++;
    }
    bool done = task_insert(auditor->options.store, tasks, count, error) == STORE_DONE;
    for (size_t i = 0; i < count && done; i++)
        done = keep(auditor, &tasks[i], bytes + i * TASK_BODY_BYTES_MAX, error);
    free(bytes);
    return done ? AUDITOR_DONE : AUDITOR_LATER;
}

/* Who may have one. */

static void forget_silent(struct auditor *auditor, uint64_t now_ms)
{
    for (size_t i = auditor->asker_count; i > 0; i--)
        if (now_ms > auditor->askers[i - 1].asked_ms + AUDITOR_FRESH_MS)
            auditor->askers[i - 1] = auditor->askers[--auditor->asker_count];
    auditor->counts.askers = auditor->asker_count;
}

static void note_asker(struct auditor *auditor, const char *member, uint64_t now_ms)
{
    size_t i = 0;
    while (i < auditor->asker_count && strcmp(auditor->askers[i].member, member) != 0)
        i++;
    if (i == AUDITOR_ASKERS_MAX)
        return;
    if (i == auditor->asker_count)
        snprintf(auditor->askers[auditor->asker_count++].member, TASK_MEMBER_BYTES, "%s", member);
    auditor->askers[i].asked_ms = now_ms;
    auditor->counts.askers = auditor->asker_count;
}

/* Validators outside do not ask: those that were heard of late may have one. */
static bool note_outside(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    if (!auditor_read_known(auditor, now_ms, error))
        return false;
    for (size_t i = 0; i < auditor->known_count; i++) {
        const struct known *known = &auditor->known[i];
        if (known->outside && score_may_report(known->stake) && known->seen_ms <= now_ms &&
            now_ms - known->seen_ms <= AUDITOR_FRESH_MS)
            note_asker(auditor, known->id, known->seen_ms);
    }
    return true;
}

/* A validator at random that neither gave the first verdict nor, where there is another, let the
 * task expire just now. NULL: none. */
static const struct asker *choose(struct auditor *auditor, const struct task *task)
{
    char first[TASK_MEMBER_BYTES];
    struct error error;
    const struct asker *last = NULL, *chosen = NULL;
    uint64_t others = 0;
    if (!task_body_read(task->body, &auditor->body, &error))
        return NULL;
    auditor_first(auditor, &auditor->body.sample, first);
    for (size_t i = 0; i < auditor->asker_count; i++) {
        const struct asker *asker = &auditor->askers[i];
        if (strcmp(asker->member, first) == 0)
            continue;
        if (strcmp(asker->member, task->issued_to) == 0)
            last = asker;
        else if (auditor->options.random(auditor->options.context) % ++others == 0)
            chosen = asker;
    }
    return chosen != NULL ? chosen : last;
}

/* Saves it as it is to be; as it was in memory where that failed. */
static bool save(struct auditor *auditor, struct held *held, const struct task *task,
                 struct error *error)
{
    struct task saved = *task;
    saved.epoch = auditor->options.epoch;
    enum store_outcome outcome = task_save(auditor->options.store, &saved, error);
    if (outcome == STORE_CONFLICT)
        error_fill(error, ERROR_REFUSED, "validation task %s was changed by another scheduler",
                   task->id);
    if (outcome == STORE_DONE)
        held->task = saved;
    return outcome == STORE_DONE;
}

static bool issue(struct auditor *auditor, struct held *held, uint64_t now_ms, bool *issued_r,
                  struct error *error)
{
    const struct asker *asker = choose(auditor, &held->task);
    struct task task = held->task;
    *issued_r = asker != NULL;
    task.state = asker != NULL ? TASK_ISSUED : TASK_OPEN;
    if (asker != NULL) {
        /* Texts of validators outside hold it in 63 bits. */
        do
            task.val_id = auditor->options.random(auditor->options.context) >> 1;
        while (task.val_id == 0);
        snprintf(task.issued_to, sizeof task.issued_to, "%s", asker->member);
        task.issued_ms = now_ms;
        task.expires_ms = now_ms + auditor->options.expiry_ms;
        task.tries++;
    } else if (held->task.state == TASK_OPEN) {
        return true;
    }
    if (!save(auditor, held, &task, error))
        return false;
    auditor->counts.issued += *issued_r;
    return true;
}

bool auditor_turn(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    size_t made = 0;
    if (!note_outside(auditor, now_ms, error))
        return false;
    forget_silent(auditor, now_ms);
    for (size_t i = 0; i < auditor->held_count && made < auditor->options.turn_max; i++) {
        struct held *held = auditor->held[i];
        bool issued;
        if (held->task.state != TASK_WAITING && held->task.state != TASK_OPEN)
            continue;
        bool waited = held->task.state == TASK_WAITING;
        if (!issue(auditor, held, now_ms, &issued, error))
            return false;
        made += waited || issued;
    }
    return true;
}

/* Ending. */

static bool on_settled(void *context, const struct task *task)
{
    struct task *list = context;
    size_t i = 0;
    while (list[i].version != 0)
        i++;
    list[i] = *task;
    list[i].body = span_of(NULL, 0);
    return true;
}

static bool forget_old(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    bool done = true;
    if (now_ms <= auditor->options.keep_ms)
        return true;
    struct task *list = calloc(FORGET_AT_ONCE + 1, sizeof *list);
    ASSERT(list != NULL);
    done = task_walk_settled(auditor->options.store, now_ms - auditor->options.keep_ms,
                             FORGET_AT_ONCE, on_settled, list, error) == STORE_DONE;
    for (size_t i = 0; list[i].version != 0 && done; i++) {
        enum store_outcome outcome = task_forget(auditor->options.store, &list[i], error);
        done = outcome == STORE_DONE || outcome == STORE_CONFLICT; /* gone already */
    }
    free(list);
    return done;
}

/* One that nobody answered in time, or that nobody could have. */
static bool end_one(struct auditor *auditor, size_t place, uint64_t now_ms, struct error *error)
{
    struct held *held = auditor->held[place];
    bool expired = held->task.state == TASK_ISSUED, issued = false;
    auditor->counts.expired += expired;
    if (expired && held->task.tries < AUDITOR_TRIES_MAX &&
        !issue(auditor, held, now_ms, &issued, error))
        return false;
    return issued || auditor_settle(auditor, place, NULL, NULL, now_ms, error) == AUDITOR_DONE;
}

bool auditor_end(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    forget_silent(auditor, now_ms);
    for (size_t i = auditor->held_count; i > 0; i--) {
        const struct task *task = &auditor->held[i - 1]->task;
        uint64_t until_ms = task->state == TASK_ISSUED
                                ? task->expires_ms
                                : task->handed_in_ms + auditor->options.expiry_ms;
        bool ends = task->state != TASK_WAITING && now_ms >= until_ms;
        if (ends && !end_one(auditor, i - 1, now_ms, error))
            return false;
    }
    return forget_old(auditor, now_ms, error);
}

/* Validators. */

enum auditor_outcome auditor_admit(struct auditor *auditor, const uint8_t key[MEMBER_KEY_BYTES],
                                   uint64_t now_ms, const char **id_r, struct error *error)
{
    const struct known *known = find_known(auditor, key);
    /* It may have come since, or got more stake. */
    if ((known == NULL || !score_may_report(known->stake)) &&
        (now_ms < auditor->known_ms || now_ms - auditor->known_ms >= KNOWN_AGAIN_MS)) {
        if (!auditor_read_known(auditor, now_ms, error))
            return AUDITOR_LATER;
        known = find_known(auditor, key);
    }
    if (known != NULL && score_may_report(known->stake)) {
        *id_r = known->id;
        return AUDITOR_DONE;
    }
    error_fill(error, ERROR_REFUSED, "%s",
               known != NULL ? "its stake is less than 1 %" : "it is not registered");
    return AUDITOR_REFUSED;
}

static bool offer(const struct task *task, struct auditor_offer *offer_r)
{
    struct error error;
    *offer_r = (struct auditor_offer){ .val_id = task->val_id,
                                       .expires_ms = task->expires_ms,
                                       .tip_in_doubt = task->tip_in_doubt };
    return task_body_read(task->body, &offer_r->body, &error);
}

void auditor_walk_outside(struct auditor *auditor, uint64_t now_ms, auditor_offer_visitor visit,
                          void *context)
{
    struct auditor_offer offered;
    const size_t count = auditor->held_count;
    const size_t first = count > 0 ? auditor->told % count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct task *task = &auditor->held[(first + i) % count]->task;
        bool outside = false;
        if (task->state != TASK_ISSUED || now_ms >= task->expires_ms)
            continue;
        for (size_t k = 0; k < auditor->known_count && !outside; k++)
            outside =
                auditor->known[k].outside && strcmp(auditor->known[k].id, task->issued_to) == 0;
        if (outside && offer(task, &offered) && !visit(context, task->issued_to, &offered)) {
            auditor->told = first + i + 1;
            return;
        }
    }
}

void auditor_ask(struct auditor *auditor, const char *member, uint64_t now_ms,
                 struct auditor_offer *offer_r)
{
    const struct task *oldest = NULL;
    memset(offer_r, 0, sizeof *offer_r);
    note_asker(auditor, member, now_ms);
    for (size_t i = 0; i < auditor->held_count; i++) {
        const struct task *task = &auditor->held[i]->task;
        if (task->state == TASK_ISSUED && now_ms < task->expires_ms &&
            strcmp(task->issued_to, member) == 0 &&
            (oldest == NULL || task->expires_ms < oldest->expires_ms))
            oldest = task;
    }
    if (oldest != NULL && !offer(oldest, offer_r))
        offer_r->val_id = 0;
}

static enum auditor_outcome refuse(struct auditor *auditor, struct error *error, const char *why)
{
    auditor->counts.refused++;
    error_fill(error, ERROR_REFUSED, "%s", why);
    return AUDITOR_REFUSED;
}

enum auditor_outcome auditor_take_report(struct auditor *auditor, const char *member,
                                         const struct auditor_report *report, uint64_t now_ms,
                                         struct error *error)
{
    size_t place = 0;
    while (place < auditor->held_count && (auditor->held[place]->task.state != TASK_ISSUED ||
                                           auditor->held[place]->task.val_id != report->val_id))
        place++;
    if (place == auditor->held_count || report->val_id == 0)
        return refuse(auditor, error, "no such task: it expired, was reported, or never was");
    const struct task *task = &auditor->held[place]->task;
    if (strcmp(task->issued_to, member) != 0)
        return refuse(auditor, error, "this task was issued to another validator");
    if (now_ms >= task->expires_ms)
        return refuse(auditor, error, "no such task: it expired, was reported, or never was");
    if (report->evidence.length > DISPUTE_REPORT_BYTES_MAX)
        return refuse(auditor, error, "the report is too long");
    enum auditor_outcome outcome = auditor_settle(auditor, place, member, report, now_ms, error);
    auditor->counts.reported += outcome == AUDITOR_DONE;
    return outcome;
}
