/* One asynchronous connection to Redis on the loop, kept up: it connects, greets (password, the
 * server's settings, the function library), is ready, and after a loss connects again with a
 * growing pause. Everything on the loop's thread.
 *
 * Commands of one round of the loop leave in one write; answers come in the order of the commands.
 * A command whose answer does not come within the time given breaks the connection. Well before
 * that the server is called slow: nothing is done about it (what was sent may have been applied,
 * and its answer is worth more than a new connection), but people are told. */
#pragma once
#include "adapter/window_redis/address.h"
#include "loop/loop.h"

#include <hiredis/async.h>

enum { LINK_SLOW_MS = 2000 };

enum link_state {
    LINK_CLOSED,     /* not opened, or being closed */
    LINK_DOWN,       /* pausing before the next attempt */
    LINK_RESOLVING,  /* the host's name is being looked up, on a thread of its own */
    LINK_CONNECTING, /* the socket is not connected yet */
    LINK_GREETING,   /* connected; asking what the server is and loading the functions */
    LINK_READY,      /* commands are taken */
};

/* `answer` is NULL when the connection ended first. Borrowed until the callback returns. */
typedef void (*link_answer_handler)(void *context, const redisReply *answer);

struct link_lookup; /* link.c */

struct link {
    struct loop *loop;
    struct redis_address address;
    unsigned timeout_ms;
    void (*on_state)(void *context, bool ready, const char *text);
    /* Called with what is wrong when a ready server has not answered for LINK_SLOW_MS, and with
     * NULL when it does or the connection has ended. May be NULL. */
    void (*on_slow)(void *context, const char *text);
    void *context;
    bool slow;
    enum link_state state;
    struct error error;      /* why it is not ready */
    char warning[256];       /* what is odd about a ready server, or "" */
    struct worker *resolver; /* where the host is a name; else NULL */
    struct link_lookup *lookup;
    redisAsyncContext *redis;
    struct loop_source source;
    uint32_t events;
    struct loop_timer flush; /* due at once: writes what one round gathered */
    struct loop_timer timer; /* by state: next attempt, patience with connecting, oldest command */
    unsigned pause_ms;
    unsigned greeting_left; /* answers to come; 0: not yet asked */
    /* What the server said of itself last, asked for once a second (watch.c). */
    uint64_t history;        /* names its replication history; 0: not known */
    unsigned replicas;       /* that are connected */
    unsigned memory_percent; /* used of its maxmemory; 0: it has none, or does not say */
    uint64_t asked_ms;
    bool asking;
    /* Called before what one round gathered is written: commands may be added. May be NULL. */
    void (*before_flush)(void *context);
    void *flush_context;
    int told;            /* what on_state was told last: -1 nothing, else `ready` … */
    char told_text[512]; /* … and why */
    uint64_t *sent_ms;   /* ring: when each unanswered command left */
    unsigned sent_max, sent_first, sent_count;
};

/* Begins to connect. `commands_max` bounds the unanswered ones. False for want of memory. */
MUST_CHECK bool link_open(struct link *link, struct loop *loop, const struct redis_address *address,
                          unsigned timeout_ms, unsigned commands_max,
                          void (*on_state)(void *context, bool ready, const char *text),
                          void *context, struct error *error);
/* Answers all commands with NULL, then no callback comes any more. Not from within a callback.
 * Where the host's name is being looked up, it waits for the resolver. */
void link_close(struct link *link);

static inline bool link_ready(const struct link *link)
{
    return link->state == LINK_READY;
}
/* False when not ready or too many are unanswered: nothing was sent. Else `handler` is called
 * exactly once, later. */
MUST_CHECK bool link_command(struct link *link, int argc, const char **argv, const size_t *lengths,
                             redisCallbackFn *handler, void *context);
/* Every handler of link_command calls this first, with what it was given: without an answer the
 * connection has ended, and the link must know before the handler looks at it. */
void link_answered(struct link *link, const redisAsyncContext *redis, const redisReply *answer);
/* Ends the connection (all commands are answered with NULL) and connects anew after a pause. */
void link_break(struct link *link, const char *reason);
