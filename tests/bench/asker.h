/* Asks an HTTP server at a fixed rate, whatever it answers (an open loop): a question's time counts
 * from when it was due, so that a server that stalls is charged for all who would have come
 * meanwhile (no coordinated omission). One thread; blocks for as long as it runs. */
#pragma once
#include "base/bytes.h"

struct asker_options {
    unsigned port; /* on 127.0.0.1 */
    unsigned connections;
    bool anew;        /* a connection for each question */
    double rate;      /* questions/s */
    double warm_up_s; /* not counted */
    double seconds;
    const char *(*path)(void *context, uint64_t number); /* borrowed until the next call */
    const char *header; /* one more line of the request with its line's end, or "" */
    void *context;
    void (*on_begin)(void *context); /* what is counted begins; may be NULL */
};

struct asker_result {
    uint64_t asked, answered, not_modified, refused, broken; /* refused: any other status */
    double p50_ms, p99_ms, p999_ms, max_ms;
    double late_p99_ms; /* how late questions were sent: the client's own part, or no connection
                           was free */
    double bytes;       /* of an answer, in the mean */
    double seconds;
};
struct asker_result asker_run(const struct asker_options *options);
