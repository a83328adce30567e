/* When the chain is looked at: at every new tip, after a candidate, and at each interval; and what
 * is told afterwards. The looking itself (follow.h) is the chain worker's. */
#include "services/inode-scheduler/scheduler.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SOON_MS = 50, /* gathers what comes at once: a tip, a candidate, its answers */
    RETRY_MS = 2000,
};

static void begin(struct scheduler *scheduler);

static void publish_notice(struct scheduler *scheduler)
{
    struct wire_chain_notice notice = { .epoch = scheduler->epoch,
                                        .height = scheduler->followed.height,
                                        .event_sequence = scheduler->followed.event_sequence };
    memcpy(notice.tip_hash, scheduler->followed.tip, 32);
    uint8_t bytes[128];
    size_t length = wire_encode_chain_notice(&notice, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_publish(scheduler->publisher, span_of(bytes, length));
}

static void on_followed(struct worker_job *job)
{
    struct scheduler *scheduler =
        (struct scheduler *)((char *)job - offsetof(struct scheduler, follow_job));
    const struct follow_result *fresh = &scheduler->follow_fresh;
    scheduler->following = false;
    if (scheduler->stopping)
        return;
    if (fresh->deposed) {
        scheduler->deposed = true;
        scheduler->options.on_deposed(scheduler->options.context);
        return;
    }
    bool moved = fresh->event_sequence != scheduler->events_told ||
                 memcmp(fresh->tip, scheduler->followed.tip, 32) != 0;
    nodes_followed(&scheduler->nodes, fresh);
    scheduler_tell_nodes(scheduler);
    scheduler->followed = *fresh;
    scheduler->followed_once = true;
    scheduler->followed_ms = loop_unix_ms();
    metric_add(scheduler->metrics.events, fresh->events);
    metric_set(scheduler->metrics.height, fresh->height);
    if (moved) {
        publish_notice(scheduler);
        scheduler->events_told = fresh->event_sequence;
    }
    if ((moved || fresh->events > 0) && scheduler->news != NULL)
        scheduler->news(scheduler->live);
    if (fresh->events > 0)
        loop_timer_start(scheduler->options.loop, &scheduler->summary_timer, 0,
                         5000); /* the numbers changed */
    if (!fresh->whole) {
        metric_add(scheduler->metrics.unfollowed, 1);
        log_warn("chain.not_followed", "reason=\"%s\"", scheduler->follow_error.text);
        scheduler->options.on_trouble(scheduler->options.context, "chain",
                                      scheduler->follow_error.text);
        loop_timer_start(scheduler->options.loop, &scheduler->follow_soon, RETRY_MS, 0);
    } else {
        scheduler->options.on_trouble(scheduler->options.context, "chain", NULL);
        if (scheduler->follow_again || fresh->payments_behind > 0)
            loop_timer_start(scheduler->options.loop, &scheduler->follow_soon, SOON_MS, 0);
    }
    scheduler->follow_again = false;
}

static void follow_work(struct worker_job *job)
{
    struct scheduler *scheduler =
        (struct scheduler *)((char *)job - offsetof(struct scheduler, follow_job));
    follow_pass(scheduler->follower, scheduler->notes_passed, scheduler->notes_passed_count,
                &scheduler->follow_fresh, &scheduler->follow_error);
}

static void begin(struct scheduler *scheduler)
{
    if (scheduler->stopping || scheduler->deposed)
        return;
    if (scheduler->following) {
        scheduler->follow_again = true;
        return;
    }
    memcpy(scheduler->notes_passed, scheduler->notes,
           scheduler->notes_count * sizeof *scheduler->notes);
    scheduler->notes_passed_count = scheduler->notes_count;
    size_t claimer;
    const struct node_tip *claim = nodes_claim(&scheduler->nodes, &claimer);
    follower_set_claim(scheduler->follower, claimer, claim);
    scheduler->follow_job = (struct worker_job){ .work = follow_work, .done = on_followed };
    if (worker_submit(scheduler->chain, &scheduler->follow_job)) {
        scheduler->following = true;
        scheduler->notes_count = 0;
    }
}

static void on_follow_due(void *context)
{
    begin(context);
}

void scheduler_follow_soon(struct scheduler *scheduler)
{
    if (scheduler->following)
        scheduler->follow_again = true;
    else if (!scheduler->stopping && !loop_timer_running(&scheduler->follow_soon))
        loop_timer_start(scheduler->options.loop, &scheduler->follow_soon, SOON_MS, 0);
}

void scheduler_note(struct scheduler *scheduler, const uint8_t hash[32], bool refused,
                    const char *node, const char *answer)
{
    if (scheduler->notes_count == FOLLOW_NOTES_MAX)
        return; /* words for people: the next pass takes more */
    struct follow_note *note = &scheduler->notes[scheduler->notes_count++];
    *note = (struct follow_note){ .refused = refused };
    memcpy(note->hash, hash, 32);
    if (*node != '\0')
        snprintf(note->text, sizeof note->text, "%.80s=%.100s", node, answer);
}

void scheduler_start_following(struct scheduler *scheduler)
{
    struct loop *loop = scheduler->options.loop;
    uint64_t interval_ms = (uint64_t)scheduler->options.settings->time_check_interval * 1000;
    scheduler->follow_timer = (struct loop_timer){ .on_due = on_follow_due, .context = scheduler };
    scheduler->follow_soon = (struct loop_timer){ .on_due = on_follow_due, .context = scheduler };
    loop_timer_start(loop, &scheduler->follow_timer, interval_ms, interval_ms);
    begin(scheduler);
}
