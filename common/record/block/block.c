#include "record/block/block.h"

#include "core/difficulty/difficulty.h"

#include <stdio.h>

enum {
    FIELD_HEIGHT,
    FIELD_STATE,
    FIELD_OPEN,
    FIELD_GENERATION,
    FIELD_SEEN_TIP,
    FIELD_CONFIRMATIONS,
    FIELD_EVENT,
    FIELD_EPOCH,
    FIELD_REWARD,
    FIELD_JOB,
    FIELD_TEMPLATE,
    FIELD_LEASE,
    FIELD_BATCH,
    FIELD_INDEX,
    FIELD_OUTCOME,
    FIELD_ACCOUNT,
    FIELD_WORKER,
    FIELD_WORK,
    FIELD_FOUND_MS,
    FIELD_NETWORK_WORK,
    FIELD_TIME,
    FIELD_INSTANCE,
    FIELD_SUBMISSIONS,
    FIELD_COUNT
};
_Static_assert((int)FIELD_COUNT <= (int)STORE_FIELDS_MAX, "a block has more fields than a record");

/* Unsigned 64-bit ids are kept as the signed number of the same bits; none is searched for by
 * order. network_work is 16 bytes, big-endian. */
static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_HEIGHT] = { "height", STORE_INT, true },
    [FIELD_STATE] = { "state", STORE_INT, false },
    [FIELD_OPEN] = { "open", STORE_INT, true },
    [FIELD_GENERATION] = { "generation", STORE_INT, false },
    [FIELD_SEEN_TIP] = { "seen_tip", STORE_INT, false },
    [FIELD_CONFIRMATIONS] = { "confirmations", STORE_INT, false },
    [FIELD_EVENT] = { "event_sequence", STORE_INT, false },
    [FIELD_EPOCH] = { "epoch", STORE_INT, false },
    [FIELD_REWARD] = { "reward", STORE_INT, false },
    [FIELD_JOB] = { "job_id", STORE_INT, false },
    [FIELD_TEMPLATE] = { "template_id", STORE_INT, false },
    [FIELD_LEASE] = { "lease_id", STORE_INT, false },
    [FIELD_BATCH] = { "batch_sequence", STORE_INT, false },
    [FIELD_INDEX] = { "share_index", STORE_INT, false },
    [FIELD_OUTCOME] = { "share_outcome", STORE_INT, false },
    [FIELD_ACCOUNT] = { "account", STORE_INT, false },
    [FIELD_WORKER] = { "worker", STORE_INT, false },
    [FIELD_WORK] = { "work", STORE_INT, false },
    [FIELD_FOUND_MS] = { "found_ms", STORE_INT, true },
    [FIELD_NETWORK_WORK] = { "network_work", STORE_BYTES, false },
    [FIELD_TIME] = { "time", STORE_INT, false },
    [FIELD_INSTANCE] = { "instance", STORE_TEXT, false },
    [FIELD_SUBMISSIONS] = { "submissions", STORE_TEXT, false },
};
const struct store_collection block_collection = { "blocks", fields, FIELD_COUNT };

enum { READ_BYTES = 8192, WORK_BYTES = 16 };

void block_id(const uint8_t hash[32], char id_r[BLOCK_ID_BYTES])
{
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), id_r);
}

/* Expected hashes of a block with these bits; a work beyond 128 bits (no chain has it) is capped.
 */
static u128 work_of_bits(uint32_t bits)
{
    struct u256 target;
    if (!difficulty_target_from_bits(bits, &target))
        return 1;
    struct u256 work = difficulty_network_work(target);
    if (!u256_fits_u128(work))
        return ~(u128)0;
    return u256_is_zero(work) ? 1 : u256_low_u128(work);
}

void block_from_candidate(const struct wire_candidate *candidate, uint64_t epoch,
                          struct block_record *block_r)
{
    *block_r = (struct block_record){
        .chain = { .state = BLOCK_CANDIDATE, .height = candidate->height },
        .open = true,
        .epoch = epoch,
        .reward = candidate->coinbase_value,
        .job_id = candidate->job_id,
        .template_id = candidate->template_id,
        .lease_id = candidate->lease_id,
        .batch_sequence = candidate->sequence,
        .share_index = candidate->index,
        .share_outcome = candidate->outcome,
        .account = candidate->account,
        .worker = candidate->worker,
        .work = candidate->work,
        .found_ms = candidate->found_ms,
        /* a header's time stands at byte 68, its bits at 72 */
        .network_work = work_of_bits(load_le32(candidate->header + 72)),
        .time = load_le32(candidate->header + 68),
    };
    memcpy(block_r->hash, candidate->block_hash, sizeof block_r->hash);
    snprintf(block_r->instance, sizeof block_r->instance, "%s", candidate->instance);
}

void block_from_hash(const uint8_t hash[32], uint32_t height, uint64_t epoch, uint64_t now_ms,
                     struct block_record *block_r)
{
    *block_r = (struct block_record){
        .chain = { .state = BLOCK_REJECTED, .height = height },
        .open = true,
        .epoch = epoch,
        .found_ms = now_ms,
        .network_work = 1,
        .submissions = "its record in the window cannot be read",
    };
    memcpy(block_r->hash, hash, sizeof block_r->hash);
}

void block_learn(struct block_record *block, uint32_t height, uint32_t bits, uint32_t time)
{
    ASSERT(block_is_bare(block));
    block->chain.height = height;
    block->network_work = work_of_bits(bits);
    block->time = time;
}

static bool text_of(struct span bytes, char *text_r, size_t capacity)
{
    if (bytes.length >= capacity)
        return false;
    if (bytes.length > 0)
        memcpy(text_r, bytes.data, bytes.length);
    text_r[bytes.length] = '\0';
    return true;
}

static bool decode(const struct store_record *record, struct block_record *block_r,
                   struct error *error)
{
    const struct store_value *values = record->values;
    uint8_t shown[32];
    *block_r = (struct block_record){ .version = record->version };
    struct span work = values[FIELD_NETWORK_WORK].bytes;
    if (!hex_decode(record->id, strlen(record->id), shown, sizeof shown) ||
        !block_state_from_stored(values[FIELD_STATE].integer, &block_r->chain.state) ||
        work.length != WORK_BYTES ||
        !text_of(values[FIELD_INSTANCE].bytes, block_r->instance, sizeof block_r->instance) ||
        !text_of(values[FIELD_SUBMISSIONS].bytes, block_r->submissions,
                 sizeof block_r->submissions))
        return error_set(error, ERROR_INVALID, "the store's block \"%s\" is damaged", record->id);
    bytes_reverse(shown, sizeof shown, block_r->hash);
    block_r->chain.height = (uint32_t)values[FIELD_HEIGHT].integer;
    block_r->chain.generation = (uint32_t)values[FIELD_GENERATION].integer;
    block_r->chain.seen_tip = (uint32_t)values[FIELD_SEEN_TIP].integer;
    block_r->open = values[FIELD_OPEN].integer != 0;
    block_r->confirmations = (uint32_t)values[FIELD_CONFIRMATIONS].integer;
    block_r->event_sequence = (uint64_t)values[FIELD_EVENT].integer;
    block_r->epoch = (uint64_t)values[FIELD_EPOCH].integer;
    block_r->reward = (uint64_t)values[FIELD_REWARD].integer;
    block_r->job_id = (uint64_t)values[FIELD_JOB].integer;
    block_r->template_id = (uint64_t)values[FIELD_TEMPLATE].integer;
    block_r->lease_id = (uint64_t)values[FIELD_LEASE].integer;
    block_r->batch_sequence = (uint64_t)values[FIELD_BATCH].integer;
    block_r->share_index = (uint32_t)values[FIELD_INDEX].integer;
    block_r->share_outcome = (uint8_t)values[FIELD_OUTCOME].integer;
    block_r->account = (uint64_t)values[FIELD_ACCOUNT].integer;
    block_r->worker = (uint64_t)values[FIELD_WORKER].integer;
    block_r->work = (uint64_t)values[FIELD_WORK].integer;
    block_r->found_ms = (uint64_t)values[FIELD_FOUND_MS].integer;
    block_r->time = (uint32_t)values[FIELD_TIME].integer;
    block_r->network_work = (u128)load_be64(work.data) << 64 | load_be64(work.data + 8);
    return true;
}

static enum store_outcome write(struct store *store, enum store_verb verb,
                                const struct block_record *block, struct error *error)
{
    char id[BLOCK_ID_BYTES];
    uint8_t work[WORK_BYTES];
    block_id(block->hash, id);
    store_be64(work, (uint64_t)(block->network_work >> 64));
    store_be64(work + 8, (uint64_t)block->network_work);
    struct store_write write = {
        .verb = verb,
        .collection = &block_collection,
        .record = { .id = id,
                    .version = block->version,
                    .values = { [FIELD_HEIGHT] = store_int(block->chain.height),
                                [FIELD_STATE] = store_int((int64_t)block->chain.state),
                                [FIELD_OPEN] = store_int(block->open ? 1 : 0),
                                [FIELD_GENERATION] = store_int(block->chain.generation),
                                [FIELD_SEEN_TIP] = store_int(block->chain.seen_tip),
                                [FIELD_CONFIRMATIONS] = store_int(block->confirmations),
                                [FIELD_EVENT] = store_int((int64_t)block->event_sequence),
                                [FIELD_EPOCH] = store_int((int64_t)block->epoch),
                                [FIELD_REWARD] = store_int((int64_t)block->reward),
                                [FIELD_JOB] = store_int((int64_t)block->job_id),
                                [FIELD_TEMPLATE] = store_int((int64_t)block->template_id),
                                [FIELD_LEASE] = store_int((int64_t)block->lease_id),
                                [FIELD_BATCH] = store_int((int64_t)block->batch_sequence),
                                [FIELD_INDEX] = store_int(block->share_index),
                                [FIELD_OUTCOME] = store_int(block->share_outcome),
                                [FIELD_ACCOUNT] = store_int((int64_t)block->account),
                                [FIELD_WORKER] = store_int((int64_t)block->worker),
                                [FIELD_WORK] = store_int((int64_t)block->work),
                                [FIELD_FOUND_MS] = store_int((int64_t)block->found_ms),
                                [FIELD_NETWORK_WORK] = store_bytes(span_of(work, sizeof work)),
                                [FIELD_TIME] = store_int(block->time),
                                [FIELD_INSTANCE] = store_text(block->instance),
                                [FIELD_SUBMISSIONS] = store_text(block->submissions) } }
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

enum store_outcome block_insert(struct store *store, struct block_record *block,
                                struct error *error)
{
    block->version = 0;
    enum store_outcome outcome = write(store, STORE_INSERT, block, error);
    if (outcome == STORE_DONE)
        block->version = 1;
    return outcome;
}

/* What the chain has said of a bare block stays. */
static struct block_record completed(const struct block_record *bare,
                                     const struct block_record *block)
{
    struct block_record whole = *block;
    whole.version = bare->version;
    whole.event_sequence = bare->event_sequence;
    memcpy(whole.submissions, bare->submissions, sizeof whole.submissions);
    if (bare->chain.generation == 0)
        return whole; /* its state and height are the candidate's */
    whole.chain = bare->chain;
    whole.open = bare->open;
    whole.confirmations = bare->confirmations;
    whole.reward = bare->reward;
    return whole;
}

enum store_outcome block_add(struct store *store, const struct block_record *block,
                             struct error *error)
{
    enum { ATTEMPTS_MAX = 4 };
    struct block_record fresh = *block;
    enum store_outcome outcome = block_insert(store, &fresh, error);
    for (int i = 0; i < ATTEMPTS_MAX && (outcome == STORE_EXISTS || outcome == STORE_CONFLICT);
         i++) {
        struct block_record there;
        enum store_outcome found = block_get(store, block->hash, &there, error);
        if (found != STORE_DONE)
            return STORE_FAILED;
        if (!block_is_bare(&there) || block_is_bare(block))
            return STORE_EXISTS;
        struct block_record whole = completed(&there, block);
        outcome = block_save(store, &whole, error);
    }
    return outcome;
}

enum store_outcome block_save(struct store *store, struct block_record *block, struct error *error)
{
    enum store_outcome outcome = write(store, STORE_REPLACE, block, error);
    if (outcome == STORE_DONE)
        block->version++;
    return outcome;
}

enum store_outcome block_get(struct store *store, const uint8_t hash[32],
                             struct block_record *block_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[BLOCK_ID_BYTES];
    block_id(hash, id);
    enum store_outcome outcome = store_get(store, &block_collection, id, &arena, &record, error);
    if (outcome == STORE_DONE && !decode(&record, block_r, error))
        return STORE_FAILED;
    return outcome;
}

struct walk {
    block_visitor visit;
    void *context;
    struct error *error;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct block_record block;
    if (!decode(record, &block, walk->error)) {
        walk->damaged = true;
        return false;
    }
    return walk->visit(walk->context, &block);
}

static enum store_outcome walk_blocks(struct store *store, const struct store_query *query,
                                      block_visitor visit, void *context, struct error *error)
{
    struct walk walk = { visit, context, error, false };
    enum store_outcome outcome =
        store_find(store, &block_collection, query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

enum store_outcome block_walk_open(struct store *store, block_visitor visit, void *context,
                                   struct error *error)
{
    struct store_query query = { .field = "open",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_int(1),
                                 .high = store_int(1) };
    return walk_blocks(store, &query, visit, context, error);
}

enum store_outcome block_walk_newest(struct store *store, uint64_t before_ms, const char *past_id,
                                     size_t limit, block_visitor visit, void *context,
                                     struct error *error)
{
    struct store_query query = { .field = "found_ms",
                                 .has_high = before_ms != 0 || past_id != NULL,
                                 .high = store_int((int64_t)before_ms),
                                 .order = STORE_DESCENDING,
                                 .limit = limit,
                                 .past_id = past_id };
    return walk_blocks(store, &query, visit, context, error);
}

enum store_outcome block_walk_height(struct store *store, uint32_t height, block_visitor visit,
                                     void *context, struct error *error)
{
    struct store_query query = { .field = "height",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_int(height),
                                 .high = store_int(height) };
    return walk_blocks(store, &query, visit, context, error);
}
