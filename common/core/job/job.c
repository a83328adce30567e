#include "core/job/lanes.h"
#include "core/difficulty/difficulty.h"

/* Bytes of a coinbase before its input script: version, input count, null outpoint, script length.
 */
#define SCRIPT_LENGTH_AT 41
#define SCRIPT_AT 42

const char *job_outcome_text(enum job_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        JOB_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

/* CScript() << int64: OP_0, OP_1 … OP_16, else the shortest little-endian number whose top bit,
 * the sign, is clear, behind its length. */
size_t job_height_push(uint32_t height, uint8_t push_r[JOB_HEIGHT_PUSH_BYTES_MAX])
{
    if (height == 0) {
        push_r[0] = 0x00;
        return 1;
    }
    if (height <= 16) {
        push_r[0] = (uint8_t)(0x50 + height);
        return 1;
    }
    size_t bytes = 0;
    for (uint64_t rest = height; rest != 0; rest >>= 8)
        push_r[1 + bytes++] = (uint8_t)rest;
    if ((push_r[bytes] & 0x80) != 0)
        push_r[1 + bytes++] = 0;
    push_r[0] = (uint8_t)bytes;
    return 1 + bytes;
}

/* Bytes being written, with a bound: what does not fit sets `overflow` and is left out. */
struct writer {
    uint8_t *data;
    size_t used, capacity;
    bool overflow;
};

static void put(struct writer *writer, const void *data, size_t length)
{
    if (length > writer->capacity - writer->used) {
        writer->overflow = true;
        return;
    }
    if (length > 0)
        memcpy(writer->data + writer->used, data, length);
    writer->used += length;
}

static void put_byte(struct writer *writer, size_t value)
{
    uint8_t byte = (uint8_t)value;
    put(writer, &byte, 1);
}

static void put_le32(struct writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    store_le32(bytes, value);
    put(writer, bytes, sizeof bytes);
}

static void put_varint(struct writer *writer, uint64_t value)
{
    uint8_t bytes[TEMPLATE_VARINT_BYTES_MAX];
    put(writer, bytes, template_varint(value, bytes));
}

static void put_output(struct writer *writer, struct span script, uint64_t value)
{
    uint8_t bytes[8];
    store_le64(bytes, value);
    put(writer, bytes, sizeof bytes);
    put_varint(writer, script.length);
    put(writer, script.data, script.length);
}

/* Everything up to the extranonce; returns the bytes, 0 where the input script would be too long or
 * it does not fit. */
static uint16_t write_coinbase1(uint32_t height, const struct job_params *params,
                                enum job_shape shape, uint8_t *memory, size_t capacity)
{
    static const uint8_t null_outpoint[36] = {[32] = 0xff, 0xff, 0xff, 0xff};
    uint8_t script_memory[JOB_SCRIPT_SIG_BYTES_MAX], push[JOB_HEIGHT_PUSH_BYTES_MAX], value[8];
    struct writer script = {script_memory, 0, sizeof script_memory, false};
    size_t extranonce_bytes = (size_t)params->extranonce1_bytes + params->extranonce2_bytes;

    put(&script, push, job_height_push(height, push));
    store_le64(value, params->job_value);
    put_byte(&script, sizeof value);
    put(&script, value, sizeof value);
    if (params->pool_tag.length > 0 && shape == JOB_SHAPE_FULL) {
        put_byte(&script, params->pool_tag.length);
        put(&script, params->pool_tag.data, params->pool_tag.length);
    }
    put_byte(&script, extranonce_bytes);
    if (script.overflow || script.used + extranonce_bytes > JOB_SCRIPT_SIG_BYTES_MAX)
        return 0;

    struct writer coinbase = {memory, 0, capacity, false};
    put_le32(&coinbase, 1); /* transaction version */
    put_byte(&coinbase, 1);
    put(&coinbase, null_outpoint, sizeof null_outpoint);
    put_byte(&coinbase, script.used + extranonce_bytes);
    put(&coinbase, script.data, script.used);
    return coinbase.overflow ? 0 : (uint16_t)coinbase.used;
}

static bool has_output(enum job_shape shape, const struct job_output *output)
{
    return shape != JOB_SHAPE_LEAST || output->value > 0;
}

/* Everything behind the extranonce; returns the bytes, 0 where it does not fit. */
static uint16_t write_coinbase2(const struct block_template *template,
                                const struct job_params *params, enum job_shape shape,
                                uint8_t *memory, size_t capacity)
{
    struct writer coinbase = {memory, 0, capacity, false};
    size_t outputs = template->witness_commitment.length > 0;
    for (size_t i = 0; i < params->outputs_count; i++)
        outputs += has_output(shape, &params->outputs[i]);
    put_le32(&coinbase, UINT32_MAX); /* sequence */
    put_varint(&coinbase, outputs);
    for (size_t i = 0; i < params->outputs_count; i++)
        if (has_output(shape, &params->outputs[i]))
            put_output(&coinbase, params->outputs[i].script, params->outputs[i].value);
    if (template->witness_commitment.length > 0)
        put_output(&coinbase, template->witness_commitment, 0);
    put_le32(&coinbase, 0); /* lock time */
    /* A block of no outputs is none. */
    return coinbase.overflow || outputs == 0 ? 0 : (uint16_t)coinbase.used;
}

/* The shapes behind the full one, as far as each is shorter than the one before it and fits. */
static void write_shorter(const struct block_template *template, const struct job_params *params,
                          struct job *job)
{
    size_t least = (size_t)job->coinbase1_bytes + job->coinbase2_bytes;
    for (enum job_shape shape = JOB_SHAPE_FULL + 1; shape < JOB_SHAPES; shape++) {
        struct job_shorter *shorter = &job->shorter[shape - 1];
        shorter->coinbase1_bytes = write_coinbase1(
            template->height, params, shape, shorter->coinbase1, sizeof shorter->coinbase1);
        shorter->coinbase2_bytes =
            write_coinbase2(template, params, shape, shorter->coinbase2, sizeof shorter->coinbase2);
        size_t bytes = (size_t)shorter->coinbase1_bytes + shorter->coinbase2_bytes;
        if (shorter->coinbase1_bytes == 0 || shorter->coinbase2_bytes == 0 || bytes >= least)
            memset(shorter, 0, sizeof *shorter);
        else
            least = bytes;
    }
}

static bool outputs_sum_to(const struct job_params *params, uint64_t value)
{
    u128 sum = 0;
    if (params->outputs_count == 0 || params->outputs_count > JOB_OUTPUTS_MAX)
        return false;
    for (size_t i = 0; i < params->outputs_count; i++)
        sum += params->outputs[i].value;
    return sum == value;
}

static void take_branches(const struct block_template *template, struct job *job)
{
    size_t count = template->branches_count;
    if (template->branches_known) {
        /* A branch of another list would make every block of the job invalid. */
        ASSERT(template->transactions_count < (size_t)1 << count &&
               (count == 0 || template->transactions_count >= (size_t)1 << (count - 1)));
        memcpy(job->branches, template->branches, count * sizeof job->branches[0]);
    } else {
        count = template_merkle_branches(template->transactions, template->transactions_count,
                                         job->branches);
    }
    job->branches_count = (uint8_t)count;
}

static bool extranonces_fit(uint8_t extranonce1_bytes, uint8_t extranonce2_bytes)
{
    return extranonce1_bytes >= 1 && extranonce1_bytes <= JOB_EXTRANONCE1_BYTES_MAX &&
           extranonce2_bytes >= 1 && extranonce2_bytes <= JOB_EXTRANONCE2_BYTES_MAX;
}

static bool target_matches(uint32_t bits, struct u256 target)
{
    struct u256 expected;
    return difficulty_target_from_bits(bits, &expected) && u256_compare(expected, target) == 0;
}

enum job_outcome job_from_template(const struct block_template *template,
                                   const struct job_params *params, struct job *job_r)
{
    if (!extranonces_fit(params->extranonce1_bytes, params->extranonce2_bytes))
        return JOB_BAD_EXTRANONCE;
    if (params->pool_tag.length > JOB_POOL_TAG_BYTES_MAX)
        return JOB_BAD_TAG;
    if (!outputs_sum_to(params, template->coinbase_value))
        return JOB_BAD_OUTPUTS;
    if (template->transactions_count > TEMPLATE_TRANSACTIONS_MAX)
        return JOB_TOO_MANY_TRANSACTIONS;
    if (!target_matches(template->bits, template->network_target))
        return JOB_BAD_TARGET;
    if (template->cur_time < template->min_time)
        return JOB_BAD_TIMES;

    uint32_t cur_time = template->cur_time;
    *job_r = (struct job){
        .id = params->id,
        .epoch = params->epoch,
        .template_id = params->template_id,
        .height = template->height,
        .algorithm = params->algorithm,
        .extranonce1_bytes = params->extranonce1_bytes,
        .extranonce2_bytes = params->extranonce2_bytes,
        .clean = params->clean,
        .witness = template->witness_commitment.length > 0,
        .version = template->version,
        .version_mask = params->version_mask,
        .bits = template->bits,
        .cur_time = cur_time,
        .min_time = template->min_time,
        .max_time = cur_time > UINT32_MAX - JOB_TIME_AHEAD_SECONDS
                        ? UINT32_MAX
                        : cur_time + JOB_TIME_AHEAD_SECONDS,
        .coinbase_value = template->coinbase_value,
        .network_target = template->network_target,
    };
    memcpy(job_r->prev_hash, template->prev_hash, sizeof job_r->prev_hash);
    job_r->coinbase1_bytes = write_coinbase1(template->height, params, JOB_SHAPE_FULL,
                                             job_r->coinbase1, sizeof job_r->coinbase1);
    if (job_r->coinbase1_bytes == 0)
        return JOB_BAD_TAG;
    job_r->coinbase2_bytes = write_coinbase2(template, params, JOB_SHAPE_FULL, job_r->coinbase2,
                                             sizeof job_r->coinbase2);
    if (job_r->coinbase2_bytes == 0)
        return JOB_TOO_LONG;
    write_shorter(template, params, job_r);
    take_branches(template, job_r);
    return JOB_OK;
}

/* The extranonces end the input script, and behind it stand at least the sequence, an output count
 * and the lock time. */
static bool coinbase_is_formed(const struct job *job, const struct job_coinbase *coinbase)
{
    return coinbase->before.length >= SCRIPT_AT && coinbase->behind.length >= 9 &&
           coinbase->before.data[SCRIPT_LENGTH_AT] <= JOB_SCRIPT_SIG_BYTES_MAX &&
           SCRIPT_AT + (size_t)coinbase->before.data[SCRIPT_LENGTH_AT] ==
               coinbase->before.length + job->extranonce1_bytes + job->extranonce2_bytes;
}

/* Every shape there is; each shorter than the one before, so that no two are the same coinbase. */
static bool shapes_are_formed(const struct job *job)
{
    size_t least = SIZE_MAX;
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++) {
        const struct job_shorter *shorter = shape > 0 ? &job->shorter[shape - 1] : NULL;
        struct job_coinbase coinbase;
        if (shorter != NULL && shorter->coinbase1_bytes == 0 && shorter->coinbase2_bytes == 0)
            continue;
        if (shorter != NULL && (shorter->coinbase1_bytes > JOB_SHORTER_PART_BYTES_MAX ||
                                shorter->coinbase2_bytes > JOB_SHORTER_PART_BYTES_MAX))
            return false;
        if (!job_coinbase(job, shape, &coinbase) || !coinbase_is_formed(job, &coinbase) ||
            job_coinbase_bytes(job, shape) >= least)
            return false;
        least = job_coinbase_bytes(job, shape);
    }
    return true;
}

bool job_verify(const struct job *job)
{
    if (pow_algorithm_name(job->algorithm) == NULL ||
        !extranonces_fit(job->extranonce1_bytes, job->extranonce2_bytes) ||
        job->branches_count > TEMPLATE_BRANCHES_MAX ||
        job->coinbase1_bytes > JOB_COINBASE_PART_BYTES_MAX ||
        job->coinbase2_bytes > JOB_COINBASE_PART_BYTES_MAX || !shapes_are_formed(job))
        return false;
    return target_matches(job->bits, job->network_target) && job->min_time <= job->cur_time &&
           job->cur_time <= job->max_time;
}

bool job_coinbase(const struct job *job, unsigned shape, struct job_coinbase *coinbase_r)
{
    if (shape == JOB_SHAPE_FULL) {
        coinbase_r->before = span_of(job->coinbase1, job->coinbase1_bytes);
        coinbase_r->behind = span_of(job->coinbase2, job->coinbase2_bytes);
        return true;
    }
    if (shape >= JOB_SHAPES || job->shorter[shape - 1].coinbase1_bytes == 0)
        return false;
    const struct job_shorter *shorter = &job->shorter[shape - 1];
    coinbase_r->before = span_of(shorter->coinbase1, shorter->coinbase1_bytes);
    coinbase_r->behind = span_of(shorter->coinbase2, shorter->coinbase2_bytes);
    return true;
}

size_t job_coinbase_bytes(const struct job *job, unsigned shape)
{
    struct job_coinbase coinbase;
    return job_coinbase(job, shape, &coinbase)
               ? coinbase.before.length + job->extranonce1_bytes + job->extranonce2_bytes +
                     coinbase.behind.length
               : 0;
}

unsigned job_shape_within(const struct job *job, size_t coinbase_bytes_max)
{
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++) {
        size_t bytes = job_coinbase_bytes(job, shape);
        if (bytes > 0 && bytes <= coinbase_bytes_max)
            return shape;
    }
    return JOB_SHAPES;
}

void job_prepare(const struct job *job, unsigned shape, struct job_prepared *prepared_r)
{
    struct job_coinbase coinbase;
    bool has_shape = job_coinbase(job, shape, &coinbase);
    ASSERT(has_shape);
    prepared_r->job = job;
    prepared_r->coinbase2 = coinbase.behind;
    sha256_init(&prepared_r->coinbase1);
    sha256_update(&prepared_r->coinbase1, coinbase.before);
}

void job_write_header(const struct job *job, const struct job_choice *choice,
                      const uint8_t merkle_root[TEMPLATE_HASH_BYTES],
                      uint8_t header_r[POW_HEADER_BYTES])
{
    store_le32(header_r, choice->version);
    memcpy(header_r + 4, job->prev_hash, 32);
    memcpy(header_r + 36, merkle_root, 32);
    store_le32(header_r + 68, choice->ntime);
    store_le32(header_r + 72, job->bits);
    store_le32(header_r + 76, choice->nonce);
}

void job_build_header(const struct job_prepared *prepared, const struct job_choice *choice,
                      uint8_t header_r[POW_HEADER_BYTES])
{
    const struct job *job = prepared->job;
    struct sha256_state coinbase = prepared->coinbase1;
    uint8_t txid[TEMPLATE_HASH_BYTES];
    sha256_update(&coinbase, span_of(choice->extranonce1, job->extranonce1_bytes));
    sha256_update(&coinbase, span_of(choice->extranonce2, job->extranonce2_bytes));
    sha256_update(&coinbase, prepared->coinbase2);
    sha256d_final(&coinbase, txid);

    template_merkle_root(txid, job->branches, job->branches_count, txid);
    job_write_header(job, choice, txid, header_r);
}

/* With a witness (BIP 144): marker and flag behind the version; before the lock time one witness
 * stack of one item, the reserved value of 32 zero bytes (BIP 141). */
size_t job_coinbase_for_block(const struct job *job, unsigned shape, const uint8_t *extranonce1,
                              const uint8_t *extranonce2,
                              uint8_t coinbase_r[JOB_COINBASE_BYTES_MAX])
{
    static const uint8_t marker_and_flag[2] = {0x00, 0x01};
    static const uint8_t witness[34] = {0x01, 0x20};
    struct writer coinbase = {coinbase_r, 0, JOB_COINBASE_BYTES_MAX, false};
    struct job_coinbase parts;
    bool has_shape = job_coinbase(job, shape, &parts);
    ASSERT(has_shape);
    put(&coinbase, parts.before.data, 4);
    if (job->witness)
        put(&coinbase, marker_and_flag, sizeof marker_and_flag);
    put(&coinbase, parts.before.data + 4, parts.before.length - 4);
    put(&coinbase, extranonce1, job->extranonce1_bytes);
    put(&coinbase, extranonce2, job->extranonce2_bytes);
    put(&coinbase, parts.behind.data, parts.behind.length - 4);
    if (job->witness)
        put(&coinbase, witness, sizeof witness);
    put(&coinbase, parts.behind.data + parts.behind.length - 4, 4);
    ASSERT(!coinbase.overflow);
    return coinbase.used;
}
