/* How balances lie in the store: many in one record, a *page*, by the top bits of the account's id
 * (ids are keyed hashes, so the pages grow alike) and one page for the pool's own accounts. A set
 * of many accounts is thus a bounded number of conditional writes, each of one record, whatever the
 * store makes of a hundred thousand small ones. Inside this folder only. */
#pragma once
#include "record/ledger/ledger_record.h"

enum {
    BALANCE_PAGES = 1024,          /* of miners; by the ten top bits */
    BALANCE_HOUSE = BALANCE_PAGES, /* the page of all others */
    BALANCE_PAGE_ID_BYTES = 12,    /* "miner:3ff" or "house" and a NUL: they sort as accounts do */
    BALANCE_ITEM_BYTES = 1 + 8 + 7 * 8, /* owner, account, four kinds, three sequences */
};

struct balance_page {
    uint64_t version;             /* the store's; 0: not there */
    struct balance_record *items; /* ascending accounts; owned: free */
    size_t count;
};

unsigned balance_page_of(const struct ledger_account *account);
void balance_page_id(unsigned page, char id_r[BALANCE_PAGE_ID_BYTES]);
/* The items of a record into memory of their own (page_r->items, also where there are none). False
 * where it is damaged: nothing is owned then. */
MUST_CHECK bool balance_page_decode(const struct store_record *record, struct balance_page *page_r);
/* The bytes of the items into packed_r, which has balance_page_bytes(count) bytes. */
static inline size_t balance_page_bytes(size_t count)
{
    return 1 + count * BALANCE_ITEM_BYTES;
}
void balance_page_encode(const struct balance_record *items, size_t count, uint8_t *packed_r);
/* What the index is over: the most that any of them has available; INT64_MIN where there are none.
 */
int64_t balance_page_most(const struct balance_record *items, size_t count);
/* The place of the first item that does not stand before the account. */
size_t balance_page_find(const struct balance_page *page, const struct ledger_account *account);
