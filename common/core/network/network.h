/* Internet addresses as values: text to bytes and back, networks written as a prefix (CIDR, RFC
 * 4632), and the part of an address that stands for one customer. IPv4 is kept as the IPv6 address
 * it is mapped to (RFC 4291 2.5.5.2), so that one comparison serves both. Pure; any thread; never
 * asks a resolver. */
#pragma once
#include "base/bytes.h"

struct network_address {
    uint8_t bytes[16];
};

struct network {
    struct network_address address; /* bits beyond the prefix are 0 */
    uint8_t prefix;                 /* 0 to 128, of the 128 bits */
};

enum { NETWORK_ADDRESS_TEXT = 46, NETWORK_TEXT = 50 };

/* The address four bytes of IPv4 stand for. */
struct network_address network_address_of_ipv4(const uint8_t bytes[4]);
bool network_address_is_ipv4(const struct network_address *address);

/* Reads an IPv4 address (four decimal numbers without leading zeros) or an IPv6 one (RFC 4291 2.2,
 * any of its forms, no zone). False on anything else. */
MUST_CHECK bool network_address_parse(struct span text, struct network_address *address_r);
/* Writes it, IPv6 as RFC 5952 wants it, with a NUL; returns the length. */
size_t network_address_print(const struct network_address *address,
                             char text_r[NETWORK_ADDRESS_TEXT]);

/* Reads address/prefix, or an address alone, which is a network of one. False on anything else and
 * where bits beyond the prefix are set, because then one of the two is a slip. */
MUST_CHECK bool network_parse(struct span text, struct network *network_r);
size_t network_print(const struct network *network, char text_r[NETWORK_TEXT]);

bool network_contains(const struct network *network, const struct network_address *address);

/* What limits count: the IPv4 address, or the 64 bits of IPv6 that one customer has at least. */
struct network network_of_customer(const struct network_address *address);
