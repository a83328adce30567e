/* What the operator may ask of payout. Each request is a job on the worker's thread, behind the
 * tick that is under way. */
#include "services/payout/payout.h"

#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_TEXT_BYTES = 8192, REPLY_BYTES = 16384 };

enum control_verb { CONTROL_STATUS, CONTROL_AUDIT, CONTROL_FUND };

struct control_job {
    struct worker_job job;
    struct payout *payout;
    struct bus_call *call;
    enum control_verb verb;
    uint64_t number; /* of fund */
    struct money amount;
    bool ok;
    char text[REPLY_TEXT_BYTES];
};

static void reply(struct bus_call *call, bool ok, const char *text)
{
    uint8_t memory[REPLY_BYTES];
    struct wire_control_reply message = { .ok = ok, .text = text };
    size_t length = wire_encode_control_reply(&message, memory, sizeof memory);
    if (length == 0)
        bus_drop(call);
    else
        (void)bus_reply(call, span_of(memory, length));
}

struct text {
    char *data;
    size_t used, capacity;
};

static void put(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->data + text->used, text->capacity - text->used, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < text->capacity - text->used)
        text->used += (size_t)length;
}

static bool say_status(struct payout *payout, struct text *text, struct error *error)
{
    struct engine_sums sums;
    struct engine_counters counters = engine_counters(payout->engine);
    if (!engine_sums(payout->store, &sums, error))
        return false;
    put(text,
        "{\"epoch\":%" PRIu64 ",\"event\":%" PRIu64 ",\"set\":%" PRIu64 ",\"open_sets\":%" PRIu64
        ",\"accounts\":%" PRIu64 ",\"balances\":{",
        counters.epoch, counters.newest_event, counters.newest_set, sums.open_sets, sums.accounts);
    for (int owner = LEDGER_MINER; owner <= LEDGER_OWNER_LAST; owner++) {
        put(text, "%s\"%s\":{", owner == LEDGER_MINER ? "" : ",",
            ledger_owner_name((enum ledger_owner)owner));
        for (int kind = LEDGER_IMMATURE; kind <= LEDGER_PAID; kind++)
            put(text, "%s\"%s\":\"%" PRId64 "\"", kind == LEDGER_IMMATURE ? "" : ",",
                ledger_kind_name((enum ledger_kind)kind), sums.kinds[owner][kind]);
        put(text, "}");
    }
    put(text, "},\"payments\":{");
    bool first = true;
    for (int state = PAYMENT_PLANNED; state <= PAYMENT_VOIDED; state++) {
        if (!payment_state_is_open((enum payment_state)state))
            continue;
        put(text, "%s\"%s\":%" PRIu64, first ? "" : ",",
            payment_state_name((enum payment_state)state), sums.payments[state]);
        first = false;
    }
    put(text, "}}");
    return true;
}

static bool say_audit(struct payout *payout, struct text *text, struct error *error)
{
    struct payout_audit_report report;
    uint64_t lines = 0;
    if (!payout_audit(payout->store, payout_log_difference, &lines, &report, error))
        return false;
    char safe[sizeof report.first];
    put(text,
        "{\"sets\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"accounts\":%" PRIu64
        ",\"snapshots\":%" PRIu64 ",\"payments\":%" PRIu64 ",\"differences\":%" PRIu64
        ",\"first\":\"%s\"}",
        report.sets, report.entries, report.accounts, report.snapshots, report.payments,
        report.differences, log_text(report.first, safe, sizeof safe));
    return report.differences == 0;
}

static bool fund(const struct control_job *control, struct text *text, struct error *error)
{
    struct money booked;
    if (engine_fund(control->payout->engine, control->number, control->amount, &booked, error) !=
        STEP_DONE)
        return false;
    put(text, "{\"number\":%" PRIu64 ",\"amount\":\"%" PRIu64 "\"}", control->number, booked.units);
    return booked.units == control->amount.units;
}

/* "NUMBER AMOUNT" */
static bool read_deposit(const char *argument, struct control_job *job)
{
    const char *space = strchr(argument, ' ');
    u128 number, amount;
    if (space == NULL || !u128_parse(argument, (size_t)(space - argument), &number) ||
        !u128_parse(space + 1, strlen(space + 1), &amount) || number == 0 || number > UINT64_MAX ||
        amount == 0 || amount > MONEY_MAX)
        return false;
    job->number = (uint64_t)number;
    job->amount.units = (uint64_t)amount;
    return true;
}

static bool read_verb(const struct wire_control_request *request, struct control_job *job)
{
    static const char *const verbs[] = {
        [CONTROL_STATUS] = "status", [CONTROL_AUDIT] = "audit", [CONTROL_FUND] = "fund"
    };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(request->verb, verbs[i]) == 0) {
            job->verb = (enum control_verb)i;
            return job->verb != CONTROL_FUND || read_deposit(request->argument, job);
        }
    return false;
}

static void work_control(struct worker_job *job)
{
    struct control_job *control = (struct control_job *)job;
    struct text text = { control->text, 0, sizeof control->text };
    struct error error = { .code = ERROR_NONE };
    if (control->payout->engine == NULL) {
        snprintf(control->text, sizeof control->text, PAYOUT_STANDS_BY);
        return;
    }
    switch (control->verb) {
    case CONTROL_STATUS:
        control->ok = say_status(control->payout, &text, &error);
        break;
    case CONTROL_AUDIT:
        control->ok = say_audit(control->payout, &text, &error);
        break;
    case CONTROL_FUND:
        control->ok = fund(control, &text, &error);
        break;
    }
    if (error.code != ERROR_NONE)
        snprintf(control->text, sizeof control->text, "%s", error.text);
}

static void done_control(struct worker_job *job)
{
    struct control_job *control = (struct control_job *)job;
    control->payout->calls--;
    reply(control->call, control->ok, control->text);
    free(control);
}

void payout_on_control(void *context, struct bus_call *call, struct span message)
{
    struct payout *payout = context;
    struct wire_control_request request;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_decode_control_request(message, &arena, &request, &error)) {
        reply(call, false, error.text);
        return;
    }
    if (strcmp(request.verb, "push") == 0 && !payout->led) {
        reply(call, false, PAYOUT_STANDS_BY);
        return;
    }
    if (strcmp(request.verb, "push") == 0) {
        payout->push_next = true; /* the next tick is at most a second away */
        reply(call, true, "payments are looked at now");
        return;
    }
    struct control_job asked = { .ok = false };
    if (!read_verb(&request, &asked)) {
        reply(call, false, "payout knows the verbs status, push, audit and fund NUMBER AMOUNT");
        return;
    }
    struct control_job *job = payout->calls < PAYOUT_CALLS_MAX ? calloc(1, sizeof *job) : NULL;
    if (job == NULL) {
        reply(call, false, "too many requests at once");
        return;
    }
    *job = asked;
    job->job = (struct worker_job){ .work = work_control, .done = done_control };
    job->payout = payout;
    job->call = call;
    if (!worker_submit(payout->worker, &job->job)) {
        free(job);
        reply(call, false, "too many requests at once");
        return;
    }
    payout->calls++;
}
