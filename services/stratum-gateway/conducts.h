/* Who behaves how (core/conduct), and what follows: connections by their address and in all, the
 * rate they come at, lines, logins and shares; who is banned, and until when. A session's conduct
 * stands in its connection; those of addresses and workers in one bounded table here. A session is
 * charged first; thrown out, it is charged to the worker it mined for and to its address, there
 * divided by the sessions in good standing. An address is IPv4 or an IPv6 network of 64 bits.
 *
 * What beats the table's bound is let in and forgotten: never is somebody refused because others
 * fill it. One thread. */
#pragma once
#include "core/conduct/conduct.h"
#include "core/network/network.h"
#include "core/share/outcome.h"
#include "service/settings.h"

enum {
    CONDUCTS_ENTRIES_MAX = 65536,
    CONDUCTS_TEXT_BYTES = 192,
    CONDUCTS_REASON_BYTES = 96,
    CONDUCTS_WHOM_BYTES = 80,
};

struct connection;
struct gateway;
struct stratum_event;

struct conducts_rules {
    struct network allowed[SETTINGS_LIST_MAX]; /* addresses no rule of addresses holds for */
    unsigned allowed_count;
    uint32_t address_connections_max; /* 0: no bound */
    uint32_t address_connects_a_second;
    uint32_t lines_a_second;    /* of a session, shares or not; 0: no bound */
    uint32_t requests_a_second; /* of a session, no shares among them */
    uint32_t points[CONDUCT_OFFENCES_COUNT];
    uint64_t pause_ms;
    uint64_t ban_ms; /* 0: nobody is banned */
};

struct conducts {
    struct conducts_rules rules;
    struct conducts_entry *entries; /* CONDUCTS_ENTRIES_MAX, made when first needed */
    uint32_t *buckets;
    uint64_t seed; /* of the hash: strangers choose the keys */
    uint32_t used;
    uint32_t swept;
    char ban_text[CONDUCTS_REASON_BYTES];
    uint64_t warned, raised, paused, slowed, thrown_out, banned, refused;
    uint64_t lifted; /* with `banned`: whether the list of bans may be another */
};

/* False with one sentence where a setting is wrong; then nothing changed. Also for a reload. */
MUST_CHECK bool conducts_rules_read(struct conducts_rules *rules, const struct settings *settings,
                                    struct error *error);
void conducts_init(struct conducts *conducts, const struct conducts_rules *rules, uint64_t seed);
void conducts_deinit(struct conducts *conducts);

/* A connection from there would like in. False with one line for it, newline included. */
MUST_CHECK bool conducts_admit(struct gateway *gateway, const struct network_address *address,
                               char line_r[CONDUCTS_TEXT_BYTES]);
/* It was let in, from connection->peer; it goes, or turns out to be from elsewhere. */
void conducts_join(struct gateway *gateway, struct connection *connection);
void conducts_leave(struct gateway *gateway, struct connection *connection);

/* A line of it is there: false where it has to wait, because the session sends more than its bound.
 * Nothing is held against it: it is read again within a second. */
MUST_CHECK bool conducts_may_say(struct gateway *gateway, struct connection *connection);
/* It was taken. */
void conducts_said(struct gateway *gateway, struct connection *connection);
/* A line of it was handled that was no share; a share of it was judged; a name was refused. The
 * connection may be gone afterwards. */
void conducts_line(struct gateway *gateway, struct connection *connection);
void conducts_share(struct gateway *gateway, struct connection *connection,
                    enum share_outcome outcome, uint64_t account, uint64_t worker);
/* It is about to be closed for what it sent. */
void conducts_rubbish(struct gateway *gateway, struct connection *connection);
void conducts_login_refused(struct gateway *gateway, struct connection *connection);
/* Before an answer of auth goes to a session: a yes for a worker banned here becomes a no, whose
 * text is valid until the next call. */
void conducts_judge_name(struct gateway *gateway, const struct connection *connection,
                         struct stratum_event *event);
/* About a second passed: who was paused long enough is read again. */
void conducts_tick(struct gateway *gateway, struct connection *connection);

/* For the operator: all bans, a line each; false where `bytes` do not hold them. Bans an address
 * (or "worker ACCOUNT/WORKER" in hex) for so long; lifts one, or all by "all". False where there is
 * none such, or the text is none. */
bool conducts_print_bans(const struct gateway *gateway, char *text_r, size_t bytes);
/* The newest bans, the newest first: their number, at most `max`; *count_r: of all. Text of the
 * reasons is static. They stay these until somebody is banned or lifted, or the first one's time is
 * over (*next_ms_r, by the loop's clock; UINT64_MAX: never). */
struct conducts_ban {
    char whom[CONDUCTS_WHOM_BYTES];
    const char *reason;
    uint64_t until_ms; /* by the loop's clock */
    uint64_t before;   /* its place among all that ever began */
};
size_t conducts_newest_bans(const struct gateway *gateway, struct conducts_ban *bans_r, size_t max,
                            uint32_t *count_r, uint64_t *next_ms_r);
MUST_CHECK bool conducts_ban(struct gateway *gateway, const char *whom, uint64_t ban_ms);
MUST_CHECK bool conducts_lift(struct gateway *gateway, const char *whom);
