#include "record/emission/emission_record.h"

enum {
    F_BLOCK_HASH,
    F_HEIGHT,
    F_TIME_MS,
    F_REWARD,
    F_FEE,
    F_POOLS,
    F_VALIDATORS,
    F_FEE_ACCOUNT,
    F_CREDITED,
    F_GENERATION,
    F_EVENT,
    F_EPOCH,
    F_POOL_COUNT,
    F_RECEIVERS, /* pools, then validators: account (8, big-endian), weight (4) each */
    F_COUNT,
};
enum { RECEIVER_BYTES = 12, ID_BYTES = 65 };

static const struct store_field fields[F_COUNT] = {
    [F_BLOCK_HASH] = { "block_hash", STORE_BYTES, false },
    [F_HEIGHT] = { "height", STORE_INT, true },
    [F_TIME_MS] = { "time_ms", STORE_INT, false },
    [F_REWARD] = { "reward", STORE_INT, false },
    [F_FEE] = { "fee", STORE_INT, false },
    [F_POOLS] = { "pools", STORE_INT, false },
    [F_VALIDATORS] = { "validators", STORE_INT, false },
    [F_FEE_ACCOUNT] = { "fee_account", STORE_INT, false },
    [F_CREDITED] = { "credited", STORE_INT, false },
    [F_GENERATION] = { "generation", STORE_INT, false },
    [F_EVENT] = { "event_sequence", STORE_INT, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_POOL_COUNT] = { "pool_count", STORE_INT, false },
    [F_RECEIVERS] = { "receivers", STORE_BYTES, false },
};
const struct store_collection emission_collection = { "emissions", fields, F_COUNT };

static void id_of(const uint8_t txid[32], char id_r[ID_BYTES])
{
    uint8_t shown[32];
    bytes_reverse(txid, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), id_r);
}

static bool txid_of(const char *id, uint8_t txid_r[32])
{
    uint8_t shown[32];
    if (!hex_decode(id, strlen(id), shown, sizeof shown))
        return false;
    bytes_reverse(shown, sizeof shown, txid_r);
    return true;
}

static size_t pack(const struct emission_receiver *receivers, size_t count, uint8_t *bytes_r)
{
    for (size_t i = 0; i < count; i++) {
        store_be64(bytes_r + i * RECEIVER_BYTES, receivers[i].account);
        store_be32(bytes_r + i * RECEIVER_BYTES + 8, receivers[i].weight);
    }
    return count * RECEIVER_BYTES;
}

static enum store_outcome write(struct store *store, enum store_verb verb,
                                struct emission_record *emission, struct error *error)
{
    uint8_t packed[2 * EMISSION_RECEIVERS_MAX * RECEIVER_BYTES];
    char id[ID_BYTES];
    ASSERT(emission->pool_count <= EMISSION_RECEIVERS_MAX &&
           emission->validator_count <= EMISSION_RECEIVERS_MAX);
    id_of(emission->txid, id);
    size_t length = pack(emission->pools, emission->pool_count, packed);
    length += pack(emission->validators, emission->validator_count, packed + length);
    struct store_write one = { .verb = verb,
                               .collection = &emission_collection,
                               .record = { .id = id, .version = emission->version } };
    struct store_value *values = one.record.values;
    values[F_BLOCK_HASH] = store_bytes(span_of(emission->block_hash, 32));
    values[F_HEIGHT] = store_int(emission->height);
    values[F_TIME_MS] = store_int((int64_t)emission->time_ms);
    values[F_REWARD] = store_int((int64_t)emission->reward.units);
    values[F_FEE] = store_int(emission->terms.fee);
    values[F_POOLS] = store_int(emission->terms.pools);
    values[F_VALIDATORS] = store_int(emission->terms.validators);
    values[F_FEE_ACCOUNT] = store_int((int64_t)emission->fee_account);
    values[F_CREDITED] = store_int(emission->credited);
    values[F_GENERATION] = store_int(emission->generation);
    values[F_EVENT] = store_int((int64_t)emission->event_sequence);
    values[F_EPOCH] = store_int((int64_t)emission->epoch);
    values[F_POOL_COUNT] = store_int((int64_t)emission->pool_count);
    values[F_RECEIVERS] = store_bytes(span_of(packed, length));
    enum store_outcome outcome = store_apply(store, &one, 1, error);
    return outcome == STORE_DONE ? one.outcome : outcome;
}

enum store_outcome emission_insert(struct store *store, struct emission_record *emission,
                                   struct error *error)
{
    enum store_outcome outcome = write(store, STORE_INSERT, emission, error);
    if (outcome == STORE_DONE)
        emission->version = 1;
    return outcome;
}

enum store_outcome emission_save(struct store *store, struct emission_record *emission,
                                 struct error *error)
{
    enum store_outcome outcome = write(store, STORE_REPLACE, emission, error);
    if (outcome == STORE_DONE)
        emission->version++;
    return outcome;
}

/* False where they are not in order, without weight, or do not fit. */
static bool unpack(struct span packed, struct arena *arena, struct emission_receiver **receivers_r,
                   size_t count)
{
    struct emission_receiver *receivers = arena_take(arena, (count + 1) * sizeof *receivers);
    if (receivers == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = packed.data + i * RECEIVER_BYTES;
        receivers[i] =
            (struct emission_receiver){ .account = load_be64(at), .weight = load_be32(at + 8) };
        if (receivers[i].weight == 0 || (i > 0 && receivers[i - 1].account >= receivers[i].account))
            return false;
    }
    *receivers_r = receivers;
    return true;
}

static bool decode(const struct store_record *record, struct arena *arena,
                   struct emission_record *emission_r)
{
    const struct store_value *values = record->values;
    struct span packed = values[F_RECEIVERS].bytes;
    size_t count = packed.length / RECEIVER_BYTES;
    int64_t reward = values[F_REWARD].integer, pools = values[F_POOL_COUNT].integer;
    *emission_r = (struct emission_record){
        .height = (uint32_t)values[F_HEIGHT].integer,
        .time_ms = (uint64_t)values[F_TIME_MS].integer,
        .reward = { (uint64_t)reward },
        .terms = { (uint32_t)values[F_FEE].integer, (uint32_t)values[F_POOLS].integer,
                   (uint32_t)values[F_VALIDATORS].integer },
        .fee_account = (uint64_t)values[F_FEE_ACCOUNT].integer,
        .credited = values[F_CREDITED].integer != 0,
        .generation = (uint32_t)values[F_GENERATION].integer,
        .event_sequence = (uint64_t)values[F_EVENT].integer,
        .epoch = (uint64_t)values[F_EPOCH].integer,
        .version = record->version,
    };
    if (!txid_of(record->id, emission_r->txid) || values[F_BLOCK_HASH].bytes.length != 32 ||
        reward < 0 || packed.length % RECEIVER_BYTES != 0 || pools < 0 || (size_t)pools > count ||
        pools > EMISSION_RECEIVERS_MAX || count - (size_t)pools > EMISSION_RECEIVERS_MAX ||
        !emission_terms_check(&emission_r->terms))
        return false;
    memcpy(emission_r->block_hash, values[F_BLOCK_HASH].bytes.data, 32);
    emission_r->pool_count = (size_t)pools;
    emission_r->validator_count = count - (size_t)pools;
    struct span rest = span_of(packed.data + emission_r->pool_count * RECEIVER_BYTES,
                               emission_r->validator_count * RECEIVER_BYTES);
    return unpack(packed, arena, &emission_r->pools, emission_r->pool_count) &&
           unpack(rest, arena, &emission_r->validators, emission_r->validator_count);
}

enum store_outcome emission_get(struct store *store, const uint8_t txid[32], struct arena *arena,
                                struct emission_record *emission_r, struct error *error)
{
    char id[ID_BYTES];
    struct store_record record;
    id_of(txid, id);
    enum store_outcome outcome = store_get(store, &emission_collection, id, arena, &record, error);
    if (outcome == STORE_DONE && !decode(&record, arena, emission_r)) {
        error_fill(error, ERROR_INVALID, "the store's emission \"%s\" is damaged", id);
        return STORE_FAILED;
    }
    return outcome;
}

struct walk {
    emission_visitor visit;
    void *context;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    uint8_t txid[32];
    walk->damaged = !txid_of(record->id, txid);
    return !walk->damaged && walk->visit(walk->context, txid);
}

static enum store_outcome find(struct store *store, const struct store_query *query,
                               emission_visitor visit, void *context, struct error *error)
{
    struct walk walk = { visit, context, false };
    enum store_outcome outcome =
        store_find(store, &emission_collection, query, on_record, &walk, error);
    if (!walk.damaged)
        return outcome;
    error_fill(error, ERROR_INVALID, "the store has an emission that is damaged");
    return STORE_FAILED;
}

enum store_outcome emission_walk(struct store *store, emission_visitor visit, void *context,
                                 struct error *error)
{
    return find(store, &(struct store_query){ .field = "height" }, visit, context, error);
}

struct gathered {
    uint8_t (*txids)[32];
    size_t capacity, count;
};

static bool gather(void *context, const uint8_t txid[32])
{
    struct gathered *gathered = context;
    if (gathered->count++ >= gathered->capacity)
        return false;
    memcpy(gathered->txids[gathered->count - 1], txid, 32);
    return true;
}

enum store_outcome emission_at_height(struct store *store, uint32_t height, uint8_t (*txids_r)[32],
                                      size_t capacity, size_t *count_r, struct error *error)
{
    struct gathered gathered = { txids_r, capacity, 0 };
    struct store_query query = { .field = "height",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_int(height),
                                 .high = store_int(height) };
    enum store_outcome outcome = find(store, &query, gather, &gathered, error);
    *count_r = gathered.count;
    if (outcome != STORE_DONE || gathered.count <= capacity)
        return outcome;
    error_fill(error, ERROR_FULL, "there are more than %zu emissions in one block", capacity);
    return STORE_FAILED;
}
