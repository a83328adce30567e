/* Whether an answer of ours is as docs/api/openapi.yaml says: its path, method and status are
 * there, its content type, and its document fits the schema; and what was asked, where it was
 * taken, fits too. For tests; one thread. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct contract;

/* The file ADIT_SOURCE/docs/api/openapi.yaml. NULL where it cannot be read, with the reason on
 * stderr. Caller owns. */
struct contract *contract_open(void);
void contract_close(struct contract *contract);

struct contract_answer {
    const char *method; /* "get" */
    const char *path;   /* "/api/v1/me/keys/0011", without a query */
    int status;
    const char *content_type; /* NULL: no body */
    const json_t *request;    /* NULL: none, or it was not taken */
    json_t *document;         /* NULL: no body */
};
/* False with the reason. */
bool contract_check(const struct contract *contract, const struct contract_answer *answer,
                    char *why_r, size_t bytes);
/* The same of a document that comes on another way: whether it fits a schema by its name. */
bool contract_fits(const struct contract *contract, const char *schema, json_t *document,
                   char *why_r, size_t bytes);
/* Whether a path (with `{}` for each parameter) and method are described. */
bool contract_has(const struct contract *contract, const char *method, const char *path);
/* How many operations a service's tag has. */
size_t contract_count(const struct contract *contract, const char *tag);

/* Every operation that is described. */
void contract_each(const struct contract *contract,
                   void (*visit)(void *context, const char *method, const char *path,
                                 const json_t *operation),
                   void *context);

/* The parts, for their own test. */
/* Whether all money in a document is text in base units, with the coin's exponent beside it at the
 * document's top. contract_check asks this of each answer. */
bool money_check(json_t *document, char *why_r, size_t bytes);
/* Whether each hashrate in a document has its statistical error beside it. contract_check asks this
 * of each answer, and contract_fits. */
bool rates_check(json_t *document, char *why_r, size_t bytes);
/* The plain kind of YAML: maps and lists by indentation, scalars on one line, [flow, lists] of
 * scalars. NULL with the line where it is something else. */
json_t *yaml_read(const char *text, size_t *line_r);
/* `root` is where $ref leads. A keyword that is not known here is a failure, so that no schema says
 * what nobody checks. */
bool schema_check(const json_t *root, const json_t *schema, const json_t *value, char *why_r,
                  size_t bytes);
