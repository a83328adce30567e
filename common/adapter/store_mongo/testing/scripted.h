/* A MongoDB of lies for one test: it says that it is the primary of a replica set, and answers
 * every other command as the test's function decides. For what a healthy server never does:
 * elections, write-concern time-outs, answers that are lost. One thread of its own; the function is
 * called on it. */
#pragma once
#include <bson/bson.h>
#include <stdbool.h>

struct scripted;

/* `list` holds the documents of the command's second section (documents, updates, deletes) as an
 * array, or nothing. Fills *reply_r; false: hangs up without an answer. */
typedef bool (*scripted_answer)(void *context, const char *command, const bson_t *request,
                                const bson_t *list, bson_t *reply_r);

/* Never NULL. `url_r` holds at least 128 bytes. */
struct scripted *scripted_start(scripted_answer answer, void *context, char *url_r);
void scripted_stop(struct scripted *scripted);
