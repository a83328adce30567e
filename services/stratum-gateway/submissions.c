#include "services/stratum-gateway/submissions.h"

#include "services/stratum-gateway/gateway.h"
#include "wire/job/job_wire.h"

static void on_round_end(struct loop_task *task)
{
    struct gateway *gateway =
        (struct gateway *)((char *)task - offsetof(struct gateway, submissions.task));
    gateway->submissions.deferred = false;
    submissions_pass_on(gateway);
}

void submissions_init(struct gateway *gateway)
{
    gateway->submissions.count = 0;
    gateway->submissions.task.run = on_round_end;
}

void submissions_take(struct gateway *gateway, struct connection *connection,
                      const struct stratum_effect *effect)
{
    struct submissions *submissions = &gateway->submissions;
    struct feed_job *job = feed_job_of(effect->job);
    struct share_submission submission = effect->submission;
    ASSERT(!submissions_are_full(submissions));
    struct submission *one = &submissions->list[submissions->count++];
    connection->submitted++;
    one->origin = (struct dispatch_origin){ .connection = connection->index,
                                            .generation = connection->generation,
                                            .answer = effect->answer,
                                            .received_ns = loop_round_ns(gateway->loop) };
    if (job->closed && submission.gateway_outcome == SHARE_ACCEPTED)
        submission.gateway_outcome = SHARE_STALE;
    if (submission.gateway_outcome == SHARE_ACCEPTED) {
        one->origin.key = duplicates_key_of(&job->job, &submission);
        one->origin.keyed = true;
        duplicates_prefetch(&job->duplicates, &gateway->feed.memory, &one->origin.key);
    }
    one->slow_hashes = pow_scratch_bytes(job->job.algorithm) > 0
                           ? share_hashes(&job->job, &submission)
                           : 0;
    submission_to_wire(&submission, &one->share);
    if (submissions->deferred)
        return;
    submissions->deferred = true;
    loop_defer(gateway->loop, &submissions->task);
    dispatcher_expect(gateway->dispatcher); /* behind us, in the same round */
}

/* SHARE_ACCEPTED where it may join a batch. */
static enum share_outcome remember(struct gateway *gateway, struct submission *one)
{
    if (!one->origin.keyed)
        return SHARE_ACCEPTED;
    struct stratum_job *job = stratum_jobs_find(&gateway->feed.table, one->share.job_id);
    if (job == NULL || feed_job_of(job)->closed) {
        /* Forgotten or closed in this very round; it may be a block all the same. */
        one->origin.keyed = false;
        one->share.found = SHARE_STALE;
        return SHARE_ACCEPTED;
    }
    switch (job_feed_see(&gateway->feed, feed_job_of(job), &one->origin.key)) {
    case DUPLICATES_NEW:
        return SHARE_ACCEPTED;
    case DUPLICATES_SEEN:
        return SHARE_DUPLICATE;
    default:
        return SHARE_OVERLOADED;
    }
}

/* A slow hash is worth having only where its session keeps within its budget. */
static bool may_be_hashed(struct gateway *gateway, const struct submission *one)
{
    if (one->slow_hashes == 0)
        return true;
    struct connection *connection =
        connection_find(&gateway->connections, one->origin.connection, one->origin.generation);
    return connection == NULL ||
           hash_budgets_take(&gateway->hash_budgets, connection, one->slow_hashes,
                             loop_now_ms(gateway->loop));
}

void submissions_pass_on(struct gateway *gateway)
{
    struct submissions *submissions = &gateway->submissions;
    unsigned count = submissions->count;
    submissions->count = 0; /* answering takes no new ones */
    for (unsigned i = 0; i < count; i++) {
        struct submission *one = &submissions->list[i];
        enum share_outcome outcome = remember(gateway, one);
        if (outcome == SHARE_ACCEPTED) {
            if (may_be_hashed(gateway, one) &&
                dispatcher_add(gateway->dispatcher, &one->share, &one->origin))
                continue;
            if (one->origin.keyed)
                job_feed_unsee(&gateway->feed, one->share.job_id, &one->origin.key);
            outcome = SHARE_OVERLOADED;
        }
        sessions_judged(gateway, &one->origin, &one->share, outcome);
    }
}
