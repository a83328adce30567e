/* Reward events: the scheduler's durable word to payout, a log with the sequence 1, 2, 3, … and no
 * gaps. Appending is inserting the next sequence, so it is also what orders rival schedulers: the
 * one that gets STORE_EXISTS was not alone, reads the log to its end, and decides anew. Whoever
 * appends has taken in every event before, hence a block's events always alternate legally, whoever
 * wrote them: FOUND 1, (MATURED 1), ORPHANED 1, FOUND 2, …
 *
 * A new leader appends TAKEN_OVER before anything else. That takes the place for which a deposed
 * one may hold an event it decided on before: when that one wakes up, its insert fails, and asking
 * for its leadership before the next try ends it.
 *
 * The record holds the encoded wire message `reward_event`; its *cause* is (block hash, kind,
 * generation), from which payout derives the ids of what it posts.
 *
 * Blocking, like the store. Nothing is kept; one thread at a time per store handle. */
#pragma once
#include "port/store.h"
#include "wire/messages.h"

extern const struct store_collection event_collection;

/* "found:1:<64 hex digits in display order>" and a NUL. */
enum { EVENT_CAUSE_BYTES = 96 };
void event_cause(const uint8_t block_hash[32], enum wire_reward_kind kind, uint32_t generation,
                 char cause_r[EVENT_CAUSE_BYTES]);

/* Static: "found", "matured", "orphaned", "taken_over", "received", "retracted"; "unknown" for a value that is none. */
const char *event_kind_name(enum wire_reward_kind kind);

/* Appends *event under event->sequence, which must be the newest + 1. STORE_DONE (durable);
 * STORE_EXISTS when that sequence is taken, by a rival or by an append of ours whose answer got
 * lost: read it (event_get) and compare the causes; STORE_UNKNOWN or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome
event_append(struct store *store, const struct wire_reward_event *event, struct error *error);

/* The newest sequence, 0 where there is none. STORE_DONE, or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome event_newest(struct store *store, uint64_t *sequence_r,
                                           struct error *error);

/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error (also where a body does not decode). The
 * struct borrows nothing. */
MUST_CHECK enum store_outcome event_get(struct store *store, uint64_t sequence,
                                        struct wire_reward_event *event_r, struct error *error);

/* false ends the walk. The visitor must not call the store. */
typedef bool (*event_visitor)(void *context, const struct wire_reward_event *event);

/* Events with a sequence above `after`, in order, at most `limit` (0: all). STORE_DONE, or
 * STORE_FAILED with *error; a gap in the sequence or a body that does not decode is a failure too,
 * found before the event behind it is handed over. */
MUST_CHECK enum store_outcome event_walk(struct store *store, uint64_t after, size_t limit,
                                         event_visitor visit, void *context, struct error *error);
