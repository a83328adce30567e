/* The batches in flight. One batch, from the gateway's message to the reply:
 *
 *   taken ── judge what can be judged (block test first) ──┬─ a job is not known: WAITING for it
 *                                                          ├─ slow algorithm: HASHING on threads
 *                                                          ▼
 *                                      APPENDING to the window ── judged, repeated, refused,
 *                                                          │      or provably not applied: reply
 *                                                          ▼ unknown
 *                                      ASKING the window again under the same id, for a while
 *
 * A batch whose id is in flight already is not judged twice: its asker gets the same reply.
 * Bounded: beyond batches_max the asker is told to go elsewhere. Everything on the loop's thread
 * but the slow hashing. */
#pragma once
#include "port/window.h"
#include "services/share-validator/blocks.h"
#include "services/share-validator/hashing.h"
#include "services/share-validator/receipts.h"

enum { BATCHES_ASK_MS = 5000 };

struct batches_options {
    struct loop *loop;
    struct window_writer *window;
    struct feed *feed;
    struct job_table *jobs;
    struct blocks *blocks;
    struct receipts *receipts; /* NULL: nothing is signed for */
    struct metrics *metrics;
    size_t batches_max;
    struct hashing_options hashing;
    /* The window refuses writes (reason), or takes them again (NULL). */
    void (*on_window)(void *context, const char *reason);
    void *context;
};

struct batches;

MUST_CHECK struct batches *batches_create(const struct batches_options *options,
                                          struct error *error);
/* The end, in three steps: batches_join waits for the hashing threads, then the window's writer is
 * closed (which answers its appends), then batches_destroy drops whoever still waits. */
void batches_join(struct batches *batches);
void batches_destroy(struct batches *batches);

/* A gateway's message; `call` is taken. */
void batches_take(struct batches *batches, struct bus_call *call, struct span message);
/* The feed's word about a job. */
void batches_job(struct batches *batches, uint64_t job_id, enum feed_answer answer);
/* The window can be asked again. */
void batches_window_ready(struct batches *batches);
/* From now on new batches are told to go elsewhere. */
void batches_drain(struct batches *batches);
size_t batches_count(const struct batches *batches);
