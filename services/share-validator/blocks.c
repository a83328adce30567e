#include "services/share-validator/blocks.h"

#include "loop/worker.h"
#include "service/log.h"
#include "services/share-validator/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_BYTES_MAX = JOB_COINBASE_BYTES_MAX + 1024,
    PAUSE_FIRST_MS = 100,
    PAUSE_LONGEST_MS = 5000,
    /* Once one node has the block, the others hear of it anyway. */
    ATTEMPTS_WHEN_SETTLED = 6,
    SPOOL_PAUSE_MS = 5000,
    /* A block that no node has taken by then is history on any chain. The sooner one when so many
     * are open that there may be no room for a new one. */
    GIVE_UP_MS = 6 * 3600 * 1000,
    GIVE_UP_CROWDED_MS = 600 * 1000,
    HASH_TEXT_BYTES = 65,
    ANSWER_BYTES = 200,
};

struct offer { /* of one block to one node */
    struct worker_job job;
    struct block *block;
    size_t node;
    bool under_way;
    bool ended;
    bool tried;
    unsigned attempts;
    struct loop_timer again;
    enum node_submit result;
    uint64_t took_us;
    char answer[ANSWER_BYTES];
};

enum spool_state { SPOOL_NOTHING, SPOOL_RECORD, SPOOL_WHOLE, SPOOL_GONE };

struct block {
    struct blocks *owner;
    struct block *next;
    uint8_t hash[32];
    char name[HASH_TEXT_BYTES]; /* the hash as explorers show it */
    uint64_t template_id;
    uint8_t *record; /* encoded `candidate` */
    size_t record_bytes;
    uint8_t header[POW_HEADER_BYTES];
    uint8_t *coinbase;
    size_t coinbase_bytes;
    struct span extension; /* owned */
    uint8_t *raw;          /* the whole block; NULL until its transactions are there */
    size_t raw_bytes;
    bool given_up; /* nobody can complete it, or no node takes it in the end */
    uint64_t began_ms;
    bool settled;
    bool acknowledged;
    enum spool_state spool;
    enum spool_state spool_next; /* what the job under way makes of it */
    bool spool_under_way;
    bool spool_failed;
    struct worker_job spool_job;
    struct span spool_block; /* what the thread writes: it does not look at the fields above */
    bool spool_aside;
    struct error spool_error;
    struct loop_timer spool_again;
    struct offer offers[];
};

struct blocks {
    struct blocks_options options;
    char *spool_dir;
    struct worker *submitters[BLOCKS_NODES_MAX];
    struct worker *spooler;
    struct block *first;
    size_t count;
    size_t bytes;
    _Atomic bool ending;
    uint8_t record[RECORD_BYTES_MAX];
    struct metric *found;
    struct metric *answers[5]; /* by enum node_submit - 1 */
    struct metric *under_way;
};

static void block_step(struct block *block);

static struct block *find_block(const struct blocks *blocks, const uint8_t hash[32])
{
    struct block *block = blocks->first;
    while (block != NULL && memcmp(block->hash, hash, sizeof block->hash) != 0)
        block = block->next;
    return block;
}

static void block_free(struct block *block)
{
    struct blocks *blocks = block->owner;
    struct block **at = &blocks->first;
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    blocks->count--;
    blocks->bytes -= block->raw_bytes;
    metric_set(blocks->under_way, blocks->count);
    for (size_t i = 0; i < blocks->options.node_count; i++)
        loop_timer_stop(blocks->options.loop, &block->offers[i].again);
    loop_timer_stop(blocks->options.loop, &block->spool_again);
    free(block->record);
    free(block->coinbase);
    free((void *)(uintptr_t)block->extension.data);
    free(block->raw);
    free(block);
}

/* Submission. */
static const char *submit_name(enum node_submit result)
{
    static const char *const names[] = { "?",        "accepted", "duplicate", "inconclusive",
                                         "rejected", "unreached" };
    return names[result];
}

static void report_result(struct block *block, const struct offer *offer)
{
    struct blocks *blocks = block->owner;
    uint8_t message[1024];
    const bool accepted =
        offer->result == NODE_SUBMIT_ACCEPTED || offer->result == NODE_SUBMIT_DUPLICATE;
    struct wire_submission_result result = {
        .accepted = accepted,
        .node = node_name(blocks->options.nodes[offer->node]),
        .answer = offer->answer[0] != '\0' ? offer->answer : submit_name(offer->result),
        .took_us = offer->took_us,
    };
    memcpy(result.block_hash, block->hash, sizeof result.block_hash);
    size_t length = wire_encode_submission_result(&result, message, sizeof message);
    if (length == 0 || !outbox_send(blocks->options.outbox, "submission_result",
                                    span_of(message, length), NULL, NULL))
        log_warn("block.answer_unsaid", "block=%s node=%s", block->name, result.node);
}

static void submit_work(struct worker_job *job)
{
    struct offer *offer = (struct offer *)((char *)job - offsetof(struct offer, job));
    struct block *block = offer->block;
    offer->result = NODE_SUBMIT_UNREACHED;
    offer->answer[0] = '\0';
    if (atomic_load(&block->owner->ending))
        return;
    uint64_t began_ns = loop_clock_ns();
    offer->result =
        node_submit(block->owner->options.nodes[offer->node], span_of(block->raw, block->raw_bytes),
                    offer->answer, sizeof offer->answer);
    offer->took_us = (loop_clock_ns() - began_ns) / 1000;
}

static bool all_ended(const struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        if (!block->offers[i].ended)
            return false;
    return true;
}

static void log_answer(const struct block *block, const struct offer *offer)
{
    char safe[ANSWER_BYTES];
    log_text(offer->answer, safe, sizeof safe);
    const char *node = node_name(block->owner->options.nodes[offer->node]);
    if (offer->result == NODE_SUBMIT_REJECTED)
        log_warn("block.rejected", "block=%s node=%s answer=\"%s\"", block->name, node, safe);
    else if (offer->result == NODE_SUBMIT_UNREACHED)
        log_warn("block.unreached", "block=%s node=%s attempt=%u answer=\"%s\"", block->name, node,
                 offer->attempts, safe);
    else
        log_info("block.submitted", "block=%s node=%s result=%s took_us=%" PRIu64, block->name,
                 node, submit_name(offer->result), offer->took_us);
}

static bool give_up_when_old(struct block *block)
{
    struct blocks *blocks = block->owner;
    uint64_t age_ms = loop_now_ms(blocks->options.loop) - block->began_ms;
    const bool crowded = blocks->count > BLOCKS_MAX / 2;
    if (block->settled || block->given_up ||
        age_ms < (crowded ? (uint64_t)GIVE_UP_CROWDED_MS : (uint64_t)GIVE_UP_MS))
        return block->given_up;
    block->given_up = true;
    log_error("block.given_up",
              "block=%s reason=\"no node took it; its file is kept in the spool\"", block->name);
    return true;
}

static void submit_done(struct worker_job *job)
{
    struct offer *offer = (struct offer *)((char *)job - offsetof(struct offer, job));
    struct block *block = offer->block;
    struct blocks *blocks = block->owner;
    offer->under_way = false;
    offer->tried = true;
    if (atomic_load(&blocks->ending))
        return;
    metric_add(blocks->answers[offer->result - 1], 1);
    log_answer(block, offer);
    if (offer->result != NODE_SUBMIT_UNREACHED) {
        offer->ended = true;
        block->settled |= offer->result != NODE_SUBMIT_REJECTED || all_ended(block);
        report_result(block, offer);
    } else if (!give_up_when_old(block)) {
        unsigned shift = offer->attempts < 10 ? offer->attempts - 1 : 9;
        unsigned pause_ms = (unsigned)PAUSE_FIRST_MS << shift;
        loop_timer_start(blocks->options.loop, &offer->again,
                         pause_ms < PAUSE_LONGEST_MS ? pause_ms : PAUSE_LONGEST_MS, 0);
    }
    block_step(block);
}

static void offer_now(struct offer *offer)
{
    struct block *block = offer->block;
    struct blocks *blocks = block->owner;
    if (offer->under_way || offer->ended || block->given_up || block->raw == NULL ||
        atomic_load(&blocks->ending))
        return;
    offer->attempts++;
    offer->under_way = worker_submit(blocks->submitters[offer->node], &offer->job);
    if (!offer->under_way) /* BLOCKS_MAX bounds what can wait there; so this is never seen */
        loop_timer_start(blocks->options.loop, &offer->again, PAUSE_LONGEST_MS, 0);
}

static void on_again(void *context)
{
    struct offer *offer = context;
    offer_now(offer);
}

/* A block that one node has is not held back by another that is away. */
static void give_up_late_nodes(struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++) {
        struct offer *offer = &block->offers[i];
        if (offer->ended || offer->under_way || offer->attempts < ATTEMPTS_WHEN_SETTLED)
            continue;
        offer->ended = true;
        report_result(block, offer);
    }
}

/* The spool. */
static void spool_work(struct worker_job *job)
{
    struct block *block = (struct block *)((char *)job - offsetof(struct block, spool_job));
    const char *folder = block->owner->spool_dir;
    bool good = true;
    switch (block->spool_next) {
    case SPOOL_NOTHING:
        break;
    case SPOOL_RECORD:
    case SPOOL_WHOLE:
        good = spool_write(folder, block->hash, span_of(block->record, block->record_bytes),
                           block->spool_block, &block->spool_error);
        break;
    case SPOOL_GONE:
        good = block->spool_aside ? spool_keep_aside(folder, block->hash, &block->spool_error)
                                  : spool_remove(folder, block->hash, &block->spool_error);
        break;
    }
    block->spool_failed = !good;
}

static void spool_done(struct worker_job *job)
{
    struct block *block = (struct block *)((char *)job - offsetof(struct block, spool_job));
    struct blocks *blocks = block->owner;
    block->spool_under_way = false;
    if (!block->spool_failed) {
        block->spool = block->spool_next;
    } else {
        log_error("block.spool", "block=%s reason=\"%s\"", block->name, block->spool_error.text);
        if (!atomic_load(&blocks->ending))
            loop_timer_start(blocks->options.loop, &block->spool_again, SPOOL_PAUSE_MS, 0);
    }
    if (!atomic_load(&blocks->ending))
        block_step(block);
}

static bool finished(const struct block *block)
{
    return block->acknowledged && (block->settled || block->given_up);
}

static void spool_step(struct block *block)
{
    if (block->spool_under_way || loop_timer_running(&block->spool_again))
        return;
    enum spool_state next = block->spool;
    if (finished(block))
        next = SPOOL_GONE;
    else if (block->raw != NULL)
        next = SPOOL_WHOLE;
    else if (block->spool == SPOOL_NOTHING)
        next = SPOOL_RECORD;
    if (block->spool == SPOOL_NOTHING && next == SPOOL_GONE && !block->given_up)
        block->spool = SPOOL_GONE; /* it went faster than the first write could begin */
    if (next == block->spool)
        return;
    block->spool_next = next;
    block->spool_block = span_of(block->raw, next == SPOOL_WHOLE ? block->raw_bytes : 0);
    block->spool_aside = block->given_up;
    block->spool_under_way = worker_submit(block->owner->spooler, &block->spool_job);
    if (!block->spool_under_way)
        loop_timer_start(block->owner->options.loop, &block->spool_again, SPOOL_PAUSE_MS, 0);
}

static void on_spool_again(void *context)
{
    block_step(context);
}

/* Whatever changed: goes on from there; may free the block. */
static void block_step(struct block *block)
{
    if (block->settled)
        give_up_late_nodes(block);
    spool_step(block);
    bool busy = block->spool_under_way || loop_timer_running(&block->spool_again);
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        busy |= block->offers[i].under_way || (!block->offers[i].ended && !block->given_up);
    if (finished(block) && block->spool == SPOOL_GONE && !busy)
        block_free(block);
}

/* Assembly. */
static bool build(struct block *block)
{
    struct blocks *blocks = block->owner;
    const struct template_transaction *transactions;
    size_t count;
    if (!template_table_find(blocks->options.templates, block->template_id, &transactions, &count))
        return false;
    struct span coinbase = span_of(block->coinbase, block->coinbase_bytes);
    size_t bytes = template_block_bytes(transactions, count, coinbase, block->extension);
    block->raw = malloc(bytes);
    if (block->raw == NULL) {
        log_error("block.memory", "block=%s bytes=%zu", block->name, bytes);
        return false;
    }
    block->raw_bytes = template_block_serialize(block->header, transactions, count, coinbase,
                                                block->extension, block->raw, bytes);
    blocks->bytes += block->raw_bytes;
    return true;
}

static void offer_to_all(struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        offer_now(&block->offers[i]);
}

static void on_acknowledged(void *context, bool accepted)
{
    struct block *block = context;
    if (!accepted)
        log_error("block.candidate_refused", "block=%s by=inode-scheduler", block->name);
    block->acknowledged = true;
    block_step(block);
}

static void begin(struct block *block)
{
    struct blocks *blocks = block->owner;
    if (block->raw == NULL && !build(block) &&
        !feed_want_template(blocks->options.feed, block->template_id))
        log_error("block.template", "block=%s reason=\"its transactions cannot be asked for\"",
                  block->name);
    offer_to_all(block);
    if (!outbox_send(blocks->options.outbox, "candidate",
                     span_of(block->record, block->record_bytes), on_acknowledged, block)) {
        log_error("block.candidate_unsaid", "block=%s reason=\"too much waits\"", block->name);
        block->acknowledged = true;
    }
    block_step(block);
}

static uint8_t *copy_bytes(const void *data, size_t length)
{
    uint8_t *memory = malloc(length != 0 ? length : 1);
    ASSERT(memory != NULL);
    if (length > 0)
        memcpy(memory, data, length);
    return memory;
}

static struct block *block_create(struct blocks *blocks, const uint8_t hash[32], struct span record)
{
    struct block *block =
        calloc(1, sizeof *block + blocks->options.node_count * sizeof block->offers[0]);
    ASSERT(block != NULL);
    block->owner = blocks;
    memcpy(block->hash, hash, sizeof block->hash);
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), block->name);
    block->record = copy_bytes(record.data, record.length);
    block->record_bytes = record.length;
    block->began_ms = loop_now_ms(blocks->options.loop);
    block->spool_job.work = spool_work;
    block->spool_job.done = spool_done;
    block->spool_again = (struct loop_timer){ .on_due = on_spool_again, .context = block };
    for (size_t i = 0; i < blocks->options.node_count; i++) {
        struct offer *offer = &block->offers[i];
        offer->block = block;
        offer->node = i;
        offer->job.work = submit_work;
        offer->job.done = submit_done;
        offer->again = (struct loop_timer){ .on_due = on_again, .context = offer };
    }
    block->next = blocks->first;
    blocks->first = block;
    blocks->count++;
    metric_set(blocks->under_way, blocks->count);
    return block;
}

static size_t encode_record(struct blocks *blocks, const struct job_entry *entry,
                            const struct share_submission *submission,
                            const struct share_verdict *verdict, const struct block_origin *origin,
                            const uint8_t hash[32], struct span coinbase)
{
    struct wire_candidate candidate = {
        .coinbase = coinbase,
        .template_id = entry->job.template_id,
        .job_id = entry->job.id,
        .height = entry->job.height,
        .coinbase_value = entry->job.coinbase_value,
        .lease_id = origin->lease_id,
        .sequence = origin->sequence,
        .index = origin->index,
        .outcome = (uint8_t)verdict->outcome,
        .account = submission->account_id,
        .worker = submission->worker_id,
        .work = submission->work.expected_hashes,
        .found_ms = origin->now_ms,
        .instance = blocks->options.instance,
    };
    memcpy(candidate.block_hash, hash, sizeof candidate.block_hash);
    memcpy(candidate.header, verdict->header, sizeof candidate.header);
    size_t length = wire_encode_candidate(&candidate, blocks->record, sizeof blocks->record);
    ASSERT(length > 0);
    return length;
}

struct span blocks_found(struct blocks *blocks, struct job_entry *entry,
                         const struct share_submission *submission,
                         const struct share_verdict *verdict, const struct block_origin *origin,
                         uint8_t hash_r[32])
{
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    size_t coinbase_bytes = job_coinbase_for_block(&entry->job, submission->extranonce1,
                                                   submission->extranonce2, coinbase);
    sha256d_header(verdict->header, hash_r);
    struct span record =
        span_of(blocks->record, encode_record(blocks, entry, submission, verdict, origin, hash_r,
                                              span_of(coinbase, coinbase_bytes)));
    if (find_block(blocks, hash_r) != NULL)
        return record;
    metric_add(blocks->found, 1);
    struct block *block = block_create(blocks, hash_r, record);
    block->template_id = entry->job.template_id;
    memcpy(block->header, verdict->header, sizeof block->header);
    block->coinbase = copy_bytes(coinbase, coinbase_bytes);
    block->coinbase_bytes = coinbase_bytes;
    block->extension = span_of(copy_bytes(entry->extension.data, entry->extension.length),
                               entry->extension.length);
    log_info("block.found",
             "block=%s height=%u job=%016" PRIx64 " account=%016" PRIx64
             " share=%s batch=%016" PRIx64 "/%" PRIu64 "/%u",
             block->name, entry->job.height, entry->job.id, submission->account_id,
             share_outcome_label(verdict->outcome), origin->lease_id, origin->sequence,
             origin->index);
    begin(block);
    return record;
}

bool blocks_full(const struct blocks *blocks)
{
    return blocks->count >= BLOCKS_MAX || blocks->bytes >= BLOCKS_BYTES_MAX;
}

void blocks_template(struct blocks *blocks, uint64_t template_id, enum feed_answer answer)
{
    for (struct block *block = blocks->first; block != NULL;) {
        struct block *next = block->next;
        if (block->raw == NULL && !block->given_up && block->template_id == template_id) {
            if (answer == FEED_KNOWN && build(block)) {
                offer_to_all(block);
            } else if (answer == FEED_UNKNOWN) {
                block->given_up = true;
                log_error("block.unbuildable",
                          "block=%s reason=\"nobody here has its transactions any more; its "
                          "record is kept in the spool\"",
                          block->name);
            }
            block_step(block);
        }
        block = next;
    }
}

size_t blocks_count(const struct blocks *blocks)
{
    return blocks->count;
}

bool blocks_resting(const struct blocks *blocks)
{
    for (const struct block *block = blocks->first; block != NULL; block = block->next) {
        if (block->spool_under_way || block->spool == SPOOL_NOTHING)
            return false;
        for (size_t i = 0; i < blocks->options.node_count; i++)
            if (block->offers[i].under_way || (block->raw != NULL && !block->offers[i].tried))
                return false;
    }
    return true;
}

/* The spool at start. */
static void on_spooled(void *context, struct span record, struct span raw)
{
    struct blocks *blocks = context;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_candidate candidate;
    struct error error;
    if (!wire_decode_candidate(record, &arena, &candidate, &error)) {
        log_error("block.spool", "reason=\"%s\"", error.text);
        return;
    }
    if (find_block(blocks, candidate.block_hash) != NULL)
        return;
    struct block *block = block_create(blocks, candidate.block_hash, record);
    block->template_id = candidate.template_id;
    memcpy(block->header, candidate.header, sizeof block->header);
    block->coinbase = copy_bytes(candidate.coinbase.data, candidate.coinbase.length);
    block->coinbase_bytes = candidate.coinbase.length;
    block->spool = SPOOL_RECORD;
    if (raw.length > 0) {
        block->raw = copy_bytes(raw.data, raw.length);
        block->raw_bytes = raw.length;
        blocks->bytes += raw.length;
        block->spool = SPOOL_WHOLE;
    }
    log_info("block.again", "block=%s height=%u", block->name, candidate.height);
    begin(block);
}

static void on_damaged(void *context, const char *sentence)
{
    (void)context;
    log_error("block.spool", "reason=\"%s\"", sentence);
}

static void register_metrics(struct blocks *blocks, struct metrics *metrics)
{
    static const char *const labels[] = { "result=\"accepted\"", "result=\"duplicate\"",
                                          "result=\"inconclusive\"", "result=\"rejected\"",
                                          "result=\"unreached\"" };
    blocks->found = metrics_counter(metrics, "adit_validator_candidates_total", "",
                                    "Shares that met the network target.", "candidates");
    blocks->under_way = metrics_gauge(metrics, "adit_validator_candidates_open", "",
                                      "Block candidates not settled yet.", NULL);
    for (size_t i = 0; i < 5; i++)
        blocks->answers[i] = metrics_counter(metrics, "adit_validator_submissions_total", labels[i],
                                             "What nodes answered to blocks.", NULL);
}

static bool start_workers(struct blocks *blocks, struct error *error)
{
    blocks->spooler = worker_create(blocks->options.loop, "spool", 1, 2 * BLOCKS_MAX, error);
    if (blocks->spooler == NULL)
        return false;
    for (size_t i = 0; i < blocks->options.node_count; i++) {
        blocks->submitters[i] =
            worker_create(blocks->options.loop, "submit", 1, 2 * BLOCKS_MAX, error);
        if (blocks->submitters[i] == NULL)
            return false;
    }
    return true;
}

struct blocks *blocks_create(const struct blocks_options *options, struct error *error)
{
    ASSERT(options->node_count <= BLOCKS_NODES_MAX);
    struct blocks *blocks = calloc(1, sizeof *blocks);
    ASSERT(blocks != NULL);
    blocks->options = *options;
    blocks->spool_dir = strdup(options->spool_dir);
    ASSERT(blocks->spool_dir != NULL);
    register_metrics(blocks, options->metrics);
    if (!spool_open(options->spool_dir, error) || !start_workers(blocks, error) ||
        !spool_read(options->spool_dir, on_spooled, on_damaged, blocks, error)) {
        blocks_destroy(blocks);
        return NULL;
    }
    return blocks;
}

void blocks_destroy(struct blocks *blocks)
{
    if (blocks == NULL)
        return;
    atomic_store(&blocks->ending, true);
    for (size_t i = 0; i < blocks->options.node_count; i++)
        node_interrupt(blocks->options.nodes[i]);
    for (size_t i = 0; i < blocks->options.node_count; i++)
        worker_destroy(blocks->submitters[i]);
    worker_destroy(blocks->spooler);
    while (blocks->first != NULL)
        block_free(blocks->first);
    free(blocks->spool_dir);
    free(blocks);
}
