/* What the wallet made, held against the plan; and later versions of it. */
#include "core/payment/payment.h"
#include "core/transaction/transaction.h"

const char *payment_fault_text(enum payment_fault fault)
{
    switch (fault) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        PAYMENT_FAULTS(X)
#undef X
    }
    return "unknown";
}

uint64_t payment_share(uint64_t fee, size_t count, size_t index)
{
    ASSERT(index < count);
    return fee / count + (index == 0 ? fee % count : 0);
}

/* What a receiver gets at this fee; false where nothing that nodes relay is left. */
static bool due_at(const struct payment_terms *terms, size_t index, uint64_t fee,
                   uint64_t *amount_r)
{
    const struct payment_receiver *receiver = &terms->receivers[index];
    uint64_t share = terms->receivers_pay ? payment_share(fee, terms->count, index) : 0;
    if (share > receiver->amount.units)
        return false;
    *amount_r = receiver->amount.units - share;
    return *amount_r >= payment_dust(receiver->script, terms->dust_scale).units;
}

static bool read(struct span raw, struct raw_transaction *transaction_r)
{
    return raw_transaction_read(raw, transaction_r) && !transaction_r->other_flags &&
           transaction_r->bytes.length == raw.length && transaction_r->inputs_count > 0;
}

static uint64_t virtual_bytes(const struct raw_transaction *transaction)
{
    return (raw_transaction_weight(transaction) + 3) / 4;
}

static bool sum_outputs(const struct raw_transaction *transaction, uint64_t *sum_r)
{
    *sum_r = 0;
    for (uint64_t i = 0; i < transaction->outputs_count; i++) {
        uint64_t amount;
        struct span script;
        if (!raw_transaction_output(transaction, i, &amount, &script) ||
            amount > MONEY_MAX - *sum_r)
            return false;
        *sum_r += amount;
    }
    return true;
}

/* The receivers in their order, and at most one output more, whose place is change_at_r. */
static enum payment_fault match(const struct raw_transaction *transaction,
                                const struct payment_terms *terms, uint64_t fee,
                                uint64_t *change_at_r)
{
    size_t next = 0;
    *change_at_r = UINT64_MAX;
    for (uint64_t i = 0; i < transaction->outputs_count; i++) {
        uint64_t amount, due = 0;
        struct span script;
        if (!raw_transaction_output(transaction, i, &amount, &script))
            return PAYMENT_FAULT_BYTES;
        if (next < terms->count && span_equal(script, terms->receivers[next].script)) {
            if (!due_at(terms, next, fee, &due))
                return PAYMENT_FAULT_DUST;
            if (amount != due)
                return PAYMENT_FAULT_OUTPUTS;
            next++;
            continue;
        }
        if (*change_at_r != UINT64_MAX)
            return PAYMENT_FAULT_OUTPUTS;
        if (terms->change.length > 0 && !span_equal(script, terms->change))
            return PAYMENT_FAULT_CHANGE;
        *change_at_r = i;
    }
    return next == terms->count ? PAYMENT_SOUND : PAYMENT_FAULT_OUTPUTS;
}

enum payment_fault payment_check(struct span raw, const struct payment_terms *terms,
                                 uint64_t *fee_r)
{
    struct raw_transaction transaction;
    uint64_t sum, change_at;
    *fee_r = 0;
    if (!read(raw, &transaction))
        return PAYMENT_FAULT_BYTES;
    if (!sum_outputs(&transaction, &sum))
        return PAYMENT_FAULT_OUTPUTS;
    if (sum >= terms->input_sum)
        return PAYMENT_FAULT_FEE;
    uint64_t fee = terms->input_sum - sum;
    if (raw_transaction_weight(&transaction) > PAYMENT_WEIGHT_MAX)
        return PAYMENT_FAULT_WEIGHT;
    /* Before the outputs: an absurd fee must not look like receivers who are due too little. */
    if (fee / virtual_bytes(&transaction) >= terms->rate_max)
        return PAYMENT_FAULT_FEE;
    enum payment_fault fault = match(&transaction, terms, fee, &change_at);
    if (fault == PAYMENT_SOUND)
        *fee_r = fee;
    return fault;
}

struct span payment_change(struct span raw, const struct payment_terms *terms)
{
    struct raw_transaction transaction;
    struct span script = span_of(NULL, 0);
    uint64_t sum, change_at, amount;
    if (!read(raw, &transaction) || !sum_outputs(&transaction, &sum) || sum >= terms->input_sum ||
        match(&transaction, terms, terms->input_sum - sum, &change_at) != PAYMENT_SOUND ||
        !raw_transaction_output(&transaction, change_at, &amount, &script))
        return span_of(NULL, 0);
    return script;
}

uint64_t payment_next_fee(struct span raw, const struct payment_terms *terms, uint64_t fee)
{
    struct raw_transaction transaction;
    if (!read(raw, &transaction))
        return 0;
    /* Signatures differ by a byte or two in length; four each are on the safe side. */
    uint64_t bytes = virtual_bytes(&transaction) + 4 * transaction.inputs_count;
    uint64_t most = terms->rate_max * virtual_bytes(&transaction) - 1;
    uint64_t wanted = fee + (fee / 2 > bytes ? fee / 2 : bytes);
    if (wanted > most)
        wanted = most;
    return wanted >= fee + bytes ? wanted : 0;
}

size_t payment_bump(struct span raw, const struct payment_terms *terms, uint64_t fee,
                    uint8_t *bytes_r)
{
    struct raw_transaction transaction;
    uint64_t sum, change_at, old_fee;
    if (!read(raw, &transaction) || !sum_outputs(&transaction, &sum) || sum >= terms->input_sum)
        return 0;
    old_fee = terms->input_sum - sum;
    if (fee <= old_fee || match(&transaction, terms, old_fee, &change_at) != PAYMENT_SOUND)
        return 0;
    size_t at, next = 0, used = raw_transaction_unsigned(&transaction, bytes_r, &at);
    if (!terms->receivers_pay && change_at == UINT64_MAX)
        return 0;
    for (uint64_t i = 0; i < transaction.outputs_count; i++) {
        uint64_t amount;
        struct span script;
        if (!raw_transaction_output(&transaction, i, &amount, &script))
            return 0;
        if (i != change_at) {
            if (!due_at(terms, next++, fee, &amount))
                return 0;
        } else if (!terms->receivers_pay) {
            uint64_t more = fee - old_fee;
            if (amount < more || amount - more < payment_dust(script, terms->dust_scale).units)
                return 0;
            amount -= more;
        }
        store_le64(bytes_r + at, amount);
        at += 8 + (script.length < 253 ? 1u : 3u) + script.length;
    }
    return used;
}
