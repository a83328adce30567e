/* Any bytes in the store, as headers and as packed records of each kind, are read or refused: no
 * more is written than there is room for, and what is read is what the header's hash says. */
#include "adapter/store_fake/fake.h"
#include "base/cursor.h"
#include "record/ledger/ledger_record.h"
#include "record/ledger/stretch_record.h"
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

/* Parts of a header that was read, of as many records as there are bytes for. */
static void look(struct store *store, struct cursor_reader *input)
{
    struct error error;
    struct snapshot_record snapshot = { .accounts = cursor_get_u8(input) % ITEMS_MAX,
                                        .part_bytes = cursor_get_u8(input) % 2 == 0 ? 32 : 34 };
    struct stretch_record stretch = { .accounts = cursor_get_u8(input) % ITEMS_MAX };
    struct segment_record segment = { .accounts = cursor_get_u8(input) % ITEMS_MAX };
    struct pplns_part parts[ITEMS_MAX];
    struct reward_earning earnings[ITEMS_MAX];
    struct segment_sum sums[ITEMS_MAX];
    char id[160];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(id, sizeof id, "%064d:%016d:%06u", 0, 0, i);
        put(store, &snapshot_part_collection, id, input);
        snprintf(id, sizeof id, "%020d:%016d:%06u", 0, 0, i);
        put(store, &stretch_part_collection, id, input);
        snprintf(id, sizeof id, "%020d:%020d:s:%06u", 0, 0, i);
        put(store, &segment_part_collection, id, input);
    }
    /* No input hashes to zeros. */
    bool read = snapshot_parts(store, &snapshot, parts, &error) == STORE_DONE ||
                stretch_earnings(store, &stretch, earnings, &error) == STORE_DONE ||
                segment_sums(store, &segment, sums, &error) == STORE_DONE;
    ASSERT(!read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cursor_reader input = { .rest = span_of(data, length) };
    struct store *store = store_fake_create();
    struct error error;
    struct snapshot_record snapshot;
    struct stretch_record stretch;
    struct segment_record segment;
    uint8_t block[32] = { 0 };
    char id[80];
    u128 sum = 0;
    ASSERT(store_declare(store, all, sizeof all / sizeof *all, &error));
    snprintf(id, sizeof id, "%064d", 0);
    put(store, &snapshot_collection, id, &input);
    snprintf(id, sizeof id, "%020d", 1);
    put(store, &stretch_collection, id, &input);
    put(store, &segment_collection, id, &input);
    put(store, &carry_collection, "07", &input);
    (void)!snapshot_get(store, block, &snapshot, &error);
    (void)!stretch_newest(store, &stretch, &error);
    (void)!segment_newest(store, &segment, &error);
    (void)!carry_walk(store, on_carry, &sum, &error);
    look(store, &input);
    store_close(store);
    return 0;
}
