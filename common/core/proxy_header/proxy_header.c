#include "core/proxy_header/proxy_header.h"

static const uint8_t SIGNATURE[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

enum { BINARY_HEADER = 16, IPV4_BYTES = 12, IPV6_BYTES = 36 };
enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1, FAMILY_INET = 1, FAMILY_INET6 = 2, STREAM = 1 };

/* Version 1: words between single spaces. The next one; false where none is left. */
static bool next_word(struct span *rest, struct span *word_r)
{
    if (rest->length == 0)
        return false;
    const uint8_t *space = memchr(rest->data, ' ', rest->length);
    size_t length = space != NULL ? (size_t)(space - rest->data) : rest->length;
    *word_r = span_of(rest->data, length);
    size_t skip = length + (space != NULL);
    *rest = span_of(rest->data + skip, rest->length - skip);
    /* A space at the very end leaves an empty word nobody asks for: refused here. */
    return length > 0 && (space == NULL || rest->length > 0);
}

static bool read_port(struct span word, uint16_t *port_r)
{
    uint32_t port = 0;
    if (word.length == 0 || word.length > 5 || (word.length > 1 && word.data[0] == '0'))
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(word.data[i] - '0');
    }
    *port_r = (uint16_t)port;
    return port <= 65535;
}

static bool read_addresses(struct span words, bool ipv4, struct proxy_header *header_r)
{
    struct span source, destination, source_port, destination_port;
    struct network_address unused;
    uint16_t unused_port;
    if (!next_word(&words, &source) || !next_word(&words, &destination) ||
        !next_word(&words, &source_port) || !next_word(&words, &destination_port) ||
        words.length != 0)
        return false;
    bool dotted = memchr(source.data, ':', source.length) == NULL;
    header_r->has_source = true;
    return dotted == ipv4 && network_address_parse(source, &header_r->source) &&
           network_address_parse(destination, &unused) &&
           read_port(source_port, &header_r->source_port) &&
           read_port(destination_port, &unused_port);
}

static enum proxy_header_outcome read_text(struct span bytes, struct proxy_header *header_r)
{
    static const char PREFIX[] = "PROXY ";
    const size_t prefix = sizeof PREFIX - 1;
    size_t known = bytes.length < prefix ? bytes.length : prefix;
    if (memcmp(bytes.data, PREFIX, known) != 0)
        return PROXY_HEADER_BAD;
    size_t look = bytes.length < PROXY_HEADER_TEXT_MAX ? bytes.length : PROXY_HEADER_TEXT_MAX;
    const uint8_t *end = memchr(bytes.data, '\n', look);
    if (end == NULL)
        return look < PROXY_HEADER_TEXT_MAX ? PROXY_HEADER_MORE : PROXY_HEADER_BAD;
    size_t length = (size_t)(end - bytes.data);
    if (length <= prefix || bytes.data[length - 1] != '\r')
        return PROXY_HEADER_BAD;
    struct span words = span_of(bytes.data + prefix, length - 1 - prefix), family;
    *header_r = (struct proxy_header){ .length = length + 1 };
    /* What follows UNKNOWN is to be ignored (2.1). */
    if (words.length >= 7 && memcmp(words.data, "UNKNOWN", 7) == 0 &&
        (words.length == 7 || words.data[7] == ' '))
        return PROXY_HEADER_READ;
    bool read = next_word(&words, &family) && family.length == 4 &&
                (memcmp(family.data, "TCP4", 4) == 0 || memcmp(family.data, "TCP6", 4) == 0) &&
                read_addresses(words, family.data[3] == '4', header_r);
    return read ? PROXY_HEADER_READ : PROXY_HEADER_BAD;
}

static enum proxy_header_outcome read_binary(struct span bytes, struct proxy_header *header_r)
{
    size_t known = bytes.length < sizeof SIGNATURE ? bytes.length : sizeof SIGNATURE;
    if (memcmp(bytes.data, SIGNATURE, known) != 0)
        return PROXY_HEADER_BAD;
    if (bytes.length < BINARY_HEADER)
        return PROXY_HEADER_MORE;
    unsigned version = bytes.data[12] >> 4, command = bytes.data[12] & 15;
    unsigned family = bytes.data[13] >> 4, protocol = bytes.data[13] & 15;
    size_t rest = (size_t)(bytes.data[14] << 8 | bytes.data[15]);
    if (version != 2 || command > COMMAND_PROXY || BINARY_HEADER + rest > PROXY_HEADER_BYTES_MAX)
        return PROXY_HEADER_BAD;
    bool inet = command == COMMAND_PROXY && family == FAMILY_INET && protocol == STREAM;
    bool inet6 = command == COMMAND_PROXY && family == FAMILY_INET6 && protocol == STREAM;
    if ((inet && rest < IPV4_BYTES) || (inet6 && rest < IPV6_BYTES))
        return PROXY_HEADER_BAD;
    if (bytes.length < BINARY_HEADER + rest)
        return PROXY_HEADER_MORE;
    const uint8_t *addresses = bytes.data + BINARY_HEADER;
    /* Other families and LOCAL: accepted, and the addresses ignored (2.2). */
    *header_r =
        (struct proxy_header){ .length = BINARY_HEADER + rest, .has_source = inet || inet6 };
    if (inet) {
        header_r->source = network_address_of_ipv4(addresses);
        header_r->source_port = (uint16_t)(addresses[8] << 8 | addresses[9]);
    } else if (inet6) {
        memcpy(header_r->source.bytes, addresses, 16);
        header_r->source_port = (uint16_t)(addresses[32] << 8 | addresses[33]);
    }
    return PROXY_HEADER_READ;
}

enum proxy_header_outcome proxy_header_read(struct span bytes, struct proxy_header *header_r)
{
    if (bytes.length == 0)
        return PROXY_HEADER_MORE;
    return bytes.data[0] == SIGNATURE[0] ? read_binary(bytes, header_r)
                                         : read_text(bytes, header_r);
}
