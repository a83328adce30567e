#include "services/stratum-gateway/conducts.h"

#include "service/log.h"
#include "services/stratum-gateway/conducts_table.h"
#include "services/stratum-gateway/gateway.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SESSION_FORGIVE_MS = 1000,
    REQUESTS_BURST = 200,
    CONNECTS_BURST = 500,
    /* While three of four places are taken, an address has so many sessions without a share
     * accepted, beside as many as it has with one: strangers do not fill the last quarter. */
    UNPROVEN_MAX = 64,
};

bool conducts_rules_read(struct conducts_rules *rules, const struct settings *settings,
                         struct error *error)
{
    struct conducts_rules read = {
        .address_connections_max = (uint32_t)settings->stratum_address_connections_max,
        .address_connects_a_second = (uint32_t)settings->stratum_address_connects_per_s,
        .lines_a_second = (uint32_t)settings->stratum_lines_per_s,
        .requests_a_second = (uint32_t)settings->stratum_requests_per_s,
        .points = { [CONDUCT_BAD_SHARE] = (uint32_t)settings->stratum_points_bad_share,
                    [CONDUCT_LINES] = (uint32_t)settings->stratum_points_request,
                    [CONDUCT_RUBBISH] = (uint32_t)settings->stratum_points_rubbish,
                    [CONDUCT_LOGIN] = (uint32_t)settings->stratum_points_login,
                    [CONDUCT_THROWN_OUT] = conduct_points(CONDUCT_THROWN_OUT) },
        .pause_ms = (uint64_t)settings->stratum_pause_s * 1000,
        .ban_ms = (uint64_t)settings->stratum_ban_s * 1000,
    };
    for (size_t i = 0; i < settings->stratum_allow.count; i++)
        if (!network_parse(span_text(settings->stratum_allow.items[i]),
                           &read.allowed[read.allowed_count++]))
            return error_set(error, ERROR_INVALID,
                             "stratum.allow has \"%.64s\": write an address or a network, such as "
                             "10.0.0.0/8 or 2001:db8::/32",
                             settings->stratum_allow.items[i]);
    *rules = read;
    return true;
}

static bool is_allowed(const struct conducts_rules *rules, const struct network_address *address)
{
    for (unsigned i = 0; i < rules->allowed_count; i++)
        if (network_contains(&rules->allowed[i], address))
            return true;
    return false;
}

static uint64_t now_of(const struct gateway *gateway)
{
    return loop_now_ms(gateway->loop);
}

/* Bans. */

static void begin_ban(struct gateway *gateway, struct conducts_entry *entry, const char *reason,
                      uint64_t ban_ms)
{
    char whom[CONDUCTS_KEY_TEXT];
    entry->banned_until_ms = now_of(gateway) + ban_ms;
    entry->reason = reason;
    entry->bans_before = gateway->conducts.banned++;
    conducts_key_print(&entry->key, whom);
    log_warn("conduct.ban", "whom=\"%s\" seconds=%" PRIu64 " reason=\"%s\"", whom, ban_ms / 1000,
             reason);
}

/* A worker or an address answers for one of its sessions. */
static void charge(struct gateway *gateway, struct conducts_entry *entry, uint32_t points,
                   const char *reason)
{
    uint64_t ban_ms = gateway->conducts.rules.ban_ms;
    enum conduct_step step =
        conduct_charge(&entry->conduct, points, CONDUCTS_FORGIVE_MS, now_of(gateway));
    if (step == CONDUCT_BANNED && ban_ms > 0)
        begin_ban(gateway, entry, reason, conduct_ban_ms(&entry->conduct, ban_ms));
}

static void charge_address(struct gateway *gateway, const struct connection *connection,
                           uint32_t points, const char *reason)
{
    struct conducts_entry *entry =
        conducts_table_at(&gateway->conducts, connection->conducts_place);
    if (entry != NULL && !is_allowed(&gateway->conducts.rules, &connection->peer))
        charge(gateway, entry, conduct_shared(points, entry->good), reason);
}

/* A session's ladder. */

static void set_good(struct gateway *gateway, struct connection *connection, bool good)
{
    struct conducts_entry *entry =
        conducts_table_at(&gateway->conducts, connection->conducts_place);
    if (entry == NULL || connection->good == good)
        return;
    connection->good = good;
    if (good)
        entry->good++;
    else
        entry->good--;
}

static void throw_out(struct gateway *gateway, struct connection *connection, const char *reason)
{
    struct conducts *conducts = &gateway->conducts;
    uint32_t points = conduct_points(CONDUCT_THROWN_OUT);
    conducts->thrown_out++;
    log_info("conduct.thrown_out", "session=%016" PRIx64 " reason=\"%s\"", connection->session.id,
             reason);
    const struct conducts_key key = conducts_key_of_worker_from(
        connection->conduct_account, connection->conduct_worker, &connection->peer);
    struct conducts_entry *worker = connection->conduct_worker != 0
                                        ? conducts_table_make(conducts, &key, now_of(gateway), NULL)
                                        : NULL;
    if (worker != NULL)
        charge(gateway, worker, points, reason);
    charge_address(gateway, connection, points, reason);
    connection_leave(connection, reason);
}

static void session_offends(struct gateway *gateway, struct connection *connection,
                            enum conduct_offence offence)
{
    struct conducts *conducts = &gateway->conducts;
    if (connection->state != CONNECTION_OPEN)
        return;
    enum conduct_step step = conduct_charge(&connection->conduct, conducts->rules.points[offence],
                                            SESSION_FORGIVE_MS, now_of(gateway));
    if (step == CONDUCT_FINE)
        return;
    set_good(gateway, connection, false);
    const struct stratum_event raise = { .kind = STRATUM_RAISE };
    const struct stratum_event message = { .kind = STRATUM_MESSAGE,
                                           .message = conduct_text(offence) };
    switch (step) {
    case CONDUCT_WARNED:
        conducts->warned++;
        sessions_happen(gateway, connection, &message);
        break;
    case CONDUCT_RAISED:
        conducts->raised++;
        sessions_happen(gateway, connection, &raise);
        break;
    case CONDUCT_PAUSED:
        conducts->paused++;
        connection->paused_until_ms = now_of(gateway) + conducts->rules.pause_ms;
        break;
    default:
        throw_out(gateway, connection, conduct_text(offence));
    }
}

/* At the door. */

/* All that an address may have may come at once: a farm whose power is back. */
static uint32_t connects_burst(const struct conducts_rules *rules)
{
    return rules->address_connections_max > CONNECTS_BURST ? rules->address_connections_max
                                                           : CONNECTS_BURST;
}

bool conducts_admit(struct gateway *gateway, const struct network_address *address,
                    char line_r[CONDUCTS_TEXT_BYTES])
{
    struct conducts *conducts = &gateway->conducts;
    const struct conducts_rules *rules = &conducts->rules;
    const struct connections *connections = &gateway->connections;
    const struct conducts_key key = conducts_key_of_address(address);
    uint64_t now_ms = now_of(gateway), left_ms = 0;
    const char *reason;
    struct conducts_entry *entry =
        is_allowed(rules, address) ? NULL : conducts_table_make(conducts, &key, now_ms, NULL);
    if (entry == NULL)
        return true;
    bool crowded = connections->open > connections->options.miners_max / 4 * 3;
    if (entry->banned_until_ms > now_ms) {
        reason = entry->reason;
        left_ms = entry->banned_until_ms - now_ms;
    } else if (!conduct_rate_take(&entry->connects, rules->address_connects_a_second,
                                  connects_burst(rules), now_ms)) {
        /* Refusing costs no more than a ban would, and a farm that starts is none's enemy. */
        reason = "Too many connections from your address at once";
    } else if ((rules->address_connections_max > 0 &&
                entry->sessions >= rules->address_connections_max) ||
               (crowded && entry->sessions - entry->good >= UNPROVEN_MAX + entry->good)) {
        reason = "Too many connections from your address";
    } else {
        return true;
    }
    conducts->refused++;
    if (left_ms > 0)
        snprintf(line_r, CONDUCTS_TEXT_BYTES,
                 "{\"id\":null,\"result\":null,\"error\":[20,\"Banned for %" PRIu64
                 " s: %s\",null]}\n",
                 (left_ms + 999) / 1000, reason);
    else
        snprintf(line_r, CONDUCTS_TEXT_BYTES,
                 "{\"id\":null,\"result\":null,\"error\":[20,\"%s, try again\",null]}\n", reason);
    return false;
}

void conducts_join(struct gateway *gateway, struct connection *connection)
{
    const struct conducts_key key = conducts_key_of_address(&connection->peer);
    struct conducts_entry *entry =
        conducts_table_make(&gateway->conducts, &key, now_of(gateway), &connection->conducts_place);
    if (entry != NULL)
        entry->sessions++;
}

void conducts_leave(struct gateway *gateway, struct connection *connection)
{
    struct conducts_entry *entry =
        conducts_table_at(&gateway->conducts, connection->conducts_place);
    if (entry == NULL)
        return;
    set_good(gateway, connection, false);
    ASSERT(entry->sessions > 0);
    entry->sessions--;
    connection->conducts_place = 0;
}

/* What a session does. */

/* What comes at once may be a second's worth; then the kernel holds the rest, and the miner. */
bool conducts_may_say(struct gateway *gateway, struct connection *connection)
{
    const uint32_t rate = gateway->conducts.rules.lines_a_second;
    if (rate == 0 || conduct_rate_allows(&connection->lines, rate, rate, now_of(gateway)))
        return true;
    gateway->conducts.slowed++;
    connection->slowed = true;
    return false;
}

void conducts_said(struct gateway *gateway, struct connection *connection)
{
    const uint32_t rate = gateway->conducts.rules.lines_a_second;
    if (!conduct_rate_take(&connection->lines, rate, rate, now_of(gateway)))
        connection->slowed = true; /* the bound was lowered meanwhile */
}

void conducts_line(struct gateway *gateway, struct connection *connection)
{
    if (!conduct_rate_take(&connection->requests, gateway->conducts.rules.requests_a_second,
                           REQUESTS_BURST, now_of(gateway)))
        session_offends(gateway, connection, CONDUCT_LINES);
}

void conducts_share(struct gateway *gateway, struct connection *connection,
                    enum share_outcome outcome, uint64_t account, uint64_t worker)
{
    switch (outcome) {
    case SHARE_ACCEPTED:
        conduct_praise(&connection->conduct);
        if (!connection->good && connection->conduct.points == 0)
            set_good(gateway, connection, true);
        break;
    case SHARE_STALE: /* the chain's doing, and a job's time on the wire's */
    case SHARE_OVERLOADED:
    case SHARE_NOT_DURABLE:
        break;
    default:
        connection->conduct_account = account;
        connection->conduct_worker = worker;
        session_offends(gateway, connection, CONDUCT_BAD_SHARE);
    }
}

void conducts_rubbish(struct gateway *gateway, struct connection *connection)
{
    charge_address(gateway, connection, gateway->conducts.rules.points[CONDUCT_RUBBISH],
                   conduct_text(CONDUCT_RUBBISH));
}

void conducts_login_refused(struct gateway *gateway, struct connection *connection)
{
    const char *text = conduct_text(CONDUCT_LOGIN);
    charge_address(gateway, connection, gateway->conducts.rules.points[CONDUCT_LOGIN], text);
    session_offends(gateway, connection, CONDUCT_LOGIN);
}

void conducts_judge_name(struct gateway *gateway, const struct connection *connection,
                         struct stratum_event *event)
{
    struct conducts *conducts = &gateway->conducts;
    uint64_t account = event->authorised.account_id, worker = event->authorised.worker_id;
    /* An operator bans a name wherever it comes from; conduct, where it was bad. */
    const struct conducts_key keys[] = {
        conducts_key_of_worker(account, worker),
        conducts_key_of_worker_from(account, worker, &connection->peer),
    };
    uint64_t now_ms = now_of(gateway);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct conducts_entry *entry = conducts_table_find(conducts, &keys[i]);
        if (event->authorised.outcome != STRATUM_YES || entry == NULL ||
            entry->banned_until_ms <= now_ms)
            continue;
        snprintf(conducts->ban_text, sizeof conducts->ban_text, "Banned for %" PRIu64 " s: %s",
                 (entry->banned_until_ms - now_ms + 999) / 1000, entry->reason);
        event->authorised.outcome = STRATUM_NO;
        event->authorised.text = conducts->ban_text;
    }
}

void conducts_tick(struct gateway *gateway, struct connection *connection)
{
    const bool slowed = connection->slowed;
    if (connection->paused_until_ms > now_of(gateway) ||
        (connection->paused_until_ms == 0 && !slowed))
        return;
    connection->paused_until_ms = 0;
    connection->slowed = false;
    connection_resume(connection);
}

/* The operator. */

bool conducts_print_bans(const struct gateway *gateway, char *text_r, size_t bytes)
{
    const struct conducts *conducts = &gateway->conducts;
    uint64_t now_ms = now_of(gateway);
    size_t used = 0;
    text_r[0] = '\0';
    for (uint32_t place = 1; place <= CONDUCTS_ENTRIES_MAX; place++) {
        const struct conducts_entry *entry = conducts_table_at(conducts, place);
        char whom[CONDUCTS_KEY_TEXT];
        if (entry == NULL || entry->banned_until_ms <= now_ms)
            continue;
        conducts_key_print(&entry->key, whom);
        int length = snprintf(text_r + used, bytes - used, "%s for %" PRIu64 " s: %s\n", whom,
                              (entry->banned_until_ms - now_ms + 999) / 1000, entry->reason);
        if (length < 0 || (size_t)length >= bytes - used) {
            text_r[used] = '\0';
            return false;
        }
        used += (size_t)length;
    }
    return true;
}

/* Sorts it in where it belongs; the oldest gives way. */
static size_t sort_in(struct conducts_ban *bans, size_t count, size_t max,
                      const struct conducts_entry *entry)
{
    size_t place = count;
    while (place > 0 && bans[place - 1].before < entry->bans_before)
        place--;
    if (place == max)
        return count;
    count += count < max;
    memmove(&bans[place + 1], &bans[place], (count - place - 1) * sizeof *bans);
    bans[place] = (struct conducts_ban){ .reason = entry->reason,
                                         .until_ms = entry->banned_until_ms,
                                         .before = entry->bans_before };
    conducts_key_print(&entry->key, bans[place].whom);
    return count;
}

size_t conducts_newest_bans(const struct gateway *gateway, struct conducts_ban *bans_r, size_t max,
                            uint32_t *count_r, uint64_t *next_ms_r)
{
    const struct conducts *conducts = &gateway->conducts;
    const uint64_t now_ms = now_of(gateway);
    size_t count = 0;
    *count_r = 0;
    *next_ms_r = UINT64_MAX;
    if (conducts->banned == 0)
        return 0;
    for (uint32_t place = 1; place <= CONDUCTS_ENTRIES_MAX; place++) {
        const struct conducts_entry *entry = conducts_table_at(conducts, place);
        if (entry == NULL || entry->banned_until_ms <= now_ms)
            continue;
        ++*count_r;
        if (entry->banned_until_ms < *next_ms_r)
            *next_ms_r = entry->banned_until_ms;
        count = sort_in(bans_r, count, max, entry);
    }
    return count;
}

bool conducts_ban(struct gateway *gateway, const char *whom, uint64_t ban_ms)
{
    struct conducts_key key;
    if (!conducts_key_parse(whom, &key))
        return false;
    struct conducts_entry *entry =
        conducts_table_make(&gateway->conducts, &key, now_of(gateway), NULL);
    if (entry == NULL)
        return false;
    begin_ban(gateway, entry, "by the operator", ban_ms);
    return true;
}

bool conducts_lift(struct gateway *gateway, const char *whom)
{
    struct conducts *conducts = &gateway->conducts;
    struct conducts_key key;
    bool all = strcmp(whom, "all") == 0, any = false;
    if (!all && !conducts_key_parse(whom, &key))
        return false;
    for (uint32_t place = 1; place <= CONDUCTS_ENTRIES_MAX; place++) {
        struct conducts_entry *entry = conducts_table_at(conducts, place);
        if (entry == NULL || entry->banned_until_ms <= now_of(gateway) ||
            (!all && memcmp(&entry->key, &key, sizeof key) != 0))
            continue;
        entry->banned_until_ms = 0;
        entry->conduct = (struct conduct){ .points = 0 };
        any = true;
        conducts->lifted++;
    }
    if (any)
        log_info("conduct.lifted", "whom=\"%.80s\"", whom);
    return any || all;
}
