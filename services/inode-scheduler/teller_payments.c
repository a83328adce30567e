/* Payments that are on their way. They need not be sent in the order of their numbers (one may wait
 * for approvals), so those beyond the cursor that were told are remembered: in memory, and by a
 * mark in the store, which stays until the cursor has passed them, however long a notice is kept.
 * Who dies between a payment's notices and its mark leaves it to be told again, and the notices are
 * found. What was settled for longer than a notice lives, and nobody told, is not news any more.
 * One that stays open while TELLER_PAYMENTS_MAX follow it is left behind, so that those beyond are
 * told. */
#include "services/inode-scheduler/teller_inside.h"

#include "record/payment/payment_record.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG "payments"
enum {
    PAYMENT_BYTES = 2 << 20,
    LIFE_MS = 3 * 86400000, /* of a notice: what was not delivered by then is given up */
};
_Static_assert((int)LIFE_MS < (int)NOTICE_KEPT_MS, "what is told again is still known");

/* Of a number beyond the cursor. */
enum told { OPEN, OVER, MARKED /* over, and the store knows */ };

enum way { STILL_TO_COME, ON_ITS_WAY, NEVER_TO_COME };

static enum way way_of(enum payment_state state)
{
    switch (state) {
    case PAYMENT_BROADCAST:
    case PAYMENT_CONFIRMED:
    case PAYMENT_SETTLED:
        return ON_ITS_WAY;
    case PAYMENT_VOIDING:
    case PAYMENT_VOIDED:
        return NEVER_TO_COME;
    case PAYMENT_PLANNED:
    case PAYMENT_INTENT:
    case PAYMENT_SIGNED:
    case PAYMENT_UNCERTAIN:
        break;
    }
    return STILL_TO_COME;
}

static bool is_old(const struct payment_record *payment, const struct teller_sight *sight)
{
    return payment->state == PAYMENT_SETTLED && sight->now_ms > payment->updated_ms &&
           sight->now_ms - payment->updated_ms > LIFE_MS;
}

/* All a payment gives the account, told at the first of its outputs to it. 0: at an earlier one. */
static uint64_t amount_for(const struct payment_record *payment, size_t at)
{
    uint64_t account = payment->outputs[at].account, units = 0;
    for (size_t i = 0; i < payment->output_count; i++) {
        if (payment->outputs[i].account != account)
            continue;
        if (i < at)
            return 0;
        units += payment->outputs[i].amount.units;
    }
    return units;
}

static enum store_outcome tell_output(struct teller *teller, const struct payment_record *payment,
                                      size_t at, const struct teller_sight *sight,
                                      struct error *error)
{
    const struct payment_output *output = &payment->outputs[at];
    const struct coin_profile *coin = teller->options.coin;
    const struct teller_subscriber *subscriber = teller_subscriber(teller, output->account);
    char cause[NOTICE_CAUSE_BYTES], txid[65];
    uint8_t shown[32];
    uint64_t units = subscriber != NULL ? amount_for(payment, at) : 0;
    if (units == 0)
        return STORE_DONE;
    bytes_reverse(payment->txid, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), txid);
    snprintf(cause, sizeof cause, "payment:%" PRIu64, payment->number);
    json_t *data = json_pack("{s:s, s:I, s:o, s:i, s:s, s:s, s:s}", "account", subscriber->name,
                             "payment", (json_int_t)payment->number, "amount", teller_money(units),
                             "exponent", (int)coin->decimals, "ticker", coin->ticker, "address",
                             output->address, "txid", txid);
    enum store_outcome outcome = teller_add(
        teller, subscriber, NOTICE_PAYMENT_SENT,
        teller_channels(teller, subscriber, NOTICE_PAYMENT_SENT), cause, data, sight, error);
    json_decref(data);
    return outcome;
}

/* How many notices at the most: one account may have several outputs. */
static size_t count_of(const struct teller *teller, const struct payment_record *payment)
{
    size_t count = 0;
    for (size_t i = 0; i < payment->output_count; i++) {
        const struct teller_subscriber *subscriber =
            teller_subscriber(teller, payment->outputs[i].account);
        if (subscriber != NULL)
            count += teller_count(teller_channels(teller, subscriber, NOTICE_PAYMENT_SENT));
    }
    return count;
}

static enum store_outcome tell(struct teller *teller, const struct payment_record *payment,
                               const struct teller_sight *sight, struct error *error)
{
    enum store_outcome outcome = teller_subscribe(teller, error);
    if (outcome == STORE_DONE)
        outcome = teller_room(teller, count_of(teller, payment), error);
    for (size_t i = 0; i < payment->output_count && outcome == STORE_DONE; i++)
        outcome = tell_output(teller, payment, i, sight, error);
    return outcome == STORE_DONE ? teller_flush(teller, error) : outcome;
}

static enum store_outcome look_at(struct teller *teller, uint64_t number, uint8_t *told,
                                  const struct teller_sight *sight, struct error *error)
{
    struct payment_record payment;
    if (teller->payment_memory == NULL)
        teller->payment_memory = malloc(PAYMENT_BYTES);
    ASSERT(teller->payment_memory != NULL);
    struct arena arena = arena_over(teller->payment_memory, PAYMENT_BYTES);
    enum store_outcome outcome =
        payment_get(teller->options.store, number, &arena, &payment, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING ? STORE_DONE : outcome;
    enum way way = way_of(payment.state);
    if (way == STILL_TO_COME)
        return STORE_DONE;
    if (way == ON_ITS_WAY && !is_old(&payment, sight))
        outcome = tell(teller, &payment, sight, error);
    if (outcome == STORE_DONE)
        *told = OVER;
    return outcome;
}

static void on_mark(void *context, uint64_t number)
{
    struct teller *teller = context;
    uint64_t all = teller->payments.number;
    if (number > all && number - all <= TELLER_PAYMENTS_MAX)
        teller->told[number % TELLER_PAYMENTS_MAX] = MARKED;
}

/* What is remembered in memory was beyond another's cursor. */
static enum store_outcome begin(struct teller *teller, uint64_t newest, struct error *error)
{
    bool fresh = teller->payments.version == 0;
    enum store_outcome outcome = teller_begin(teller, &teller->payments, LOG, newest, error);
    if (outcome != STORE_DONE || !fresh)
        return outcome;
    memset(teller->told, 0, sizeof teller->told);
    outcome = notice_marks(teller->options.store, LOG, on_mark, teller, error);
    if (outcome != STORE_DONE)
        teller->payments.version = 0; /* read anew at the next look */
    return outcome;
}

/* Moves the cursor to `all`; a mark is needed no more once that is durable. */
static enum store_outcome pass(struct teller *teller, uint64_t all, struct error *error)
{
    struct notice_cursor *cursor = &teller->payments;
    uint64_t marked[TELLER_PAYMENTS_MAX];
    size_t count = 0;
    for (uint64_t number = cursor->number + 1; number <= all; number++) {
        uint8_t *told = &teller->told[number % TELLER_PAYMENTS_MAX];
        if (*told == MARKED)
            marked[count++] = number;
        *told = OPEN;
    }
    enum store_outcome outcome = teller_move(teller, cursor, all, error);
    return outcome == STORE_DONE ? notice_unmark(teller->options.store, LOG, marked, count, error)
                                 : outcome;
}

/* One of them: told if it is time, and remembered where the cursor cannot say so yet. */
static enum store_outcome follow(struct teller *teller, uint64_t number, uint64_t *all,
                                 const struct teller_sight *sight, struct error *error)
{
    uint8_t *told = &teller->told[number % TELLER_PAYMENTS_MAX];
    enum store_outcome outcome = STORE_DONE;
    if (*told == OPEN)
        outcome = look_at(teller, number, told, sight, error);
    if (outcome != STORE_DONE || *told == OPEN)
        return outcome;
    if (number == *all + 1) {
        *all = number;
        return STORE_DONE;
    }
    if (*told == OVER)
        outcome = notice_mark(teller->options.store, LOG, number, error);
    if (outcome == STORE_DONE)
        *told = MARKED;
    return outcome;
}

enum store_outcome teller_follow_payments(struct teller *teller, const struct teller_sight *sight,
                                          struct error *error)
{
    uint64_t newest;
    enum store_outcome outcome = payment_newest(teller->options.store, &newest, error);
    if (outcome == STORE_DONE)
        outcome = begin(teller, newest, error);
    if (outcome != STORE_DONE)
        return outcome;
    uint64_t before = teller->payments.number, all = before, last = before + TELLER_PAYMENTS_MAX;
    for (uint64_t number = before + 1; number <= newest && number <= last; number++) {
        outcome = follow(teller, number, &all, sight, error);
        if (outcome != STORE_DONE)
            break;
    }
    if (outcome == STORE_DONE && all == before && newest > last) {
        all++;
        log_error("teller.left_behind", "payment=%" PRIu64 " newest=%" PRIu64, all, newest);
    }
    /* Those before it are done, whatever came of the last one. */
    struct error other;
    enum store_outcome passed = pass(teller, all, outcome == STORE_DONE ? error : &other);
    return outcome != STORE_DONE ? outcome : passed;
}
