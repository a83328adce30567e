#include "services/stratum-gateway/replay.h"

#include "core/share/outcome.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    BUCKETS = 30, /* of a full keep_ms; more where the window does not answer */
    BUCKETS_MAX = 64,
    LEASES_MAX = 4, /* in one bucket whose lowest sequences are told apart */
    HISTORIES_MAX = 8,
    IN_FLIGHT_MAX = 4,
    PAUSE_MS = 100,  /* before what went wrong is tried again */
    ROUND_MS = 1000, /* before all are asked again for what none could judge */
    SHARE_BYTES_MAX = 96,
    MESSAGE_HEAD_BYTES = 64,
    ARENA_BYTES = BATCH_SHARES_MAX * 8 + 1024,
};

struct kept {
    struct kept *next; /* in its bucket */
    struct bucket *bucket;
    struct replay *replay;
    struct validator *at;
    uint64_t lease_id, sequence;
    uint64_t history; /* that held it last */
    uint64_t queued;  /* shares at the validator once this was there */
    uint64_t sent_ns;
    uint32_t shares;
    uint32_t accepted;
    bool flying;
    bool aside;         /* in that list, not in a bucket of the ring */
    uint64_t cannot;    /* bits of validators that lack a job of it, in this round */
    uint64_t denied_ms; /* when one lacked it first */
    uint64_t try_ms;    /* aside: not before */
    size_t length;
    uint8_t message[];
};

struct bucket {
    struct kept *first, **end;
    struct kept *confirmed; /* up to this one all are; NULL: not even the first is known to be */
    uint64_t began_ms, newest_ms; /* of answers in it */
    unsigned flying;
    unsigned leases; /* LEASES_MAX + 1: too many */
    struct {
        uint64_t lease_id, lowest;
    } lowest[LEASES_MAX];
};

struct replay {
    struct replay_options options;
    struct replay_counts counts;
    struct bucket buckets[BUCKETS_MAX]; /* a ring, oldest first */
    unsigned first, count;
    struct bucket aside; /* asked of in turn: its first were asked longest ago */
    uint64_t history;    /* the newest heard of; 0: none yet */
    uint64_t past[HISTORIES_MAX];
    unsigned past_count;
    uint64_t confirmed_ms; /* when an answer last named it */
    unsigned in_flight;
    uint64_t try_ms; /* not before */
    uint8_t message[MESSAGE_HEAD_BYTES + BATCH_SHARES_MAX * SHARE_BYTES_MAX];
    uint8_t arena[ARENA_BYTES];
    uint8_t shares[BATCH_SHARES_MAX * sizeof(struct wire_share) + 1024]; /* scratch */
};

static struct bucket *bucket_at(const struct replay *replay, unsigned index)
{
    return (struct bucket *)(uintptr_t)&replay->buckets[(replay->first + index) % BUCKETS_MAX];
}

static void empty_bucket(struct bucket *bucket, uint64_t now_ms)
{
    *bucket = (struct bucket){ .began_ms = now_ms, .newest_ms = now_ms };
    bucket->end = &bucket->first;
}

static void open_bucket(struct replay *replay, uint64_t now_ms)
{
    empty_bucket(bucket_at(replay, replay->count++), now_ms);
}

static void free_all(struct replay *replay, struct bucket *bucket)
{
    ASSERT(bucket->flying == 0);
    while (bucket->first != NULL) {
        struct kept *kept = bucket->first;
        bucket->first = kept->next;
        replay->counts.kept--;
        replay->counts.bytes -= sizeof *kept + kept->length;
        replay->counts.due -= kept->history != replay->history;
        free(kept);
    }
}

static void drop_oldest(struct replay *replay)
{
    ASSERT(replay->count > 0);
    free_all(replay, bucket_at(replay, 0));
    replay->first = (replay->first + 1) % BUCKETS_MAX;
    replay->count--;
}

static void note_lowest(struct bucket *bucket, uint64_t lease_id, uint64_t sequence)
{
    unsigned i = 0;
    while (i < bucket->leases && i < LEASES_MAX && bucket->lowest[i].lease_id != lease_id)
        i++;
    if (i == LEASES_MAX) {
        bucket->leases = LEASES_MAX + 1;
        return;
    }
    if (i == bucket->leases) {
        bucket->leases++;
        bucket->lowest[i].lease_id = lease_id;
        bucket->lowest[i].lowest = sequence;
    }
    if (sequence < bucket->lowest[i].lowest)
        bucket->lowest[i].lowest = sequence;
}

static void add(struct bucket *bucket, struct kept *kept)
{
    kept->bucket = bucket;
    kept->next = NULL;
    *bucket->end = kept;
    bucket->end = &kept->next;
    note_lowest(bucket, kept->lease_id, kept->sequence);
}

/* One that is not known to be confirmed, and so stands near the first such. What its sequence kept
 * low stays low until the bucket goes. */
static void take_out(struct bucket *bucket, struct kept *kept)
{
    struct kept **at = bucket->confirmed != NULL ? &bucket->confirmed->next : &bucket->first;
    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
    if (kept->next == NULL)
        bucket->end = at;
}

static uint64_t lowest_in(const struct bucket *bucket, uint64_t lease_id, uint64_t lowest)
{
    if (bucket->leases > LEASES_MAX)
        return 1;
    for (unsigned k = 0; k < bucket->leases; k++)
        if (bucket->lowest[k].lease_id == lease_id && bucket->lowest[k].lowest < lowest)
            lowest = bucket->lowest[k].lowest;
    return lowest;
}

uint64_t replay_lowest(const struct replay *replay, uint64_t lease_id, uint64_t lowest)
{
    lowest = lowest_in(&replay->aside, lease_id, lowest);
    for (unsigned i = 0; i < replay->count; i++)
        lowest = lowest_in(bucket_at(replay, i), lease_id, lowest);
    return lowest;
}

static bool is_past(const struct replay *replay, uint64_t history)
{
    for (unsigned i = 0; i < replay->past_count; i++)
        if (replay->past[i] == history)
            return true;
    return false;
}

/* What an answer says of the window's history. A name heard before is an old one: two validators
 * may be connected to two servers for a moment. */
static void hear_history(struct replay *replay, uint64_t history)
{
    if (history == 0 || is_past(replay, history))
        return;
    replay->confirmed_ms = loop_now_ms(replay->options.loop);
    if (history == replay->history)
        return;
    const uint64_t old = replay->history;
    replay->history = history;
    replay->counts.due = replay->counts.kept;
    replay->try_ms = 0;
    for (unsigned i = 0; i < replay->count; i++)
        bucket_at(replay, i)->confirmed = NULL;
    if (old == 0) /* who answered before could not see the name */
        return;
    if (replay->past_count == HISTORIES_MAX)
        memmove(replay->past, replay->past + 1, --replay->past_count * sizeof replay->past[0]);
    replay->past[replay->past_count++] = old;
    replay->counts.histories++;
    log_warn("window.history", "history=%016" PRIx64 " batches=%zu", history, replay->counts.kept);
}

/* The bytes to send again; 0 where nothing was accepted. Each share takes its verdict along. */
static size_t encode(struct replay *replay, const struct batch *batch,
                     const struct wire_verdict_batch *verdicts, uint32_t *accepted_r)
{
    struct wire_share shares[BATCH_SHARES_MAX];
    *accepted_r = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        shares[i] = batch->shares[i];
        shares[i].found = verdicts->verdicts[i].outcome;
        *accepted_r += verdicts->verdicts[i].outcome == SHARE_ACCEPTED;
    }
    if (*accepted_r == 0)
        return 0;
    const struct wire_share_batch message = { .lease_id = batch->lease_id,
                                              .sequence = batch->sequence,
                                              .lowest = 1,
                                              .again = 1,
                                              .shares = shares,
                                              .shares_count = batch->count };
    size_t length = wire_encode_share_batch(&message, replay->message, sizeof replay->message);
    ASSERT(length > 0);
    return length;
}

static void make_room(struct replay *replay, size_t bytes)
{
    while (replay->count > 0 && replay->counts.bytes + bytes > replay->options.bytes_max &&
           bucket_at(replay, 0)->flying == 0) {
        for (const struct kept *kept = bucket_at(replay, 0)->first; kept != NULL; kept = kept->next)
            replay->counts.let_go++;
        drop_oldest(replay);
    }
}

/* Into the newest bucket. */
static void file(struct replay *replay, struct kept *kept, uint64_t now_ms)
{
    if (replay->count == 0 ||
        (replay->count < BUCKETS_MAX && now_ms - bucket_at(replay, replay->count - 1)->began_ms >
                                            replay->options.keep_ms / BUCKETS))
        open_bucket(replay, now_ms);
    struct bucket *bucket = bucket_at(replay, replay->count - 1);
    bucket->newest_ms = now_ms;
    add(bucket, kept);
}

void replay_keep(struct replay *replay, const struct batch *batch,
                 const struct wire_verdict_batch *verdicts)
{
    uint64_t now_ms = loop_now_ms(replay->options.loop);
    uint32_t accepted;
    hear_history(replay, verdicts->history);
    size_t length = encode(replay, batch, verdicts, &accepted);
    if (length == 0)
        return;
    make_room(replay, sizeof(struct kept) + length);
    struct kept *kept = replay->counts.bytes + sizeof *kept + length <= replay->options.bytes_max
                            ? malloc(sizeof *kept + length)
                            : NULL;
    if (kept == NULL) {
        replay->counts.let_go++;
        return;
    }
    *kept = (struct kept){ .replay = replay,
                           .lease_id = batch->lease_id,
                           .sequence = batch->sequence,
                           .history = verdicts->history != 0 ? verdicts->history : replay->history,
                           .shares = batch->count,
                           .accepted = accepted,
                           .length = length };
    memcpy(kept->message, replay->message, length);
    file(replay, kept, now_ms);
    replay->counts.kept++;
    replay->counts.bytes += sizeof *kept + length;
    replay->counts.due += kept->history != replay->history;
}

/* Sending again. */
static bool decode(struct replay *replay, const struct kept *kept, struct span reply,
                   struct wire_verdict_batch *verdicts_r)
{
    struct error error;
    struct arena arena = arena_over(replay->arena, sizeof replay->arena);
    return wire_decode_verdict_batch(reply, &arena, verdicts_r, &error) &&
           verdicts_r->lease_id == kept->lease_id && verdicts_r->sequence == kept->sequence &&
           (verdicts_r->status != WIRE_BATCH_JUDGED || verdicts_r->verdicts_count == kept->shares);
}

/* Last in the line of those set aside; asked after that pause. */
static void set_aside(struct replay *replay, struct kept *kept, uint64_t pause_ms)
{
    const uint64_t now_ms = loop_now_ms(replay->options.loop);
    take_out(kept->bucket, kept);
    if (!kept->aside) {
        kept->aside = true;
        kept->denied_ms = now_ms;
        replay->counts.aside++;
    }
    kept->try_ms = now_ms + pause_ms;
    add(&replay->aside, kept);
}

/* From aside to the newest bucket: kept as if it had been answered now. */
static void come_back(struct replay *replay, struct kept *kept)
{
    const uint64_t now_ms = loop_now_ms(replay->options.loop);
    take_out(&replay->aside, kept);
    kept->aside = false;
    kept->cannot = 0;
    replay->counts.aside--;
    if (replay->aside.first == NULL)
        empty_bucket(&replay->aside, now_ms);
    file(replay, kept, now_ms);
}

/* Every process that could have had the job has forgotten it. */
static void make_final(struct replay *replay, struct kept *kept)
{
    struct wire_share_batch message;
    struct error error;
    struct arena arena = arena_over(replay->shares, sizeof replay->shares);
    bool good =
        wire_decode_share_batch(span_of(kept->message, kept->length), &arena, &message, &error);
    ASSERT(good); /* our own */
    message.final = 1;
    size_t length = wire_encode_share_batch(&message, kept->message, kept->length);
    ASSERT(length == kept->length);
}

/* All were asked who are there. A validator that starts again may have the job in its files. */
static void next_round(struct replay *replay, struct kept *kept)
{
    kept->cannot = 0;
    set_aside(replay, kept, ROUND_MS);
    if (kept->try_ms - kept->denied_ms > replay->options.job_memory_ms)
        make_final(replay, kept);
}

static void cannot_judge(struct replay *replay, struct kept *kept)
{
    kept->cannot |= kept->at->bit;
    if (validators_all_in(replay->options.validators, kept->cannot))
        next_round(replay, kept);
    else
        set_aside(replay, kept, 0);
}

/* It is in the window that answered: appended now, or found there under its id, or (refused) so
 * long ago that even its id is forgotten. */
static void confirm(struct replay *replay, struct kept *kept, struct bucket *bucket,
                    const struct wire_verdict_batch *verdicts)
{
    uint32_t accepted = 0;
    hear_history(replay, verdicts->history);
    for (uint32_t i = 0; i < verdicts->verdicts_count; i++)
        accepted += verdicts->verdicts[i].outcome == SHARE_ACCEPTED;
    if (verdicts->status == WIRE_BATCH_JUDGED && accepted < kept->accepted) {
        replay->counts.refused += kept->accepted - accepted;
        log_error(
            "replay.refused",
            "lease=%" PRIu64 " sequence=%" PRIu64
            " shares=%u reason=\"shares answered true are lost with the window's old history, "
            "and cannot be judged again\"",
            kept->lease_id, kept->sequence, kept->accepted - accepted);
    }
    if (verdicts->history != replay->history)
        return; /* by one that is connected to the old server yet */
    replay->counts.due -= kept->history != replay->history;
    kept->history = replay->history;
    bucket->newest_ms = loop_now_ms(replay->options.loop);
    if (kept->aside)
        come_back(replay, kept);
}

static void send_due(struct replay *replay);

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct kept *kept = context;
    struct replay *replay = kept->replay;
    struct bucket *bucket = kept->bucket;
    struct wire_verdict_batch verdicts;
    uint64_t again_ms = loop_now_ms(replay->options.loop) + PAUSE_MS;
    replay->in_flight--;
    bucket->flying--;
    kept->flying = false;
    validator_ended(kept->at, kept->shares);
    if (outcome != BUS_REPLIED || !decode(replay, kept, reply, &verdicts)) {
        validator_failed(kept->at, outcome == BUS_TIMEOUT ? "no answer in time"
                                                          : "no answer that can be read");
        replay->try_ms = again_ms;
    } else if (verdicts.status == WIRE_BATCH_JUDGED || verdicts.status == WIRE_BATCH_REFUSED) {
        validator_judged(kept->at, kept->queued, loop_clock_ns() - kept->sent_ns);
        confirm(replay, kept, bucket, &verdicts);
        if (kept->history != replay->history)
            replay->try_ms = again_ms;
    } else if (verdicts.status == WIRE_BATCH_CANNOT_JUDGE) {
        validator_answered(kept->at);
        cannot_judge(replay, kept);
    } else {
        if (verdicts.status == WIRE_BATCH_LEAVING)
            validator_departs(kept->at);
        else if (verdicts.status != WIRE_BATCH_UNKNOWN)
            validator_refused(kept->at);
        replay->try_ms = again_ms;
    }
    send_due(replay);
}

static bool send_again(struct replay *replay, struct bucket *bucket, struct kept *kept)
{
    struct validator *validator =
        validators_choose_other(replay->options.validators, kept->shares, kept->cannot, 0);
    if (validator == NULL)
        return false;
    kept->at = validator;
    kept->sent_ns = loop_clock_ns();
    if (!bus_request(validator->client, span_of(kept->message, kept->length),
                     replay->options.timeout_ms, on_reply, kept)) {
        validator_failed(validator, "a request was not taken");
        return false;
    }
    validator_given(validator, kept->shares, &kept->queued);
    kept->flying = true;
    bucket->flying++;
    replay->in_flight++;
    replay->counts.sent++;
    return true;
}

/* The first that is not known to be confirmed. Those before it are not looked at again, so that all
 * together cost a walk, however many they are. */
static struct kept *first_due(const struct replay *replay, struct bucket *bucket)
{
    struct kept *next = bucket->confirmed != NULL ? bucket->confirmed->next : bucket->first;
    for (; next != NULL && next->history == replay->history; next = next->next)
        bucket->confirmed = next;
    return next;
}

/* Those set aside whose turn it is; false: nobody has room. One that only those could judge who are
 * away lets the next one pass, for a while. */
static bool send_aside(struct replay *replay)
{
    const uint64_t now_ms = loop_now_ms(replay->options.loop);
    for (size_t left = replay->counts.aside; left > 0 && replay->in_flight < IN_FLIGHT_MAX;
         left--) {
        struct kept *kept = replay->aside.first;
        while (kept != NULL && kept->flying)
            kept = kept->next;
        if (kept == NULL || kept->try_ms > now_ms)
            return true;
        if (kept->history == replay->history) {
            come_back(replay, kept);
        } else if (!send_again(replay, kept->bucket, kept)) {
            if (kept->cannot == 0)
                return false;
            next_round(replay, kept);
        }
    }
    return true;
}

/* Oldest first: they are the first that the bound of memory would cost. */
static void send_due(struct replay *replay)
{
    if (replay->counts.due == 0 || loop_now_ms(replay->options.loop) < replay->try_ms)
        return;
    if (!send_aside(replay)) {
        replay->try_ms = loop_now_ms(replay->options.loop) + PAUSE_MS;
        return;
    }
    for (unsigned i = 0; i < replay->count; i++)
        for (struct kept *kept = first_due(replay, bucket_at(replay, i)); kept != NULL;
             kept = kept->next) {
            if (replay->in_flight == IN_FLIGHT_MAX)
                return;
            if (kept->flying || kept->history == replay->history)
                continue;
            if (!send_again(replay, bucket_at(replay, i), kept)) {
                replay->try_ms = loop_now_ms(replay->options.loop) + PAUSE_MS;
                return;
            }
        }
}

static bool all_confirmed(const struct replay *replay, struct bucket *bucket)
{
    return replay->counts.due == 0 || first_due(replay, bucket) == NULL;
}

void replay_tick(struct replay *replay)
{
    while (replay->count > 0) {
        struct bucket *bucket = bucket_at(replay, 0);
        if (bucket->flying > 0 ||
            replay->confirmed_ms < bucket->newest_ms + replay->options.keep_ms ||
            !all_confirmed(replay, bucket))
            break;
        drop_oldest(replay);
    }
    send_due(replay);
}

struct replay_counts replay_counts(const struct replay *replay)
{
    return replay->counts;
}

struct replay *replay_create(const struct replay_options *options)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay != NULL) {
        replay->options = *options;
        empty_bucket(&replay->aside, 0);
    }
    return replay;
}

void replay_destroy(struct replay *replay)
{
    if (replay == NULL)
        return;
    while (replay->count > 0)
        drop_oldest(replay);
    free_all(replay, &replay->aside);
    free(replay);
}
