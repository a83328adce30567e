/* Answered batches, kept for a while in case redis.window loses them: a failover to a replica that
 * lacked the newest, a restart on a file that was not fsynced. Validators say with each answer
 * which history of the window holds the batch; when that has another name, every kept batch is sent
 * again under its own id. The window knows those it has by their ids and takes the others, so that
 * each counts once either way.
 *
 * A batch is kept until an answer that came keep_ms after its own shows that the history is still
 * the same: an outage in between, however long, does not make it older. What is kept stays above
 * the lowest sequence that is told to validators, because the window refuses what is below. A batch
 * in which nothing was accepted is not kept. Beyond bytes_max the oldest go, and are counted.
 *
 * A validator that lacks a job of such a batch, and hears from the scheduler that it knows none,
 * says that it cannot judge. The batch is set aside then, for as long as any process can have the
 * job (job_memory_ms), and everybody is asked, round after round: one that held the job may be
 * starting again. Only then it goes out as final, and what of it cannot be judged is lost, and
 * told. What is set aside is the last to go for want of room.
 *
 *        answered ─▶ bucket, bucket, … (a thirtieth of keep_ms each) ─▶ gone
 *                       │  ▲
 *          other history▼  │this history
 *                      sent again, a few at a time
 *                       │  ▲
 *           cannot judge▼  │judged
 *                      aside ─▶ asked of all, once a second
 *
 * One thread. Borrows the validators. */
#pragma once
#include "services/stratum-gateway/batches.h"

struct replay_options {
    struct loop *loop;
    struct validators *validators;
    unsigned timeout_ms; /* of one request */
    uint64_t keep_ms;    /* ≥ 1 */
    size_t bytes_max;
    uint64_t job_memory_ms; /* a job that is not published any more is dead after that */
};

struct replay_counts {
    size_t kept;  /* batches */
    size_t bytes; /* they take */
    size_t due;   /* of them: to be sent again, not confirmed yet */
    size_t aside; /* of these: a validator lacked a job */
    uint64_t histories;
    uint64_t sent;    /* again */
    uint64_t let_go;  /* for want of room, before their time */
    uint64_t refused; /* shares that were accepted once, and were not again */
};

struct replay;

/* NULL where there is no memory. Caller owns. */
struct replay *replay_create(const struct replay_options *options);
/* After the validators are closed: nothing of it is under way any more. */
void replay_destroy(struct replay *replay);

/* A batch was judged; called before it ends. Where there is no memory it is not kept, and counted
 * among those let go. */
void replay_keep(struct replay *replay, const struct batch *batch,
                 const struct wire_verdict_batch *verdicts);
/* The lowest sequence of a lease that may still be sent, where `lowest` is that of those not
 * answered. */
uint64_t replay_lowest(const struct replay *replay, uint64_t lease_id, uint64_t lowest);
/* Every tick: lets go what is old, sends what is due. */
void replay_tick(struct replay *replay);

struct replay_counts replay_counts(const struct replay *replay);
