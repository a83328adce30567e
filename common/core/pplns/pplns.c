#include "core/pplns/pplns.h"

#include "base/u256.h"

static struct pplns_slot *find(const struct pplns_table *table, uint64_t account)
{
    size_t mask = ((size_t)1 << table->bits) - 1, place = pplns_place(table, account);
    while (table->slots[place].work != 0 && table->slots[place].account != account)
        place = (place + 1) & mask;
    return &table->slots[place];
}

/* Above three quarters the runs of linear probing grow long. */
static bool is_crowded(const struct pplns_table *table)
{
    return table->accounts >= ((size_t)3 << table->bits) / 4;
}

void pplns_init(struct pplns_table *table, struct pplns_slot *slots, unsigned bits, u128 target)
{
    ASSERT(bits >= 4 && bits <= 40);
    *table = (struct pplns_table){ .slots = slots, .bits = bits, .target = target };
    memset(slots, 0, sizeof *slots << bits);
}

void pplns_move(struct pplns_table *table, struct pplns_slot *slots, unsigned bits)
{
    ASSERT(bits > table->bits && bits <= 40);
    const struct pplns_slot *old = table->slots;
    size_t old_count = (size_t)1 << table->bits;
    table->slots = slots;
    table->bits = bits;
    memset(slots, 0, sizeof *slots << bits);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].work != 0)
            *find(table, old[i].account) = old[i];
}

/* The account's slot, a new one where it has none; NULL where the table is too full for that. */
static struct pplns_slot *slot_of(struct pplns_table *table, uint64_t account)
{
    struct pplns_slot *slot = find(table, account);
    if (slot->work != 0)
        return slot;
    if (is_crowded(table))
        return NULL;
    slot->account = account;
    table->accounts++;
    return slot;
}

enum pplns_outcome pplns_add(struct pplns_table *table, uint64_t account, uint64_t work)
{
    u128 room = table->target - table->filled;
    if (room == 0)
        return PPLNS_FILLED;
    if (work == 0)
        return PPLNS_MORE;
    struct pplns_slot *slot = slot_of(table, account);
    if (slot == NULL)
        return PPLNS_CROWDED;
    u128 counted = work < room ? work : room; /* the boundary share counts in part */
    slot->work += counted;
    slot->shares++;
    table->filled += counted;
    table->shares++;
    return counted == room ? PPLNS_FILLED : PPLNS_MORE;
}

enum pplns_outcome pplns_add_sum(struct pplns_table *table, uint64_t account, u128 work,
                                 uint64_t shares)
{
    ASSERT(work != 0 && work < table->target - table->filled);
    struct pplns_slot *slot = slot_of(table, account);
    if (slot == NULL)
        return PPLNS_CROWDED;
    slot->work += work;
    slot->shares += shares;
    table->filled += work;
    table->shares += shares;
    return PPLNS_MORE;
}

static void sift_down(struct pplns_part *parts, size_t root, size_t count)
{
    struct pplns_part moving = parts[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && parts[child + 1].account > parts[child].account)
            child++;
        if (parts[child].account <= moving.account)
            break;
        parts[root] = parts[child];
    }
    parts[root] = moving;
}

/* Heapsort: needs no memory, and no input makes it slow. */
static void sort_by_account(struct pplns_part *parts, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(parts, i, count);
    for (size_t end = count; end-- > 1;) {
        struct pplns_part largest = parts[0];
        parts[0] = parts[end];
        parts[end] = largest;
        sift_down(parts, 0, end);
    }
}

void pplns_collect(const struct pplns_table *table, struct pplns_part *parts_r)
{
    size_t count = 0, slots = (size_t)1 << table->bits;
    for (size_t i = 0; i < slots; i++)
        if (table->slots[i].work != 0)
            parts_r[count++] = (struct pplns_part){ .work = table->slots[i].work,
                                                    .account = table->slots[i].account,
                                                    .shares = table->slots[i].shares };
    ASSERT(count == table->accounts);
    sort_by_account(parts_r, count);
}

/* The nth largest remainder (n from 1), digit by digit from the top: sixteen counts over the parts
 * instead of sorting them twice. *ties_r is how many of those that equal it are among the n. */
static u128 nth_remainder(const struct pplns_part *parts, size_t count, size_t n, size_t *ties_r)
{
    u128 prefix = 0, mask = 0;
    for (int shift = 120; shift >= 0; shift -= 8) {
        size_t counts[256] = { 0 };
        for (size_t i = 0; i < count; i++)
            if ((parts[i].remainder & mask) == prefix)
                counts[(size_t)(parts[i].remainder >> shift) & 0xff]++;
        size_t digit = 255;
        while (counts[digit] < n)
            n -= counts[digit--];
        prefix |= (u128)digit << shift;
        mask |= (u128)0xff << shift;
    }
    *ties_r = n;
    return prefix;
}

/* With one fee for all (nearly always) the weights are the work itself. */
static bool same_fees(const struct pplns_part *parts, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (parts[i].fee_basis_points != parts[0].fee_basis_points)
            return false;
    return true;
}

static u128 weigh(const struct pplns_part *part, bool same)
{
    return same ? part->work : part->work * (MONEY_BASIS_POINTS - part->fee_basis_points);
}

/* One unit each to the largest remainders; parts are in the order of ids, so ties go to the smaller
 * ones. */
static void hand_out(struct pplns_part *parts, size_t count, size_t left)
{
    size_t ties;
    u128 least = nth_remainder(parts, count, left, &ties);
    for (size_t i = 0; i < count; i++) {
        bool tie = parts[i].remainder == least;
        if (parts[i].remainder > least || (tie && ties > 0)) {
            parts[i].amount++;
            left--;
            ties -= tie;
        }
    }
    ASSERT(left == 0);
}

bool pplns_split(struct pplns_part *parts, size_t count, struct money amount)
{
    bool same = same_fees(parts, count);
    u128 total = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(parts[i].work != 0 && (i == 0 || parts[i - 1].account < parts[i].account));
        ASSERT(parts[i].fee_basis_points <= MONEY_BASIS_POINTS);
        ASSERT(same || parts[i].work >> 114 == 0);
        u128 weight = weigh(&parts[i], same);
        total += weight;
        ASSERT(total >= weight);
    }
    if (total == 0 || (same && parts[0].fee_basis_points == MONEY_BASIS_POINTS))
        return false;
    uint64_t given = 0;
    for (size_t i = 0; i < count; i++) {
        u128 weight = weigh(&parts[i], same);
        parts[i].amount = money_share_floor(amount, weight, total, &parts[i].remainder).units;
        given += parts[i].amount;
    }
    ASSERT(given <= amount.units && amount.units - given < count);
    if (given < amount.units)
        hand_out(parts, count, (size_t)(amount.units - given));
    return true;
}

u128 pplns_window_work(u128 network_work, uint32_t percent)
{
    struct u256 product;
    bool lost = u256_multiply_u64(u256_from_u128(network_work), percent, &product);
    ASSERT(!lost);
    struct u256 work = u256_divide_u64_floor(product, 100, NULL);
    if (!u256_fits_u128(work))
        return ~(u128)0;
    return u256_is_zero(work) ? 1 : u256_low_u128(work);
}
