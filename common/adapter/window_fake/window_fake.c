/* The window as a plain list. What happens to an append is decided when it is asked for (as a
 * server's single thread would), what its handler hears comes from a timer. */
#include "adapter/window_fake/window_fake.h"

#include <pthread.h>
#include <stdlib.h>

enum { OUTSTANDING_DEFAULT = 256 };

struct entry {
    struct window_position first;
    uint64_t lease_id;
    uint64_t sequence;
    struct window_share *shares;
    size_t count;
};

struct record {
    uint64_t lease_id;
    uint64_t sequence;
    struct window_position position;
    uint8_t *verdicts;
    size_t verdicts_bytes;
};

struct lease {
    uint64_t id;
    uint64_t lowest;
};

struct candidate {
    struct window_found found; /* its record is owned */
};

/* A growing array of any of the above. */
struct list {
    void *items;
    size_t count;
    size_t capacity;
};

struct window_fake {
    struct loop *loop;
    pthread_mutex_t mutex;
    struct list entries;
    struct list records;
    struct list leases;
    struct list candidates;
    struct window_totals totals;
    struct window_position last; /* given; positions grow also after a trim */
    enum window_fake_trouble trouble;
    unsigned trouble_left; /* 0: without end */
    unsigned delay_ms;
    _Atomic bool readers_fail;
    unsigned long appends;
    uint64_t below;   /* all leases below it are over */
    uint64_t history; /* of which appends are told */
};

struct answer {
    struct answer *next;
    uint64_t due_ms;
    window_append_handler handler;
    void *context;
    struct window_result result;
    uint8_t verdicts[WINDOW_VERDICTS_BYTES_MAX];
};

struct fake_writer {
    struct window_writer port;
    struct window_fake *fake;
    struct answer *first;
    struct answer **end;
    unsigned outstanding;
    unsigned outstanding_max;
    struct loop_timer timer;
};

struct fake_reader {
    struct window_reader port;
    struct window_fake *fake;
};

/* A zeroed new item at the end. Out of memory is the end of a test. */
static void *list_add(struct list *list, size_t item_bytes)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity != 0 ? list->capacity * 2 : 64;
        list->items = realloc(list->items, list->capacity * item_bytes);
        ASSERT(list->items != NULL);
    }
    void *item = (uint8_t *)list->items + list->count++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

static void list_remove(struct list *list, size_t index, size_t item_bytes)
{
    uint8_t *at = (uint8_t *)list->items + index * item_bytes;
    memmove(at, at + item_bytes, (list->count - index - 1) * item_bytes);
    list->count--;
}

static void *copy(const void *data, size_t bytes)
{
    void *memory = malloc(bytes != 0 ? bytes : 1);
    ASSERT(memory != NULL);
    if (bytes != 0)
        memcpy(memory, data, bytes);
    return memory;
}

static struct entry *entries_of(struct window_fake *fake)
{
    return fake->entries.items;
}
static struct record *records_of(struct window_fake *fake)
{
    return fake->records.items;
}
static struct candidate *candidates_of(struct window_fake *fake)
{
    return fake->candidates.items;
}

/* The lease's lowest sequence when it is to be this at least; records below it are dropped. */
static uint64_t advance(struct window_fake *fake, uint64_t lease_id, uint64_t lowest)
{
    struct lease *lease = NULL;
    if (lease_id < fake->below)
        return UINT64_MAX;
    for (size_t i = 0; i < fake->leases.count && lease == NULL; i++)
        if (((struct lease *)fake->leases.items)[i].id == lease_id)
            lease = &((struct lease *)fake->leases.items)[i];
    if (lease == NULL) {
        lease = list_add(&fake->leases, sizeof *lease);
        lease->id = lease_id;
    }
    if (lowest > lease->lowest)
        lease->lowest = lowest;
    for (size_t i = fake->records.count; i-- > 0;) {
        struct record *record = &records_of(fake)[i];
        if (record->lease_id == lease_id && record->sequence < lease->lowest) {
            free(record->verdicts);
            list_remove(&fake->records, i, sizeof *record);
        }
    }
    return lease->lowest;
}

static struct record *find_record(struct window_fake *fake, const struct window_batch *batch)
{
    for (size_t i = 0; i < fake->records.count; i++)
        if (records_of(fake)[i].lease_id == batch->lease_id &&
            records_of(fake)[i].sequence == batch->sequence)
            return &records_of(fake)[i];
    return NULL;
}

static struct candidate *find_candidate(struct window_fake *fake, const uint8_t hash[32])
{
    for (size_t i = 0; i < fake->candidates.count; i++)
        if (memcmp(candidates_of(fake)[i].found.block_hash, hash, 32) == 0)
            return &candidates_of(fake)[i];
    return NULL;
}

static struct window_position add_entry(struct window_fake *fake, const struct window_batch *batch)
{
    struct entry *entry = list_add(&fake->entries, sizeof *entry);
    uint64_t now_ms = loop_unix_ms();
    fake->last = now_ms > fake->last.high
                     ? (struct window_position){ .high = now_ms }
                     : (struct window_position){ fake->last.high, fake->last.low + 1, 0 };
    entry->first = fake->last;
    entry->lease_id = batch->lease_id;
    entry->sequence = batch->sequence;
    entry->shares = copy(batch->shares, batch->share_count * sizeof *batch->shares);
    entry->count = batch->share_count;
    return entry->first;
}

static void add_candidates(struct window_fake *fake, const struct window_batch *batch,
                           const struct window_position *own,
                           const struct window_position *last /* NULL: none */)
{
    for (size_t i = 0; i < batch->candidate_count; i++) {
        const struct window_candidate *given = &batch->candidates[i];
        if (find_candidate(fake, given->block_hash) != NULL)
            continue;
        struct window_found *found =
            &((struct candidate *)list_add(&fake->candidates, sizeof(struct candidate)))->found;
        memcpy(found->block_hash, given->block_hash, sizeof found->block_hash);
        found->record =
            span_of(copy(given->record.data, given->record.length), given->record.length);
        found->credited = given->credited_index >= 0;
        found->empty = !found->credited && last == NULL;
        if (found->credited) {
            found->end = *own;
            found->end.index = (uint32_t)given->credited_index;
        } else if (last != NULL) {
            found->end = *last;
        }
        fake->totals.candidates++;
    }
}

static void keep_record(struct window_fake *fake, const struct window_batch *batch,
                        struct window_position position)
{
    struct record *record = list_add(&fake->records, sizeof *record);
    record->lease_id = batch->lease_id;
    record->sequence = batch->sequence;
    record->position = position;
    record->verdicts = copy(batch->verdicts.data, batch->verdicts.length);
    record->verdicts_bytes = batch->verdicts.length;
}

/* The atomic step. */
static void apply(struct window_fake *fake, const struct window_batch *batch, struct answer *answer)
{
    struct window_result *result = &answer->result;
    if (batch->sequence < advance(fake, batch->lease_id, batch->lowest)) {
        result->outcome = WINDOW_REFUSED;
        return;
    }
    const struct record *record = find_record(fake, batch);
    if (record != NULL) {
        memcpy(answer->verdicts, record->verdicts, record->verdicts_bytes);
        result->outcome = WINDOW_REPEATED;
        result->verdicts = span_of(answer->verdicts, record->verdicts_bytes);
        result->position = record->position;
        return;
    }
    struct window_position last = { 0 };
    bool any = fake->entries.count > 0;
    if (any) {
        const struct entry *entry = &entries_of(fake)[fake->entries.count - 1];
        last = entry->first;
        last.index = (uint32_t)(entry->count - 1);
    }
    if (batch->share_count > 0)
        result->position = add_entry(fake, batch);
    add_candidates(fake, batch, &result->position, any ? &last : NULL);
    keep_record(fake, batch, result->position);
    fake->totals.batches++;
    fake->totals.accepted += batch->share_count;
    fake->totals.rejected += batch->rejected_count;
    result->outcome = WINDOW_APPENDED;
}

static enum window_fake_trouble next_trouble(struct window_fake *fake)
{
    enum window_fake_trouble trouble = fake->trouble;
    if (fake->trouble_left > 0 && --fake->trouble_left == 0)
        fake->trouble = WINDOW_FAKE_WELL;
    return trouble;
}

static void decide(struct window_fake *fake, const struct window_batch *batch,
                   struct answer *answer)
{
    pthread_mutex_lock(&fake->mutex);
    fake->appends++;
    enum window_fake_trouble trouble = next_trouble(fake);
    if (trouble == WINDOW_FAKE_WELL || trouble == WINDOW_FAKE_LOSES_ANSWER)
        apply(fake, batch, answer);
    answer->result.history = fake->history;
    pthread_mutex_unlock(&fake->mutex);
    if (trouble == WINDOW_FAKE_UNAVAILABLE)
        answer->result = (struct window_result){ .outcome = WINDOW_UNAVAILABLE,
                                                 .reason = "the fake window is unavailable" };
    else if (trouble != WINDOW_FAKE_WELL)
        answer->result = (struct window_result){ .outcome = WINDOW_UNKNOWN,
                                                 .reason = "the fake window lost the answer" };
}

static void answer_first(struct fake_writer *writer)
{
    struct answer *answer = writer->first;
    writer->first = answer->next;
    if (writer->first == NULL)
        writer->end = &writer->first;
    writer->outstanding--;
    answer->handler(answer->context, &answer->result);
    free(answer);
}

static void on_timer(void *context)
{
    struct fake_writer *writer = context;
    uint64_t now_ms = loop_now_ms(writer->fake->loop);
    while (writer->first != NULL && writer->first->due_ms <= now_ms)
        answer_first(writer);
    if (writer->first != NULL)
        loop_timer_start(writer->fake->loop, &writer->timer, writer->first->due_ms - now_ms, 0);
}

static bool append(struct window_writer *port, const struct window_batch *batch,
                   window_append_handler handler, void *context)
{
    struct fake_writer *writer = (struct fake_writer *)port;
    ASSERT(window_batch_in_bounds(batch));
    if (writer->outstanding == writer->outstanding_max)
        return false;
    struct answer *answer = calloc(1, sizeof *answer);
    ASSERT(answer != NULL);
    answer->handler = handler;
    answer->context = context;
    answer->result.reason = "";
    answer->due_ms = loop_now_ms(writer->fake->loop) + writer->fake->delay_ms;
    decide(writer->fake, batch, answer);
    *writer->end = answer;
    writer->end = &answer->next;
    writer->outstanding++;
    if (!loop_timer_running(&writer->timer))
        loop_timer_start(writer->fake->loop, &writer->timer, writer->fake->delay_ms, 0);
    return true;
}

static bool ready(const struct window_writer *port)
{
    return ((const struct fake_writer *)port)->fake->trouble != WINDOW_FAKE_UNAVAILABLE;
}

static void close_writer(struct window_writer *port)
{
    struct fake_writer *writer = (struct fake_writer *)port;
    loop_timer_stop(writer->fake->loop, &writer->timer);
    while (writer->first != NULL) {
        writer->first->result = (struct window_result){ .outcome = WINDOW_UNKNOWN,
                                                        .reason = "the fake window was closed" };
        answer_first(writer);
    }
    free(writer);
}

/* Readers. A visitor is called unlocked, on a copy, because it may call the reader again. */
static bool readable(struct window_fake *fake, struct error *error)
{
    return !fake->readers_fail ||
           error_set(error, ERROR_UNAVAILABLE, "the fake window is unavailable");
}

/* Copies the entry at `index`; false when there is none. Caller frees its shares. */
static bool copy_entry(struct window_fake *fake, size_t index, struct entry *entry_r)
{
    pthread_mutex_lock(&fake->mutex);
    bool there = index < fake->entries.count;
    if (there) {
        *entry_r = entries_of(fake)[index];
        entry_r->shares = copy(entry_r->shares, entry_r->count * sizeof *entry_r->shares);
    }
    pthread_mutex_unlock(&fake->mutex);
    return there;
}

/* How many entries stand before (or, with `inclusive`, up to) the batch of *position. */
static size_t entries_before(struct window_fake *fake, const struct window_position *position,
                             bool inclusive)
{
    struct window_position batch = *position;
    batch.index = 0;
    pthread_mutex_lock(&fake->mutex);
    size_t count = 0;
    while (count < fake->entries.count) {
        int order = window_position_compare(&entries_of(fake)[count].first, &batch);
        if (order > 0 || (order == 0 && !inclusive))
            break;
        count++;
    }
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

static bool visit(const struct entry *entry, window_batch_visitor visitor, void *context)
{
    bool go_on = visitor(context, entry->first, entry->lease_id, entry->sequence, entry->shares,
                         entry->count);
    free(entry->shares);
    return go_on;
}

static bool walk_back(struct window_reader *port, const struct window_position *from,
                      window_batch_visitor visitor, void *context, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    const struct window_position newest = { UINT64_MAX, UINT64_MAX, 0 };
    size_t index = entries_before(fake, from != NULL ? from : &newest, true);
    struct entry entry;
    while (index-- > 0 && copy_entry(fake, index, &entry))
        if (!visit(&entry, visitor, context))
            break;
    return true;
}

static bool walk_on(struct window_reader *port, const struct window_position *after,
                    window_batch_visitor visitor, void *context, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    size_t index = after != NULL ? entries_before(fake, after, true) : 0;
    struct entry entry;
    while (copy_entry(fake, index++, &entry))
        if (!visit(&entry, visitor, context))
            break;
    return true;
}

/* Copies the candidate at `index`; false when there is none. Caller frees its record. */
static bool copy_candidate(struct window_fake *fake, size_t index, struct window_found *found_r)
{
    pthread_mutex_lock(&fake->mutex);
    bool there = index < fake->candidates.count;
    if (there) {
        *found_r = candidates_of(fake)[index].found;
        found_r->record.data = copy(found_r->record.data, found_r->record.length);
    }
    pthread_mutex_unlock(&fake->mutex);
    return there;
}

static bool visit_candidate(struct window_found *found, window_found_visitor visitor, void *context)
{
    bool go_on = visitor(context, found);
    free((void *)found->record.data);
    return go_on;
}

static bool candidates(struct window_reader *port, window_found_visitor visitor, void *context,
                       struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    struct window_found found;
    for (size_t i = 0; copy_candidate(fake, i, &found); i++)
        if (!visit_candidate(&found, visitor, context))
            break;
    return true;
}

static bool candidate_get(struct window_reader *port, const uint8_t block_hash[32],
                          window_found_visitor visitor, void *context, bool *found_r,
                          struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    *found_r = false;
    struct window_found found;
    for (size_t i = 0; !*found_r && copy_candidate(fake, i, &found); i++) {
        *found_r = memcmp(found.block_hash, block_hash, sizeof found.block_hash) == 0;
        if (*found_r)
            (void)visit_candidate(&found, visitor, context);
        else
            free((void *)found.record.data);
    }
    return true;
}

static bool candidate_done(struct window_reader *port, const uint8_t block_hash[32],
                           struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    struct candidate *candidate = find_candidate(fake, block_hash);
    if (candidate != NULL) {
        free((void *)candidate->found.record.data);
        list_remove(&fake->candidates, (size_t)(candidate - candidates_of(fake)),
                    sizeof *candidate);
    }
    pthread_mutex_unlock(&fake->mutex);
    return true;
}

static bool trim(struct window_reader *port, const struct window_position *before,
                 uint64_t *removed_r, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    size_t count = entries_before(fake, before, false);
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < count; i++)
        free(entries_of(fake)[i].shares);
    fake->entries.count -= count;
    if (count > 0)
        memmove(entries_of(fake), entries_of(fake) + count,
                fake->entries.count * sizeof(struct entry));
    pthread_mutex_unlock(&fake->mutex);
    *removed_r = count;
    return true;
}

static bool leases(struct window_reader *port, window_lease_visitor visitor, void *context,
                   struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    uint64_t below = fake->below;
    pthread_mutex_unlock(&fake->mutex);
    if (below > 1 && !visitor(context, below - 1, true))
        return true;
    for (size_t i = 0;; i++) {
        struct lease lease = { 0 };
        pthread_mutex_lock(&fake->mutex);
        bool there = i < fake->leases.count;
        if (there)
            lease = ((struct lease *)fake->leases.items)[i];
        pthread_mutex_unlock(&fake->mutex);
        if (!there || !visitor(context, lease.id, lease.lowest == UINT64_MAX))
            return true;
    }
}

static bool lease_end(struct window_reader *port, uint64_t lease_id, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    (void)advance(fake, lease_id, UINT64_MAX);
    pthread_mutex_unlock(&fake->mutex);
    return true;
}

static bool leases_below(struct window_reader *port, uint64_t lease_id, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = fake->leases.count; i-- > 0;) {
        struct lease *lease = &((struct lease *)fake->leases.items)[i];
        if (lease->id >= lease_id)
            continue;
        (void)advance(fake, lease->id, UINT64_MAX); /* its records go */
        list_remove(&fake->leases, i, sizeof *lease);
    }
    if (lease_id > fake->below)
        fake->below = lease_id;
    pthread_mutex_unlock(&fake->mutex);
    return true;
}

static bool totals(struct window_reader *port, struct window_totals *totals_r, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    *totals_r = fake->totals;
    pthread_mutex_unlock(&fake->mutex);
    return true;
}

static bool state(struct window_reader *port, struct window_state *state_r, struct error *error)
{
    struct window_fake *fake = ((struct fake_reader *)port)->fake;
    if (!readable(fake, error))
        return false;
    pthread_mutex_lock(&fake->mutex);
    *state_r = (struct window_state){ .history = fake->history, .empty = fake->entries.count == 0 };
    if (fake->entries.count > 0)
        state_r->oldest = entries_of(fake)[0].first;
    pthread_mutex_unlock(&fake->mutex);
    return true;
}

static bool ping(struct window_reader *port, struct error *error)
{
    return readable(((struct fake_reader *)port)->fake, error);
}

static void close_reader(struct window_reader *port)
{
    free(port);
}

struct window_writer *window_fake_writer(struct window_fake *fake, unsigned outstanding_max)
{
    static const struct window_writer_ops ops = { .append = append,
                                                  .ready = ready,
                                                  .close = close_writer };
    struct fake_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->port.ops = &ops;
    writer->fake = fake;
    writer->end = &writer->first;
    writer->outstanding_max = outstanding_max != 0 ? outstanding_max : OUTSTANDING_DEFAULT;
    writer->timer = (struct loop_timer){ .on_due = on_timer, .context = writer };
    return &writer->port;
}

struct window_reader *window_fake_reader(struct window_fake *fake)
{
    static const struct window_reader_ops ops = {
        .walk_back = walk_back,
        .walk_on = walk_on,
        .candidates = candidates,
        .candidate_get = candidate_get,
        .candidate_done = candidate_done,
        .trim = trim,
        .leases = leases,
        .lease_end = lease_end,
        .leases_below = leases_below,
        .totals = totals,
        .state = state,
        .ping = ping,
        .close = close_reader,
    };
    struct fake_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->port.ops = &ops;
    reader->fake = fake;
    return &reader->port;
}

struct window_fake *window_fake_create(struct loop *loop)
{
    struct window_fake *fake = calloc(1, sizeof *fake);
    if (fake == NULL)
        return NULL;
    fake->loop = loop;
    fake->history = 1;
    pthread_mutex_init(&fake->mutex, NULL);
    return fake;
}

void window_fake_clear(struct window_fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < fake->entries.count; i++)
        free(entries_of(fake)[i].shares);
    for (size_t i = 0; i < fake->records.count; i++)
        free(records_of(fake)[i].verdicts);
    for (size_t i = 0; i < fake->candidates.count; i++)
        free((void *)candidates_of(fake)[i].found.record.data);
    fake->entries.count = fake->records.count = fake->leases.count = fake->candidates.count = 0;
    fake->totals = (struct window_totals){ 0 };
    fake->below = 0;
    pthread_mutex_unlock(&fake->mutex);
}

void window_fake_destroy(struct window_fake *fake)
{
    if (fake == NULL)
        return;
    window_fake_clear(fake);
    free(fake->entries.items);
    free(fake->records.items);
    free(fake->leases.items);
    free(fake->candidates.items);
    pthread_mutex_destroy(&fake->mutex);
    free(fake);
}

void window_fake_trouble(struct window_fake *fake, enum window_fake_trouble trouble,
                         unsigned appends)
{
    fake->trouble = trouble;
    fake->trouble_left = appends;
}

void window_fake_delay(struct window_fake *fake, unsigned delay_ms)
{
    fake->delay_ms = delay_ms;
}

void window_fake_readers_fail(struct window_fake *fake, bool fail)
{
    fake->readers_fail = fail;
}

unsigned long window_fake_appends(const struct window_fake *fake)
{
    return fake->appends;
}

void window_fake_history(struct window_fake *fake, uint64_t history)
{
    pthread_mutex_lock(&fake->mutex);
    fake->history = history;
    pthread_mutex_unlock(&fake->mutex);
}
