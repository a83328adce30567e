/* What an account earned in the last day, what its work of the last hour would earn in one, and
 * what it takes until it is paid: the questions a miner asks. Earned is of the ledger; expected is
 * an estimate, with the error of the hashrate it is made of. */
#include "services/inode-scheduler/api.h"

#include "core/reward/reward.h"
#include "record/ledger/ledger_record.h"

#include <stdio.h>
#include <stdlib.h>

/* A look at few postings is enough for most accounts. One question looks at no more than the second
 * number of sets: a day of a chain with a block every five minutes. */
enum { SETS_FEW = 32, SETS_MAX = 600, DAY_S = 86400 };

struct earned {
    uint64_t seqs[SETS_MAX];
    int64_t amounts[SETS_MAX]; /* what the set gave the account, of all kinds of balance */
    size_t count, capacity;
    bool more;
};

static bool on_entry(void *context, const struct entry_record *entry)
{
    struct earned *earned = context;
    if (earned->count == 0 || earned->seqs[earned->count - 1] != entry->seq) {
        earned->more = earned->count == earned->capacity;
        if (earned->more)
            return false;
        earned->seqs[earned->count] = entry->seq;
        earned->amounts[earned->count++] = 0;
    }
    earned->amounts[earned->count - 1] += entry->leg.amount;
    return true;
}

/* Credits and what took them back; what only moves between balances adds up to nothing, and
 * payments are not earned. */
static bool is_earned(enum ledger_cause_kind kind)
{
    return ledger_cause_is_of_event(kind) || kind == LEDGER_EARNED;
}

struct earnings_day {
    int64_t sum;
    uint64_t since_s;
    bool whole; /* since_s is a day ago */
};

/* The newest `capacity` sets of the account as far as they are of the last day. False with the
 * error where the store failed. */
static bool look_back(struct api_read *read, uint64_t account, uint64_t now_s, size_t capacity,
                      struct earned *earned, struct earnings_day *day_r)
{
    struct store *store = read->scheduler->api_store;
    struct ledger_account who = ledger_miner(account);
    earned->count = 0;
    earned->capacity = capacity;
    earned->more = false;
    *day_r = (struct earnings_day){ .since_s = now_s - DAY_S, .whole = true };
    if (entry_walk_account(store, &who, 0, 0, on_entry, earned, &read->error) != STORE_DONE)
        return false;
    uint64_t oldest_s = now_s;
    for (size_t i = 0; i < earned->count; i++) {
        struct set_record set;
        if (set_get(store, earned->seqs[i], &set, &read->error) != STORE_DONE)
            return false;
        oldest_s = set.time_ms / 1000;
        if (oldest_s < day_r->since_s)
            return true;
        if (is_earned(set.cause.kind))
            day_r->sum += earned->amounts[i];
    }
    if (earned->more) {
        day_r->since_s = oldest_s;
        day_r->whole = false;
    }
    return true;
}

static json_t *earned_of(struct api_read *read, uint64_t account, uint64_t now_s)
{
    struct earnings_day day;
    struct earned *earned = calloc(1, sizeof *earned);
    ASSERT(earned != NULL);
    bool ok = look_back(read, account, now_s, SETS_FEW, earned, &day);
    if (ok && !day.whole)
        ok = look_back(read, account, now_s, SETS_MAX, earned, &day);
    free(earned);
    return ok ? json_pack("{s:o, s:I, s:b}", "amount", api_money(day.sum), "since",
                          (json_int_t)day.since_s, "whole_day", day.whole)
              : NULL;
}

/* What the pool keeps of what the account earns. */
static uint32_t fee_of(const struct settings *settings, const struct account *account)
{
    for (size_t i = 0; i < settings->reward_fee_classes.count; i++) {
        struct reward_class class;
        if (reward_class_parse(span_text(settings->reward_fee_classes.items[i]), &class) &&
            strcmp(class.name, account->fee_class) == 0)
            return class.basis_points;
    }
    return (uint32_t)settings->reward_fee_basis_points;
}

/* The account's part of a day's blocks at its rate: rate · 86400 · reward / network work, less the
 * fee. Null where nothing is known, or it is beyond all bounds. */
static json_t *expected_of(const json_t *job, u128 rate, uint32_t fee_basis_points)
{
    u128 network_work = (u128)json_real_value(json_object_get(job, "network_work"));
    u128 value = (u128)json_integer_value(json_object_get(job, "value"));
    u128 work, whole, rest;
    if (network_work == 0 || __builtin_mul_overflow(rate, (u128)DAY_S, &work) ||
        __builtin_mul_overflow(work / network_work, value, &whole) ||
        __builtin_mul_overflow(work % network_work, value, &rest))
        return json_null();
    u128 units = whole + rest / network_work;
    if (units > INT64_MAX)
        return json_null();
    return api_money((int64_t)(units * (10000 - fee_basis_points) / 10000));
}

static void outlook_read(struct api_read *read)
{
    const struct settings *settings = read->scheduler->options.settings;
    uint64_t now = loop_unix_ms();
    struct account account;
    struct stats_sums sums;
    json_t *earned;
    if (!api_find_account(read, &account) ||
        (earned = earned_of(read, account.id, now / 1000)) == NULL)
        return;
    struct account_payout payout = account_payout(&account, &read->scheduler->options.coin);
    uint32_t fee = fee_of(settings, &account);
    uint64_t threshold =
        payout.threshold != 0 ? payout.threshold : (uint64_t)settings->payout_threshold;
    stats_of(read->scheduler->stats, account.id, 0, now, &sums);
    json_t *errors = api_rate_errors(&sums);
    read->document = json_pack(
        "{s:o, s:o, s:O, s:I, s:o, s:b, s:I}", "earned", earned, "expected_day",
        expected_of(read->aside, stats_rate(&sums, STATS_HOUR, now), fee), "expected_error",
        json_object_get(errors, "1h"), "fee_basis_points", (json_int_t)fee, "threshold",
        api_money((int64_t)threshold), "payable",
        account_is_payable(&account, &payout, now) && payout.address[0] != '\0', "locked_until",
        (json_int_t)(payout.lock_until_ms > now ? payout.lock_until_ms / 1000 : 0));
    json_decref(errors);
    api_add_coin(read->document, read->scheduler);
}

void api_outlook(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    struct api_read *read = api_read_new(scheduler, exchange, outlook_read);
    snprintf(read->name, sizeof read->name, "%s", http_segment(exchange, 0));
    /* the worker's thread may not look at jobs; network work is as exact as an estimate is */
    read->aside = json_pack("{s:f, s:I}", "network_work", (double)scheduler_network_work(scheduler),
                            "value", (json_int_t)(view.any ? view.coinbase_value : 0));
    api_read_submit(read);
}
