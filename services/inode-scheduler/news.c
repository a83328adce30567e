#include "services/inode-scheduler/news.h"

static const char *const names[NEWS_KINDS_COUNT] = {
#define X(name, text) [name] = text,
    NEWS_KINDS(X)
#undef X
};

const char *news_name(enum news_kind kind)
{
    return names[kind];
}

bool news_from_name(struct span name, enum news_kind *kind_r)
{
    for (int kind = 0; kind < NEWS_KINDS_COUNT; kind++)
        if (span_equal(name, span_text(names[kind]))) {
            *kind_r = (enum news_kind)kind;
            return true;
        }
    return false;
}

json_t *news_block(const struct block_record *block)
{
    json_t *entry = json_pack(
        "{s:o, s:i, s:s, s:o, s:i, s:i, s:I, s:I, s:o, s:s}", "hash", api_hash(block->hash),
        "height", (int)block->chain.height, "state", block_state_name(block->chain.state), "reward",
        api_money((int64_t)block->reward), "confirmations", (int)block->confirmations, "generation",
        (int)block->chain.generation, "time", (json_int_t)block->time, "found_ms",
        (json_int_t)block->found_ms, "network_work", api_number(block->network_work), "submissions",
        block->submissions);
    json_object_set_new(entry, "finder", api_id(block->account));
    json_object_set_new(entry, "worker", api_id(block->worker));
    return entry;
}

json_t *news_payment(const struct payment_record *payment)
{
    json_t *entry = json_pack(
        "{s:I, s:s, s:o, s:I, s:i, s:I, s:I}", "number", (json_int_t)payment->number, "state",
        payment_state_name(payment->state), "amount", api_money((int64_t)payment->amount.units),
        "receivers", (json_int_t)payment->output_count, "confirmations",
        (int)payment->confirmations, "created", (json_int_t)(payment->created_ms / 1000), "updated",
        (json_int_t)(payment->updated_ms / 1000));
    if (payment->version_count > 0)
        json_object_set_new(entry, "txid", api_hash(payment->txid));
    return entry;
}

json_t *news_paid(const struct payment_record *payment, const struct payment_output *output)
{
    json_t *entry = json_pack(
        "{s:I, s:s, s:o, s:s, s:i, s:I, s:I}", "number", (json_int_t)payment->number, "state",
        payment_state_name(payment->state), "amount", api_money((int64_t)output->amount.units),
        "address", output->address, "confirmations", (int)payment->confirmations, "created",
        (json_int_t)(payment->created_ms / 1000), "updated",
        (json_int_t)(payment->updated_ms / 1000));
    if (payment->version_count > 0)
        json_object_set_new(entry, "txid", api_hash(payment->txid));
    return entry;
}

static bool is_paid(enum payment_state state)
{
    return state == PAYMENT_CONFIRMED || state == PAYMENT_SETTLED;
}

static bool is_sent(enum payment_state state)
{
    return state == PAYMENT_BROADCAST || is_paid(state);
}

const char *news_of_payment(enum payment_state before, enum payment_state now)
{
    if (is_paid(now))
        return is_paid(before) ? NULL : "confirmed";
    if (now == PAYMENT_BROADCAST)
        return is_paid(before) ? "reopened" : is_sent(before) ? NULL : "sent";
    if (now == PAYMENT_VOIDED)
        return before == PAYMENT_VOIDED ? NULL : "voided";
    return NULL;
}
