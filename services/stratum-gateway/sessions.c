/* Carrying out what the session machine says. The effects of a step are carried out in their order;
 * what they lead to at once (a remembered name) is a step of its own right behind, because there is
 * one memory for effects. */
#include "service/listen.h"
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_SLICES = 10 };

static struct stratum_world world_of(const struct gateway *gateway, unsigned profile)
{
    return (struct stratum_world){ .params = &gateway->profiles.params[profile],
                                   .quirks = &gateway->quirks,
                                   .jobs = &gateway->feed.table,
                                   .now_ms = loop_now_ms(gateway->loop),
                                   .unix_ms = loop_round_unix_ms(gateway->loop) };
}

/* Rings of answers are lent to who has something pending: a small one, that nearly all make do
 * with, then one of the full size. */

enum { RING_SMALL = 8 };

static struct stratum_answers *new_ring(struct gateway *gateway, uint32_t capacity)
{
    if (capacity == RING_SMALL && gateway->spare_answers_count > 0)
        return gateway->spare_answers[--gateway->spare_answers_count];
    struct stratum_answers *ring = malloc(STRATUM_ANSWERS_BYTES(capacity));
    if (ring != NULL)
        *ring = (struct stratum_answers){ .capacity = capacity };
    return ring;
}

static void free_ring(struct gateway *gateway, struct stratum_answers *ring)
{
    if (ring != NULL && ring->capacity == RING_SMALL &&
        gateway->spare_answers_count <
            sizeof gateway->spare_answers / sizeof *gateway->spare_answers) {
        ring->count = 0;
        gateway->spare_answers[gateway->spare_answers_count++] = ring;
    } else {
        free(ring);
    }
}

static bool lend_answers(struct gateway *gateway, struct stratum_session *session,
                         uint32_t capacity)
{
    struct stratum_answers *ring = new_ring(gateway, capacity);
    if (ring == NULL)
        return false;
    free_ring(gateway, stratum_session_lend_answers(session, ring));
    return true;
}

/* Effects. */

/* What an effect leads to at once (a remembered name, a session resumed); at most one a step
 * does. */
struct consequence {
    bool any;
    struct stratum_event event;
};

static struct stratum_event authorised_event(const struct authoriser_ticket *ticket,
                                             const struct authoriser_result *result)
{
    return (struct stratum_event){ .kind = STRATUM_AUTHORISED,
                                   .authorised = { .answer = ticket->answer,
                                                   .worker = ticket->worker,
                                                   .generation = ticket->worker_generation,
                                                   .outcome = result->outcome,
                                                   .account_id = result->account_id,
                                                   .worker_id = result->worker_id,
                                                   .text = result->text } };
}

static void authorise(struct gateway *gateway, struct connection *connection,
                      const struct stratum_effect *effect, struct consequence *consequence)
{
    const struct authoriser_ticket ticket = { .connection = connection->index,
                                              .generation = connection->generation,
                                              .answer = effect->answer,
                                              .worker = effect->worker,
                                              .worker_generation = effect->generation };
    struct authoriser_result result;
    char peer[LISTEN_ADDRESS_BYTES];
    connection_peer_print(connection, peer);
    if (!authoriser_ask(gateway->authoriser, (const char *)effect->user.data,
                        (const char *)effect->password.data, peer, &ticket, &result))
        return;
    consequence->any = true;
    consequence->event = authorised_event(&ticket, &result);
}

static void carry_out(struct gateway *gateway, struct connection *connection,
                      struct consequence *consequence)
{
    const struct stratum_effects *effects = &gateway->effects;
    for (unsigned i = 0; i < effects->count && connection->state == CONNECTION_OPEN; i++) {
        const struct stratum_effect *effect = &effects->list[i];
        switch (effect->kind) {
        case STRATUM_SEND:
            broadcast_catch_up(gateway, connection);
            connection_write(connection, effect->text);
            break;
        case STRATUM_SEND_JOB:
            broadcast_send_job(gateway, connection, effect);
            break;
        case STRATUM_AUTHORISE:
            authorise(gateway, connection, effect, consequence);
            break;
        case STRATUM_RESUME:
            consequence->any = true;
            consequence->event =
                (struct stratum_event){ .kind = STRATUM_RESUMED,
                                        .resumed.session = resuming_take(gateway, connection,
                                                                         effect->session_id) };
            break;
        case STRATUM_SUBMIT:
            submissions_take(gateway, connection, effect);
            break;
        case STRATUM_CLOSE:
            metric_add(gateway->measures.rubbish, connection->session.rubbish > 0);
            if (connection->session.rubbish > 0)
                conducts_rubbish(gateway, connection);
            if (connection->session.rejects >= STRATUM_REJECTS_MAX) {
                metric_add(gateway->measures.closed_rejects, 1);
                log_info("session.rejects", "session=%016" PRIx64 " rejects=%u",
                         connection->session.id, connection->session.rejects);
            }
            connection_leave(connection, effect->reason);
            break;
        }
    }
}

/* What auth let in may be banned here, or one too many. */
static void judge_name(struct gateway *gateway, struct connection *connection,
                       struct stratum_event *event)
{
    conducts_judge_name(gateway, connection, event);
    names_judge(gateway, connection, event);
}

/* One event into a session and all that follows. False where a line was not taken. */
static bool happen(struct gateway *gateway, struct connection *connection,
                   const struct stratum_event *event)
{
    struct stratum_session *session = &connection->session;
    struct consequence consequence = { .any = false };
    struct stratum_world world = world_of(gateway, connection->profile);
    bool mined = session->state == STRATUM_MINING, fed = session->receipts_subscribed;
    if (stratum_session_step(session, &world, event, &gateway->effects) == STRATUM_LATER)
        return false;
    enum share_outcome refused = gateway->effects.refused;
    bool share = refused != SHARE_ACCEPTED ||
                 (gateway->effects.count > 0 && gateway->effects.list[0].kind == STRATUM_SUBMIT);
    if (refused != SHARE_ACCEPTED) {
        measures_count(&gateway->measures, refused);
        rejects_refused(gateway, connection);
    }
    if (!mined && session->state == STRATUM_MINING)
        metric_set(gateway->measures.miners, ++gateway->miners);
    else if (mined && session->state != STRATUM_MINING)
        metric_set(gateway->measures.miners, --gateway->miners);
    if (!fed && session->receipts_subscribed)
        receipt_feed_add(gateway->receipt_feed, connection);
    carry_out(gateway, connection, &consequence);
    if (consequence.any && connection->state == CONNECTION_OPEN) {
        if (consequence.event.kind == STRATUM_AUTHORISED)
            judge_name(gateway, connection, &consequence.event);
        ASSERT(happen(gateway, connection, &consequence.event));
    }
    if (connection->state == CONNECTION_OPEN && !stratum_session_holds_answers(session))
        free_ring(gateway, stratum_session_return_answers(session));
    if (event->kind == STRATUM_LINE && !share)
        conducts_line(gateway, connection);
    else if (refused != SHARE_ACCEPTED)
        conducts_share(gateway, connection, refused, 0, 0);
    else if (event->kind == STRATUM_AUTHORISED && event->authorised.outcome == STRATUM_NO)
        conducts_login_refused(gateway, connection);
    return true;
}

/* Connections. */

bool sessions_on_line(void *context, struct connection *connection, struct span line)
{
    struct gateway *gateway = context;
    const struct stratum_event event = { .kind = STRATUM_LINE, .line = line };
    if (gateway->stopping || gateway->upgrading.state == UPGRADING_SETTLING ||
        connection->paused_until_ms != 0 || connection->slowed ||
        !conducts_may_say(gateway, connection))
        return false;
    if (submissions_are_full(&gateway->submissions)) {
        submissions_pass_on(gateway);
        if (connection->state != CONNECTION_OPEN) /* the answer to a duplicate was its last */
            return true;
    }
    if (connection->session.answers == NULL &&
        !lend_answers(gateway, &connection->session, RING_SMALL)) {
        connection_leave(connection, "no memory");
        return true;
    }
    bool taken = happen(gateway, connection, &event);
    if (!taken && stratum_session_wants_larger(&connection->session) &&
        lend_answers(gateway, &connection->session, STRATUM_ANSWERS_MAX))
        taken = happen(gateway, connection, &event);
    if (!taken && stratum_session_wants_workers(&connection->session)) {
        connection->session.no_workers = !names_lend(gateway, connection);
        taken = happen(gateway, connection, &event);
        connection->session.no_workers = false;
    }
    metric_add(gateway->measures.lines, taken);
    if (taken)
        conducts_said(gateway, connection);
    return taken;
}

void sessions_on_long_line(void *context, struct connection *connection)
{
    struct gateway *gateway = context;
    const struct stratum_event event = { .kind = STRATUM_LINE_LONG };
    metric_add(gateway->measures.rubbish, 1);
    (void)happen(gateway, connection, &event);
}

void sessions_on_closed(void *context, struct connection *connection, const char *reason)
{
    struct gateway *gateway = context;
    struct stratum_session *session = &connection->session;
    metric_set(gateway->measures.connections, gateway->connections.open);
    hash_budgets_closed(&gateway->hash_budgets, connection);
    conducts_leave(gateway, connection);
    if (session->id == 0) /* turned away: it never had a session */
        return;
    log_debug("session.close", "session=%016" PRIx64 " reason=\"%s\"", session->id, reason);
    bool kept = resuming_keep(gateway, connection);
    names_left(gateway, connection);
    if (session->state == STRATUM_MINING)
        metric_set(gateway->measures.miners, --gateway->miners);
    session->state = STRATUM_CLOSED;
    free_ring(gateway, stratum_session_return_answers(session)); /* nobody will read them */
    uint64_t newest = stratum_session_has_mined(session) ? job_feed_newest(&gateway->feed) : 0;
    if (!kept)
        extranonce_pool_give_back(&gateway->extranonces, connection->lease, session->extranonce1,
                                  newest);
}

static void turn_away(struct gateway *gateway, int fd, const char *text)
{
    struct connection *connection = connection_open(&gateway->connections, fd, false);
    if (connection == NULL) {
        (void)!write(fd, text, strlen(text));
        close(fd);
        return;
    }
    connection_write(connection, span_text(text));
    connection_leave(connection, "turned away");
}

void sessions_on_accept(void *context, const struct accepted *accepted)
{
    struct door *door = context;
    struct gateway *gateway = door->gateway;
    int fd = accepted->fd;
    struct stratum_world world = world_of(gateway, door->profile);
    uint32_t extranonce1;
    uint64_t lease;
    char refusal[CONDUCTS_TEXT_BYTES];
    bool proxied = doors_is_proxy(&gateway->doors, &accepted->peer);
    metric_add(gateway->measures.connected, 1);
    if (!proxied && !conducts_admit(gateway, &accepted->peer, refusal)) {
        (void)!write(fd, refusal, strlen(refusal));
        close(fd);
        return;
    }
    if (gateway->connections.open >= gateway->connections.options.miners_max) {
        metric_add(gateway->measures.turned_away, 1);
        turn_away(gateway, fd,
                  "{\"id\":null,\"result\":null,\"error\":[20,\"The pool is full\",null]}\n");
        return;
    }
    if (gateway->lease_id == 0 || !resuming_new_extranonce(gateway, &extranonce1, &lease)) {
        metric_add(gateway->measures.extranonces_out, 1);
        turn_away(gateway, fd,
                  "{\"id\":null,\"result\":null,\"error\":[20,\"The pool cannot take "
                  "more miners now, try again\",null]}\n");
        return;
    }
    struct connection *connection = connection_open(&gateway->connections, fd, true);
    if (connection == NULL) {
        extranonce_pool_give_back(&gateway->extranonces, lease, extranonce1, 0);
        close(fd);
        return;
    }
    const struct stratum_job *job = stratum_jobs_current(&gateway->feed.table);
    uint8_t extranonce2_bytes = job != NULL ? job->job->extranonce2_bytes
                                            : (uint8_t)gateway->settings->stratum_extranonce2_bytes;
    connection->peer = accepted->peer;
    connection->peer_port = accepted->port;
    connection_wrap(connection, &door->rules, proxied);
    if (!proxied)
        conducts_join(gateway, connection);
    connection->lease = lease;
    connection->profile = door->profile;
    stratum_session_init(&connection->session, &world, resuming_new_id(gateway), extranonce1,
                         extranonce2_bytes);
    metric_set(gateway->measures.connections, gateway->connections.open);
}

/* A proxy said where it comes from. */
bool sessions_on_source(void *context, struct connection *connection)
{
    struct gateway *gateway = context;
    char refusal[CONDUCTS_TEXT_BYTES];
    if (!conducts_admit(gateway, &connection->peer, refusal))
        return false;
    conducts_join(gateway, connection);
    return true;
}

/* What comes back. */

static uint64_t session_id(const struct gateway *gateway, const struct dispatch_origin *origin)
{
    const struct connection *connection =
        connection_find(&gateway->connections, origin->connection, origin->generation);
    return connection != NULL ? connection->session.id : 0;
}

void sessions_on_verdict(void *context, const struct dispatch_origin *origin,
                         const struct wire_share *share, const struct dispatch_result *result)
{
    struct gateway *gateway = context;
    enum share_outcome outcome =
        result->end == DISPATCH_JUDGED ? result->outcome : SHARE_NOT_DURABLE;
    /* What provably got no verdict may be sent again; what may have been applied never. */
    bool unjudged = result->end == DISPATCH_DROPPED ||
                    (result->end == DISPATCH_JUDGED &&
                     (outcome == SHARE_OVERLOADED || outcome == SHARE_NOT_DURABLE));
    /* A share below its work needs no memory either: sent again it is the same, and were its work
     * lowered meanwhile, its miner could as well have kept it back until then. One that was a block
     * stays, so that it is offered once. */
    bool junk =
        result->end == DISPATCH_JUDGED && outcome == SHARE_LOW_DIFFICULTY && !result->is_block;
    if ((unjudged || junk) && origin->keyed)
        job_feed_unsee(&gateway->feed, share->job_id, &origin->key);
    if (result->is_block)
        metric_add(gateway->measures.blocks, 1);
    metric_observe_us(gateway->measures.answer,
                      (loop_round_ns(gateway->loop) - origin->received_ns) / 1000);
    log_debug("share.verdict",
              "session=%016" PRIx64 " job=%016" PRIx64 " outcome=%s block=%d work=%" PRIu64,
              session_id(gateway, origin), share->job_id, share_outcome_label(outcome),
              result->is_block, share->work);
    sessions_judged(gateway, origin, share, outcome);
}

void sessions_judged(struct gateway *gateway, const struct dispatch_origin *origin,
                     const struct wire_share *share, enum share_outcome outcome)
{
    struct connection *connection =
        connection_find(&gateway->connections, origin->connection, origin->generation);
    measures_count(&gateway->measures, outcome);
    if (connection == NULL)
        return;
    rejects_judged(gateway, connection, share, outcome);
    hash_budgets_verdict(&gateway->hash_budgets, connection, outcome, loop_now_ms(gateway->loop));
    const struct stratum_event event = { .kind = STRATUM_VERDICT,
                                         .verdict = { origin->answer, outcome } };
    (void)happen(gateway, connection, &event);
    conducts_share(gateway, connection, outcome, share->account, share->worker);
    if (!gateway->stopping)
        connection_resume(connection);
}

void sessions_on_authorised(void *context, const struct authoriser_ticket *ticket,
                            const struct authoriser_result *result)
{
    struct gateway *gateway = context;
    struct connection *connection =
        connection_find(&gateway->connections, ticket->connection, ticket->generation);
    if (connection == NULL)
        return;
    struct stratum_event event = authorised_event(ticket, result);
    judge_name(gateway, connection, &event);
    (void)happen(gateway, connection, &event);
    if (!gateway->stopping)
        connection_resume(connection);
}

void sessions_happen(struct gateway *gateway, struct connection *connection,
                     const struct stratum_event *event)
{
    (void)happen(gateway, connection, event);
}

void sessions_on_job(void *context)
{
    struct gateway *gateway = context;
    metric_set(gateway->measures.jobs, gateway->feed.taken);
    broadcast_begin(gateway);
}

/* Time. */

static void show(struct gateway *gateway)
{
    struct dispatcher_counts counts = dispatcher_counts(gateway->dispatcher);
    metric_set(gateway->measures.held, counts.held);
    metric_set(gateway->measures.batches, counts.batches);
    metric_set(gateway->measures.retries, counts.retries);
    metric_set(gateway->measures.given_up, counts.given_up + counts.dropped);
    metric_set(gateway->measures.hedged, counts.hedged);
    metric_set(gateway->measures.kept, counts.replay.kept);
    metric_set(gateway->measures.kept_bytes, counts.replay.bytes);
    metric_set(gateway->measures.replayed, counts.replay.sent);
    metric_set(gateway->measures.replay_aside, counts.replay.aside);
    metric_set(gateway->measures.replay_refused, counts.replay.refused);
    metric_set(gateway->measures.probes, counts.probes);
    metric_set(gateway->measures.resumed, gateway->parking.resumed);
    metric_set(gateway->measures.leases, gateway->extranonces.count);
    if (gateway->rejects != NULL) {
        struct rejects_counts rejects = rejects_counts(gateway->rejects);
        metric_set(gateway->measures.traces, rejects.kept);
        metric_set(gateway->measures.traces_dropped, rejects.dropped);
    }
    metric_set(gateway->measures.validators, counts.healthy);
    metric_set(gateway->measures.closed_slow, gateway->connections.slow);
    metric_set(gateway->measures.conduct_warned, gateway->conducts.warned);
    metric_set(gateway->measures.conduct_paused, gateway->conducts.paused);
    metric_set(gateway->measures.conduct_slowed, gateway->conducts.slowed);
    metric_set(gateway->measures.conduct_thrown_out, gateway->conducts.thrown_out);
    metric_set(gateway->measures.conduct_banned, gateway->conducts.banned);
    metric_set(gateway->measures.conduct_refused, gateway->conducts.refused);
    const struct authoriser_counts names = authoriser_counts(gateway->authoriser);
    metric_set(gateway->measures.authorisations, names.asked);
    service_degraded(gateway->service, "validators",
                     counts.healthy == 0 ? "no validator answers" : NULL);
    service_degraded(gateway->service, "auth",
                     names.up          ? NULL
                     : names.connected ? "auth does not answer"
                                       : "auth is away");
    service_degraded(gateway->service, "jobs",
                     stratum_jobs_current(&gateway->feed.table) != NULL ? NULL
                                                                        : "there is no job yet");
}

static void look_for_pressure(struct gateway *gateway)
{
    size_t held = dispatcher_counts(gateway->dispatcher).held;
    size_t held_max = (size_t)gateway->settings->stratum_shares_held_max;
    struct shedding *shedding = &gateway->shedding;
    if (!shedding_look(shedding, held, held_max))
        return;
    if (shedding->pressed)
        log_warn("gateway.pressed",
                 "held=%zu max=%zu reason=\"validators do not keep up: difficulties are raised\"",
                 held, held_max);
    else
        log_info("gateway.relieved", "held=%zu raised=%" PRIu64, held, shedding->raised);
}

static void tick(struct gateway *gateway, struct connection *connection)
{
    struct stratum_event event = { .kind = STRATUM_TICK };
    (void)happen(gateway, connection, &event);
    conducts_tick(gateway, connection);
    uint32_t submitted = connection->submitted;
    connection->submitted = 0;
    if (!shedding_chooses(&gateway->shedding, submitted) || connection->state != CONNECTION_OPEN)
        return;
    unsigned raises = connection->session.raises;
    event.kind = STRATUM_RAISE;
    (void)happen(gateway, connection, &event);
    if (connection->session.raises == raises)
        return;
    gateway->shedding.raised++;
    metric_add(gateway->measures.raised, 1);
}

void sessions_on_tick(void *context)
{
    struct gateway *gateway = context;
    struct connections *connections = &gateway->connections;
    size_t used = connections->used_max, slice = gateway->tick_slice;
    size_t from = used * slice / TICK_SLICES, to = used * (slice + 1) / TICK_SLICES;
    gateway->tick_slice = (gateway->tick_slice + 1) % TICK_SLICES;
    if (slice == 0)
        shedding_begin(&gateway->shedding);
    look_for_pressure(gateway);
    for (size_t i = from; i < to; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state == CONNECTION_OPEN && connection->session.id != 0)
            tick(gateway, connection);
    }
    connections_sweep(connections, from, to);
    if (slice != 0)
        return;
    resuming_tick(gateway);
    lease_tick(gateway);
    if (gateway->rejects != NULL)
        rejects_tick(gateway->rejects);
    show(gateway);
}

void sessions_move(struct gateway *gateway)
{
    struct connections *connections = &gateway->connections;
    unsigned moved = 0, closed = 0;
    for (size_t i = 0; i < connections->used_max; i++) {
        struct connection *connection = &connections->places[i];
        uint32_t value;
        uint64_t lease;
        if (connection->state != CONNECTION_OPEN || connection->session.id == 0 ||
            extranonce_pool_holds(&gateway->extranonces, connection->lease))
            continue;
        if (!resuming_new_extranonce(gateway, &value, &lease)) {
            connection_leave(connection, "no extranonce in the new lease");
            closed++;
            continue;
        }
        const struct stratum_event event = {
            .kind = STRATUM_MOVED, .moved = { value, connection->session.extranonce2_bytes }
        };
        (void)happen(gateway, connection, &event);
        if (connection->state == CONNECTION_OPEN) {
            connection->lease = lease;
            moved++;
        } else { /* it could not be moved; its end gave back its old value, which is nobody's */
            extranonce_pool_give_back(&gateway->extranonces, lease, value, 0);
            closed++;
        }
    }
    log_warn("sessions.moved", "moved=%u closed=%u", moved, closed);
}
