/* Where traces of rejected shares are kept for a day, so that the API can say what is wrong with a
 * miner: losable, bounded by account and by worker, newest first. Traces are opaque bytes here
 * (proto/reject_trace.def).
 *
 * Calls block: for a worker's thread, one at a time for each handle. */
#pragma once
#include "base/bytes.h"

enum {
    REJECT_LOG_TRACE_BYTES_MAX = 192,
    REJECT_LOG_OF_WORKER_MAX = 64,
    REJECT_LOG_OF_ACCOUNT_MAX = 256,
    REJECT_LOG_KEEP_S = 86400, /* since the last one */
};

struct reject_log_entry {
    uint64_t account, worker;
    struct span trace; /* REJECT_LOG_TRACE_BYTES_MAX at the most */
};

/* False ends the walk. */
typedef bool (*reject_log_visitor)(void *context, struct span trace);

struct reject_log;
struct reject_log_calls {
    bool (*put)(struct reject_log *log, const struct reject_log_entry *entries, size_t count,
                struct error *error);
    bool (*read)(struct reject_log *log, uint64_t account, uint64_t worker,
                 reject_log_visitor visit, void *context, struct error *error);
    void (*close)(struct reject_log *log);
};
struct reject_log { /* the adapter's first member */
    const struct reject_log_calls *calls;
};

/* Keeps the traces. False with *error where that is not known; nobody tries again. */
MUST_CHECK static inline bool reject_log_put(struct reject_log *log,
                                             const struct reject_log_entry *entries, size_t count,
                                             struct error *error)
{
    return log->calls->put(log, entries, count, error);
}
/* Visits what is kept of a worker, or with worker 0 of the account, the newest first. False with
 * *error where it cannot be read. */
MUST_CHECK static inline bool reject_log_read(struct reject_log *log, uint64_t account,
                                              uint64_t worker, reject_log_visitor visit,
                                              void *context, struct error *error)
{
    return log->calls->read(log, account, worker, visit, context, error);
}
static inline void reject_log_close(struct reject_log *log)
{
    if (log != NULL)
        log->calls->close(log);
}
