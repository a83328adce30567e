/* What is asked of other processes for somebody: payout's orders (pause, approvals, withdrawals,
 * an audit) travel with the token, which payout checks for itself; the gateways' bans were asked
 * for by an operator, which was checked here. Of payouts one is asked after the other, until one
 * answers that leads; gateways ask by themselves what they are to do (bans.h).
 *
 * What payout said stands in read->order: {"answers": [{"ok", "text"} or null]}. On the loop. */
#include "services/inode-scheduler/api_access.h"

#include "service/stands_by.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MESSAGE_BYTES = 8192,
    REPLY_DECODE_BYTES = 24 << 10,
    PAYOUT_MS = 20000,
    AUDIT_MS = 120000,
};

struct order {
    struct api_read *read;
    const struct peers *peers;
    unsigned timeout_ms;
    size_t next;
    json_t *answers;
    void (*done)(struct api_read *read); /* takes the read; its order is complete */
    uint8_t message[MESSAGE_BYTES];
    size_t length;
};

static void go_on(struct order *order);

static void finish(struct order *order)
{
    struct api_read *read = order->read;
    void (*done)(struct api_read *) = order->done;
    read->order = json_pack("{s:o}", "answers", order->answers);
    explicit_bzero(order->message, sizeof order->message); /* a token may be in it */
    free(order);
    done(read);
}

static json_t *answer_of(const struct wire_control_reply *reply)
{
    json_t *answer = json_pack("{s:b, s:s}", "ok", reply->ok, "text", reply->text);
    return answer != NULL ? answer : json_null(); /* no UTF-8: as if it had said nothing */
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct order *order = context;
    _Alignas(max_align_t) uint8_t memory[REPLY_DECODE_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_control_reply reply;
    struct error error;
    if (outcome != BUS_REPLIED || !wire_decode_control_reply(message, &arena, &reply, &error))
        json_array_append_new(order->answers, json_null());
    else if (strcmp(reply.text, PAYOUT_STANDS_BY) != 0)
        json_array_append_new(order->answers, answer_of(&reply));
    /* Somebody may have carried it out and not be able to say so: nobody else is asked then. */
    if (json_array_size(order->answers) > 0)
        order->next = order->peers->count;
    go_on(order);
}

static void go_on(struct order *order)
{
    while (order->next < order->peers->count && !order->read->scheduler->stopping) {
        struct bus_client *client = peers_at(order->peers, order->next++);
        if (client == NULL)
            continue;
        if (bus_request(client, span_of(order->message, order->length), order->timeout_ms, on_reply,
                        order))
            return;
    }
    finish(order);
}

static struct order *begin(struct api_read *read, const struct peers *peers, unsigned timeout_ms,
                           void (*done)(struct api_read *read))
{
    struct order *order = calloc(1, sizeof *order);
    ASSERT(order != NULL);
    order->read = read;
    order->peers = peers;
    order->timeout_ms = timeout_ms;
    order->answers = json_array();
    order->done = done;
    return order;
}

static void refuse(struct api_read *read, int status, const char *text, const char *field)
{
    read->status = status;
    read->field = field;
    error_fill(&read->error, ERROR_REFUSED, "%s", text);
    api_read_end(read);
}

/* A verb with its argument, to payout. */
static void order_control(struct order *order, const char *verb, const char *argument,
                          const char *token)
{
    const struct wire_control_request request = { .verb = verb,
                                                  .argument = argument,
                                                  .token = token };
    order->length = wire_encode_control_request(&request, order->message, sizeof order->message);
    if (order->length > 0) {
        go_on(order);
        return;
    }
    struct api_read *read = order->read;
    json_decref(order->answers);
    free(order);
    refuse(read, 400, "that is too long", "body");
}

/* What payout said: its text, or NULL with the read ended: nobody leads, or it refused. */
static const char *said(struct api_read *read)
{
    const json_t *answer = json_array_get(json_object_get(read->order, "answers"), 0);
    const char *text = json_string_value(json_object_get(answer, "text"));
    if (answer == NULL)
        refuse(read, 503, "no payout that leads can be asked now (scheduler.payouts)", NULL);
    else if (text == NULL)
        refuse(read, 503,
               "payout did not answer in time: whether it was done is unknown; look again", NULL);
    else if (!json_is_true(json_object_get(answer, "ok")))
        refuse(read, 409, text, NULL);
    else
        return text;
    return NULL;
}

static void done_saying(struct api_read *read)
{
    const char *text = said(read);
    if (text == NULL)
        return;
    read->document = json_pack("{s:s}", "detail", text);
    api_read_end(read);
}

/* Its text is a document. */
static void done_document(struct api_read *read)
{
    const char *text = said(read);
    if (text == NULL)
        return;
    read->document = json_loads(text, 0, NULL);
    error_fill(&read->error, ERROR_INVALID, "payout's answer is no JSON");
    api_read_end(read);
}

/* The audit's differences are an answer too, though payout calls them a failure. */
static void done_audit(struct api_read *read)
{
    const json_t *answer = json_array_get(json_object_get(read->order, "answers"), 0);
    const char *text = json_string_value(json_object_get(answer, "text"));
    json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    if (!json_is_object(document)) {
        json_decref(document);
        done_saying(read);
        return;
    }
    read->document = document;
    api_read_end(read);
}

static void audit_after(struct api_read *read)
{
    order_control(begin(read, &read->scheduler->payouts, AUDIT_MS, done_audit), "audit", "",
                  read->token);
}

void api_operator_audit(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded audit = { TOKEN_SCOPE_OPERATOR, NULL, audit_after };
    api_guarded_begin(context, exchange, &audit);
}

/* The books as payout has them, and what its own audits found. */
static void done_ledger(struct api_read *read)
{
    const struct health *health = &read->scheduler->health;
    const json_t *answer = json_array_get(json_object_get(read->order, "answers"), 0);
    const char *text = json_string_value(json_object_get(answer, "text"));
    json_t *books = json_is_true(json_object_get(answer, "ok")) ? json_loads(text, 0, NULL) : NULL;
    read->document = json_pack(
        "{s:o, s:s, s:{s:I, s:I, s:I}, s:o}", "books", books != NULL ? books : json_null(),
        "trouble",
        books != NULL  ? ""
        : text != NULL ? text
                       : "no payout that leads can be asked now",
        "audit", "at", (json_int_t)health_sum(health, HEALTH_PAYOUT, "audited"), "differences",
        (json_int_t)health_sum(health, HEALTH_PAYOUT, "audit_differences"), "interval_h",
        (json_int_t)read->scheduler->options.settings->payout_audit_interval_h, "insolvent",
        api_money((int64_t)health_sum(health, HEALTH_PAYOUT, "insolvent")));
    api_add_coin(read->document, read->scheduler);
    api_read_end(read);
}

static void ledger_after(struct api_read *read)
{
    order_control(begin(read, &read->scheduler->payouts, PAYOUT_MS, done_ledger), "status", "",
                  read->token);
}

void api_operator_ledger(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded ledger = { TOKEN_SCOPE_OPERATOR, NULL, ledger_after };
    api_guarded_begin(context, exchange, &ledger);
}

/* One of these words. */
static bool is_one_of(const char *verb, const char *const *verbs)
{
    for (; *verbs != NULL; verbs++)
        if (strcmp(*verbs, verb) == 0)
            return true;
    return false;
}

static void turn_after(struct api_read *read)
{
    static const char *const verbs[] = { "pause", "resume", "push", NULL };
    const char *verb = api_text(read->body, "verb");
    if (!is_one_of(verb, verbs)) {
        refuse(read, 400, "verb is pause, resume or push", "verb");
        return;
    }
    order_control(begin(read, &read->scheduler->payouts, PAYOUT_MS, done_saying), verb,
                  api_text(read->body, "reason"), read->token);
}

/* A request with a body. */
static void begin_with_body(struct scheduler *scheduler, struct http_exchange *exchange,
                            const struct api_guarded *guarded, const char *const *names)
{
    json_t *body = api_body(exchange, names);
    if (body != NULL)
        api_guarded_begin_with(scheduler, exchange, guarded, body);
}

void api_operator_turn(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded turn = { TOKEN_SCOPE_OPERATOR, NULL, turn_after };
    static const char *const names[] = { "verb", "?reason", NULL };
    begin_with_body(context, exchange, &turn, names);
}

static void payment_after(struct api_read *read)
{
    static const char *const verbs[] = { "approve", "reject", "bump", NULL };
    const char *verb = api_text(read->body, "verb");
    const char *number = http_segment(read->exchange, 0);
    char argument[1025];
    u128 value;
    if (!is_one_of(verb, verbs)) {
        refuse(read, 400, "verb is approve, reject or bump", "verb");
        return;
    }
    if (!u128_parse(number, strlen(number), &value) || value == 0 || value > INT64_MAX) {
        refuse(read, 404, "a payment has a number", "number");
        return;
    }
    snprintf(argument, sizeof argument, "%s%s%.1000s", number,
             strcmp(verb, "reject") == 0 ? " " : "",
             strcmp(verb, "reject") == 0 ? api_text(read->body, "reason") : "");
    order_control(begin(read, &read->scheduler->payouts, PAYOUT_MS, done_saying), verb, argument,
                  read->token);
}

void api_operator_payment(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded payment = { TOKEN_SCOPE_OPERATOR, NULL, payment_after };
    static const char *const names[] = { "verb", "?reason", NULL };
    begin_with_body(context, exchange, &payment, names);
}

static void withdraw_after(struct api_read *read)
{
    const char *text = api_text(read->body, "amount");
    u128 amount;
    if (!u128_parse(text, strlen(text), &amount) || amount > INT64_MAX) {
        refuse(read, 400, "amount is base units in decimal digits; 0 is everything available",
               "amount");
        return;
    }
    struct order *order = begin(read, &read->scheduler->payouts, PAYOUT_MS, done_document);
    const struct wire_withdrawal_request request = { .token = read->token,
                                                     .request = api_text(read->body, "request"),
                                                     .amount = (uint64_t)amount,
                                                     .address = "" };
    order->length = wire_encode_withdrawal_request(&request, order->message, sizeof order->message);
    if (order->length > 0) {
        go_on(order);
        return;
    }
    json_decref(order->answers);
    free(order);
    refuse(read, 400, "a request's name is 1 to 64 letters, digits, - and _", "request");
}

void api_withdraw(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded withdraw = { TOKEN_SCOPE_WITHDRAW_PROPOSE, NULL,
                                                 withdraw_after };
    static const char *const names[] = { "request", "amount", NULL };
    begin_with_body(context, exchange, &withdraw, names);
}

/* The bans of a report; the time they have left by our clock. */
static json_t *bans_of(const struct wire_bans_report *report)
{
    json_t *list = json_array();
    const uint64_t now_ms = loop_unix_ms();
    for (uint32_t i = 0; i < report->bans_count; i++) {
        const struct wire_ban *ban = &report->bans[i];
        if (ban->until_ms <= now_ms)
            continue;
        json_t *line =
            json_pack("{s:s, s:I, s:s}", "whom", ban->whom, "seconds",
                      (json_int_t)((ban->until_ms - now_ms + 999) / 1000), "reason", ban->reason);
        if (line != NULL) /* no UTF-8 */
            json_array_append_new(list, line);
    }
    return list;
}

static json_t *gateway_of(const struct bans *bans, const struct bans_gateway *gateway)
{
    _Alignas(max_align_t) uint8_t memory[REPLY_DECODE_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_bans_report report;
    struct error error;
    if (!wire_decode_bans_report(span_of(gateway->report, gateway->report_bytes), &arena, &report,
                                 &error))
        return NULL; /* it was read before: no memory for it then */
    const bool lives = bans_lives(bans, gateway);
    return json_pack("{s:s, s:b, s:I, s:o}", "gateway", gateway->instance, "answered", lives,
                     "count", (json_int_t)(lives ? report.count : 0), "bans",
                     lives ? bans_of(&report) : json_array());
}

static void bans_after(struct api_read *read)
{
    const struct bans *bans = &read->scheduler->bans;
    if (!bans_listens(bans)) {
        refuse(
            read, 503,
            "this inode-scheduler does not lead: gateways say to the one that does who is banned",
            NULL);
        return;
    }
    json_t *gateways = json_array();
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++) {
        const struct bans_gateway *gateway = bans_at(bans, place);
        json_t *line = gateway != NULL ? gateway_of(bans, gateway) : NULL;
        if (line != NULL)
            json_array_append_new(gateways, line);
    }
    read->document =
        json_pack("{s:o, s:b}", "gateways", gateways, "complete", bans_heard_all(bans));
    api_read_end(read);
}

void api_operator_bans(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded bans = { TOKEN_SCOPE_OPERATOR, NULL, bans_after };
    api_guarded_begin(context, exchange, &bans);
}

/* Done where one gateway did it: a ban holds where it was set, and a lift finds it where it is. */
static void done_ban(void *context, const struct bans_result *result)
{
    struct api_read *read = context;
    if (result->done == 0) {
        refuse(read, result->refused > 0 ? 409 : 503,
               result->refused > 0
                   ? result->refusal
                   : "no gateway answered in time: whether it was done is unknown; look again",
               NULL);
        return;
    }
    char text[160];
    snprintf(text, sizeof text, "done by %u of %u gateways%s", result->done, result->asked,
             bans_heard_all(&read->scheduler->bans)
                 ? ""
                 : "; others may not have reported here yet: look again");
    read->document = json_pack("{s:s}", "detail", text);
    api_read_end(read);
}

static void ban_after(struct api_read *read)
{
    static const char *const verbs[] = { "ban", "lift", NULL };
    const char *verb = api_text(read->body, "verb"), *seconds = api_text(read->body, "seconds");
    const char *whom = api_text(read->body, "whom");
    char argument[400];
    if (!is_one_of(verb, verbs)) {
        refuse(read, 400, "verb is ban or lift", "verb");
        return;
    }
    if (whom[0] == '\0' || strlen(whom) > 200 || strspn(seconds, "0123456789") != strlen(seconds) ||
        strlen(seconds) > 9) {
        refuse(read, 400,
               "whom is an address, a network or worker ACCOUNT/WORKER; seconds a number", "whom");
        return;
    }
    bool for_long = strcmp(verb, "ban") == 0 && seconds[0] != '\0';
    snprintf(argument, sizeof argument, "%s%s%s", whom, for_long ? " " : "",
             for_long ? seconds : "");
    bool none;
    if (!bans_order(&read->scheduler->bans, verb, argument, done_ban, read, &none))
        refuse(read, 503,
               none ? "no gateway reports here now" : "too much is asked of gateways at once",
               NULL);
}

void api_operator_ban(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded ban = { TOKEN_SCOPE_OPERATOR, NULL, ban_after };
    static const char *const names[] = { "verb", "whom", "?seconds", NULL };
    begin_with_body(context, exchange, &ban, names);
}
