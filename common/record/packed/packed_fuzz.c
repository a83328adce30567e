/* Any bytes in the store, as headers and as packed records of each kind, are read or refused: no
 * more is written than there is room for, and what is read is what the header's hash says. */
#include "adapter/store_fake/fake.h"
#include "base/cursor.h"
#include "record/ledger/ledger_record.h"
#include "record/ledger/stretch_record.h"
#include "record/packed/packed.h"
#include "record/segment/segment.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = { "\1\2\3\4 pplns \20\0\0\0 fpps \377", NULL };

enum { ITEMS_MAX = 8 };

static const struct store_collection *const all[] = {
    &snapshot_collection,     &snapshot_part_collection, &stretch_collection,
    &stretch_part_collection, &carry_collection,         &segment_collection,
    &segment_part_collection,
};

/* A field: an integer that is small at times, bytes of the length that is wanted most times. */
static struct store_value take_value(struct cursor_reader *input, enum store_type type)
{
    static const uint8_t lengths[] = { 16, 32, 39, 40, 5, 4, 0, 24 };
    uint8_t choice = cursor_get_u8(input);
    if (type == STORE_INT)
        return store_int(choice < 128 ? choice % 10 : (int64_t)cursor_get_u64(input));
    size_t wanted = choice < 192 ? lengths[choice % 8] : choice - 192u;
    return store_bytes(
        cursor_get_span(input, wanted < input->rest.length ? wanted : input->rest.length));
}

static void put(struct store *store, const struct store_collection *collection, const char *id,
                struct cursor_reader *input)
{
    struct error error;
    struct store_write write = { .verb = STORE_INSERT, .collection = collection };
    write.record.id = id;
    for (size_t i = 0; i < collection->field_count; i++)
        write.record.values[i] = take_value(input, collection->fields[i].type);
    (void)!store_apply(store, &write, 1, &error);
}

static bool on_carry(void *context, uint64_t account, u128 carry)
{
    *(u128 *)context += account + carry;
    return true;
}

/* The first three records of a list. */
static void put_parts(struct store *store, const struct store_collection *collection,
                      const char *name, struct cursor_reader *input)
{
    char id[PACKED_ID_BYTES_MAX];
    for (uint32_t i = 0; i < 3; i++) {
        packed_id(&(struct packed_list){ .name = name }, i, id);
        put(store, collection, id, input);
    }
}

/* Nothing hashes to the zeros of a header that was never filled: no list may be taken for its. */
static void look_at_snapshots(struct store *store, struct cursor_reader *input)
{
    struct snapshot_record snapshot = { .accounts = cursor_get_u8(input) % ITEMS_MAX,
                                        .part_bytes = cursor_get_u8(input) % 2 == 0 ? 32 : 34 };
    struct snapshot_record read;
    struct pplns_part parts[ITEMS_MAX];
    struct error error;
    char name[PACKED_ID_BYTES_MAX];
    snprintf(name, sizeof name, "%064d", 0);
    put(store, &snapshot_collection, name, input);
    (void)!snapshot_get(store, snapshot.block_hash, &read, &error);
    snprintf(name, sizeof name, "%064d:%016d", 0, 0);
    put_parts(store, &snapshot_part_collection, name, input);
    ASSERT(snapshot_parts(store, &snapshot, parts, &error) == STORE_FAILED);
}

static void look_at_stretches(struct store *store, struct cursor_reader *input)
{
    struct stretch_record stretch = { .accounts = cursor_get_u8(input) % ITEMS_MAX }, read;
    struct reward_earning earnings[ITEMS_MAX];
    struct error error;
    char name[PACKED_ID_BYTES_MAX];
    snprintf(name, sizeof name, "%020d", 1);
    put(store, &stretch_collection, name, input);
    (void)!stretch_newest(store, &read, &error);
    snprintf(name, sizeof name, "%020d:%016d", 0, 0);
    put_parts(store, &stretch_part_collection, name, input);
    ASSERT(stretch_earnings(store, &stretch, earnings, &error) == STORE_FAILED);
}

static void look_at_segments(struct store *store, struct cursor_reader *input)
{
    struct segment_record segment = { .accounts = cursor_get_u8(input) % ITEMS_MAX }, read;
    struct segment_sum sums[ITEMS_MAX];
    struct error error;
    char name[PACKED_ID_BYTES_MAX];
    snprintf(name, sizeof name, "%020d", 1);
    put(store, &segment_collection, name, input);
    (void)!segment_newest(store, &read, &error);
    snprintf(name, sizeof name, "%020d:%020d:s", 0, 0);
    put_parts(store, &segment_part_collection, name, input);
    ASSERT(segment_sums(store, &segment, sums, &error) == STORE_FAILED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cursor_reader input = { .rest = span_of(data, length) };
    struct store *store = store_fake_create();
    struct error error;
    u128 sum = 0;
    ASSERT(store_declare(store, all, sizeof all / sizeof *all, &error));
    switch (cursor_get_u8(&input) % 4) {
    case 0:
        look_at_snapshots(store, &input);
        break;
    case 1:
        look_at_stretches(store, &input);
        break;
    case 2:
        look_at_segments(store, &input);
        break;
    default:
        put(store, &carry_collection, "07", &input);
        (void)!carry_walk(store, on_carry, &sum, &error);
    }
    store_close(store);
    return 0;
}
