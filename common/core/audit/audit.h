/* Audits: which of the submissions judged are judged again, and what an honest verdict is.
 *
 * The draw. A gateway has a key that no validator ever sees. The seed of a batch is BLAKE2b, keyed
 * with it, of the batch's id; the number of a share is a mix of that seed and its place; a share is
 * drawn where its number is low. So whether a share is drawn depends on the key and on its name
 * alone, never on its verdict, its account or who judged it; nobody without the key can tell before
 * or after a verdict is given; and what becomes known of one batch's draw says nothing of
 * another's. Of several that are drawn those with the lowest numbers are a fair choice again.
 *
 * The judgement. A verdict depends on a few things that two honest processes may see differently:
 * when each heard of a new tip, and what time it was. So the finding is a set: every outcome that
 * an honest validator may have given. It has one element for nearly all shares. A verdict outside
 * of it is wrong whatever the circumstances were.
 *
 * Pure; the caller's memory; any thread. */
#pragma once
#include "core/share/share.h"

enum {
    AUDIT_KEY_BYTES = 32,
    AUDIT_RATE_WHOLE = 1000000, /* rates are parts of it */
    AUDIT_CLOCKS_MS = 5000,     /* hosts' clocks, and what they heard when, agree to within that */
};

struct audit_key {
    uint8_t bytes[AUDIT_KEY_BYTES];
};

uint64_t audit_seed(const struct audit_key *key, uint64_t lease_id, uint64_t sequence);
/* The number of the share at `index` of the batch with that seed. */
static inline uint64_t audit_number(uint64_t seed, uint32_t index)
{
    /* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
    uint64_t mixed = seed + (index + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}
/* The highest number that is drawn at a rate of 1 to AUDIT_RATE_WHOLE (others are a bug: aborts).
 */
uint64_t audit_highest_drawn(uint32_t rate);

/* What is known of a verdict's circumstances. */
struct audit_case {
    /* Another tip than the job's may have been known to whoever judged it. */
    bool tip_in_doubt;
    bool final;         /* none of those who were asked before had its job */
    uint64_t judged_ms; /* unix: when its verdict came, by the gateway's clock */
};

struct audit_finding {
    uint32_t outcomes;          /* a bit for each that an honest validator may have given */
    enum share_outcome outcome; /* the one it gives where nothing is in doubt */
    bool is_block;
    bool has_header; /* else hash and header are 0 */
    uint8_t hash[POW_HASH_BYTES];
    uint8_t header[POW_HEADER_BYTES];
};

/* The submission's case (as the gateway passed it on, its gateway_outcome among it), judged anew.
 * It is for this job, which is known: that a validator had no such job is honest only where
 * `final` is set. `scratch` as for pow_hash. */
void audit_judge(const struct job_prepared *job, const struct share_submission *submission,
                 const struct audit_case *given, void *scratch, struct audit_finding *finding_r);

/* Whether an honest validator may have given this verdict. */
bool audit_allows(const struct audit_finding *finding, enum share_outcome outcome, bool is_block);
/* The same of one that says only whether the share counts. */
bool audit_allows_validity(const struct audit_finding *finding, bool valid);
