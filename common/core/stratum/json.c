/* One pass over the line with an explicit stack of the arrays and objects that are open. */
#include "core/stratum/json.h"

struct reader {
    const char *at;
    const char *end;
    struct json *json;
    uint16_t open[JSON_DEPTH_MAX];
    unsigned depth;
};

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\r' || *reader->at == '\n'))
        reader->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool skip_digits(struct reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end && is_digit(*reader->at))
        reader->at++;
    return reader->at > start;
}

static bool take(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool read_number(struct reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0') && !skip_digits(reader))
        return false;
    if (take(reader, '.') && !skip_digits(reader))
        return false;
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+'))
            (void)take(reader, '-');
        if (!skip_digits(reader))
            return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_escape(struct reader *reader)
{
    if (reader->at == reader->end)
        return false;
    char c = *reader->at++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, reader->at++)
        if (reader->at == reader->end || hex_value(*reader->at) < 0)
            return false;
    return true;
}

static bool read_string(struct reader *reader, bool *escaped_r)
{
    *escaped_r = false;
    if (!take(reader, '"'))
        return false;
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"')
            return true;
        if ((unsigned char)c < 0x20)
            return false;
        if (c == '\\') {
            *escaped_r = true;
            if (!read_escape(reader))
                return false;
        }
    }
    return false;
}

static bool read_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

/* One value's beginning: all of a scalar, the bracket of an array or object. */
static enum json_outcome read_value(struct reader *reader)
{
    struct json *json = reader->json;
    if (reader->at == reader->end)
        return JSON_MALFORMED;
    if (json->count == JSON_TOKENS_MAX)
        return JSON_TOO_MANY;
    struct json_token *token = &json->tokens[json->count];
    *token = (struct json_token){ .start = (uint32_t)(reader->at - json->text) };
    bool good = true;
    switch (*reader->at) {
    case '"':
        token->kind = JSON_STRING;
        good = read_string(reader, &token->escaped);
        break;
    case '[':
    case '{':
        token->kind = *reader->at == '[' ? JSON_ARRAY : JSON_OBJECT;
        if (reader->depth == JSON_DEPTH_MAX)
            return JSON_TOO_DEEP;
        reader->open[reader->depth++] = json->count;
        reader->at++;
        break;
    case 't':
        token->kind = JSON_TRUE;
        good = read_word(reader, "true");
        break;
    case 'f':
        token->kind = JSON_FALSE;
        good = read_word(reader, "false");
        break;
    case 'n':
        token->kind = JSON_NULL;
        good = read_word(reader, "null");
        break;
    default:
        token->kind = JSON_NUMBER;
        good = read_number(reader);
        break;
    }
    json->count++;
    token->end = (uint32_t)(reader->at - json->text);
    token->next = json->count;
    return good ? JSON_OK : JSON_MALFORMED;
}

/* Ends the innermost array or object if its bracket stands here. */
static bool close_innermost(struct reader *reader)
{
    struct json_token *token = &reader->json->tokens[reader->open[reader->depth - 1]];
    if (!take(reader, token->kind == JSON_ARRAY ? ']' : '}'))
        return false;
    token->end = (uint32_t)(reader->at - reader->json->text);
    token->next = reader->json->count;
    reader->depth--;
    return true;
}

/* What must stand before the next value of the innermost array or object: a comma unless it is the
 * first, and in an object the name and the colon. */
static enum json_outcome read_lead(struct reader *reader)
{
    struct json_token *parent = &reader->json->tokens[reader->open[reader->depth - 1]];
    if (parent->count > 0) {
        if (!take(reader, ','))
            return JSON_MALFORMED;
        skip_space(reader);
    }
    parent->count++;
    if (parent->kind == JSON_ARRAY)
        return JSON_OK;
    parent->count++;
    if (reader->at == reader->end || *reader->at != '"')
        return JSON_MALFORMED;
    enum json_outcome outcome = read_value(reader);
    if (outcome != JSON_OK)
        return outcome;
    skip_space(reader);
    if (!take(reader, ':'))
        return JSON_MALFORMED;
    skip_space(reader);
    return JSON_OK;
}

enum json_outcome json_parse(struct span line, struct json *json_r)
{
    const char *text = (const char *)line.data;
    struct reader reader = { .at = text, .end = text + line.length, .json = json_r };
    json_r->text = text;
    json_r->count = 0;
    skip_space(&reader);
    enum json_outcome outcome = read_value(&reader);
    while (outcome == JSON_OK) {
        skip_space(&reader);
        if (reader.depth == 0)
            return reader.at == reader.end ? JSON_OK : JSON_MALFORMED;
        if (close_innermost(&reader))
            continue;
        outcome = read_lead(&reader);
        if (outcome == JSON_OK)
            outcome = read_value(&reader);
    }
    return outcome;
}

unsigned json_member(const struct json *json, unsigned object, const char *name)
{
    const struct json_token *parent = &json->tokens[object];
    unsigned found = 0;
    if (parent->kind != JSON_OBJECT)
        return 0;
    for (unsigned at = object + 1; at < parent->next;) {
        unsigned value = at + 1u;
        if (json_is_text(json, at, name))
            found = value;
        at = json->tokens[value].next;
    }
    return found;
}

unsigned json_element(const struct json *json, unsigned array, unsigned index)
{
    const struct json_token *parent = &json->tokens[array];
    if (parent->kind != JSON_ARRAY || index >= parent->count)
        return 0;
    unsigned at = array + 1;
    for (; index > 0; index--)
        at = json->tokens[at].next;
    return at;
}

bool json_is_text(const struct json *json, unsigned token, const char *text)
{
    const struct json_token *t = &json->tokens[token];
    if (t->kind != JSON_STRING)
        return false;
    if (!t->escaped)
        return span_equal(json_inside(json, token), span_text(text));
    char copy[64];
    return json_copy_text(json, token, copy, sizeof copy, NULL) && strcmp(copy, text) == 0;
}

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (unsigned)hex_value(digits[i]);
    return value;
}

/* The code point of the \u escape whose digits begin at *at, with a second half taken along. */
static unsigned read_code_point(const char **at, const char *end)
{
    unsigned high = hex4(*at);
    *at += 4;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high >= 0xdc00 || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return 0xfffd;
    unsigned low = hex4(*at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0xfffd;
    *at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

bool json_copy_text(const struct json *json, unsigned token, char *text_r, size_t bytes,
                    size_t *length_r)
{
    if (json->tokens[token].kind != JSON_STRING)
        return false;
    struct span inside = json_inside(json, token);
    const char *at = (const char *)inside.data, *end = at + inside.length;
    size_t used = 0;
    while (at < end) {
        char piece[4] = { *at++ };
        size_t length = 1;
        if (piece[0] == '\\') {
            char c = *at++;
            if (c == 'u')
                length = utf8_encode(read_code_point(&at, end), piece);
            else
                piece[0] = simple_escape(c);
        }
        if (piece[0] == '\0' || used + length >= bytes)
            return false;
        memcpy(text_r + used, piece, length);
        used += length;
    }
    if (used >= bytes)
        return false;
    text_r[used] = '\0';
    if (length_r != NULL)
        *length_r = used;
    return true;
}
