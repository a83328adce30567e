#include "services/inode-scheduler/live_inside.h"

#include "adapter/http_kore/router.h"

#include <stdio.h>
#include <stdlib.h>

enum { RETRY_FULL_S = 30, KINDS_BYTES = 128, SINCE_BYTES = 64 };

/* What everybody is told, and what only those who watch an account. */
static const uint32_t pool_kinds =
    1u << NEWS_JOB | 1u << NEWS_SHARES | 1u << NEWS_STATUS | 1u << NEWS_BLOCK | 1u << NEWS_PAYMENT;
static const uint32_t all_kinds = (1u << NEWS_KINDS_COUNT) - 1;

char *live_text(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER);
    ASSERT(text != NULL);
    json_decref(document);
    return text;
}

void live_publish(struct live *live, const struct live_told *told)
{
    const struct http_event event = { .topic = told->topic,
                                      .kind = 1u << told->kind,
                                      .name = news_name(told->kind),
                                      .data = span_text(told->text) };
    http_publish(live->service, &event);
    metric_add(live->events, 1);
}

void live_tell(struct live *live, enum news_kind kind, uint64_t topic, json_t *document)
{
    struct live_told told = { .kind = kind, .topic = topic, .text = live_text(document) };
    live_publish(live, &told);
    free(told.text);
}

/* What is mined on now, and what the chain's tip is. */
static json_t *job_document(const struct live *live)
{
    struct jobs_view view;
    jobs_look(live->scheduler->jobs, &view);
    json_t *document = json_pack("{s:o, s:o, s:o}", "job", api_id(view.job_id), "previous_hash",
                                 api_hash(view.prev_hash), "network", api_network(live->scheduler));
    api_add_coin(document, live->scheduler);
    return document;
}

/* Jobs are published again and again for those who came late: that is no news. */
static void on_news(struct live *live)
{
    const struct scheduler *scheduler = live->scheduler;
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    if (!view.any ||
        (view.sequence == live->job_sequence && scheduler->followed.height == live->height &&
         memcmp(scheduler->followed.tip, live->tip, sizeof live->tip) == 0))
        return;
    live->job_sequence = view.sequence;
    live->height = scheduler->followed.height;
    memcpy(live->tip, scheduler->followed.tip, sizeof live->tip);
    live_tell(live, NEWS_JOB, 0, job_document(live));
    live_store_nudge(live); /* a block of ours may be what moved */
}

/* The pool's state, and that of each of its parts. */
static json_t *status_document(const struct live *live)
{
    const struct scheduler *scheduler = live->scheduler;
    const char *reason;
    const char *state = scheduler_state(scheduler, &reason);
    json_t *components = json_object();
    for (int i = 0; i < HEALTH_COMPONENT_COUNT; i++)
        json_object_set_new(components, health_component_name((enum health_component)i),
                            json_string(health_status_name(health_of_component(
                                &scheduler->health, (enum health_component)i))));
    return json_pack("{s:s, s:s, s:o}", "status", state, "reason", reason, "components",
                     components);
}

/* Where it is another than the one told last. */
static void tell_status(struct live *live)
{
    json_t *document = status_document(live);
    if (live->status != NULL && json_equal(document, live->status)) {
        json_decref(document);
        return;
    }
    json_decref(live->status);
    live->status = json_incref(document);
    live_tell(live, NEWS_STATUS, 0, document);
}

static void on_shares_due(void *context)
{
    struct live *live = context;
    if (live->scheduler->stopping)
        return;
    tell_status(live);
    if (live->watcher_count > 0)
        live_tell(live, NEWS_SHARES, 0, api_shares(live->scheduler, loop_unix_ms()));
}

static void let_go(struct live_watcher *watcher)
{
    struct live *live = watcher->live;
    *watcher->place = watcher->next;
    if (watcher->next != NULL)
        watcher->next->place = watcher->place;
    live->watcher_count--;
    metric_set(live->watching, live->watcher_count);
    if (watcher->account != NULL)
        live_account_release(live, watcher->account);
    free(watcher);
}

static void on_closed(void *context, bool slow)
{
    struct live_watcher *watcher = context;
    if (slow)
        metric_add(watcher->live->slow, 1);
    let_go(watcher);
}

/* A question, until it has its stream or its refusal. */
struct asking {
    struct api_read read; /* api_find_account's */
    struct live_watcher *watcher;
    uint32_t kinds;
    char since[SINCE_BYTES];
    struct account account; /* of the worker's finding */
    struct live_worker *workers;
    size_t worker_count;
};

static void end_asking(struct asking *asking)
{
    free(asking->workers);
    free(asking);
}

static void refuse(struct asking *asking, int status, const char *title, const char *detail,
                   const char *field)
{
    http_problem(asking->read.exchange, status, title, detail, field);
    let_go(asking->watcher);
    end_asking(asking);
}

static json_t *hello(const struct asking *asking, bool resumed)
{
    const struct live_watcher *watcher = asking->watcher;
    const struct scheduler *scheduler = watcher->live->scheduler;
    const char *reason;
    json_t *kinds = json_array();
    for (int kind = 0; kind < NEWS_KINDS_COUNT; kind++)
        if ((asking->kinds & 1u << kind) != 0)
            json_array_append_new(kinds, json_string(news_name((enum news_kind)kind)));
    json_t *document =
        json_pack("{s:b, s:b, s:s, s:o, s:I}", "resumed", (int)resumed, "leads",
                  (int)scheduler->leading, "status", scheduler_state(scheduler, &reason), "kinds",
                  kinds, "time", (json_int_t)(loop_unix_ms() / 1000));
    if (watcher->account != NULL)
        json_object_set_new(document, "account", json_string(watcher->account->name));
    return document;
}

/* Who comes anew is told how things stand; then what happens. */
static void open_stream(struct asking *asking)
{
    struct live_watcher *watcher = asking->watcher;
    struct live *live = watcher->live;
    struct http_event greeting[5];
    char *texts[5];
    size_t count = 0;
    bool resumed;
    uint64_t from = http_stream_from(asking->read.exchange, asking->since, &resumed);
    texts[count] = live_text(hello(asking, resumed));
    greeting[count++].name = "hello";
    struct jobs_view view;
    jobs_look(live->scheduler->jobs, &view);
    const bool tells[NEWS_KINDS_COUNT] = { [NEWS_JOB] = view.any,
                                           [NEWS_SHARES] = true,
                                           [NEWS_STATUS] = true,
                                           [NEWS_ACCOUNT] = watcher->account != NULL };
    for (int kind = 0; kind < NEWS_KINDS_COUNT && !resumed; kind++) {
        if (!tells[kind] || (asking->kinds & 1u << kind) == 0)
            continue;
        texts[count] =
            live_text(kind == NEWS_JOB      ? job_document(live)
                      : kind == NEWS_SHARES ? api_shares(live->scheduler, loop_unix_ms())
                      : kind == NEWS_STATUS ? status_document(live)
                                            : live_account_rates(live, watcher->account));
        greeting[count++].name = news_name((enum news_kind)kind);
    }
    for (size_t i = 0; i < count; i++)
        greeting[i].data = span_text(texts[i]);
    http_accept_stream(asking->read.exchange,
                       &(struct http_watch){
                           .from = from,
                           .topic = watcher->account != NULL ? watcher->account->id : 0,
                           .kinds = asking->kinds,
                           .greeting = greeting,
                           .greeting_count = count,
                           .on_closed = on_closed,
                           .context = watcher,
                       });
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    end_asking(asking);
}

static void find_work(struct worker_job *job)
{
    struct asking *asking = (struct asking *)job;
    struct api_read *read = &asking->read;
    asking->workers = calloc(LIVE_WORKERS_MAX, sizeof *asking->workers);
    ASSERT(asking->workers != NULL);
    if (!api_find_account(read, &asking->account))
        return;
    if (live_read_names(read->scheduler->api_store, asking->account.id, asking->workers,
                        &asking->worker_count, &read->error))
        read->status = 0;
}

static void find_done(struct worker_job *job)
{
    struct asking *asking = (struct asking *)job;
    struct live *live = asking->watcher->live;
    if (asking->read.status != 0) {
        refuse(asking, asking->read.status,
               asking->read.status == 404 ? "Not found" : "Unavailable", asking->read.error.text,
               asking->read.status == 404 ? "account" : NULL);
        return;
    }
    struct live_account *account =
        live_account_take(live, asking->account.id, asking->account.name);
    if (account == NULL) {
        http_add_header(asking->read.exchange, "retry-after", "30");
        refuse(asking, 503, "Full", "too many accounts are watched; try again", NULL);
        return;
    }
    live_account_name(live, account, asking->workers, asking->worker_count);
    asking->watcher->account = account;
    open_stream(asking);
}

/* False where a name is none. */
static bool read_kinds(const char *text, uint32_t *kinds_r)
{
    *kinds_r = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        enum news_kind kind;
        if (!news_from_name(span_of(text, length), &kind))
            return false;
        *kinds_r |= 1u << kind;
        text += length;
        text += *text == ',';
    }
    return *kinds_r != 0;
}

/* NULL, or the parameter that makes no sense. */
static const char *read_query(struct asking *asking)
{
    const char *query = http_query(asking->read.exchange);
    char kinds[KINDS_BYTES];
    enum router_query found =
        router_query(query, "account", asking->read.name, sizeof asking->read.name);
    if (found == ROUTER_QUERY_MALFORMED)
        return "account";
    if (found == ROUTER_QUERY_NONE)
        asking->read.name[0] = '\0';
    asking->kinds = asking->read.name[0] != '\0' ? all_kinds : pool_kinds;
    found = router_query(query, "kinds", kinds, sizeof kinds);
    if (found == ROUTER_QUERY_MALFORMED ||
        (found == ROUTER_QUERY_FOUND && !read_kinds(kinds, &asking->kinds)))
        return "kinds";
    found = router_query(query, "since", asking->since, sizeof asking->since);
    if (found == ROUTER_QUERY_NONE)
        asking->since[0] = '\0';
    return found == ROUTER_QUERY_MALFORMED ? "since" : NULL;
}

static size_t count_of(const struct live *live, const char *client)
{
    size_t count = 0;
    for (const struct live_watcher *watcher = live->watchers; watcher != NULL;
         watcher = watcher->next)
        count += strcmp(watcher->client, client) == 0;
    return count;
}

/* Whether there was no room, and it was answered so. */
static bool is_full(const struct live *live, struct http_exchange *exchange, const char *client)
{
    const struct settings *settings = live->scheduler->options.settings;
    const bool all = live->watcher_count >= (size_t)settings->scheduler_live_max;
    if (!all && count_of(live, client) < (size_t)settings->scheduler_live_address_max)
        return false;
    char wait[16];
    snprintf(wait, sizeof wait, "%d", RETRY_FULL_S);
    metric_add(live->refused, 1);
    http_add_header(exchange, "retry-after", wait);
    if (all)
        http_problem(exchange, 503, "Full",
                     "too many watch already (scheduler.live_max); ask the API instead", NULL);
    else
        http_problem(exchange, 429, "Too many streams",
                     "this address watches too often (scheduler.live_address_max)", NULL);
    return true;
}

static struct live_watcher *watcher_new(struct live *live, const char *client)
{
    struct live_watcher *watcher = calloc(1, sizeof *watcher);
    ASSERT(watcher != NULL);
    watcher->live = live;
    memcpy(watcher->client, client, sizeof watcher->client);
    watcher->next = live->watchers;
    watcher->place = &live->watchers;
    if (watcher->next != NULL)
        watcher->next->place = &watcher->next;
    live->watchers = watcher;
    metric_set(live->watching, ++live->watcher_count);
    return watcher;
}

void live_open(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct live *live = scheduler->live;
    char client[HTTP_CLIENT_BYTES] = "";
    if (live == NULL || scheduler->stopping) {
        http_problem(exchange, 503, "Stopping", "this process is stopping", NULL);
        return;
    }
    http_client(exchange, &scheduler->options.settings->scheduler_proxies, client);
    if (is_full(live, exchange, client))
        return;
    struct asking *asking = calloc(1, sizeof *asking);
    ASSERT(asking != NULL);
    asking->read = (struct api_read){ .job = { .work = find_work, .done = find_done },
                                      .scheduler = scheduler,
                                      .exchange = exchange,
                                      .status = 503 };
    asking->watcher = watcher_new(live, client);
    const char *wrong = read_query(asking);
    if (wrong != NULL)
        refuse(asking, 400, "Bad request", "this parameter makes no sense", wrong);
    else if (asking->read.name[0] == '\0')
        open_stream(asking);
    else if (!worker_submit(scheduler->readers, &asking->read.job))
        refuse(asking, 503, "Unavailable", "too many questions are waiting; ask again", NULL);
}

static void open_metrics(struct live *live)
{
    struct metrics *metrics = live->scheduler->options.metrics;
    live->watching = metrics_gauge(metrics, "adit_live_watchers", "",
                                   "streams of /api/v1/live that are open", "live_watchers");
    live->refused = metrics_counter(metrics, "adit_live_refused_total", "",
                                    "streams there was no room for", NULL);
    live->slow = metrics_counter(metrics, "adit_live_dropped_total", "",
                                 "streams ended because their client did not keep up", NULL);
    live->events =
        metrics_counter(metrics, "adit_live_events_total", "", "events told, once each", NULL);
    live->sent =
        metrics_counter(metrics, "adit_live_sent_bytes_total", "", "bytes sent to streams", NULL);
}

struct live *live_create(struct scheduler *scheduler, struct service *service)
{
    struct live *live = calloc(1, sizeof *live);
    ASSERT(live != NULL);
    struct loop *loop = scheduler->options.loop;
    live->scheduler = scheduler;
    live->service = service;
    open_metrics(live);
    http_events_begin(service, &(struct http_events_options){
                                   .id = service->boot_id,
                                   .sent = live->sent,
                                   .fanned = metrics_histogram(
                                       scheduler->options.metrics, "adit_live_fanout_seconds",
                                       "from an event to the last stream it was sent to"),
                               });
    live->shares_timer = (struct loop_timer){ .on_due = on_shares_due, .context = live };
    loop_timer_start(loop, &live->shares_timer, LIVE_SHARES_MS, LIVE_SHARES_MS);
    live_store_start(live);
    live_accounts_start(live);
    scheduler->live = live;
    scheduler->news = on_news;
    return live;
}

void live_destroy(struct live *live)
{
    if (live == NULL)
        return;
    live->scheduler->live = NULL;
    live->scheduler->news = NULL;
    loop_timer_stop(live->scheduler->options.loop, &live->shares_timer);
    live_store_stop(live);
    json_decref(live->status);
    while (live->watchers != NULL)
        let_go(live->watchers);
    live_accounts_stop(live);
    free(live);
}
