/* Miners' sockets: reading lines, writing answers, and nothing of what they mean. A connection that
 * says nothing holds no buffer: what arrives is read into one memory all share, and only the rest
 * of an unfinished line, or what the socket does not take, gets memory of its own. All of it is
 * bounded: a line by line_bytes_max, what is to be written by CONNECTION_OUTPUT_MAX, beyond which
 * the miner does not read and is closed. While much is to be written, or the owner says so, nothing
 * is read (backpressure).
 *
 * What stands between a socket and its lines (TLS, WebSocket, a PROXY header) is a transport
 * (transport/), made when the first bytes ask for one; a plain connection has none. Output holds
 * bytes as they go out, input holds lines.
 *
 * Each connection carries one session and belongs to a place in a fixed array; a place used again
 * has another generation. One thread. */
#pragma once
#include "core/budget/budget.h"
#include "core/conduct/conduct.h"
#include "core/stratum/stratum.h"
#include "loop/loop.h"
#include "services/stratum-gateway/buffer.h"
#include "services/stratum-gateway/transport/transport.h"

enum {
    CONNECTION_OUTPUT_MAX = 262144, /* bytes to be written; more: closed */
    CONNECTION_OUTPUT_HIGH = 32768, /* above it nothing is read */
    CONNECTION_STALLED_MS = 30000,  /* so long without writing a byte of it: closed */
    CONNECTION_LEAVE_MS = 1000,     /* so long a closed one may read its last words */
    CONNECTIONS_LEAVING_MAX = 256,  /* places beyond the miners', for those told to go */
    CONNECTION_RECEIVE_BYTES = 16384,
    CONNECTION_GREETINGS_A_ROUND = 4, /* a step of a TLS handshake costs as much as 100 shares */
};

enum connection_state {
    CONNECTION_FREE,
    CONNECTION_OPEN,
    CONNECTION_LEAVING, /* its last words are being written and read; nothing it says counts */
};

struct connection {
    struct loop_source source;
    struct connections *all;
    struct buffer *input;  /* unread lines, or NULL */
    struct buffer *output; /* unwritten bytes, or NULL */
    const struct transport_rules *rules; /* of the port it came to; where it is wrapped */
    struct transport *transport;         /* NULL: not known yet, or plain */
    struct network_address peer;         /* where it comes from; behind a proxy, as that says */
    uint16_t peer_port;
    struct connection *next_free;
    struct connection *next_dirty;  /* in the list to be flushed at the end of the round */
    struct connection *next_resume; /* in the list to be read again then */
    uint64_t wrote_ms;              /* when output last moved, or began */
    uint64_t leave_ms;              /* when a leaving one is cut */
    uint32_t index;
    uint32_t generation;
    uint32_t submitted;   /* the owner's: submissions in this second */
    uint64_t job_waiting; /* the owner's: ordinal of a job to be sent; 0: none */
    bool job_clean;
    uint8_t job_shape; /* enum job_shape */
    enum connection_state state;
    uint32_t events; /* what the loop watches */
    bool dirty;
    bool resuming;
    bool held;      /* the owner took no more lines: connection_resume goes on */
    bool working;   /* its lines are being handled now */
    bool broken;    /* the socket is no use any more; closed when that is safe */
    bool wrapped;   /* its first bytes are awaited, or it has a transport */
    bool proxied;   /* its first bytes must be a PROXY header */
    uint32_t hash_address;     /* hash_budgets.c's: its address there */
    struct budget hash_budget; /* for slow algorithms */
    /* conducts.c's */
    struct conduct conduct;
    struct conduct_rate lines;    /* all it says */
    struct conduct_rate requests; /* what of it are no shares */
    uint64_t paused_until_ms;  /* 0: it is not paused */
    uint64_t conduct_account;  /* who its last bad share was for */
    uint64_t conduct_worker;
    uint32_t conducts_place; /* of its address; 0: not remembered */
    bool good;               /* in good standing, and counted so at its address */
    bool slowed;             /* it said more than its bound, and is not read until the tick */
    uint64_t lease; /* whose value the session's extranonce1 is */
    uint64_t traces_ahead_ms; /* rejects.c's: how far its traces are ahead of their rate */
    uint8_t profile; /* the owner's: of the port it came in by */
    struct stratum_session session;
};

struct connections_options {
    struct loop *loop;
    size_t miners_max;
    size_t line_bytes_max;
    /* A complete line (without newline). False: not now; the line stays, reading stops until
     * connection_resume. */
    bool (*on_line)(void *context, struct connection *connection, struct span line);
    /* A line longer than line_bytes_max. The owner is expected to leave. */
    void (*on_long_line)(void *context, struct connection *connection);
    /* A PROXY header said where it comes from: peer is another now. False: it is not wanted. NULL:
     * all are. */
    bool (*on_source)(void *context, struct connection *connection);
    /* It is about to be freed, whoever closed it. */
    void (*on_closed)(void *context, struct connection *connection, const char *reason);
    void *context;
};

struct connections {
    struct connections_options options;
    struct connection *places;
    size_t places_count;
    size_t used_max; /* places from here on were never used */
    size_t open;
    size_t leaving;
    uint64_t slow; /* closed because they did not read */
    struct connection *free;
    struct connection *dirty;
    struct connection *resume;
    struct buffer_pool buffers;
    struct loop_task reading_on;
    struct loop_task writing;
    bool reading_on_deferred;
    bool writing_deferred;
    uint64_t greeting_ns;   /* the round in which these took a step of their handshake */
    unsigned greetings;
    char received[CONNECTION_RECEIVE_BYTES];
};

MUST_CHECK bool connections_init(struct connections *connections,
                                 const struct connections_options *options, struct error *error);
/* Closes all, with on_closed. The struct must outlive what is deferred
 * (connections_are_deferred). */
void connections_deinit(struct connections *connections);

/* Whether something of theirs is still to run at the end of a round. */
static inline bool connections_are_deferred(const struct connections *connections)
{
    return connections->reading_on_deferred || connections->writing_deferred;
}

/* Takes an accepted socket (non-blocking; taken on success). `miner`: it counts against
 * miners_max. NULL where there is no place or the loop refuses it. */
MUST_CHECK struct connection *connection_open(struct connections *connections, int fd, bool miner);
/* Right after that: its first bytes decide what it speaks, within the rules (borrowed while it
 * lives). `proxied`: a PROXY header comes first. */
void connection_wrap(struct connection *connection, const struct transport_rules *rules,
                     bool proxied);
/* address:port as logs and auth get it. */
enum { CONNECTION_PEER_BYTES = 64 };
void connection_peer_print(const struct connection *connection,
                           char text_r[CONNECTION_PEER_BYTES]);
/* "plain", "tls", "ws", "wss", or "new" while nothing came; static. */
const char *connection_speaks(const struct connection *connection);

/* A connection another program began: what it had read and not handled, and what it had not written.
 * Lines that are whole are handled at the end of the round. NULL as for connection_open, or where
 * there is no memory. */
MUST_CHECK struct connection *connection_adopt(struct connections *connections, int fd,
                                               struct span input, struct span output);

/* The connection at a place, if it is still the one of that generation and open; else NULL. */
struct connection *connection_find(const struct connections *connections, uint32_t index,
                                   uint32_t generation);

/* Queues text; it is written at the end of the loop's round. */
void connection_write(struct connection *connection, struct span text);
/* The same for text that many get: written at once where nothing is queued. */
void connection_write_shared(struct connection *connection, struct span text);

/* Reads on after on_line said no. */
void connection_resume(struct connection *connection);

/* Writes what is queued, then ends it; it is OPEN no more. */
void connection_leave(struct connection *connection, const char *reason);

/* Cuts those that stalled or had their time to leave; [from, to) of the places. */
void connections_sweep(struct connections *connections, size_t from, size_t to);

/* Stops reading from all: answers still go out. connections_read_on takes it back. */
void connections_stop_reading(struct connections *connections);
void connections_read_on(struct connections *connections);
/* Writes what can be written now. */
void connections_flush(struct connections *connections);
