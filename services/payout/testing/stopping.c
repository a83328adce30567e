/* Linked into payout's twin for tests, which is never shipped: the payout whose every step that
 * changes anything outside of it (a write to the store, a call that changes the wallet's state or
 * broadcasts, a change to redis.window) may be the one before or behind which it stops itself, as
 * SIGSTOP from outside would stop it there. ADIT_STOP_AT names the step: the nth of its moments
 * (two a step), or the first moment of a name, as "before broadcast".
 *
 * The linker hands the calls that open store, node and window to the functions here (--wrap), which
 * put their own functions into the opened port's table. So the twin is made of the shipped sources,
 * and nothing in those knows of it. State is the file's own: the process has one of each. */
#include "adapter/node_rpc/node_rpc.h"
#include "adapter/store_open/store_open.h"
#include "adapter/window_redis/window_redis.h"
#include "service/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct store *__real_store_open(const char *url, unsigned timeout_ms, struct error *error);
struct store *__wrap_store_open(const char *url, unsigned timeout_ms, struct error *error);
struct node *__real_node_rpc_open(const struct node_rpc_options *options, struct error *error);
struct node *__wrap_node_rpc_open(const struct node_rpc_options *options, struct error *error);
struct window_reader *__real_window_redis_reader_open(const struct window_redis_options *options,
                                                      struct error *error);
struct window_reader *__wrap_window_redis_reader_open(const struct window_redis_options *options,
                                                      struct error *error);

/* The lease is renewed by another thread. It is not stopped in the middle of a write: with SQLite
 * that would keep everybody else from writing until it is woken, whatever payout does. */
static pthread_mutex_t lease_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long moments;
static bool stopped;

/* On the engine's thread; at the very end, when that has ended, on the main one. */
static void pass(const char *when, const char *what)
{
    const char *wanted = getenv("ADIT_STOP_AT");
    char moment[96];
    snprintf(moment, sizeof moment, "%s %s", when, what);
    moments++;
    if (stopped || wanted == NULL ||
        (strcmp(moment, wanted) != 0 && strtoul(wanted, NULL, 10) != moments))
        return;
    stopped = true;
    log_info("test.stops", "moment=\"%s\" number=%lu", moment, moments);
    pthread_mutex_lock(&lease_mutex);
    raise(SIGSTOP); /* this thread does not come back from it before the process is woken */
    pthread_mutex_unlock(&lease_mutex);
}

static const struct store_ops *store_plain;

static enum store_outcome stopping_apply(struct store *store, struct store_write *writes,
                                         size_t count, struct error *error)
{
    const char *what = count > 0 ? writes[0].collection->name : "nothing";
    pass("before", what);
    enum store_outcome outcome = store_plain->apply(store, writes, count, error);
    pass("after", what);
    return outcome;
}

static enum store_outcome lease_apply(struct store *store, struct store_write *writes, size_t count,
                                      struct error *error)
{
    pthread_mutex_lock(&lease_mutex);
    enum store_outcome outcome = store_plain->apply(store, writes, count, error);
    pthread_mutex_unlock(&lease_mutex);
    return outcome;
}

/* The first store that payout opens is its engine's, the second its lease's. */
struct store *__wrap_store_open(const char *url, unsigned timeout_ms, struct error *error)
{
    static struct store_ops engines, leases;
    static unsigned opened;
    struct store *store = __real_store_open(url, timeout_ms, error);
    if (store == NULL || opened == 2)
        return store;
    if (opened++ == 0) {
        store_plain = store->ops;
        engines = leases = *store_plain;
        engines.apply = stopping_apply;
        leases.apply = lease_apply;
        store->ops = &engines;
    } else {
        store->ops = &leases;
    }
    return store;
}

static const struct node_ops *node_plain;

static enum node_answer stopping_build(struct node *node, const struct node_payment *payment,
                                       struct arena *arena, struct node_transaction *transaction_r,
                                       struct error *error)
{
    pass("before", "build");
    enum node_answer answer = node_plain->build_payment(node, payment, arena, transaction_r, error);
    pass("after", "build");
    return answer;
}

static enum node_answer stopping_sign(struct node *node, struct span raw, struct arena *arena,
                                      struct node_transaction *transaction_r, struct error *error)
{
    pass("before", "sign");
    enum node_answer answer = node_plain->sign(node, raw, arena, transaction_r, error);
    pass("after", "sign");
    return answer;
}

static enum node_answer stopping_broadcast(struct node *node, struct span raw, struct error *error)
{
    pass("before", "broadcast");
    enum node_answer answer = node_plain->broadcast(node, raw, error);
    pass("after", "broadcast");
    return answer;
}

static enum node_answer stopping_lock(struct node *node, const uint8_t txid[32], uint32_t output,
                                      bool lock, struct error *error)
{
    pass("before", "lock");
    enum node_answer answer = node_plain->lock_input(node, txid, output, lock, error);
    pass("after", "lock");
    return answer;
}

static enum node_answer stopping_unlock(struct node *node, struct error *error)
{
    pass("before", "unlock");
    enum node_answer answer = node_plain->unlock_all(node, error);
    pass("after", "unlock");
    return answer;
}

struct node *__wrap_node_rpc_open(const struct node_rpc_options *options, struct error *error)
{
    static struct node_ops stopping;
    struct node *node = __real_node_rpc_open(options, error);
    if (node == NULL)
        return NULL;
    node_plain = node->ops;
    stopping = *node_plain;
    stopping.build_payment = stopping_build;
    stopping.sign = stopping_sign;
    stopping.broadcast = stopping_broadcast;
    stopping.lock_input = stopping_lock;
    stopping.unlock_all = stopping_unlock;
    node->ops = &stopping;
    return node;
}

static const struct window_reader_ops *window_plain;

static bool stopping_done(struct window_reader *reader, const uint8_t block_hash[32],
                          struct error *error)
{
    pass("before", "candidate_done");
    bool done = window_plain->candidate_done(reader, block_hash, error);
    pass("after", "candidate_done");
    return done;
}

static bool stopping_trim(struct window_reader *reader, const struct window_position *before,
                          uint64_t *removed_r, struct error *error)
{
    pass("before", "trim");
    bool done = window_plain->trim(reader, before, removed_r, error);
    pass("after", "trim");
    return done;
}

struct window_reader *__wrap_window_redis_reader_open(const struct window_redis_options *options,
                                                      struct error *error)
{
    static struct window_reader_ops stopping;
    struct window_reader *reader = __real_window_redis_reader_open(options, error);
    if (reader == NULL)
        return NULL;
    window_plain = reader->ops;
    stopping = *window_plain;
    stopping.candidate_done = stopping_done;
    stopping.trim = stopping_trim;
    reader->ops = &stopping;
    return reader;
}
