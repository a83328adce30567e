#include "services/auth/notice_words.h"

#include "base/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

enum { WORKERS_SHOWN = 8, TIME_BYTES = 32, AMOUNT_BYTES = 64, EXPONENT_MAX = 18 };

struct words {
    char *text;
    size_t length, room;
};

/* What does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(words->text + words->length, words->room - words->length, format, arguments);
    va_end(arguments);
    if (length > 0)
        words->length += (size_t)length;
    if (words->length >= words->room)
        words->length = words->room - 1;
}

static void show_time(uint64_t time_ms, char text_r[TIME_BYTES])
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    strftime(text_r, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
}

static const char *text_of(const json_t *data, const char *name)
{
    const char *text = json_string_value(json_object_get(data, name));
    return text != NULL ? text : "";
}

static long long number_of(const json_t *data, const char *name)
{
    return json_integer_value(json_object_get(data, name));
}

/* "12.5 BTC" of "1250000000" base units. */
static void show_amount(const json_t *data, const char *name, char text_r[AMOUNT_BYTES])
{
    const char *units = text_of(data, name);
    char digits[AMOUNT_BYTES];
    size_t exponent = (size_t)number_of(data, "exponent");
    if (exponent > EXPONENT_MAX || strlen(units) > 24) {
        snprintf(text_r, AMOUNT_BYTES, "%.24s base units", units);
        return;
    }
    size_t length = strlen(units), zeros = length <= exponent ? exponent + 1 - length : 0;
    memset(digits, '0', zeros);
    memcpy(digits + zeros, units, length + 1);
    length += zeros;
    size_t end = length;
    while (end > length - exponent && digits[end - 1] == '0')
        end--;
    bool whole = end == length - exponent;
    snprintf(text_r, AMOUNT_BYTES, "%.*s%s%.*s %.8s", (int)(length - exponent), digits,
             whole ? "" : ".", (int)(end - (length - exponent)), digits + length - exponent,
             text_of(data, "ticker"));
}

static void say_offline(struct words *words, const json_t *data)
{
    const json_t *workers = json_object_get(data, "workers");
    size_t shown = json_array_size(workers);
    long long count = number_of(data, "count"), minutes = (number_of(data, "after_s") + 59) / 60;
    if (shown > WORKERS_SHOWN)
        shown = WORKERS_SHOWN;
    say(words, "%lld worker%s sent no share for %lld minute%s or more:\n\n", count,
        count == 1 ? "" : "s", minutes, minutes == 1 ? "" : "s");
    for (size_t i = 0; i < shown; i++) {
        const json_t *worker = json_array_get(workers, i);
        const char *name = text_of(worker, "name");
        say(words, "    %.32s, last share %.24s\n", name[0] != '\0' ? name : "(no name)",
            text_of(worker, "last_share"));
    }
    if (count > (long long)shown)
        say(words, "    and %lld more\n", count - (long long)shown);
}

static void say_block(struct words *words, const json_t *data, bool own)
{
    char amount[AMOUNT_BYTES];
    show_amount(data, "reward", amount);
    say(words,
        "%s found block %lld, worth %s:\n\n    %.64s\n\nUntil it has matured the chain may still "
        "leave it behind.\n",
        own ? "A miner of yours" : "The pool", number_of(data, "height"), amount,
        text_of(data, "hash"));
}

static void say_payment(struct words *words, const json_t *data)
{
    char amount[AMOUNT_BYTES];
    show_amount(data, "amount", amount);
    say(words, "%s are on their way to %.100s, by transaction\n\n    %.64s\n", amount,
        text_of(data, "address"), text_of(data, "txid"));
}

static void say_what(struct words *words, const struct notice *notice, const json_t *data)
{
    switch (notice->kind) {
    case NOTICE_WORKER_OFFLINE:
        say_offline(words, data);
        break;
    case NOTICE_PAYMENT_SENT:
        say_payment(words, data);
        break;
    case NOTICE_BLOCK_OWN:
    case NOTICE_BLOCK_FOUND:
        say_block(words, data, notice->kind == NOTICE_BLOCK_OWN);
        break;
    case NOTICE_TEST:
        say(words, "You asked for this one, to see that notices arrive. They do.\n");
        break;
    case NOTICE_WEBHOOK_OFF:
        say(words,
            "Your webhook has taken nothing since %.24s (%.100s), and is asked no more. Set it "
            "again when its receiver is well.\n",
            text_of(data, "since"), text_of(data, "result"));
        break;
    case NOTICE_AUDIT:
        say(words,
            "Audit %lld of the ledger found %lld difference%s. The first:\n\n    %.300s\n\nPause "
            "payouts until it is understood.\n",
            number_of(data, "audit"), number_of(data, "differences"),
            number_of(data, "differences") == 1 ? "" : "s", text_of(data, "first"));
        break;
    case NOTICE_PAUSED:
        say(words, "Payouts were paused by %.64s: %.200s\n", text_of(data, "by"),
            text_of(data, "reason"));
        break;
    }
}

static void say_paths(struct words *words, const struct notice_paths *paths)
{
    if (paths->last)
        say(words, "\nThis is the last letter of today; the page shows what else comes.\n");
    if (paths->site[0] != '\0')
        say(words, "\nWhat you are told, and how, is yours to choose:\n    %.200s/#/me/notices\n",
            paths->site);
    if (paths->stop != NULL && paths->site[0] != '\0')
        say(words, "No more such letters:\n    %.200s/account/unsubscribe#%s\n", paths->site,
            paths->stop);
    else if (paths->stop != NULL)
        say(words, "\nLog in and open \"Notices\" to choose what you are told.\n");
}

bool notice_write_letter(const struct notice *notice, const struct notice_paths *paths,
                         struct mail *mail_r)
{
    json_t *data = json_loads(notice->body, 0, NULL);
    char what[sizeof mail_r->text], ends[sizeof mail_r->text];
    struct words words = { what, 0, sizeof what }, last = { ends, 0, sizeof ends };
    bool good = json_is_object(data);
    if (good) {
        snprintf(mail_r->subject, sizeof mail_r->subject, "%s", notice_subject(notice->kind));
        if (notice->account != 0)
            say(&words, "This is about the account %.64s at the mining pool.\n\n",
                text_of(data, "account"));
        say_what(&words, notice, data);
        say_paths(&last, paths);
        /* The link that stops the letters is in each of them, whole, however much they tell. */
        (void)utf8_keep(what, words.length, mail_r->text, sizeof mail_r->text - last.length);
        memcpy(mail_r->text + strlen(mail_r->text), ends, last.length + 1);
    }
    json_decref(data);
    return good;
}

size_t notice_write_document(const struct notice *notice, char text_r[NOTICE_DOCUMENT_BYTES])
{
    char time[TIME_BYTES];
    show_time(notice->created_ms, time);
    int length = snprintf(text_r, NOTICE_DOCUMENT_BYTES,
                          "{\"type\":\"%s\",\"timestamp\":\"%s\",\"data\":%s}",
                          notice_type(notice->kind), time, notice->body);
    ASSERT(length > 0 && length < NOTICE_DOCUMENT_BYTES);
    return (size_t)length;
}
