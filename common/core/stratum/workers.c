/* The names authorised on one connection: a few in the session itself, and for proxies a hash table
 * lent by the owner (open addressing, at most half full). A place never moves, because questions to
 * auth are under way for it; the place of a refused name may be another's later, told apart by the
 * generation. */
#include "core/stratum/inside.h"

static uint64_t mix(uint64_t value)
{
    u128 product = (u128)(value ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t worker_name_hash(struct span name)
{
    uint64_t hash = name.length, last = 0;
    size_t at = 0;
    for (; at + 8 <= name.length; at += 8)
        hash = mix(hash ^ load_le64(name.data + at));
    for (; at < name.length; at++)
        last = last << 8 | name.data[at];
    return mix(hash ^ last);
}

/* The place of a name in the lent table, or where it would go: the first refused one on the way, or
 * the empty one that ends it. */
static struct stratum_worker *look_up(struct stratum_workers *more, uint64_t name, bool *there_r)
{
    struct stratum_worker *refused = NULL;
    *there_r = false;
    for (uint32_t at = (uint32_t)(name >> 32);; at++) {
        struct stratum_worker *worker = &more->places[at & (more->capacity - 1)];
        if (worker->state == STRATUM_WORKER_NONE)
            return refused != NULL ? refused : worker;
        if (worker->name == name) {
            *there_r = true;
            return worker;
        }
        if (worker->state == STRATUM_WORKER_REFUSED && refused == NULL)
            refused = worker;
    }
}

struct stratum_worker *worker_find(struct stratum_session *session, uint64_t name)
{
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN; i++)
        if (session->workers[i].state != STRATUM_WORKER_NONE && session->workers[i].name == name)
            return &session->workers[i];
    if (session->more == NULL)
        return NULL;
    bool there;
    struct stratum_worker *worker = look_up(session->more, name, &there);
    return there ? worker : NULL;
}

static struct stratum_worker *own_place(struct stratum_session *session)
{
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN; i++)
        if (session->workers[i].state == STRATUM_WORKER_NONE)
            return &session->workers[i];
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN; i++)
        if (session->workers[i].state == STRATUM_WORKER_REFUSED)
            return &session->workers[i];
    return NULL;
}

struct stratum_worker *worker_place(struct stratum_session *session, uint64_t name)
{
    struct stratum_worker *own = own_place(session);
    struct stratum_workers *more = session->more;
    bool there;
    if (own != NULL || more == NULL)
        return own;
    struct stratum_worker *worker = look_up(more, name, &there);
    if (worker->state == STRATUM_WORKER_REFUSED)
        return worker;
    if (more->used >= more->capacity / 2)
        return NULL;
    more->used++;
    return worker;
}

uint32_t worker_number(const struct stratum_session *session, const struct stratum_worker *worker)
{
    if (worker >= session->workers && worker < session->workers + STRATUM_WORKERS_OWN)
        return (uint32_t)(worker - session->workers);
    return STRATUM_WORKERS_OWN + (uint32_t)(worker - session->more->places);
}

struct stratum_worker *stratum_session_worker(struct stratum_session *session, uint32_t place)
{
    if (place < STRATUM_WORKERS_OWN)
        return &session->workers[place];
    return place < stratum_session_places(session)
               ? &session->more->places[place - STRATUM_WORKERS_OWN]
               : NULL;
}

void stratum_session_lend_workers(struct stratum_session *session, struct stratum_workers *workers)
{
    ASSERT(session->more == NULL && workers->used == 0 && workers->capacity >= 2 &&
           workers->capacity <= 2 * STRATUM_WORKERS_MAX &&
           (workers->capacity & (workers->capacity - 1)) == 0);
    session->more = workers;
    session->wants_workers = false;
}

struct stratum_workers *stratum_session_return_workers(struct stratum_session *session)
{
    struct stratum_workers *more = session->more;
    session->more = NULL;
    return more;
}
