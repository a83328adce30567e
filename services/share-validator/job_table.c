#include "services/share-validator/job_table.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BUCKETS = 1024 };
_Static_assert(sizeof(struct wire_hash) == TEMPLATE_HASH_BYTES, "a hash on the wire has 32 bytes");

struct job_table {
    uint64_t memory_ms;
    struct job_entry *buckets[BUCKETS];
    struct job_entry *oldest;
    struct job_entry **end;
    struct job_entry *newest;
    size_t count;
};

static bool job_from_wire(const struct wire_job *wire, struct job *job_r, struct error *error)
{
    enum pow_algorithm algorithm;
    if (!pow_algorithm_from_wire(wire->algorithm, &algorithm))
        return error_set(error, ERROR_INVALID, "job %016" PRIx64 " has an unknown algorithm",
                         wire->job_id);
    if (wire->coinbase1.length > JOB_COINBASE_PART_BYTES_MAX ||
        wire->coinbase2.length > JOB_COINBASE_PART_BYTES_MAX ||
        wire->branches_count > TEMPLATE_BRANCHES_MAX)
        return error_set(error, ERROR_INVALID, "job %016" PRIx64 " has a coinbase too long",
                         wire->job_id);
    memset(job_r, 0, sizeof *job_r);
    job_r->id = wire->job_id;
    job_r->epoch = wire->epoch;
    job_r->template_id = wire->template_id;
    job_r->height = wire->height;
    job_r->algorithm = algorithm;
    memcpy(job_r->prev_hash, wire->prev_hash, sizeof job_r->prev_hash);
    memcpy(job_r->coinbase1, wire->coinbase1.data, wire->coinbase1.length);
    memcpy(job_r->coinbase2, wire->coinbase2.data, wire->coinbase2.length);
    job_r->coinbase1_bytes = (uint16_t)wire->coinbase1.length;
    job_r->coinbase2_bytes = (uint16_t)wire->coinbase2.length;
    for (uint32_t i = 0; i < wire->branches_count; i++)
        memcpy(job_r->branches[i], wire->branches[i].bytes, TEMPLATE_HASH_BYTES);
    job_r->branches_count = (uint8_t)wire->branches_count;
    job_r->extranonce1_bytes = wire->extranonce1_bytes;
    job_r->extranonce2_bytes = wire->extranonce2_bytes;
    job_r->clean = wire->clean != 0;
    job_r->witness = wire->has_witness != 0;
    job_r->version = wire->version;
    job_r->version_mask = wire->version_mask;
    job_r->bits = wire->bits;
    job_r->cur_time = wire->cur_time;
    job_r->min_time = wire->min_time;
    job_r->max_time = wire->cur_time > UINT32_MAX - JOB_TIME_AHEAD_SECONDS
                          ? UINT32_MAX
                          : wire->cur_time + JOB_TIME_AHEAD_SECONDS;
    job_r->coinbase_value = wire->coinbase_value;
    /* A share carries 4 and 8 bytes of extranonce (proto/share.def). */
    if (!difficulty_target_from_bits(wire->bits, &job_r->network_target) || !job_verify(job_r) ||
        job_r->id == 0 || job_r->extranonce1_bytes != 4 || job_r->extranonce2_bytes > 8)
        return error_set(error, ERROR_INVALID, "job %016" PRIx64 " contradicts itself",
                         wire->job_id);
    return true;
}

static void entry_free(struct job_entry *entry)
{
    free((void *)(uintptr_t)entry->extension.data);
    free(entry);
}

struct job_entry *job_entry_hold(struct job_entry *entry)
{
    entry->holders++;
    return entry;
}

void job_entry_release(struct job_entry *entry)
{
    ASSERT(entry->holders > 0);
    if (--entry->holders == 0 && entry->forgotten)
        entry_free(entry);
}

static struct job_entry **bucket_of(struct job_table *table, uint64_t job_id)
{
    /* Ids count up within an epoch in the high half. */
    return &table->buckets[(job_id ^ job_id >> 32) % BUCKETS];
}

static void forget_oldest(struct job_table *table)
{
    struct job_entry *entry = table->oldest;
    table->oldest = entry->next;
    if (table->oldest == NULL)
        table->end = &table->oldest;
    struct job_entry **at = bucket_of(table, entry->job.id);
    while (*at != entry)
        at = &(*at)->next_in_bucket;
    *at = entry->next_in_bucket;
    table->count--;
    if (table->newest == entry)
        table->newest = NULL;
    entry->forgotten = true;
    if (entry->holders == 0)
        entry_free(entry);
}

static void forget(struct job_table *table, uint64_t now_ms)
{
    while (
        table->oldest != NULL && table->oldest != table->newest &&
        (table->count >= JOB_TABLE_MAX ||
         (table->oldest->retired_ms != 0 && now_ms - table->oldest->retired_ms > table->memory_ms)))
        forget_oldest(table);
    /* The newest may be the oldest when a fetched job came after it: then it goes to the end. */
    if (table->oldest != NULL && table->oldest == table->newest && table->newest->next != NULL) {
        struct job_entry *entry = table->oldest;
        table->oldest = entry->next;
        entry->next = NULL;
        *table->end = entry;
        table->end = &entry->next;
    }
}

static bool is_newer(const struct job_entry *entry, const struct job_entry *than)
{
    if (than == NULL || entry->job.epoch != than->job.epoch)
        return than == NULL || entry->job.epoch > than->job.epoch;
    return entry->sequence > than->sequence;
}

static void insert(struct job_table *table, struct job_entry *entry, uint64_t now_ms)
{
    struct job_entry **bucket = bucket_of(table, entry->job.id);
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    *table->end = entry;
    table->end = &entry->next;
    table->count++;
    const uint64_t stamp = now_ms != 0 ? now_ms : 1;
    entry->retired_ms = stamp;
    if (is_newer(entry, table->newest)) {
        if (table->newest != NULL)
            table->newest->retired_ms = stamp;
        entry->retired_ms = 0;
        table->newest = entry;
    }
}

bool job_table_take(struct job_table *table, const struct wire_job *wire, uint64_t now_ms,
                    struct error *error)
{
    if (job_table_find(table, wire->job_id) != NULL)
        return true;
    struct job_entry *entry = calloc(1, sizeof *entry);
    uint8_t *extension = malloc(wire->extension.length != 0 ? wire->extension.length : 1);
    if (entry == NULL || extension == NULL) {
        free(entry);
        free(extension);
        return error_set(error, ERROR_FULL, "no memory for a job");
    }
    entry->extension = span_of(extension, wire->extension.length);
    if (!job_from_wire(wire, &entry->job, error)) {
        entry_free(entry);
        return false;
    }
    if (wire->extension.length > 0)
        memcpy(extension, wire->extension.data, wire->extension.length);
    entry->sequence = wire->sequence;
    job_prepare(&entry->job, &entry->prepared);
    forget(table, now_ms);
    insert(table, entry, now_ms);
    return true;
}

struct job_entry *job_table_find(const struct job_table *table, uint64_t job_id)
{
    struct job_entry *entry = *bucket_of((struct job_table *)(uintptr_t)table, job_id);
    while (entry != NULL && entry->job.id != job_id)
        entry = entry->next_in_bucket;
    return entry;
}

const struct job_entry *job_table_newest(const struct job_table *table)
{
    return table->newest;
}

enum share_tip job_table_tip(const struct job_table *table, const struct job_entry *entry)
{
    const struct job_entry *newest = table->newest;
    return newest == NULL || memcmp(newest->job.prev_hash, entry->job.prev_hash,
                                    sizeof entry->job.prev_hash) == 0
               ? SHARE_TIP_CURRENT
               : SHARE_TIP_STALE;
}

size_t job_table_count(const struct job_table *table)
{
    return table->count;
}

struct job_table *job_table_create(uint64_t memory_ms)
{
    struct job_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->memory_ms = memory_ms;
    table->end = &table->oldest;
    return table;
}

void job_table_destroy(struct job_table *table)
{
    if (table == NULL)
        return;
    while (table->oldest != NULL) {
        ASSERT(table->oldest->holders == 0);
        forget_oldest(table);
    }
    free(table);
}
