/* What Kore's thread settles by itself, before and after the service's loop: whether an address
 * asks too often (429), whether the answer was given a moment ago and is everybody's (http_keep),
 * whether the client has it already (304), and the counts of it all. On Kore's thread only, but for
 * front_measure. Bounded: FRONT_SETS * FRONT_WAYS answers, FRONT_BYTES_MAX of their bodies. */
#pragma once
#include "adapter/http_kore/exchange.h"

enum {
    FRONT_SETS = 1024,
    FRONT_WAYS = 4,
    FRONT_BODY_MAX = 256 << 10,
    FRONT_SMALL_MAX = 8 << 10, /* larger ones have a quarter of the bytes */
    FRONT_BYTES_MAX = 8 << 20,
};

struct front;
struct metrics;
struct network_address;
struct settings_list;

struct front_options {
    uint64_t seed;                       /* nobody else knows it */
    uint32_t per_s;                      /* of one address; 0: any number */
    const struct settings_list *proxies; /* copied: the service that has them ends first */
};
/* The caller's, ended by front_destroy (NULL is fine). */
struct front *front_create(const struct front_options *options);
void front_destroy(struct front *front);
/* Registers what it counts; NULL: these metrics end, nothing is counted any more. From any thread.
 */
void front_measure(struct front *front, struct metrics *metrics);

/* A request has come. True where it is answered here: the exchange is filled in then, and goes to
 * front_back like any other. */
MUST_CHECK bool front_answers(struct front *front, struct http_exchange *exchange, uint64_t now_us);
/* The answer is back, from wherever: keeps it where its handler said so, makes a 304 of it where
 * the client has it, counts it. */
void front_back(struct front *front, struct http_exchange *exchange, uint64_t now_us);
/* Whether the address is a proxy that speaks for others. */
bool front_trusts(const struct front *front, const struct network_address *address);
/* Counts what was refused before it became a request; `connection`: before anything was read. */
void front_count_refusal(struct front *front, int status, bool connection);
/* Bytes of the bodies that are kept. */
size_t front_bytes(const struct front *front);
