/* One miner's session: a machine that is asked and never acts. An event (a line that came, a
 * verdict, a new job, a second that passed) goes into stratum_session_step, which changes the
 * session and fills a list of effects (send this, judge that share, close); the caller carries them
 * out in their order. So a fuzzer needs only bytes and a bug report only the events.
 *
 *      CONNECTED ──subscribe──▶ SUBSCRIBED ──authorised, and a job──▶ MINING
 *          └────────────────────────┴───────────────┴──▶ CLOSED
 *
 * Nothing is pushed before the subscribe answer; a miner may authorize before it subscribes.
 * Answers leave in the order of the requests: while shares (or authorisations) are undecided, what
 * follows is held in a ring of answers, and when that is full, or a request needs an answer too
 * large to be held, the line is not taken (STRATUM_LATER): the caller stops reading this miner
 * until answers have left. The work of a share is what was in force when its job was sent to this
 * session; it is told to the miner right before the job from which on it counts. When it must
 * change at once, the same job is sent again with a later ntime, from which on the new work counts.
 * A pool that cannot keep up asks for more work a share (STRATUM_RAISE), which binds as any change
 * does; no more than sixteenfold in all, so that it cannot run away where the pool stands still.
 *
 * A miner that comes back may name the session it had (STRATUM_RESUME): where the owner kept it,
 * with the shares seen of it, it goes on with its extranonce1 and what its jobs were worth. What is
 * odd about a client is looked up by its user agent (quirks.h). The owner may say things to a
 * miner: a message, or where to connect instead.
 *
 * Pure: no heap, no clock, no I/O. All memory is the caller's, one thread at a time. A session is
 * under 1 KB; the ring of answers is lent to it only while it has a use for it. */
#pragma once
#include "core/share/share.h"
#include "core/stratum/jobs.h"
#include "core/stratum/quirks.h"
#include "core/vardiff/vardiff.h"

enum {
    STRATUM_WORKERS_OWN = 8,      /* names authorised on one connection without more memory */
    STRATUM_WORKERS_MAX = 32768,  /* and with it, at the most */
    STRATUM_MARKS_MAX = 16,       /* changes of work remembered; shares older than that are late */
    STRATUM_ANSWERS_MAX = 128,    /* held at once */
    STRATUM_ID_BYTES_MAX = 37,    /* longest id of a request whose answer may be held */
    STRATUM_NAME_BYTES_MAX = 128, /* user name, password */
    STRATUM_AGENT_BYTES_MAX = 47, /* of the client's name for itself, cut */
    STRATUM_MESSAGE_BYTES_MAX = 256, /* of a text for people, cut */
    STRATUM_REFUSAL_BYTES_MAX = 160, /* of an authorisation's reason, cut */
    STRATUM_RUBBISH_MAX = 8,         /* lines that are not JSON, before it is closed */
    STRATUM_REJECTS_MAX = 256,       /* shares rejected in a row, before it is closed */
    STRATUM_EFFECTS_MAX = 8,
    STRATUM_TEXT_BYTES_MAX = 40960,   /* all text of one step */
    STRATUM_STALE_CERTAIN_MS = 10000, /* a tip gone that long is gone for every validator */
    STRATUM_RAISES_MAX = 4,           /* doublings of a session's work that the pool asked for */
    STRATUM_RAISE_KEPT_MS = 30000,    /* so long without one, and one is forgotten */
    STRATUM_HELD_SILENCE_MS = 2000,   /* answers held longer say nothing about the miner's speed */
};

enum stratum_state {
    STRATUM_CONNECTED,
    STRATUM_SUBSCRIBED,
    STRATUM_MINING,
    STRATUM_CLOSED,
};

/* The same for all sessions of a port. */
struct stratum_params {
    enum pow_algorithm algorithm;
    uint32_t version_mask; /* bits the pool lets miners roll; 0: none */
    struct work start;     /* of a session that asks for nothing else */
    struct vardiff_params vardiff;
    uint64_t login_timeout_ms;
    uint64_t idle_timeout_ms;
    uint32_t workers_max;  /* names on one connection; 0: STRATUM_WORKERS_OWN */
    bool asks_for_version; /* of a client that does not say what it is */
};

/* What a step may look at beside the session. */
struct stratum_world {
    const struct stratum_params *params;
    const struct stratum_jobs *jobs;
    const struct quirks *quirks; /* NULL: nothing odd is known of anybody */
    uint64_t now_ms;             /* never goes back */
    uint64_t unix_ms;            /* calendar */
};

/* Errors that are not a share's outcome. X(enum name, code, text) */
#define STRATUM_ERRORS(X)                                                                          \
    X(STRATUM_ERROR_NOT_JSON, 20, "Not a JSON object in one line")                                 \
    X(STRATUM_ERROR_NO_METHOD, 20, "Method missing or not a string")                               \
    X(STRATUM_ERROR_UNKNOWN_METHOD, 20, "Unknown method")                                          \
    X(STRATUM_ERROR_PARAMS, 20, "Invalid parameters")                                              \
    X(STRATUM_ERROR_LONG_ID, 20, "Request id too long")                                            \
    X(STRATUM_ERROR_LONG_LINE, 20, "Line too long")                                                \
    X(STRATUM_ERROR_NAME, 24, "User name or password too long or not text")                        \
    X(STRATUM_ERROR_WORKERS, 20, "Too many workers on this connection")                            \
    X(STRATUM_ERROR_REFUSED, 24, "Not authorized")                                                 \
    X(STRATUM_ERROR_AUTH_AWAY, 24, "Authorization is not available now, try again")                \
    X(STRATUM_ERROR_DIFFICULTY, 20, "Invalid difficulty")                                          \
    X(STRATUM_ERROR_TARGET, 20, "Invalid target")                                                  \
    X(STRATUM_ERROR_NO_JOB, 21, "Job not found")                                                   \
    X(STRATUM_ERROR_TRANSACTIONS, 20, "Transactions are not sent here: look at the pool's blocks")

enum stratum_error {
#define X(name, code, text) name,
    STRATUM_ERRORS(X)
#undef X
};

/* One answer of the ring. */
struct stratum_answer {
    uint8_t kind;   /* enum answer_kind of answers.c */
    uint8_t detail; /* enum share_outcome or enum stratum_error */
    uint8_t id_bytes;
    char id[STRATUM_ID_BYTES_MAX]; /* as the request spelt it */
};

/* Lent to the session from a line event on for as long as stratum_session_holds_answers. The caller
 * sets the capacity, a power of two up to STRATUM_ANSWERS_MAX, and count = 0. */
struct stratum_answers {
    uint32_t capacity;
    uint32_t first; /* the number of the oldest; they count on for ever */
    uint32_t count;
    uint64_t head_ms; /* since when the oldest is the oldest */
    struct stratum_answer ring[];
};
#define STRATUM_ANSWERS_BYTES(capacity)                                                            \
    (sizeof(struct stratum_answers) + (capacity) * sizeof(struct stratum_answer))

enum stratum_worker_state {
    STRATUM_WORKER_NONE,
    STRATUM_WORKER_ASKING,
    STRATUM_WORKER_AUTHORISED,
    STRATUM_WORKER_REFUSED,
};

/* A name is kept as 64 bits of a hash: two names of one connection that collide are that
 * connection's own affair. */
struct stratum_worker {
    uint64_t name;
    uint64_t account_id;
    uint64_t worker_id;
    uint8_t state;       /* enum stratum_worker_state */
    bool maybe_cut;      /* the name is as long as where its client cuts names */
    uint32_t generation; /* another for each name that has had this place */
};

/* More places for names, lent like the ring of answers: a hash table of a power of two, at most
 * half full; its places count on from STRATUM_WORKERS_OWN and stay where they are. */
struct stratum_workers {
    uint32_t capacity;
    uint32_t used;
    struct stratum_worker places[];
};
#define STRATUM_WORKERS_BYTES(capacity)                                                            \
    (sizeof(struct stratum_workers) + (capacity) * sizeof(struct stratum_worker))

/* Shares are worth `work` from this place on, places being ordered by job and ntime: `place` is
 * the job's ordinal · 2^32 + ntime. A job sent again at another difficulty begins at a later ntime,
 * so the header alone decides what a share is worth. (Were it the job id the miner names, a miner
 * could look at the hash first and claim the higher of two works.) */
struct stratum_mark {
    uint64_t place;
    struct work work;
};

struct stratum_session {
    uint64_t id; /* the session id told to the miner */
    enum stratum_state state;
    uint32_t extranonce1;
    uint32_t extranonce1_before;  /* of notifications below `moved` */
    uint32_t version_mask;        /* in force; 0: none */
    uint32_t version_mask_before; /* of notifications below `version_moved` */
    uint32_t version_wish;        /* what the miner can roll; 0: nothing was negotiated */
    uint64_t moved;               /* ordinal · 256 + variant */
    uint64_t version_moved;
    uint64_t reshaped; /* from there on the coinbase's limit is the quirk's */
    uint64_t opened_ms;
    uint64_t line_ms;      /* last line from the miner */
    uint64_t notify_ms;    /* last job to the miner */
    uint64_t raised_ms;    /* when `raises` last changed */
    uint64_t sent_ordinal; /* of the last notification's job; 0: none was sent */
    uint64_t sent_tip;
    uint32_t sent_ntime; /* of the last notification, where it was a personal one; else 0 */
    uint8_t sent_variant;
    struct work start; /* what it begins with */
    struct work least; /* asked for by minimum-difficulty; 0: nothing */
    struct work told;  /* the last difficulty sent; a share may be worth less (quirk_corrected) */
    struct quirk quirk;
    char agent[STRATUM_AGENT_BYTES_MAX + 1]; /* printable; "": it did not say */
    struct work unraised;                    /* what it was worth before the first of `raises` */
    struct vardiff vardiff;
    struct stratum_mark marks[STRATUM_MARKS_MAX]; /* ascending */
    struct stratum_worker workers[STRATUM_WORKERS_OWN];
    struct stratum_workers *more;       /* lent, or NULL */
    struct stratum_answers *answers;    /* lent, or NULL */
    uint32_t first_answer;              /* what the next ring counts from */
    uint16_t coinbase_bytes_max_before; /* of notifications below `reshaped` */
    uint8_t extranonce2_bytes;
    uint8_t marks_count;
    uint8_t rubbish;
    uint8_t raises;   /* asked for by the pool, of late */
    uint16_t rejects; /* shares rejected since the last accepted one, for the miner's own fault */
    bool extranonce_subscribed; /* takes mining.set_extranonce */
    bool receipts_subscribed;   /* wants adit.receipt */
    bool authorised;            /* some worker is */
    bool wished;                /* it said what it wants to begin with */
    bool fixed;                 /* its difficulty stays where it was asked for */
    bool wants_workers;         /* the last line needs `more` */
    bool no_workers;            /* the owner's: none can be lent now */
    bool resuming;              /* a STRATUM_RESUME has no answer yet */
    bool version_asked;         /* client.get_version was sent */
    bool coinbase_refused;      /* it was closed for a coinbase larger than it can take */
};

enum stratum_event_kind {
    STRATUM_LINE,       /* line: complete, without its newline */
    STRATUM_LINE_LONG,  /* a line longer than the caller's bound began */
    STRATUM_AUTHORISED, /* authorised: the end of a STRATUM_AUTHORISE, or news about a worker */
    STRATUM_VERDICT,    /* verdict: the end of a STRATUM_SUBMIT */
    STRATUM_JOB,        /* the table has a new current job */
    STRATUM_TICK,       /* about a second passed */
    STRATUM_RAISE,      /* the pool cannot keep up: this session should send fewer shares */
    STRATUM_MOVED,      /* moved: its extranonce1 is another from now on */
    STRATUM_RESUMED,    /* resumed: the end of a STRATUM_RESUME */
    STRATUM_MESSAGE,    /* message: a text for who reads the miner's log */
    STRATUM_RECONNECT,  /* reconnect: it should connect anew, and is closed if it cannot be told */
};

enum stratum_authorised {
    STRATUM_YES,
    STRATUM_NO,
    STRATUM_AWAY, /* nobody could be asked */
};

#define STRATUM_NO_ANSWER UINT32_MAX /* nobody waits for it */

struct stratum_event {
    enum stratum_event_kind kind;
    struct span line;
    struct {
        uint32_t answer;     /* as the effect said; or STRATUM_NO_ANSWER */
        uint16_t worker;     /* as the effect said */
        uint32_t generation; /* as the effect said: whose place it was */
        enum stratum_authorised outcome;
        uint64_t account_id, worker_id;
        const char *text; /* the reason of a no; may be NULL */
    } authorised;
    struct {
        uint32_t answer;
        enum share_outcome outcome;
    } verdict;
    struct {
        uint32_t extranonce1;
        uint8_t extranonce2_bytes;
    } moved;
    struct {
        /* as it was when its connection ended; its extranonce1 is this one's from now on. NULL:
         * there is none of that id */
        const struct stratum_session *session;
    } resumed;
    const char *message;
    struct {
        const char *host; /* NULL: where it is connected now */
        uint16_t port;
        uint16_t wait_s;
    } reconnect;
};

enum stratum_effect_kind {
    STRATUM_SEND,      /* text: one or more lines */
    STRATUM_SEND_JOB,  /* job->text[shape][clean]: the text all sessions share */
    STRATUM_AUTHORISE, /* authorise: ask who that is; answer with STRATUM_AUTHORISED */
    STRATUM_SUBMIT,    /* submit: have it judged; answer with STRATUM_VERDICT */
    STRATUM_RESUME,    /* session_id: answer with STRATUM_RESUMED before anything else */
    STRATUM_CLOSE,     /* reason: for the log; no more events */
};

struct stratum_effect {
    enum stratum_effect_kind kind;
    struct span text;              /* borrowed from the effects */
    const struct stratum_job *job; /* borrowed from the table */
    uint8_t shape;                 /* enum job_shape */
    bool clean;
    uint32_t answer;
    uint16_t worker;
    uint32_t generation; /* of the worker */
    uint64_t session_id;
    struct span user, password; /* NUL-terminated, borrowed from the effects */
    struct share_submission submission;
    const char *reason; /* static */
};

/* What is known of a share that was refused on the spot. Lengths are of the texts as they were
 * sent; 255: longer, or no text. */
struct stratum_refusal {
    uint64_t account_id, worker_id; /* 0: a name that is not authorised */
    const struct stratum_job *job;  /* NULL: none of ours */
    uint8_t extranonce2_chars, extranonce2_wanted, ntime_chars, nonce_chars, bits_chars;
    bool has_bits;
};

/* Need not be initialised. Only the effects of the last step are valid. */
struct stratum_effects {
    unsigned count;
    size_t text_bytes;
    /* why a share was refused on the spot; SHARE_ACCEPTED where none was */
    enum share_outcome refused;
    struct stratum_refusal refusal; /* where one was */
    struct stratum_effect list[STRATUM_EFFECTS_MAX];
    char names[2][STRATUM_NAME_BYTES_MAX + 1];
    char text[STRATUM_TEXT_BYTES_MAX];
};

enum stratum_step {
    STRATUM_TAKEN, /* the event was handled */
    STRATUM_LATER, /* the line was not: offer it again when answers have left. No effects */
};

/* A new session: CONNECTED, with the extranonce1 that is its own while it lives. */
void stratum_session_init(struct stratum_session *session, const struct stratum_world *world,
                          uint64_t id, uint32_t extranonce1, uint8_t extranonce2_bytes);

/* Handles one event. A STRATUM_LINE needs session->answers. Events for a CLOSED session are taken
 * and do nothing. */
MUST_CHECK enum stratum_step stratum_session_step(struct stratum_session *session,
                                                  const struct stratum_world *world,
                                                  const struct stratum_event *event,
                                                  struct stratum_effects *effects_r);

/* While true, the ring of answers must stay with the session. When false, it may be taken away by
 * stratum_session_return_answers. */
static inline bool stratum_session_holds_answers(const struct stratum_session *session)
{
    return session->answers != NULL && session->answers->count > 0;
}
/* True where a line was not taken only because the ring is full and a larger one may be lent. */
static inline bool stratum_session_wants_larger(const struct stratum_session *session)
{
    return session->answers != NULL && session->answers->count == session->answers->capacity &&
           session->answers->capacity < STRATUM_ANSWERS_MAX;
}
/* Lends a ring, empty and larger than what the session has; returns what it had before (its answers
 * move over), or NULL. */
MUST_CHECK struct stratum_answers *stratum_session_lend_answers(struct stratum_session *session,
                                                                struct stratum_answers *answers);
/* Takes the ring back, for another session; NULL where none was lent. Answers still held are
 * forgotten. */
struct stratum_answers *stratum_session_return_answers(struct stratum_session *session);

/* True where a line was not taken only because more places for names may be lent. */
static inline bool stratum_session_wants_workers(const struct stratum_session *session)
{
    return session->wants_workers;
}
/* Lends them, zeroed but for the capacity. Not twice. */
void stratum_session_lend_workers(struct stratum_session *session, struct stratum_workers *workers);
/* Takes them back when the session is over; NULL where none were lent. */
struct stratum_workers *stratum_session_return_workers(struct stratum_session *session);
/* The worker at a place an effect named; NULL where there is no such place. */
struct stratum_worker *stratum_session_worker(struct stratum_session *session, uint32_t place);
/* Places there are: of its own and lent ones. */
static inline uint32_t stratum_session_places(const struct stratum_session *session)
{
    return STRATUM_WORKERS_OWN + (session->more != NULL ? session->more->capacity : 0);
}

/* Whether a job that may still be mined was ever sent: its extranonce1 must rest then. */
static inline bool stratum_session_has_mined(const struct stratum_session *session)
{
    return session->sent_ordinal != 0;
}

/* True where every invariant of the struct holds: for tests. */
bool stratum_session_verify(const struct stratum_session *session,
                            const struct stratum_world *world);

const char *stratum_error_text(enum stratum_error error);
int stratum_error_code(enum stratum_error error);
