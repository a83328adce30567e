/* What stands between the network and Kore's own HTTP parser, which takes a head for what it is
 * not (decision 28): every head is judged first (core/http_head), bytes behind a request wait until
 * it is answered, and an address has a bounded number of connections. Kore's sources call it under
 * other names, which CMakeLists.txt gives them. On Kore's thread. */
#pragma once

/* Before the first connection: how many there may be beside those of listed proxies, and how many
 * of one address (0: any). Fewer than Kore takes, which beyond its own bound leaves people waiting
 * without a word, and turns round and round meanwhile. */
void gate_side_begin(unsigned connections_max, unsigned address_max, unsigned long long seed);
