#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "services/share-validator/testing/ground.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUND_VALIDATOR_URL "ipc:///fake/validator"

void ground_start_validator(struct ground *ground)
{
    struct error error;
    enum service_exit code;
    ground->service = (struct service){ .name = "share-validator",
                                        .instance = "1",
                                        .loop = ground->loop,
                                        .bus = ground->bus,
                                        .metrics = metrics_create(),
                                        .life = &ground->life };
    struct settings *settings = &ground->service.settings;
    settings->service_scheduler_url = "ipc:///fake/scheduler";
    settings->service_publish_url = "ipc:///fake/publish";
    settings->scheduler_job_memory_s = 600;
    settings->validator_listen = GROUND_VALIDATOR_URL;
    settings->validator_spool_dir = ground->folder;
    settings->validator_key_file = ground->key_file;
    settings->validator_wallet = "";
    settings->time_ask_task = 1;
    settings->validator_batches_max = GROUND_BATCHES_MAX;
    settings->validator_templates_max = 4;
    settings->validator_hash_threads = 2;
    settings->validator_hash_pin = true;
    settings->validator_hashes_max = GROUND_HASHES_MAX;
    settings->validator_session_hashes_max = GROUND_SESSION_HASHES_MAX;
    ground->validator =
        (struct validator){ .service = &ground->service, .node_count = GROUND_NODES };
    for (size_t i = 0; i < GROUND_NODES; i++)
        ground->validator.nodes[i] = &ground->nodes[i].node;
    ground->validator.window = window_fake_writer(ground->window, GROUND_BATCHES_MAX);
    validator_window_state(&ground->validator, true, "");
    if (!validator_start(&ground->validator, &code, &error))
        fail_msg("%s", error.text);
}

void ground_stop_validator(struct ground *ground)
{
    validator_stop(&ground->validator);
    metrics_destroy(ground->service.metrics);
}

bool ground_feed_is_up(void *context)
{
    const struct ground *ground = context;
    return ground->script.connected[0] &&
           job_table_count(ground->validator.jobs) >= ground->script.job_count;
}

int ground_begin(void **state)
{
    static struct ground ground;
    struct error error;
    memset(&ground, 0, sizeof ground);
    ground.loop = loop_create(&error);
    ground.bus = bus_fake_create(ground.loop);
    ground.window = window_fake_create(ground.loop);
    ground.reader = window_fake_reader(ground.window);
    snprintf(ground.folder, sizeof ground.folder, "/tmp/adit-validator-XXXXXX");
    assert_non_null(mkdtemp(ground.folder));
    snprintf(ground.key_file, sizeof ground.key_file, "%s/key", ground.folder);
    for (size_t i = 0; i < GROUND_NODES; i++)
        play_node_begin(&ground.nodes[i], i == 0 ? "node-a" : "node-b");
    script_begin(&ground.script, ground.loop, ground.bus, "ipc:///fake/scheduler",
                 "ipc:///fake/publish");
    ground_start_validator(&ground);
    script_connect(&ground.script, GROUND_VALIDATOR_URL);
    script_wait(&ground.script, "the connections", ground_feed_is_up, &ground);
    *state = &ground;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

int ground_end(void **state)
{
    struct ground *ground = *state;
    ground_stop_validator(ground);
    script_end(&ground->script);
    for (size_t i = 0; i < GROUND_NODES; i++)
        play_node_end(&ground->nodes[i]);
    window_reader_close(ground->reader);
    window_fake_destroy(ground->window);
    bus_destroy(ground->bus);
    loop_destroy(ground->loop);
    return nftw(ground->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct script_job *ground_publish(struct ground *ground, const struct script_job_params *params)
{
    struct script_job *job = script_add_job(&ground->script, params);
    script_publish(&ground->script, job);
    script_wait(&ground->script, "the job", ground_feed_is_up, ground);
    return job;
}

struct wire_share_batch ground_batch_of(uint64_t sequence, struct wire_share *shares, size_t count)
{
    return (struct wire_share_batch){ .lease_id = 77,
                                      .sequence = sequence,
                                      .lowest = 1,
                                      .shares = shares,
                                      .shares_count = (uint32_t)count };
}
