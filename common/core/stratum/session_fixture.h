/* A session of the machine with a world around it, for tests: what is sent is gathered in `sent`.
 */
#pragma once
#include "core/stratum/stratum.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define NOTIFY_HEAD "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\""
#define SUBSCRIBED                                                                                 \
    "[[[\"mining.set_difficulty\",\"00000000000000ab\"],[\"mining.notify\",\"00000000000000ab\"]]" \
    ","                                                                                            \
    "\"0a0b0c0d\",8],\"error\":null}\n"
#define DIFFICULTY(text)                                                                           \
    "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[" text "]}\n"

enum { NOW_MS = 1000000, UNIX_S = 1700000000 };

/* A session with everything around it. The texts sent are gathered in `sent`. */
struct fixture {
    struct stratum_params params;
    struct stratum_jobs jobs;
    struct job job[8];
    struct stratum_job entry[8];
    char text[8][JOB_SHAPES][2][STRATUM_NOTIFY_BYTES_MAX];
    struct stratum_world world;
    struct stratum_session session;
    struct stratum_answers *small, *large; /* rings of 2 and of all */
    struct stratum_effects effects;
    char sent[65536];
    struct stratum_workers *more;
    struct quirks quirks;
    unsigned submits, authorises, closes, resumes;
    uint64_t resume_id;
    struct share_submission submission;
    uint32_t answer; /* of the last submit or authorise */
    uint16_t worker; /* of the last authorise */
    char user[STRATUM_NAME_BYTES_MAX + 1];
    const char *reason;
};

extern struct fixture *f;

void add_job(unsigned i, uint64_t id, uint8_t tip, bool clean);
/* f->job[i], filled before, becomes the current job. */
void take_job(unsigned i);
struct stratum_answers *new_ring(uint32_t capacity);
int set_up(void **state);
int tear_down(void **state);
void pass_ms(uint64_t ms);
void gather(struct span text);
enum stratum_step step(const struct stratum_event *event);
void say(const char *line);
enum stratum_step say_later(const char *line);
void happen(enum stratum_event_kind kind);
void authorised_of(uint32_t answer, uint16_t worker, uint32_t generation,
                   enum stratum_authorised outcome);
void authorised(uint32_t answer, uint16_t worker, enum stratum_authorised outcome);
void verdict(uint32_t answer, enum share_outcome outcome);
void expect(const char *text);
void expect_notify(const char *before, const char *id, const char *end);
void begin_mining(void);
void submit(unsigned id, const char *job, unsigned ntime, unsigned nonce);
