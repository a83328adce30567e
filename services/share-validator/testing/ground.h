/* A validator in this process with everything around it played: the bus, the window and the nodes
 * in memory. For tests, as their setup and teardown. One thread. */
#pragma once
#include "adapter/window_fake/window_fake.h"
#include "services/share-validator/testing/play_node.h"
#include "services/share-validator/testing/script.h"
#include "services/share-validator/validator.h"
#include "service/inside.h"

enum {
    GROUND_NODES = 2,
    GROUND_BATCHES_MAX = 4,
    GROUND_HASHES_MAX = 600,
    GROUND_SESSION_HASHES_MAX = 200,
};

struct ground {
    struct loop *loop;
    struct bus *bus;
    struct window_fake *window;
    struct window_reader *reader;
    struct script script;
    struct play_node nodes[GROUND_NODES];
    char folder[64], key_file[80];
    struct service service;
    struct service_life life;
    struct validator validator;
};

/* cmocka's setup and teardown: *state is the ground. */
int ground_begin(void **state);
int ground_end(void **state);
#define GROUND_TEST(function) cmocka_unit_test_setup_teardown(function, ground_begin, ground_end)

void ground_start_validator(struct ground *ground);
void ground_stop_validator(struct ground *ground);
/* For script_wait: connected, and every job published so far taken. */
bool ground_feed_is_up(void *context);
/* A job, published and taken. */
struct script_job *ground_publish(struct ground *ground, const struct script_job_params *params);
/* Of one lease; the shares are borrowed. */
struct wire_share_batch ground_batch_of(uint64_t sequence, struct wire_share *shares, size_t count);
