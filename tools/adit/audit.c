/* adit audit: the ledger held against itself, from the store alone; a running pool is not
 * disturbed. 0: no difference; 2: there are some; 1: the store cannot be read. */
#include "commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "books.h"
#include "record/ledger/ledger_record.h"
#include "services/payout/audit.h"

static void print_difference(void *context, const char *difference)
{
    (void)context;
    fprintf(stderr, "difference: %s\n", difference);
}

/* What the chain has paid us by the ledger: the network's account went down by it. */
static bool sum_rewards(struct store *store, int64_t *rewards_r, struct error *error)
{
    const struct ledger_account network = ledger_house(LEDGER_NETWORK);
    struct balance_record balance;
    enum store_outcome outcome = balance_get(store, &network, &balance, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    *rewards_r = -(balance.amounts.immature + balance.amounts.available +
                   balance.amounts.in_flight + balance.amounts.paid);
    return true;
}

static void print_report(const struct payout_audit_report *report, int64_t rewards, bool json)
{
    char sum[32];
    snprintf(sum, sizeof sum, "%" PRId64, rewards);
    if (!json) {
        printf("%" PRIu64 " sets, %" PRIu64 " entries, %" PRIu64 " accounts, %" PRIu64
               " blocks, %" PRIu64 " payments; rewards of %s base units; %" PRIu64 " differences\n",
               report->sets, report->entries, report->accounts, report->snapshots, report->payments,
               sum, report->differences);
        return;
    }
    json_t *all = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:s}", "sets", (json_int_t)report->sets, "entries",
        (json_int_t)report->entries, "accounts", (json_int_t)report->accounts, "blocks",
        (json_int_t)report->snapshots, "payments", (json_int_t)report->payments, "rewards", sum,
        "differences", (json_int_t)report->differences, "first_difference", report->first);
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

int command_audit(const struct options *options)
{
    struct settings settings;
    struct store *store;
    struct error error;
    int code = books_open(options, &settings, &store);
    if (code != 0)
        return code;
    struct payout_audit_report report;
    int64_t rewards = 0;
    bool looked = payout_audit(store, print_difference, NULL, &report, &error) &&
                  sum_rewards(store, &rewards, &error);
    books_close(&settings, store);
    if (!looked) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 1;
    }
    print_report(&report, rewards, options->json);
    return report.differences == 0 ? 0 : 2;
}
