#include "record/access/keys.h"

#include "core/identity/blake2b.h"
#include "record/versioned/versioned.h"

enum { FIELD_SEALED, FIELD_COUNT };

static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_SEALED] = { "sealed", STORE_BYTES, false },
};
const struct store_collection access_keys_collection = { "token_keys", fields, FIELD_COUNT };

/* version u8, generation u64, said u64, count u8, the keys; then the seal. */
enum {
    FORM = 1,
    HEAD_BYTES = 18,
    SEAL_BYTES = 32,
    SEALED_BYTES_MAX = HEAD_BYTES + ACCESS_KEYS_MAX * ACCESS_KEY_BYTES + SEAL_BYTES,
    ATTEMPTS_MAX = 4,
    READ_BYTES = 2048,
};

static const char record_id[] = "auth";

static void seal(const struct identity_key *secret, struct span body, uint8_t seal_r[SEAL_BYTES])
{
    static const char use[] = "adit token keys";
    const struct span label = span_text(use);
    uint8_t key[SEAL_BYTES];
    blake2b(span_of(secret->bytes, sizeof secret->bytes), &label, 1, key, sizeof key);
    blake2b(span_of(key, sizeof key), &body, 1, seal_r, SEAL_BYTES);
    explicit_bzero(key, sizeof key);
}

static size_t encode(const struct identity_key *secret, const struct access_keys *keys,
                     uint8_t bytes_r[SEALED_BYTES_MAX])
{
    ASSERT(keys->count >= 1 && keys->count <= ACCESS_KEYS_MAX);
    size_t length = HEAD_BYTES + keys->count * ACCESS_KEY_BYTES;
    bytes_r[0] = FORM;
    store_le64(bytes_r + 1, keys->generation);
    store_le64(bytes_r + 9, keys->said_s);
    bytes_r[17] = (uint8_t)keys->count;
    memcpy(bytes_r + HEAD_BYTES, keys->keys, keys->count * ACCESS_KEY_BYTES);
    seal(secret, span_of(bytes_r, length), bytes_r + length);
    return length + SEAL_BYTES;
}

/* Takes the same time wherever it differs: who tries seals learns nothing from how long it took. */
static bool same(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    unsigned difference = 0;
    for (size_t i = 0; i < bytes; i++)
        difference |= (unsigned)a[i] ^ b[i];
    return difference == 0;
}

static bool decode(const struct identity_key *secret, struct span bytes, struct access_keys *keys_r)
{
    uint8_t expected[SEAL_BYTES];
    if (bytes.length < HEAD_BYTES + ACCESS_KEY_BYTES + SEAL_BYTES ||
        bytes.length > SEALED_BYTES_MAX)
        return false;
    size_t length = bytes.length - SEAL_BYTES;
    seal(secret, span_of(bytes.data, length), expected);
    if (!same(expected, bytes.data + length, SEAL_BYTES) || bytes.data[0] != FORM)
        return false;
    keys_r->generation = load_le64(bytes.data + 1);
    keys_r->said_s = load_le64(bytes.data + 9);
    keys_r->count = bytes.data[17];
    if (length != HEAD_BYTES + keys_r->count * ACCESS_KEY_BYTES)
        return false;
    memcpy(keys_r->keys, bytes.data + HEAD_BYTES, keys_r->count * ACCESS_KEY_BYTES);
    return true;
}

static enum store_outcome read(struct store *store, const struct identity_key *secret,
                               struct access_keys *keys_r, uint64_t *version_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    *keys_r = (struct access_keys){ .count = 0 };
    *version_r = 0;
    enum store_outcome outcome =
        store_get(store, &access_keys_collection, record_id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    *version_r = record.version;
    if (decode(secret, record.values[FIELD_SEALED].bytes, keys_r))
        return STORE_DONE;
    *keys_r = (struct access_keys){ .count = 0 };
    error_fill(error, ERROR_INVALID,
               "the keys of auth in the store are not sealed with this deployment's secret");
    return STORE_FAILED;
}

enum store_outcome access_keys_read(struct store *store, const struct identity_key *secret,
                                    struct access_keys *keys_r, struct error *error)
{
    uint64_t version;
    return read(store, secret, keys_r, &version, error);
}

enum store_outcome access_keys_say(struct store *store, const struct identity_key *secret,
                                   const struct access_keys *keys, struct error *error)
{
    uint8_t bytes[SEALED_BYTES_MAX];
    size_t length = encode(secret, keys, bytes);
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS_MAX && outcome == STORE_CONFLICT; i++) {
        struct access_keys found;
        uint64_t version;
        enum store_outcome there = read(store, secret, &found, &version, error);
        if (there == STORE_FAILED && version == 0)
            return STORE_FAILED;
        if (there == STORE_DONE && found.generation > keys->generation)
            return STORE_EXISTS;
        const struct store_record record = {
            .id = record_id, .values = { [FIELD_SEALED] = store_bytes(span_of(bytes, length)) }
        };
        /* CONFLICT: somebody was first: look at what it said. */
        outcome = versioned_save(store, &access_keys_collection, &record, &version, error);
    }
    return outcome;
}
