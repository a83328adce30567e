/* The bus in memory, for tests: servers, clients, publishers and subscribers of one bus find each
 * other by url. It can be told to lose, delay and double messages and to cut connections. Every
 * callback comes from the loop, never inside the call that caused it; the order of messages is
 * kept, also when they are delayed. One thread. */
#pragma once
#include "port/bus.h"

/* Caller owns; ended by bus_destroy. */
struct bus *bus_fake_create(struct loop *loop);

/* The next `count` requests never reach their server: the asker times out. */
void bus_fake_lose_requests(struct bus *bus, unsigned count);
/* The next `count` replies never reach their asker: carried out, and it cannot know. */
void bus_fake_lose_replies(struct bus *bus, unsigned count);
/* The next `count` requests reach their server twice; the first reply counts. */
void bus_fake_double_requests(struct bus *bus, unsigned count);
/* The next `count` published messages reach nobody. */
void bus_fake_lose_published(struct bus *bus, unsigned count);
/* From now on every message is this long under way. */
void bus_fake_delay_ms(struct bus *bus, uint64_t delay_ms);
/* Cuts the connections to `url`: on_down, and what is outstanding ends as BUS_GONE, until mended.
 */
void bus_fake_cut(struct bus *bus, const char *url);
void bus_fake_mend(struct bus *bus, const char *url);
