#include "core/http_head/http_head.h"

enum class_of_byte {
    TOKEN = 1,  /* tchar, RFC 9110 5.6.2 */
    FIELD = 2,  /* of a value: VCHAR and SP; a tab is looked at apart */
    TARGET = 4, /* what a URI is made of, and what browsers let through beside it: VCHAR */
    HOST = 8,   /* reg-name, RFC 3986 3.2.2 */
    DIGIT = 16,
};

#define WORD (TOKEN | FIELD | TARGET | HOST)
static const uint8_t classes[256] = {
    [' '] = FIELD,
    ['!'] = WORD,
    ['"'] = FIELD | TARGET,
    ['#'] = TOKEN | FIELD | TARGET,
    ['$'] = WORD,
    ['%'] = WORD,
    ['&'] = WORD,
    ['\''] = WORD,
    ['('] = FIELD | TARGET | HOST,
    [')'] = FIELD | TARGET | HOST,
    ['*'] = WORD,
    ['+'] = WORD,
    [','] = FIELD | TARGET | HOST,
    ['-'] = WORD,
    ['.'] = WORD,
    ['/'] = FIELD | TARGET,
    ['0' ... '9'] = WORD | DIGIT,
    [':'] = FIELD | TARGET,
    [';'] = FIELD | TARGET | HOST,
    ['<'] = FIELD | TARGET,
    ['='] = FIELD | TARGET | HOST,
    ['>'] = FIELD | TARGET,
    ['?'] = FIELD | TARGET,
    ['@'] = FIELD | TARGET,
    ['A' ... 'Z'] = WORD,
    ['['] = FIELD | TARGET,
    ['\\'] = FIELD | TARGET,
    [']'] = FIELD | TARGET,
    ['^'] = TOKEN | FIELD | TARGET,
    ['_'] = WORD,
    ['`'] = TOKEN | FIELD | TARGET,
    ['a' ... 'z'] = WORD,
    ['{'] = FIELD | TARGET,
    ['|'] = TOKEN | FIELD | TARGET,
    ['}'] = FIELD | TARGET,
    ['~'] = WORD,
};

#define REFUSAL(name, status, title, detail)                                                       \
    static const struct http_head_refusal name = { status, title, detail }
/* RFC 9112, 2.2 lets a recipient take a line feed alone for a line's end; readers differ in it. */
REFUSAL(bad_line_end, 400, "Malformed request", "lines of a head end with CR LF, nothing else");
REFUSAL(bad_request_line, 400, "Malformed request",
        "the first line is a method, a target and a version with one space between them");
REFUSAL(bad_target, 400, "Malformed request",
        "the target is a path, or http:// with a host and a path, in printable ASCII");
REFUSAL(long_target, 414, "Path too long", "a request target is longer than this server takes");
REFUSAL(bad_version, 505, "Version not supported", "HTTP/1.1 and HTTP/1.0 are spoken here");
REFUSAL(bad_method, 501, "Method not implemented",
        "GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS are known here, in capitals; with "
        "HTTP/1.0 GET, HEAD and POST");
/* RFC 9112, 5.1 and 5.2: white space before the colon, and folded lines. */
REFUSAL(bad_field, 400, "Malformed request",
        "a header line is a name, a colon and a value in printable ASCII");
REFUSAL(many_fields, 431, "Too many header lines",
        "a request has more header lines than this server looks at; a proxy may add some");
/* RFC 9112, 3.2; RFC 9110, 7.2. */
REFUSAL(no_host, 400, "Malformed request", "a request has exactly one Host, and it names a host");
/* RFC 9112, 6.3; RFC 9110, 8.6. */
REFUSAL(bad_length, 400, "Malformed request",
        "a request has one Content-Length at most, in decimal digits alone");
REFUSAL(two_framings, 400, "Malformed request",
        "Content-Length and Transfer-Encoding exclude each other");
REFUSAL(no_length, 411, "Length required",
        "the length of a body is told by Content-Length; transfer codings are not taken");
REFUSAL(stray_body, 400, "Body not taken",
        "GET, HEAD, DELETE and OPTIONS are taken without a body");
REFUSAL(long_body, 413, "Body too long", "the body is longer than this server takes");

struct reading {
    struct http_head *head;
    const struct http_head_limits *limits;
    size_t lines, hosts, lengths, codings;
    bool absolute, takes_body;
};

static bool is(uint8_t byte, unsigned class)
{
    return (classes[byte] & class) != 0;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* `text` is in lower case. */
static bool begins(struct span bytes, const char *text)
{
    size_t i = 0;
    for (; text[i] != '\0'; i++)
        if (i == bytes.length || lower(bytes.data[i]) != (uint8_t)text[i])
            return false;
    return true;
}

static bool names(struct span bytes, const char *text)
{
    return bytes.length == strlen(text) && begins(bytes, text);
}

static bool says(struct span bytes, const char *text)
{
    return span_equal(bytes, span_text(text));
}

static struct span part(struct span bytes, size_t from, size_t to)
{
    return span_of(bytes.data + from, to - from);
}

/* uri-host [ ":" port ] (RFC 9110, 7.2; RFC 3986, 3.2.2), and not empty: an http URI has a host
 * (RFC 9110, 4.2.1). */
static bool is_host(struct span text)
{
    size_t at = 0;
    if (text.length > 0 && text.data[0] == '[') {
        do
            at++;
        while (at < text.length && (is(text.data[at], HOST) || text.data[at] == ':'));
        if (at < 3 || at == text.length || text.data[at] != ']')
            return false;
        at++;
    } else {
        while (at < text.length && is(text.data[at], HOST))
            at++;
    }
    if (at == 0)
        return false;
    if (at < text.length && text.data[at] == ':')
        for (at++; at < text.length && is(text.data[at], DIGIT);)
            at++;
    return at == text.length;
}

static const struct http_head_refusal *take_target(struct reading *reading, struct span target)
{
    struct http_head *head = reading->head;
    if (target.length > reading->limits->target_max)
        return &long_target;
    head->target = target;
    if (target.data[0] == '/' || (says(target, "*") && says(head->method, "OPTIONS")))
        return NULL;
    size_t from = begins(target, "http://") ? 7 : begins(target, "https://") ? 8 : 0, to = from;
    while (to < target.length && target.data[to] != '/' && target.data[to] != '?')
        to++;
    head->host = part(target, from, to);
    if (from == 0 || head->host.length > reading->limits->host_max || !is_host(head->host))
        return &bad_target;
    head->target = part(target, to, target.length);
    reading->absolute = true;
    head->plain = false;
    return NULL;
}

static const struct http_head_refusal *take_method(struct reading *reading, bool is_old)
{
    static const char *const all[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    const struct span method = reading->head->method;
    size_t i = 0;
    while (i < sizeof all / sizeof *all && !says(method, all[i]))
        i++;
    if (i == sizeof all / sizeof *all || (is_old && i > 2))
        return &bad_method;
    reading->head->asks_head = i == 1;
    reading->takes_body = i >= 2 && i <= 4;
    return NULL;
}

/* RFC 9112, 3. */
static const struct http_head_refusal *take_request_line(struct reading *reading, struct span line)
{
    struct http_head *head = reading->head;
    size_t first = 0, second;
    while (first < line.length && is(line.data[first], TOKEN))
        first++;
    if (first == 0 || first == line.length || line.data[first] != ' ')
        return &bad_request_line;
    for (second = first + 1; second < line.length && is(line.data[second], TARGET);)
        second++;
    if (second < line.length && line.data[second] != ' ')
        return &bad_target;
    if (second == first + 1 || line.length - second != 9)
        return &bad_request_line;
    head->method = part(line, 0, first);
    head->version = part(line, second + 1, line.length);
    const uint8_t *version = head->version.data;
    if (memcmp(version, "HTTP/", 5) != 0 || !is(version[5], DIGIT) || version[6] != '.' ||
        !is(version[7], DIGIT))
        return &bad_request_line;
    if (version[5] != '1' || version[7] > '1')
        return &bad_version;
    const struct http_head_refusal *refusal = take_method(reading, version[7] == '0');
    return refusal != NULL ? refusal : take_target(reading, part(line, first + 1, second));
}

/* One or more digits; what does not fit is longer than anything. */
static bool read_length(struct span text, uint64_t *length_r)
{
    *length_r = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!is(text.data[i], DIGIT))
            return false;
        if (*length_r > (UINT64_MAX - 9) / 10)
            *length_r = (UINT64_MAX - 9) / 10;
        *length_r = *length_r * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.length > 0;
}

/* The end of a header line's name; 0: it has none. */
static size_t name_end(struct span line)
{
    size_t end = 0;
    while (end < line.length && is(line.data[end], TOKEN))
        end++;
    return end < line.length && line.data[end] == ':' ? end : 0;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* A value without the white space around it (RFC 9110, 5.5). */
static struct span value_of(struct span line, size_t end_of_name)
{
    size_t from = end_of_name + 1, to = line.length;
    while (from < to && is_blank(line.data[from]))
        from++;
    while (to > from && is_blank(line.data[to - 1]))
        to--;
    return part(line, from, to);
}

static const struct http_head_refusal *take_host(struct reading *reading, struct span value)
{
    if (++reading->hosts > 1 || value.length > reading->limits->host_max || !is_host(value))
        return &no_host;
    if (!reading->absolute)
        reading->head->host = value;
    return NULL;
}

static const struct http_head_refusal *take_field(struct reading *reading, struct span line)
{
    struct http_head *head = reading->head;
    const size_t end = name_end(line);
    if (end == 0)
        return &bad_field;
    for (size_t i = end + 1; i < line.length; i++) {
        if (line.data[i] == '\t')
            head->plain = false;
        else if (!is(line.data[i], FIELD))
            return &bad_field;
    }
    const struct span name = part(line, 0, end), value = value_of(line, end);
    if (value.length == 0 || is_blank(line.data[line.length - 1]))
        head->plain = false;
    if (names(name, "host"))
        return take_host(reading, value);
    head->lines++;
    if (++reading->lines > reading->limits->lines_max)
        return &many_fields;
    if (names(name, "transfer-encoding"))
        reading->codings++;
    if (names(name, "content-length") &&
        (++reading->lengths > 1 || !read_length(value, &head->body_length)))
        return &bad_length;
    /* There are parsers that take the first line that begins so for Host. */
    if (reading->hosts == 0 && begins(name, "host"))
        head->plain = false;
    return NULL;
}

/* RFC 9112, 3.2 and 6.3: what only the whole head tells. */
static const struct http_head_refusal *take_end(const struct reading *reading)
{
    if (reading->hosts == 0)
        return &no_host;
    if (reading->codings > 0)
        return reading->lengths > 0 ? &two_framings : &no_length;
    if (reading->takes_body && reading->lengths == 0)
        return &no_length;
    if (!reading->takes_body && reading->head->body_length > 0)
        return &stray_body;
    return reading->head->body_length > reading->limits->body_max ? &long_body : NULL;
}

static enum http_head_outcome refuse(struct http_head *head,
                                     const struct http_head_refusal *refusal)
{
    head->refusal = refusal;
    return HTTP_HEAD_REFUSED;
}

/* Where the first line begins. */
static size_t skip_empty_lines(struct span bytes)
{
    size_t at = 0;
    while (bytes.length - at >= 2 && bytes.data[at] == '\r' && bytes.data[at + 1] == '\n')
        at += 2;
    return at;
}

enum http_head_outcome http_head_judge(struct span bytes, const struct http_head_limits *limits,
                                       struct http_head *head_r)
{
    const size_t begin = skip_empty_lines(bytes);
    struct reading reading = { .head = head_r, .limits = limits };
    *head_r = (struct http_head){ .plain = begin == 0 };
    /* What cannot become one, a TLS client's greeting say, is not waited for. */
    if (begin < bytes.length && !is(bytes.data[begin], TOKEN) && bytes.data[begin] != '\r')
        return refuse(head_r, &bad_request_line);
    for (size_t from = begin;;) {
        const uint8_t *feed =
            from < bytes.length ? memchr(bytes.data + from, '\n', bytes.length - from) : NULL;
        if (feed == NULL)
            return HTTP_HEAD_MORE;
        const size_t end = (size_t)(feed - bytes.data);
        if (end == from || bytes.data[end - 1] != '\r')
            return refuse(head_r, &bad_line_end);
        const struct span line = part(bytes, from, end - 1);
        const struct http_head_refusal *refusal = from == begin ? take_request_line(&reading, line)
                                                  : line.length == 0 ? take_end(&reading)
                                                                     : take_field(&reading, line);
        if (refusal != NULL)
            return refuse(head_r, refusal);
        from = end + 1;
        if (line.length == 0) {
            head_r->length = from;
            return HTTP_HEAD_READ;
        }
    }
}

static uint8_t *put(uint8_t *to, struct span bytes)
{
    if (bytes.length > 0)
        memcpy(to, bytes.data, bytes.length);
    return to + bytes.length;
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
    return put(to, span_text(text));
}

static bool is_among(struct span name, const char *const *all)
{
    for (; *all != NULL; all++)
        if (names(name, *all))
            return true;
    return false;
}

static uint8_t *put_field(uint8_t *to, struct span line, const char *const *only)
{
    const size_t end = name_end(line);
    const struct span value = value_of(line, end);
    if (value.length == 0 || names(part(line, 0, end), "host") ||
        (only != NULL && !is_among(part(line, 0, end), only)))
        return to;
    to = put(to, part(line, 0, end + 1));
    for (size_t i = 0; i < value.length; i++)
        *to++ = value.data[i] == '\t' ? ' ' : value.data[i];
    return put_text(to, "\r\n");
}

size_t http_head_write(struct span bytes, const struct http_head *head, const char *const *only,
                       uint8_t *head_r)
{
    uint8_t *to = put_text(put(head_r, head->method), " ");
    if (head->target.length == 0 || head->target.data[0] == '?')
        to = put_text(to, "/");
    to = put_text(put(to, head->target), " ");
    to = put_text(put(to, head->version), "\r\nHost:");
    to = put_text(put(to, head->host), "\r\n");
    size_t from = skip_empty_lines(bytes);
    for (bool first = true;; first = false) {
        const uint8_t *feed = memchr(bytes.data + from, '\n', bytes.length - from);
        const size_t end = (size_t)(feed - bytes.data);
        const struct span line = part(bytes, from, end - 1);
        if (line.length == 0)
            break;
        if (!first)
            to = put_field(to, line, only);
        from = end + 1;
    }
    to = put_text(to, "\r\n");
    const size_t written = (size_t)(to - head_r);
    ASSERT(written <= head->length);
    return written;
}
