/* Where an account is paid, coin by coin, and how that stands in its record: a version, a count,
 * then each entry field by field. */
#include "record/account/inside.h"

#include "base/cursor.h"

enum { FORM = 1 };

/* An entry of before coins had names is of whichever coin its address is one of, in that coin's own
 * spelling: then nobody's money goes to a chain it was not meant for. */
static bool is_of(const struct account_payout *payout, const struct coin_profile *coin)
{
    struct output_script script;
    char canonical[ADDRESS_TEXT_BYTES];
    if (payout->coin[0] != '\0')
        return strcmp(payout->coin, coin->name) == 0;
    return payout->address[0] == '\0' ||
           (address_parse(coin, span_text(payout->address), &script, canonical) == ADDRESS_OK &&
            strcmp(canonical, payout->address) == 0 &&
            span_equal(output_script_span(&script), output_script_span(&payout->script)));
}

static size_t place_of(const struct account *account, const struct coin_profile *coin)
{
    size_t unnamed = account->payout_count;
    for (size_t i = 0; i < account->payout_count; i++) {
        if (!is_of(&account->payouts[i], coin))
            continue;
        if (account->payouts[i].coin[0] != '\0')
            return i;
        unnamed = i;
    }
    return unnamed;
}

struct account_payout account_payout(const struct account *account, const struct coin_profile *coin)
{
    size_t place = place_of(account, coin);
    struct account_payout payout = { .threshold = 0 };
    if (place < account->payout_count)
        payout = account->payouts[place];
    snprintf(payout.coin, sizeof payout.coin, "%s", coin->name);
    return payout;
}

void account_set_payout(struct account *account, const struct coin_profile *coin,
                        const struct account_payout *payout)
{
    size_t place = place_of(account, coin);
    ASSERT(place < ACCOUNT_COINS_MAX); /* there are fewer profiles */
    account->payouts[place] = *payout;
    snprintf(account->payouts[place].coin, sizeof account->payouts[place].coin, "%s", coin->name);
    account->payout_count += place == account->payout_count;
}

static void put_text(struct cursor_writer *writer, const void *text, size_t length)
{
    cursor_put_u8(writer, (uint8_t)length);
    cursor_put(writer, text, length);
}

struct span account_payouts_encode(const struct account *account,
                                   uint8_t memory[ACCOUNT_PAYOUTS_BYTES])
{
    struct cursor_writer writer = { .memory = memory, .capacity_bytes = ACCOUNT_PAYOUTS_BYTES };
    cursor_put_u8(&writer, FORM);
    cursor_put_u8(&writer, (uint8_t)account->payout_count);
    for (size_t i = 0; i < account->payout_count; i++) {
        const struct account_payout *payout = &account->payouts[i];
        put_text(&writer, payout->coin, strlen(payout->coin));
        put_text(&writer, payout->address, strlen(payout->address));
        put_text(&writer, payout->script.data, payout->script.length);
        cursor_put_u64(&writer, payout->threshold);
        cursor_put_u64(&writer, payout->lock_until_ms);
    }
    ASSERT(!writer.failed);
    return span_of(memory, writer.used_bytes);
}

/* `room` holds the longest there may be, and a NUL. */
static bool get_text(struct cursor_reader *reader, char *text_r, size_t room)
{
    size_t length = cursor_get_u8(reader);
    if (length >= room)
        return false;
    cursor_get(reader, text_r, length);
    text_r[length] = '\0';
    return strlen(text_r) == length;
}

static bool get_payout(struct cursor_reader *reader, struct account_payout *payout_r)
{
    if (!get_text(reader, payout_r->coin, sizeof payout_r->coin) ||
        !get_text(reader, payout_r->address, sizeof payout_r->address))
        return false;
    payout_r->script.length = cursor_get_u8(reader);
    if (payout_r->script.length > sizeof payout_r->script.data)
        return false;
    cursor_get(reader, payout_r->script.data, payout_r->script.length);
    payout_r->threshold = cursor_get_u64(reader);
    payout_r->lock_until_ms = cursor_get_u64(reader);
    return true;
}

bool account_payouts_decode(struct span bytes, struct account *account_r)
{
    struct cursor_reader reader = { .rest = bytes };
    bool read = cursor_get_u8(&reader) == FORM;
    account_r->payout_count = cursor_get_u8(&reader);
    read = read && account_r->payout_count <= ACCOUNT_COINS_MAX;
    for (size_t i = 0; read && i < account_r->payout_count; i++)
        read = get_payout(&reader, &account_r->payouts[i]);
    return read && cursor_ended(&reader);
}
