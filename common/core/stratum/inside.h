/* What the files of the session machine share. No other code includes this. */
#pragma once
#include "core/stratum/json.h"
#include "core/stratum/print.h"
#include "core/stratum/stratum.h"

/* One step under way. */
struct step {
    struct stratum_session *session;
    const struct stratum_world *world;
    struct stratum_effects *effects;
};

/* One request of a miner. */
struct request {
    struct step *step;
    const struct json *json; /* NULL where submit_scan read it */
    struct span id;          /* its text; "null" where there is none */
    unsigned params;         /* token of the array; 0: there is none */
    bool silent;             /* nobody waits for its answer */
};

/* session.c: a new effect, and the text behind the last STRATUM_SEND (or a new
 * one), to be ended by step_text_end. */
struct stratum_effect *step_effect(struct step *step, enum stratum_effect_kind kind);
struct print step_text_begin(struct step *step);
void step_text_end(struct step *step, const struct print *print);
void step_close(struct step *step, const char *reason);

/* answers.c. Each sends the answer now or, while older ones are held, in its turn. */
void answer_true(struct request *request);
void answer_pong(struct request *request);
void answer_error(struct request *request, enum stratum_error error);
void answer_rejected(struct request *request, enum share_outcome outcome);
/* Holds a place for an answer that comes later; its number. */
uint32_t answer_hold(struct request *request);
/* The same for a subscribe, whose answer is the session as it is then. */
uint32_t answer_hold_subscribe(struct request *request);
void answer_settle_subscribe(struct step *step);
/* What a subscribe is answered, without the id before it and the error behind. */
void print_subscribed(struct print *print, const struct stratum_session *session);
/* The held answers' ends; numbers that are not held are ignored (false). */
bool answer_settle_share(struct step *step, uint32_t number, enum share_outcome outcome);
bool answer_settle_authorised(struct step *step, uint32_t number, enum stratum_authorised outcome,
                              const char *text);
/* `{"id":…,"result":` begun and `,"error":null}` ended, for answers that are never held. */
struct print answer_begin(struct request *request);
void answer_end(struct request *request, struct print *print);
/* An error without a request. */
void answer_error_without_id(struct step *step, enum stratum_error error);
bool answers_full(const struct stratum_session *session);

/* session.c */
/* The work it should have by now is told with the current job, sent again where that can be other
 * work; else with the next job. */
void step_tell_work(struct step *step);
/* The bounds of this session's work. */
struct vardiff_params session_bounds(const struct step *step);
/* Moves to a state; an illegal move is a bug. */
void session_enter_state(struct stratum_session *session, enum stratum_state state);

/* methods.c */
enum stratum_step request_line(struct step *step, struct span line);
/* configure.c */
void method_configure(struct request *request);
/* What a mining.submit says, as it is spelt between the quotes; data NULL where a text is missing
 * or something else stands in its place. */
struct submit_fields {
    struct span user, job, extranonce2, ntime, nonce, bits;
    bool has_bits; /* something but null stands there */
    bool enough;   /* there are at least five parameters */
};

/* submit.c */
void method_submit(struct request *request);
/* The job that is meant by an id this session was sent; false for anything else. */
MUST_CHECK bool session_find_job(const struct step *step, struct span text,
                                 const struct stratum_job **job_r, unsigned *variant_r);
/* The same once its fields are read. */
void submit_decide(struct request *request, const struct submit_fields *fields);

/* submit_scan.c: reads the line in one pass where it is a mining.submit as miners write them: an
 * object of id, method and params alone, in any order, the id an integer or a text of at most
 * STRATUM_ID_BYTES_MAX bytes, five or six texts, no escapes, blanks between. True with what the
 * general way would have read; false, and nothing said of the line, where it is anything else. */
MUST_CHECK bool submit_scan(struct span line, struct span *id_r, struct submit_fields *fields_r);
/* submit.c: the general way. `name` holds a user name that was written with escapes. */
void submit_read(const struct json *json, unsigned params, char name[STRATUM_NAME_BYTES_MAX + 1],
                 struct submit_fields *fields_r);

/* workers.c: the names of one connection. */
/* 64 bits for a user name. */
uint64_t worker_name_hash(struct span name);
/* NULL where it is not among them. */
struct stratum_worker *worker_find(struct stratum_session *session, uint64_t name);
/* A place for a name that has none: never used, or that of one that was refused. NULL where there
 * is none, or places must be lent first. */
struct stratum_worker *worker_place(struct stratum_session *session, uint64_t name);
/* The number of a worker's place. */
uint32_t worker_number(const struct stratum_session *session, const struct stratum_worker *worker);

/* login.c */
void method_authorize(struct request *request);
/* A difficulty given as a number or as text. */
MUST_CHECK bool difficulty_of(struct request *request, unsigned token, struct work *work_r);
/* The miner wants to begin with, or go on at, this work. */
void session_wish(struct step *step, struct work work);
/* subscribe.c */
void method_subscribe(struct request *request);
void session_on_resumed(struct step *step, const struct stratum_session *parked);
/* What the client calls itself is known now. */
void session_know_agent(struct step *step, const char *agent);
/* wishes.c */
void method_suggest_difficulty(struct request *request);
void method_suggest_target(struct request *request);
void method_multi_version(struct request *request);

/* session.c: which coinbase of a job this session was sent with that notification (ordinal · 256 +
 * variant; UINT64_MAX: is sent from now on). JOB_SHAPES: none is short enough. */
unsigned session_shape(const struct stratum_session *session, const struct job *job,
                       uint64_t notification);
/* The client's limit for a coinbase is another from the next notification on. */
void session_reshape(struct stratum_session *session, uint16_t bytes_max_before);
/* session.c: where that came under way, the job it has is sent again in the shape it should have.
 */
void session_mend_shape(struct step *step);

/* The version bits the miner may roll with a job; session.c. */
uint32_t session_version_mask(const struct step *step, const struct job *job);
