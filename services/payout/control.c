/* What may be asked of payout: by the operator (control_request, over the pool's private socket, or
 * from another host with a token), and by whoever holds a token (withdrawal_request). Each request
 * is a job on the worker's thread, behind the tick that is under way. Approvals and withdrawals are
 * somebody's: payout checks their tokens itself. */
#include "services/payout/payout.h"

#include "adapter/token_sodium/token.h"
#include "record/account/account.h"
#include "record/switch/switch.h"
#include "record/withdrawal/withdrawal.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_TEXT_BYTES = 8192, REPLY_BYTES = 16384 };

/* X(enum name, verb) */
#define CONTROL_VERBS(X)                                                                           \
    X(CONTROL_STATUS, "status")                                                                    \
    X(CONTROL_AUDIT, "audit")                                                                      \
    X(CONTROL_PUSH, "push")                                                                        \
    X(CONTROL_FUND, "fund")       /* NUMBER AMOUNT */                                              \
    X(CONTROL_PAUSE, "pause")     /* [REASON] */                                                   \
    X(CONTROL_RESUME, "resume")   /* [REASON] */                                                   \
    X(CONTROL_APPROVE, "approve") /* PAYMENT, and a token */                                       \
    X(CONTROL_REJECT, "reject")   /* PAYMENT [REASON] */                                           \
    X(CONTROL_BUMP, "bump")       /* PAYMENT */

enum control_verb {
#define X(name, verb) name,
    CONTROL_VERBS(X)
#undef X
        CONTROL_WITHDRAW, /* a message of its own */
};

struct control_job {
    struct worker_job job;
    struct payout *payout;
    struct bus_call *call;
    enum control_verb verb;
    uint64_t number; /* of a deposit or a payment */
    struct money amount;
    char words[1025]; /* a reason */
    char token[TOKEN_BYTES_MAX + 1];
    char request[WITHDRAWAL_NAME_BYTES];
    char address[ADDRESS_TEXT_BYTES];
    uint64_t operator_account; /* whose token was shown; 0: none was */
    bool ok;
    bool audited; /* the report counts */
    bool kept;    /* and was written down */
    struct payout_audit_report report;
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

/* Whether an operator has stopped payments, who, why and since when (unix seconds). */
static bool say_paused(struct payout *payout, struct text *text, struct error *error)
{
    struct switch_record paused;
    char by[2 * SWITCH_BY_BYTES], reason[2 * SWITCH_REASON_BYTES];
    if (switch_get(payout->store, ENGINE_PAUSED, &paused, error) != STORE_DONE)
        return false;
    if (!paused.on)
        put(text, ",\"paused\":null");
    else
        put(text, ",\"paused\":{\"by\":\"%s\",\"reason\":\"%s\",\"since\":%" PRIu64 "}",
            log_text(paused.by, by, sizeof by), log_text(paused.reason, reason, sizeof reason),
            paused.changed_ms / 1000);
    return true;
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
    put(text, "}");
    if (!say_paused(payout, text, error))
        return false;
    put(text, "}");
    return true;
}

static bool say_audit(struct control_job *control, struct text *text, struct error *error)
{
    struct payout_audit_report *report = &control->report;
    control->audited = payout_look_over(control->payout->store, report, &control->kept, error);
    if (!control->audited)
        return false;
    char safe[sizeof report->first];
    put(text,
        "{\"sets\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"accounts\":%" PRIu64
        ",\"snapshots\":%" PRIu64 ",\"payments\":%" PRIu64 ",\"differences\":%" PRIu64
        ",\"first\":\"%s\"}",
        report->sets, report->entries, report->accounts, report->snapshots, report->payments,
        report->differences, log_text(report->first, safe, sizeof safe));
    return report->differences == 0;
}

static bool fund(const struct control_job *control, struct text *text, struct error *error)
{
    struct money booked;
    if (engine_fund(control->payout->engine, control->number, control->amount, &booked, error) !=
        STEP_DONE)
        return false;
    put(text, "{\"number\":%" PRIu64 ",\"amount\":\"%" PRIu64 "\"}", control->number, booked.units);
    return booked.units == control->amount.units ||
           error_set(error, ERROR_REFUSED,
                     "deposit %" PRIu64 " was booked before, with %" PRIu64
                     "; another deposit needs another number",
                     control->number, booked.units);
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

/* "NUMBER" and what follows it. */
static bool read_payment(const char *argument, struct control_job *job)
{
    size_t digits = strcspn(argument, " ");
    u128 number;
    if (!u128_parse(argument, digits, &number) || number == 0 || number > UINT64_MAX)
        return false;
    job->number = (uint64_t)number;
    snprintf(job->words, sizeof job->words, "%s", argument + digits + (argument[digits] == ' '));
    return true;
}

static bool read_verb(const struct wire_control_request *request, struct control_job *job)
{
    static const char *const verbs[] = {
#define X(name, verb) [name] = verb,
        CONTROL_VERBS(X)
#undef X
    };
    size_t verb = 0;
    while (verb < CONTROL_WITHDRAW && strcmp(request->verb, verbs[verb]) != 0)
        verb++;
    job->verb = (enum control_verb)verb;
    switch (job->verb) {
    case CONTROL_STATUS:
    case CONTROL_AUDIT:
    case CONTROL_PUSH:
        return true;
    case CONTROL_FUND:
        return read_deposit(request->argument, job);
    case CONTROL_PAUSE:
    case CONTROL_RESUME:
        snprintf(job->words, sizeof job->words, "%s", request->argument);
        return true;
    case CONTROL_APPROVE:
    case CONTROL_REJECT:
    case CONTROL_BUMP:
        return read_payment(request->argument, job);
    case CONTROL_WITHDRAW:
        break;
    }
    return false;
}

/* Whose token it is, where it is good for this; the keys are read each time, so that they may come
 * and change while payout runs. *account_r is whose it is, all zero where there is none of that. */
static bool identify(const struct control_job *control, enum token_scope scope,
                     struct token_claims *claims_r, struct account *account_r, struct error *error)
{
    struct token_verifier verifier;
    if (!token_source_read(&control->payout->tokens, control->payout->store, loop_unix_ms() / 1000,
                           &verifier, error))
        return false;
    enum token_outcome outcome =
        token_verify(&verifier, span_text(control->token), loop_unix_ms() / 1000, claims_r);
    if (outcome != TOKEN_OK)
        return error_set(error, ERROR_REFUSED, "%s", token_outcome_text(outcome));
    if ((claims_r->scopes & (uint32_t)scope) == 0)
        return error_set(error, ERROR_REFUSED, "the token is not good for this");
    if (claims_r->second_factor_on && !claims_r->second_factor_given)
        return error_set(error, ERROR_REFUSED, "the account's second factor was not given");
    memset(account_r, 0, sizeof *account_r);
    enum store_outcome outcome_of_account =
        account_get(control->payout->store, claims_r->account_id, account_r, error);
    if (outcome_of_account != STORE_DONE && outcome_of_account != STORE_MISSING)
        return false;
    /* A password set anew ends more than what asks auth. */
    return !account_token_is_void(account_r, claims_r->session[0] != '\0', claims_r->issued_s) ||
           error_set(error, ERROR_REFUSED, "the token's session or key counts no more");
}

/* An operator: now, not only when the token was made. */
static bool identify_operator(const struct control_job *control, struct token_claims *claims_r,
                              struct error *error)
{
    struct account account;
    if (!identify(control, TOKEN_SCOPE_OPERATOR, claims_r, &account, error))
        return false;
    return (account.state == ACCOUNT_ACTIVE && (account.roles & ACCOUNT_ROLE_OPERATOR) != 0) ||
           error_set(error, ERROR_REFUSED, "the token is not an operator's");
}

static bool approve(const struct control_job *control, struct text *text, struct error *error)
{
    struct token_claims claims;
    if (!identify_operator(control, &claims, error) ||
        engine_approve(control->payout->engine, control->number, claims.account_id, error) !=
            STEP_DONE)
        return false;
    put(text, "payment %" PRIu64 " is approved by this operator", control->number);
    return true;
}

/* Of one's own account; of what the pool earned where an operator names an address. */
static bool withdraw(const struct control_job *control, struct text *text, struct error *error)
{
    struct token_claims claims;
    struct account account;
    struct withdrawal withdrawal;
    bool own = control->address[0] != '\0';
    bool may = own ? identify_operator(control, &claims, error)
                   : identify(control, TOKEN_SCOPE_WITHDRAW_PROPOSE, &claims, &account, error);
    if (!may)
        return false;
    const struct engine_asking asking = { .account = own ? 0 : claims.account_id,
                                          .operator_account = own ? claims.account_id : 0,
                                          .request = control->request,
                                          .amount = control->amount,
                                          .address = control->address };
    if (engine_withdraw(control->payout->engine, &asking, &withdrawal, error) != STEP_DONE)
        return false;
    put(text, "{\"request\":\"%s\",\"state\":\"%s\",\"payment\":%" PRIu64 ",\"reason\":\"%s\"}",
        withdrawal.request, withdrawal_state_name(withdrawal.state), withdrawal.payment,
        withdrawal.reason);
    return true;
}

static bool turn_paused(const struct control_job *control, struct text *text, struct error *error)
{
    bool paused = control->verb == CONTROL_PAUSE;
    char by[SWITCH_BY_BYTES] = "the operator";
    if (control->operator_account != 0)
        snprintf(by, sizeof by, "operator %016" PRIx64, control->operator_account);
    if (engine_turn_paused(control->payout->engine, paused, by, control->words, error) != STEP_DONE)
        return false;
    put(text, paused ? "nothing new is paid until it is resumed; what is on its way is followed"
                     : "payments go on");
    return true;
}

static bool end_payment(const struct control_job *control, struct text *text, struct error *error)
{
    bool bump = control->verb == CONTROL_BUMP;
    const char *reason = control->words[0] != '\0' ? control->words : "an operator refused it";
    enum step step = bump ? engine_raise_fee(control->payout->engine, control->number, error)
                          : engine_reject(control->payout->engine, control->number, reason, error);
    if (step != STEP_DONE)
        return false;
    put(text,
        bump ? "payment %" PRIu64 " has a version with a higher fee"
             : "payment %" PRIu64 " is given up",
        control->number);
    return true;
}

/* On this host the socket's folder says who may ask; between hosts every process of the deployment
 * could, and only an operator does. A token that is shown is checked wherever it comes from: who
 * passes one on (inode-scheduler, for the dashboard) asks in that operator's name. */
static bool may_ask(struct control_job *control, struct error *error)
{
    struct token_claims claims;
    bool is_checked_anyway = control->verb == CONTROL_APPROVE || control->verb == CONTROL_WITHDRAW;
    if ((!control->payout->asks_tokens && control->token[0] == '\0') || is_checked_anyway)
        return true;
    if (!identify_operator(control, &claims, error))
        return false;
    control->operator_account = claims.account_id;
    return true;
}

static bool carry_out(struct control_job *control, struct text *text, struct error *error)
{
    switch (control->verb) {
    case CONTROL_STATUS:
        return say_status(control->payout, text, error);
    case CONTROL_AUDIT:
        return say_audit(control, text, error);
    case CONTROL_PUSH:
        put(text, "payments are looked at now");
        return true;
    case CONTROL_FUND:
        return fund(control, text, error);
    case CONTROL_PAUSE:
    case CONTROL_RESUME:
        return turn_paused(control, text, error);
    case CONTROL_APPROVE:
        return approve(control, text, error);
    case CONTROL_REJECT:
    case CONTROL_BUMP:
        return end_payment(control, text, error);
    case CONTROL_WITHDRAW:
        return withdraw(control, text, error);
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
    control->ok = may_ask(control, &error) && carry_out(control, &text, &error);
    explicit_bzero(control->token, sizeof control->token);
    if (control->ok)
        error.code = ERROR_NONE;
    if (error.code != ERROR_NONE)
        snprintf(control->text, sizeof control->text, "%s", error.text);
}

static void done_control(struct worker_job *job)
{
    struct control_job *control = (struct control_job *)job;
    control->payout->calls--;
    if (control->ok && control->verb == CONTROL_PUSH)
        control->payout->push_next = true; /* the next tick is at most a second away */
    if (control->audited)
        payout_show_audit(control->payout, &control->report, control->kept);
    reply(control->call, control->ok, control->text);
    free(control);
}

static void submit(struct payout *payout, struct bus_call *call, const struct control_job *asked)
{
    struct control_job *job = payout->calls < PAYOUT_CALLS_MAX ? calloc(1, sizeof *job) : NULL;
    if (job == NULL) {
        reply(call, false, "too many requests at once");
        return;
    }
    *job = *asked;
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

static void on_withdrawal(struct payout *payout, struct bus_call *call, struct span message)
{
    struct wire_withdrawal_request request;
    struct error error;
    uint8_t memory[TOKEN_BYTES_MAX + 1024];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_decode_withdrawal_request(message, &arena, &request, &error)) {
        reply(call, false, error.text);
        return;
    }
    if (!withdrawal_name_is_good(request.request) || request.amount > MONEY_MAX ||
        strlen(request.address) >= ADDRESS_TEXT_BYTES || strlen(request.token) > TOKEN_BYTES_MAX) {
        reply(call, false,
              "a request has a name of 1 to 64 letters, digits, - and _, an amount "
              "(0: everything), and a token");
        return;
    }
    struct control_job asked = { .verb = CONTROL_WITHDRAW, .amount = { request.amount } };
    snprintf(asked.token, sizeof asked.token, "%s", request.token);
    snprintf(asked.request, sizeof asked.request, "%s", request.request);
    snprintf(asked.address, sizeof asked.address, "%s", request.address);
    submit(payout, call, &asked);
}

void payout_on_control(void *context, struct bus_call *call, struct span message)
{
    struct payout *payout = context;
    struct wire_control_request request;
    enum wire_type type;
    struct error error;
    uint8_t memory[TOKEN_BYTES_MAX + 2048];
    struct arena arena = arena_over(memory, sizeof memory);
    if (wire_peek(message, &type, &error) && type == WIRE_TYPE_withdrawal_request) {
        on_withdrawal(payout, call, message);
        return;
    }
    if (!wire_decode_control_request(message, &arena, &request, &error)) {
        reply(call, false, error.text);
        return;
    }
    struct control_job asked = { .ok = false };
    snprintf(asked.token, sizeof asked.token, "%s", request.token);
    if (read_verb(&request, &asked))
        submit(payout, call, &asked);
    else
        reply(call, false,
              "payout knows the verbs status, push, audit, fund NUMBER AMOUNT, pause [REASON], "
              "resume, approve PAYMENT, reject PAYMENT [REASON] and bump PAYMENT");
}
