#include "services/inode-scheduler/jobs.h"

#include "core/difficulty/difficulty.h"
#include "service/log.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    KEPT_MAX = 512,  /* jobs remembered, alive and retired */
    ALIVE_MAX = 16,  /* of one tip; older ones are retired */
    ANSWER_MAX = 64, /* the schema's bound of a job_reply */
    MESSAGE_BYTES_MAX = 256 << 10,
    ANSWER_BYTES_MAX = 8 << 20,
    NODES_MAX = 64,
};
#define TEMPLATES_BYTES_MAX ((size_t)512 << 20)

struct kept {
    struct job job;
    uint64_t sequence;
    uint64_t retired_ms; /* the loop's clock; 0: alive */
    uint64_t made_unix_ms;
    size_t node;              /* whose template or tip it is of */
    struct template_box *box; /* whose transactions it needs; NULL: none */
};

/* What is known of a node. */
struct jobs_node {
    bool usable;
    /* Since the job by the rules: a template of an older tip came, and may be older, too. */
    bool asked_again;
    bool tip_known;
    struct node_tip tip;
};

struct jobs {
    struct jobs_options options;
    struct span tag;
    uint8_t tag_bytes[JOB_POOL_TAG_BYTES_MAX];
    uint8_t commitment[JOBS_COMMITMENT_BYTES]; /* an output script of every coinbase */
    size_t commitment_bytes;
    uint64_t counter;          /* of job ids in this epoch */
    uint64_t template_counter; /* of template ids */
    uint64_t sequence;
    struct kept *kept; /* oldest first */
    size_t kept_count;
    size_t templates_bytes;
    struct template_box *pending; /* announced, not published yet */
    struct job pending_job;
    struct draft draft;         /* announced, not whole yet */
    struct template_box *fresh; /* of the same tip, waiting for the interval */
    /* what is mined on */
    bool any;
    uint32_t height;
    uint8_t prev_hash[32];
    size_t node;
    uint32_t version;      /* of the newest template */
    bool by_rule;          /* the tip's template has not come yet: its job is by the coin's rules */
    bool rules_wrong;      /* a template contradicted them: they are not used any more */
    struct job rule_job;   /* the job made by them last */
    uint64_t published_ms; /* the last full job */
    bool work_known;       /* up to what is mined on */
    uint8_t work[32];
    struct jobs_node nodes[NODES_MAX];
    bool doubted;                 /* whose template or tip is mined on was found to be wrong */
    struct template_box *claimed; /* builds on a tip that nobody has looked at yet */
    bool stopped;
    struct loop_timer hold, interval, repeat;
    uint8_t *message;
    uint8_t *answer;
};

static void release(struct jobs *jobs, struct template_box *box)
{
    if (box == NULL || box->jobs > 0 || box == jobs->pending || box == jobs->fresh ||
        box == jobs->claimed)
        return;
    if (box->id != 0)
        jobs->templates_bytes -= box->memory_bytes;
    template_box_destroy(box);
}

static void forget_oldest(struct jobs *jobs)
{
    struct template_box *box = jobs->kept[0].box;
    jobs->kept_count--;
    memmove(jobs->kept, jobs->kept + 1, jobs->kept_count * sizeof *jobs->kept);
    if (box != NULL) {
        box->jobs--;
        release(jobs, box);
    }
}

/* Drops what is too old; the newest job always stays. */
static void forget(struct jobs *jobs)
{
    uint64_t now = loop_now_ms(jobs->options.loop);
    while (jobs->kept_count > 1 && jobs->kept[0].retired_ms != 0 &&
           (now - jobs->kept[0].retired_ms > jobs->options.memory_ms ||
            jobs->kept_count >= KEPT_MAX || jobs->templates_bytes > TEMPLATES_BYTES_MAX))
        forget_oldest(jobs);
    if (jobs->kept_count >= KEPT_MAX)
        forget_oldest(jobs);
}

static void retire(struct jobs *jobs, bool clean)
{
    uint64_t now = loop_now_ms(jobs->options.loop);
    if (now == 0)
        now = 1;
    size_t alive = 0;
    for (size_t i = jobs->kept_count; i-- > 0;) {
        struct kept *kept = &jobs->kept[i];
        if (kept->retired_ms == 0 && (clean || ++alive >= ALIVE_MAX))
            kept->retired_ms = now;
    }
}

static void to_wire(const struct kept *kept, struct wire_job *wire_r)
{
    job_to_wire(&kept->job, kept->sequence, wire_r);
}

static void publish_newest(struct jobs *jobs)
{
    if (jobs->kept_count == 0 || jobs->stopped)
        return;
    struct wire_job wire;
    to_wire(&jobs->kept[jobs->kept_count - 1], &wire);
    size_t length = wire_encode_job(&wire, jobs->message, MESSAGE_BYTES_MAX);
    ASSERT(length > 0);
    jobs->options.publish(jobs->options.context, span_of(jobs->message, length));
    loop_timer_start(jobs->options.loop, &jobs->repeat, JOBS_REPEAT_MS, JOBS_REPEAT_MS);
}

static void announce(struct jobs *jobs, uint64_t template_id, const struct block_template *content)
{
    struct wire_template_announce wire = { .epoch = jobs->options.epoch,
                                           .template_id = template_id };
    if (content != NULL) {
        wire.height = content->height;
        wire.transaction_count = (uint32_t)content->transactions_count;
    }
    size_t length = wire_encode_template_announce(&wire, jobs->message, MESSAGE_BYTES_MAX);
    ASSERT(length > 0);
    jobs->options.publish(jobs->options.context, span_of(jobs->message, length));
}

/* Makes the job of this content; box NULL: it needs no transactions. */
static bool make_job(struct jobs *jobs, const struct block_template *content,
                     const struct template_box *box, bool clean, struct job *job_r,
                     struct error *error)
{
    const struct job_output outputs[] = {
        { output_script_span(&jobs->options.script), content->coinbase_value },
        { span_of(jobs->commitment, jobs->commitment_bytes), 0 },
    };
    uint64_t id = jobs->options.epoch << 32 | ++jobs->counter;
    struct job_params params = { .id = id,
                                 .epoch = jobs->options.epoch,
                                 .template_id = box != NULL ? box->id : 0,
                                 .job_value = id,
                                 .algorithm = jobs->options.coin->algorithm,
                                 .version_mask = jobs->options.version_mask,
                                 .extranonce1_bytes = JOBS_EXTRANONCE1_BYTES,
                                 .extranonce2_bytes = jobs->options.extranonce2_bytes,
                                 .clean = clean,
                                 .pool_tag = jobs->tag,
                                 .outputs = outputs,
                                 .outputs_count = jobs->commitment_bytes > 0 ? 2 : 1 };
    enum job_outcome outcome = job_from_template(content, &params, job_r);
    return outcome == JOB_OK || error_set(error, ERROR_INVALID, "a template makes no job: %s",
                                          job_outcome_text(outcome));
}

/* Publishes a job; `box`: whose transactions it needs, NULL: none. */
static void publish_job(struct jobs *jobs, const struct job *job, struct template_box *box)
{
    forget(jobs);
    struct kept *kept = &jobs->kept[jobs->kept_count];
    *kept = (struct kept){ .job = *job, .box = box };
    retire(jobs, job->clean);
    if (box != NULL)
        box->jobs++;
    kept->sequence = ++jobs->sequence;
    kept->made_unix_ms = loop_unix_ms();
    kept->node = jobs->node;
    jobs->kept_count++;
    publish_newest(jobs);
    log_info("job.published",
             "job=%016" PRIx64 " height=%u transactions=%zu clean=%d value=%" PRIu64 " node=%zu",
             job->id, job->height, box != NULL ? box->content.transactions_count : 0, job->clean,
             job->coinbase_value, jobs->node);
}

/* The job of a template of which nothing need be held. Takes the box. */
static bool publish_box(struct jobs *jobs, struct template_box *box, bool clean,
                        struct error *error)
{
    struct job job;
    bool made = make_job(jobs, &box->content, NULL, clean, &job, error);
    if (made) {
        publish_job(jobs, &job, NULL);
        jobs->published_ms = loop_now_ms(jobs->options.loop);
    }
    release(jobs, box);
    return made;
}

static void drop_pending(struct jobs *jobs)
{
    struct template_box *box = jobs->pending;
    jobs->pending = NULL;
    loop_timer_stop(jobs->options.loop, &jobs->hold);
    release(jobs, box);
}

static void drop_fresh(struct jobs *jobs)
{
    struct template_box *box = jobs->fresh;
    jobs->fresh = NULL;
    release(jobs, box);
}

static void publish_pending(struct jobs *jobs)
{
    struct template_box *box = jobs->pending;
    if (box == NULL)
        return;
    jobs->pending = NULL;
    loop_timer_stop(jobs->options.loop, &jobs->hold);
    publish_job(jobs, &jobs->pending_job, box);
    jobs->published_ms = loop_now_ms(jobs->options.loop);
}

static void on_hold_over(void *context)
{
    struct jobs *jobs = context;
    log_warn("template.not_held", "template=%016" PRIx64 " after_ms=%u", jobs->pending->id,
             jobs->options.hold_ms);
    publish_pending(jobs);
}

static uint64_t next_template_id(struct jobs *jobs)
{
    return jobs->options.epoch << 32 | ++jobs->template_counter;
}

static bool any_usable(const struct jobs *jobs)
{
    for (size_t i = 0; i < NODES_MAX; i++)
        if (jobs->nodes[i].usable)
            return true;
    return false;
}

/* Whose change of mind is ours: the node whose template is mined on, and any where that is gone. */
static bool is_trusted(const struct jobs *jobs, size_t node)
{
    return node == jobs->node || !jobs->nodes[jobs->node].usable;
}

/* The node's tip where it is this block; NULL: it was not looked at. */
static const struct node_tip *tip_of(const struct jobs *jobs, size_t node, const uint8_t hash[32])
{
    const struct jobs_node *known = &jobs->nodes[node];
    return known->tip_known && memcmp(known->tip.hash, hash, 32) == 0 ? &known->tip : NULL;
}

static void note_work(struct jobs *jobs, const struct node_tip *tip)
{
    jobs->work_known = tip != NULL;
    if (tip != NULL)
        memcpy(jobs->work, tip->chain_work, sizeof jobs->work);
}

/* Whether a tip has more work than what is mined on; where nobody can say, more height. */
static bool is_better(const struct jobs *jobs, const struct node_tip *tip, uint32_t height)
{
    return tip != NULL && jobs->work_known ? memcmp(tip->chain_work, jobs->work, 32) > 0
                                           : height > jobs->height;
}

void jobs_draft(struct jobs *jobs, const struct template_box *box, const uint8_t prev_hash[32])
{
    bool same = jobs->any && memcmp(jobs->prev_hash, prev_hash, 32) == 0;
    bool trusted = is_trusted(jobs, box->node);
    /* Another of the same tip is in no hurry, and of two nodes' one is enough. */
    bool wanted = !jobs->any || (same ? jobs->by_rule : trusted);
    if (jobs->stopped || !wanted || jobs->draft.box != NULL)
        return;
    draft_begin(&jobs->draft, box, next_template_id(jobs));
    announce(jobs, jobs->draft.id, NULL);
}

void jobs_draft_add(struct jobs *jobs, const struct template_box *box,
                    const struct span *transactions, size_t count)
{
    if (jobs->draft.box != box)
        return;
    draft_add(&jobs->draft, transactions, count);
    jobs->options.moved(jobs->options.context);
}

void jobs_draft_drop(struct jobs *jobs, const struct template_box *box)
{
    if (jobs->draft.box != box)
        return;
    draft_drop(&jobs->draft);
    jobs->options.moved(jobs->options.context);
}

const struct draft *jobs_draft_of(const struct jobs *jobs, uint64_t template_id)
{
    return jobs->draft.box != NULL && jobs->draft.id == template_id ? &jobs->draft : NULL;
}

/* Takes the box into the way of publication: at once, or after its transactions are held. */
static bool begin(struct jobs *jobs, struct template_box *box, bool clean, struct error *error)
{
    drop_pending(jobs);
    jobs->version = box->content.version;
    const bool drafted = jobs->draft.box == box;
    box->id = drafted ? jobs->draft.id : next_template_id(jobs);
    jobs->templates_bytes += box->memory_bytes;
    loop_timer_start(jobs->options.loop, &jobs->interval, jobs->options.interval_ms,
                     jobs->options.interval_ms);
    if (box->content.transactions_count == 0 && box->content.mweb.length == 0)
        return publish_box(jobs, box, clean, error);
    if (!make_job(jobs, &box->content, box, clean, &jobs->pending_job, error)) {
        release(jobs, box);
        return false;
    }
    jobs->pending = box;
    if (drafted)
        jobs_draft_drop(jobs, box); /* who asked for its transactions gets the rest */
    else
        announce(jobs, box->id, &box->content);
    loop_timer_start(jobs->options.loop, &jobs->hold, jobs->options.hold_ms, 0);
    return true;
}

/* A block without transactions: only the subsidy may be claimed, nothing need be committed to. An
 * extension block (mweb) cannot be left out, so there such a job cannot be made. */
static bool publish_empty(struct jobs *jobs, const struct block_template *content,
                          struct error *error)
{
    struct block_template empty = *content;
    empty.coinbase_value -= empty.fees;
    empty.fees = 0;
    empty.transactions = NULL;
    empty.transactions_count = 0;
    empty.branches_known = false;
    empty.witness_commitment = span_of(NULL, 0);
    struct job job;
    if (!make_job(jobs, &empty, NULL, true, &job, error))
        return false;
    publish_job(jobs, &job, NULL);
    return true;
}

static bool take_new_tip(struct jobs *jobs, struct template_box *box, struct error *error)
{
    const struct block_template *content = &box->content;
    drop_fresh(jobs);
    jobs->doubted = false;
    jobs->any = true;
    jobs->by_rule = false;
    jobs->height = content->height;
    jobs->node = box->node;
    memcpy(jobs->prev_hash, content->prev_hash, 32);
    note_work(jobs, tip_of(jobs, box->node, content->prev_hash));
    bool empty_first =
        content->transactions_count > 0 && content->fees_known && content->mweb.length == 0;
    if (empty_first && !publish_empty(jobs, content, error)) {
        release(jobs, box);
        return false;
    }
    return begin(jobs, box, !empty_first, error);
}

/* Whether a template says of its block what the rules said. */
static bool rule_held(const struct jobs *jobs, const struct block_template *content)
{
    const struct job *job = &jobs->rule_job;
    return job->height == content->height && job->bits == content->bits &&
           job->min_time >= content->min_time &&
           job->coinbase_value <= content->coinbase_value - content->fees; /* 0: not known */
}

/* Nothing in the template that the job by the rules has not: miners need not change. */
static bool is_as_good(const struct jobs *jobs, const struct block_template *content)
{
    return content->transactions_count == 0 && content->version == jobs->rule_job.version &&
           content->coinbase_value == jobs->rule_job.coinbase_value;
}

/* The first template of a tip that has a job by the rules. */
static bool take_behind_rule(struct jobs *jobs, struct template_box *box, struct error *error)
{
    jobs->by_rule = false;
    jobs->node = box->node;
    if (rule_held(jobs, &box->content)) {
        if (is_as_good(jobs, &box->content)) {
            jobs->published_ms = loop_now_ms(jobs->options.loop);
            loop_timer_start(jobs->options.loop, &jobs->interval, jobs->options.interval_ms,
                             jobs->options.interval_ms);
            template_box_destroy(box);
            return true;
        }
        return begin(jobs, box, false, error);
    }
    jobs->rules_wrong = true;
    log_error("tip.rules_wrong",
              "height=%u reason=\"a template says otherwise than the coin's profile; jobs wait for "
              "templates from now on\"",
              box->content.height);
    return take_new_tip(jobs, box, error);
}

static void drop_claimed(struct jobs *jobs)
{
    struct template_box *box = jobs->claimed;
    jobs->claimed = NULL;
    release(jobs, box);
}

/* A node's tip was looked at: a template that waits for that is taken. */
static void hear_tip(struct jobs *jobs, size_t node, const struct node_tip *tip)
{
    struct error error;
    struct template_box *box = jobs->claimed;
    jobs->nodes[node].tip = *tip;
    jobs->nodes[node].tip_known = true;
    if (jobs->any && memcmp(tip->hash, jobs->prev_hash, 32) == 0)
        note_work(jobs, tip);
    if (box == NULL || box->node != node || memcmp(box->content.prev_hash, tip->hash, 32) != 0)
        return;
    jobs->claimed = NULL;
    if (!jobs_take(jobs, box, &error))
        log_error("template.refused", "reason=\"%s\"", error.text);
}

bool jobs_tip(struct jobs *jobs, size_t node, const struct node_tip *tip, uint32_t now_s)
{
    uint32_t height = tip->height + 1;
    struct error error;
    hear_tip(jobs, node, tip);
    bool trusted = jobs->nodes[node].usable || !any_usable(jobs);
    bool better = (jobs->doubted && node != jobs->node) ||
                  (height > jobs->height && is_better(jobs, tip, height));
    if (jobs->stopped || !jobs->any || !tip->is_tip || jobs->rules_wrong || !trusted || !better ||
        jobs->options.coin->mweb || !coin_keeps_bits(jobs->options.coin, height))
        return false;
    struct block_template content = {
        .height = height,
        .version = jobs->version,
        .bits = tip->bits,
        .min_time = tip->median_time + 1,
        .cur_time = now_s > tip->median_time ? now_s : tip->median_time + 1,
        .coinbase_value = coin_subsidy(jobs->options.coin, height),
        .fees_known = true,
    };
    memcpy(content.prev_hash, tip->hash, sizeof content.prev_hash);
    if (!difficulty_target_from_bits(tip->bits, &content.network_target) ||
        !make_job(jobs, &content, NULL, true, &jobs->rule_job, &error))
        return false;
    drop_fresh(jobs);
    drop_pending(jobs);
    jobs->height = height;
    jobs->node = node;
    jobs->doubted = false;
    jobs->by_rule = true;
    for (size_t i = 0; i < NODES_MAX; i++)
        jobs->nodes[i].asked_again = false;
    memcpy(jobs->prev_hash, tip->hash, sizeof jobs->prev_hash);
    note_work(jobs, tip);
    publish_job(jobs, &jobs->rule_job, NULL);
    return true;
}

/* A tip is told on a connection of its own, so a template that was on its way then may come behind
 * it. Each node is asked once more: if it has left the tip, it says so again. */
static bool may_have_been_on_its_way(const struct jobs *jobs, const struct template_box *box)
{
    return jobs->by_rule && box->content.height <= jobs->height &&
           !jobs->nodes[box->node].asked_again;
}

/* Keeps a template of another node until its tip was looked at (the node is being asked for it): a
 * tip is easily named, and we are not to leave ours for one that nobody has mined. */
static void wait_for_its_tip(struct jobs *jobs, struct template_box *box)
{
    drop_claimed(jobs);
    jobs->claimed = box;
}

static bool take(struct jobs *jobs, struct template_box *box, struct error *error)
{
    const struct block_template *content = &box->content;
    bool same = jobs->any && memcmp(jobs->prev_hash, content->prev_hash, 32) == 0;
    /* Our node may change its mind about the tip; another's word counts when its tip has more work,
     * or when ours is gone. A node that is left aside is not listened to while others are there. */
    bool trusted = is_trusted(jobs, box->node);
    if (jobs->stopped || (!jobs->nodes[box->node].usable && any_usable(jobs))) {
        template_box_destroy(box);
        return true;
    }
    if (jobs->doubted && box->node != jobs->node)
        return take_new_tip(jobs, box, error);
    if (same && jobs->by_rule)
        return take_behind_rule(jobs, box, error);
    if (!same && trusted && may_have_been_on_its_way(jobs, box)) {
        jobs->nodes[box->node].asked_again = true;
        jobs->options.refresh(jobs->options.context, box->node);
        template_box_destroy(box);
        return true;
    }
    const struct node_tip *tip = tip_of(jobs, box->node, content->prev_hash);
    if (!same && !trusted && jobs->any && tip == NULL) {
        wait_for_its_tip(jobs, box);
        return true;
    }
    if (!jobs->any || (!same && (trusted || is_better(jobs, tip, content->height))))
        return take_new_tip(jobs, box, error);
    if (!same || !trusted) {
        template_box_destroy(box);
        return true;
    }
    jobs->node = box->node;
    uint64_t age = loop_now_ms(jobs->options.loop) - jobs->published_ms;
    if (jobs->pending != NULL || age + JOBS_REPEAT_MS / 4 < jobs->options.interval_ms) {
        drop_fresh(jobs);
        jobs->fresh = box;
        return true;
    }
    return begin(jobs, box, false, error);
}

bool jobs_take(struct jobs *jobs, struct template_box *box, struct error *error)
{
    bool taken = take(jobs, box, error);
    jobs_draft_drop(jobs, box); /* whatever has become of it */
    return taken;
}

void jobs_commit(struct jobs *jobs, struct span script)
{
    ASSERT(script.length <= sizeof jobs->commitment);
    if (script.length > 0)
        memcpy(jobs->commitment, script.data, script.length);
    jobs->commitment_bytes = script.length;
}

static void on_interval(void *context)
{
    struct jobs *jobs = context;
    struct error error;
    struct template_box *box = jobs->fresh;
    if (jobs->stopped || jobs->pending != NULL)
        return;
    if (box == NULL) {
        jobs->options.refresh(jobs->options.context, jobs->node);
        return;
    }
    jobs->fresh = NULL;
    if (!begin(jobs, box, false, &error))
        log_error("job.refused", "reason=\"%s\"", error.text);
}

static void on_repeat(void *context)
{
    publish_newest(context);
}

void jobs_node_state(struct jobs *jobs, size_t node, bool usable)
{
    ASSERT(node < NODES_MAX);
    bool was = jobs->nodes[node].usable;
    jobs->nodes[node].usable = usable;
    if (!jobs->any || was == usable)
        return;
    if (usable && jobs->nodes[jobs->node].usable && node != jobs->node) {
        jobs->options.refresh(jobs->options.context, node); /* what it said meanwhile was dropped */
        return;
    }
    const struct jobs_node *best = NULL;
    for (size_t i = 0; i < NODES_MAX; i++) {
        const struct jobs_node *other = &jobs->nodes[i];
        if (other->usable &&
            (best == NULL || !best->tip_known ||
             (other->tip_known && memcmp(other->tip.chain_work, best->tip.chain_work, 32) > 0)))
            best = other;
    }
    if (best != NULL && !jobs->nodes[jobs->node].usable)
        jobs->options.refresh(jobs->options.context, (size_t)(best - jobs->nodes));
}

void jobs_distrust(struct jobs *jobs, size_t node)
{
    if (jobs->any && jobs->node == node)
        jobs->doubted = true;
}

void jobs_held(struct jobs *jobs, uint64_t template_id)
{
    if (jobs->pending != NULL && jobs->pending->id == template_id)
        publish_pending(jobs);
}

void jobs_repeat(struct jobs *jobs)
{
    publish_newest(jobs);
    if (jobs->pending != NULL)
        announce(jobs, jobs->pending->id, &jobs->pending->content);
    if (jobs->draft.box != NULL)
        announce(jobs, jobs->draft.id, NULL);
}

void jobs_stop(struct jobs *jobs)
{
    jobs->stopped = true;
    draft_drop(&jobs->draft); /* its box goes with its thread */
    loop_timer_stop(jobs->options.loop, &jobs->hold);
    loop_timer_stop(jobs->options.loop, &jobs->interval);
    loop_timer_stop(jobs->options.loop, &jobs->repeat);
}

struct span jobs_answer(struct jobs *jobs, uint64_t job_id)
{
    struct wire_job list[ANSWER_MAX];
    struct wire_job_reply reply = { .epoch = jobs->options.epoch,
                                    .sequence = jobs->sequence,
                                    .jobs = list };
    for (size_t i = 0; i < jobs->kept_count && reply.jobs_count < ANSWER_MAX; i++) {
        struct kept *kept = &jobs->kept[i];
        if (job_id != 0 ? kept->job.id == job_id : kept->retired_ms == 0)
            to_wire(kept, &list[reply.jobs_count++]);
    }
    size_t length = wire_encode_job_reply(&reply, jobs->answer, ANSWER_BYTES_MAX);
    ASSERT(length > 0);
    return span_of(jobs->answer, length);
}

struct span jobs_of_template(struct jobs *jobs, uint64_t template_id)
{
    struct kept pending = { .job = jobs->pending_job, .box = jobs->pending };
    const struct kept *found =
        jobs->pending != NULL && jobs->pending->id == template_id ? &pending : NULL;
    for (size_t i = jobs->kept_count; found == NULL && i-- > 0;)
        if (jobs->kept[i].box != NULL && jobs->kept[i].box->id == template_id)
            found = &jobs->kept[i];
    if (found == NULL)
        return span_of(NULL, 0);
    struct wire_job wire;
    to_wire(found, &wire);
    size_t length = wire_encode_job(&wire, jobs->message, MESSAGE_BYTES_MAX);
    ASSERT(length > 0);
    return span_of(jobs->message, length);
}

const struct template_box *jobs_template(struct jobs *jobs, uint64_t template_id)
{
    if (template_id == 0)
        return NULL;
    if (jobs->pending != NULL && jobs->pending->id == template_id)
        return jobs->pending;
    for (size_t i = jobs->kept_count; i-- > 0;)
        if (jobs->kept[i].box != NULL && jobs->kept[i].box->id == template_id)
            return jobs->kept[i].box;
    return NULL;
}

const struct job *jobs_find(const struct jobs *jobs, uint64_t job_id)
{
    for (size_t i = jobs->kept_count; i-- > 0;)
        if (jobs->kept[i].job.id == job_id)
            return &jobs->kept[i].job;
    return NULL;
}

size_t jobs_history(const struct jobs *jobs, struct jobs_line *lines_r, size_t capacity)
{
    size_t count = jobs == NULL ? 0 : jobs->kept_count < capacity ? jobs->kept_count : capacity;
    for (size_t i = 0; i < count; i++) {
        const struct kept *kept = &jobs->kept[jobs->kept_count - 1 - i];
        lines_r[i] = (struct jobs_line){
            .job_id = kept->job.id,
            .made_unix_ms = kept->made_unix_ms,
            .height = kept->job.height,
            .transactions = kept->box != NULL ? kept->box->content.transactions_count : 0,
            .coinbase_value = kept->job.coinbase_value,
            .node = kept->node,
            .clean = kept->job.clean,
            .alive = kept->retired_ms == 0,
        };
    }
    return count;
}

void jobs_look(const struct jobs *jobs, struct jobs_view *view_r)
{
    *view_r = (struct jobs_view){ .any = false };
    if (jobs == NULL || jobs->kept_count == 0)
        return;
    view_r->any = true;
    view_r->jobs_kept = jobs->kept_count;
    const struct kept *newest = &jobs->kept[jobs->kept_count - 1];
    view_r->job_id = newest->job.id;
    view_r->sequence = newest->sequence;
    view_r->height = newest->job.height;
    view_r->bits = newest->job.bits;
    view_r->coinbase_value = newest->job.coinbase_value;
    view_r->node = jobs->node;
    view_r->transactions = newest->box != NULL ? newest->box->content.transactions_count : 0;
    view_r->template_age_ms = loop_now_ms(jobs->options.loop) - jobs->published_ms;
    memcpy(view_r->prev_hash, newest->job.prev_hash, 32);
    const struct template_box *last = NULL;
    for (size_t i = 0; i < jobs->kept_count; i++)
        if (jobs->kept[i].box != NULL && jobs->kept[i].box != last) {
            last = jobs->kept[i].box;
            view_r->templates_kept++;
        }
}

struct jobs *jobs_create(const struct jobs_options *options)
{
    ASSERT(options->tag.length <= JOB_POOL_TAG_BYTES_MAX);
    struct jobs *jobs = calloc(1, sizeof *jobs);
    ASSERT(jobs != NULL);
    jobs->options = *options;
    if (options->tag.length > 0)
        memcpy(jobs->tag_bytes, options->tag.data, options->tag.length);
    jobs->tag = span_of(jobs->tag_bytes, options->tag.length);
    jobs->kept = calloc(KEPT_MAX, sizeof *jobs->kept);
    jobs->message = malloc(MESSAGE_BYTES_MAX);
    jobs->answer = malloc(ANSWER_BYTES_MAX);
    ASSERT(jobs->kept != NULL && jobs->message != NULL && jobs->answer != NULL);
    jobs->hold = (struct loop_timer){ .on_due = on_hold_over, .context = jobs };
    jobs->interval = (struct loop_timer){ .on_due = on_interval, .context = jobs };
    jobs->repeat = (struct loop_timer){ .on_due = on_repeat, .context = jobs };
    return jobs;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    jobs_stop(jobs);
    drop_pending(jobs);
    drop_fresh(jobs);
    drop_claimed(jobs);
    while (jobs->kept_count > 0)
        forget_oldest(jobs);
    free(jobs->kept);
    free(jobs->message);
    free(jobs->answer);
    free(jobs);
}
