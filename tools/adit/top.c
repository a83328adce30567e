/* `adit top`: what `adit status` says, again each second, cut to the terminal, until it is ended.
 * While the API does not answer the last picture stays, under a line that says how old it is. Where
 * standard output is no terminal, a page every ten seconds. Blocking; one thread. */
#include "commands.h"
#include "lock.h"
#include "pool.h"
#include "status.h"
#include "terminal.h"

#include "loop/loop.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

enum { PERIOD_MS = 1000, PLAIN_PERIOD_MS = 10000 };

struct top {
    const char *data_dir, *address;
    struct status_picture picture; /* the last that was answered; status NULL: none ever was */
    bool answered;                 /* just now */
    bool terminal;
    unsigned columns, rows, lines; /* lines: of this page, so far */
};

static void put_line(void *context, const char *line)
{
    struct top *top = context;
    if (top->rows > 0 && top->lines + 1 >= top->rows)
        return; /* the last row is left empty, so that nothing scrolls */
    top->lines++;
    printf(top->terminal ? "%s\033[K\n" : "%s\n", line);
}

static void PRINTF_LIKE(2, 3) say(struct top *top, const char *format, ...)
{
    char line[STATUS_LINE_BYTES + 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, STATUS_LINE_BYTES, format, arguments);
    va_end(arguments);
    terminal_cut(line, top->columns);
    put_line(top, line);
}

static void look(struct top *top, struct pool *pool)
{
    json_t *status = pool_get(pool, "/api/v1/pool/status");
    top->answered = status != NULL;
    if (status == NULL)
        return;
    json_decref(top->picture.status);
    json_decref(top->picture.statistics);
    json_decref(top->picture.blocks);
    top->picture = (struct status_picture){ .status = status,
                                            .statistics = pool_get(pool, "/api/v1/pool/statistics"),
                                            .blocks = pool_get(pool, "/api/v1/blocks"),
                                            .now_ms = loop_unix_ms() };
}

static void say_away(struct top *top)
{
    const uint64_t now_ms = loop_unix_ms(), seen_ms = top->picture.now_ms;
    char span[24];
    const bool supervised = lock_owner(top->data_dir) != 0;
    if (supervised)
        say(top, "!! http://%s does not answer", top->address);
    else
        say(top, "!! no pool runs on %s", top->data_dir);
    if (top->picture.status != NULL)
        say(top, "     what follows is %s old",
            status_span(now_ms > seen_ms ? now_ms - seen_ms : 0, span, sizeof span));
    else
        say(top, "     -> %s",
            supervised ? "look at ./adit logs inode-scheduler" : "start it: ./adit up");
}

static void draw(struct top *top)
{
    terminal_size(stdout, &top->columns, &top->rows);
    top->terminal = top->rows > 0;
    top->lines = 0;
    if (top->terminal)
        printf("\033[H");
    if (!top->answered)
        say_away(top);
    if (top->picture.status != NULL)
        status_lines(&top->picture, top->columns, put_line, top);
    printf(top->terminal ? "\033[J" : "\n");
}

static void on_resize(int signal_number)
{
    (void)signal_number;
}

int command_top(const struct options *options)
{
    char data_dir[80];
    struct settings settings;
    struct error error;
    if (!command_find_pool(options, data_dir, sizeof data_dir, &settings, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    struct pool *pool = pool_open(&settings);
    if (pool == NULL) {
        fprintf(stderr, "adit: no memory\n");
        return 1;
    }
    struct top top = { .data_dir = data_dir, .address = settings.scheduler_http_address };
    terminal_size(stdout, &top.columns, &top.rows);
    if (top.rows > 0) {
        printf("\033[2J");
        /* so that it ends the pause: the page is drawn anew for the new size at once */
        (void)signal(SIGWINCH, on_resize);
    }
    for (;;) { /* until Ctrl-C */
        look(&top, pool);
        draw(&top);
        if (fflush(stdout) != 0)
            return 1; /* nobody reads it any more */
        (void)poll(NULL, 0, top.terminal ? PERIOD_MS : PLAIN_PERIOD_MS);
    }
}
