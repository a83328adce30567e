/* Every way a share can end, in one list: the enum, its value on wires and in records, the Stratum
 * error code and the text a miner reads. */
#pragma once
#include "base/bytes.h"

/* X(enum name, wire value, Stratum code, label in metrics and logs, text a miner reads). Wire
 * values are stored: never renumber or reuse. Codes: 20 other, 21 job not found or stale, 22
 * duplicate, 23 low difficulty, 24 unauthorized, 25 not subscribed. */
#define SHARE_OUTCOMES(X)                                                                          \
    X(SHARE_ACCEPTED, 0, 0, "accepted", "Accepted")                                                \
    X(SHARE_STALE, 1, 21, "stale", "Stale share")                                                  \
    X(SHARE_JOB_NOT_FOUND, 2, 21, "job_not_found", "Job not found")                                \
    X(SHARE_DUPLICATE, 3, 22, "duplicate", "Duplicate share")                                      \
    X(SHARE_LOW_DIFFICULTY, 4, 23, "low_difficulty", "Low difficulty share")                       \
    X(SHARE_UNAUTHORIZED, 5, 24, "unauthorized", "Unauthorized worker")                            \
    X(SHARE_NOT_SUBSCRIBED, 6, 25, "not_subscribed", "Not subscribed")                             \
    X(SHARE_INVALID_NTIME, 7, 20, "invalid_ntime", "Ntime out of range")                           \
    X(SHARE_INVALID_VERSION, 8, 20, "invalid_version", "Invalid version bits")                     \
    X(SHARE_INVALID_EXTRANONCE2, 9, 20, "invalid_extranonce2", "Wrong extranonce2 length")         \
    X(SHARE_MALFORMED, 10, 20, "malformed", "Malformed submission")                                \
    X(SHARE_WORKER_MISMATCH, 11, 24, "worker_mismatch", "Worker mismatch")                         \
    X(SHARE_OVERLOADED, 12, 20, "overloaded", "Overloaded, share not accepted")                    \
    X(SHARE_NOT_DURABLE, 13, 20, "not_durable", "Share could not be stored")                       \
    X(SHARE_BANNED, 14, 20, "banned", "Banned")

enum share_outcome {
#define X(name, wire, code, label, text) name = wire,
    SHARE_OUTCOMES(X)
#undef X
};

#define X(name, wire, code, label, text) +1
enum { SHARE_OUTCOMES_COUNT = 0 SHARE_OUTCOMES(X) };
#undef X

/* The text a miner reads, static; the Stratum error code (0 for accepted); the label
 * ("low_difficulty"), static. */
const char *share_outcome_text(enum share_outcome outcome);
int share_outcome_stratum_code(enum share_outcome outcome);
const char *share_outcome_label(enum share_outcome outcome);

/* False, with *outcome_r untouched, for a value that no list of ours ever had. */
MUST_CHECK bool share_outcome_from_wire(uint64_t value, enum share_outcome *outcome_r);
