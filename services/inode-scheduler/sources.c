#include "services/inode-scheduler/sources.h"

#include "loop/deadline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAUSE_MIN_MS = 200,
    PAUSE_MAX_MS = 5000,
    NO_LONGPOLL_PAUSE_MS = 1000, /* a node without long polling is asked this often */
    SPACING_MS = 20,             /* and no node more often than this */
    LONGPOLL_BYTES = 520,
};

struct source {
    struct sources *sources;
    struct node *node;
    size_t index;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool refresh;
    bool polling; /* in a call that waits for the node to have something new */
    /* Interrupts sent, and those whose effect was seen: one that comes when the call has just
     * ended makes the next one fail, which is no trouble of the node's. */
    unsigned interrupts, interrupts_seen;
    /* the thread's own */
    char longpoll[LONGPOLL_BYTES]; /* "": ask without waiting */
    unsigned pause_ms;
    struct template_box *box; /* being filled */
    bool untold;              /* the loop was not told of some of it: nor is it of the rest */
};

struct sources {
    struct sources_options options;
    _Atomic size_t under_way; /* messages posted and not yet run */
    bool closing;
    struct source list[];
};

/* From a thread to the loop. That a template is whole, or comes to nothing, is told by the task in
 * its box, which cannot fail for want of memory. */
struct message {
    struct loop_task task;
    struct source *source;
    const struct template_box *box; /* NULL: trouble */
    struct error error;
    bool begins; /* and builds on this block; else: the next transactions */
    uint8_t tip[32];
    size_t count;
    struct span transactions[];
};

static void on_message(struct loop_task *task)
{
    struct message *message = (struct message *)task;
    struct sources *sources = message->source->sources;
    const struct sources_options *options = &sources->options;
    if (sources->closing)
        ;
    else if (message->box == NULL)
        options->on_state(options->context, message->source->index, message->error.text);
    else if (message->begins)
        options->on_draft(options->context, message->box, message->tip);
    else
        options->on_transactions(options->context, message->box, message->transactions,
                                 message->count);
    atomic_fetch_sub(&sources->under_way, 1);
    free(message);
}

/* NULL for want of memory. */
static struct message *make_message(struct source *source, size_t transactions)
{
    struct message *message =
        calloc(1, sizeof *message + transactions * sizeof message->transactions[0]);
    if (message == NULL)
        return NULL;
    message->task.run = on_message;
    message->source = source;
    message->box = source->box;
    message->count = transactions;
    return message;
}

static void post(struct source *source, struct loop_task *task)
{
    atomic_fetch_add(&source->sources->under_way, 1);
    loop_post(source->sources->options.loop, task);
}

static void post_trouble(struct source *source, const struct error *error)
{
    struct message *message = make_message(source, 0);
    if (message == NULL)
        return;
    message->box = NULL;
    message->error = *error;
    post(source, &message->task);
}

static void on_whole(struct loop_task *task)
{
    struct template_box *box = (struct template_box *)task;
    struct sources *sources = box->filler;
    const struct sources_options *options = &sources->options;
    if (sources->closing) {
        template_box_destroy(box);
    } else {
        box->received_ms = loop_now_ms(options->loop);
        options->on_state(options->context, box->node, NULL);
        options->on_template(options->context, box);
    }
    atomic_fetch_sub(&sources->under_way, 1);
}

static void on_nothing(struct loop_task *task)
{
    struct template_box *box = (struct template_box *)task;
    struct sources *sources = box->filler;
    if (!sources->closing)
        sources->options.on_draft_ends(sources->options.context, box);
    template_box_destroy(box);
    atomic_fetch_sub(&sources->under_way, 1);
}

/* Waits; a refresh or the stop ends it early. False: stop. */
static bool rest(struct source *source, unsigned pause_ms)
{
    uint64_t end_ns = loop_clock_ns() + (uint64_t)pause_ms * 1000000;
    pthread_mutex_lock(&source->lock);
    while (!source->stopping && !source->refresh)
        if (!deadline_wait(&source->wake, &source->lock, end_ns))
            break;
    bool go_on = !source->stopping;
    pthread_mutex_unlock(&source->lock);
    return go_on;
}

/* Whether the next question may wait for something new; a refresh that was asked for is met by one
 * that does not. */
static bool begin_question(struct source *source)
{
    pthread_mutex_lock(&source->lock);
    bool wait = source->longpoll[0] != '\0' && !source->refresh;
    source->refresh = false;
    source->polling = wait;
    pthread_mutex_unlock(&source->lock);
    return wait;
}

/* Ends it; whether it failed because we interrupted it. */
static bool end_question(struct source *source, bool failed)
{
    pthread_mutex_lock(&source->lock);
    bool wanted = failed && source->interrupts != source->interrupts_seen;
    if (failed)
        source->interrupts_seen = source->interrupts;
    source->polling = false;
    pthread_mutex_unlock(&source->lock);
    return wanted;
}

enum fetched {
    FETCHED,
    FETCH_INTERRUPTED, /* by ourselves: ask again */
    FETCH_FAILED,      /* *error says why */
};

static enum fetched fetch(struct source *source, struct error *error)
{
    struct template_box *box = template_box_create(error);
    if (box == NULL)
        return FETCH_FAILED;
    box->node = source->index;
    box->filler = source->sources;
    box->task.run = on_whole;
    source->box = box;
    source->untold = false;
    struct arena arena = arena_over(box->memory, template_box_capacity());
    const char *longpoll = NULL;
    bool wait = begin_question(source);
    enum node_answer answer = node_get_template(source->node, wait ? source->longpoll : NULL,
                                                &arena, &box->content, &longpoll, error);
    bool wanted = end_question(source, answer != NODE_OK);
    if (answer != NODE_OK) {
        box->task.run = on_nothing;
        post(source, &box->task);
        source->longpoll[0] = '\0';
        return wanted ? FETCH_INTERRUPTED : FETCH_FAILED;
    }
    snprintf(source->longpoll, sizeof source->longpoll, "%s", longpoll != NULL ? longpoll : "");
    template_box_trim(box, arena.used_bytes);
    post(source, &box->task);
    return FETCHED;
}

static void on_tip(void *context, const uint8_t tip[32])
{
    struct source *source = context;
    const struct sources_options *options = &source->sources->options;
    if (options->on_begin != NULL)
        options->on_begin(options->context, source->index, tip);
    struct message *message = make_message(source, 0);
    source->untold = message == NULL;
    if (message == NULL)
        return;
    message->begins = true;
    memcpy(message->tip, tip, 32);
    post(source, &message->task);
}

static void on_transactions(void *context, const struct template_transaction *transactions,
                            size_t count)
{
    struct source *source = context;
    struct message *message = source->untold ? NULL : make_message(source, count);
    source->untold = message == NULL;
    if (message == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        message->transactions[i] = transactions[i].data;
    post(source, &message->task);
}

static void *run(void *context)
{
    struct source *source = context;
    unsigned next_ms = 0;
    while (rest(source, next_ms)) {
        struct error error = { 0 };
        enum fetched fetched = fetch(source, &error);
        if (fetched == FETCHED) {
            source->pause_ms = 0;
            next_ms = source->longpoll[0] != '\0' ? SPACING_MS : NO_LONGPOLL_PAUSE_MS;
            continue;
        }
        if (fetched == FETCH_INTERRUPTED) {
            next_ms = 0;
            continue;
        }
        source->pause_ms = source->pause_ms == 0 ? PAUSE_MIN_MS : source->pause_ms * 2;
        if (source->pause_ms > PAUSE_MAX_MS)
            source->pause_ms = PAUSE_MAX_MS;
        next_ms = source->pause_ms;
        post_trouble(source, &error);
    }
    return NULL;
}

struct sources *sources_create(const struct sources_options *options, struct error *error)
{
    struct sources *sources = calloc(1, sizeof *sources + options->count * sizeof *sources->list);
    if (sources == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the nodes' threads");
        for (size_t i = 0; i < options->count; i++)
            node_close(options->nodes[i]);
        return NULL;
    }
    sources->options = *options;
    sources->options.nodes = NULL;
    for (size_t i = 0; i < options->count; i++) {
        struct source *source = &sources->list[i];
        source->sources = sources;
        source->index = i;
        source->node = options->nodes[i];
        pthread_mutex_init(&source->lock, NULL);
        deadline_cond_init(&source->wake);
    }
    for (size_t i = 0; i < options->count; i++) {
        struct source *source = &sources->list[i];
        node_watch(source->node, &(struct node_watcher){ .on_tip = on_tip,
                                                         .on_transactions = on_transactions,
                                                         .context = source });
        int result = pthread_create(&source->thread, NULL, run, source);
        if (result != 0) {
            error_fill_system(error, result, "a node's thread cannot be started");
            sources_destroy(sources);
            return NULL;
        }
        source->started = true;
    }
    return sources;
}

void sources_refresh(struct sources *sources, size_t node)
{
    ASSERT(node < sources->options.count);
    struct source *source = &sources->list[node];
    pthread_mutex_lock(&source->lock);
    source->refresh = true;
    pthread_cond_signal(&source->wake);
    /* A question that does not wait is answered soon, or its failure must be seen. */
    if (source->polling) {
        source->interrupts++;
        node_interrupt(source->node);
    }
    pthread_mutex_unlock(&source->lock);
}

void sources_destroy(struct sources *sources)
{
    if (sources == NULL)
        return;
    sources->closing = true;
    for (size_t i = 0; i < sources->options.count; i++) {
        struct source *source = &sources->list[i];
        if (!source->started)
            continue;
        pthread_mutex_lock(&source->lock);
        source->stopping = true;
        source->interrupts++;
        pthread_cond_signal(&source->wake);
        pthread_mutex_unlock(&source->lock);
        node_interrupt(source->node);
    }
    for (size_t i = 0; i < sources->options.count; i++) {
        struct source *source = &sources->list[i];
        if (source->started)
            pthread_join(source->thread, NULL);
        if (source->node != NULL)
            node_close(source->node);
        pthread_cond_destroy(&source->wake);
        pthread_mutex_destroy(&source->lock);
    }
    while (atomic_load(&sources->under_way) > 0)
        loop_run_once(sources->options.loop, 0);
    free(sources);
}
