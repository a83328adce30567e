/* How long a window of ten million shares of a hundred thousand accounts takes from memory: adding
 * it up, collecting, splitting. Ends with 1 where it takes longer than the budget of 250 ms (given
 * in ms as the first argument). */
#include "core/pplns/pplns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHARES = 10000000, ACCOUNTS = 100000, BITS = 18, BUDGET_MS = 250 };

/* As a window's share is kept. */
struct kept_share {
    uint64_t account, worker, work, job_id, time_ms;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int main(int argc, char **argv)
{
    uint64_t budget_ms = argc > 1 ? strtoull(argv[1], NULL, 10) : BUDGET_MS, best = UINT64_MAX;
    struct kept_share *shares = malloc(sizeof *shares * SHARES);
    struct pplns_slot *slots = malloc(sizeof *slots << BITS);
    struct pplns_part *parts = malloc(sizeof *parts * ACCOUNTS);
    if (shares == NULL || slots == NULL || parts == NULL)
        return 77;
    for (size_t i = 0; i < SHARES; i++)
        shares[i] = (struct kept_share){ .account = mix(1 + mix(i) % ACCOUNTS),
                                         .work = 1 + (mix(i + 7) >> 30) };
    for (int round = 0; round < 3; round++) {
        struct pplns_table table;
        uint64_t start = now_us();
        pplns_init(&table, slots, BITS, ~(u128)0 >> 1);
        for (size_t i = 0; i < SHARES; i++) {
            if (i + PPLNS_AHEAD < SHARES)
                pplns_announce(&table, shares[i + PPLNS_AHEAD].account);
            if (pplns_add(&table, shares[i].account, shares[i].work) != PPLNS_MORE)
                abort();
        }
        uint64_t added = now_us();
        pplns_collect(&table, parts);
        uint64_t collected = now_us();
        if (!pplns_split(parts, table.accounts, (struct money){ 312500000 }))
            abort();
        uint64_t split = now_us();
        printf("add %" PRIu64 " ms, collect %" PRIu64 " ms, split %" PRIu64 " ms, all %" PRIu64
               " ms (%zu accounts)\n",
               (added - start) / 1000, (collected - added) / 1000, (split - collected) / 1000,
               (split - start) / 1000, table.accounts);
        best = split - start < best ? split - start : best;
    }
    free(shares);
    free(slots);
    free(parts);
    return best / 1000 <= budget_ms ? 0 : 1;
}
