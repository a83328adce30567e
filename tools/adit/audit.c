/* adit audit: the ledger held against itself, from the store alone; a running pool is not
 * disturbed. 0: no difference; 2: there are some; 1: the store cannot be read. */
#include "commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/random.h>

#include "adapter/coin_file/coin_file.h"
#include "adapter/node_rpc/node_rpc.h"
#include "books.h"
#include "loop/loop.h"
#include "record/ledger/ledger_record.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"

static void print_difference(void *context, const char *difference)
{
    (void)context;
    fprintf(stderr, "difference: %s\n", difference);
}

/* What stands in the books, and what the wallet has next to it. */
struct sums {
    int64_t rewards; /* what the chain has paid us: the network's account went down by it */
    int64_t owed, in_flight, immature; /* of miners */
    bool has_wallet;
    uint64_t wallet;
    char why_not[200];
};

static bool add_balance(void *context, const struct balance_record *balance)
{
    struct sums *sums = context;
    const struct ledger_balance *amounts = &balance->amounts;
    if (balance->account.owner == LEDGER_NETWORK)
        sums->rewards -=
            amounts->immature + amounts->available + amounts->in_flight + amounts->paid;
    if (balance->account.owner != LEDGER_MINER)
        return true;
    sums->owed += amounts->available;
    sums->in_flight += amounts->in_flight;
    sums->immature += amounts->immature;
    return true;
}

/* The wallet is asked where it can be; the audit does not need it. */
static void ask_wallet(const struct settings *settings, struct sums *sums)
{
    struct error error = { .text = "there is no node in the settings" };
    struct coin_file coin;
    const struct node_rpc_options options = {
        .url = settings->chain_nodes.count > 0 ? settings->chain_nodes.items[0] : NULL,
        .cookie_file = settings->chain_cookie_file,
        .wallet = settings->chain_wallet,
        .coin =
            coin_file_open(settings->chain_profile, settings->chain_profile_folder, &coin, &error),
    };
    struct node *node =
        options.url != NULL && options.coin != NULL ? node_rpc_open(&options, &error) : NULL;
    sums->has_wallet = node != NULL && node_wallet_balance(node, &sums->wallet, &error) == NODE_OK;
    if (!sums->has_wallet)
        snprintf(sums->why_not, sizeof sums->why_not, "%.190s", error.text);
    if (node != NULL)
        node_close(node);
}

static void print_text(const struct payout_audit_report *report, const struct sums *sums)
{
    printf("%" PRIu64 " sets, %" PRIu64 " entries, %" PRIu64 " accounts, %" PRIu64
           " blocks (the windows of %" PRIu64 " added up again from their shares), %" PRIu64
           " stretches, %" PRIu64 " payments; rewards of %" PRId64 " base units; %" PRIu64
           " differences\n",
           report->sets, report->entries, report->accounts, report->snapshots, report->windows,
           report->stretches, report->payments, sums->rewards, report->differences);
    printf("owed now %" PRId64 ", in flight %" PRId64 ", immature %" PRId64 "; the wallet ",
           sums->owed, sums->in_flight, sums->immature);
    if (sums->has_wallet)
        printf("could spend %" PRIu64 "\n", sums->wallet);
    else
        printf("was not asked: %s\n", sums->why_not);
}

static void set_amount(json_t *object, const char *name, int64_t amount)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, amount);
    json_object_set_new(object, name, json_string(text));
}

static void print_json(const struct payout_audit_report *report, const struct sums *sums)
{
    json_t *all = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "sets", (json_int_t)report->sets, "entries",
        (json_int_t)report->entries, "accounts", (json_int_t)report->accounts, "blocks",
        (json_int_t)report->snapshots, "stretches", (json_int_t)report->stretches, "payments",
        (json_int_t)report->payments, "differences", (json_int_t)report->differences,
        "first_difference", report->first);
    json_object_set_new(all, "windows",
                        json_pack("{s:I, s:I, s:I}", "added_up", (json_int_t)report->windows,
                                  "too_new", (json_int_t)report->windows_open, "dropped",
                                  (json_int_t)report->windows_dropped));
    set_amount(all, "rewards", sums->rewards);
    set_amount(all, "owed", sums->owed);
    set_amount(all, "in_flight", sums->in_flight);
    set_amount(all, "immature", sums->immature);
    if (sums->has_wallet)
        set_amount(all, "wallet", (int64_t)sums->wallet);
    else
        json_object_set_new(all, "wallet", json_null());
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

/* Balances from entries; the audit that follows shows what it came to. */
static bool rebuild(struct store *store, struct error *error)
{
    uint64_t changed = 0, boot_id;
    if (getrandom(&boot_id, sizeof boot_id, 0) != (ssize_t)sizeof boot_id)
        return error_set(error, ERROR_UNAVAILABLE, "there are no random numbers");
    if (!payout_rebuild(store, boot_id, loop_unix_ms(), &changed, error))
        return false;
    fprintf(stderr, "%" PRIu64 " balances were written anew\n", changed);
    return true;
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
    struct sums sums = { 0 };
    bool looked = engine_declare(store, &error) && (!options->rebuild || rebuild(store, &error)) &&
                  payout_audit(store, print_difference, NULL, &report, &error) &&
                  balance_walk(store, add_balance, &sums, &error) == STORE_DONE;
    if (looked)
        ask_wallet(&settings, &sums);
    books_close(&settings, store);
    if (!looked) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 1;
    }
    if (options->json)
        print_json(&report, &sums);
    else
        print_text(&report, &sums);
    return report.differences == 0 ? 0 : 2;
}
