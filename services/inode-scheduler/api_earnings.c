/* An account's postings as a file for its bookkeeping (RFC 4180): one line a posting, oldest of the
 * answer last, amounts in coins with all their decimals. */
#include "services/inode-scheduler/api.h"

#include "record/ledger/ledger_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINE_BYTES = 320 };

/* "-0.00000001": exact, whatever the coin's decimals. */
static void amount_text(int64_t amount, unsigned decimals, char text_r[48])
{
    uint64_t units = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    uint64_t coin = 1;
    for (unsigned i = 0; i < decimals; i++)
        coin *= 10;
    const char *sign = amount < 0 ? "-" : "";
    if (decimals == 0)
        snprintf(text_r, 48, "%s%" PRIu64, sign, units);
    else
        snprintf(text_r, 48, "%s%" PRIu64 ".%0*" PRIu64, sign, units / coin, (int)decimals,
                 units % coin);
}

static size_t line_of(const struct scheduler *scheduler, const struct entry_record *entry,
                      const struct set_record *set, char line_r[LINE_BYTES])
{
    char when[32], amount[48], subject[BLOCK_ID_BYTES];
    time_t seconds = (time_t)(set->time_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    amount_text(entry->leg.amount, scheduler->options.coin.decimals, amount);
    bool block = set->cause.kind == LEDGER_FOUND || set->cause.kind == LEDGER_MATURED ||
                 set->cause.kind == LEDGER_ORPHANED;
    if (ledger_cause_is_of_event(set->cause.kind)) /* a received payment has its transaction's id */
        block_id(set->cause.subject, subject);
    else
        snprintf(subject, sizeof subject, "%" PRIu64, ledger_cause_number(&set->cause));
    return (size_t)snprintf(
        line_r, LINE_BYTES, "%" PRIu64 ",%s,%s,%s,%s,%s,%s,%s\r\n", set->seq, when,
        ledger_cause_name(set->cause.kind), ledger_kind_name(entry->leg.kind), amount,
        scheduler->options.coin.ticker, block ? subject : "", block ? "" : subject);
}

static void earnings_read(struct api_read *read)
{
    static const char head[] = "sequence,time,event,kind,amount,ticker,block,payment\r\n";
    struct account account;
    struct store *store = read->scheduler->api_store;
    if (!api_find_account(read, &account))
        return;
    struct api_entries *earnings = calloc(1, sizeof *earnings);
    char *text = malloc(sizeof head + (size_t)API_ENTRIES_MAX * LINE_BYTES);
    ASSERT(earnings != NULL && text != NULL);
    bool ok = api_read_entries(read, account.id, earnings);
    size_t length = sizeof head - 1;
    memcpy(text, head, sizeof head);
    for (size_t i = 0; ok && i < earnings->count; i++) {
        struct set_record set;
        enum store_outcome outcome = set_get(store, earnings->entries[i].seq, &set, &read->error);
        ok = outcome != STORE_FAILED;
        if (outcome == STORE_DONE && set.state != SET_OPEN)
            length += line_of(read->scheduler, &earnings->entries[i], &set, text + length);
    }
    free(earnings);
    if (ok)
        read->text = text;
    else
        free(text);
}

void api_earnings(void *context, struct http_exchange *exchange)
{
    static const struct api_list earnings = { API_ENTRIES_MAX, API_ENTRIES_MAX, HTTP_PAGE_COUNT,
                                              INT64_MAX, 1 };
    api_list_begin(context, exchange, http_segment(exchange, 0), &earnings, earnings_read);
}
