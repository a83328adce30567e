#include "status.h"

#include "terminal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    const struct status_picture *picture;
    unsigned columns;
    void (*put)(void *context, const char *line);
    void *context;
};

/* What comes over the network shall not move the cursor. */
static void make_harmless(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = ' ';
}

static unsigned columns_of(const struct page *page)
{
    return page->columns == 0 || page->columns > STATUS_COLUMNS_LEAST ? page->columns
                                                                      : STATUS_COLUMNS_LEAST;
}

static void PRINTF_LIKE(2, 3) say(const struct page *page, const char *format, ...)
{
    char line[STATUS_LINE_BYTES + 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, STATUS_LINE_BYTES, format, arguments);
    va_end(arguments);
    make_harmless(line);
    terminal_cut(line, columns_of(page));
    page->put(page->context, line);
}

/* Where to break a line so that what is before it fits: behind a blank beyond the first
 * `indent` bytes; 0: nowhere, or it fits as it is. */
static size_t break_of(const char *line, unsigned columns, size_t indent)
{
    unsigned seen = 0;
    size_t at = 0;
    for (size_t i = 0; line[i] != '\0'; i++) {
        if (((unsigned char)line[i] & 0xc0) == 0x80)
            continue;
        if (line[i] == ' ' && i > indent && seen <= columns)
            at = i;
        if (++seen > columns)
            return at;
    }
    return 0;
}

/* The same for what must be read whole: on as many lines as it takes, the further ones set in. */
static void PRINTF_LIKE(2, 3) tell(const struct page *page, const char *format, ...)
{
    enum { INDENT = 5 };
    char line[STATUS_LINE_BYTES + 8], rest[STATUS_LINE_BYTES + 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, STATUS_LINE_BYTES, format, arguments);
    va_end(arguments);
    make_harmless(line);
    for (size_t at; columns_of(page) > 0 && (at = break_of(line, columns_of(page), 8)) > 0;) {
        snprintf(rest, sizeof rest, "%s", line + at + 1);
        line[at] = '\0';
        page->put(page->context, line);
        snprintf(line, sizeof line, "%*s%.*s", INDENT, "", STATUS_LINE_BYTES - INDENT, rest);
    }
    terminal_cut(line, columns_of(page));
    page->put(page->context, line);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static uint64_t count_of(const json_t *object, const char *key)
{
    double value = number_of(object, key);
    return value > 0 ? (uint64_t)value : 0;
}

const char *status_rate(double per_second, char *text_r, size_t bytes)
{
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    while (per_second >= 999.5 && unit + 1 < sizeof units - 1) {
        per_second /= 1000;
        unit++;
    }
    if (unit == 0)
        snprintf(text_r, bytes, "%.0f H/s", per_second);
    else
        snprintf(text_r, bytes, "%.*f %cH/s",
                 per_second < 9.995   ? 2
                 : per_second < 99.95 ? 1
                                      : 0,
                 per_second, units[unit]);
    return text_r;
}

const char *status_noise(const json_t *document, char *text_r, size_t bytes)
{
    const json_t *error = json_object_get(json_object_get(document, "hashrate_errors"), "10m");
    double part = json_number_value(error);
    *text_r = '\0';
    if (json_is_number(error))
        snprintf(text_r, bytes, " ±%.*f %%", part < 0.1 ? 1 : 0, 100 * part);
    return text_r;
}

const char *status_span(uint64_t ms, char *text_r, size_t bytes)
{
    uint64_t s = ms / 1000;
    if (s < 120)
        snprintf(text_r, bytes, "%" PRIu64 " s", s);
    else if (s < 7200)
        snprintf(text_r, bytes, "%" PRIu64 " min", s / 60);
    else if (s < 172800)
        snprintf(text_r, bytes, "%" PRIu64 " h", s / 3600);
    else
        snprintf(text_r, bytes, "%" PRIu64 " d", s / 86400);
    return text_r;
}

static uint64_t since(const struct page *page, uint64_t unix_ms)
{
    return page->picture->now_ms > unix_ms ? page->picture->now_ms - unix_ms : 0;
}

static void say_head(const struct page *page)
{
    const json_t *status = page->picture->status, *statistics = page->picture->statistics;
    char rate[24], noise[24];
    const char *health = text_of(json_object_get(status, "health"), "status");
    tell(page, "pool %s%s%s%s%s", text_of(status, "status"), *health != '\0' ? ", " : "", health,
         *text_of(status, "reason") != '\0' ? ": " : "", text_of(status, "reason"));
    say(page,
        "  %" PRIu64 " miners   %s%s   %.2f shares/s   %" PRIu64 " of %" PRIu64
        " shares valid   %" PRIu64 " blocks",
        count_of(status, "connected_miners"),
        status_rate(number_of(statistics, "total_hashrate"), rate, sizeof rate),
        status_noise(statistics, noise, sizeof noise), number_of(statistics, "shares_per_second"),
        count_of(status, "valid_shares"), count_of(status, "total_shares"),
        count_of(statistics, "blocks_found"));
}

/* What an operator woke up for. */
static void say_reasons(const struct page *page)
{
    size_t i;
    json_t *reason;
    const json_t *health = json_object_get(page->picture->status, "health");
    json_array_foreach(json_object_get(health, "reasons"), i, reason)
    {
        char span[24] = "";
        const json_t *from = json_object_get(reason, "since");
        bool bad = strcmp(text_of(reason, "status"), "error") == 0;
        if (json_is_integer(from))
            status_span(since(page, (uint64_t)json_integer_value(from) * 1000), span, sizeof span);
        tell(page, "%s %s%s%s%s: %s", bad ? "!!" : " !", text_of(reason, "what"),
             *span != '\0' ? " (for " : "", span, *span != '\0' ? ")" : "",
             text_of(reason, "reason"));
        tell(page, "     -> %s", text_of(reason, "do"));
    }
}

static int rank(const char *status)
{
    return strcmp(status, "error") == 0 ? 0 : strcmp(status, "unhealthy") == 0 ? 1 : 2;
}

static void say_component(const struct page *page, const char *name, const json_t *component)
{
    const json_t *instances = json_object_get(component, "instances");
    size_t i, healthy = 0;
    uint64_t restarts = 0, errors = count_of(component, "error_count");
    json_t *instance;
    json_array_foreach(instances, i, instance)
    {
        healthy += strcmp(text_of(instance, "status"), "healthy") == 0;
        restarts += count_of(instance, "restarts");
    }
    char more[64] = "";
    if (restarts > 0 || errors > 0)
        snprintf(more, sizeof more, ", %" PRIu64 " restarts, %" PRIu64 " errors", restarts, errors);
    const char *trouble = text_of(component, "last_error");
    say(page, "  %-16s %-9s %zu of %zu%s%s%s", name, text_of(component, "status"), healthy,
        json_array_size(instances), more, *trouble != '\0' ? "   last: " : "", trouble);
}

static void say_components(const struct page *page)
{
    json_t *components = json_object_get(page->picture->status, "component_health");
    for (int wanted = 0; wanted < 3; wanted++) {
        const char *name;
        json_t *component;
        json_object_foreach(components, name, component)
        {
            if (rank(text_of(component, "status")) == wanted)
                say_component(page, name, component);
        }
    }
}

/* What the supervisor has to do with, or had. */
static void say_recovery(const struct page *page)
{
    size_t i;
    json_t *process;
    json_array_foreach(
        json_object_get(json_object_get(page->picture->status, "recovery"), "processes"), i,
        process)
    {
        uint64_t restarts = count_of(process, "restarts"), attempts = count_of(process, "attempts");
        uint64_t next_ms = count_of(process, "next_try_ms");
        char span[24], next[48] = "";
        if (restarts == 0)
            continue;
        if (next_ms > page->picture->now_ms)
            snprintf(next, sizeof next, ", tries again in %.1f s",
                     (double)(next_ms - page->picture->now_ms) / 1000);
        status_span(since(page, count_of(process, "ended_ms")), span, sizeof span);
        if (attempts > 0)
            say(page, "  %s %s %s, attempt %" PRIu64 "%s: ended %s ago: %s",
                text_of(process, "name"), text_of(process, "instance"), text_of(process, "state"),
                attempts, next, span, text_of(process, "why"));
        else
            say(page, "  %s %s was started again %" PRIu64 "x, last %s ago: %s",
                text_of(process, "name"), text_of(process, "instance"), restarts, span,
                text_of(process, "why"));
    }
}

/* Base units as coins, without rounding. */
static void coins(const char *units, unsigned exponent, char *text_r, size_t bytes)
{
    bool minus = *units == '-';
    char digits[80];
    units += minus;
    size_t length = strlen(units);
    if (length == 0 || length > 40 || exponent > 20) {
        snprintf(text_r, bytes, "?");
        return;
    }
    size_t pad = length <= exponent ? exponent + 1 - length : 0;
    memset(digits, '0', pad);
    memcpy(digits + pad, units, length + 1);
    size_t whole = pad + length - exponent;
    snprintf(text_r, bytes, "%s%.*s%s%s", minus ? "-" : "", (int)whole, digits,
             exponent > 0 ? "." : "", digits + whole);
}

static void say_money(const struct page *page)
{
    const json_t *status = page->picture->status, *money = json_object_get(status, "solvency");
    unsigned exponent = (unsigned)count_of(status, "exponent");
    char owed[96], in_flight[96], wallet[96];
    if (!json_is_object(money))
        return;
    coins(text_of(money, "owed"), exponent, owed, sizeof owed);
    coins(text_of(money, "in_flight"), exponent, in_flight, sizeof in_flight);
    coins(text_of(money, "wallet"), exponent, wallet, sizeof wallet);
    say(page, "  money   owed %s   in flight %s   wallet %s %s", owed, in_flight, wallet,
        text_of(status, "ticker"));
}

static void say_blocks(const struct page *page)
{
    size_t i;
    json_t *block;
    unsigned exponent = (unsigned)count_of(page->picture->blocks, "exponent");
    json_array_foreach(json_object_get(page->picture->blocks, "blocks"), i, block)
    {
        char span[24], reward[96];
        if (i == STATUS_BLOCKS)
            break;
        coins(text_of(block, "reward"), exponent, reward, sizeof reward);
        say(page, "  block %" PRIu64 " %s %s ago   %s   %s", count_of(block, "height"),
            text_of(block, "state"),
            status_span(since(page, count_of(block, "found_ms")), span, sizeof span), reward,
            text_of(block, "hash"));
    }
}

void status_lines(const struct status_picture *picture, unsigned columns,
                  void (*put)(void *context, const char *line), void *context)
{
    const struct page page = { picture, columns, put, context };
    say_head(&page);
    say_reasons(&page);
    say_components(&page);
    say_recovery(&page);
    say_money(&page);
    say_blocks(&page);
}
