/* Stratum V1 as a miner of the load generator needs it: lines to send, lines read. Written from the
 * protocol's description alone, so that pool and generator cannot share a mistake. It expects
 * well-formed lines and reads no more of them than it uses. Pure; one thread. */
#pragma once
#include "base/bytes.h"

#define LINES_JOB_ID_BYTES_MAX 64
#define LINES_USER_BYTES_MAX 128
#define LINES_SUBMIT_BYTES_MAX (LINES_USER_BYTES_MAX + LINES_JOB_ID_BYTES_MAX + 160)

/* Submissions carry ids of six digits, so that their lines differ only in fixed places. */
#define LINES_ID_FIRST 100000u
#define LINES_IDS 900000u
/* Below those: */
#define LINES_ID_SUBSCRIBE 1u
#define LINES_ID_AUTHORIZE 2u

enum line_kind {
    LINE_OTHER = 0,
    LINE_TRUE,   /* an answer whose result is true */
    LINE_ANSWER, /* any other answer without an error */
    LINE_ERROR,  /* an answer with an error, or a false result */
    LINE_NOTIFY,
    LINE_DIFFICULTY,
    LINE_EXTRANONCE,
};

struct line_job {
    char id[LINES_JOB_ID_BYTES_MAX + 1];
    char previous[65]; /* the block it builds on, as the line spells it */
    uint32_t ntime;
    unsigned branches;
    bool clean;
};

/* A submit line of a job with its free places. */
struct line_submit {
    char text[LINES_SUBMIT_BYTES_MAX];
    uint16_t length;
    uint16_t extranonce2_at;
    uint8_t extranonce2_bytes;
    uint32_t ntime;
};

/* What a line is; *id_r for answers (0: none or not a number), *code_r an error's number. */
enum line_kind line_read(const char *line, size_t length, uint32_t *id_r, int *code_r);
/* False where the line is not the notify that the protocol describes. */
MUST_CHECK bool line_read_notify(const char *line, size_t length, struct line_job *job_r);
/* The size of extranonce2 in the answer to mining.subscribe; false where there is none. */
MUST_CHECK bool line_read_subscribed(const char *line, size_t length, uint8_t *extranonce2_bytes_r);

/* mining.subscribe and mining.authorize in one text; its length. */
size_t line_login(const char *user, char *text_r, size_t bytes);
/* Prepares the line; user and job id must fit their bounds. */
void line_submit_begin(struct line_submit *submit, const char *user, const struct line_job *job,
                       uint8_t extranonce2_bytes);
/* Writes the line of the nth submission of a connection to text_r (submit->length bytes). No two
 * counters below 2^40 give the same header of one job. */
void line_submit_write(const struct line_submit *submit, uint32_t id, uint64_t counter,
                       char *text_r);
