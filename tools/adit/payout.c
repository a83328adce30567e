/* adit payout: asks the payout process of this pool, over its private socket: how it stands, pause
 * and resume, approvals and refusals, a higher fee, withdrawals. Of several payouts the one that
 * leads answers. Tokens are read from a file or from standard input ("-"), never from the command
 * line, where others could see them. 0: done; 1: no payout answers; 2: it refused; 64: wrong use.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "plan.h"
#include "service/stands_by.h"
#include "wire/messages.h"

enum { ANSWER_MS = 120000, TOKEN_BYTES = 4097, PAYOUTS_MAX = 2 };

static int ask(const struct settings *settings, struct span request)
{
    struct asking asking = { .answered = false };
    for (int i = 1; i <= PAYOUTS_MAX; i++) {
        char url[400];
        snprintf(url, sizeof url, "%s", settings->payout_listen);
        if (i > 1)
            snprintf(url, sizeof url, "ipc://%.300s/run/payout-%d.rep", settings->service_data_dir,
                     i);
        if (!ask_process(settings, url, request, ANSWER_MS, &asking))
            continue;
        if (strcmp(asking.text, PAYOUT_STANDS_BY) != 0)
            break;
    }
    if (!asking.answered) {
        fprintf(stderr, "adit: no payout answers at %s\n", settings->payout_listen);
        return 1;
    }
    fprintf(asking.ok ? stdout : stderr, "%s%s\n", asking.ok ? "" : "adit: ", asking.text);
    return asking.ok ? 0 : 2;
}

static bool read_token(const char *path, char token_r[TOKEN_BYTES])
{
    bool in = strcmp(path, "-") == 0;
    FILE *file = in ? stdin : fopen(path, "re");
    bool read = file != NULL && fgets(token_r, TOKEN_BYTES, file) != NULL;
    if (file != NULL && !in)
        fclose(file);
    if (!read) {
        fprintf(stderr, "adit: no token in %s\n", path);
        return false;
    }
    token_r[strcspn(token_r, "\r\n")] = '\0';
    return true;
}

static int control(const struct options *options, const struct settings *settings)
{
    char argument[1025], token[TOKEN_BYTES] = "";
    uint8_t bytes[8192];
    const char *verb = options->rest[0], *token_file = options->token;
    if (strcmp(verb, "approve") == 0) {
        if (options->rest_count != 3)
            return 64;
        token_file = options->rest[2];
        snprintf(argument, sizeof argument, "%.1000s", options->rest[1]);
    } else {
        ask_join(options, 1, argument, sizeof argument);
    }
    if (token_file != NULL && !read_token(token_file, token))
        return 64;
    struct wire_control_request request = { .verb = verb, .argument = argument, .token = token };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    return length == 0 ? 64 : ask(settings, span_of(bytes, length));
}

/* withdraw TOKEN_FILE REQUEST AMOUNT [ADDRESS] */
static int withdraw(const struct options *options, const struct settings *settings)
{
    char token[TOKEN_BYTES];
    uint8_t bytes[8192];
    u128 amount;
    if (options->rest_count < 4 || options->rest_count > 5 ||
        !u128_parse(options->rest[3], strlen(options->rest[3]), &amount) || amount > INT64_MAX)
        return 64;
    if (!read_token(options->rest[1], token))
        return 64;
    struct wire_withdrawal_request request = {
        .token = token,
        .request = options->rest[2],
        .amount = (uint64_t)amount,
        .address = options->rest_count == 5 ? options->rest[4] : "",
    };
    size_t length = wire_encode_withdrawal_request(&request, bytes, sizeof bytes);
    return length == 0 ? 64 : ask(settings, span_of(bytes, length));
}

int command_payout(const struct options *options)
{
    static const char usage[] =
        "usage: adit payout [--config FILE] [--data DIR] [--token FILE] VERB\n"
        "  (--token: an operator's; payout takes no order from another host without)\n"
        "  status                                  sums, payments by state\n"
        "  push                                    look at payments now\n"
        "  pause [REASON], resume [REASON]         nothing new is signed meanwhile\n"
        "  approve PAYMENT TOKEN_FILE              an operator's approval\n"
        "  reject PAYMENT [REASON]                 give up one that is not signed\n"
        "  bump PAYMENT                            a version with a higher fee, now\n"
        "  fund NUMBER AMOUNT                      book a deposit to the reserve\n"
        "  withdraw TOKEN_FILE REQUEST AMOUNT [ADDRESS]\n"
        "                                          AMOUNT 0: everything; ADDRESS: what the pool\n"
        "                                          itself earned, by an operator's token\n";
    struct settings settings;
    struct error error;
    char data_dir[80];
    if (options->rest_count < 1) {
        fprintf(stderr, "%s", usage);
        return 64;
    }
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    int code = strcmp(options->rest[0], "withdraw") == 0 ? withdraw(options, &settings)
                                                         : control(options, &settings);
    if (code == 64)
        fprintf(stderr, "%s", usage);
    settings_deinit(&settings);
    return code;
}
