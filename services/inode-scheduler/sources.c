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
};

struct sources {
    struct loop *loop;
    void (*on_template)(void *context, struct template_box *box);
    void (*on_state)(void *context, size_t node, const char *trouble);
    void (*on_begin)(void *context, size_t node, const uint8_t tip[32]);
    void *context;
    _Atomic size_t under_way; /* messages posted and not yet run */
    bool closing;
    size_t count;
    struct source list[];
};

/* From a thread to the loop. */
struct message {
    struct loop_task task;
    struct source *source;
    struct template_box *box; /* NULL: trouble */
    struct error error;
};

static void on_message(struct loop_task *task)
{
    struct message *message = (struct message *)task;
    struct sources *sources = message->source->sources;
    if (sources->closing) {
        template_box_destroy(message->box);
    } else if (message->box != NULL) {
        message->box->received_ms = loop_now_ms(sources->loop);
        sources->on_state(sources->context, message->source->index, NULL);
        sources->on_template(sources->context, message->box);
    } else {
        sources->on_state(sources->context, message->source->index, message->error.text);
    }
    atomic_fetch_sub(&sources->under_way, 1);
    free(message);
}

static void post(struct source *source, struct template_box *box, const struct error *error)
{
    struct message *message = calloc(1, sizeof *message);
    if (message == NULL) {
        template_box_destroy(box);
        return;
    }
    message->task.run = on_message;
    message->source = source;
    message->box = box;
    if (error != NULL)
        message->error = *error;
    atomic_fetch_add(&source->sources->under_way, 1);
    loop_post(source->sources->loop, &message->task);
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
    struct arena arena = arena_over(box->memory, template_box_capacity());
    const char *longpoll = NULL;
    bool wait = begin_question(source);
    enum node_answer answer = node_get_template(source->node, wait ? source->longpoll : NULL,
                                                &arena, &box->content, &longpoll, error);
    bool wanted = end_question(source, answer != NODE_OK);
    if (answer != NODE_OK) {
        template_box_destroy(box);
        source->longpoll[0] = '\0';
        return wanted ? FETCH_INTERRUPTED : FETCH_FAILED;
    }
    snprintf(source->longpoll, sizeof source->longpoll, "%s", longpoll != NULL ? longpoll : "");
    box->node = source->index;
    template_box_trim(box, arena.used_bytes);
    post(source, box, NULL);
    return FETCHED;
}

static void on_template_begins(void *context, const uint8_t tip[32])
{
    const struct source *source = context;
    source->sources->on_begin(source->sources->context, source->index, tip);
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
        post(source, NULL, &error);
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
    sources->loop = options->loop;
    sources->on_template = options->on_template;
    sources->on_state = options->on_state;
    sources->on_begin = options->on_begin;
    sources->context = options->context;
    sources->count = options->count;
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
        if (options->on_begin != NULL)
            node_watch(source->node, on_template_begins, source);
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
    ASSERT(node < sources->count);
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
    for (size_t i = 0; i < sources->count; i++) {
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
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->list[i];
        if (source->started)
            pthread_join(source->thread, NULL);
        if (source->node != NULL)
            node_close(source->node);
        pthread_cond_destroy(&source->wake);
        pthread_mutex_destroy(&source->lock);
    }
    while (atomic_load(&sources->under_way) > 0)
        loop_run_once(sources->loop, 0);
    free(sources);
}
