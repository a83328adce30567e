#include "core/notice/notice.h"

/* Of IPv4, what the registry does not call globally reachable, and the whole of multicast. */
static const struct {
    uint8_t head[4], bits;
} refused_ipv4[] = {
    { { 0 }, 8 },             /* this network (RFC 791) */
    { { 10 }, 8 },            /* private (RFC 1918) */
    { { 100, 64 }, 10 },      /* shared by a provider's customers (RFC 6598) */
    { { 127 }, 8 },           /* this host */
    { { 169, 254 }, 16 },     /* link-local (RFC 3927); clouds tell their secrets here */
    { { 172, 16 }, 12 },      /* private */
    { { 192, 0, 0 }, 24 },    /* protocol assignments (RFC 6890) */
    { { 192, 0, 2 }, 24 },    /* documentation (RFC 5737) */
    { { 192, 88, 99 }, 24 },  /* relays of 6to4, deprecated (RFC 7526) */
    { { 192, 168 }, 16 },     /* private */
    { { 198, 18 }, 15 },      /* benchmarks (RFC 2544) */
    { { 198, 51, 100 }, 24 }, /* documentation */
    { { 203, 0, 113 }, 24 },  /* documentation */
    { { 224 }, 4 },           /* multicast */
    { { 240 }, 4 },           /* reserved, and the broadcast */
};

/* Of 2000::/3, which is all that is handed out; nothing beside it is public. */
static const struct {
    uint8_t head[4], bits;
} refused_ipv6[] = {
    { { 0x20, 0x01, 0x00 }, 23 },       /* protocol assignments; Teredo (RFC 4380) among them */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation (RFC 3849) */
    { { 0x20, 0x02 }, 16 },             /* 6to4 (RFC 3056): an IPv4 address is in it */
    { { 0x3f, 0xff, 0x00 }, 20 },       /* documentation (RFC 9637) */
};

static bool begins(const uint8_t *bytes, const uint8_t head[4], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(bytes, head, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ head[whole]) >> (8 - rest) == 0;
}

bool notice_address_is_public(const struct network_address *address)
{
    const uint8_t *bytes = address->bytes;
    if (network_address_is_ipv4(address)) {
        for (size_t i = 0; i < sizeof refused_ipv4 / sizeof *refused_ipv4; i++)
            if (begins(bytes + 12, refused_ipv4[i].head, refused_ipv4[i].bits))
                return false;
        return true;
    }
    if ((bytes[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < sizeof refused_ipv6 / sizeof *refused_ipv6; i++)
        if (begins(bytes, refused_ipv6[i].head, refused_ipv6[i].bits))
            return false;
    return true;
}
