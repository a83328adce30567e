#include "services/inode-scheduler/submit.h"

#include "loop/worker.h"
#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RETRY_MIN_MS = 500,
    RETRY_MAX_MS = 10000,
    GIVE_UP_MS = 3600 * 1000, /* a block this old is found on the chain, or is worth nothing */
    HISTORY_MAX = 128,
};

struct offer;

/* One block at one node. */
struct
try {
    struct worker_job job;
    struct offer *offer;
    size_t node;
    bool under_way;
    bool final;
    bool refused;
    unsigned attempts;
    enum node_submit submit;
    char answer[SUBMIT_ANSWER_BYTES];
    uint64_t took_us;
};

struct offer {
    struct submitter *submitter;
    uint8_t hash[32];
    uint8_t *bytes;
    size_t length;
    uint64_t since_ms;
    unsigned pause_ms;
    struct loop_timer retry;
    struct try tries[SUBMIT_NODES_MAX];
};

struct submitter {
    struct submit_options options;
    struct node *nodes[SUBMIT_NODES_MAX];
    struct worker *workers[SUBMIT_NODES_MAX];
    struct offer *offers[SUBMIT_BLOCKS_MAX];
    size_t offers_count;
    bool closing;
    struct submit_history history[HISTORY_MAX]; /* ring */
    size_t history_next, history_count;
};

static void try_work(struct worker_job *job)
{
    struct try *try = (struct try *)job;
    struct offer *offer = try->offer;
    uint64_t began = loop_clock_ns();
    try->submit =
        node_submit(offer->submitter->nodes[try->node], span_of(offer->bytes, offer->length),
                    try->answer, sizeof try->answer);
    try->took_us = (loop_clock_ns() - began) / 1000;
}

static bool is_under_way(const struct offer *offer)
{
    for (size_t i = 0; i < offer->submitter->options.count; i++)
        if (offer->tries[i].under_way)
            return true;
    return false;
}

static bool all_final(const struct offer *offer, bool *all_refused_r)
{
    *all_refused_r = true;
    for (size_t i = 0; i < offer->submitter->options.count; i++) {
        if (!offer->tries[i].final)
            return false;
        *all_refused_r = *all_refused_r && offer->tries[i].refused;
    }
    return true;
}

static void drop(struct offer *offer)
{
    struct submitter *submitter = offer->submitter;
    for (size_t i = 0; i < submitter->offers_count; i++)
        if (submitter->offers[i] == offer) {
            submitter->offers[i] = submitter->offers[--submitter->offers_count];
            break;
        }
    loop_timer_stop(submitter->options.loop, &offer->retry);
    free(offer->bytes);
    free(offer);
}

static struct submit_history *next_line(struct submitter *submitter)
{
    struct submit_history *line = &submitter->history[submitter->history_next];
    submitter->history_next = (submitter->history_next + 1) % HISTORY_MAX;
    if (submitter->history_count < HISTORY_MAX)
        submitter->history_count++;
    return line;
}

void submitter_heard(struct submitter *submitter, const uint8_t hash[32], size_t node,
                     const char *answer, uint64_t took_us)
{
    struct submit_history *line = next_line(submitter);
    *line = (struct submit_history){ .node = node,
                                     .at_ms = loop_unix_ms(),
                                     .took_us = took_us,
                                     .attempts = 1,
                                     .by_validator = true };
    memcpy(line->hash, hash, 32);
    snprintf(line->answer, sizeof line->answer, "%s", answer);
}

static void note(struct submitter *submitter, const struct try *try)
{
    struct submit_history *line = next_line(submitter);
    *line = (struct submit_history){ .node = try->node,
                                     .submit = try->submit,
                                     .at_ms = loop_unix_ms(),
                                     .took_us = try->took_us,
                                     .attempts = try->attempts };
    memcpy(line->hash, try->offer->hash, 32);
    snprintf(line->answer, sizeof line->answer, "%s", try->answer);
}

static void settle(struct offer *offer)
{
    struct submitter *submitter = offer->submitter;
    bool all_refused;
    if (is_under_way(offer))
        return;
    if (submitter->closing) {
        drop(offer);
        return;
    }
    if (all_final(offer, &all_refused)) {
        if (all_refused)
            submitter->options.on_refused(submitter->options.context, offer->hash);
        drop(offer);
        return;
    }
    if (loop_now_ms(submitter->options.loop) - offer->since_ms > GIVE_UP_MS) {
        log_error("block.not_submitted", "reason=\"no node answered within an hour\"");
        drop(offer);
        return;
    }
    offer->pause_ms = offer->pause_ms == 0 ? RETRY_MIN_MS : offer->pause_ms * 2;
    if (offer->pause_ms > RETRY_MAX_MS)
        offer->pause_ms = RETRY_MAX_MS;
    loop_timer_start(submitter->options.loop, &offer->retry, offer->pause_ms, 0);
}

static void try_done(struct worker_job *job)
{
    struct try *try = (struct try *)job;
    struct offer *offer = try->offer;
    struct submitter *submitter = offer->submitter;
    bool first = try->attempts++ == 0;
    try->under_way = false;
    if (submitter->closing) {
        settle(offer);
        return;
    }
    try->final = try->submit != NODE_SUBMIT_UNREACHED;
    try->refused = try->submit == NODE_SUBMIT_REJECTED;
    note(submitter, try);
    if (first || try->final)
        submitter->options.on_answer(submitter->options.context, offer->hash, try->node,
                                     try->submit, try->answer);
    settle(offer);
}

static void send(struct offer *offer)
{
    struct submitter *submitter = offer->submitter;
    for (size_t i = 0; i < submitter->options.count; i++) {
        struct try *try = &offer->tries[i];
        if (try->final || try->under_way)
            continue;
        try->job = (struct worker_job){ .work = try_work, .done = try_done };
        try->under_way = worker_submit(submitter->workers[i], &try->job);
    }
    settle(offer); /* where every queue was full: try later */
}

static void on_retry(void *context)
{
    send(context);
}

static struct offer *find(const struct submitter *submitter, const uint8_t hash[32])
{
    for (size_t i = 0; i < submitter->offers_count; i++)
        if (memcmp(submitter->offers[i]->hash, hash, 32) == 0)
            return submitter->offers[i];
    return NULL;
}

bool submitter_offer(struct submitter *submitter, const uint8_t hash[32], uint8_t *bytes,
                     size_t length)
{
    if (submitter->closing || submitter->offers_count == SUBMIT_BLOCKS_MAX ||
        find(submitter, hash) != NULL) {
        free(bytes);
        return false;
    }
    struct offer *offer = calloc(1, sizeof *offer);
    ASSERT(offer != NULL);
    offer->submitter = submitter;
    offer->bytes = bytes;
    offer->length = length;
    offer->since_ms = loop_now_ms(submitter->options.loop);
    offer->retry = (struct loop_timer){ .on_due = on_retry, .context = offer };
    memcpy(offer->hash, hash, 32);
    for (size_t i = 0; i < submitter->options.count; i++) {
        offer->tries[i].offer = offer;
        offer->tries[i].node = i;
    }
    submitter->offers[submitter->offers_count++] = offer;
    send(offer);
    return true;
}

size_t submitter_history(const struct submitter *submitter, struct submit_history *history_r,
                         size_t capacity)
{
    size_t count = submitter->history_count < capacity ? submitter->history_count : capacity;
    for (size_t i = 0; i < count; i++)
        history_r[i] =
            submitter->history[(submitter->history_next + HISTORY_MAX - 1 - i) % HISTORY_MAX];
    return count;
}

struct submitter *submitter_create(const struct submit_options *options, struct error *error)
{
    ASSERT(options->count >= 1 && options->count <= SUBMIT_NODES_MAX);
    struct submitter *submitter = calloc(1, sizeof *submitter);
    ASSERT(submitter != NULL);
    submitter->options = *options;
    for (size_t i = 0; i < options->count; i++) {
        submitter->workers[i] = worker_create(options->loop, "submit", 1, SUBMIT_BLOCKS_MAX, error);
        if (submitter->workers[i] == NULL) {
            while (i-- > 0)
                worker_destroy(submitter->workers[i]);
            free(submitter);
            return NULL;
        }
    }
    for (size_t i = 0; i < options->count; i++)
        submitter->nodes[i] = options->nodes[i];
    submitter->options.nodes = NULL;
    return submitter;
}

void submitter_destroy(struct submitter *submitter)
{
    if (submitter == NULL)
        return;
    submitter->closing = true;
    for (size_t i = 0; i < submitter->options.count; i++)
        node_interrupt(submitter->nodes[i]);
    for (size_t i = 0; i < submitter->options.count; i++) {
        worker_destroy(submitter->workers[i]);
        node_close(submitter->nodes[i]);
    }
    while (submitter->offers_count > 0)
        drop(submitter->offers[0]);
    free(submitter);
}
