/* The load generator: one thread and one epoll for all connections.
 *
 *   saturate  every connection keeps `in_flight` submissions unanswered; what a round of answers
 *             makes room for leaves in one write
 *   rate      submissions are due at random times (Poisson) of a fixed rate over all connections,
 *             whatever the pool does; latency counts from the time a submission was due, so a pool
 *             that stalls cannot hide what waited meanwhile (no coordinated omission)
 *   idle      connections that mine and send nothing
 *   fanout    as idle; when the first and the last miner read a job, and a first job on a tip
 *
 * With `record`, each submission leaves a line when it ends, in any phase (record.h): what a miner
 * saw accepted can be held against what the pool kept. With `reconnect`, a miner whose connection
 * is lost comes again, as miners do.
 *
 * Phases: connect all, warm up, measure. A line of each phase goes to `events` (see main.c). */
#pragma once
#include "tools/load/connection.h"
#include "tools/load/histogram.h"

#include <signal.h>
#include <stdio.h>

enum load_mode { LOAD_SATURATE = 1, LOAD_RATE, LOAD_IDLE, LOAD_FANOUT };

#define LOAD_ADDRESSES_MAX 64

struct load_address {
    uint32_t ip; /* network byte order */
    uint16_t port;
};

struct load_options {
    enum load_mode mode;
    struct load_address addresses[LOAD_ADDRESSES_MAX]; /* connections are dealt out in turn */
    size_t address_count;
    const char *user; /* a %u in it is the connection's number modulo `users` */
    uint32_t users;
    uint32_t connections;
    uint32_t first_index;  /* of this process's connections, where several share the work */
    uint32_t sources;      /* loopback source addresses; 0: the kernel chooses */
    uint32_t first_source; /* the first of them is 127.0.0.2 and so many further */
    uint32_t in_flight;
    double rate; /* submissions a second */
    double seconds, warmup_seconds;
    uint32_t connect_at_once; /* handshakes under way while connecting */
    FILE *events;             /* NULL: none */
    FILE *record;             /* NULL: none */
    bool reconnect;
    int32_t ntime_offset; /* seconds beside the job's: far off, each share wastes a hash */
    uint32_t slice_ms; /* an event with count and latency each so often while measuring; 0: none */
    const volatile sig_atomic_t *stop; /* set: no more submissions, only their answers */
};

/* What was counted while measuring. */
struct load_counts {
    uint64_t submitted, accepted, rejected;
    uint64_t codes[100]; /* rejections by the error's number; [0]: another */
    uint64_t writes, reads, bytes_out, bytes_in;
    uint64_t lost;       /* connections that ended */
    uint64_t unmatched;  /* answers nobody waited for */
    uint64_t unanswered; /* at the end */
};

struct load_result {
    struct load_counts counts;
    double seconds;
    double cpu_seconds; /* of this process while measuring */
    double connect_seconds;
    struct histogram latency; /* ns, from due (rate) or write (saturate) to answer */
    struct histogram late;    /* ns, from due to written; rate only */
};

/* Runs all phases; result_r is the caller's (60 KB). False with one sentence where connections
 * cannot be made or are lost before measuring. */
MUST_CHECK bool load_run(const struct load_options *options, struct load_result *result_r,
                         struct error *error);
