#include "services/inode-scheduler/lucks.h"

#include "core/luck/luck.h"
#include "service/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE_PLACES = LUCKS_PAGE_SETS * LUCKS_WAYS,
    ENTRY_BYTES = 8 * 4 + 4 + LUCK_BYTES,
    FORM = 1,
    READ_ON_SHARES = 16 << 20, /* of the window after a start; what is more is left out */
};

struct entry {
    uint64_t account, worker; /* account 0: the place is free */
    uint64_t since_ms, alarm_ms;
    uint32_t alarms;
    uint32_t seen_round; /* of the blocks that `seen` counts */
    uint32_t seen;       /* blocks at this look */
    uint32_t looks;      /* in a row with evidence enough */
    struct luck luck;
};

struct page {
    struct entry *entries; /* NULL: none yet */
    struct window_position upto;
    uint64_t version; /* in the store; 0: it is not there */
    bool changed;
};

struct lucks {
    pthread_mutex_t lock; /* for all but `reading` */
    struct page pages[LUCKS_PAGES];
    struct window_position last;
    uint64_t saved_ms;
    uint32_t round;
    size_t count;
    bool loaded;
    struct reading {
        u128 network;
        uint64_t shares;
    } reading; /* the counting worker's */
};

enum { F_FORM, F_HIGH, F_LOW, F_ENTRIES, F_COUNT };
static const struct store_field fields[F_COUNT] = {
    [F_FORM] = { "form", STORE_INT, false },
    [F_HIGH] = { "upto_high", STORE_INT, false },
    [F_LOW] = { "upto_low", STORE_INT, false },
    [F_ENTRIES] = { "entries", STORE_BYTES, false },
};
const struct store_collection lucks_collection = { "luck", fields, F_COUNT };

struct lucks *lucks_create(void)
{
    struct lucks *lucks = calloc(1, sizeof *lucks);
    if (lucks != NULL)
        pthread_mutex_init(&lucks->lock, NULL);
    return lucks;
}

void lucks_destroy(struct lucks *lucks)
{
    if (lucks == NULL)
        return;
    for (size_t i = 0; i < LUCKS_PAGES; i++)
        free(lucks->pages[i].entries);
    pthread_mutex_destroy(&lucks->lock);
    free(lucks);
}

static struct entry *set_of(struct lucks *lucks, uint64_t account, uint64_t worker,
                            struct page **page_r)
{
    /* The ids are keyed hashes already. */
    uint64_t mixed =
        (account ^ worker * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed ^= mixed >> 32;
    struct page *page = &lucks->pages[mixed % LUCKS_PAGES];
    if (page->entries == NULL) {
        page->entries = calloc(PAGE_PLACES, sizeof *page->entries);
        ASSERT(page->entries != NULL);
    }
    *page_r = page;
    return page->entries + mixed / LUCKS_PAGES % LUCKS_PAGE_SETS * LUCKS_WAYS;
}

static struct entry *find(struct lucks *lucks, uint64_t account, uint64_t worker,
                          struct page **page_r)
{
    struct entry *set = set_of(lucks, account, worker, page_r);
    for (size_t i = 0; i < LUCKS_WAYS; i++)
        if (set[i].account == account && set[i].worker == worker)
            return &set[i];
    return NULL;
}

/* Its place, or another's that is worth less. An alarm is worth keeping. */
static struct entry *take(struct lucks *lucks, uint64_t account, uint64_t worker, uint64_t now_ms,
                          struct page **page_r)
{
    struct entry *entry = find(lucks, account, worker, page_r);
    if (entry != NULL)
        return entry;
    struct entry *set = set_of(lucks, account, worker, page_r);
    entry = &set[0];
    for (size_t i = 0; i < LUCKS_WAYS && entry->account != 0; i++)
        if (set[i].account == 0 ||
            (set[i].alarms <= entry->alarms && set[i].luck.steps < entry->luck.steps))
            entry = &set[i];
    lucks->count += entry->account == 0;
    *entry = (struct entry){ .account = account, .worker = worker, .since_ms = now_ms };
    luck_begin(&entry->luck);
    return entry;
}

static void add_share(struct lucks *lucks, struct window_position position,
                      const struct window_share *share, uint64_t worker, u128 network)
{
    struct page *page;
    struct entry *entry = take(lucks, share->account, worker, share->time_ms, &page);
    /* Counted when the page was stored. */
    if (window_position_compare(&position, &page->upto) <= 0)
        return;
    page->changed = true;
    luck_work(&entry->luck, share->work, network);
}

static void add_batch(struct lucks *lucks, struct window_position position,
                      const struct window_share *shares, size_t count, u128 network)
{
    if (window_position_compare(&position, &lucks->last) <= 0)
        return;
    for (size_t i = 0; i < count && network > 0; i++) {
        if (shares[i].account == 0)
            continue;
        add_share(lucks, position, &shares[i], 0, network);
        if (shares[i].worker != 0)
            add_share(lucks, position, &shares[i], shares[i].worker, network);
    }
    lucks->last = position;
}

void lucks_batch(struct lucks *lucks, struct window_position position,
                 const struct window_share *shares, size_t count, u128 network)
{
    pthread_mutex_lock(&lucks->lock);
    if (lucks->loaded)
        add_batch(lucks, position, shares, count, network);
    pthread_mutex_unlock(&lucks->lock);
}

static void read_entry(struct lucks *lucks, const uint8_t *bytes)
{
    struct page *page;
    struct entry *entry = take(lucks, load_le64(bytes), load_le64(bytes + 8), 0, &page);
    entry->since_ms = load_le64(bytes + 16);
    entry->alarm_ms = load_le64(bytes + 24);
    entry->alarms = load_le32(bytes + 32);
    luck_decode(&entry->luck, bytes + 36);
}

static bool on_page(void *context, const struct store_record *record)
{
    struct lucks *lucks = context;
    unsigned number = (unsigned)strtoul(record->id, NULL, 10);
    struct span entries = record->values[F_ENTRIES].bytes;
    if (number >= LUCKS_PAGES)
        return true;
    struct page *page = &lucks->pages[number];
    page->version = record->version;
    if (record->values[F_FORM].integer != FORM)
        return true;
    page->upto = (struct window_position){ .high = (uint64_t)record->values[F_HIGH].integer,
                                           .low = (uint64_t)record->values[F_LOW].integer };
    for (size_t at = 0; at + ENTRY_BYTES <= entries.length; at += ENTRY_BYTES)
        if (load_le64(entries.data + at) != 0)
            read_entry(lucks, entries.data + at);
    return true;
}

static bool on_batch(void *context, struct window_position first, uint64_t lease_id,
                     uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct lucks *lucks = context;
    (void)lease_id;
    (void)sequence;
    pthread_mutex_lock(&lucks->lock);
    add_batch(lucks, first, shares, count, lucks->reading.network);
    pthread_mutex_unlock(&lucks->lock);
    lucks->reading.shares += count;
    return lucks->reading.shares < READ_ON_SHARES;
}

/* Begins where the first page ends; at the window's oldest where a page is not stored: it may have
 * had series when the process died. Others wait while the store is read, not while the window is.
 */
static bool load(struct lucks *lucks, struct store *store, struct window_reader *window,
                 u128 network, uint64_t now_ms, struct error *error)
{
    const struct store_query all = { .field = "id" };
    if (store_find(store, &lucks_collection, &all, on_page, lucks, error) != STORE_DONE)
        return false;
    bool all_stored = true;
    for (size_t i = 0; i < LUCKS_PAGES; i++) {
        const struct page *page = &lucks->pages[i];
        all_stored = all_stored && page->version > 0;
        if (i == 0 || window_position_compare(&page->upto, &lucks->last) < 0)
            lucks->last = page->upto;
    }
    lucks->reading = (struct reading){ .network = network };
    struct window_position from = lucks->last;
    pthread_mutex_unlock(&lucks->lock);
    bool read = window_walk_on(window, all_stored ? &from : NULL, on_batch, lucks, error);
    pthread_mutex_lock(&lucks->lock);
    if (!read)
        return false;
    lucks->loaded = true;
    lucks->saved_ms = now_ms;
    log_info("luck.loaded", "series=%zu shares=%" PRIu64, lucks->count, lucks->reading.shares);
    return true;
}

static size_t write_page(const struct page *page, uint8_t *bytes_r)
{
    size_t used = 0;
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        struct entry *entry = &page->entries[i];
        if (entry->account == 0)
            continue;
        uint8_t *at = bytes_r + used;
        store_le64(at, entry->account);
        store_le64(at + 8, entry->worker);
        store_le64(at + 16, entry->since_ms);
        store_le64(at + 24, entry->alarm_ms);
        store_le32(at + 32, entry->alarms);
        luck_encode(&entry->luck, at + 36);
        used += ENTRY_BYTES;
    }
    return used;
}

/* The lock is held but for the store's call: shares wait for no store. */
static bool save(struct lucks *lucks, size_t number, struct store *store, uint8_t *bytes,
                 struct error *error)
{
    struct page *page = &lucks->pages[number];
    char id[16];
    snprintf(id, sizeof id, "%03zu", number);
    size_t length = write_page(page, bytes);
    struct window_position upto = lucks->last;
    struct store_write write = {
        .verb = page->version == 0 ? STORE_INSERT : STORE_REPLACE,
        .collection = &lucks_collection,
        .record = { .id = id,
                    .version = page->version,
                    .values = { [F_FORM] = store_int(FORM),
                                [F_HIGH] = store_int((int64_t)upto.high),
                                [F_LOW] = store_int((int64_t)upto.low),
                                [F_ENTRIES] = store_bytes(span_of(bytes, length)) } }
    };
    page->changed = false;
    pthread_mutex_unlock(&lucks->lock);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    pthread_mutex_lock(&lucks->lock);
    if (outcome == STORE_DONE)
        outcome = write.outcome;
    if (outcome == STORE_DONE)
        page->version++;
    else
        page->changed = true;
    return outcome == STORE_DONE ||
           (outcome != STORE_FAILED && outcome != STORE_UNKNOWN &&
            error_set(error, ERROR_REFUSED, "another scheduler keeps the luck of page %s", id));
}

/* All is read anew where somebody else wrote, or may have: what is stored is the truth. */
static void start_anew(struct lucks *lucks)
{
    for (size_t i = 0; i < LUCKS_PAGES; i++) {
        free(lucks->pages[i].entries);
        lucks->pages[i] = (struct page){ .entries = NULL };
    }
    lucks->last = (struct window_position){ 0 };
    lucks->count = 0;
    lucks->loaded = false;
}

bool lucks_tick(struct lucks *lucks, struct store *store, struct window_reader *window,
                u128 network, uint64_t now_ms, struct error *error)
{
    bool ok = true;
    pthread_mutex_lock(&lucks->lock);
    if (!lucks->loaded) {
        ok = network == 0 || load(lucks, store, window, network, now_ms, error);
    } else if (now_ms - lucks->saved_ms >= LUCKS_SAVE_MS) {
        uint8_t *bytes = malloc((size_t)PAGE_PLACES * ENTRY_BYTES);
        ASSERT(bytes != NULL);
        for (size_t i = 0; i < LUCKS_PAGES && ok; i++)
            if (lucks->pages[i].changed)
                ok = save(lucks, i, store, bytes, error);
        free(bytes);
        lucks->saved_ms = now_ms;
    }
    if (!ok)
        start_anew(lucks);
    pthread_mutex_unlock(&lucks->lock);
    return ok;
}

void lucks_blocks_begin(struct lucks *lucks)
{
    pthread_mutex_lock(&lucks->lock);
    lucks->round++;
    pthread_mutex_unlock(&lucks->lock);
}

static void add_block(struct lucks *lucks, uint64_t account, uint64_t worker, uint64_t found_ms)
{
    struct page *page;
    struct entry *entry = find(lucks, account, worker, &page);
    if (entry == NULL || found_ms < entry->since_ms)
        return;
    if (entry->seen_round != lucks->round)
        entry->seen = 0;
    entry->seen_round = lucks->round;
    if (++entry->seen <= entry->luck.found)
        return;
    luck_found(&entry->luck, 1);
    page->changed = true;
}

void lucks_block(struct lucks *lucks, uint64_t account, uint64_t worker, uint64_t found_ms)
{
    if (account == 0)
        return;
    pthread_mutex_lock(&lucks->lock);
    add_block(lucks, account, 0, found_ms);
    if (worker != 0)
        add_block(lucks, account, worker, found_ms);
    pthread_mutex_unlock(&lucks->lock);
}

static bool look_at(struct page *page, struct entry *entry, uint64_t now_ms)
{
    if (entry->account == 0 || !luck_reaches(&entry->luck, LUCK_ALARM_BITS)) {
        entry->looks = 0;
        return false;
    }
    if (++entry->looks < LUCKS_LOOKS)
        return false;
    entry->looks = 0;
    entry->alarms++;
    entry->alarm_ms = now_ms;
    page->changed = true;
    log_warn("luck.alarm",
             "account=%016" PRIx64 " worker=%016" PRIx64 " expected=%" PRIu64 " found=%" PRIu64
             " alarms=%" PRIu32,
             entry->account, entry->worker, entry->luck.steps >> LUCK_STEP_BITS, entry->luck.found,
             entry->alarms);
    luck_forget(&entry->luck);
    return true;
}

unsigned lucks_blocks_end(struct lucks *lucks, uint64_t now_ms)
{
    unsigned alarms = 0;
    pthread_mutex_lock(&lucks->lock);
    for (size_t i = 0; i < LUCKS_PAGES; i++)
        for (size_t j = 0; j < PAGE_PLACES && lucks->pages[i].entries != NULL; j++)
            alarms += look_at(&lucks->pages[i], &lucks->pages[i].entries[j], now_ms);
    pthread_mutex_unlock(&lucks->lock);
    return alarms;
}

static bool is_worse(const struct lucks_line *a, const struct lucks_line *b)
{
    if (a->alarms != b->alarms)
        return a->alarms > b->alarms;
    if (a->bits != b->bits)
        return a->bits > b->bits;
    return a->expected_64ths > b->expected_64ths;
}

size_t lucks_worst(struct lucks *lucks, struct lucks_line *lines_r, size_t capacity)
{
    size_t count = 0;
    pthread_mutex_lock(&lucks->lock);
    for (size_t i = 0; i < (size_t)LUCKS_PAGES * PAGE_PLACES; i++) {
        const struct page *page = &lucks->pages[i / PAGE_PLACES];
        if (page->entries == NULL || page->entries[i % PAGE_PLACES].account == 0)
            continue;
        const struct entry *entry = &page->entries[i % PAGE_PLACES];
        const struct lucks_line line = { .account = entry->account,
                                         .worker = entry->worker,
                                         .since_ms = entry->since_ms,
                                         .expected_64ths = entry->luck.steps,
                                         .found = entry->luck.found,
                                         .bits = luck_bits(&entry->luck),
                                         .alarms = entry->alarms,
                                         .alarm_ms = entry->alarm_ms };
        size_t at = count;
        while (at > 0 && is_worse(&line, &lines_r[at - 1]))
            at--;
        if (at == capacity)
            continue;
        count += count < capacity;
        memmove(lines_r + at + 1, lines_r + at, (count - 1 - at) * sizeof *lines_r);
        lines_r[at] = line;
    }
    pthread_mutex_unlock(&lucks->lock);
    return count;
}

size_t lucks_count(struct lucks *lucks)
{
    pthread_mutex_lock(&lucks->lock);
    size_t count = lucks->count;
    pthread_mutex_unlock(&lucks->lock);
    return count;
}
