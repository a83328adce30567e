#include "adapter/store_mongo/initiate.h"

#include "adapter/store_mongo/inside.h"

#include <time.h>

enum {
    /* of the server's error codes (src/mongo/base/error_codes.yml) */
    ALREADY_INITIALIZED = 23,
    COMMAND_NOT_FOUND = 59,
    NO_REPLICATION_ENABLED = 76,
    STEP_MS = 100,
};

struct standing {
    bool member;
    bool writable;
};

static bool ask(mongoc_client_t *client, struct standing *standing_r, struct error *error)
{
    bson_error_t failure;
    bson_t reply;
    bson_iter_t at;
    bson_t *command = BCON_NEW("hello", BCON_INT32(1));
    bool answered = mongoc_client_command_simple(client, "admin", command, NULL, &reply, &failure);
    *standing_r = (struct standing){ false, false };
    if (answered && bson_iter_init_find(&at, &reply, "setName"))
        standing_r->member = true;
    if (answered && bson_iter_init_find(&at, &reply, "isWritablePrimary"))
        standing_r->writable = bson_iter_as_bool(&at);
    if (!answered)
        error_fill(error, ERROR_UNAVAILABLE, "the store does not answer: %s", failure.message);
    bson_destroy(&reply);
    bson_destroy(command);
    return answered;
}

/* 0: initiated (or begun by another); else the server's code, or -1 without an answer. */
static int initiate(mongoc_client_t *client, const char *set_name, const char *host,
                    struct error *error)
{
    bson_error_t failure;
    bson_t reply;
    bson_t *command = BCON_NEW("replSetInitiate", "{", "_id", BCON_UTF8(set_name), "members", "[",
                               "{", "_id", BCON_INT32(0), "host", BCON_UTF8(host), "}", "]", "}");
    bool done = mongoc_client_command_simple(client, "admin", command, NULL, &reply, &failure);
    bson_destroy(&reply);
    bson_destroy(command);
    if (done || failure.code == ALREADY_INITIALIZED)
        return 0;
    error_fill(error, ERROR_UNAVAILABLE, "the store cannot become a replica set: %s",
               failure.message);
    return failure.domain == MONGOC_ERROR_SERVER ? (int)failure.code : -1;
}

static enum mongo_initiated settle(mongoc_client_t *client, const char *set_name, const char *host,
                                   unsigned timeout_ms, struct error *error)
{
    struct standing standing;
    enum mongo_initiated outcome = MONGO_INITIATE_ALREADY;
    if (!ask(client, &standing, error))
        return MONGO_INITIATE_FAILED;
    if (!standing.member) {
        int code = initiate(client, set_name, host, error);
        if (code == COMMAND_NOT_FOUND || code == NO_REPLICATION_ENABLED)
            return MONGO_INITIATE_NO_SETS;
        if (code != 0)
            return MONGO_INITIATE_FAILED;
        outcome = MONGO_INITIATE_DONE;
    }
    for (unsigned waited_ms = 0; waited_ms < timeout_ms; waited_ms += STEP_MS) {
        if (ask(client, &standing, error) && standing.writable)
            return outcome;
        const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
        nanosleep(&step, NULL);
    }
    error_fill(error, ERROR_UNAVAILABLE, "the store's replica set has no primary yet");
    return MONGO_INITIATE_FAILED;
}

/* A member without a set is no primary: it is asked by itself, whatever set the URL names. Caller
 * owns. */
static mongoc_uri_t *alone(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                           unsigned timeout_ms)
{
    mongoc_uri_t *one = mongoc_uri_new_for_host_port(host->host, host->port);
    if (one == NULL)
        return NULL;
    if (mongoc_uri_get_username(uri) != NULL) {
        mongoc_uri_set_username(one, mongoc_uri_get_username(uri));
        mongoc_uri_set_password(one, mongoc_uri_get_password(uri));
        mongoc_uri_set_auth_source(one, mongoc_uri_get_auth_source(uri));
    }
    if (mongoc_uri_get_tls(uri)) {
        static const char *const files[] = { MONGOC_URI_TLSCAFILE,
                                             MONGOC_URI_TLSCERTIFICATEKEYFILE };
        mongoc_uri_set_option_as_bool(one, MONGOC_URI_TLS, true);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
            const char *file = mongoc_uri_get_option_as_utf8(uri, files[i], NULL);
            if (file != NULL)
                mongoc_uri_set_option_as_utf8(one, files[i], file);
        }
    }
    mongoc_uri_set_option_as_bool(one, MONGOC_URI_DIRECTCONNECTION, true);
    mongoc_uri_set_option_as_int32(one, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, (int32_t)timeout_ms);
    mongoc_uri_set_option_as_int32(one, MONGOC_URI_SOCKETTIMEOUTMS, (int32_t)timeout_ms);
    return one;
}

enum mongo_initiated store_mongo_initiate(const char *url, const char *set_name,
                                          unsigned timeout_ms, struct error *error)
{
    mongoc_uri_t *uri = mongo_uri(url, timeout_ms, error);
    if (uri == NULL)
        return MONGO_INITIATE_FAILED;
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    enum mongo_initiated outcome = MONGO_INITIATE_FAILED;
    mongoc_uri_t *one = NULL;
    mongoc_client_t *client = NULL;
    if (host == NULL || host->next != NULL) {
        error_fill(error, ERROR_INVALID,
                   "the store's URL must name one server, the set's first member");
    } else {
        one = alone(uri, host, timeout_ms);
        client = mongoc_client_new_from_uri(one);
        if (client == NULL)
            error_fill(error, ERROR_INVALID, "the store's URL cannot be used");
    }
    if (client != NULL) {
        mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
        outcome = settle(client, set_name, host->host_and_port, timeout_ms, error);
        mongoc_client_destroy(client);
    }
    if (one != NULL)
        mongoc_uri_destroy(one);
    mongoc_uri_destroy(uri);
    return outcome;
}
