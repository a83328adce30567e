#include "adapter/store_fake/fake.h"
#include "adapter/store_fake/tree.h"
#include "adapter/store_rules/rules.h"

#include <pthread.h>
#include <stdlib.h>

enum { COLLECTIONS_MAX = 64 };

/* A record with everything it points to in one allocation. */
struct entry {
    struct store_record record;
    uint8_t memory[];
};

/* A collection: one tree by id, and one for each indexed field, by (field, id). The schema is a
 * copy: the largest any handle declared. */
struct shelf {
    char name[STORE_NAME_BYTES_MAX + 1];
    char schema[STORE_SCHEMA_TEXT_BYTES];
    struct store_field fields[STORE_FIELDS_MAX];
    struct store_collection collection;
    struct tree by_id;
    struct tree by_field[STORE_FIELDS_MAX];
    bool indexed[STORE_FIELDS_MAX];
};

/* What all handles share. */
struct memory {
    pthread_mutex_t mutex;
    size_t handles;
    struct shelf *shelves[COLLECTIONS_MAX];
    size_t shelf_count;
    bool visiting;
    bool away;
    size_t writes;
    enum store_fake_fault fault;
    size_t skip, times;
    uint64_t random;
    unsigned per_mille;
};

struct fake {
    struct store store;
    struct memory *memory;
};

static struct memory *memory_of(const struct store *store)
{
    return ((const struct fake *)store)->memory;
}

static void lock(struct memory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    ASSERT(!memory->visiting); /* a visitor called the store */
}

static void unlock(struct memory *memory)
{
    pthread_mutex_unlock(&memory->mutex);
}

static int compare_bytes(struct span a, struct span b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_values(enum store_type type, const struct store_value *a,
                          const struct store_value *b)
{
    if (type == STORE_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return compare_bytes(a->bytes, b->bytes);
}

static int compare_ids(const struct tree *tree, const void *a, const void *b)
{
    (void)tree;
    return strcmp(((const struct entry *)a)->record.id, ((const struct entry *)b)->record.id);
}

/* tree->field carries the field's index and, above it, whether it is an integer. */
enum { FIELD_IS_INT = 256 };

static int compare_fields(const struct tree *tree, const void *a, const void *b)
{
    size_t field = tree->field % FIELD_IS_INT;
    enum store_type type = tree->field >= FIELD_IS_INT ? STORE_INT : STORE_TEXT;
    int order = compare_values(type, &((const struct entry *)a)->record.values[field],
                               &((const struct entry *)b)->record.values[field]);
    return order != 0 ? order : compare_ids(tree, a, b);
}

static struct shelf *shelf_find(const struct memory *memory, const char *name)
{
    for (size_t i = 0; i < memory->shelf_count; i++)
        if (strcmp(memory->shelves[i]->name, name) == 0)
            return memory->shelves[i];
    return NULL;
}

static bool visit_into_index(void *context, void *entry)
{
    tree_insert((struct tree *)context, entry);
    return true;
}

static int place_all(void *context, const void *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

/* The collection's shelf, made or extended as declared; NULL with *error for another schema. */
static struct shelf *shelf_declare(struct memory *memory, const struct store_collection *collection,
                                   struct error *error)
{
    if (!store_rules_collection(collection, error))
        return NULL;
    struct shelf *shelf = shelf_find(memory, collection->name);
    if (shelf == NULL) {
        if (memory->shelf_count == COLLECTIONS_MAX) {
            error_fill(error, ERROR_FULL, "more than %d collections", COLLECTIONS_MAX);
            return NULL;
        }
        shelf = calloc(1, sizeof *shelf);
        ASSERT(shelf != NULL);
        memcpy(shelf->name, collection->name, strlen(collection->name) + 1);
        shelf->by_id.compare = compare_ids;
        memory->shelves[memory->shelf_count++] = shelf;
    }
    size_t known;
    if (!store_rules_extends(collection, shelf->schema, &known, error))
        return NULL;
    store_rules_schema(collection, shelf->schema);
    for (size_t i = 0; i < collection->field_count; i++) {
        shelf->fields[i] = collection->fields[i];
        if (!collection->fields[i].indexed || shelf->indexed[i])
            continue;
        shelf->indexed[i] = true;
        shelf->by_field[i].compare = compare_fields;
        shelf->by_field[i].field =
            i + (collection->fields[i].type == STORE_INT ? (size_t)FIELD_IS_INT : 0);
        tree_walk(&shelf->by_id, false, place_all, visit_into_index, &shelf->by_field[i]);
    }
    shelf->collection =
        (struct store_collection){ shelf->name, shelf->fields, collection->field_count };
    return shelf;
}

static bool fake_declare(struct store *store, const struct store_collection *const *collections,
                         size_t count, struct error *error)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    bool done = !memory->away || error_set(error, ERROR_UNAVAILABLE, "the store is away");
    for (size_t i = 0; done && i < count; i++)
        done = shelf_declare(memory, collections[i], error) != NULL;
    unlock(memory);
    return done;
}

static struct entry *entry_create(const struct store_collection *collection,
                                  const struct store_record *record, uint64_t version)
{
    /* each piece may be padded for alignment and has a NUL behind it */
    const size_t extra = 2 * _Alignof(max_align_t);
    size_t bytes = strlen(record->id) + extra;
    for (size_t i = 0; i < collection->field_count; i++)
        if (collection->fields[i].type != STORE_INT)
            bytes += record->values[i].bytes.length + extra;
    struct entry *entry = malloc(sizeof *entry + bytes);
    ASSERT(entry != NULL);
    struct arena arena = arena_over(entry->memory, bytes);
    struct error error;
    bool fits = store_rules_copy(collection, record, &arena, &entry->record, &error);
    ASSERT(fits);
    entry->record.version = version;
    return entry;
}

static void shelf_put(struct shelf *shelf, struct entry *entry)
{
    tree_insert(&shelf->by_id, entry);
    for (size_t i = 0; i < STORE_FIELDS_MAX; i++)
        if (shelf->indexed[i])
            tree_insert(&shelf->by_field[i], entry);
}

static void shelf_take(struct shelf *shelf, struct entry *entry)
{
    for (size_t i = 0; i < STORE_FIELDS_MAX; i++)
        if (shelf->indexed[i])
            tree_remove(&shelf->by_field[i], entry);
    tree_remove(&shelf->by_id, entry);
    free(entry);
}

static enum store_outcome write_plain(struct shelf *shelf, const struct store_write *write)
{
    const struct entry key = { .record = { .id = write->record.id } };
    struct entry *there = tree_find(&shelf->by_id, &key);
    if (write->verb == STORE_INSERT) {
        if (there != NULL)
            return STORE_EXISTS;
        shelf_put(shelf, entry_create(write->collection, &write->record, 1));
        return STORE_DONE;
    }
    if (there == NULL || there->record.version != write->record.version)
        return STORE_CONFLICT;
    shelf_take(shelf, there);
    if (write->verb == STORE_REPLACE)
        shelf_put(shelf,
                  entry_create(write->collection, &write->record, write->record.version + 1));
    return STORE_DONE;
}

/* Whether this write meets a fault, and which. */
static bool fault_due(struct memory *memory, enum store_fake_fault *fault_r)
{
    memory->writes++;
    if (memory->times > 0) {
        if (memory->skip > 0) {
            if (memory->skip != SIZE_MAX)
                memory->skip--;
        } else {
            if (memory->times != SIZE_MAX)
                memory->times--;
            *fault_r = memory->fault;
            return true;
        }
    }
    if (memory->per_mille > 0) {
        memory->random ^= memory->random << 13; /* xorshift64 */
        memory->random ^= memory->random >> 7;
        memory->random ^= memory->random << 17;
        *fault_r = (enum store_fake_fault)((memory->random >> 40) % 4);
        return (memory->random >> 8) % 1000 < memory->per_mille;
    }
    return false;
}

static enum store_outcome write_one(struct memory *memory, const struct store_write *write,
                                    struct error *error)
{
    struct shelf *shelf = shelf_find(memory, write->collection->name);
    enum store_fake_fault fault;
    bool faulty = fault_due(memory, &fault);
    if (shelf == NULL) {
        error_fill(error, ERROR_INVALID, "collection %s was not declared", write->collection->name);
        return STORE_FAILED;
    }
    if (!store_rules_write(write, error))
        return STORE_FAILED;
    if (!faulty)
        return write_plain(shelf, write);
    switch (fault) {
    case STORE_FAKE_FAIL:
        error_fill(error, ERROR_UNAVAILABLE, "the store refused, as it was told to");
        return STORE_FAILED;
    case STORE_FAKE_UNKNOWN_DONE:
    case STORE_FAKE_UNKNOWN_NOT_DONE:
        if (fault == STORE_FAKE_UNKNOWN_DONE)
            (void)write_plain(shelf, write);
        error_fill(error, ERROR_TIMEOUT, "the store did not answer, as it was told to");
        return STORE_UNKNOWN;
    case STORE_FAKE_CONFLICT:
        if (write->verb != STORE_INSERT) {
            const struct entry key = { .record = { .id = write->record.id } };
            struct entry *there = tree_find(&shelf->by_id, &key);
            if (there != NULL)
                there->record.version++;
        }
        return write_plain(shelf, write);
    }
    ASSERT(false); /* a fault of no kind */
    return STORE_FAILED;
}

/* Real stores differ in the order of a call's writes, so one that touches a record twice has no
 * meaning: callers that do it are found here. */
static bool touches_twice(const struct store_write *writes, size_t count)
{
    struct tree seen = { .compare = compare_ids };
    struct entry *keys = calloc(count == 0 ? 1 : count, sizeof *keys);
    char(*names)[STORE_NAME_BYTES_MAX + STORE_ID_BYTES_MAX + 2] =
        calloc(count == 0 ? 1 : count, sizeof *names);
    ASSERT(keys != NULL && names != NULL);
    bool twice = false;
    for (size_t i = 0; !twice && i < count; i++) {
        if (!store_rules_id(writes[i].record.id))
            continue;
        const char *collection = writes[i].collection->name;
        size_t length = strlen(collection);
        memcpy(names[i], collection, length);
        names[i][length] = '/';
        memcpy(names[i] + length + 1, writes[i].record.id, strlen(writes[i].record.id) + 1);
        keys[i].record.id = names[i];
        twice = tree_find(&seen, &keys[i]) != NULL;
        if (!twice)
            tree_insert(&seen, &keys[i]);
    }
    tree_clear(&seen);
    free(keys);
    free(names);
    return twice;
}

static enum store_outcome fake_apply(struct store *store, struct store_write *writes, size_t count,
                                     struct error *error)
{
    ASSERT(count == 1 || !touches_twice(writes, count));
    struct memory *memory = memory_of(store);
    lock(memory);
    for (size_t i = 0; i < count; i++) {
        if (memory->away) {
            error_fill(error, ERROR_UNAVAILABLE, "the store is away");
            writes[i].outcome = STORE_FAILED;
        } else {
            writes[i].outcome = write_one(memory, &writes[i], error);
        }
    }
    unlock(memory);
    return store_rules_total(writes, count);
}

static enum store_outcome fake_get(struct store *store, const struct store_collection *collection,
                                   const char *id, struct arena *arena,
                                   struct store_record *record_r, struct error *error)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    enum store_outcome outcome = STORE_FAILED;
    struct shelf *shelf = shelf_find(memory, collection->name);
    if (memory->away) {
        error_fill(error, ERROR_UNAVAILABLE, "the store is away");
    } else if (shelf == NULL || !store_rules_id(id)) {
        error_fill(error, ERROR_INVALID, "%s was not declared, or the id is no id",
                   collection->name);
    } else {
        const struct entry key = { .record = { .id = id } };
        const struct entry *there = tree_find(&shelf->by_id, &key);
        outcome = there == NULL ? STORE_MISSING : STORE_DONE;
        if (there != NULL && !store_rules_copy(collection, &there->record, arena, record_r, error))
            outcome = STORE_FAILED;
    }
    unlock(memory);
    return outcome;
}

struct find {
    const struct store_query *query;
    enum store_type type;
    size_t field; /* SIZE_MAX: the id */
    size_t left;
    store_visitor visitor;
    void *context;
};

/* 0 behind past_id; else the side of it on which the order begins. */
static int place_behind(const struct find *find, const struct store_record *record,
                        const struct store_value *value)
{
    const struct store_query *query = find->query;
    bool down = query->order == STORE_DESCENDING;
    if (query->past_id == NULL ||
        (find->field != SIZE_MAX &&
         compare_values(find->type, value, down ? &query->high : &query->low) != 0))
        return 0;
    int order = strcmp(record->id, query->past_id);
    return down ? (order >= 0 ? 1 : 0) : (order <= 0 ? -1 : 0);
}

static int place_in_query(void *context, const void *entry)
{
    const struct find *find = context;
    const struct store_record *record = &((const struct entry *)entry)->record;
    const struct store_value value =
        find->field == SIZE_MAX ? store_text(record->id) : record->values[find->field];
    if (find->query->has_low && compare_values(find->type, &value, &find->query->low) < 0)
        return -1;
    if (find->query->has_high && compare_values(find->type, &value, &find->query->high) > 0)
        return 1;
    return place_behind(find, record, &value);
}

static bool visit_found(void *context, void *entry)
{
    struct find *find = context;
    const struct store_record *record = &((const struct entry *)entry)->record;
    bool on = find->visitor(find->context, record);
    find->left--;
    return on && find->left > 0;
}

static enum store_outcome fake_find(struct store *store, const struct store_collection *collection,
                                    const struct store_query *query, store_visitor visitor,
                                    void *context, struct error *error)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    enum store_outcome outcome = STORE_FAILED;
    struct shelf *shelf = shelf_find(memory, collection->name);
    size_t field;
    if (memory->away) {
        error_fill(error, ERROR_UNAVAILABLE, "the store is away");
    } else if (shelf == NULL) {
        error_fill(error, ERROR_INVALID, "collection %s was not declared", collection->name);
    } else if (store_rules_query(&shelf->collection, query, &field, error)) {
        bool by_id = field == shelf->collection.field_count;
        struct find find = {
            .query = query,
            .type = by_id ? STORE_TEXT : shelf->fields[field].type,
            .field = by_id ? SIZE_MAX : field,
            .left = query->limit == 0 ? SIZE_MAX : query->limit,
            .visitor = visitor,
            .context = context,
        };
        memory->visiting = true;
        tree_walk(by_id ? &shelf->by_id : &shelf->by_field[field], query->order == STORE_DESCENDING,
                  place_in_query, visit_found, &find);
        memory->visiting = false;
        outcome = STORE_DONE;
    }
    unlock(memory);
    return outcome;
}

static bool fake_ping(struct store *store, struct error *error)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    bool here = !memory->away || error_set(error, ERROR_UNAVAILABLE, "the store is away");
    unlock(memory);
    return here;
}

static bool visit_free(void *context, void *entry)
{
    (void)context;
    free(entry);
    return true;
}

static void fake_close(struct store *store)
{
    struct memory *memory = memory_of(store);
    free(store);
    lock(memory);
    size_t left = --memory->handles;
    unlock(memory);
    if (left > 0)
        return;
    for (size_t i = 0; i < memory->shelf_count; i++) {
        struct shelf *shelf = memory->shelves[i];
        for (size_t k = 0; k < STORE_FIELDS_MAX; k++)
            tree_clear(&shelf->by_field[k]);
        tree_walk(&shelf->by_id, false, place_all, visit_free, NULL);
        tree_clear(&shelf->by_id);
        free(shelf);
    }
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

static const struct store_ops fake_ops = {
    .declare = fake_declare,
    .apply = fake_apply,
    .get = fake_get,
    .find = fake_find,
    .ping = fake_ping,
    .writable = fake_ping,
    .close = fake_close,
};

static struct store *handle_on(struct memory *memory)
{
    struct fake *fake = calloc(1, sizeof *fake);
    ASSERT(fake != NULL);
    *fake = (struct fake){ { &fake_ops }, memory };
    lock(memory);
    memory->handles++;
    unlock(memory);
    return &fake->store;
}

struct store *store_fake_create(void)
{
    struct memory *memory = calloc(1, sizeof *memory);
    ASSERT(memory != NULL);
    pthread_mutex_init(&memory->mutex, NULL);
    return handle_on(memory);
}

struct store *store_fake_share(struct store *store)
{
    return handle_on(memory_of(store));
}

void store_fake_inject(struct store *store, enum store_fake_fault fault, size_t skip, size_t times)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    memory->fault = fault;
    memory->skip = skip;
    memory->times = times;
    unlock(memory);
}

void store_fake_inject_random(struct store *store, uint64_t seed, unsigned per_mille)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    memory->random = seed * 2 + 1; /* xorshift's state is never 0 */
    memory->per_mille = per_mille;
    unlock(memory);
}

void store_fake_away(struct store *store, bool away)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    memory->away = away;
    unlock(memory);
}

size_t store_fake_writes(const struct store *store)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    size_t writes = memory->writes;
    unlock(memory);
    return writes;
}

void store_fake_verify(const struct store *store)
{
    struct memory *memory = memory_of(store);
    lock(memory);
    for (size_t i = 0; i < memory->shelf_count; i++) {
        const struct shelf *shelf = memory->shelves[i];
        tree_verify(&shelf->by_id);
        for (size_t k = 0; k < STORE_FIELDS_MAX; k++) {
            if (!shelf->indexed[k])
                continue;
            tree_verify(&shelf->by_field[k]);
            ASSERT(shelf->by_field[k].count == shelf->by_id.count);
        }
    }
    unlock(memory);
}
