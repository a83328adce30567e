/* How many connections each address has, counted by customer (network_of_customer), and a bound of
 * them. As much memory as connections there may be, taken at the beginning; entering and leaving
 * cost a few steps, however many addresses there are. One thread. */
#pragma once
#include "core/network/network.h"

struct crowd;

/* The caller's, ended by crowd_destroy (NULL is fine). `connections_max` of all together may be in
 * at once; `address_max` of one address, 0: any number. Nobody else knows the seed. */
struct crowd *crowd_create(size_t connections_max, size_t address_max, uint64_t seed);
void crowd_destroy(struct crowd *crowd);

/* One more connection of the address; false where it has as many as it may, or all are there. */
MUST_CHECK bool crowd_enter(struct crowd *crowd, const struct network_address *address);
/* One less, of one that entered. */
void crowd_leave(struct crowd *crowd, const struct network_address *address);
/* All that may be are there. */
bool crowd_is_full(const struct crowd *crowd);
/* How many the address has. */
size_t crowd_count(const struct crowd *crowd, const struct network_address *address);
