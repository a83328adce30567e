/* Connections: the driver wants to be initialised once in a process and to have one pool a
 * deployment, so what is here, and only here, belongs to the process: a list of pools by URI. */
#include "adapter/store_mongo/inside.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct mongo_pool {
    struct mongo_pool *next;
    mongoc_client_pool_t *driver;
    char *uri;
    size_t uses;
};

static pthread_mutex_t pools_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct mongo_pool *pools;
static pthread_once_t driver_once = PTHREAD_ONCE_INIT;

/* What the driver has to say comes back in errors; its own lines would not be in our form. */
static void drop_log(mongoc_log_level_t level, const char *domain, const char *message,
                     void *context)
{
    (void)level;
    (void)domain;
    (void)message;
    (void)context;
}

/* When the driver's library is loaded, whether or not a MongoDB is ever used, it makes a file of
 * shared memory named by the process, where its counters can be read. A process that is killed
 * leaves it behind, and a later one of the same number says so on standard error before main.
 * Nobody reads them here: the name goes at once, the memory with the process. */
__attribute__((constructor)) static void forget_counters(void)
{
    char name[32];
    snprintf(name, sizeof name, "/mongoc-%d", (int)getpid());
    (void)shm_unlink(name);
}

static void driver_init(void)
{
    mongoc_init();
    mongoc_log_set_handler(drop_log, NULL);
}

static bool check_concerns(const mongoc_uri_t *uri, struct error *error)
{
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
    int32_t w = mongoc_write_concern_get_w(concern);
    if (w != MONGOC_WRITE_CONCERN_W_DEFAULT && w != MONGOC_WRITE_CONCERN_W_MAJORITY)
        return error_set(error, ERROR_INVALID,
                         "the store's URL asks for a write concern weaker than w=majority: what "
                         "was acknowledged could be lost; remove it");
    if (mongoc_write_concern_journal_is_set(concern) && !mongoc_write_concern_get_journal(concern))
        return error_set(error, ERROR_INVALID,
                         "the store's URL turns the journal off: what was acknowledged could be "
                         "lost; remove it");
    const mongoc_read_prefs_t *preference = mongoc_uri_get_read_prefs_t(uri);
    if (mongoc_read_prefs_get_mode(preference) != MONGOC_READ_PRIMARY)
        return error_set(error, ERROR_INVALID,
                         "the store's URL reads from secondaries, which lag behind; remove its "
                         "readPreference");
    return true;
}

mongoc_uri_t *mongo_uri(const char *url, unsigned timeout_ms, struct error *error)
{
    pthread_once(&driver_once, driver_init);
    bson_error_t failure;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(url, &failure);
    if (uri == NULL) {
        error_fill(error, ERROR_INVALID, "the store's URL is not a MongoDB URL: %s",
                   failure.message);
        return NULL;
    }
    if (!check_concerns(uri, error)) {
        mongoc_uri_destroy(uri);
        return NULL;
    }
    const int32_t wait_ms = timeout_ms > 600000 ? 600000 : (int32_t)timeout_ms;
    const int32_t half_ms = wait_ms / 2 > 0 ? wait_ms / 2 : 1;
    /* The server gives up on its majority before we give up on the server, so that we hear which
     * of the two it was. */
    const struct {
        const char *option;
        int32_t value;
    } options[] = {
        { MONGOC_URI_SERVERSELECTIONTIMEOUTMS, half_ms },
        { MONGOC_URI_CONNECTTIMEOUTMS, half_ms },
        { MONGOC_URI_SOCKETTIMEOUTMS, wait_ms },
        { MONGOC_URI_WAITQUEUETIMEOUTMS, wait_ms },
        { MONGOC_URI_HEARTBEATFREQUENCYMS, 5000 },
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (!mongoc_uri_has_option(uri, options[i].option))
            mongoc_uri_set_option_as_int32(uri, options[i].option, options[i].value);
    mongoc_write_concern_t *concern = mongoc_write_concern_copy(mongoc_uri_get_write_concern(uri));
    int32_t given_ms = mongoc_write_concern_get_wtimeout(concern);
    mongoc_write_concern_set_wmajority(concern, given_ms > 0 ? given_ms : wait_ms * 3 / 4);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_uri_set_write_concern(uri, concern);
    mongoc_write_concern_destroy(concern);
    mongoc_read_concern_t *reads = mongoc_read_concern_new();
    mongoc_read_concern_set_level(reads, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
    mongoc_uri_set_read_concern(uri, reads);
    mongoc_read_concern_destroy(reads);
    return uri;
}

/* The driver's threads must not be the ones that take the process's signals. */
static void block_signals(sigset_t *before_r)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before_r);
}

struct mongo_pool *mongo_pool_get(const mongoc_uri_t *uri, struct error *error)
{
    const char *text = mongoc_uri_get_string(uri);
    pthread_mutex_lock(&pools_mutex);
    struct mongo_pool *pool = pools;
    while (pool != NULL && strcmp(pool->uri, text) != 0)
        pool = pool->next;
    if (pool == NULL) {
        sigset_t before;
        block_signals(&before);
        pool = calloc(1, sizeof *pool);
        ASSERT(pool != NULL);
        bson_error_t failure = { 0 };
        pool->driver = mongoc_client_pool_new_with_error(uri, &failure);
        if (pool->driver == NULL) {
            error_fill(error, ERROR_INVALID, "the store's URL cannot be used: %s", failure.message);
            free(pool);
            pool = NULL;
        } else {
            mongoc_client_pool_set_error_api(pool->driver, MONGOC_ERROR_API_VERSION_2);
            mongoc_client_pool_set_appname(pool->driver, "adit");
            pool->uri = strdup(text);
            ASSERT(pool->uri != NULL);
            pool->next = pools;
            pools = pool;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (pool != NULL)
        pool->uses++;
    pthread_mutex_unlock(&pools_mutex);
    return pool;
}

mongoc_client_t *mongo_pool_pop(struct mongo_pool *pool, struct error *error)
{
    sigset_t before;
    block_signals(&before);
    mongoc_client_t *client = mongoc_client_pool_pop(pool->driver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (client == NULL)
        error_fill(error, ERROR_FULL, "all connections to the store are in use");
    return client;
}

void mongo_pool_put(struct mongo_pool *pool, mongoc_client_t *client)
{
    if (client != NULL)
        mongoc_client_pool_push(pool->driver, client);
    pthread_mutex_lock(&pools_mutex);
    bool last = --pool->uses == 0;
    if (last) {
        struct mongo_pool **link = &pools;
        while (*link != pool)
            link = &(*link)->next;
        *link = pool->next;
    }
    pthread_mutex_unlock(&pools_mutex);
    if (!last)
        return;
    mongoc_client_pool_destroy(pool->driver);
    free(pool->uri);
    free(pool);
}
