/* Receipts of an account's shares, fetched from the validator that signed them. The store is not
 * asked: an account's id follows from its name. */
#include "services/inode-scheduler/api.h"

#include "adapter/proof_json/proof_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 5000, LIMIT_MAX = 64, DECODE_BYTES = 16 << 10 };

/* Their time, and a validator's own count of those of one time. */
static const struct api_list receipts = { LIMIT_MAX, LIMIT_MAX, HTTP_PAGE_COUNT, INT64_MAX, 0 };

struct receipt_read {
    struct http_exchange *exchange;
    size_t validator, validators;
    uint64_t to_ms;
    struct api_page page;
};

static void unavailable(struct http_exchange *exchange, const char *why)
{
    http_problem(exchange, 503, "Unavailable", why, NULL);
}

static json_t *hex_list(const struct wire_receipt_item *items, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, proof_json_hex(items[i].data));
    return list;
}

static json_t *document_of(struct receipt_read *read, const struct wire_receipt_reply *reply)
{
    read->page.more = reply->more;
    read->page.last.number = reply->next_ms;
    snprintf(read->page.last.id, sizeof read->page.last.id, "%" PRIu32, reply->next_place);
    json_t *list = hex_list(reply->receipts, reply->receipts_count);
    json_t *links = hex_list(reply->links, reply->links_count);
    json_t *document = json_pack(
        "{s:I, s:I, s:o, s:I, s:b, s:I, s:I, s:o, s:o}", "validator", (json_int_t)read->validator,
        "validators", (json_int_t)read->validators, "key",
        proof_json_hex(span_of(reply->key, sizeof reply->key)), "oldest_ms",
        (json_int_t)reply->oldest_ms, "more", reply->more, "next_ms",
        (json_int_t)(reply->more ? reply->next_ms : read->to_ms), "next_place",
        (json_int_t)(reply->more ? reply->next_place : 0), "receipts", list, "key_links", links);
    api_add_next(document, &read->page);
    return document;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct receipt_read *read = context;
    _Alignas(max_align_t) uint8_t memory[DECODE_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_receipt_reply reply;
    struct error error;
    if (outcome != BUS_REPLIED)
        unavailable(read->exchange, "the validator gave no receipts; ask again, or the next one");
    else if (!wire_decode_receipt_reply(message, &arena, &reply, &error))
        unavailable(read->exchange, error.text);
    else
        api_reply(read->exchange, document_of(read, &reply));
    free(read);
}

void api_receipts(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct identity_account identity;
    struct peers *peers = &scheduler->validators;
    enum identity_outcome outcome = identity_resolve(
        &scheduler->options.coin, span_text(http_segment(exchange, 0)), &identity, NULL);
    uint64_t number = api_query_number(exchange, "validator", 0, INT64_MAX);
    struct api_page page;
    if (!api_may_ask(scheduler, exchange) || !api_list_asked(exchange, &receipts, &page))
        return;
    if (outcome != IDENTITY_OK || number >= peers->count) {
        http_problem(exchange, 404, "Not found",
                     outcome != IDENTITY_OK ? identity_outcome_text(outcome)
                                            : "there is no validator of this number",
                     outcome != IDENTITY_OK ? "name" : "validator");
        return;
    }
    uint64_t from_ms = api_query_number(exchange, "from", 0, INT64_MAX);
    uint64_t place = api_query_number(exchange, "place", 0, UINT32_MAX);
    const struct wire_receipt_request request = {
        .account = identity_account_id(&scheduler->options.key, &identity),
        .from_ms = page.behind ? page.place.number : from_ms,
        .to_ms = api_query_number(exchange, "to", loop_unix_ms(), INT64_MAX),
        .from_place = (uint32_t)(page.behind ? strtoull(page.place.id, NULL, 10) : place),
        .limit = (uint32_t)page.limit,
    };
    uint8_t bytes[64];
    size_t length = wire_encode_receipt_request(&request, bytes, sizeof bytes);
    struct receipt_read *read = calloc(1, sizeof *read);
    ASSERT(length > 0 && read != NULL);
    *read = (struct receipt_read){ exchange, (size_t)number, peers->count, request.to_ms, page };
    struct bus_client *client = peers_at(peers, (size_t)number);
    if (!scheduler->stopping && client != NULL &&
        bus_request(client, span_of(bytes, length), TIMEOUT_MS, on_reply, read))
        return;
    unavailable(exchange, "the validator is not connected, or too many questions wait; ask again");
    free(read);
}
