/* What operators see, and nobody else: the nodes and what they said to our blocks, payments that
 * are on their way or wait for somebody, withdrawals, the pause. What payout and the gateways have
 * to be asked for themselves is in api_order.c. */
#include "services/inode-scheduler/api_access.h"

#include "record/payment/payment_record.h"
#include "record/switch/switch.h"
#include "record/withdrawal/withdrawal.h"

#include <stdio.h>
#include <stdlib.h>

enum { SUBMISSIONS_MAX = 64, PAYMENTS_MAX = 200, WITHDRAWALS_MAX = 200 };

static json_t *node_of(const struct scheduler *scheduler, size_t i)
{
    const struct follow_node *node = &scheduler->followed.nodes[i];
    const char *trouble = node->trouble[0] != '\0' ? node->trouble : scheduler->node_trouble[i];
    return json_pack("{s:s, s:b, s:b, s:I, s:o, s:s}", "name", node_name(scheduler->chain_nodes[i]),
                     "reached", node->reached, "usable", node->usable, "height",
                     (json_int_t)node->height, "tip", api_hash(node->tip), "trouble", trouble);
}

static json_t *submissions_of(const struct scheduler *scheduler)
{
    struct submit_history lines[SUBMISSIONS_MAX];
    size_t count = scheduler->submitter != NULL
                       ? submitter_history(scheduler->submitter, lines, SUBMISSIONS_MAX)
                       : 0;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:s, s:s, s:i, s:I}", "time_ms", (json_int_t)lines[i].at_ms,
                      "block", api_hash(lines[i].hash), "node",
                      node_name(scheduler->chain_nodes[lines[i].node]), "answer", lines[i].answer,
                      "attempts", (int)lines[i].attempts, "took_us", (json_int_t)lines[i].took_us));
    return list;
}

static void nodes_after(struct api_read *read)
{
    const struct scheduler *scheduler = read->scheduler;
    json_t *list = json_array();
    /* One that stands by has opened none. */
    for (size_t i = 0; i < scheduler->options.world.nodes_count; i++)
        if (scheduler->chain_nodes[i] != NULL)
            json_array_append_new(list, node_of(scheduler, i));
    read->document =
        json_pack("{s:o, s:I, s:o}", "nodes", list, "looked_ms", (json_int_t)scheduler->followed_ms,
                  "submissions", submissions_of(scheduler));
    api_read_end(read);
}

void api_operator_nodes(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded nodes = { TOKEN_SCOPE_OPERATOR, NULL, nodes_after };
    api_guarded_begin(context, exchange, &nodes);
}

static unsigned words_of(const char *text)
{
    unsigned count = text[0] != '\0';
    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

struct payment_walk {
    const struct scheduler *scheduler;
    json_t *list;
    const char *own; /* the asking operator's id */
    bool cut;        /* there are more than the list has room for */
};

static bool on_open_payment(void *context, const struct payment_record *payment)
{
    struct payment_walk *walk = context;
    walk->cut = json_array_size(walk->list) == PAYMENTS_MAX;
    if (walk->cut)
        return false;
    bool unsigned_yet = payment->state == PAYMENT_PLANNED || payment->state == PAYMENT_INTENT;
    unsigned needs = (unsigned)walk->scheduler->options.settings->payout_approvals;
    bool waits = unsigned_yet && payment->approve && words_of(payment->approvals) < needs;
    json_t *entry =
        json_pack("{s:I, s:s, s:o, s:b, s:i, s:b, s:i, s:s, s:s, s:I, s:I}", "number",
                  (json_int_t)payment->number, "state", payment_state_name(payment->state),
                  "amount", api_money((int64_t)payment->amount.units), "waits_for_approval", waits,
                  "approvals", (int)words_of(payment->approvals), "approved_by_you",
                  strstr(payment->approvals, walk->own) != NULL, "confirmations",
                  (int)payment->confirmations, "request", payment->request, "reason",
                  payment->reason, "created", (json_int_t)(payment->created_ms / 1000), "updated",
                  (json_int_t)(payment->updated_ms / 1000));
    if (payment->version_count > 0)
        json_object_set_new(entry, "txid", api_hash(payment->txid));
    json_array_append_new(walk->list, entry);
    return true;
}

static json_t *withdrawal_of(const struct withdrawal *withdrawal)
{
    return json_pack(
        "{s:o, s:s, s:s, s:o, s:I, s:s, s:I}", "account", api_id(withdrawal->account), "request",
        withdrawal->request, "state", withdrawal_state_name(withdrawal->state), "amount",
        api_money((int64_t)withdrawal->amount.units), "payment", (json_int_t)withdrawal->payment,
        "reason", withdrawal->reason, "created", (json_int_t)(withdrawal->created_ms / 1000));
}

/* Withdrawals that wait, of all accounts or of one. */
struct withdrawal_walk {
    json_t *list;
    uint64_t account; /* 0: all */
    bool cut;
};

static bool on_withdrawal(void *context, const struct withdrawal *withdrawal)
{
    struct withdrawal_walk *walk = context;
    if (walk->account != 0 && withdrawal->account != walk->account)
        return true;
    walk->cut = json_array_size(walk->list) == WITHDRAWALS_MAX;
    if (!walk->cut)
        json_array_append_new(walk->list, withdrawal_of(withdrawal));
    return !walk->cut;
}

static void payments_read(struct api_read *read)
{
    struct store *store = read->scheduler->api_store;
    struct switch_record pause;
    char own[ACCOUNT_ID_BYTES];
    account_id_text(read->claims.account_id, own);
    struct payment_walk walk = { read->scheduler, json_array(), own, false };
    struct withdrawal_walk withdrawals = { .list = json_array() };
    if (switch_get(store, SWITCH_PAYOUT_PAUSED, &pause, &read->error) == STORE_DONE &&
        payment_walk_open(store, on_open_payment, &walk, &read->error) == STORE_DONE &&
        withdrawal_walk_open(store, 0, on_withdrawal, &withdrawals, &read->error) == STORE_DONE) {
        read->document = json_pack("{s:{s:b, s:s, s:s, s:I}, s:I, s:O, s:O, s:b}", "pause", "on",
                                   pause.on, "by", pause.by, "reason", pause.reason, "changed",
                                   (json_int_t)(pause.changed_ms / 1000), "approvals_needed",
                                   (json_int_t)read->scheduler->options.settings->payout_approvals,
                                   "payments", walk.list, "withdrawals", withdrawals.list,
                                   "complete", !walk.cut && !withdrawals.cut);
        api_add_coin(read->document, read->scheduler);
    }
    json_decref(walk.list);
    json_decref(withdrawals.list);
}

void api_operator_payments(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded payments = { TOKEN_SCOPE_OPERATOR, payments_read, NULL };
    api_guarded_begin(context, exchange, &payments);
}

static void withdrawals_read(struct api_read *read)
{
    struct withdrawal_walk walk = { .list = json_array(), .account = read->claims.account_id };
    if (withdrawal_walk_open(read->scheduler->api_store, 0, on_withdrawal, &walk, &read->error) ==
        STORE_DONE) {
        read->document = json_pack("{s:O, s:b}", "withdrawals", walk.list, "complete", !walk.cut);
        api_add_coin(read->document, read->scheduler);
    }
    json_decref(walk.list);
}

void api_withdrawals(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded withdrawals = { TOKEN_SCOPE_READ, withdrawals_read, NULL };
    api_guarded_begin(context, exchange, &withdrawals);
}
