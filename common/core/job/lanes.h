/* Between job.c, which builds the header of one share, and lanes.c, which builds several. */
#pragma once
#include "core/job/job.h"

/* The 80 bytes from their parts. */
void job_write_header(const struct job *job, const struct job_choice *choice,
                      const uint8_t merkle_root[TEMPLATE_HASH_BYTES],
                      uint8_t header_r[POW_HEADER_BYTES]);
