/* What the window credits for one batch, by the places noted of it. Blocking (the window): a
 * worker's thread, that of the reader. Owns nothing. */
#pragma once
#include "services/inode-scheduler/places.h"

enum credit_outcome {
    CREDIT_THERE,
    CREDIT_NOT_THERE,
    CREDIT_NOT_KNOWN, /* not read so far yet, or the window is away, or it was trimmed since */
};
struct credit_found {
    enum credit_outcome outcome;
    /* All from the first of the two times until now is one history of the window, without a gap
     * (places.h): nobody can have appended the batch anew, and it cannot have been lost. */
    bool steady;
    size_t count; /* of the shares credited; 0 but where it is there */
};

/* Of the batch that was appended, if it was, between the two times (unix); its shares into shares_r
 * of WINDOW_BATCH_SHARES_MAX. */
struct credit_found credits_find(struct places *places, struct window_reader *window,
                                 uint64_t lease_id, uint64_t sequence, uint64_t from_ms,
                                 uint64_t to_ms, struct window_share *shares_r);
