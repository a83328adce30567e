#include "core/payment/payment.h"

const char *payment_state_name(enum payment_state state)
{
    switch (state) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        PAYMENT_STATES(X)
#undef X
    }
    return "unknown";
}

bool payment_state_from_stored(int64_t value, enum payment_state *state_r)
{
    if (value < PAYMENT_PLANNED || value > PAYMENT_VOIDED)
        return false;
    *state_r = (enum payment_state)value;
    return true;
}

bool payment_move_is_legal(enum payment_state from, enum payment_state to)
{
#define TO(state) (1u << (state))
    static const unsigned moves[] = {
        [PAYMENT_PLANNED] = TO(PAYMENT_INTENT) | TO(PAYMENT_VOIDING),
        [PAYMENT_INTENT] = TO(PAYMENT_SIGNED) | TO(PAYMENT_VOIDING),
        [PAYMENT_SIGNED] = TO(PAYMENT_BROADCAST) | TO(PAYMENT_UNCERTAIN) | TO(PAYMENT_CONFIRMED) |
                           TO(PAYMENT_VOIDING),
        [PAYMENT_BROADCAST] = TO(PAYMENT_UNCERTAIN) | TO(PAYMENT_CONFIRMED) | TO(PAYMENT_VOIDING),
        [PAYMENT_UNCERTAIN] = TO(PAYMENT_BROADCAST) | TO(PAYMENT_CONFIRMED) | TO(PAYMENT_VOIDING),
        [PAYMENT_CONFIRMED] = TO(PAYMENT_BROADCAST) | TO(PAYMENT_SETTLED),
        [PAYMENT_VOIDING] = TO(PAYMENT_VOIDED),
        [PAYMENT_SETTLED] = 0,
        [PAYMENT_VOIDED] = 0,
    };
    ASSERT(from >= PAYMENT_PLANNED && from <= PAYMENT_VOIDED);
    return (moves[from] & TO(to)) != 0;
#undef TO
}

bool payment_state_is_open(enum payment_state state)
{
    return state != PAYMENT_SETTLED && state != PAYMENT_VOIDED;
}

/* A signed transaction that is not on the chain as deep as it must be. Sending it again is harmless
 * wherever it is, and needed where a mempool dropped it. */
static enum payment_action next_signed(bool sent, const struct payment_rules *rules,
                                       const struct payment_observation *observation)
{
    int64_t confirmations = observation->confirmations;
    bool slow = sent && rules->bump_blocks > 0 && observation->waited >= rules->bump_blocks &&
                observation->bumpable;
    switch (observation->sight) {
    case PAYMENT_SIGHT_NONE:
        return PAYMENT_LOOK;
    case PAYMENT_SIGHT_MISSING:
        if (observation->elsewhere_depth > 0)
            return observation->elsewhere_depth >= rules->settle_depth ? PAYMENT_GIVE_UP
                                                                       : PAYMENT_WAIT;
        return slow ? PAYMENT_BUMP : PAYMENT_SEND;
    case PAYMENT_SIGHT_KNOWN:
        break;
    }
    if (confirmations >= (int64_t)rules->confirmations)
        return PAYMENT_CONFIRM;
    if (confirmations == 0)
        return slow ? PAYMENT_BUMP : PAYMENT_SEND;
    return -confirmations >= (int64_t)rules->settle_depth ? PAYMENT_GIVE_UP : PAYMENT_WAIT;
}

/* Only the transaction seen outside every block undoes a confirmation: a node that does not know it
 * at all is another wallet's, and one that shows fewer confirmations may be behind. */
static enum payment_action next_confirmed(const struct payment_rules *rules,
                                          const struct payment_observation *observation)
{
    switch (observation->sight) {
    case PAYMENT_SIGHT_NONE:
        return PAYMENT_LOOK;
    case PAYMENT_SIGHT_MISSING:
        return PAYMENT_WAIT;
    case PAYMENT_SIGHT_KNOWN:
        break;
    }
    if (observation->confirmations <= 0)
        return PAYMENT_REOPEN;
    return observation->confirmations >= (int64_t)rules->settle_depth ? PAYMENT_SETTLE
                                                                      : PAYMENT_WAIT;
}

enum payment_action payment_next(enum payment_state state, const struct payment_rules *rules,
                                 const struct payment_observation *observation)
{
    ASSERT(rules->confirmations >= 1 && rules->settle_depth >= rules->confirmations);
    switch (state) {
    case PAYMENT_PLANNED:
        return PAYMENT_POST;
    case PAYMENT_INTENT:
        return PAYMENT_BUILD;
    case PAYMENT_SIGNED:
    case PAYMENT_BROADCAST:
    case PAYMENT_UNCERTAIN:
        return next_signed(state != PAYMENT_SIGNED, rules, observation);
    case PAYMENT_CONFIRMED:
        return next_confirmed(rules, observation);
    case PAYMENT_VOIDING:
        return PAYMENT_GIVE_BACK;
    case PAYMENT_SETTLED:
    case PAYMENT_VOIDED:
        break;
    }
    return PAYMENT_WAIT;
}

static bool goes_before(const struct payment_due *a, const struct payment_due *b)
{
    if (a->waiting_since != b->waiting_since)
        return a->waiting_since < b->waiting_since;
    return a->account < b->account;
}

void payment_queue_offer(struct payment_queue *queue, const struct payment_due *due)
{
    size_t place = queue->count;
    while (place > 0 && goes_before(due, &queue->due[place - 1]))
        place--;
    if (place == queue->capacity)
        return;
    if (queue->count < queue->capacity)
        queue->count++;
    memmove(&queue->due[place + 1], &queue->due[place],
            (queue->count - place - 1) * sizeof *queue->due);
    queue->due[place] = *due;
}

struct money payment_dust(struct span script, uint32_t scale)
{
    enum { OP_RETURN = 0x6a, INPUT = 32 + 4 + 1 + 107 + 4, WITNESS_INPUT = 32 + 4 + 1 + 26 + 4 };
    if (script.length > 0 && script.data[0] == OP_RETURN)
        return MONEY_ZERO;
    /* A witness program: a version opcode (0, or 1 to 16) and one push of 2 to 40 bytes. */
    bool witness = script.length >= 4 && script.length <= 42 &&
                   (script.data[0] == 0 || (script.data[0] >= 0x51 && script.data[0] <= 0x60)) &&
                   (size_t)script.data[1] + 2 == script.length;
    uint64_t output = 8 + (script.length < 253 ? 1u : 3u) + script.length;
    uint64_t bytes = output + (witness ? WITNESS_INPUT : INPUT);
    return (struct money){ bytes * 3 * scale };
}
