/* The real share-validator, two of them, with a real redis-server, nng between the processes and a
 * node's HTTP; scheduler and gateway are played here. Whatever is killed, a share that was answered
 * as accepted is in the window exactly once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_nng/bus_nng.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/window_redis.h"
#include "services/share-validator/testing/http_node.h"
#include "services/share-validator/testing/script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VALIDATORS = 2, STORM_BATCHES = 400, STORM_IN_FLIGHT = 8, STORM_SHARES = 5 };

struct ground {
    struct loop *loop;
    struct bus *bus;
    struct redis_server redis; /* its folder holds everything */
    struct window_reader *reader;
    struct http_node *node;
    struct script script;
    char scheduler_url[200], publish_url[200], validator_urls[VALIDATORS][200];
    pid_t validators[VALIDATORS];
};

/* In the child. */
static void become_validator(const struct ground *ground, size_t at, pid_t parent)
{
    char text[256];
    char binary[512];
    char instance[8];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    snprintf(instance, sizeof instance, "%zu", at + 1);
    setenv("ADIT_SERVICE__SCHEDULER_URL", ground->scheduler_url, 1);
    setenv("ADIT_SERVICE__PUBLISH_URL", ground->publish_url, 1);
    setenv("ADIT_REDIS__WINDOW", ground->redis.url, 1);
    setenv("ADIT_VALIDATOR__LISTEN", ground->validator_urls[at], 1);
    setenv("ADIT_VALIDATOR__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    setenv("ADIT_CHAIN__PROFILE", "devnet-sha256d", 1);
    snprintf(text, sizeof text, "http://user:pass@127.0.0.1:%u", http_node_port(ground->node));
    setenv("ADIT_CHAIN__NODES", text, 1);
    snprintf(text, sizeof text, "%s/validator-%zu.log", ground->redis.folder, at + 1);
    int log = open(text, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log >= 0) {
        dup2(log, STDERR_FILENO);
        dup2(log, STDOUT_FILENO);
    }
    const char *build = getenv("ADIT_BUILD");
    snprintf(binary, sizeof binary, "%s/bin/share-validator", build != NULL ? build : ".");
    execl(binary, binary, "--instance", instance, "--data", ground->redis.folder, (char *)NULL);
    _exit(127);
}

static void start_validator(struct ground *ground, size_t at)
{
    const pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become_validator(ground, at, parent);
    ground->validators[at] = pid;
}

/* Returns the exit status as waitpid has it. */
static int end_validator(struct ground *ground, size_t at, int signal_number)
{
    int status = 0;
    if (ground->validators[at] == 0)
        return 0;
    kill(ground->validators[at], signal_number);
    while (waitpid(ground->validators[at], &status, 0) < 0 && errno == EINTR)
        continue;
    ground->validators[at] = 0;
    return status;
}

static bool connected(void *context)
{
    const struct ground *ground = context;
    return ground->script.connected[0] && ground->script.connected[1];
}

static int begin(void **state)
{
    static struct ground ground;
    struct error error;
    memset(&ground, 0, sizeof ground);
    if (!redis_server_begin(&ground.redis, NULL, &error))
        fail_msg("%s", error.text);
    ground.node = http_node_begin();
    ground.loop = loop_create(&error);
    ground.bus = bus_nng_create(ground.loop, &error);
    const struct window_redis_options options = { .url = ground.redis.url };
    ground.reader = window_redis_reader_open(&options, &error);
    assert_non_null(ground.reader);
    const char *folder = ground.redis.folder;
    snprintf(ground.scheduler_url, sizeof ground.scheduler_url, "ipc://%s/s.rep", folder);
    snprintf(ground.publish_url, sizeof ground.publish_url, "ipc://%s/s.pub", folder);
    script_begin(&ground.script, ground.loop, ground.bus, ground.scheduler_url, ground.publish_url);
    for (size_t i = 0; i < VALIDATORS; i++) {
        snprintf(ground.validator_urls[i], sizeof ground.validator_urls[i], "ipc://%s/v%zu.rep",
                 folder, i + 1);
        start_validator(&ground, i);
        script_connect(&ground.script, ground.validator_urls[i]);
    }
    script_wait(&ground.script, "the validators", connected, &ground);
    *state = &ground;
    return 0;
}

static int end(void **state)
{
    struct ground *ground = *state;
    for (size_t i = 0; i < VALIDATORS; i++)
        end_validator(ground, i, SIGKILL);
    script_end(&ground->script);
    window_reader_close(ground->reader);
    bus_destroy(ground->bus);
    loop_destroy(ground->loop);
    http_node_end(ground->node);
    redis_server_end(&ground->redis);
    return 0;
}

static struct script_job *publish(struct ground *ground, const struct script_job_params *params)
{
    struct script_job *job = script_add_job(&ground->script, params);
    script_publish(&ground->script, job);
    return job;
}

struct kept {
    unsigned batches[STORM_BATCHES + 1]; /* how often each sequence of lease 77 is there */
    size_t shares;
};

static bool keep(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *shares, size_t count)
{
    struct kept *kept = context;
    (void)first, (void)shares;
    assert_true(lease_id == 77 && sequence <= STORM_BATCHES);
    kept->batches[sequence]++;
    kept->shares += count;
    return true;
}

static struct kept look(struct ground *ground)
{
    struct kept kept = { 0 };
    struct error error;
    if (!window_walk_on(ground->reader, NULL, keep, &kept, &error))
        fail_msg("%s", error.text);
    return kept;
}

static struct wire_share_batch batch_of(uint64_t sequence, struct wire_share *shares, size_t count)
{
    return (struct wire_share_batch){ .lease_id = 77,
                                      .sequence = sequence,
                                      .lowest = 1,
                                      .shares = shares,
                                      .shares_count = (uint32_t)count };
}

static void accepted_shares_are_in_the_window_once_whoever_is_asked(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share shares[2] = { script_share(job, script_nonce(job, false, 0)),
                                    script_share(job, script_nonce(job, false, 9)) };
    shares[1].work = UINT64_MAX;
    const struct wire_share_batch batch = batch_of(1, shares, 2);
    struct script_answer answer;
    for (size_t i = 0; i < 4; i++) {
        script_ask(&ground->script, i % VALIDATORS, &batch, &answer);
        assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
        assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
        assert_int_equal(answer.verdicts[1].outcome, SHARE_LOW_DIFFICULTY);
    }
    struct kept kept = look(ground);
    assert_int_equal(kept.batches[1], 1);
    assert_int_equal(kept.shares, 1);
}

static bool batch_is_in_the_window(void *context)
{
    struct kept kept = look(context);
    return kept.batches[3] == 1;
}

/* The validator has appended and dies before it answers: nobody can know, so the gateway asks
 * another, and hears the first verdicts, not what that one would say now. */
static void a_validator_killed_before_its_answer_leaves_its_verdicts(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    const struct wire_share_batch batch = batch_of(3, &share, 1);
    static struct script_answer lost;
    struct script_answer answer;
    const struct wire_share_batch first = batch_of(1, NULL, 0); /* both are up and have the job */
    script_ask(&ground->script, 0, &first, &answer);
    script_ask(&ground->script, 1, &first, &answer);
    assert_true(script_send(&ground->script, 0, &batch, 20000, &lost));
    /* Our loop does not turn here: the answer is not taken before the kill. */
    uint64_t end_ns = loop_clock_ns() + 60000000000ull;
    while (!batch_is_in_the_window(ground))
        assert_true(loop_clock_ns() < end_ns);
    end_validator(ground, 0, SIGKILL);
    publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    /* The other one knows the new tip. */
    struct wire_share stale = script_share(job, script_nonce(job, false, 50));
    stale.received_ms += 100000; /* by a gateway that has not heard of it */
    uint64_t sequence = 10;
    do {
        const struct wire_share_batch probe = batch_of(sequence++, &stale, 1);
        script_ask(&ground->script, 1, &probe, &answer);
        loop_run_once(ground->loop, 20);
    } while (answer.verdicts[0].outcome != SHARE_STALE && loop_clock_ns() < end_ns);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_STALE);
    script_ask(&ground->script, 1, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    struct kept kept = look(ground);
    assert_int_equal(kept.batches[3], 1);
}

static bool node_has_a_block(void *context)
{
    return http_node_submissions(((struct ground *)context)->node) > 0;
}

static bool candidate_is_known(void *context)
{
    return ((struct ground *)context)->script.candidate_count > 0;
}

static bool ignore(void *context, const struct window_found *found)
{
    (void)context, (void)found;
    return true;
}

static void a_block_is_submitted_while_redis_is_down(void **state)
{
    struct ground *ground = *state;
    script_announce(&ground->script, 42);
    struct script_job *job = publish(
        ground,
        &(struct script_job_params){ .id = 1, .template_id = 42, .bits = SCRIPT_BITS_EASY });
    uint64_t end_ns = loop_clock_ns() + 60000000000ull;
    while (ground->script.held < VALIDATORS) { /* both have its transactions */
        assert_true(loop_clock_ns() < end_ns);
        loop_run_once(ground->loop, 20);
    }
    redis_server_kill(&ground->redis);
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_true(answer.status == WIRE_BATCH_NOT_DURABLE || answer.status == WIRE_BATCH_UNKNOWN);
    script_wait(&ground->script, "the block at the node", node_has_a_block, ground);
    script_wait(&ground->script, "the candidate", candidate_is_known, ground);
    size_t length;
    uint8_t *block = script_block(job, &share, &length);
    assert_true(http_node_has(ground->node, span_of(block, length)));
    free(block);
    struct error error;
    assert_true(redis_server_restart(&ground->redis, &error));
    do {
        script_ask(&ground->script, 0, &batch, &answer);
    } while (answer.status == WIRE_BATCH_NOT_DURABLE);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.verdicts[0].is_block, 1);
    bool there;
    uint8_t hash[32];
    script_block_hash(job, &share, hash);
    assert_true(window_candidate_get(ground->reader, hash, ignore, NULL, &there, &error));
    assert_true(there);
}

/* A gateway in small: several batches in flight, sent to one validator or the other, again under
 * the same id until the answer is final. Meanwhile redis-server and validators are killed. */
struct task {
    struct wire_share shares[STORM_SHARES];
    struct script_answer answer;
    bool sent;
    bool final;
    unsigned tries;
};

static void drive_task(struct ground *ground, struct task *task, uint64_t sequence, uint64_t lowest)
{
    if (task->sent && !task->answer.done)
        return;
    if (task->sent && task->answer.outcome == BUS_REPLIED) {
        assert_int_not_equal(task->answer.status, WIRE_BATCH_REFUSED);
        if (task->answer.status == WIRE_BATCH_JUDGED) {
            assert_int_equal(task->answer.count, STORM_SHARES);
            task->final = true;
            return;
        }
    }
    struct wire_share_batch batch = batch_of(sequence, task->shares, STORM_SHARES);
    batch.lowest = lowest;
    task->sent = script_send(&ground->script, (size_t)(sequence + task->tries) % VALIDATORS, &batch,
                             400, &task->answer);
    task->tries++;
}

static void kill_something(struct ground *ground, unsigned turn)
{
    struct error error;
    if (turn % 2 == 0) {
        redis_server_kill(&ground->redis);
        assert_true(redis_server_restart(&ground->redis, &error));
    } else {
        size_t at = turn / 2 % VALIDATORS;
        end_validator(ground, at, SIGKILL);
        start_validator(ground, at);
    }
}

static void whatever_is_killed_each_batch_counts_once(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = publish(ground, &(struct script_job_params){ .id = 1 });
    struct task *tasks = calloc(STORM_BATCHES, sizeof *tasks);
    assert_non_null(tasks);
    for (size_t i = 0; i < STORM_BATCHES; i++)
        for (size_t j = 0; j < STORM_SHARES; j++) {
            tasks[i].shares[j] =
                script_share(job, script_nonce(job, false, (uint32_t)(100 * i + 10 * j)));
            if (j >= 3)
                tasks[i].shares[j].work = UINT64_MAX;
        }
    size_t lowest = 0;
    unsigned turn = 0;
    uint64_t end_ns = loop_clock_ns() + 150000000000ull;
    while (lowest < STORM_BATCHES) {
        assert_true(loop_clock_ns() < end_ns);
        for (size_t i = lowest; i < STORM_BATCHES && i < lowest + STORM_IN_FLIGHT; i++)
            if (!tasks[i].final)
                drive_task(ground, &tasks[i], i + 1, lowest + 1);
        while (lowest < STORM_BATCHES && tasks[lowest].final)
            lowest++;
        if (lowest > (turn + 1) * STORM_BATCHES / 7 && turn < 6)
            kill_something(ground, turn++);
        loop_run_once(ground->loop, 5);
    }
    assert_int_equal(turn, 6);
    struct kept kept = look(ground);
    for (size_t i = 1; i <= STORM_BATCHES; i++) {
        assert_int_equal(kept.batches[i], 1);
        for (size_t j = 0; j < STORM_SHARES; j++)
            assert_int_equal(tasks[i - 1].answer.verdicts[j].outcome,
                             j < 3 ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY);
    }
    assert_int_equal(kept.shares, 3 * STORM_BATCHES);
    struct window_totals totals;
    struct error error;
    assert_true(window_totals_read(ground->reader, &totals, &error));
    assert_int_equal(totals.rejected, 2 * STORM_BATCHES);
    free(tasks);
}

static void told_to_stop_it_finishes_and_leaves_with_0(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    struct script_answer answer;
    const struct wire_share_batch batch = batch_of(1, &share, 1);
    script_ask(&ground->script, 0, &batch, &answer);
    int status = end_validator(ground, 0, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define GROUND_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        GROUND_TEST(accepted_shares_are_in_the_window_once_whoever_is_asked),
        GROUND_TEST(a_validator_killed_before_its_answer_leaves_its_verdicts),
        GROUND_TEST(a_block_is_submitted_while_redis_is_down),
        GROUND_TEST(whatever_is_killed_each_batch_counts_once),
        GROUND_TEST(told_to_stop_it_finishes_and_leaves_with_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
