#include "tests/api/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct contract {
    json_t *document;
};

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    long length = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length >= 0 && fseek(file, 0, SEEK_SET) == 0)
        text = calloc(1, (size_t)length + 1);
    if (text != NULL && fread(text, 1, (size_t)length, file) != (size_t)length) {
        free(text);
        text = NULL;
    }
    if (file != NULL)
        fclose(file);
    return text;
}

struct contract *contract_open(void)
{
    const char *source = getenv("ADIT_SOURCE");
    char path[4200];
    size_t line = 0;
    snprintf(path, sizeof path, "%s/docs/api/openapi.yaml", source != NULL ? source : ".");
    char *text = read_whole(path);
    struct contract *contract = text != NULL ? calloc(1, sizeof *contract) : NULL;
    if (contract != NULL)
        contract->document = yaml_read(text, &line);
    free(text);
    if (contract != NULL && contract->document != NULL)
        return contract;
    fprintf(stderr, "%s cannot be read, line %zu\n", path, line);
    free(contract);
    return NULL;
}

void contract_close(struct contract *contract)
{
    if (contract == NULL)
        return;
    json_decref(contract->document);
    free(contract);
}

/* Whether a path fits a pattern with {names}. */
static bool fits(const char *pattern, const char *path)
{
    while (*pattern != '\0' && *path != '\0') {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");
            if (length == 0)
                return false;
            pattern += strcspn(pattern, "}") + 1;
            path += length;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == *path;
}

static const json_t *find(const struct contract *contract, const char *method, const char *path)
{
    const char *pattern;
    json_t *item;
    json_object_foreach(json_object_get(contract->document, "paths"), pattern, item)
    {
        if (fits(pattern, path) && json_object_get(item, method) != NULL)
            return json_object_get(item, method);
    }
    return NULL;
}

bool contract_has(const struct contract *contract, const char *method, const char *path)
{
    return find(contract, method, path) != NULL;
}

size_t contract_count(const struct contract *contract, const char *tag)
{
    const char *key;
    json_t *item, *operation;
    size_t count = 0;
    json_object_foreach(json_object_get(contract->document, "paths"), key, item)
    {
        const char *method;
        json_object_foreach(item, method, operation)
        {
            const json_t *tags = json_object_get(operation, "tags");
            const char *first = json_string_value(json_array_get(tags, 0));
            count += first != NULL && strcmp(first, tag) == 0;
        }
    }
    return count;
}

void contract_each(const struct contract *contract,
                   void (*visit)(void *context, const char *method, const char *path,
                                 const json_t *operation),
                   void *context)
{
    const char *path, *method;
    json_t *item, *operation;
    json_object_foreach(json_object_get(contract->document, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            visit(context, method, path, operation);
        }
    }
}

static bool is_money(const char *key)
{
    static const char *const names[] = { "amount", "immature",  "available", "in_flight", "paid",
                                         "owed",   "insolvent", "job_value", "reward",    NULL };
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], key) == 0)
            return true;
    return false;
}

static bool is_base_units(const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        return false;
    text += *text == '-';
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* The first that is money and not told as money is; *any_r: there is some. NULL: none. */
static const char *find_bad_money(json_t *value, bool *any_r)
{
    const char *key, *bad = NULL;
    json_t *inner;
    size_t i;
    json_array_foreach(value, i, inner)
    {
        bad = bad != NULL ? bad : find_bad_money(inner, any_r);
    }
    json_object_foreach(value, key, inner)
    {
        if (bad != NULL)
            break;
        if (is_money(key) && !json_is_null(inner)) {
            *any_r = true;
            bad = is_base_units(inner) ? NULL : key;
        } else {
            bad = find_bad_money(inner, any_r);
        }
    }
    return bad;
}

bool money_check(json_t *document, char *why_r, size_t bytes)
{
    bool any = false;
    const char *bad = find_bad_money(document, &any);
    if (bad != NULL)
        snprintf(why_r, bytes, "\"%s\" is money and not text in base units", bad);
    else if (any && !json_is_integer(json_object_get(document, "exponent")))
        snprintf(why_r, bytes, "there is money without the coin's exponent beside it");
    else
        return true;
    return false;
}

/* A response by reference, or as it stands. */
static const json_t *response_of(const struct contract *contract, const json_t *operation,
                                 int status)
{
    char text[16];
    snprintf(text, sizeof text, "%d", status);
    const json_t *response = json_object_get(json_object_get(operation, "responses"), text);
    const char *ref = json_string_value(json_object_get(response, "$ref"));
    static const char where[] = "#/components/responses/";
    if (ref == NULL || strncmp(ref, where, sizeof where - 1) != 0)
        return response;
    const json_t *components = json_object_get(contract->document, "components");
    return json_object_get(json_object_get(components, "responses"), ref + sizeof where - 1);
}

static const json_t *schema_of(const json_t *holder, const char *content_type)
{
    const json_t *content = json_object_get(holder, "content");
    return json_object_get(json_object_get(content, content_type), "schema");
}

/* The first hashrate that has no error beside it; NULL: there is none. */
static const char *find_bare_rate(json_t *value)
{
    const char *key, *bare = NULL;
    json_t *child;
    size_t i;
    bool sure = json_object_get(value, "error") != NULL ||
                json_object_get(value, "hashrate_errors") != NULL;
    json_object_foreach(value, key, child)
    {
        bool is_rate = strstr(key, "hashrate") != NULL && strcmp(key, "hashrate_errors") != 0;
        bare = bare != NULL ? bare : is_rate && !sure ? key : find_bare_rate(child);
    }
    json_array_foreach(value, i, child)
    {
        bare = bare != NULL ? bare : find_bare_rate(child);
    }
    return bare;
}

bool rates_check(json_t *document, char *why_r, size_t bytes)
{
    const char *bare = find_bare_rate(document);
    if (bare != NULL)
        snprintf(why_r, bytes, "\"%s\" is an estimate without its error beside it", bare);
    return bare == NULL;
}

bool contract_fits(const struct contract *contract, const char *name, json_t *document, char *why_r,
                   size_t bytes)
{
    const json_t *schemas =
        json_object_get(json_object_get(contract->document, "components"), "schemas");
    const json_t *schema = json_object_get(schemas, name);
    snprintf(why_r, bytes, "%s is not described", name);
    return schema != NULL && schema_check(contract->document, schema, document, why_r, bytes) &&
           money_check(document, why_r, bytes) && rates_check(document, why_r, bytes);
}

bool contract_check(const struct contract *contract, const struct contract_answer *answer,
                    char *why_r, size_t bytes)
{
    char why[512];
    const json_t *operation = find(contract, answer->method, answer->path);
    const json_t *response =
        operation != NULL ? response_of(contract, operation, answer->status) : NULL;
    snprintf(why_r, bytes, "%s %s: %d is not described", answer->method, answer->path,
             answer->status);
    if (response == NULL)
        return false;
    snprintf(why_r, bytes, "%s %s, %d: another body than is described (%s)", answer->method,
             answer->path, answer->status, answer->content_type);
    if ((answer->content_type == NULL) != (json_object_get(response, "content") == NULL))
        return false;
    if (answer->content_type != NULL) {
        const json_t *schema = schema_of(response, answer->content_type);
        if (schema == NULL || answer->document == NULL)
            return false;
        if (!schema_check(contract->document, schema, answer->document, why, sizeof why) ||
            !money_check(answer->document, why, sizeof why) ||
            !rates_check(answer->document, why, sizeof why)) {
            snprintf(why_r, bytes, "%s %s, %d: %s", answer->method, answer->path, answer->status,
                     why);
            return false;
        }
    }
    if (answer->request == NULL)
        return true;
    const json_t *schema = schema_of(json_object_get(operation, "requestBody"), "application/json");
    if (schema != NULL &&
        schema_check(contract->document, schema, answer->request, why, sizeof why))
        return true;
    snprintf(why_r, bytes, "%s %s was taken, and its request is not as described: %s",
             answer->method, answer->path, schema != NULL ? why : "no body");
    return false;
}
