#include "tools/load/lines.h"

#include <stdio.h>
#include <stdlib.h>

/* The text behind `"key":` and spaces; NULL where there is none. Keys of a pool's own lines do not
 * occur inside its strings, so no nesting is looked at. */
static const char *behind(const char *line, const char *end, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = line; (at = memchr(at, '"', (size_t)(end - at))) != NULL; at++) {
        if ((size_t)(end - at) < length + 3 || memcmp(at + 1, key, length) != 0 ||
            at[length + 1] != '"')
            continue;
        const char *value = at + length + 2;
        while (value < end && (*value == ' ' || *value == ':'))
            value++;
        return value < end ? value : NULL;
    }
    return NULL;
}

static bool starts(const char *at, const char *end, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

/* Up to nine digits; 0 where there are none. */
static uint32_t number(const char *at, const char *end)
{
    uint32_t value = 0;
    for (int i = 0; i < 9 && at < end && *at >= '0' && *at <= '9'; i++, at++)
        value = value * 10 + (uint32_t)(*at - '0');
    return value;
}

static enum line_kind kind_of_method(const char *method, const char *end)
{
    if (starts(method, end, "\"mining.notify\""))
        return LINE_NOTIFY;
    if (starts(method, end, "\"mining.set_difficulty\""))
        return LINE_DIFFICULTY;
    if (starts(method, end, "\"mining.set_extranonce\""))
        return LINE_EXTRANONCE;
    return LINE_OTHER;
}

enum line_kind line_read(const char *line, size_t length, uint32_t *id_r, int *code_r)
{
    /* What nearly all lines under load are. */
    static const char usual[] = ",\"result\":true,\"error\":null}";
    enum { USUAL_BYTES = 12 + sizeof usual - 1 };
    const char *end = line + length;
    *id_r = 0;
    *code_r = 0;
    if (length == USUAL_BYTES && memcmp(line, "{\"id\":", 6) == 0 &&
        memcmp(line + 12, usual, sizeof usual - 1) == 0) {
        *id_r = number(line + 6, line + 12);
        return LINE_TRUE;
    }
    const char *method = behind(line, end, "method");
    if (method != NULL)
        return kind_of_method(method, end);
    const char *id = behind(line, end, "id"), *result = behind(line, end, "result");
    const char *error = behind(line, end, "error");
    if (id == NULL)
        return LINE_OTHER;
    *id_r = number(id, end);
    if (error != NULL && !starts(error, end, "null")) {
        *code_r = (int)number(error + 1, end);
        return LINE_ERROR;
    }
    if (result == NULL || starts(result, end, "false"))
        return LINE_ERROR;
    return starts(result, end, "true") ? LINE_TRUE : LINE_ANSWER;
}

/* The next string from *at on; *at behind it. */
static struct span next_string(const char **at, const char *end)
{
    const char *from = memchr(*at, '"', (size_t)(end - *at));
    const char *to = from != NULL ? memchr(from + 1, '"', (size_t)(end - from - 1)) : NULL;
    if (to == NULL) {
        *at = end;
        return span_of(NULL, 0);
    }
    *at = to + 1;
    return span_of(from + 1, (size_t)(to - from - 1));
}

bool line_read_notify(const char *line, size_t length, struct line_job *job_r)
{
    const char *end = line + length, *at = behind(line, end, "params");
    uint64_t ntime;
    if (at == NULL)
        return false;
    struct span id = next_string(&at, end), previous = next_string(&at, end);
    (void)next_string(&at, end); /* the coinbase's halves */
    (void)next_string(&at, end);
    const char *list = memchr(at, '[', (size_t)(end - at));
    const char *list_end = list != NULL ? memchr(list, ']', (size_t)(end - list)) : NULL;
    if (id.length == 0 || id.length > LINES_JOB_ID_BYTES_MAX || list_end == NULL ||
        previous.length >= sizeof job_r->previous)
        return false;
    job_r->branches = 0;
    for (at = list; next_string(&at, list_end).length > 0;)
        job_r->branches++;
    at = list_end;
    (void)next_string(&at, end); /* version and bits */
    (void)next_string(&at, end);
    struct span text = next_string(&at, end);
    if (!hex_decode_u64((const char *)text.data, text.length, &ntime))
        return false;
    while (at < end && (*at == ',' || *at == ' '))
        at++;
    memset(job_r->previous, 0, sizeof job_r->previous);
    memcpy(job_r->previous, previous.data, previous.length);
    memcpy(job_r->id, id.data, id.length);
    job_r->id[id.length] = '\0';
    job_r->ntime = (uint32_t)ntime;
    job_r->clean = starts(at, end, "true");
    return true;
}

bool line_read_subscribed(const char *line, size_t length, uint8_t *extranonce2_bytes_r)
{
    const char *end = line + length, *at = behind(line, end, "result");
    int depth = 0;
    /* [[…subscriptions…], "extranonce1", size] */
    for (; at != NULL && at < end && (depth == 0 || *at != ']' || depth > 2); at++)
        depth += (*at == '[') - (*at == ']');
    if (at == NULL || at >= end)
        return false;
    struct span extranonce1 = next_string(&at, end);
    while (at < end && (*at == ',' || *at == ' '))
        at++;
    uint32_t size = number(at, end);
    if (extranonce1.length == 0 || size == 0 || size > 16)
        return false;
    *extranonce2_bytes_r = (uint8_t)size;
    return true;
}

size_t line_login(const char *user, char *text_r, size_t bytes)
{
    int length =
        snprintf(text_r, bytes,
                 "{\"id\":%u,\"method\":\"mining.subscribe\",\"params\":[\"adit-load/1\"]}\n"
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}\n",
                 LINES_ID_SUBSCRIBE, LINES_ID_AUTHORIZE, user);
    ASSERT(length > 0 && (size_t)length < bytes);
    return (size_t)length;
}

void line_submit_begin(struct line_submit *submit, const char *user, const struct line_job *job,
                       uint8_t extranonce2_bytes)
{
    char zeros[33] = "00000000000000000000000000000000";
    zeros[2 * extranonce2_bytes] = '\0';
    int head = snprintf(submit->text, sizeof submit->text,
                        "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"%s\",\"%s\",\"",
                        LINES_ID_FIRST, user, job->id);
    ASSERT(head > 0 && (size_t)head < sizeof submit->text);
    int rest = snprintf(submit->text + head, sizeof submit->text - (size_t)head,
                        "%s\",\"00000000\",\"00000000\"]}\n", zeros);
    ASSERT(rest > 0 && (size_t)(head + rest) < sizeof submit->text);
    submit->length = (uint16_t)(head + rest);
    submit->extranonce2_at = (uint16_t)head;
    submit->extranonce2_bytes = extranonce2_bytes;
    submit->ntime = job->ntime;
}

static void write_hex(uint64_t value, unsigned digits, char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = digits; i-- > 0; value >>= 4)
        text[i] = hex[value & 15];
}

/* Sixteen nonces to an extranonce2; the ntime rolls through eight seconds. */
void line_submit_write(const struct line_submit *submit, uint32_t id, uint64_t counter,
                       char *text_r)
{
    uint64_t mixed = (counter ^ counter >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t nonce = ((uint32_t)(mixed >> 32) & ~15u) | (uint32_t)(counter & 15);
    unsigned digits = 2u * submit->extranonce2_bytes;
    char *extranonce2 = text_r + submit->extranonce2_at;
    memcpy(text_r, submit->text, submit->length);
    for (unsigned i = 11; i >= 6; i--, id /= 10)
        text_r[i] = (char)('0' + id % 10);
    write_hex(counter >> 4, digits < 16 ? digits : 16, extranonce2);
    write_hex(submit->ntime + (uint32_t)(counter >> 10 & 7), 8, extranonce2 + digits + 3);
    write_hex(nonce, 8, extranonce2 + digits + 14);
}
