#include "record/ledger/balance_page.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE_FORMAT = 1, PAGE_BITS = 10 };

unsigned balance_page_of(const struct ledger_account *account)
{
    _Static_assert(1 << PAGE_BITS == BALANCE_PAGES, "the top bits of an id name its page");
    return account->owner == LEDGER_MINER ? (unsigned)(account->id >> (64 - PAGE_BITS))
                                          : BALANCE_HOUSE;
}

void balance_page_id(unsigned page, char id_r[BALANCE_PAGE_ID_BYTES])
{
    if (page == BALANCE_HOUSE)
        snprintf(id_r, BALANCE_PAGE_ID_BYTES, "house");
    else
        snprintf(id_r, BALANCE_PAGE_ID_BYTES, "miner:%03x", page & (BALANCE_PAGES - 1));
}

/* Owner, account; then what it has, field by field. */
static void put_item(uint8_t *at, const struct balance_record *item)
{
    const struct ledger_balance *amounts = &item->amounts;
    const uint64_t numbers[] = { (uint64_t)amounts->immature,  (uint64_t)amounts->available,
                                 (uint64_t)amounts->in_flight, (uint64_t)amounts->paid,
                                 amounts->applied_seq,         amounts->earlier_seq,
                                 amounts->waiting_since };
    *at++ = (uint8_t)item->account.owner;
    store_le64(at, item->account.id);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        store_le64(at + 8 + 8 * i, numbers[i]);
}

static bool get_item(const uint8_t *at, struct balance_record *item_r)
{
    uint8_t owner = *at++;
    if (owner < LEDGER_MINER || owner > LEDGER_OWNER_LAST)
        return false;
    *item_r = (struct balance_record){
        .account = { (enum ledger_owner)owner, load_le64(at) },
        .amounts = { .immature = (int64_t)load_le64(at + 8),
                     .available = (int64_t)load_le64(at + 16),
                     .in_flight = (int64_t)load_le64(at + 24),
                     .paid = (int64_t)load_le64(at + 32),
                     .applied_seq = load_le64(at + 40),
                     .earlier_seq = load_le64(at + 48),
                     .waiting_since = load_le64(at + 56) },
    };
    return true;
}

/* The page says in several places what it is; all must agree. */
bool balance_page_decode(const struct store_record *record, struct balance_page *page_r)
{
    int64_t most = record->values[0].integer;
    struct span packed = record->values[1].bytes;
    char id[BALANCE_PAGE_ID_BYTES];
    if (packed.length < 1 || packed.data[0] != PAGE_FORMAT ||
        (packed.length - 1) % BALANCE_ITEM_BYTES != 0)
        return false;
    size_t count = (packed.length - 1) / BALANCE_ITEM_BYTES;
    struct balance_record *items = calloc(count + 1, sizeof *items);
    ASSERT(items != NULL);
    bool sound = true;
    for (size_t i = 0; sound && i < count; i++) {
        sound = get_item(packed.data + 1 + i * BALANCE_ITEM_BYTES, &items[i]) &&
                (i == 0 || ledger_account_compare(&items[i - 1].account, &items[i].account) < 0);
        balance_page_id(balance_page_of(&items[i].account), id);
        sound = sound && strcmp(id, record->id) == 0;
        items[i].version = record->version;
    }
    if (!sound) {
        free(items);
        return false;
    }
    bool misindexed = balance_page_most(items, count) != most;
    for (size_t i = 0; i < count; i++)
        items[i].misindexed = misindexed;
    *page_r = (struct balance_page){ record->version, items, count };
    return true;
}

void balance_page_encode(const struct balance_record *items, size_t count, uint8_t *packed_r)
{
    packed_r[0] = PAGE_FORMAT;
    for (size_t i = 0; i < count; i++)
        put_item(packed_r + 1 + i * BALANCE_ITEM_BYTES, &items[i]);
}

int64_t balance_page_most(const struct balance_record *items, size_t count)
{
    int64_t most = INT64_MIN;
    for (size_t i = 0; i < count; i++)
        if (items[i].amounts.available > most)
            most = items[i].amounts.available;
    return most;
}

size_t balance_page_find(const struct balance_page *page, const struct ledger_account *account)
{
    size_t low = 0, high = page->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ledger_account_compare(&page->items[middle].account, account) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
