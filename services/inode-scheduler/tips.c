#include "services/inode-scheduler/tips.h"

#include "loop/deadline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PULSE_NS UINT64_C(1000000000)

struct watcher {
    struct tips *tips;
    struct node *node;
    size_t index;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool nudged;
    uint8_t nudge[32];
    /* the thread's own: what was told last */
    uint8_t known[32];
    enum node_answer told;
    uint64_t told_ns;
};

struct tips {
    struct tips_options options;
    _Atomic size_t under_way; /* messages posted and not yet run */
    bool closing;
    struct watcher list[];
};

/* From a thread to the loop. */
struct message {
    struct loop_task task;
    struct watcher *watcher;
    bool has_tip;
    struct node_tip tip;
    uint64_t noticed_ns;
    enum node_answer answer;
    uint64_t took_us;
    char trouble[sizeof((struct error *)0)->text];
};

static void on_message(struct loop_task *task)
{
    struct message *message = (struct message *)task;
    struct tips *tips = message->watcher->tips;
    const struct tips_options *options = &tips->options;
    if (!tips->closing)
        options->on_pulse(options->context, message->watcher->index, message->answer,
                          message->took_us, message->trouble);
    if (!tips->closing && message->has_tip)
        options->on_tip(options->context, message->watcher->index, &message->tip,
                        message->noticed_ns);
    atomic_fetch_sub(&tips->under_way, 1);
    free(message);
}

static void post(struct watcher *watcher, const struct node_tip *tip, uint64_t noticed_ns,
                 enum node_answer answer, uint64_t took_us, const struct error *error)
{
    struct message *message = calloc(1, sizeof *message);
    if (message == NULL)
        return; /* the template will tell */
    message->task.run = on_message;
    message->watcher = watcher;
    message->answer = answer;
    message->took_us = took_us;
    message->has_tip = tip != NULL;
    message->noticed_ns = noticed_ns;
    if (tip != NULL)
        message->tip = *tip;
    if (answer != NODE_OK)
        snprintf(message->trouble, sizeof message->trouble, "%s", error->text);
    atomic_fetch_add(&watcher->tips->under_way, 1);
    loop_post(watcher->tips->options.loop, &message->task);
}

/* Waits for a nudge or the next time to ask. False: stop. *hash_r is the nudge's where there was
 * one. */
static bool rest(struct watcher *watcher, bool *nudged_r, uint8_t hash_r[32])
{
    unsigned poll_ms = watcher->tips->options.poll_ms;
    uint64_t end_ns = loop_clock_ns() + (uint64_t)poll_ms * 1000000;
    pthread_mutex_lock(&watcher->lock);
    while (!watcher->stopping && !watcher->nudged)
        if (poll_ms == 0)
            pthread_cond_wait(&watcher->wake, &watcher->lock);
        else if (!deadline_wait(&watcher->wake, &watcher->lock, end_ns))
            break;
    *nudged_r = watcher->nudged;
    watcher->nudged = false;
    memcpy(hash_r, watcher->nudge, 32);
    bool go_on = !watcher->stopping;
    pthread_mutex_unlock(&watcher->lock);
    return go_on;
}

/* Asks for the best block, unless a nudge has named it, and what there is to know of a new one. */
static void look(struct watcher *watcher, bool nudged, uint8_t hash[32])
{
    struct node_tip tip;
    struct error error = { .text = "it does not know its own tip" };
    uint64_t began_ns = loop_clock_ns();
    enum node_answer answer = nudged ? NODE_OK : node_best(watcher->node, hash, &error);
    const uint64_t noticed_ns = loop_clock_ns();
    bool new = answer == NODE_OK &&memcmp(hash, watcher->known, 32) != 0;
    if (new)
        answer = node_tip(watcher->node, hash, &tip, &error);
    uint64_t now_ns = loop_clock_ns();
    if (new &&answer == NODE_OK)
        memcpy(watcher->known, hash, 32);
    else if (watcher->told == answer && now_ns - watcher->told_ns < PULSE_NS)
        return; /* nothing new: said once a second */
    watcher->told = answer;
    watcher->told_ns = now_ns;
    post(watcher, new &&answer == NODE_OK ? &tip : NULL, noticed_ns, answer,
         (now_ns - began_ns) / 1000, &error);
}

static void *run(void *context)
{
    struct watcher *watcher = context;
    uint8_t hash[32];
    bool nudged;
    while (rest(watcher, &nudged, hash))
        look(watcher, nudged, hash);
    return NULL;
}

struct tips *tips_create(const struct tips_options *options, struct error *error)
{
    struct tips *tips = calloc(1, sizeof *tips + options->count * sizeof *tips->list);
    if (tips == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the threads that watch for tips");
        for (size_t i = 0; i < options->count; i++)
            node_close(options->nodes[i]);
        return NULL;
    }
    tips->options = *options;
    tips->options.nodes = NULL;
    for (size_t i = 0; i < options->count; i++) {
        struct watcher *watcher = &tips->list[i];
        watcher->tips = tips;
        watcher->index = i;
        watcher->node = options->nodes[i];
        pthread_mutex_init(&watcher->lock, NULL);
        deadline_cond_init(&watcher->wake);
    }
    for (size_t i = 0; i < options->count; i++) {
        struct watcher *watcher = &tips->list[i];
        int result = pthread_create(&watcher->thread, NULL, run, watcher);
        if (result != 0) {
            error_fill_system(error, result, "a thread that watches for tips cannot be started");
            tips_destroy(tips);
            return NULL;
        }
        watcher->started = true;
    }
    return tips;
}

void tips_nudge(struct tips *tips, size_t node, const uint8_t hash[32])
{
    struct watcher *watcher = &tips->list[node];
    pthread_mutex_lock(&watcher->lock);
    watcher->nudged = true;
    memcpy(watcher->nudge, hash, 32);
    pthread_cond_signal(&watcher->wake);
    pthread_mutex_unlock(&watcher->lock);
}

void tips_destroy(struct tips *tips)
{
    if (tips == NULL)
        return;
    tips->closing = true;
    for (size_t i = 0; i < tips->options.count; i++) {
        struct watcher *watcher = &tips->list[i];
        if (!watcher->started)
            continue;
        pthread_mutex_lock(&watcher->lock);
        watcher->stopping = true;
        pthread_cond_signal(&watcher->wake);
        pthread_mutex_unlock(&watcher->lock);
        node_interrupt(watcher->node);
    }
    for (size_t i = 0; i < tips->options.count; i++) {
        struct watcher *watcher = &tips->list[i];
        if (watcher->started)
            pthread_join(watcher->thread, NULL);
        if (watcher->node != NULL)
            node_close(watcher->node);
        pthread_cond_destroy(&watcher->wake);
        pthread_mutex_destroy(&watcher->lock);
    }
    while (atomic_load(&tips->under_way) > 0)
        loop_run_once(tips->options.loop, 0);
    free(tips);
}
