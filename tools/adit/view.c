/* Once a second a worker thread asks the API for one picture of the pool; the loop's thread draws
 * it. What changed between two pictures (a block's state) becomes a line that stays. */
#include "view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/worker.h"
#include "pool.h"
#include "status.h"
#include "terminal.h"

enum { VIEW_BLOCKS = 10, VIEW_PERIOD_MS = 1000, VIEW_PLAIN_PERIODS = 10 };

struct view_block {
    char hash[68];
    char state[16];
    char reward[32];
    int64_t height;
};

struct view_account {
    char immature[32], available[32], in_flight[32], paid[32];
    int64_t shares;
    double hashrate;
    char noise[16];
    bool known;
};

/* One picture. Doubles are display only. */
struct picture {
    bool answered;
    char status[16];
    int64_t miners, shares, valid;
    double hashrate, shares_per_second;
    char noise[16];
    int64_t blocks_found;
    struct view_block blocks[VIEW_BLOCKS];
    size_t block_count;
    struct view_account accounts[PLAN_MINERS];
};

struct view {
    struct loop *loop;
    const struct plan *plan;
    struct pool *pool;
    struct worker *worker;
    struct worker_job job;
    struct loop_timer timer;
    struct picture shown, fresh;
    bool busy, terminal, seen_any;
    unsigned lines; /* drawn now, to be drawn over */
    unsigned periods;
};

static int64_t int_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_real(value) ? (int64_t)json_real_value(value) : json_integer_value(value);
}

static double real_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void text_of(const json_t *object, const char *key, char *text_r, size_t bytes)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(text_r, bytes, "%s", text == NULL ? "" : text);
}

static void read_blocks(struct picture *picture, json_t *answer)
{
    const json_t *list = json_object_get(answer, "blocks");
    size_t index;
    json_t *block;
    json_array_foreach(list, index, block)
    {
        if (picture->block_count == VIEW_BLOCKS)
            break;
        struct view_block *into = &picture->blocks[picture->block_count++];
        text_of(block, "hash", into->hash, sizeof into->hash);
        text_of(block, "state", into->state, sizeof into->state);
        text_of(block, "reward", into->reward, sizeof into->reward);
        into->height = int_of(block, "height");
    }
}

static void take_picture(struct worker_job *job)
{
    struct view *view = (struct view *)((char *)job - offsetof(struct view, job));
    struct picture *picture = &view->fresh;
    *picture = (struct picture){ 0 };
    json_t *status = pool_get(view->pool, "/api/v1/pool/status");
    json_t *statistics = status == NULL ? NULL : pool_get(view->pool, "/api/v1/pool/statistics");
    if (status != NULL) {
        picture->answered = true;
        text_of(status, "status", picture->status, sizeof picture->status);
        picture->miners = int_of(status, "connected_miners");
        picture->shares = int_of(status, "total_shares");
        picture->valid = int_of(status, "valid_shares");
    }
    picture->hashrate = real_of(statistics, "total_hashrate");
    status_noise(statistics, picture->noise, sizeof picture->noise);
    picture->shares_per_second = real_of(statistics, "shares_per_second");
    picture->blocks_found = int_of(statistics, "blocks_found");
    json_decref(status);
    json_decref(statistics);
    if (!picture->answered)
        return;
    json_t *blocks = pool_get(view->pool, "/api/v1/blocks");
    read_blocks(picture, blocks);
    json_decref(blocks);
    for (size_t i = 0; view->plan->demo && i < PLAN_MINERS; i++) {
        char path[200];
        snprintf(path, sizeof path, "/api/v1/accounts/%s", view->plan->miners[i]);
        json_t *answer = pool_get(view->pool, path);
        struct view_account *account = &picture->accounts[i];
        account->known = answer != NULL;
        text_of(answer, "immature", account->immature, sizeof account->immature);
        text_of(answer, "available", account->available, sizeof account->available);
        text_of(answer, "in_flight", account->in_flight, sizeof account->in_flight);
        text_of(answer, "paid", account->paid, sizeof account->paid);
        account->shares = int_of(answer, "shares_accepted");
        account->hashrate = real_of(answer, "hashrate");
        status_noise(answer, account->noise, sizeof account->noise);
        json_decref(answer);
    }
}

/* Base units "4950000000" -> "49.50000000" (eight decimals). */
static const char *coins_text(const char *units, char *text_r, size_t bytes)
{
    size_t length = strlen(units);
    if (length == 0)
        snprintf(text_r, bytes, "0.00000000");
    else if (length <= 8)
        snprintf(text_r, bytes, "0.%0*d%s", (int)(8 - length), 0, units);
    else
        snprintf(text_r, bytes, "%.*s.%s", (int)(length - 8), units, units + length - 8);
    if (length == 8)
        snprintf(text_r, bytes, "0.%s", units);
    return text_r;
}

static void erase(struct view *view)
{
    if (view->terminal && view->lines > 0)
        printf("\033[%uA\033[J", view->lines);
    view->lines = 0;
}

/* No longer than the terminal is wide: what it wrapped could not be drawn over. */
static void PRINTF_LIKE(2, 3) put(struct view *view, const char *format, ...)
{
    char line[512 + 8];
    unsigned columns, rows;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, 512, format, arguments);
    va_end(arguments);
    terminal_size(stdout, &columns, &rows);
    terminal_cut(line, columns);
    puts(line);
    view->lines++;
}

static void draw(struct view *view)
{
    const struct picture *now = &view->shown;
    char rate[32], immature[40], available[40], in_flight[40], paid[40];
    if (!now->answered) {
        put(view, "  the API does not answer yet");
        fflush(stdout);
        return;
    }
    put(view,
        "  pool %s   %s%s   %" PRId64 " miners   %.1f shares/s   %" PRId64 " accepted of %" PRId64,
        now->status, status_rate(now->hashrate, rate, sizeof rate), now->noise, now->miners,
        now->shares_per_second, now->valid, now->shares);
    if (now->block_count > 0)
        put(view, "  blocks %" PRId64 ", last %" PRId64 " %s %.16s…", now->blocks_found,
            now->blocks[0].height, now->blocks[0].state,
            now->blocks[0].hash + (strlen(now->blocks[0].hash) >= 64 ? 48 : 0));
    else
        put(view, "  no block found yet");
    for (size_t i = 0; view->plan->demo && i < PLAN_MINERS; i++) {
        const struct view_account *account = &now->accounts[i];
        if (account->known)
            put(view, "  %.14s… %10s%s  immature %s  available %s  sending %s  paid %s",
                view->plan->miners[i], status_rate(account->hashrate, rate, sizeof rate),
                account->noise, coins_text(account->immature, immature, sizeof immature),
                coins_text(account->available, available, sizeof available),
                coins_text(account->in_flight, in_flight, sizeof in_flight),
                coins_text(account->paid, paid, sizeof paid));
    }
    fflush(stdout);
}

void view_line(struct view *view, const char *text)
{
    erase(view);
    printf("%s\n", text);
    if (view->terminal)
        draw(view);
    fflush(stdout);
}

/* What happened since the last picture. */
static void tell_changes(struct view *view)
{
    const struct picture *now = &view->fresh;
    for (size_t i = now->block_count; i-- > 0;) {
        const struct view_block *block = &now->blocks[i];
        const char *before = NULL;
        for (size_t j = 0; j < view->shown.block_count; j++)
            if (strcmp(view->shown.blocks[j].hash, block->hash) == 0)
                before = view->shown.blocks[j].state;
        if (before != NULL ? strcmp(before, block->state) == 0 : !view->seen_any)
            continue;
        char line[200], coins[40];
        snprintf(line, sizeof line, "block %" PRId64 " %s: %s coins%s", block->height, block->state,
                 coins_text(block->reward, coins, sizeof coins),
                 strcmp(block->state, "matured") == 0 ? " credited for good" : "");
        view_line(view, line);
    }
}

static void picture_taken(struct worker_job *job)
{
    struct view *view = (struct view *)((char *)job - offsetof(struct view, job));
    view->busy = false;
    if (view->fresh.answered) {
        tell_changes(view);
        view->seen_any = true;
    }
    view->shown = view->fresh;
    view->periods++;
    if (view->terminal || view->periods % VIEW_PLAIN_PERIODS == 1) {
        erase(view);
        draw(view);
    }
}

static void on_due(void *context)
{
    struct view *view = context;
    if (!view->busy)
        view->busy = worker_submit(view->worker, &view->job);
}

struct view *view_create(struct loop *loop, const struct plan *plan)
{
    struct view *view = calloc(1, sizeof *view);
    struct error error;
    if (view == NULL)
        return NULL;
    *view = (struct view){ .loop = loop, .plan = plan, .terminal = isatty(STDOUT_FILENO) == 1 };
    view->job = (struct worker_job){ .work = take_picture, .done = picture_taken };
    view->timer = (struct loop_timer){ .on_due = on_due, .context = view };
    view->pool = pool_open(&plan->settings);
    view->worker = view->pool == NULL ? NULL : worker_create(loop, "view", 1, 2, &error);
    if (view->worker == NULL) {
        if (view->pool != NULL)
            pool_close(view->pool);
        free(view);
        return NULL;
    }
    loop_timer_start(loop, &view->timer, 0, VIEW_PERIOD_MS);
    return view;
}

void view_destroy(struct view *view)
{
    loop_timer_stop(view->loop, &view->timer);
    worker_destroy(view->worker);
    pool_close(view->pool);
    free(view);
}
