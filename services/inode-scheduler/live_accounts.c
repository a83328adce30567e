/* The accounts that somebody watches: their rates, their workers' rates, and which worker went
 * silent or came back. Series are asked by name; a worker that is not known by name yet is noticed
 * by the shares that the account has and its known workers have not. */
#include "services/inode-scheduler/live_inside.h"

#include <stdlib.h>

enum {
    NAMES_AT_ONCE = 32,    /* accounts whose workers are looked up by one job */
    WORKERS_AN_EVENT = 25, /* so that an event stays below some kilobytes */
    WORKERS_A_TURN = 2000, /* told of in one turn; the next one goes on behind */
    QUIET_TOLD_MS = 30000, /* a worker whose rate only fades is told of this often */
};

static struct live_account *find(const struct live *live, uint64_t id)
{
    for (size_t i = 0; i < live->account_count; i++)
        if (live->accounts[i]->id == id)
            return live->accounts[i];
    return NULL;
}

static uint64_t now_of(const struct live *live)
{
    return loop_now_ms(live->scheduler->options.loop);
}

static void forget(struct live *live, size_t index)
{
    struct live_account *account = live->accounts[index];
    live->worker_count -= account->worker_count;
    free(account->workers);
    free(account);
    live->accounts[index] = live->accounts[--live->account_count];
}

/* Forgets the one that was left longest ago, of those with so many workers, and not `but` (may be
 * NULL); false where there is none that nobody watches. */
static bool forget_longest_left(struct live *live, size_t workers, const struct live_account *but)
{
    size_t longest = live->account_count;
    for (size_t i = 0; i < live->account_count; i++)
        if (live->accounts[i]->watchers == 0 && live->accounts[i] != but &&
            live->accounts[i]->worker_count >= workers &&
            (longest == live->account_count ||
             live->accounts[i]->left_ms < live->accounts[longest]->left_ms))
            longest = i;
    if (longest == live->account_count)
        return false;
    forget(live, longest);
    return true;
}

struct live_account *live_account_take(struct live *live, uint64_t id, const char *name)
{
    struct live_account *account = find(live, id);
    if (account == NULL) {
        if (live->account_count == LIVE_ACCOUNTS_MAX && !forget_longest_left(live, 0, NULL))
            return NULL;
        account = calloc(1, sizeof *account);
        ASSERT(account != NULL);
        account->id = id;
        snprintf(account->name, sizeof account->name, "%s", name);
        live->accounts[live->account_count++] = account;
    }
    account->watchers++;
    account->left_ms = 0;
    return account;
}

void live_account_release(struct live *live, struct live_account *account)
{
    if (--account->watchers == 0)
        account->left_ms = now_of(live);
}

static bool on_name(void *context, const struct account_worker *worker)
{
    struct live_account *found = context;
    struct live_worker *next = &found->workers[found->worker_count++];
    *next = (struct live_worker){ .id = worker->id };
    memcpy(next->name, worker->name, sizeof next->name);
    return found->worker_count < LIVE_WORKERS_MAX;
}

bool live_read_names(struct store *store, uint64_t account,
                     struct live_worker workers_r[LIVE_WORKERS_MAX], size_t *count_r,
                     struct error *error)
{
    struct live_account found = { .workers = workers_r };
    bool ok = worker_walk(store, account, NULL, 0, on_name, &found, error) == STORE_DONE;
    *count_r = found.worker_count;
    return ok;
}

void live_account_name(struct live *live, struct live_account *account,
                       const struct live_worker *workers, size_t count)
{
    struct live_worker *fresh = NULL;
    account->named_ms = now_of(live);
    account->stranger = false;
    while (live->worker_count - account->worker_count + count > LIVE_WORKERS_ALL)
        if (account->watchers == 0 || !forget_longest_left(live, 1, account))
            count = 0; /* what others watch stays */
    if (count > 0) {
        fresh = calloc(count, sizeof *fresh);
        ASSERT(fresh != NULL);
        memcpy(fresh, workers, count * sizeof *fresh);
    }
    /* Both are in the order of their ids. */
    for (size_t i = 0, old = 0; i < count; i++) {
        while (old < account->worker_count && account->workers[old].id < fresh[i].id)
            old++;
        if (old < account->worker_count && account->workers[old].id == fresh[i].id)
            fresh[i] = account->workers[old];
    }
    live->worker_count = live->worker_count - account->worker_count + count;
    free(account->workers);
    account->workers = fresh;
    account->worker_count = count;
}

json_t *live_account_rates(const struct live *live, const struct live_account *account)
{
    struct stats_sums sums;
    uint64_t now = loop_unix_ms();
    (void)stats_of(live->scheduler->stats, account->id, 0, now, &sums);
    json_t *document = json_pack("{s:s, s:o}", "name", account->name, "id", api_id(account->id));
    api_add_rates(document, &sums, now);
    return document;
}

static json_t *told_of(const struct live_account *account, const char *name, json_t *value)
{
    return json_pack("{s:s, s:o}", "account", account->name, name, value);
}

/* Tells where it went silent or came back; whether it is to be told of besides. */
static bool look_at(struct live *live, const struct live_account *account,
                    struct live_worker *worker, const struct stats_sums *sums, uint64_t now)
{
    const bool silent = sums->last_ms == 0 || now - sums->last_ms >= NEWS_SILENT_MS;
    const bool turned = worker->known && silent != worker->silent;
    const bool worked = sums->last_ms != worker->last_ms;
    worker->known = true;
    worker->silent = silent;
    worker->last_ms = sums->last_ms;
    if (turned) {
        json_t *document =
            told_of(account, "worker", api_worker(worker->id, worker->name, sums, now));
        json_object_set_new(document, "event", json_string(silent ? "silent" : "back"));
        live_tell(live, NEWS_WORKER, account->id, document);
    }
    bool fades = sums->shares[STATS_DAY] > 0 && now - worker->told_ms >= QUIET_TOLD_MS;
    return turned || worked || fades;
}

static void flush(struct live *live, const struct live_account *account, json_t **list)
{
    if (*list != NULL)
        live_tell(live, NEWS_WORKERS, account->id, told_of(account, "workers", *list));
    *list = NULL;
}

/* Returns how many workers were told of. */
static size_t tell_workers(struct live *live, struct live_account *account, uint64_t now)
{
    size_t told = 0;
    json_t *list = NULL;
    account->accepted_by_known = 0;
    for (size_t i = 0; i < account->worker_count; i++) {
        struct live_worker *worker = &account->workers[i];
        struct stats_sums sums;
        (void)stats_of(live->scheduler->stats, account->id, worker->id, now, &sums);
        account->accepted_by_known += sums.accepted;
        if (!look_at(live, account, worker, &sums, now))
            continue;
        worker->told_ms = now;
        told++;
        if (list == NULL)
            list = json_array();
        json_array_append_new(list, api_worker(worker->id, worker->name, &sums, now));
        if (json_array_size(list) == WORKERS_AN_EVENT)
            flush(live, account, &list);
    }
    flush(live, account, &list);
    return told;
}

static size_t tell_account(struct live *live, struct live_account *account)
{
    struct stats_sums sums;
    uint64_t now = loop_unix_ms();
    uint64_t accepted = account->accepted, known = account->accepted_by_known;
    (void)stats_of(live->scheduler->stats, account->id, 0, now, &sums);
    if (sums.shares[STATS_DAY] > 0)
        live_tell(live, NEWS_ACCOUNT, account->id, live_account_rates(live, account));
    size_t told = tell_workers(live, account, now);
    account->accepted = sums.accepted;
    /* Of a share that is read meanwhile one may be counted and not the other: the names are only
     * looked up again once too often. */
    account->stranger =
        account->stranger || (account->worker_count < LIVE_WORKERS_MAX &&
                              sums.accepted - accepted > account->accepted_by_known - known);
    return told + 1;
}

struct naming {
    struct worker_job job;
    struct live *live;
    size_t count;
    struct {
        uint64_t id;
        bool ok;
        size_t count;
        struct live_worker workers[LIVE_WORKERS_MAX];
    } accounts[NAMES_AT_ONCE];
};

static void name_work(struct worker_job *job)
{
    struct naming *naming = (struct naming *)job;
    struct error ignored;
    for (size_t i = 0; i < naming->count; i++)
        naming->accounts[i].ok =
            live_read_names(naming->live->scheduler->api_store, naming->accounts[i].id,
                            naming->accounts[i].workers, &naming->accounts[i].count, &ignored);
}

static void name_done(struct worker_job *job)
{
    struct naming *naming = (struct naming *)job;
    struct live *live = naming->live;
    live->naming = false;
    for (size_t i = 0; i < naming->count; i++) {
        struct live_account *account = find(live, naming->accounts[i].id);
        if (account != NULL && naming->accounts[i].ok)
            live_account_name(live, account, naming->accounts[i].workers,
                              naming->accounts[i].count);
    }
    free(naming);
}

/* Looks up the workers of those accounts that may have new ones. */
static void name_some(struct live *live)
{
    uint64_t now = now_of(live);
    struct naming *naming = NULL;
    for (size_t i = 0; i < live->account_count && !live->naming; i++) {
        const struct live_account *account = live->accounts[i];
        if (!account->stranger && now - account->named_ms < LIVE_NAMES_MS)
            continue;
        if (naming == NULL) {
            naming = calloc(1, sizeof *naming);
            ASSERT(naming != NULL);
            naming->live = live;
            naming->job = (struct worker_job){ .work = name_work, .done = name_done };
        }
        naming->accounts[naming->count++].id = account->id;
        if (naming->count == NAMES_AT_ONCE)
            break;
    }
    if (naming == NULL)
        return;
    live->naming = worker_submit(live->scheduler->readers, &naming->job);
    if (!live->naming)
        free(naming);
}

static void on_accounts_due(void *context)
{
    struct live *live = context;
    uint64_t now = now_of(live);
    if (live->scheduler->stopping)
        return;
    for (size_t i = live->account_count; i-- > 0;)
        if (live->accounts[i]->watchers == 0 && now - live->accounts[i]->left_ms >= LIVE_GRACE_MS)
            forget(live, i);
    size_t told = 0;
    for (size_t n = 0; n < live->account_count && told < WORKERS_A_TURN; n++) {
        live->next_account = (live->next_account + 1) % live->account_count;
        told += tell_account(live, live->accounts[live->next_account]);
    }
    name_some(live);
}

void live_accounts_start(struct live *live)
{
    live->accounts_timer = (struct loop_timer){ .on_due = on_accounts_due, .context = live };
    loop_timer_start(live->scheduler->options.loop, &live->accounts_timer, LIVE_ACCOUNTS_MS,
                     LIVE_ACCOUNTS_MS);
}

void live_accounts_stop(struct live *live)
{
    loop_timer_stop(live->scheduler->options.loop, &live->accounts_timer);
    while (live->account_count > 0)
        forget(live, live->account_count - 1);
}
