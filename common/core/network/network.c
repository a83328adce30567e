#include "core/network/network.h"

static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

enum { MAPPED_BITS = 96, GROUPS = 8 };

struct network_address network_address_of_ipv4(const uint8_t bytes[4])
{
    struct network_address address;
    memcpy(address.bytes, MAPPED, sizeof MAPPED);
    memcpy(address.bytes + sizeof MAPPED, bytes, 4);
    return address;
}

bool network_address_is_ipv4(const struct network_address *address)
{
    return memcmp(address->bytes, MAPPED, sizeof MAPPED) == 0;
}

/* A decimal number without sign or leading zero, up to `most`; the digits read, 0: none. */
static size_t read_number(struct span text, uint32_t most, uint32_t *number_r)
{
    uint32_t number = 0;
    size_t i = 0;
    for (; i < text.length && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        number = number * 10 + (uint32_t)(text.data[i] - '0');
        if (number > most || (i == 1 && text.data[0] == '0'))
            return 0;
    }
    *number_r = number;
    return i;
}

static bool read_ipv4(struct span text, uint8_t bytes_r[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t number;
        size_t digits = read_number(text, 255, &number);
        bool dot = digits < text.length && text.data[digits] == '.';
        if (digits == 0 || dot != (i < 3))
            return false;
        bytes_r[i] = (uint8_t)number;
        digits += dot;
        text = span_of(text.data + digits, text.length - digits);
    }
    return text.length == 0;
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to four hex digits. */
static size_t read_group(struct span text, uint16_t *group_r)
{
    uint16_t group = 0;
    size_t i = 0;
    for (; i < text.length && i < 4 && hex_of(text.data[i]) >= 0; i++)
        group = (uint16_t)(group << 4 | hex_of(text.data[i]));
    *group_r = group;
    return i;
}

/* The groups before and behind "::", which stands for at least one of zeros. */
static bool read_ipv6(struct span text, uint8_t bytes_r[16])
{
    uint16_t groups[GROUPS];
    unsigned count = 0, gap = GROUPS + 1;
    size_t at = 0;
    if (text.length >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < text.length) {
        struct span rest = span_of(text.data + at, text.length - at);
        uint8_t ipv4[4];
        if (count <= GROUPS - 2 && memchr(rest.data, ':', rest.length) == NULL &&
            read_ipv4(rest, ipv4)) {
            groups[count++] = (uint16_t)(ipv4[0] << 8 | ipv4[1]);
            groups[count++] = (uint16_t)(ipv4[2] << 8 | ipv4[3]);
            at = text.length;
            break;
        }
        size_t digits = count < GROUPS ? read_group(rest, &groups[count]) : 0;
        if (digits == 0)
            return false;
        count++;
        at += digits;
        if (at == text.length)
            break;
        if (text.data[at++] != ':' || at == text.length)
            return false; /* a colon must be followed by something */
        if (text.data[at] != ':')
            continue;
        if (gap <= GROUPS)
            return false;
        gap = count;
        at++;
    }
    if (gap > GROUPS ? count != GROUPS : count >= GROUPS)
        return false;
    memset(bytes_r, 0, 16);
    for (unsigned i = 0; i < count; i++) {
        unsigned place = i < gap ? i : GROUPS - count + i;
        bytes_r[2 * place] = (uint8_t)(groups[i] >> 8);
        bytes_r[2 * place + 1] = (uint8_t)groups[i];
    }
    return true;
}

bool network_address_parse(struct span text, struct network_address *address_r)
{
    uint8_t ipv4[4];
    if (read_ipv4(text, ipv4)) {
        *address_r = network_address_of_ipv4(ipv4);
        return true;
    }
    return text.length < NETWORK_ADDRESS_TEXT && read_ipv6(text, address_r->bytes);
}

static size_t print_number(uint32_t number, char *text)
{
    char digits[10];
    size_t count = 0, length = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        text[length++] = digits[--count];
    return length;
}

static size_t print_group(unsigned group, char *text)
{
    static const char DIGITS[] = "0123456789abcdef";
    size_t length = 0;
    for (int shift = 12; shift >= 0; shift -= 4)
        if (length > 0 || shift == 0 || group >> shift != 0)
            text[length++] = DIGITS[group >> shift & 15];
    return length;
}

/* RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::". */
static size_t print_ipv6(const uint8_t *bytes, char *text)
{
    unsigned best = GROUPS, best_length = 1, run = 0;
    size_t length = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        run = bytes[2 * i] == 0 && bytes[2 * i + 1] == 0 ? run + 1 : 0;
        if (run > best_length) {
            best_length = run;
            best = i + 1 - run;
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        if (i == best) {
            text[length++] = ':';
            text[length++] = ':';
            i += best_length - 1;
            continue;
        }
        if (i > 0 && text[length - 1] != ':')
            text[length++] = ':';
        length += print_group((unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]), text + length);
    }
    return length;
}

size_t network_address_print(const struct network_address *address,
                             char text_r[NETWORK_ADDRESS_TEXT])
{
    size_t length = 0;
    if (network_address_is_ipv4(address)) {
        for (unsigned i = 12; i < 16; i++) {
            if (i > 12)
                text_r[length++] = '.';
            length += print_number(address->bytes[i], text_r + length);
        }
    } else {
        length = print_ipv6(address->bytes, text_r);
    }
    text_r[length] = '\0';
    return length;
}

static struct network_address masked(const struct network_address *address, unsigned prefix)
{
    struct network_address result = *address;
    for (unsigned i = 0; i < 16; i++) {
        unsigned bits = prefix > 8 * i ? prefix - 8 * i : 0;
        if (bits < 8)
            result.bytes[i] = (uint8_t)(result.bytes[i] & (0xff00u >> bits));
    }
    return result;
}

bool network_parse(struct span text, struct network *network_r)
{
    const uint8_t *slash = text.length > 0 ? memchr(text.data, '/', text.length) : NULL;
    size_t length = slash != NULL ? (size_t)(slash - text.data) : text.length;
    if (!network_address_parse(span_of(text.data, length), &network_r->address))
        return false;
    /* An IPv4 address written as IPv6 has the prefix of IPv6. */
    bool dotted = memchr(text.data, ':', length) == NULL;
    uint32_t most = dotted ? 32 : 128, prefix = most;
    if (slash != NULL) {
        struct span rest = span_of(slash + 1, text.length - length - 1);
        size_t digits = read_number(rest, most, &prefix);
        if (digits == 0 || digits != rest.length)
            return false;
    }
    network_r->prefix = (uint8_t)(prefix + (dotted ? MAPPED_BITS : 0));
    struct network_address cut = masked(&network_r->address, network_r->prefix);
    return memcmp(&cut, &network_r->address, sizeof cut) == 0;
}

size_t network_print(const struct network *network, char text_r[NETWORK_TEXT])
{
    bool ipv4 = network_address_is_ipv4(&network->address) && network->prefix >= MAPPED_BITS;
    size_t length = ipv4 ? network_address_print(&network->address, text_r)
                         : print_ipv6(network->address.bytes, text_r);
    if (network->prefix < 128) {
        text_r[length++] = '/';
        length +=
            print_number((uint32_t)network->prefix - (ipv4 ? MAPPED_BITS : 0), text_r + length);
    }
    text_r[length] = '\0';
    return length;
}

bool network_contains(const struct network *network, const struct network_address *address)
{
    struct network_address cut = masked(address, network->prefix);
    return memcmp(&cut, &network->address, sizeof cut) == 0;
}

struct network network_of_customer(const struct network_address *address)
{
    uint8_t prefix = network_address_is_ipv4(address) ? 128 : 64;
    return (struct network){ .address = masked(address, prefix), .prefix = prefix };
}
