/* One payout in the simulated world. */
#pragma once
#include "tests/sim/sim.h"

enum { SIM_THRESHOLD = 50000 };

struct run {
    struct sim_world *world;
    struct engine_options options;
    struct engine *engine; /* NULL: dead */
    struct engine *rival;  /* left standing by a rival's turn */
};

struct engine_options sim_options(const struct sim_world *world);

/* Opens the engine where it is dead, and lets it do what it can. */
void sim_tick(struct run *run);
/* The operator restarts payout with blocks shared in another way from now on. */
void sim_switch(struct run *run, struct sim_regime regime);
/* Puts an amount into the reserve, or (0) asks again about the last that got no answer. */
void sim_deposit(struct run *run, uint64_t amount);
/* What people do to payments: withdraw, approve, pause. */
void sim_people(struct run *run);
/* Lets everything work until nothing is left to do, verifies every amount, and frees it all. */
void sim_end(struct run *run);
/* The engine dies; the next tick opens it again, with the run's options. */
void sim_stop(struct run *run);
/* For world->rival, with the run as its context: another payout, while the first sleeps inside a
 * call, takes over and works through. */
void sim_rival_works(struct sim_world *world);

/* The fixed month. `store` as for sim_create. */
struct run sim_start_month(struct store *store);
void sim_play_month(struct run *run);
