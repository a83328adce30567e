/* Whose blocks are fewer than chance explains, for operators: what each was to find, what he handed
 * in, and how strong the evidence is (core/luck says what that means). */
#include "services/inode-scheduler/api_access.h"

#include "core/luck/luck.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 100 };

struct sought {
    uint64_t id;
    json_t *name; /* NULL: not found */
};

static bool on_worker(void *context, const struct account_worker *worker)
{
    struct sought *sought = context;
    if (worker->id == sought->id)
        sought->name = json_string(worker->name);
    return sought->name == NULL;
}

static json_t *name_of_worker(struct store *store, uint64_t account, uint64_t worker)
{
    struct sought sought = { .id = worker };
    struct error error;
    if (worker == 0 ||
        worker_walk(store, account, NULL, 0, on_worker, &sought, &error) != STORE_DONE ||
        sought.name == NULL) {
        json_decref(sought.name);
        return json_null();
    }
    return sought.name;
}

static json_t *line_of(struct store *store, const struct lucks_line *line)
{
    struct account account;
    struct error error;
    double expected = (double)line->expected_64ths / 64;
    bool known = account_get(store, line->account, &account, &error) == STORE_DONE;
    json_t *entry = json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:f, s:I, s:i, s:I, s:o}", "account", api_id(line->account),
        "name", known ? json_string(account.name) : json_null(), "worker",
        line->worker == 0 ? json_null() : api_id(line->worker), "worker_name",
        name_of_worker(store, line->account, line->worker), "since",
        (json_int_t)(line->since_ms / 1000), "expected_blocks", expected, "blocks",
        (json_int_t)line->found, "evidence_bits", (int)line->bits, "alarms",
        (json_int_t)line->alarms, "last_alarm",
        line->alarm_ms == 0 ? json_null() : json_integer((json_int_t)(line->alarm_ms / 1000)));
    return entry;
}

static void luck_read(struct api_read *read)
{
    struct lucks_line *lines = calloc(LINES_MAX, sizeof *lines);
    ASSERT(lines != NULL);
    struct lucks *lucks = read->scheduler->lucks;
    size_t count = lucks_worst(lucks, lines, LINES_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, line_of(read->scheduler->api_store, &lines[i]));
    free(lines);
    read->document = json_pack("{s:I, s:i, s:{s:i, s:i, s:i}, s:o}", "tracked",
                               (json_int_t)lucks_count(lucks), "limit", LUCKS_PLACES, "rule",
                               "alarm_bits", LUCK_ALARM_BITS, "least_expected_blocks", LUCK_LEAST,
                               "blocks_a_false_alarm", LUCK_BLOCKS_A_FALSE_ALARM, "lines", list);
}

void api_operator_luck(void *context, struct http_exchange *exchange)
{
    static const struct api_guarded luck = { TOKEN_SCOPE_OPERATOR, luck_read, NULL };
    api_guarded_begin(context, exchange, &luck);
}
