/* How long the credits of one block of many accounts take, from its snapshot to the last balance,
 * on the store of a URL; then its maturing, and the audit of it all. What the store was asked for
 * is counted, in bulks of a thousand writes of one kind, as MongoDB gets them: each is one round
 * trip. payout_bench URL [ACCOUNTS [BLOCKS]] */
#include "adapter/store_open/store_open.h"
#include "adapter/window_fake/window_fake.h"
#include "record/event/event.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BULK = 1000 };

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int compare_accounts(const void *a, const void *b)
{
    const struct pplns_part *x = a, *y = b;
    return (x->account > y->account) - (x->account < y->account);
}

static uint64_t now_ms(void)
{
    return loop_clock_ns() / 1000000;
}

/* What it is asked for, on the way to the store itself. */
struct counted {
    struct store port;
    struct store *inner;
    uint64_t writes, bulks, reads;
};

static struct store *inner_of(struct store *store)
{
    return ((struct counted *)store)->inner;
}

static bool c_declare(struct store *store, const struct store_collection *const *collections,
                      size_t count, struct error *error)
{
    return store_declare(inner_of(store), collections, count, error);
}

static enum store_outcome c_apply(struct store *store, struct store_write *writes, size_t count,
                                  struct error *error)
{
    struct counted *counted = (struct counted *)store;
    uint64_t of_verb[STORE_DELETE + 1] = { 0 };
    for (size_t i = 0; i < count; i++) /* the engine writes to one collection a call */
        of_verb[writes[i].verb]++;
    for (int verb = STORE_INSERT; verb <= STORE_DELETE; verb++)
        counted->bulks += (of_verb[verb] + BULK - 1) / BULK;
    counted->writes += count;
    return store_apply(counted->inner, writes, count, error);
}

static enum store_outcome c_get(struct store *store, const struct store_collection *collection,
                                const char *id, struct arena *arena, struct store_record *record_r,
                                struct error *error)
{
    ((struct counted *)store)->reads++;
    return store_get(inner_of(store), collection, id, arena, record_r, error);
}

static enum store_outcome c_find(struct store *store, const struct store_collection *collection,
                                 const struct store_query *query, store_visitor visitor,
                                 void *context, struct error *error)
{
    ((struct counted *)store)->reads++;
    return store_find(inner_of(store), collection, query, visitor, context, error);
}

static bool c_ping(struct store *store, struct error *error)
{
    return store_ping(inner_of(store), error);
}

static bool c_writable(struct store *store, struct error *error)
{
    return store_writable(inner_of(store), error);
}

static void c_close(struct store *store)
{
    store_close(inner_of(store));
}

static const struct store_ops counted_ops = { .declare = c_declare,
                                              .apply = c_apply,
                                              .get = c_get,
                                              .find = c_find,
                                              .ping = c_ping,
                                              .writable = c_writable,
                                              .close = c_close };

static int fail(const char *what, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return 1;
}

/* One block: its snapshot, FOUND, MATURED. */
static int run_block(struct engine *engine, struct counted *counted, struct pplns_part *parts,
                     size_t accounts, uint8_t number)
{
    struct store *store = &counted->port;
    struct error error = { .text = "" };
    struct snapshot_record snapshot = { .height = number,
                                        .reward = { 312500000 },
                                        .fee_basis_points = 100,
                                        .window_percent = 200,
                                        .scheme = "pplns",
                                        .block_hash = { number } };
    for (size_t i = 0; i < accounts; i++)
        parts[i].fee_basis_points = snapshot.fee_basis_points;
    snapshot.fee = reward_share(parts, accounts, snapshot.reward, 100).fee;
    uint64_t start = now_ms();
    if (snapshot_insert(store, &snapshot, parts, accounts, &error) != STORE_DONE)
        return fail("snapshot", &error);
    printf("snapshot of %zu accounts: %" PRIu64 " ms\n", accounts, now_ms() - start);
    for (int kind = WIRE_REWARD_FOUND; kind <= WIRE_REWARD_MATURED; kind++) {
        struct wire_reward_event event = { .kind = (uint8_t)kind,
                                           .generation = 1,
                                           .height = number,
                                           .reward = snapshot.reward.units,
                                           .network_work_low = 1000,
                                           .block_hash = { number } };
        start = now_ms();
        counted->writes = counted->bulks = counted->reads = 0;
        if (event_newest(store, &event.sequence, &error) != STORE_DONE)
            return fail("events", &error);
        event.sequence++;
        if (event_append(store, &event, &error) != STORE_DONE)
            return fail("event", &error);
        if (engine_tick(engine, loop_unix_ms(), &error) != STEP_DONE)
            return fail("tick", &error);
        printf("%s: %" PRIu64 " ms, %" PRIu64 " writes in %" PRIu64 " bulks, %" PRIu64 " reads\n",
               event_kind_name((enum wire_reward_kind)kind), now_ms() - start, counted->writes,
               counted->bulks, counted->reads);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [ACCOUNTS [BLOCKS]]\n", argv[0]);
        return 64;
    }
    struct error error = { .text = "" };
    size_t accounts = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    unsigned long blocks = argc > 3 ? strtoul(argv[3], NULL, 10) : 2;
    log_open("payout-bench", "1", LOG_ERROR);
    struct loop *loop = loop_create(&error);
    struct window_fake *shares = loop != NULL ? window_fake_create(loop) : NULL;
    struct window_reader *window = shares != NULL ? window_fake_reader(shares) : NULL;
    struct counted counted = { .port = { &counted_ops },
                               .inner = store_open(argv[1], 60000, &error) };
    struct store *store = counted.inner != NULL ? &counted.port : NULL;
    struct pplns_part *parts = calloc(accounts, sizeof *parts);
    if (window == NULL || store == NULL || parts == NULL || !engine_declare(store, &error))
        return fail("open", &error);
    for (size_t i = 0; i < accounts; i++)
        parts[i] = (struct pplns_part){ .account = mix(i + 1), .work = 1 + (mix(i + 99) >> 40) };
    qsort(parts, accounts, sizeof *parts, compare_accounts);
    struct engine_options options = { .instance = "bench",
                                      .boot_id = 1,
                                      .coin = coin_profile_find(span_text("bitcoin-regtest")),
                                      .scheme = REWARD_PPLNS,
                                      .window_percent = 200,
                                      .payment = { 1, 100, 0 },
                                      .threshold = { 1 },
                                      .outputs_max = 1,
                                      .push_interval_ms = UINT32_MAX,
                                      .trim_interval_ms = UINT32_MAX };
    struct engine *engine = engine_open(&options, store, window, NULL, loop_unix_ms(), &error);
    if (engine == NULL)
        return fail("engine", &error);
    int result = 0;
    for (unsigned long i = 1; i <= blocks && result == 0; i++)
        result = run_block(engine, &counted, parts, accounts, (uint8_t)i);
    struct payout_audit_report report = { 0 };
    uint64_t start = now_ms();
    if (result == 0 && !payout_audit(store, NULL, NULL, &report, &error))
        result = fail("audit", &error);
    printf("audit of %" PRIu64 " postings: %" PRIu64 " ms, %" PRIu64 " differences\n",
           report.entries, now_ms() - start, report.differences);
    engine_close(engine);
    store_close(store);
    window_reader_close(window);
    window_fake_destroy(shares);
    loop_destroy(loop);
    free(parts);
    return result != 0 || report.differences != 0;
}
