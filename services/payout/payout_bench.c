/* How long the credits of one block of many accounts take, from its snapshot to the last balance,
 * on the store of a URL; then its maturing, and the audit of it all.
 *   payout_bench URL [ACCOUNTS [BLOCKS]] */
#include "adapter/store_open/store_open.h"
#include "adapter/window_fake/window_fake.h"
#include "record/event/event.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

static int fail(const char *what, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return 1;
}

/* One block: its snapshot, FOUND, MATURED. */
static int run_block(struct engine *engine, struct store *store, struct pplns_part *parts,
                     size_t accounts, uint8_t number)
{
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
        if (event_newest(store, &event.sequence, &error) != STORE_DONE)
            return fail("events", &error);
        event.sequence++;
        if (event_append(store, &event, &error) != STORE_DONE)
            return fail("event", &error);
        if (engine_tick(engine, loop_unix_ms(), &error) != STEP_DONE)
            return fail("tick", &error);
        printf("%s: %" PRIu64 " ms\n", event_kind_name((enum wire_reward_kind)kind),
               now_ms() - start);
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
    struct store *store = store_open(argv[1], 60000, &error);
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
        result = run_block(engine, store, parts, accounts, (uint8_t)i);
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
