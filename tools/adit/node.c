/* adit node: what the nodes say, which is mined on, the jobs made of it, and what became of our
 * blocks at each node; asked of the scheduler that leads, over its private socket. 0: done; 1: no
 * scheduler answers, or none that leads; 64: wrong use. */
#include "commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "loop/loop.h"
#include "plan.h"
#include "wire/messages.h"

enum { ANSWER_MS = 10000, CELLS_MAX = 16 };

/* What each cell behind a line's first word is: n a number, b a flag, t text. */
static const struct shape {
    const char *word, *list, *kinds;
    const char *names[CELLS_MAX];
} shapes[] = {
    { "epoch", NULL, "nt", { "epoch", "role" } },
    { "node",
      "nodes",
      "ttbntnnnt",
      { "name", "standing", "usable", "height", "tip", "tip_ms", "template_ms", "answer_us",
        "reason" } },
    { "job",
      "jobs",
      "tnnnttbb",
      { "job", "time_ms", "height", "transactions", "value", "node", "clean", "alive" } },
    { "submission",
      "submissions",
      "ntttnnt",
      { "time_ms", "block", "node", "by", "attempts", "took_us", "answer" } },
};

static json_t *cell_of(char kind, const char *text)
{
    return kind == 'n'   ? json_integer(strtoll(text, NULL, 10))
           : kind == 'b' ? json_boolean(text[0] == '1')
                         : json_string(text);
}

/* Reads a line of the table into the document; a line of another version is passed over. */
static void read_line(json_t *document, char *line)
{
    const char *word = strsep(&line, "\t");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *shape = &shapes[i];
        if (strcmp(word, shape->word) != 0)
            continue;
        json_t *object = shape->list != NULL ? json_object() : document;
        const char *cell;
        for (size_t k = 0; shape->kinds[k] != '\0' && (cell = strsep(&line, "\t")) != NULL; k++)
            json_object_set_new(object, shape->names[k], cell_of(shape->kinds[k], cell));
        if (shape->list != NULL)
            json_array_append_new(json_object_get(document, shape->list), object);
    }
}

static json_t *read_table(char *text)
{
    json_t *document = json_object();
    char *line;
    json_object_set_new(document, "asked_ms", json_integer((json_int_t)loop_unix_ms()));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].list != NULL)
            json_object_set_new(document, shapes[i].list, json_array());
    while ((line = strsep(&text, "\n")) != NULL)
        if (*line != '\0')
            read_line(document, line);
    return document;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static int64_t number_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* "3.2 s ago", or "-" where it never was. */
static const char *age(const json_t *document, int64_t at_ms, char text_r[32])
{
    double seconds = (double)(number_at(document, "asked_ms") - at_ms) / 1000;
    snprintf(text_r, 32, at_ms == 0 ? "-" : "%.1f s ago", seconds);
    return text_r;
}

static void print_document(const json_t *document)
{
    size_t index;
    const json_t *line;
    char at[32], other[32];
    json_array_foreach(json_object_get(document, "nodes"), index, line)
    {
        printf("%s%-24s %-12s height %" PRId64
               " %.16s.. tip %s, template %s, answers in %.1f ms%s%s\n",
               json_is_true(json_object_get(line, "usable")) ? "  " : "! ", text_at(line, "name"),
               text_at(line, "standing"), number_at(line, "height"), text_at(line, "tip"),
               age(document, number_at(line, "tip_ms"), at),
               age(document, number_at(line, "template_ms"), other),
               (double)number_at(line, "answer_us") / 1000,
               *text_at(line, "reason") != '\0' ? ": " : "", text_at(line, "reason"));
    }
    printf("jobs of epoch %" PRId64 ", newest first\n", number_at(document, "epoch"));
    json_array_foreach(json_object_get(document, "jobs"), index, line)
    {
        printf(
            "  %s  %-12s height %" PRId64 ", %" PRId64 " transactions, %s base units, of %s%s%s\n",
            text_at(line, "job"), age(document, number_at(line, "time_ms"), at),
            number_at(line, "height"), number_at(line, "transactions"), text_at(line, "value"),
            text_at(line, "node"), json_is_true(json_object_get(line, "clean")) ? ", new tip" : "",
            json_is_true(json_object_get(line, "alive")) ? "" : ", retired");
    }
    printf("blocks submitted, newest first\n");
    json_array_foreach(json_object_get(document, "submissions"), index, line)
    {
        printf("  %s  %-12s %s: %s (to the %s, attempt %" PRId64 ", %.1f ms)\n",
               text_at(line, "block"), age(document, number_at(line, "time_ms"), at),
               text_at(line, "node"), text_at(line, "answer"), text_at(line, "by"),
               number_at(line, "attempts"), (double)number_at(line, "took_us") / 1000);
    }
}

/* Asks each scheduler there is for the table; that of the leader is printed. */
static int ask_leader(const struct options *options, const struct settings *settings)
{
    char urls[4097];
    char *rest = urls, *url;
    bool answered = false;
    uint8_t bytes[256];
    const struct wire_control_request request = { .verb = "table", .argument = "" };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    snprintf(urls, sizeof urls, "%s", settings->service_scheduler_url);
    while ((url = strsep(&rest, ",")) != NULL) {
        static struct asking asking;
        if (!ask_process(settings, url, span_of(bytes, length), ANSWER_MS, &asking) || !asking.ok)
            continue;
        answered = true;
        json_t *document = read_table(asking.text);
        bool leads = strcmp(text_at(document, "role"), "leads") == 0;
        if (leads && options->json)
            json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER), putchar('\n');
        else if (leads)
            print_document(document);
        json_decref(document);
        if (leads)
            return 0;
    }
    fprintf(stderr, "adit: no scheduler %s at %s\n", answered ? "leads" : "answers",
            settings->service_scheduler_url);
    return 1;
}

int command_node(const struct options *options)
{
    struct settings settings;
    struct error error;
    char data_dir[80];
    if (options->rest_count > 0) {
        fprintf(stderr, "usage: adit node [--json] [--config FILE] [--data DIR]\n");
        return 64;
    }
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    int code = ask_leader(options, &settings);
    settings_deinit(&settings);
    return code;
}
