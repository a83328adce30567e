/* Where miners come from, for core/budget: a bounded table of addresses, each found by its first
 * session. An address is an IPv4 address or an IPv6 network of 64 bits, which is what one customer
 * has; above IPv6 addresses stand their networks of 48 bits, which is what one customer may have
 * got: their unproven sessions draw on both. A network has at most HASH_ADDRESSES_CHILDREN
 * addresses of its own in the table, the rest of it draw on the network alone: so a whole /48 takes
 * no more places than that and one.
 *
 * When the table is full, one of those looked at in turn makes room: one that need not be
 * remembered, else one without sessions, else the one that owes least. Whoever sends junk owes
 * most, and stays. Sessions of one that made room join anew at their next share.
 *
 * The caller's memory but for the table itself; one thread. */
#pragma once
#include "core/budget/budget.h"

enum {
    HASH_ADDRESSES_MAX = 8192,
    HASH_ADDRESSES_CHILDREN = 64,
    HASH_ADDRESS_BYTES = 16, /* IPv6; IPv4 mapped into it (RFC 4291, 2.5.5.2) */
};

struct hash_addresses {
    struct hash_address *list; /* HASH_ADDRESSES_MAX, made when first needed */
    uint32_t used;
    uint32_t swept;                       /* where the search for one to make room goes on */
    uint32_t buckets[HASH_ADDRESSES_MAX]; /* index + 1; 0: none */
};

/* Zero-initialise. Sessions need not have left. */
void hash_addresses_deinit(struct hash_addresses *addresses);

/* A session comes from there. What names its place from now on; 0 where there is no memory. */
uint32_t hash_addresses_join(struct hash_addresses *addresses, const uint8_t ip[HASH_ADDRESS_BYTES],
                             uint64_t now_ms);
/* Nothing where its place was taken by another meanwhile. */
void hash_addresses_leave(struct hash_addresses *addresses, uint32_t place);
/* The accounts of a place; false where another has it meanwhile: to be joined again. */
MUST_CHECK bool hash_addresses_find(const struct hash_addresses *addresses, uint32_t place,
                                    struct budget_origin *origin_r);
/* True where every count and link agrees: for tests. */
bool hash_addresses_verify(const struct hash_addresses *addresses);
