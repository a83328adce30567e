/* People's accounts for tests: requests made here, a store in memory that fails on command,
 * passwords as cheap as the settings allow, and mail in a folder. One world a test; for tests
 * only. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/http_kore/exchange.h"
#include "adapter/store_fake/fake.h"
#include "adapter/token_sodium/ring.h"
#include "loop/testing/until.h"
#include "record/access/field.h"
#include "services/auth/people.h"

#include "tests/api/contract.h"

#include <jansson.h>

enum { ASKED_MAX = 512 };
#define ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define PASSWORD "correct horse battery"
#define GERTRUDE                                                                                   \
    "{\"name\":\"Gertrude\",\"email\":\"Gertrude@Example.org\",\"password\":\"" PASSWORD           \
    "\",\"payout_address\":\"" ADDRESS "\"}"
#define LOGIN(name, password) "{\"name\":\"" name "\",\"password\":\"" password "\"}"

struct fixture {
    struct contract *contract;
    char folder[32];
    struct loop *loop;
    struct metrics *metrics;
    struct settings settings;
    struct store *store;
    struct people *people;
    struct http_site site;
    bool away;
    bool letters_away, notices_away; /* as health is told */
    struct http_exchange *asked[ASKED_MAX];
    size_t asked_count, answered;
    /* the last answer */
    int status;
    json_t *document;
};

extern struct fixture *f;
extern const struct identity_key people_test_key;

#define UNTIL(condition) LOOP_UNTIL(f->loop, condition, "")

/* The service's part alone, on the store that stays. These are in people_inside.c, and for the
 * running process in people_outside.c. */
void start(void);
void stop(void);
void world_open(void);
void world_close(void);
int setup(void **state);
int teardown(void **state);

/* For what only the world in one process can do: a store that fails on command, counts of its
 * writes, other settings. */
#ifdef OUTSIDE
#define INSIDE_ALONE() skip()
#else
#define INSIDE_ALONE() (void)0
#endif

/* A header of `name` NULL ends them. */
struct header {
    const char *name, *value;
};
/* Puts the question; the answer may be there at once. */
void world_ask(struct http_exchange *exchange, struct span body, const struct header *headers);
struct http_exchange *begin(enum exchange_method method, const char *path, const char *peer,
                            struct span body, const struct header *headers);
struct http_exchange *begin_post(const char *path, const char *peer, const char *body);
/* Waits for the answer; its status, with the document (NULL: none) in f. */
int wait_for(const struct http_exchange *exchange);
int post(const char *path, const char *body);
/* Registers and confirms by the letter. */
void enrol(const char *body);
/* GERTRUDE of this name and mailbox, printf's way. */
#define PERSON(name, email)                                                                        \
    "{\"name\":\"" name "\",\"email\":\"" email "\",\"password\":\"" PASSWORD                      \
    "\",\"payout_address\":\"" ADDRESS "\"}"
/* With an Authorization header of "Bearer" and the token; NULL: without. */
int ask_as(const char *token, enum exchange_method method, const char *path, const char *body);
int get_me(const char *authorization);
/* A text of the last answer, "" where it has none of this name. */
const char *text_of(const char *name);
const char *answer_header(const struct http_exchange *exchange, const char *name);
uint64_t metric_of(const char *line);
/* How many events of a kind there are of an account, 0: of all. */
size_t events_counted(uint64_t account_id, const char *kind);

/* Calls `each` with the text of every letter that was sent; the path is its file's. */
void walk_letters(void (*each)(const char *path, const char *text, void *context), void *context);
/* Whether no letter waits to be sent. */
bool letters_are_sent(void);
/* Whether a letter of this subject went to this address, and none waits; with the one-time token in
 * it. */
enum { TOKEN_LETTER_BYTES = 160 };
bool has_letter(const char *to, const char *subject, char *token_r);
void forget_letters(void);
