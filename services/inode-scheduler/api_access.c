#include "services/inode-scheduler/api_access.h"

#include "service/log.h"

#include <stdlib.h>
#include <strings.h>

enum { BODY_BYTES_MAX = 4096 };

static void refuse(struct api_read *read, int status, const char *text)
{
    read->status = status;
    read->field = "authorization";
    error_fill(&read->error, ERROR_REFUSED, "%s", text);
}

/* On the worker: whose token it is, and whether it is good for this. */
static bool identify(struct api_read *read)
{
    const struct api_guarded *guarded = read->guarded;
    struct scheduler *scheduler = read->scheduler;
    uint64_t now_s = loop_unix_ms() / 1000;
    struct token_verifier verifier;
    struct account account;
    if (!token_source_read(&scheduler->tokens, scheduler->api_store, now_s, &verifier,
                           &read->error)) {
        log_warn("api.keys", "reason=\"%s\"", read->error.text);
        refuse(read, 503, "the keys that tokens are checked with cannot be read now");
        return false;
    }
    enum token_outcome outcome =
        token_verify(&verifier, span_text(read->token), now_s, &read->claims);
    if (outcome != TOKEN_OK) {
        refuse(read, 401, token_outcome_text(outcome));
        return false;
    }
    bool operates = guarded->scope == TOKEN_SCOPE_OPERATOR;
    bool shown = !read->claims.second_factor_on || read->claims.second_factor_given;
    if ((read->claims.scopes & (uint32_t)guarded->scope) == 0) {
        refuse(read, 403, "this token is not good for that");
        return false;
    }
    if (!shown && guarded->scope != TOKEN_SCOPE_READ) {
        refuse(read, 403, "the account's second factor was not given");
        return false;
    }
    enum store_outcome found =
        account_get(scheduler->api_store, read->claims.account_id, &account, &read->error);
    if (found == STORE_DONE &&
        account_token_is_void(&account, read->claims.session[0] != '\0', read->claims.issued_s)) {
        refuse(read, 401, "the token's session or key counts no more: log in again");
        return false;
    }
    if (found == STORE_DONE && account.state == ACCOUNT_ACTIVE &&
        (!operates || (account.roles & ACCOUNT_ROLE_OPERATOR) != 0))
        return true;
    if (found == STORE_DONE || found == STORE_MISSING)
        refuse(read, 403, operates ? "the account is not an operator's" : "the account is closed");
    return false;
}

static void guarded_read(struct api_read *read)
{
    if (!identify(read))
        return;
    if (read->guarded->read != NULL) {
        read->guarded->read(read);
        return;
    }
    read->status = 0;
}

void api_guarded_begin(struct scheduler *scheduler, struct http_exchange *exchange,
                       const struct api_guarded *guarded)
{
    api_guarded_begin_with(scheduler, exchange, guarded, NULL);
}

void api_guarded_begin_with(struct scheduler *scheduler, struct http_exchange *exchange,
                            const struct api_guarded *guarded, json_t *body)
{
    static const char scheme[] = "Bearer ";
    const char *header = http_header(exchange, "authorization");
    size_t length = header != NULL ? strlen(header) : 0;
    if (length <= sizeof scheme - 1 || length - (sizeof scheme - 1) > TOKEN_BYTES_MAX ||
        strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        http_add_header(exchange, "www-authenticate", "Bearer realm=\"adit\"");
        http_problem(exchange, 401, "Unauthorized", "an access token is needed: log in first",
                     "authorization");
        json_decref(body);
        return;
    }
    struct api_read *read = api_read_new(scheduler, exchange, guarded_read);
    read->guarded = guarded;
    read->body = body;
    read->token = strdup(header + sizeof scheme - 1);
    ASSERT(read->token != NULL);
    api_read_submit(read);
}

static json_t *refuse_body(struct http_exchange *exchange, json_t *body, const char *detail,
                           const char *field)
{
    json_decref(body);
    http_problem(exchange, 400, "Bad request", detail, field);
    return NULL;
}

/* Its place among the names, whether or not it may be left out; false where it is none. */
static bool is_known(const char *const *names, const char *key)
{
    for (; *names != NULL; names++)
        if (strcmp(*names + (**names == '?'), key) == 0)
            return true;
    return false;
}

json_t *api_body(struct http_exchange *exchange, const char *const *names)
{
    const char *type = http_header(exchange, "content-type"), *key;
    struct span bytes = http_body(exchange);
    json_t *value;
    /* A page of somebody else's can send no JSON without asking first (CORS). */
    if (type == NULL || strncasecmp(type, "application/json", 16) != 0) {
        http_problem(exchange, 415, "Unsupported media type", "the body is application/json", NULL);
        return NULL;
    }
    json_t *body =
        bytes.length > 0 && bytes.length <= BODY_BYTES_MAX
            ? json_loadb((const char *)bytes.data, bytes.length, JSON_REJECT_DUPLICATES, NULL)
            : NULL;
    if (!json_is_object(body))
        return refuse_body(exchange, body, "the body is one JSON object", "body");
    json_object_foreach(body, key, value)
    {
        if (!is_known(names, key))
            return refuse_body(exchange, body, "the body has a field that is not known", "body");
        if (!json_is_string(value))
            return refuse_body(exchange, body, "every field of the body is a text", "body");
    }
    for (; *names != NULL; names++)
        if (**names != '?' && json_object_get(body, *names) == NULL)
            return refuse_body(exchange, body, "this is missing", *names);
    return body;
}

const char *api_text(const json_t *body, const char *name)
{
    const char *text = json_string_value(json_object_get(body, name));
    return text != NULL ? text : "";
}
