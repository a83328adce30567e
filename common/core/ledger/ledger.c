#include "core/ledger/ledger.h"

#include "core/pow/sha256.h"

#define NAME_CASE(name, value, text)                                                               \
    case name:                                                                                     \
        return text;

const char *ledger_owner_name(enum ledger_owner owner)
{
    switch (owner) {
        LEDGER_OWNERS(NAME_CASE)
    }
    return "unknown";
}

const char *ledger_kind_name(enum ledger_kind kind)
{
    switch (kind) {
        LEDGER_KINDS(NAME_CASE)
    }
    return "unknown";
}

const char *ledger_cause_name(enum ledger_cause_kind kind)
{
    switch (kind) {
        LEDGER_CAUSES(NAME_CASE)
    }
    return "unknown";
}

int ledger_account_compare(const struct ledger_account *a, const struct ledger_account *b)
{
    if (a->owner != b->owner)
        return a->owner < b->owner ? -1 : 1;
    return a->id == b->id ? 0 : a->id < b->id ? -1 : 1;
}

static size_t put_text(char *text_r, const char *text)
{
    size_t length = strlen(text);
    memcpy(text_r, text, length + 1);
    return length;
}

void ledger_account_format(const struct ledger_account *account, char text_r[LEDGER_ACCOUNT_BYTES])
{
    size_t length = put_text(text_r, ledger_owner_name(account->owner));
    if (account->owner == LEDGER_MINER) {
        uint8_t id[8];
        store_be64(id, account->id);
        text_r[length++] = ':';
        hex_encode(span_of(id, sizeof id), text_r + length);
    }
}

bool ledger_account_parse(struct span text, struct ledger_account *account_r)
{
#define X(name, value, word) name,
    static const enum ledger_owner owners[] = { LEDGER_OWNERS(X) };
#undef X
    static const char miner[] = "miner:";
    const char *letters = (const char *)text.data;
    if (text.length == sizeof miner - 1 + 16 && memcmp(letters, miner, sizeof miner - 1) == 0) {
        uint8_t id[8];
        if (!hex_decode(letters + sizeof miner - 1, 16, id, sizeof id))
            return false;
        *account_r = ledger_miner(load_be64(id));
        return true;
    }
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (owners[i] != LEDGER_MINER &&
            span_equal(text, span_text(ledger_owner_name(owners[i])))) {
            *account_r = ledger_house(owners[i]);
            return true;
        }
    return false;
}

struct ledger_cause ledger_cause_block(enum ledger_cause_kind kind, const uint8_t hash[32],
                                       uint32_t generation)
{
    ASSERT(kind <= LEDGER_ORPHANED && generation >= 1);
    struct ledger_cause cause = { .kind = kind, .generation = generation };
    memcpy(cause.subject, hash, sizeof cause.subject);
    return cause;
}

struct ledger_cause ledger_cause_received(enum ledger_cause_kind kind, const uint8_t txid[32],
                                          uint32_t generation)
{
    ASSERT((kind == LEDGER_RECEIVED || kind == LEDGER_RETRACTED) && generation >= 1);
    struct ledger_cause cause = { .kind = kind, .generation = generation };
    memcpy(cause.subject, txid, sizeof cause.subject);
    return cause;
}

bool ledger_cause_is_of_event(enum ledger_cause_kind kind)
{
    return kind <= LEDGER_ORPHANED || kind == LEDGER_RECEIVED || kind == LEDGER_RETRACTED;
}

bool ledger_cause_takes_back(enum ledger_cause_kind kind)
{
    return kind == LEDGER_ORPHANED || kind == LEDGER_RETRACTED;
}

struct ledger_cause ledger_cause_payment(enum ledger_cause_kind kind, uint64_t number,
                                         uint32_t generation)
{
    ASSERT(!ledger_cause_is_of_event(kind) && generation >= 1);
    struct ledger_cause cause = { .kind = kind, .generation = generation };
    store_be64(cause.subject + 24, number);
    return cause;
}

struct ledger_cause ledger_cause_funded(uint64_t number, struct money amount)
{
    struct ledger_cause cause = ledger_cause_payment(LEDGER_FUNDED, number, 1);
    store_be64(cause.subject + 16, amount.units);
    return cause;
}

struct money ledger_cause_amount(const struct ledger_cause *cause)
{
    return (struct money){ cause->kind == LEDGER_FUNDED ? load_be64(cause->subject + 16) : 0 };
}

uint64_t ledger_cause_number(const struct ledger_cause *cause)
{
    return load_be64(cause->subject + 24);
}

void ledger_cause_format(const struct ledger_cause *cause, char text_r[LEDGER_CAUSE_BYTES])
{
    char number[U128_TEXT_BYTES];
    size_t length = put_text(text_r, ledger_cause_name(cause->kind));
    text_r[length++] = ':';
    u128_format(cause->generation, number);
    length += put_text(text_r + length, number);
    text_r[length++] = ':';
    if (ledger_cause_is_of_event(cause->kind)) {
        uint8_t shown[32];
        bytes_reverse(cause->subject, sizeof shown, shown);
        hex_encode(span_of(shown, sizeof shown), text_r + length);
        return;
    }
    u128_format(ledger_cause_number(cause), number);
    size_t digits = strlen(number);
    memset(text_r + length, '0', 20 - digits);
    memcpy(text_r + length + 20 - digits, number, digits + 1);
}

static int compare_legs(const struct ledger_leg *a, const struct ledger_leg *b)
{
    int order = ledger_account_compare(&a->account, &b->account);
    if (order != 0)
        return order;
    return a->kind == b->kind ? 0 : a->kind < b->kind ? -1 : 1;
}

void ledger_legs_add(struct ledger_legs *legs, struct ledger_account account, enum ledger_kind kind,
                     int64_t amount)
{
    if (amount == 0 || legs->failed)
        return;
    if (legs->count == legs->capacity) {
        legs->failed = true;
        return;
    }
    legs->legs[legs->count++] = (struct ledger_leg){ account, kind, amount };
}

static void sift_down(struct ledger_leg *legs, size_t root, size_t count)
{
    struct ledger_leg moving = legs[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare_legs(&legs[child + 1], &legs[child]) > 0)
            child++;
        if (compare_legs(&legs[child], &moving) <= 0)
            break;
        legs[root] = legs[child];
    }
    legs[root] = moving;
}

static void sort_legs(struct ledger_leg *legs, size_t count)
{
    size_t sorted = 1;
    while (sorted < count && compare_legs(&legs[sorted - 1], &legs[sorted]) <= 0)
        sorted++;
    if (sorted >= count) /* the builders mostly give them in order */
        return;
    for (size_t i = count / 2; i-- > 0;)
        sift_down(legs, i, count);
    for (size_t end = count; end-- > 1;) {
        struct ledger_leg largest = legs[0];
        legs[0] = legs[end];
        legs[end] = largest;
        sift_down(legs, 0, end);
    }
}

bool ledger_legs_close(struct ledger_legs *legs)
{
    if (legs->failed)
        return false;
    sort_legs(legs->legs, legs->count);
    size_t kept = 0;
    i128 total = 0, positive = 0;
    for (size_t i = 0; i < legs->count;) {
        struct ledger_leg leg = legs->legs[i];
        i128 amount = 0;
        for (; i < legs->count && compare_legs(&legs->legs[i], &leg) == 0; i++)
            amount += legs->legs[i].amount;
        if (amount > (i128)MONEY_MAX || amount < -(i128)MONEY_MAX) {
            legs->failed = true;
            return false;
        }
        total += amount;
        positive += amount > 0 ? amount : 0;
        leg.amount = (int64_t)amount;
        if (amount != 0)
            legs->legs[kept++] = leg;
    }
    legs->count = kept;
    legs->failed = total != 0 || positive > (i128)MONEY_MAX || kept > UINT32_MAX;
    return !legs->failed;
}

struct ledger_digest ledger_digest(const struct ledger_cause *cause, const struct ledger_leg *legs,
                                   size_t count)
{
    struct ledger_digest digest = { .leg_count = (uint32_t)count };
    struct sha256_state state;
    uint8_t head[37], body[18];
    head[0] = (uint8_t)cause->kind;
    memcpy(head + 1, cause->subject, sizeof cause->subject);
    store_le32(head + 33, cause->generation);
    sha256_init(&state);
    sha256_update(&state, span_of(head, sizeof head));
    for (size_t i = 0; i < count; i++) {
        body[0] = (uint8_t)legs[i].account.owner;
        store_le64(body + 1, legs[i].account.id);
        body[9] = (uint8_t)legs[i].kind;
        store_le64(body + 10, (uint64_t)legs[i].amount);
        sha256_update(&state, span_of(body, sizeof body));
        digest.sum += legs[i].amount > 0 ? (uint64_t)legs[i].amount : 0;
    }
    sha256_final(&state, digest.hash);
    return digest;
}

bool ledger_legs_verify(const struct ledger_cause *cause, const struct ledger_digest *digest,
                        const struct ledger_leg *legs, size_t count)
{
    i128 total = 0;
    for (size_t i = 0; i < count; i++) {
        if (legs[i].amount == 0 || (i > 0 && compare_legs(&legs[i - 1], &legs[i]) >= 0))
            return false;
        total += legs[i].amount;
    }
    struct ledger_digest found = ledger_digest(cause, legs, count);
    return total == 0 && found.leg_count == digest->leg_count && found.sum == digest->sum &&
           memcmp(found.hash, digest->hash, sizeof found.hash) == 0;
}

size_t ledger_legs_of_account(const struct ledger_leg *legs, size_t count)
{
    size_t same = count == 0 ? 0 : 1;
    while (same < count && ledger_account_compare(&legs[same].account, &legs[0].account) == 0)
        same++;
    return same;
}

bool ledger_balance_equal(const struct ledger_balance *a, const struct ledger_balance *b)
{
    return a->immature == b->immature && a->available == b->available &&
           a->in_flight == b->in_flight && a->paid == b->paid && a->applied_seq == b->applied_seq &&
           a->earlier_seq == b->earlier_seq && a->waiting_since == b->waiting_since;
}

struct ledger_link ledger_link_of(const struct ledger_balance *balance, uint64_t seq)
{
    bool same_era = balance->applied_seq / LEDGER_ERA_SETS == seq / LEDGER_ERA_SETS;
    return (struct ledger_link){ balance->applied_seq,
                                 same_era ? balance->earlier_seq : balance->applied_seq };
}

enum ledger_apply_outcome ledger_balance_apply(struct ledger_balance *balance, uint64_t seq,
                                               enum ledger_cause_kind cause,
                                               const struct ledger_leg *legs, size_t count)
{
    if (seq <= balance->applied_seq)
        return LEDGER_ALREADY;
    struct ledger_balance next = *balance;
    bool miner = count > 0 && legs[0].account.owner == LEDGER_MINER;
    for (size_t i = 0; i < count; i++) {
        ASSERT(ledger_account_compare(&legs[i].account, &legs[0].account) == 0);
        int64_t *kind = NULL;
        switch (legs[i].kind) {
        case LEDGER_IMMATURE:
            kind = &next.immature;
            break;
        case LEDGER_AVAILABLE:
            kind = &next.available;
            break;
        case LEDGER_IN_FLIGHT:
            kind = &next.in_flight;
            break;
        case LEDGER_PAID:
            kind = &next.paid;
            break;
        }
        if (kind == NULL || __builtin_add_overflow(*kind, legs[i].amount, kind))
            return LEDGER_REFUSED;
    }
    bool overdrawn = next.available < 0 && next.available < balance->available;
    if (miner && (next.immature < 0 || (overdrawn && !ledger_cause_takes_back(cause)) ||
                  next.in_flight < 0 || next.paid < 0))
        return LEDGER_REFUSED;
    if (next.available <= 0)
        next.waiting_since = 0;
    else if (balance->available <= 0)
        next.waiting_since = seq;
    next.earlier_seq = ledger_link_of(balance, seq).earlier;
    next.applied_seq = seq;
    *balance = next;
    return LEDGER_APPLIED;
}
