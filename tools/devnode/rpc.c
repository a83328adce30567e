#include "tools/devnode/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct rpc_entry *const tables[] = { rpc_chain_methods,   rpc_mining_methods,
                                                  rpc_tx_methods,      rpc_wallet_methods,
                                                  rpc_history_methods, rpc_fault_methods };

json_t *rpc_fail(struct rpc_call *call, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->message, sizeof call->message, format, arguments);
    va_end(arguments);
    call->code = code;
    return NULL;
}

json_t *rpc_param(const struct rpc_call *call, size_t at)
{
    json_t *value = json_array_get(call->params, at);
    return json_is_null(value) ? NULL : value;
}

bool rpc_text(struct rpc_call *call, size_t at, const char *name, const char **text_r)
{
    json_t *value = rpc_param(call, at);
    if (json_is_string(value)) {
        *text_r = json_string_value(value);
        return true;
    }
    if (value == NULL)
        rpc_fail(call, RPC_MISC, "missing parameter %s", name);
    else
        rpc_fail(call, RPC_TYPE, "JSON value of parameter %s is not of expected type string", name);
    return false;
}

bool rpc_number(struct rpc_call *call, size_t at, const char *name, int64_t fallback, int64_t least,
                int64_t most, int64_t *number_r)
{
    json_t *value = rpc_param(call, at);
    if (value != NULL && !json_is_integer(value)) {
        rpc_fail(call, RPC_TYPE, "JSON value of parameter %s is not of expected type number", name);
        return false;
    }
    *number_r = value == NULL ? fallback : json_integer_value(value);
    if (*number_r < least || *number_r > most) {
        rpc_fail(call, RPC_PARAMETER, "%s out of range", name);
        return false;
    }
    return true;
}

bool rpc_flag(struct rpc_call *call, size_t at, const char *name, bool fallback, bool *flag_r)
{
    json_t *value = rpc_param(call, at);
    if (value != NULL && !json_is_boolean(value) && !json_is_integer(value)) {
        rpc_fail(call, RPC_TYPE, "JSON value of parameter %s is not of expected type bool", name);
        return false;
    }
    *flag_r = value == NULL            ? fallback
              : json_is_integer(value) ? json_integer_value(value) != 0
                                       : json_is_true(value);
    return true;
}

bool rpc_hash(struct rpc_call *call, const char *text, const char *name, uint8_t hash_r[32])
{
    uint8_t shown[32];
    size_t length = strlen(text);
    if (length != 64) {
        rpc_fail(call, RPC_PARAMETER, "%s must be of length 64 (not %zu, for '%.100s')", name,
                 length, text);
        return false;
    }
    if (!hex_decode(text, length, shown, 32)) {
        rpc_fail(call, RPC_PARAMETER, "%s must be hexadecimal string (not '%s')", name, text);
        return false;
    }
    bytes_reverse(shown, 32, hash_r);
    return true;
}

struct chain_block *rpc_block(struct rpc_call *call, size_t at, const char *name)
{
    const char *text;
    uint8_t id[32];
    if (!rpc_text(call, at, name, &text) || !rpc_hash(call, text, name, id))
        return NULL;
    struct chain_block *block = chain_find(&call->node->chain, id);
    if (block == NULL)
        rpc_fail(call, RPC_NOT_FOUND, "Block not found");
    return block;
}

struct tx *rpc_tx(struct rpc_call *call, const char *hex)
{
    size_t length = strlen(hex);
    uint8_t *bytes = memory_take(length / 2);
    struct tx *tx = NULL;
    if (length % 2 == 0 && hex_decode(hex, length, bytes, length / 2))
        tx = tx_decode(span_of(bytes, length / 2));
    free(bytes);
    if (tx == NULL)
        rpc_fail(call, RPC_DECODE, "TX decode failed. Make sure the tx has at least one input.");
    return tx;
}

static const struct rpc_entry *find_method(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct rpc_entry *entry = tables[i]; entry->name != NULL; entry++)
            if (strcmp(entry->name, name) == 0)
                return entry;
    return NULL;
}

/* Parameters by name, put in their places; new reference, or NULL for an unknown name. */
static json_t *by_position(const struct rpc_entry *entry, json_t *named)
{
    json_t *positional = json_array();
    size_t used = 0;
    const char *name = entry->params;
    while (name != NULL && *name != 0) {
        size_t length = strcspn(name, "|");
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)length, name);
        json_t *value = json_object_get(named, key);
        used += value != NULL;
        json_array_append_new(positional, value == NULL ? json_null() : json_incref(value));
        name += length + (name[length] == '|');
    }
    if (used == json_object_size(named))
        return positional;
    json_decref(positional);
    return NULL;
}

static json_t *run(struct rpc_call *call, json_t *request)
{
    json_t *method = json_object_get(request, "method");
    json_t *params = json_object_get(request, "params");
    if (!json_is_object(request))
        return rpc_fail(call, RPC_INVALID_REQUEST, "Invalid Request object");
    if (!json_is_string(method))
        return rpc_fail(call, RPC_INVALID_REQUEST, "Missing method");
    const struct rpc_entry *entry = find_method(json_string_value(method));
    if (entry == NULL)
        return rpc_fail(call, RPC_METHOD_NOT_FOUND, "Method not found");
    if (json_is_object(params))
        call->params = by_position(entry, params);
    else if (params == NULL || json_is_null(params))
        call->params = json_array();
    else if (json_is_array(params))
        call->params = json_incref(params);
    else
        return rpc_fail(call, RPC_INVALID_REQUEST, "Params must be an array or object");
    if (call->params == NULL)
        return rpc_fail(call, RPC_PARAMETER, "Unknown named parameter");
    pthread_mutex_lock(&call->node->lock);
    unsigned delay_ms = rpc_fault_delay_ms(call->node, entry->name);
    json_t *result = rpc_fault_before(call, entry->name) ? entry->method(call) : NULL;
    result = rpc_fault_after(call, entry->name, result);
    pthread_mutex_unlock(&call->node->lock);
    if (delay_ms > 0)
        usleep(delay_ms * 1000);
    json_decref(call->params);
    return result;
}

static int http_status(const struct rpc_call *call)
{
    return call->code == 0                      ? 200
           : call->code == RPC_INVALID_REQUEST  ? 400
           : call->code == RPC_METHOD_NOT_FOUND ? 404
                                                : 500;
}

/* One request's answer; the HTTP status a single request gets goes to *status_r. */
static json_t *answer_one(struct node *node, json_t *request, int fd, int *status_r)
{
    struct rpc_call call = { .node = node, .fd = fd };
    json_t *result = run(&call, request);
    json_t *id = json_object_get(request, "id");
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    bool second = version != NULL && strcmp(version, "2.0") == 0;
    json_t *answer = json_object();
    json_t *trouble =
        call.code == 0 ? NULL : json_pack("{s:i, s:s}", "code", call.code, "message", call.message);
    if (second)
        json_object_set_new(answer, "jsonrpc", json_string("2.0"));
    if (trouble == NULL || !second)
        json_object_set_new(answer, "result", result == NULL ? json_null() : result);
    if (trouble != NULL || !second)
        json_object_set_new(answer, "error", trouble == NULL ? json_null() : trouble);
    json_object_set_new(answer, "id", id == NULL ? json_null() : json_incref(id));
    *status_r = second ? 200 : http_status(&call);
    return answer;
}

int rpc_handle(void *context, const char *path, struct span body, int fd, char **answer_r)
{
    struct node *node = context;
    json_error_t trouble;
    int status = 200;
    json_t *answer;
    if (strcmp(path, "/") != 0 && strncmp(path, "/wallet/", 8) != 0)
        return 404;
    json_t *request =
        json_loadb((const char *)body.data, body.length, JSON_REJECT_DUPLICATES, &trouble);
    if (request == NULL) {
        answer = json_pack("{s:n, s:{s:i, s:s}, s:n}", "result", "error", "code", RPC_PARSE,
                           "message", "Parse error", "id");
        status = 500;
    } else if (json_is_array(request)) {
        int ignored;
        answer = json_array();
        for (size_t i = 0; i < json_array_size(request); i++)
            json_array_append_new(answer,
                                  answer_one(node, json_array_get(request, i), fd, &ignored));
    } else {
        answer = answer_one(node, request, fd, &status);
    }
    *answer_r = json_print(answer);
    json_decref(answer);
    json_decref(request);
    return status;
}
