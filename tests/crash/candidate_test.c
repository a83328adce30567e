/* The finding validator and the scheduler killed in the instant a block is found, again and again
 * while miners mine, and then the books. Three stages of the same pool:
 *
 *   - both killed the moment the validator's log names a block, when nothing need have left it yet:
 *     the gateway has the share, and the job that the validator kept in a file before it was
 *     published. ADIT_KILL_LATER=1 kills 1 to 4 ms later, on the steps that follow: submission,
 *     spool file, the word to the scheduler;
 *   - the node stopped before, so that nothing can have been submitted, and continued afterwards;
 *   - the node stopped before and killed afterwards: not even a request in its socket's buffer
 *     survives, and the spool file alone still has the block.
 *
 * ADIT_KILLS: how often in the first stage (default 3). ADIT_SEED: the moments. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static struct pool_fixture pool;
static unsigned kills = 3;
static unsigned seed;

/* A block is due every two seconds, but after some quick ones the difficulty is several times that,
 * and with the node stopped it stays. */
enum { MINERS = 2, RECOVERY_S = 60, BLOCK_S = 90 };

/* One block as the validator's log names it. */
struct candidate {
    char hash[65];
    unsigned height;
    char job[17];
};

/* The validator's log, read on from where it was left. */
struct watch {
    FILE *log;
    char text[4096];
    size_t length; /* of an unfinished line */
};

static void watch_open(struct watch *watch)
{
    char path[128];
    *watch = (struct watch){ 0 };
    snprintf(path, sizeof path, "%s/log/share-validator.log", pool.data);
    watch->log = fopen(path, "r");
    if (watch->log == NULL)
        fail_msg("no log at %s", path);
    fseek(watch->log, 0, SEEK_END);
}

static void watch_close(struct watch *watch)
{
    fclose(watch->log);
    watch->log = NULL;
}

/* The next whole line with this event; NULL when the log has no more for now. */
static const char *watch_next(struct watch *watch, const char *event)
{
    clearerr(watch->log);
    while (fgets(watch->text + watch->length, (int)(sizeof watch->text - watch->length),
                 watch->log) != NULL) {
        watch->length += strlen(watch->text + watch->length);
        bool whole = watch->length > 0 && watch->text[watch->length - 1] == '\n';
        if (!whole && watch->length < sizeof watch->text - 1)
            return NULL;
        watch->length = 0;
        if (strstr(watch->text, event) != NULL)
            return watch->text;
    }
    return NULL;
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 }, NULL);
}

/* Looks five thousand times a second: the moment matters here. */
static void wait_for_block(struct watch *watch, struct candidate *found_r)
{
    const char *line = NULL;
    for (unsigned i = 0; line == NULL && i < 5000 * BLOCK_S; i++) {
        line = watch_next(watch, " block.found ");
        if (line == NULL)
            pause_us(200);
    }
    if (line == NULL) {
        pool_print_logs(&pool);
        fail_msg("no block was found in %d s", BLOCK_S);
        return;
    }
    const char *at = strstr(line, " block=");
    assert_non_null(at);
    assert_int_equal(
        sscanf(at, " block=%64s height=%u job=%16s", found_r->hash, &found_r->height, found_r->job),
        3);
}

struct pair {
    pid_t validator, scheduler;
};

static struct pair pair_now(void)
{
    struct pair pair = { pool_pid(&pool, "share-validator", NULL),
                         pool_pid(&pool, "inode-scheduler", NULL) };
    return pair;
}

static bool pair_reborn(const struct pool_fixture *self, void *context)
{
    const struct pair *old = context;
    pid_t validator = pool_pid(self, "share-validator", NULL);
    pid_t scheduler = pool_pid(self, "inode-scheduler", NULL);
    return validator != 0 && validator != old->validator && scheduler != 0 &&
           scheduler != old->scheduler;
}

static void kill_pair(void)
{
    static const char *const both[] = { "share-validator", "inode-scheduler", NULL };
    pool_kill(&pool, both);
}

static bool pair_stands(const struct pool_fixture *self, void *context)
{
    (void)context;
    struct pair pair = pair_now();
    json_int_t now = books_shares(self);
    return pair.validator > 0 && pair.scheduler > 0 && now >= 0;
}

static void wait_for_shares(void)
{
    json_int_t before = -1;
    pool_wait(&pool, "the validator and the scheduler serve", RECOVERY_S, pair_stands, NULL);
    before = books_shares(&pool);
    pool_wait(&pool, "shares flow", RECOVERY_S, books_more_shares, &before);
}

/* The pool knows a block at this height that the best chain has. */
static bool height_settled(const struct pool_fixture *self, void *context)
{
    const struct candidate *found = context;
    char params[64];
    snprintf(params, sizeof params, "[%u]", found->height);
    json_t *hash = pool_node(self, "getblockhash", params);
    json_t *blocks = pool_api(self, "/api/v1/blocks?limit=500");
    const char *name = json_string_value(hash);
    bool settled = name != NULL && blocks != NULL &&
                   strcmp(books_state(blocks, name), "unknown") != 0 &&
                   strcmp(books_state(blocks, found->hash), "unknown") != 0;
    json_decref(hash);
    json_decref(blocks);
    return settled;
}

/* Whole files of the spool: of this block, or of any. What a kill left half-written (its name ends
 * in .new) never had its name, so nobody relies on it. */
static unsigned spooled(const char *hash)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/spool-1", pool.data);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        /* "jobs" is the folder of jobs that are kept, not a block. */
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "jobs") != 0 &&
            (end == NULL || strcmp(end, ".new") != 0))
            count += hash == NULL || strstr(entry->d_name, hash) != NULL;
    }
    closedir(folder);
    return count;
}

/* Bytes of the file in which the validator kept a job; those of one with transactions are some
 * hundreds more. The job is in a file before anybody can mine on it, but for the instant in which
 * one without transactions is published. */
static long kept_bytes(const char *job)
{
    char path[160];
    struct stat status;
    snprintf(path, sizeof path, "%s/spool-1/jobs/%s.job", pool.data, job);
    return stat(path, &status) == 0 ? (long)status.st_size : 0;
}

static bool spool_is_empty(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    return spooled(NULL) == 0;
}

static bool spool_has(const struct pool_fixture *self, void *context)
{
    (void)self;
    return spooled(((const struct candidate *)context)->hash) > 0;
}

/* One call of the node's whose answer, or a member of it, is text; "" where there is none. */
static void ask_text(const char *method, const char *params, const char *member, char text_r[2048])
{
    json_t *answer = pool_node(&pool, method, params);
    const char *text = json_string_value(member != NULL ? json_object_get(answer, member) : answer);
    snprintf(text_r, 2048, "%s", text != NULL ? text : "");
    json_decref(answer);
}

/* So that jobs need transactions, once there are mature coins to send. */
static void add_transaction(void)
{
    char params[2100], hex[2048];
    snprintf(params, sizeof params, "[[],[{\"%s\":0.5}]]", pool.pool_address);
    ask_text("createrawtransaction", params, NULL, hex);
    snprintf(params, sizeof params, "[\"%s\"]", hex);
    ask_text("fundrawtransaction", params, "hex", hex);
    snprintf(params, sizeof params, "[\"%s\"]", hex);
    ask_text("signrawtransactionwithwallet", params, "hex", hex);
    snprintf(params, sizeof params, "[\"%s\"]", hex);
    ask_text("sendrawtransaction", params, NULL, hex);
}

static void a_block_outlives_its_validator_and_the_scheduler(void **state)
{
    (void)state;
    for (unsigned i = 0; i < kills; i++) {
        struct candidate found = { 0 };
        struct watch watch;
        wait_for_shares();
        watch_open(&watch);
        struct pair pair = pair_now();
        /* Half of the blocks come from a job with transactions: the one after this. */
        if (i % 2 == 1) {
            add_transaction();
            wait_for_block(&watch, &found);
        }
        wait_for_block(&watch, &found);
        seed = seed * 1103515245u + 12345u;
        long later_us = getenv("ADIT_KILL_LATER") != NULL ? 1000 + (long)(seed >> 8) % 3000 : 0;
        if (later_us > 0)
            pause_us(later_us);
        kill_pair();
        watch_close(&watch);
        printf("killed %ld us after %s at %u; in the spool: %s; its job's file: %ld bytes\n",
               later_us, found.hash, found.height, spooled(found.hash) > 0 ? "yes" : "no",
               kept_bytes(found.job));
        assert_true(kept_bytes(found.job) > 0);
        pool_wait(&pool, "both are started again", RECOVERY_S, pair_reborn, &pair);
        pool_wait(&pool, "the height is the pool's", RECOVERY_S, height_settled, &found);
    }
}

struct line_wait {
    struct watch watch;
    const char *event;
    char hash[65];
};

static bool log_says(const struct pool_fixture *self, void *context)
{
    (void)self;
    struct line_wait *wait = context;
    for (const char *line; (line = watch_next(&wait->watch, wait->event)) != NULL;)
        if (strstr(line, wait->hash) != NULL)
            return true;
    return false;
}

/* The node stands still while a block is found and both are killed; then it goes on, or dies. */
static void lose_both_while_the_node_is_away(int node_signal)
{
    struct candidate found = { 0 };
    struct line_wait again = { .event = " block.again " };
    struct line_wait submitted = { .event = " block.submitted " };
    wait_for_shares();
    watch_open(&again.watch);
    struct pair pair = pair_now();
    pid_t node = pool_pid(&pool, "devnode", NULL);
    assert_true(node > 0);
    pool_signal_pid(node, SIGSTOP);
    wait_for_block(&again.watch, &found);
    pool_wait(&pool, "the block is in the spool", 5, spool_has, &found);
    /* From here on, whatever comes first: the next validator may speak before this test does. The
     * one that dies has said nothing of it, the node being away. */
    watch_open(&submitted.watch);
    kill_pair();
    memcpy(again.hash, found.hash, sizeof again.hash);
    memcpy(submitted.hash, found.hash, sizeof submitted.hash);
    assert_int_equal(kill(node, node_signal), 0);
    pool_wait(&pool, "both are started again", RECOVERY_S, pair_reborn, &pair);
    pool_wait(&pool, "the spool's block is taken up", RECOVERY_S, log_says, &again);
    pool_wait(&pool, "the spool's block is submitted", RECOVERY_S, log_says, &submitted);
    printf("from the spool: %s", submitted.watch.text);
    watch_close(&again.watch);
    watch_close(&submitted.watch);
    pool_wait(&pool, "the height is the pool's", RECOVERY_S, height_settled, &found);
}

static void a_block_found_while_the_node_is_stopped_comes_from_the_spool(void **state)
{
    (void)state;
    lose_both_while_the_node_is_away(SIGCONT);
}

static void a_block_whose_node_dies_too_comes_from_the_spool(void **state)
{
    (void)state;
    lose_both_while_the_node_is_away(SIGKILL);
}

static void the_books_are_right_afterwards(void **state)
{
    (void)state;
    struct books_sum sum;
    for (size_t i = 0; i < MINERS; i++)
        pool_end_miner(&pool, i, NULL);
    books_bury(&pool);
    pool_wait(&pool, "every block of the chain is known once and matured", 60, books_all_matured,
              &sum);
    pool_wait(&pool, "no candidate is left in the spool", RECOVERY_S, spool_is_empty, NULL);
    printf("%u blocks pay to the pool\n", sum.blocks);
    assert_true(sum.blocks > kills);
    books_check_ledger(&pool, &sum);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, "{\"payout\":{\"enabled\":false},\"stratum\":{\"share_interval_ms\":200}}",
               false);
    pool_add_miners(&pool, MINERS, 30000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(void)
{
    seed = books_seed();
    kills = books_number("ADIT_KILLS", kills);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_outlives_its_validator_and_the_scheduler),
        cmocka_unit_test(a_block_found_while_the_node_is_stopped_comes_from_the_spool),
        cmocka_unit_test(a_block_whose_node_dies_too_comes_from_the_spool),
        cmocka_unit_test(the_books_are_right_afterwards),
    };
    return cmocka_run_group_tests_name("candidates", tests, begin, end);
}
