/* Scores in a whole pool: what the API says of them is what the store holds, and a scheduler that
 * is killed (SIGKILL) in the middle of a turn of decay leaves no record behind and takes from none
 * twice. ADIT_KILLS: how often (default 2). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_open/store_open.h"
#include "base/test_random.h"
#include "core/score/score.h"
#include "record/leader/leader.h"
#include "record/member/member.h"
#include "record/turn/turn.h"
#include "services/inode-scheduler/books.h"
#include "services/inode-scheduler/scheduler.h"
#include "tests/fixture/pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { POOLS = 300, VALIDATORS = 20, STORE_TIMEOUT_MS = 20000, PATIENCE_S = 120 };

static struct pool_fixture pool;
static struct store *store;
static struct error error;
static char list_path[] = "/tmp/adit-members-XXXXXX";
static char wallets[POOLS][ADDRESS_TEXT_BYTES];

/* The first `validators` of them, and all pools. */
static void write_list(size_t validators)
{
    FILE *file = fopen(list_path, "we");
    assert_non_null(file);
    fprintf(file, "{\"validators\":[");
    for (size_t i = 0; i < validators; i++)
        fprintf(file, "%s{\"wallet\":\"%s\",\"key\":\"%064zx\",\"stake\":%zu,\"name\":\"v%zu\"}",
                i > 0 ? "," : "", wallets[i], i + 1, 100 + 7 * i, i);
    fprintf(file, "],\"pools\":[");
    for (size_t i = 0; i < POOLS; i++)
        fprintf(file, "%s{\"wallet\":\"%s\",\"name\":\"p%zu\"}", i > 0 ? "," : "", wallets[i], i);
    fprintf(file, "]}\n");
    assert_int_equal(fclose(file), 0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* In the order that the store walks them in. */
static void make_wallets(void)
{
    const struct coin_profile *coin = coin_profile_find(span_text("devnet-blake2s"));
    assert_non_null(coin);
    for (size_t i = 0; i < POOLS; i++) {
        struct output_script script = { .data = { 0x00, 0x14 }, .length = 22 };
        store_le64(script.data + 2, i + 1);
        assert_true(address_format(coin, output_script_span(&script), wallets[i]));
    }
    qsort(wallets, POOLS, sizeof *wallets, by_name);
}

static void open_store(void)
{
    static const struct store_collection *const collections[] = {
        &validator_collection, &pool_collection, &turn_collection, &leader_collection
    };
    char url[128];
    snprintf(url, sizeof url, "sqlite:%s/adit.db", pool.data);
    store = store_open(url, STORE_TIMEOUT_MS, &error);
    if (store == NULL || !store_declare(store, collections, 4, &error))
        fail_msg("%s", error.text);
}

struct gathered {
    struct member *members; /* those of the list, or all */
    size_t count, room;
    bool all;
};

static bool take_member(void *context, const struct member *member)
{
    struct gathered *gathered = context;
    if (!gathered->all && member->source != MEMBER_LISTED)
        return true;
    assert_true(gathered->count < gathered->room);
    gathered->members[gathered->count++] = *member;
    return true;
}

static size_t read_members(enum member_kind kind, bool all, struct member *members_r, size_t room)
{
    struct gathered gathered = { members_r, 0, room, all };
    if (member_walk(store, kind, take_member, &gathered, &error) != STORE_DONE)
        fail_msg("%s", error.text);
    return gathered.count;
}

/* As the scheduler that leads would; it may write the same record meanwhile. */
static struct member give_score(enum member_kind kind, const char *id, uint32_t score)
{
    static uint64_t cause;
    for (int i = 0; i < 1000; i++) {
        struct leader leader;
        struct member member;
        assert_int_equal(leader_read(store, SCHEDULER_ROLE, &leader, &error), STORE_DONE);
        assert_int_equal(member_get(store, kind, id, &member, &error), STORE_DONE);
        if (member_set_score(store, &member, score, ++cause, leader.epoch, &error) == STORE_DONE)
            return member;
    }
    fail_msg("the score of %s cannot be written: %s", id, error.text);
    return (struct member){ 0 };
}

static bool all_listed(const struct pool_fixture *self, void *context)
{
    static struct member members[POOLS + VALIDATORS];
    (void)self;
    return read_members(MEMBER_POOL, false, members, POOLS) == POOLS &&
           read_members(MEMBER_VALIDATOR, false, members, POOLS) == *(const size_t *)context;
}

static int open_pool(void **state)
{
    (void)state;
    char settings[512];
    int fd = mkstemp(list_path);
    assert_true(fd >= 0);
    close(fd);
    make_wallets();
    write_list(VALIDATORS);
    snprintf(settings, sizeof settings,
             "{\"scheduler\":{\"validators_from\":\"file:%s\"},\"time\":{\"fetch_validators\":1}}",
             list_path);
    setenv("ADIT_TIME__DECAY", "86400", 1);
    setenv("ADIT_TIME__VALIDATOR_DECAY", "86400", 1);
    pool_start(&pool, settings, false);
    open_store();
    size_t validators = VALIDATORS;
    pool_wait(&pool, "the list is taken in", PATIENCE_S, all_listed, &validators);
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    store_close(store);
    pool_end(&pool);
    unlink(list_path);
    return 0;
}

static const json_t *find_entry(const json_t *list, const char *id)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "id")), id) == 0)
            return entry;
    }
    fail_msg("the API does not know %s", id);
    return NULL;
}

static void expect_text(const json_t *entry, const char *name, const char *text)
{
    assert_string_equal(json_string_value(json_object_get(entry, name)), text);
}

static void expect_number(const json_t *entry, const char *name, uint64_t number)
{
    const json_t *value = json_object_get(entry, name);
    assert_true(json_is_integer(value));
    assert_int_equal(json_integer_value(value), number);
}

/* Every record of the store is in the API's answer, nothing else is, and all is the same. */
static void compare(enum member_kind kind, const char *path, const char *name)
{
    static struct member members[POOLS + 8];
    json_t *document = pool_api(&pool, path);
    assert_non_null(document);
    const json_t *list = json_object_get(document, name);
    size_t count = read_members(kind, true, members, POOLS + 8);
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        const struct member *member = &members[i];
        const json_t *entry = find_entry(list, member->id);
        char key[2 * MEMBER_KEY_BYTES + 1];
        expect_text(entry, "wallet", member->wallet);
        expect_text(entry, "name", member->name);
        expect_text(entry, "source", member_source_name(member->source));
        expect_number(entry, "score", member->score);
        assert_int_equal(json_is_true(json_object_get(entry, "stale")), member->stale);
        if (kind == MEMBER_POOL) {
            assert_int_equal(json_is_true(json_object_get(entry, "own")),
                             member->source == MEMBER_OWN);
            continue;
        }
        expect_number(entry, "stake", member->stake);
        hex_encode(span_of(member->key, sizeof member->key), key);
        expect_text(entry, "key", key);
    }
    json_decref(document);
}

static bool is_gone(const struct pool_fixture *self, void *context)
{
    struct member member;
    (void)self;
    return member_get(store, MEMBER_VALIDATOR, context, &member, &error) == STORE_DONE &&
           member.source == MEMBER_GONE;
}

static bool all_stale(const struct pool_fixture *self, void *context)
{
    static struct member members[POOLS];
    (void)self;
    (void)context;
    size_t count = read_members(MEMBER_VALIDATOR, false, members, POOLS);
    for (size_t i = 0; i < count; i++)
        if (!members[i].stale)
            return false;
    return count > 0;
}

static void the_api_says_of_scores_what_the_store_holds(void **state)
{
    (void)state;
    static struct member members[POOLS];
    struct test_random random = test_random_begin("scores_flow_test");
    size_t count = read_members(MEMBER_POOL, false, members, POOLS);
    for (size_t i = 0; i < count; i++)
        (void)give_score(MEMBER_POOL, members[i].id,
                         (uint32_t)test_random_below(&random, SCORE_POOL_MAX + 1));
    for (size_t i = 0; i < VALIDATORS; i += 2)
        (void)give_score(MEMBER_VALIDATOR, wallets[i], SCORE_VALIDATOR_ACTIVE);
    compare(MEMBER_POOL, "/api/v1/pools", "pools");
    compare(MEMBER_VALIDATOR, "/api/v1/validators", "validators");
    /* Who is dropped from the list; and all of it when the source is down. */
    write_list(VALIDATORS - 2);
    pool_wait(&pool, "the last is gone", PATIENCE_S, is_gone, wallets[VALIDATORS - 1]);
    pool_wait(&pool, "and the one before", PATIENCE_S, is_gone, wallets[VALIDATORS - 2]);
    compare(MEMBER_VALIDATOR, "/api/v1/validators", "validators");
    assert_int_equal(unlink(list_path), 0);
    pool_wait(&pool, "the list is stale", PATIENCE_S, all_stale, NULL);
    compare(MEMBER_VALIDATOR, "/api/v1/validators", "validators");
    write_list(VALIDATORS);
}

/* Decay. */

struct scored {
    char id[MEMBER_ID_BYTES];
    uint32_t score;
    uint64_t turn; /* as of which it had that score */
};
static struct scored scored[POOLS];

static void score_all(void)
{
    for (size_t i = 0; i < POOLS; i++) {
        uint32_t score = SCORE_POOL_MAX - (uint32_t)(i % 50);
        struct member member = give_score(MEMBER_POOL, wallets[i], score);
        scored[i].score = score;
        scored[i].turn = member.decay_turn;
        snprintf(scored[i].id, sizeof scored[i].id, "%s", member.id);
    }
}

/* Each has faded by exactly the turns that its record has had. Returns how many have had one. */
static size_t check_scores(uint64_t turn)
{
    size_t reached = 0;
    for (size_t i = 0; i < POOLS; i++) {
        struct member member;
        assert_int_equal(member_get(store, MEMBER_POOL, scored[i].id, &member, &error), STORE_DONE);
        assert_true(member.decay_turn >= scored[i].turn);
        assert_int_equal(member.score,
                         score_pool_decayed(scored[i].score, member.decay_turn - scored[i].turn));
        reached += member.decay_turn >= turn;
    }
    return reached;
}

static struct turn read_turn(void)
{
    struct turn turn;
    assert_int_not_equal(turn_get(store, BOOKS_DECAY, &turn, &error), STORE_FAILED);
    return turn;
}

/* A turn has come as far as this record, of the order they are faded in; whether it was cut off
 * there or before its end. */
static bool kill_in_a_turn(size_t record, uint64_t *number_r)
{
    static const char *const scheduler[] = { "inode-scheduler", NULL };
    const struct timespec pause = { .tv_nsec = 200000 };
    struct turn turn = read_turn();
    struct member member = { .decay_turn = 0 };
    for (uint64_t first = turn.number; turn.number == first; turn = read_turn())
        nanosleep(&pause, NULL);
    while (member.decay_turn < turn.number)
        assert_int_equal(member_get(store, MEMBER_POOL, scored[record].id, &member, &error),
                         STORE_DONE);
    pool_kill(&pool, scheduler);
    turn = read_turn();
    *number_r = turn.number;
    return !turn.whole;
}

static bool turn_is_whole(const struct pool_fixture *self, void *context)
{
    struct turn turn = read_turn();
    (void)self;
    return turn.number > *(const uint64_t *)context ||
           (turn.number == *(const uint64_t *)context && turn.whole);
}

static bool has_scheduler(const struct pool_fixture *self, void *context)
{
    (void)context;
    return pool_pid(self, "inode-scheduler", NULL) > 0;
}

static void a_turn_cut_off_by_a_kill_is_ended_and_taken_from_nobody_twice(void **state)
{
    (void)state;
    const char *many = getenv("ADIT_KILLS");
    unsigned kills = many != NULL ? (unsigned)strtoul(many, NULL, 10) : 2, cut = 0;
    struct test_random random = test_random_begin("scores_flow_test");
    pool_stop(&pool);
    setenv("ADIT_TIME__DECAY", "1", 1);
    pool_restart(&pool);
    for (unsigned i = 0; cut < kills; i++) {
        uint64_t number;
        assert_true(i < 20 * kills);
        score_all();
        pool_wait(&pool, "the scheduler is there", PATIENCE_S, has_scheduler, NULL);
        if (kill_in_a_turn(test_random_below(&random, POOLS - 1), &number)) {
            size_t reached = check_scores(number);
            cut += reached > 0 && reached < POOLS;
            printf("killed in turn %llu, %zu of %d records into it\n", (unsigned long long)number,
                   reached, POOLS);
        }
        pool_wait(&pool, "the turn is ended", PATIENCE_S, turn_is_whole, &number);
        assert_int_equal(check_scores(number), POOLS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_api_says_of_scores_what_the_store_holds),
        cmocka_unit_test(a_turn_cut_off_by_a_kill_is_ended_and_taken_from_nobody_twice),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
