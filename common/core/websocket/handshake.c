/* The opening handshake. What is no WebSocket request of exactly the form the RFCs give is refused:
 * there is nothing else to be had here by HTTP. */
#include "core/websocket/websocket.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool same_word(struct span word, const char *expected)
{
    size_t length = strlen(expected);
    if (word.length != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (lower(word.data[i]) != (uint8_t)expected[i])
            return false;
    return true;
}

/* RFC 9110 5.6.2 */
static bool is_token_character(uint8_t c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct span word)
{
    for (size_t i = 0; i < word.length; i++)
        if (!is_token_character(word.data[i]))
            return false;
    return word.length > 0;
}

static struct span trimmed(struct span text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = span_of(text.data + 1, text.length - 1);
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* The next element of a comma-separated list; false at its end. */
static bool next_element(struct span *list, struct span *element_r)
{
    if (list->length == 0)
        return false;
    const uint8_t *comma = memchr(list->data, ',', list->length);
    size_t length = comma != NULL ? (size_t)(comma - list->data) : list->length;
    *element_r = trimmed(span_of(list->data, length));
    size_t skip = length + (comma != NULL);
    *list = span_of(list->data + skip, list->length - skip);
    return true;
}

static bool list_has(struct span list, const char *expected)
{
    struct span element;
    while (next_element(&list, &element))
        if (same_word(element, expected))
            return true;
    return false;
}

/* Base64 of 16 bytes: 22 digits and two signs of padding (4.1). */
static bool read_key(struct span value, char key_r[WEBSOCKET_KEY_BYTES])
{
    if (value.length != WEBSOCKET_KEY_BYTES || value.data[22] != '=' || value.data[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = value.data[i];
        if (!((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '+' ||
              c == '/'))
            return false;
    }
    memcpy(key_r, value.data, WEBSOCKET_KEY_BYTES);
    return true;
}

struct seen {
    bool host, upgrade, connection, key, version, other_version;
};

/* One header; false where the request must be refused for it. */
static bool take_header(struct span name, struct span value, struct seen *seen,
                        struct websocket_request *request)
{
    if (same_word(name, "host")) {
        bool first = !seen->host;
        seen->host = true;
        return first;
    }
    if (same_word(name, "upgrade"))
        seen->upgrade |= list_has(value, "websocket");
    else if (same_word(name, "connection"))
        seen->connection |= list_has(value, "upgrade");
    else if (same_word(name, "sec-websocket-key")) {
        bool first = !seen->key;
        seen->key = true;
        return first && read_key(value, request->key);
    } else if (same_word(name, "sec-websocket-version")) {
        seen->version |= same_word(value, "13");
        seen->other_version |= !same_word(value, "13");
    } else if (same_word(name, "sec-websocket-protocol")) {
        struct span element;
        if (request->protocol[0] == '\0' && next_element(&value, &element) && is_token(element) &&
            element.length <= WEBSOCKET_PROTOCOL_MAX) {
            memcpy(request->protocol, element.data, element.length);
            request->protocol[element.length] = '\0';
        }
    } else if (same_word(name, "content-length")) {
        return same_word(value, "0");
    } else if (same_word(name, "transfer-encoding")) {
        return false;
    }
    return true;
}

static bool is_text(struct span line)
{
    for (size_t i = 0; i < line.length; i++)
        if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
            return false;
    return true;
}

/* "GET /anything HTTP/1.1" */
static bool read_request_line(struct span line)
{
    static const char END[] = " HTTP/1.1";
    const size_t end = sizeof END - 1;
    if (line.length < 5 + end || memcmp(line.data, "GET /", 5) != 0 ||
        memcmp(line.data + line.length - end, END, end) != 0)
        return false;
    for (size_t i = 4; i < line.length - end; i++)
        if (line.data[i] <= 0x20 || line.data[i] >= 0x7f)
            return false;
    return true;
}

static bool read_header_line(struct span line, struct seen *seen, struct websocket_request *request)
{
    const uint8_t *colon = memchr(line.data, ':', line.length);
    if (colon == NULL || !is_text(line))
        return false;
    size_t length = (size_t)(colon - line.data);
    struct span name = span_of(line.data, length);
    struct span value = trimmed(span_of(colon + 1, line.length - length - 1));
    /* No space before the colon, no folded lines (RFC 9112, 5.1 and 5.2): both are no token. */
    return is_token(name) && take_header(name, value, seen, request);
}

/* What came is still the beginning of "GET /": others need not be waited for. */
static bool may_become_one(struct span bytes)
{
    size_t known = bytes.length < 5 ? bytes.length : 5;
    return memcmp(bytes.data, "GET /", known) == 0;
}

enum websocket_request_outcome websocket_request_read(struct span bytes,
                                                      struct websocket_request *request_r)
{
    struct seen seen = { .host = false };
    size_t at = 0,
           most = bytes.length < WEBSOCKET_REQUEST_MAX ? bytes.length : WEBSOCKET_REQUEST_MAX;
    memset(request_r, 0, sizeof *request_r);
    if (bytes.length == 0)
        return WEBSOCKET_REQUEST_MORE;
    if (!may_become_one(bytes))
        return WEBSOCKET_REQUEST_BAD;
    for (bool first = true;; first = false) {
        const uint8_t *end = memchr(bytes.data + at, '\n', most - at);
        if (end == NULL)
            return most < WEBSOCKET_REQUEST_MAX ? WEBSOCKET_REQUEST_MORE : WEBSOCKET_REQUEST_BAD;
        size_t length = (size_t)(end - bytes.data) - at;
        if (length == 0 || end[-1] != '\r')
            return WEBSOCKET_REQUEST_BAD;
        struct span line = span_of(bytes.data + at, length - 1);
        at += length + 1;
        if (first ? !read_request_line(line)
                  : line.length > 0 && !read_header_line(line, &seen, request_r))
            return WEBSOCKET_REQUEST_BAD;
        if (line.length == 0)
            break;
    }
    request_r->length = at;
    if (!seen.host || !seen.upgrade || !seen.connection || !seen.key)
        return WEBSOCKET_REQUEST_BAD;
    return seen.version && !seen.other_version ? WEBSOCKET_REQUEST_READ : WEBSOCKET_REQUEST_VERSION;
}

void websocket_accept_input(const struct websocket_request *request,
                            uint8_t input_r[WEBSOCKET_ACCEPT_INPUT])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    _Static_assert(WEBSOCKET_KEY_BYTES + sizeof GUID - 1 == WEBSOCKET_ACCEPT_INPUT, "key and GUID");
    memcpy(input_r, request->key, WEBSOCKET_KEY_BYTES);
    memcpy(input_r + WEBSOCKET_KEY_BYTES, GUID, sizeof GUID - 1);
}

void websocket_accept_print(const uint8_t hash[20], char text_r[29])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < 7; i++) {
        const uint8_t *from = hash + 3 * i;
        uint32_t three = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8;
        if (i < 6)
            three |= from[2];
        for (unsigned j = 0; j < 4; j++)
            text_r[4 * i + j] = DIGITS[three >> (18 - 6 * j) & 63];
    }
    text_r[27] = '=';
    text_r[28] = '\0';
}

static size_t put(char *text, size_t at, const char *piece)
{
    size_t length = strlen(piece);
    memcpy(text + at, piece, length);
    return at + length;
}

size_t websocket_answer_print(const struct websocket_request *request, const char accept[29],
                              char text_r[WEBSOCKET_ANSWER_MAX])
{
    size_t at = put(text_r, 0,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    at = put(text_r, at, accept);
    if (request->protocol[0] != '\0') {
        at = put(text_r, at, "\r\nSec-WebSocket-Protocol: ");
        at = put(text_r, at, request->protocol);
    }
    return put(text_r, at, "\r\n\r\n");
}

struct span websocket_refusal(enum websocket_request_outcome outcome)
{
    if (outcome == WEBSOCKET_REQUEST_VERSION)
        return span_text("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n"
                         "Connection: close\r\nContent-Length: 0\r\n\r\n");
    return span_text("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                     "Content-Type: text/plain\r\nContent-Length: 45\r\n\r\n"
                     "This port speaks Stratum, also by WebSocket.\n");
}
