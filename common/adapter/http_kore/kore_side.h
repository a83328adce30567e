/* Between the two halves of a process that Kore hosts: host.c, which knows the service, and
 * kore_side.c, which knows Kore. Their headers define each other's names, so neither sees both. */
#pragma once
#include "adapter/http_kore/exchange.h"
#include "adapter/http_kore/front.h"

/* What Kore must be told before it forks. */
struct host_listener {
    char host[256];
    char port[8];
    char pidfile[4400];   /* Kore insists on writing one */
    unsigned sockets_max; /* WebSockets that may be open, beside other connections */
};

/* In the parent: arguments, settings, is the port free? Exits the process with the sentence and
 * its code when something is wrong, or when it was only asked to print. */
void host_configure(int argc, char **argv, struct host_listener *listener_r);

/* How many connections an address may have (0: any number), and a number nobody else knows. */
struct host_bounds {
    unsigned address_connections_max;
    uint64_t seed;
};
struct host_bounds host_bounds(void);

/* In the worker: starts the service on a thread of its own. `wake_fd` (an eventfd) is written to
 * when host_take_answers has something, or the service has ended. */
void host_start(int wake_fd, const char *http_address);
/* Hands an exchange to the service's loop; false: it serves nothing now, the exchange was filled
 * with a refusal. */
bool host_submit(struct http_exchange *exchange);
struct http_site *host_site(void);
struct front *host_front(void);
/* Hands a task of a socket's to the service's loop; false: it serves nothing any more. */
bool host_note(struct loop_task *task);
/* What sockets were told to do, oldest first. */
struct socket_order *host_take_orders(void);
/* What was published, oldest first; *lost_r: more than could wait, what came before these is gone.
 */
struct stream_event *host_take_events(bool *lost_r);
/* From Kore's own thread: once more round its loop. */
void host_wake(void);
/* From Kore's own thread: bytes that a stream was sent, and how long an event took to its last
 * stream. Counted while the service lives, whose metrics end with it. */
void host_count_sent(uint64_t bytes);
void host_count_fanned(uint64_t took_us);
/* The answered exchanges, oldest first, and whether the service has ended by itself. */
struct http_exchange *host_take_answers(bool *ended_r);
void host_reload(void);
/* Asks the service to stop and waits for its thread; exits the process when it takes too long. */
void host_stop(void);

/* In the parent, at its end: what the process exits with. */
int host_exit_code(void);
