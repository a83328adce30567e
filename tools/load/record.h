/* What became of each submission, a line of text each:
 *
 *   END MINER SESSION NUMBER JOB SENT_US ENDED_US
 *
 * END is `accepted`, `lost` (the connection ended, or the run, before an answer) or the number of
 * the error it was refused with; MINER the number in its worker's name; SESSION counts the miner's
 * connections; NUMBER its submissions, from which extranonce2, nonce and ntime follow (lines.h);
 * JOB is the job's id as the pool spelt it; times are Unix microseconds. */
#pragma once
#include "tools/load/connection.h"

#include <stdio.h>

enum { RECORD_ACCEPTED = 0, RECORD_LOST = -1 };

struct record_line {
    int end; /* RECORD_ACCEPTED, RECORD_LOST, or the error's number (1 for an unknown one) */
    uint32_t miner, session;
    uint64_t number;
    char job[LINES_JOB_ID_BYTES_MAX + 1];
    uint64_t sent_us, ended_us;
};

void record_write(FILE *file, const struct record_line *line);
/* False where the text is no such line. */
MUST_CHECK bool record_read(const char *text, struct record_line *line_r);
