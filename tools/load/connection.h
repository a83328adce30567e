/* One miner of the load generator: its socket, what it waits for, what it has not sent yet. Owned
 * by the engine; its buffers are on the heap and exist only while they are needed. One thread. */
#pragma once
#include "tools/load/lines.h"

enum connection_state {
    CONNECTION_CLOSED = 0,
    CONNECTION_CONNECTING,
    CONNECTION_LOGIN,  /* subscribe and authorize sent */
    CONNECTION_MINING, /* authorised, with a job */
};

/* One that is under way. */
struct submission {
    uint64_t due_ns;  /* 0: answered */
    uint64_t sent_us; /* Unix time; 0 where nothing is recorded */
    uint32_t job;     /* by the engine's count */
};

struct connection {
    int fd;
    uint8_t state;
    bool subscribed, authorised, writes; /* writes: waits for the socket to take more */
    uint8_t extranonce2_bytes;
    uint32_t index;
    uint32_t submit_job; /* the job that `submit` is of, by the engine's count; 0: none */
    uint32_t wave;       /* the newest job it was told, by the engine's count */
    uint32_t tip;        /* the newest tip its jobs build on, by the engine's count */
    struct line_submit *submit;
    struct submission *submissions; /* by number, a power of two of them */
    uint32_t submissions_capacity;
    uint64_t first, next; /* numbers: [first, next) are unanswered or behind one that is */
    uint32_t in_flight;
    uint32_t session;  /* how many connections this miner has had */
    uint64_t again_ns; /* when one that was lost is made anew */
    char *input;       /* the rest of a line */
    uint32_t input_bytes, input_capacity;
    char *output; /* what the socket did not take */
    uint32_t output_start, output_bytes, output_capacity;
};

/* A socket under way to `address` from `source` (both IPv4, network byte order; 0: any). False with
 * errno set. */
MUST_CHECK bool load_connection_open(struct connection *connection, uint32_t address, uint16_t port,
                                     uint32_t source);
void connection_close(struct connection *connection);

/* Sends, and keeps what the socket does not take. False: the connection is lost. */
MUST_CHECK bool connection_send(struct connection *connection, const char *bytes, size_t length);
MUST_CHECK bool connection_flush(struct connection *connection);

/* Notes a submission that is to be answered; its number. */
uint64_t connection_note(struct connection *connection, const struct submission *submission);
/* The submission an answer's id names, and its number; false: none such is under way. */
MUST_CHECK bool connection_answered(struct connection *connection, uint32_t id,
                                    struct submission *submission_r, uint64_t *number_r);
static inline uint32_t connection_id_of(uint64_t number)
{
    return LINES_ID_FIRST + (uint32_t)(number % LINES_IDS);
}

/* Keeps the rest of a line behind what is kept; false where it is longer than any line. */
MUST_CHECK bool connection_keep_input(struct connection *connection, const char *bytes,
                                      size_t length);
