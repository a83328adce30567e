/* What tests of the series stand on: a window, a store and a loop, in memory. A failed step ends
 * the test. One thread. */
#pragma once
#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "services/inode-scheduler/stats.h"

#define STATS_TEST_ROLE "scheduler"

struct stats_ground {
    struct loop *loop;
    struct window_fake *window;
    struct window_writer *writer;
    struct window_reader *reader;
    struct store *store;
    uint64_t epoch;
    uint64_t now_ms, sequence;
    unsigned replies;
};

void stats_ground_open(struct stats_ground *ground);
void stats_ground_close(struct stats_ground *ground);
/* Takes the role under the next epoch. */
void stats_ground_lead(struct stats_ground *ground);
void stats_ground_append(struct stats_ground *ground, const struct window_share *shares,
                         size_t count);
/* The window loses every share. */
void stats_ground_forget(struct stats_ground *ground);
/* A process's series as they are after its start: loaded, and the window read. Caller owns. */
struct stats *stats_ground_born(struct stats_ground *ground);
void stats_ground_look(struct stats_ground *ground, struct stats *stats);
/* As often as a round over all pages takes; false where the store failed once. */
bool stats_ground_keep(struct stats_ground *ground, struct stats *stats, uint64_t epoch);
