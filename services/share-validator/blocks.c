#include "services/share-validator/block.h"

#include "service/log.h"
#include "services/share-validator/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct block *find_block(const struct blocks *blocks, const uint8_t hash[32])
{
    struct block *block = blocks->first;
    while (block != NULL && memcmp(block->hash, hash, sizeof block->hash) != 0)
        block = block->next;
    return block;
}

static bool is_settled(const struct blocks *blocks, const uint8_t hash[32])
{
    for (size_t i = 0; i < SETTLED_MAX; i++)
        if (memcmp(blocks->settled[i], hash, 32) == 0)
            return true;
    return false;
}

static void remember_settled(struct blocks *blocks, const uint8_t hash[32])
{
    memcpy(blocks->settled[blocks->settled_next], hash, 32);
    blocks->settled_next = (blocks->settled_next + 1) % SETTLED_MAX;
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
    free(block->raw);
    free(block);
}

bool block_finished(const struct block *block)
{
    return block->acknowledged && (block->settled || block->given_up);
}

void block_step(struct block *block)
{
    if (block->settled)
        offers_give_up_late(block);
    shelf_step(block);
    if (block_finished(block) && block->spool == SPOOL_GONE && !shelf_busy(block) &&
        !offers_busy(block)) {
        if (block->settled)
            remember_settled(block->owner, block->hash);
        block_free(block);
    }
}

/* Assembly. */
static bool build(struct block *block)
{
    struct blocks *blocks = block->owner;
    const struct template_transaction *transactions;
    size_t count;
    struct span extension;
    if (!template_table_find(blocks->options.templates, block->template_id, &transactions, &count,
                             &extension))
        return false;
    struct span coinbase = span_of(block->coinbase, block->coinbase_bytes);
    size_t bytes = template_block_bytes(transactions, count, coinbase, extension);
    block->raw = malloc(bytes);
    if (block->raw == NULL) {
        log_error("block.memory", "block=%s bytes=%zu", block->name, bytes);
        return false;
    }
    block->raw_bytes = template_block_serialize(block->header, transactions, count, coinbase,
                                                extension, block->raw, bytes);
    blocks->bytes += block->raw_bytes;
    return true;
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
    offers_begin(block);
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
    offers_init(block);
    shelf_init(block);
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
    size_t coinbase_bytes = job_coinbase_for_block(
        &entry->job, submission->shape, submission->extranonce1, submission->extranonce2, coinbase);
    sha256d_header(verdict->header, hash_r);
    struct span record =
        span_of(blocks->record, encode_record(blocks, entry, submission, verdict, origin, hash_r,
                                              span_of(coinbase, coinbase_bytes)));
    if (find_block(blocks, hash_r) != NULL || is_settled(blocks, hash_r))
        return record;
    metric_add(blocks->found, 1);
    struct block *block = block_create(blocks, hash_r, record);
    block->template_id = entry->job.template_id;
    memcpy(block->header, verdict->header, sizeof block->header);
    block->coinbase = copy_bytes(coinbase, coinbase_bytes);
    block->coinbase_bytes = coinbase_bytes;
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
                offers_begin(block);
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
