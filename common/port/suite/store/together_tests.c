/* Several at once: threads, processes, processes that die, and very many records. */
#include "port/suite/store/inside.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

SUITE_COLLECTION(counters, "suite_counters");
SUITE_COLLECTION(killed, "suite_killed");
SUITE_COLLECTION(many, "suite_many");

/* Adds 1 to the record's number by read and replace until `times` of them went through; tells
 * each version it won. False on an outcome that may not be. */
static bool add_often(struct store *store, const char *id, int times,
                      void (*won)(void *context, uint64_t version), void *context)
{
    uint8_t memory[4096];
    struct error error;
    while (times > 0) {
        struct arena arena = arena_over(memory, sizeof memory);
        struct store_write write = { .verb = STORE_REPLACE, .collection = &counters };
        if (store_get(store, &counters, id, &arena, &write.record, &error) != STORE_DONE)
            return false;
        write.record.values[NUMBER].integer++;
        enum store_outcome outcome = store_apply(store, &write, 1, &error);
        if (outcome == STORE_DONE) {
            won(context, write.record.version);
            times--;
        } else if (outcome != STORE_CONFLICT) {
            fprintf(stderr, "outcome %d: %s\n", outcome, error.text);
            return false;
        }
    }
    return true;
}

enum { ADDERS = 4, TIMES = 60, WON_MAX = ADDERS * TIMES + 2 };

struct adder {
    struct store *store;
    pthread_t thread;
    bool done;
    int won[WON_MAX];
};

static void note_won(void *context, uint64_t version)
{
    if (version < WON_MAX)
        ((struct adder *)context)->won[version]++;
}

static void *run_adder(void *context)
{
    struct adder *adder = context;
    adder->done = add_often(adder->store, "threads", TIMES, note_won, adder);
    return NULL;
}

static void of_rival_threads_one_wins_each_version(void **state)
{
    static struct adder adders[ADDERS];
    struct store *store = suite_open_declared(state, &counters);
    struct store_record record = suite_record("threads", 0, "");
    assert_int_equal(suite_write(store, STORE_INSERT, &counters, &record), STORE_DONE);
    for (size_t i = 0; i < ADDERS; i++) {
        adders[i].store = suite_open_declared(state, &counters);
        assert_int_equal(pthread_create(&adders[i].thread, NULL, run_adder, &adders[i]), 0);
    }
    for (size_t i = 0; i < ADDERS; i++) {
        pthread_join(adders[i].thread, NULL);
        assert_true(adders[i].done);
        store_close(adders[i].store);
    }
    for (size_t version = 1; version <= ADDERS * TIMES; version++) {
        int winners = 0;
        for (size_t i = 0; i < ADDERS; i++)
            winners += adders[i].won[version];
        assert_int_equal(winners, 1);
    }
    assert_int_equal(suite_get(store, &counters, "threads", &record), STORE_DONE);
    assert_int_equal(record.version, ADDERS * TIMES + 1);
    assert_int_equal(record.values[NUMBER].integer, ADDERS * TIMES);
    store_close(store);
}

struct inserter {
    struct store *store;
    pthread_t thread;
    size_t made, exist, other;
};

static void *run_inserter(void *context)
{
    struct inserter *inserter = context;
    for (int i = 0; i < TIMES; i++) {
        char id[16];
        snprintf(id, sizeof id, "rival%d", i);
        struct store_write write = { STORE_INSERT, &counters, suite_record(id, i, ""), 0 };
        struct error error;
        (void)!store_apply(inserter->store, &write, 1, &error);
        inserter->made += write.outcome == STORE_DONE;
        inserter->exist += write.outcome == STORE_EXISTS;
        inserter->other += write.outcome != STORE_DONE && write.outcome != STORE_EXISTS;
    }
    return NULL;
}

static void of_rival_inserts_of_an_id_one_is_done(void **state)
{
    struct inserter inserters[ADDERS] = { 0 };
    for (size_t i = 0; i < ADDERS; i++) {
        inserters[i].store = suite_open_declared(state, &counters);
        assert_int_equal(pthread_create(&inserters[i].thread, NULL, run_inserter, &inserters[i]),
                         0);
    }
    size_t made = 0, exist = 0, other = 0;
    for (size_t i = 0; i < ADDERS; i++) {
        pthread_join(inserters[i].thread, NULL);
        store_close(inserters[i].store);
        made += inserters[i].made;
        exist += inserters[i].exist;
        other += inserters[i].other;
    }
    assert_int_equal(made, TIMES);
    assert_int_equal(exist, (ADDERS - 1) * TIMES);
    assert_int_equal(other, 0);
}

/* Starts this program as a child that plays `part`, its output in *output_r. */
static pid_t start_child(const struct store_suite *suite, const char *part, FILE **output_r)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t parent = getpid();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        setenv("ADIT_SUITE_URL", suite->url, 1);
        execl("/proc/self/exe", suite->name, "--child", part, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    *output_r = fdopen(pipes[0], "r");
    assert_non_null(*output_r);
    return child;
}

static void say_won(void *context, uint64_t version)
{
    (void)context;
    printf("%llu\n", (unsigned long long)version);
}

/* Inserts five records a call and moves the head behind them, for ever; tells each call that was
 * done. */
static bool insert_for_ever(struct store *store, const char *round)
{
    uint8_t memory[4096];
    struct error error;
    for (int n = 0;; n++) {
        struct store_write writes[5];
        char ids[5][32];
        for (int i = 0; i < 5; i++) {
            snprintf(ids[i], sizeof ids[i], "%s.%d", round, n * 5 + i);
            writes[i] =
                (struct store_write){ STORE_INSERT, &killed, suite_record(ids[i], n, ""), 0 };
        }
        struct arena arena = arena_over(memory, sizeof memory);
        struct store_write head = { .verb = STORE_REPLACE, .collection = &killed };
        if (store_apply(store, writes, 5, &error) != STORE_DONE ||
            store_get(store, &killed, "head", &arena, &head.record, &error) != STORE_DONE)
            return false;
        head.record.values[NUMBER].integer = n;
        if (store_apply(store, &head, 1, &error) != STORE_DONE)
            return false;
        printf("%d\n", n);
        fflush(stdout);
    }
}

int suite_child(const struct store_suite *suite, const char *part)
{
    struct error error = { 0 };
    struct store *store = suite->open(getenv("ADIT_SUITE_URL"), &error);
    const struct store_collection *const both[] = { &counters, &killed };
    if (store == NULL || !store_declare(store, both, 2, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    bool done = strcmp(part, "add") == 0 ? add_often(store, "processes", TIMES, say_won, NULL)
                                         : insert_for_ever(store, part);
    store_close(store);
    return done ? 0 : 1;
}

static void of_rival_processes_one_wins_each_version(void **state)
{
    const struct store_suite *suite = *state;
    if (suite->url == NULL)
        skip();
    struct store *store = suite_open_declared(state, &counters);
    struct store_record record = suite_record("processes", 0, "");
    assert_int_equal(suite_write(store, STORE_INSERT, &counters, &record), STORE_DONE);
    enum { PROCESSES = 3 };
    pid_t children[PROCESSES];
    FILE *outputs[PROCESSES];
    int won[PROCESSES * TIMES + 2] = { 0 };
    for (size_t i = 0; i < PROCESSES; i++)
        children[i] = start_child(suite, "add", &outputs[i]);
    for (size_t i = 0; i < PROCESSES; i++) {
        char line[32];
        while (fgets(line, sizeof line, outputs[i]) != NULL) {
            unsigned long version = strtoul(line, NULL, 10);
            assert_in_range(version, 1, PROCESSES * TIMES);
            won[version]++;
        }
        fclose(outputs[i]);
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (size_t version = 1; version <= PROCESSES * TIMES; version++)
        assert_int_equal(won[version], 1);
    assert_int_equal(suite_get(store, &counters, "processes", &record), STORE_DONE);
    assert_int_equal(record.values[NUMBER].integer, PROCESSES * TIMES);
    store_close(store);
}

/* Kills a writer in the middle of its work: everything that it was told is durable is there. */
static void what_was_done_outlives_the_writers_death(void **state)
{
    const struct store_suite *suite = *state;
    if (suite->url == NULL)
        skip();
    struct store *store = suite_open_declared(state, &killed);
    struct store_record record = suite_record("head", -1, "");
    assert_int_equal(suite_write(store, STORE_INSERT, &killed, &record), STORE_DONE);
    store_close(store);
    for (int round = 0; round < 5; round++) {
        char name[16], line[32];
        snprintf(name, sizeof name, "round%d", round);
        FILE *output;
        pid_t child = start_child(suite, name, &output);
        int last = -1;
        while (fgets(line, sizeof line, output) != NULL) {
            last = atoi(line);
            if (last == 10 + round * 3)
                kill(child, SIGKILL);
        }
        fclose(output);
        waitpid(child, NULL, 0);
        assert_true(last >= 10 + round * 3);
        store = suite_open_declared(state, &killed);
        for (int i = 0; i < last * 5 + 5; i++) {
            char id[32];
            snprintf(id, sizeof id, "%s.%d", name, i);
            assert_int_equal(suite_get(store, &killed, id, &record), STORE_DONE);
            assert_int_equal(record.values[NUMBER].integer, i / 5);
        }
        assert_int_equal(suite_get(store, &killed, "head", &record), STORE_DONE);
        assert_in_range(record.values[NUMBER].integer, last, last + 1);
        store_close(store);
    }
}

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* Applies in calls of 10,000; prints how long it took. */
static void apply_all(struct store *store, struct store_write *writes, size_t count,
                      const char *what)
{
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (size_t i = 0; i < count; i += 10000) {
        struct error error = { 0 };
        size_t part = count - i < 10000 ? count - i : 10000;
        if (store_apply(store, writes + i, part, &error) != STORE_DONE)
            fail_msg("%s", error.text);
    }
    print_message("%zu %s in %.2f s\n", count, what, seconds_since(&begin));
}

static void very_many_records_are_written(void **state)
{
    const char *set = getenv("ADIT_STORE_MANY");
    const size_t count = set != NULL ? strtoul(set, NULL, 10) : 100000;
    struct store *store = suite_open_declared(state, &many);
    struct store_write *writes = calloc(count, sizeof *writes);
    char(*ids)[32] = calloc(count, sizeof *ids);
    assert_true(count > 0 && writes != NULL && ids != NULL);
    for (size_t i = 0; i < count; i++) {
        /* scattered, as ids that are hashes are */
        snprintf(ids[i], sizeof ids[i], "%016llx", (unsigned long long)i * 0x9e3779b97f4a7c15u);
        writes[i] =
            (struct store_write){ STORE_INSERT, &many,
                                  suite_record(ids[i], (int64_t)(i % 1000), "someone's name"), 0 };
    }
    apply_all(store, writes, count, "inserts");
    for (size_t i = 0; i < count; i++)
        assert_int_equal(writes[i].outcome, STORE_DONE);
    apply_all(store, writes, count, "inserts again");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(writes[i].outcome, STORE_EXISTS);
        writes[i].verb = STORE_REPLACE;
        writes[i].record.version = 1;
    }
    apply_all(store, writes, count, "replaces");
    for (size_t i = 0; i < count; i++)
        assert_int_equal(writes[i].outcome, STORE_DONE);
    free(writes);
    free(ids);
    store_close(store);
}

const struct CMUnitTest suite_together_tests[] = {
    cmocka_unit_test(of_rival_threads_one_wins_each_version),
    cmocka_unit_test(of_rival_inserts_of_an_id_one_is_done),
    cmocka_unit_test(of_rival_processes_one_wins_each_version),
    cmocka_unit_test(what_was_done_outlives_the_writers_death),
    cmocka_unit_test(very_many_records_are_written),
    { 0 },
};
