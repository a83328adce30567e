#include "services/inode-scheduler/handover.h"

#include <stdlib.h>

static void send(struct bus_call *call, const struct wire_template_reply *reply)
{
    size_t length = wire_encode_template_reply(reply, NULL, 0);
    uint8_t *bytes = malloc(length);
    if (bytes == NULL || wire_encode_template_reply(reply, bytes, length) != length)
        bus_drop(call);
    else
        bus_reply(call, span_of(bytes, length));
    free(bytes);
}

static void send_whole(struct handover *handover, struct bus_call *call,
                       const struct template_box *box, uint32_t first)
{
    size_t count = box->content.transactions_count;
    struct wire_template_reply reply = { .template_id = box->id, .first = first, .last = 1 };
    struct wire_transaction *list = calloc(count + 1, sizeof *list);
    if (list == NULL) {
        bus_drop(call); /* asked again */
        return;
    }
    for (size_t i = first; i < count; i++)
        list[reply.transactions_count++].data = box->content.transactions[i].data;
    reply.transactions = list;
    reply.job = jobs_of_template(handover->jobs, box->id);
    reply.extension = box->content.mweb;
    send(call, &reply);
    free(list);
}

/* Whether what has come since is worth a message. */
static bool is_much(const struct draft *draft, uint32_t first)
{
    size_t bytes = 0;
    for (uint32_t i = first; i < draft->count && bytes < HANDOVER_PIECE_BYTES; i++)
        bytes += draft->list[i].data.length;
    return bytes >= HANDOVER_PIECE_BYTES;
}

/* False: there is nothing to say yet, and the call is still ours. */
static bool answer(struct handover *handover, struct bus_call *call, uint64_t template_id,
                   uint32_t first, bool may_wait)
{
    const struct template_box *box = jobs_template(handover->jobs, template_id);
    const struct draft *draft = jobs_draft_of(handover->jobs, template_id);
    if (box != NULL && first <= box->content.transactions_count) {
        send_whole(handover, call, box, first);
    } else if (box == NULL && draft != NULL && first <= draft->count) {
        if (may_wait && !is_much(draft, first))
            return false;
        send(call, &(struct wire_template_reply){ .template_id = template_id,
                                                  .first = first,
                                                  .transactions = draft->list + first,
                                                  .transactions_count = draft->count - first });
    } else {
        send(call, &(struct wire_template_reply){ 0 });
    }
    return true;
}

void handover_ask(struct handover *handover, struct bus_call *call, uint64_t template_id,
                  uint32_t first)
{
    bool may_wait = handover->count < HANDOVER_WAITING_MAX;
    if (answer(handover, call, template_id, first, may_wait))
        return;
    handover->waiting[handover->count].call = call;
    handover->waiting[handover->count].template_id = template_id;
    handover->waiting[handover->count++].first = first;
}

void handover_moved(struct handover *handover)
{
    size_t kept = 0;
    for (size_t i = 0; i < handover->count; i++)
        if (!answer(handover, handover->waiting[i].call, handover->waiting[i].template_id,
                    handover->waiting[i].first, true))
            handover->waiting[kept++] = handover->waiting[i];
    handover->count = kept;
}

void handover_end(struct handover *handover)
{
    for (size_t i = 0; i < handover->count; i++)
        bus_drop(handover->waiting[i].call);
    handover->count = 0;
}
