#include "services/share-validator/job_table.h"

#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024,
    CLOCKS_MS = 1000, /* hosts' clocks agree to within that */
};

struct job_table {
    uint64_t memory_ms;
    struct job_entry *buckets[BUCKETS];
    struct job_entry *oldest;
    struct job_entry **end;
    struct job_entry *newest;
    size_t count;
    uint8_t tip[32];       /* the previous hash of the newest there ever was */
    uint64_t tip_since_ms; /* unix; 0: there was none */
};

static void entry_free(struct job_entry *entry)
{
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

static void forget_entry(struct job_table *table, struct job_entry *entry)
{
    struct job_entry **before = &table->oldest;
    while (*before != entry)
        before = &(*before)->next;
    *before = entry->next;
    if (entry->next == NULL)
        table->end = before;
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

static void forget_oldest(struct job_table *table)
{
    forget_entry(table, table->oldest);
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
    if (than == NULL || (entry->sequence == 0) != (than->sequence == 0))
        return than == NULL || than->sequence == 0;
    if (entry->job.epoch != than->job.epoch)
        return entry->job.epoch > than->job.epoch;
    /* Ids of an epoch count up, too. */
    return entry->sequence != 0 ? entry->sequence > than->sequence : entry->job.id > than->job.id;
}

/* The jobs of the tip that was are left; where the chain goes back, others are not any more. The
 * first tip of this process came when its job was made, or earlier: who asks for a time before it
 * is told that nobody here saw a share of another tip be late. */
static void note_tip(struct job_table *table, const struct job_entry *newest, uint64_t unix_ms)
{
    const bool first = table->tip_since_ms == 0;
    const uint64_t made_ms = (uint64_t)newest->job.cur_time * 1000;
    if (!first && memcmp(table->tip, newest->job.prev_hash, sizeof table->tip) == 0)
        return;
    for (struct job_entry *entry = table->oldest; entry != NULL && !first; entry = entry->next) {
        if (memcmp(entry->job.prev_hash, table->tip, sizeof table->tip) == 0)
            entry->left_ms = unix_ms;
        else if (memcmp(entry->job.prev_hash, newest->job.prev_hash, sizeof table->tip) == 0)
            entry->left_ms = 0;
    }
    memcpy(table->tip, newest->job.prev_hash, sizeof table->tip);
    table->tip_since_ms = first && made_ms < unix_ms && made_ms != 0 ? made_ms : unix_ms;
}

static void insert(struct job_table *table, struct job_entry *entry, uint64_t now_ms,
                   uint64_t unix_ms)
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
        note_tip(table, entry, unix_ms);
    }
}

bool job_table_take(struct job_table *table, const struct wire_job *wire, uint64_t now_ms,
                    uint64_t unix_ms, struct error *error)
{
    struct job_entry *known = job_table_find(table, wire->job_id);
    if (known != NULL && (known->sequence != 0 || wire->sequence == 0))
        return true;
    struct job_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return error_set(error, ERROR_FULL, "no memory for a job");
    bool good = wire->job_id != 0 ? job_from_wire(wire, &entry->job, error)
                                  : error_set(error, ERROR_INVALID, "it has no id");
    if (!good) {
        entry_free(entry);
        return error_prefix(error, "job %016" PRIx64, wire->job_id);
    }
    entry->sequence = wire->sequence;
    for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
        if (job_coinbase_bytes(&entry->job, shape) > 0)
            job_prepare(&entry->job, shape, &entry->prepared[shape]);
    if (known != NULL)
        forget_entry(table, known);
    forget(table, now_ms);
    insert(table, entry, now_ms, unix_ms);
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

bool job_table_was_stale(const struct job_table *table, const struct job_entry *entry,
                         uint64_t received_ms)
{
    if (job_table_tip(table, entry) == SHARE_TIP_CURRENT)
        return false;
    /* One that was missed and fetched later was left when the present tip came, or before. */
    const uint64_t left_ms = entry->left_ms != 0 ? entry->left_ms : table->tip_since_ms;
    return received_ms >= left_ms + CLOCKS_MS;
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
