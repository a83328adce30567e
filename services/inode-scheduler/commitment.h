/* The head of the chain of proofs, carried into the coinbases: read from the store at the start and
 * every few seconds, it stands in every job made after. Payout appends to the chain; here it is
 * only read. On the loop's thread, the store on the readers' worker. */
#pragma once
#include "loop/worker.h"
#include "record/proof/proof_record.h"

struct scheduler;

struct commitment {
    struct worker_job job;
    struct loop_timer timer;
    bool reading;
    enum store_outcome outcome; /* of the read under way */
    struct proof_link fresh;
    struct error error;
    uint64_t number; /* what the jobs carry; 0: nothing yet */
    bool failing;    /* it could not be read; said once */
};

/* Where the settings say that nothing is committed to, none of the two does anything. */

/* Reads it for the first time. Blocking; on the records' worker, before commitment_start. */
void commitment_read(struct scheduler *scheduler);
/* Gives the jobs what was read, before the first is made, and reads it again and again. */
void commitment_start(struct scheduler *scheduler);
