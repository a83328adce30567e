#include "core/audit/audit.h"

#include "core/identity/blake2b.h"

_Static_assert(SHARE_OUTCOMES_COUNT <= 32, "each outcome has a bit");

uint64_t audit_seed(const struct audit_key *key, uint64_t lease_id, uint64_t sequence)
{
    uint8_t id[16], digest[8];
    store_le64(id, lease_id);
    store_le64(id + 8, sequence);
    const struct span parts[] = { span_of(id, sizeof id) };
    blake2b(span_of(key->bytes, sizeof key->bytes), parts, 1, digest, sizeof digest);
    return load_le64(digest);
}

uint64_t audit_highest_drawn(uint32_t rate)
{
    ASSERT(rate >= 1 && rate <= AUDIT_RATE_WHOLE);
    return (uint64_t)(((u128)rate << 64) / AUDIT_RATE_WHOLE - 1);
}

static uint32_t bit_of(enum share_outcome outcome)
{
    return UINT32_C(1) << outcome;
}

/* Outcomes that say nothing of the share: the validator could not look at it. The gateway's own
 * reason goes before them. */
static uint32_t excuses(const struct job *job, const struct share_submission *submission,
                        const struct audit_case *given)
{
    uint32_t excused = 0;
    if (submission->gateway_outcome != SHARE_ACCEPTED)
        return 0;
    if (pow_scratch_bytes(job->algorithm) > 0) /* it waited for a hashing thread in vain */
        excused |= bit_of(SHARE_OVERLOADED);
    if (given->final)
        excused |= bit_of(SHARE_JOB_NOT_FOUND);
    return excused;
}

void audit_judge(const struct job_prepared *prepared, const struct share_submission *submission,
                 const struct audit_case *given, void *scratch, struct audit_finding *finding_r)
{
    struct share_submission judged = *submission;
    struct share_verdict verdict;
    uint64_t early =
        submission->received_ms < AUDIT_CLOCKS_MS ? 0 : submission->received_ms - AUDIT_CLOCKS_MS;
    uint64_t late = given->judged_ms + AUDIT_CLOCKS_MS;
    uint32_t lowest, highest_early, highest_late;
    if (judged.account_id == 0 && judged.gateway_outcome == SHARE_ACCEPTED)
        judged.gateway_outcome = SHARE_UNAUTHORIZED; /* no share counts for nobody */
    share_check(prepared, SHARE_TIP_CURRENT, &judged, submission->received_ms, scratch, &verdict);
    *finding_r = (struct audit_finding){ .outcomes = bit_of(verdict.outcome),
                                         .outcome = verdict.outcome,
                                         .is_block = verdict.is_block,
                                         .has_header = verdict.has_header };
    memcpy(finding_r->hash, verdict.hash, sizeof finding_r->hash);
    memcpy(finding_r->header, verdict.header, sizeof finding_r->header);
    finding_r->outcomes |= excuses(prepared->job, &judged, given);
    if (!verdict.has_header || judged.gateway_outcome != SHARE_ACCEPTED)
        return;
    if (given->tip_in_doubt)
        finding_r->outcomes |= bit_of(SHARE_STALE);
    share_ntime_bounds(prepared->job, early, &lowest, &highest_early);
    share_ntime_bounds(prepared->job, late, &lowest, &highest_late);
    if (submission->ntime <= highest_early || submission->ntime > highest_late)
        return;
    /* By some clocks it is too far ahead, by others it is not. */
    finding_r->outcomes |= bit_of(SHARE_INVALID_NTIME);
    share_check(prepared, SHARE_TIP_CURRENT, &judged, late, scratch, &verdict);
    finding_r->outcomes |= bit_of(verdict.outcome);
}

bool audit_allows(const struct audit_finding *finding, enum share_outcome outcome, bool is_block)
{
    if ((finding->outcomes & bit_of(outcome)) == 0)
        return false;
    /* Who did not look at it saw no block. */
    bool looked = outcome == finding->outcome ||
                  (outcome != SHARE_OVERLOADED && outcome != SHARE_JOB_NOT_FOUND);
    return is_block == (looked && finding->is_block);
}

bool audit_allows_validity(const struct audit_finding *finding, bool valid)
{
    uint32_t accepted = bit_of(SHARE_ACCEPTED);
    return (finding->outcomes & (valid ? accepted : ~accepted)) != 0;
}
