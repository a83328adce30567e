/* Whether the window credits what the verdict says: a validator may tell its gateway one thing and
 * append another. */
#include "services/inode-scheduler/auditor_inside.h"

#include "service/log.h"

#include <stdio.h>

enum {
    GIVE_UP_MS = 300000,
    CHECKS_AT_ONCE = 1024,
};

void auditor_watch_credit(struct auditor *auditor, const struct task *task,
                          const struct task_body *body)
{
    if (auditor->options.find_credit == NULL)
        return;
    if (auditor->credits_count == auditor->options.waiting_max) {
        auditor->counts.credits_unknown++;
        return;
    }
    struct credit *credit = &auditor->credits[(auditor->credits_first + auditor->credits_count++) %
                                              auditor->options.waiting_max];
    *credit = (struct credit){ .sample = body->sample, .share = body->share };
    credit->sample.first = "";
    snprintf(credit->id, sizeof credit->id, "%s", task->id);
    auditor_first(auditor, &body->sample, credit->first);
}

static bool is_same(const struct window_share *credited, const struct wire_share *share)
{
    return credited->account == share->account && credited->worker == share->worker &&
           credited->work == share->work && credited->job_id == share->job_id &&
           credited->time_ms == share->received_ms;
}

/* What is wrong with it; NULL: nothing. *credited_r is the share in its place, or NULL. Where the
 * number is wrong no place says anything of any one share. */
static const char *find_fault(const struct credit *credit, const struct window_share *shares,
                              size_t count, const struct window_share **credited_r)
{
    const struct wire_audit_sample *sample = &credit->sample;
    *credited_r = NULL;
    if (count < sample->accepted)
        return "fewer shares of its batch were credited than were accepted";
    if (count > sample->accepted)
        return "more shares of its batch were credited than were accepted";
    if (sample->outcome != SHARE_ACCEPTED || sample->rank >= count)
        return NULL;
    *credited_r = &shares[sample->rank];
    if ((*credited_r)->account != credit->share.account)
        return "it was credited to another account";
    if ((*credited_r)->worker != credit->share.worker)
        return "it was credited to another worker";
    if ((*credited_r)->work != credit->share.work)
        return "another work was credited for it";
    return is_same(*credited_r, &credit->share) ? NULL
                                                : "it was credited under another job or time";
}

static void pack(const struct window_share *share, uint8_t *bytes_r)
{
    store_le64(bytes_r, share->account);
    store_le64(bytes_r + 8, share->worker);
    store_le64(bytes_r + 16, share->work);
    store_le64(bytes_r + 24, share->job_id);
    store_le64(bytes_r + 32, share->time_ms);
}

static const char *doubt_text(const struct dispute *dispute, bool steady)
{
    if (dispute->certain)
        return "";
    return steady
               ? " (more than one validator had its batch, or it did not prove who it is: nobody "
                 "loses a score for it)"
               : " (the window's history has changed since, and another validator may have "
                 "appended the batch anew: nobody loses a score for it)";
}

static bool dispute_credit(struct auditor *auditor, const struct credit *credit, const char *fault,
                           const struct window_share *credited, bool steady, uint64_t now_ms,
                           struct error *error)
{
    uint8_t packed[DISPUTE_CREDITED_BYTES_MAX];
    struct wire_audit_sample sample = credit->sample;
    struct dispute dispute;
    char id[DISPUTE_ID_BYTES];
    snprintf(id, sizeof id, "%s:credit", credit->id);
    auditor_describe(auditor, &sample, &credit->share, id, now_ms, &dispute);
    dispute.kind = DISPUTE_CREDIT_WRONG;
    snprintf(dispute.first, sizeof dispute.first, "%s", credit->first);
    dispute.certain = dispute.certain && steady;
    snprintf(dispute.text, sizeof dispute.text, "%s%s", fault, doubt_text(&dispute, steady));
    if (credited != NULL) {
        pack(credited, packed);
        dispute.credited = span_of(packed, sizeof packed);
    }
    return auditor_dispute(auditor, &dispute, error) &&
           (!dispute.certain || auditor_punish(auditor, credit->first, id, error));
}

enum look { LOOK_DONE, LOOK_AGAIN, LOOK_FAILED };

/* Whether what was found is the last word on it. A batch that is not there is waited for: nothing
 * is there as long as the window's own readers are behind what validators see. It need not be seen
 * to be absent at the end once more: its place may be forgotten by then, and in a steady stretch
 * nobody appends it late but a validator that was asked for it late. */
static bool is_final(struct auditor *auditor, struct credit *credit,
                     const struct credit_found *found, uint64_t now_ms)
{
    const struct wire_audit_sample *sample = &credit->sample;
    credit->absent = credit->absent || found->outcome == CREDIT_NOT_THERE;
    if (found->outcome == CREDIT_THERE || (credit->absent && sample->accepted == 0))
        return true;
    return credit->absent && found->steady &&
           now_ms >= sample->judged_ms + auditor->options.missing_ms;
}

static enum look look(struct auditor *auditor, struct credit *credit, uint64_t now_ms,
                      struct error *error)
{
    const struct wire_audit_sample *sample = &credit->sample;
    const struct window_share *credited = NULL;
    const uint64_t received_ms = credit->share.received_ms;
    const struct credit_found found = auditor->options.find_credit(
        auditor->options.context, sample->lease_id, sample->sequence,
        received_ms < AUDIT_CLOCKS_MS ? 0 : received_ms - AUDIT_CLOCKS_MS,
        sample->judged_ms + AUDIT_CLOCKS_MS, auditor->shares);
    if (!is_final(auditor, credit, &found, now_ms)) {
        if (now_ms < sample->judged_ms + GIVE_UP_MS)
            return LOOK_AGAIN;
        auditor->counts.credits_unknown++;
        return LOOK_DONE;
    }
    const char *fault = find_fault(credit, auditor->shares, found.count, &credited);
    if (fault != NULL &&
        !dispute_credit(auditor, credit, fault, credited, found.steady, now_ms, error))
        return LOOK_FAILED;
    auditor->counts.credits++;
    return LOOK_DONE;
}

bool auditor_check_credits(struct auditor *auditor, uint64_t now_ms, struct error *error)
{
    size_t count =
        auditor->credits_count < CHECKS_AT_ONCE ? auditor->credits_count : (size_t)CHECKS_AT_ONCE;
    for (size_t i = 0; i < count; i++) {
        const size_t max = auditor->options.waiting_max;
        struct credit credit = auditor->credits[auditor->credits_first];
        enum look outcome = look(auditor, &credit, now_ms, error);
        if (outcome == LOOK_FAILED)
            return false;
        auditor->credits_first = (auditor->credits_first + 1) % max;
        auditor->credits_count--;
        if (outcome == LOOK_AGAIN) /* behind the others */
            auditor->credits[(auditor->credits_first + auditor->credits_count++) % max] = credit;
    }
    return true;
}
