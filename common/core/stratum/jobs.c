#include "core/stratum/jobs.h"

#include "core/stratum/print.h"

void stratum_jobs_init(struct stratum_jobs *jobs)
{
    memset(jobs, 0, sizeof *jobs);
    jobs->oldest = 1;
}

/* Ids are unique, often consecutive; one multiplication spreads them. */
static unsigned map_place(uint64_t id)
{
    return (unsigned)(id * 0x9e3779b97f4a7c15u >> 54) % STRATUM_JOB_MAP;
}

static void map_insert(struct stratum_jobs *jobs, const struct stratum_job *entry)
{
    unsigned place = map_place(entry->job->id);
    while (jobs->map[place] != 0)
        place = (place + 1) % STRATUM_JOB_MAP;
    jobs->map[place] = (uint16_t)(entry->ordinal % STRATUM_JOBS_MAX + 1);
}

struct stratum_job *stratum_jobs_find(const struct stratum_jobs *jobs, uint64_t id)
{
    for (unsigned place = map_place(id); jobs->map[place] != 0;
         place = (place + 1) % STRATUM_JOB_MAP) {
        struct stratum_job *entry = jobs->ring[jobs->map[place] - 1];
        if (entry->job->id == id)
            return entry;
    }
    return NULL;
}

struct stratum_job *stratum_jobs_current(const struct stratum_jobs *jobs)
{
    return jobs->oldest > jobs->newest ? NULL : jobs->ring[jobs->newest % STRATUM_JOBS_MAX];
}

struct stratum_job *stratum_jobs_oldest(const struct stratum_jobs *jobs)
{
    return jobs->oldest > jobs->newest ? NULL : jobs->ring[jobs->oldest % STRATUM_JOBS_MAX];
}

static void supersede(struct stratum_jobs *jobs, struct stratum_job *entry, uint64_t now_ms)
{
    struct stratum_job *current = stratum_jobs_current(jobs);
    entry->ordinal = jobs->newest + 1;
    entry->tip = 1;
    entry->superseded_ms = entry->tip_gone_ms = 0;
    if (current == NULL)
        return;
    current->superseded_ms = now_ms;
    entry->tip = current->tip;
    if (memcmp(current->job->prev_hash, entry->job->prev_hash, TEMPLATE_HASH_BYTES) == 0)
        return;
    entry->tip++;
    for (uint64_t at = jobs->newest; at >= jobs->oldest; at--) {
        struct stratum_job *older = jobs->ring[at % STRATUM_JOBS_MAX];
        if (older->tip_gone_ms != 0)
            break;
        older->tip_gone_ms = now_ms;
    }
}

bool stratum_jobs_add(struct stratum_jobs *jobs, struct stratum_job *entry, uint64_t now_ms)
{
    ASSERT(now_ms != 0);
    if (jobs->newest + 1 - jobs->oldest == STRATUM_JOBS_MAX ||
        stratum_jobs_find(jobs, entry->job->id) != NULL)
        return false;
    supersede(jobs, entry, now_ms);
    jobs->newest = entry->ordinal;
    jobs->ring[entry->ordinal % STRATUM_JOBS_MAX] = entry;
    map_insert(jobs, entry);
    return true;
}

struct stratum_job *stratum_jobs_forget(struct stratum_jobs *jobs)
{
    if (jobs->oldest >= jobs->newest)
        return NULL;
    struct stratum_job **place = &jobs->ring[jobs->oldest % STRATUM_JOBS_MAX];
    struct stratum_job *entry = *place;
    *place = NULL;
    jobs->oldest++;
    /* Jobs come and go seldom: the map is made anew rather than mended. */
    memset(jobs->map, 0, sizeof jobs->map);
    for (uint64_t at = jobs->oldest; at <= jobs->newest; at++)
        map_insert(jobs, jobs->ring[at % STRATUM_JOBS_MAX]);
    return entry;
}

/* The previous block's hash as eight big-endian words: internal order with the bytes of every
 * 4-byte word swapped. */
static void print_prev_hash(struct print *print, const uint8_t hash[TEMPLATE_HASH_BYTES])
{
    uint8_t swapped[TEMPLATE_HASH_BYTES];
    for (int i = 0; i < TEMPLATE_HASH_BYTES; i += 4)
        store_be32(swapped + i, load_le32(hash + i));
    print_hex(print, span_of(swapped, sizeof swapped));
}

static size_t notify(const struct job *job, unsigned shape, struct span id, uint32_t ntime,
                     bool clean, char *text_r, size_t bytes)
{
    struct job_coinbase coinbase;
    if (!job_coinbase(job, shape, &coinbase))
        return 0;
    struct print print = { .text = text_r, .capacity_bytes = bytes };
    print_text(&print, "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"");
    print_bytes(&print, id);
    print_text(&print, "\",\"");
    print_prev_hash(&print, job->prev_hash);
    print_text(&print, "\",\"");
    print_hex(&print, coinbase.before);
    print_text(&print, "\",\"");
    print_hex(&print, coinbase.behind);
    print_text(&print, "\",[");
    for (unsigned i = 0; i < job->branches_count; i++) {
        print_text(&print, i == 0 ? "\"" : ",\"");
        print_hex(&print, span_of(job->branches[i], TEMPLATE_HASH_BYTES));
        print_text(&print, "\"");
    }
    print_text(&print, "],\"");
    print_hex_number(&print, job->version, 8);
    print_text(&print, "\",\"");
    print_hex_number(&print, job->bits, 8);
    print_text(&print, "\",\"");
    print_hex_number(&print, ntime, 8);
    print_text(&print, clean ? "\",true]}\n" : "\",false]}\n");
    return print.failed ? 0 : print.used_bytes;
}

size_t stratum_notify(const struct job *job, unsigned shape, unsigned variant, uint32_t ntime,
                      bool clean, char *text_r, size_t bytes)
{
    char id[STRATUM_JOB_ID_DIGITS + STRATUM_VARIANT_DIGITS];
    struct print print = { .text = id, .capacity_bytes = sizeof id };
    print_hex_number(&print, job->id, STRATUM_JOB_ID_DIGITS);
    if (variant != 0)
        print_hex_number(&print, variant, STRATUM_VARIANT_DIGITS);
    return notify(job, shape, span_of(id, print.used_bytes), ntime, clean, text_r, bytes);
}

size_t stratum_notify_short(const struct job *job, unsigned shape, uint64_t ordinal,
                            unsigned variant, uint32_t ntime, bool clean, char *text_r,
                            size_t bytes)
{
    char id[STRATUM_SHORT_ID_DIGITS];
    struct print print = { .text = id, .capacity_bytes = sizeof id };
    print_hex_number(&print, ordinal << 8 | variant, STRATUM_SHORT_ID_DIGITS);
    return notify(job, shape, span_of(id, print.used_bytes), ntime, clean, text_r, bytes);
}

struct stratum_job *stratum_jobs_find_short(const struct stratum_jobs *jobs, struct span text,
                                            unsigned *variant_r)
{
    const uint64_t ordinals = (uint64_t)1 << (4 * STRATUM_SHORT_ID_DIGITS - 8);
    uint64_t value;
    if (text.length != STRATUM_SHORT_ID_DIGITS ||
        !hex_decode_u64((const char *)text.data, text.length, &value))
        return NULL;
    uint64_t back = (jobs->newest - (value >> 8)) & (ordinals - 1);
    if (back > jobs->newest || jobs->newest - back < jobs->oldest || jobs->oldest > jobs->newest)
        return NULL;
    *variant_r = (unsigned)(value & 255);
    return jobs->ring[(jobs->newest - back) % STRATUM_JOBS_MAX];
}

bool stratum_job_id_parse(struct span text, uint64_t *id_r, unsigned *variant_r)
{
    const char *digits = (const char *)text.data;
    uint64_t variant = 0;
    if (text.length != STRATUM_JOB_ID_DIGITS &&
        text.length != STRATUM_JOB_ID_DIGITS + STRATUM_VARIANT_DIGITS)
        return false;
    if (!hex_decode_u64(digits, STRATUM_JOB_ID_DIGITS, id_r))
        return false;
    if (text.length > STRATUM_JOB_ID_DIGITS &&
        (!hex_decode_u64(digits + STRATUM_JOB_ID_DIGITS, STRATUM_VARIANT_DIGITS, &variant) ||
         variant == 0))
        return false;
    *variant_r = (unsigned)variant;
    return true;
}
