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

/* What is wrong with it; NULL: nothing. *credited_r is the share in its place, or NULL. */
static const char *find_fault(const struct credit *credit, const struct window_share *shares,
                              size_t count, const struct window_share **credited_r)
{
    const struct wire_audit_sample *sample = &credit->sample;
    bool accepted = sample->outcome == SHARE_ACCEPTED;
    *credited_r = accepted && sample->rank < count ? &shares[sample->rank] : NULL;
    if (*credited_r != NULL && (*credited_r)->account != credit->share.account)
        return "it was credited to another account";
    if (*credited_r != NULL && (*credited_r)->worker != credit->share.worker)
        return "it was credited to another worker";
    if (*credited_r != NULL && (*credited_r)->work != credit->share.work)
        return "another work was credited for it";
    if (count < sample->accepted)
        return "fewer shares of its batch were credited than were accepted";
    if (count > sample->accepted)
        return "more shares of its batch were credited than were accepted";
    if (*credited_r != NULL && !is_same(*credited_r, &credit->share))
        return "it was credited under another job or time";
    return NULL;
}

static void pack(const struct window_share *share, uint8_t *bytes_r)
{
    store_le64(bytes_r, share->account);
    store_le64(bytes_r + 8, share->worker);
    store_le64(bytes_r + 16, share->work);
    store_le64(bytes_r + 24, share->job_id);
    store_le64(bytes_r + 32, share->time_ms);
}

static bool dispute_credit(struct auditor *auditor, const struct credit *credit, const char *fault,
                           const struct window_share *credited, uint64_t now_ms,
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
    snprintf(dispute.text, sizeof dispute.text, "%s%s", fault,
             dispute.certain ? ""
                             : " (more than one validator had its batch, or it did not prove who "
                               "it is: nobody loses a score for it)");
    if (credited != NULL) {
        pack(credited, packed);
        dispute.credited = span_of(packed, sizeof packed);
    }
    return auditor_dispute(auditor, &dispute, error) &&
           (!dispute.certain || auditor_punish(auditor, credit->first, id, error));
}

enum look { LOOK_DONE, LOOK_AGAIN, LOOK_FAILED };

static enum look look(struct auditor *auditor, const struct credit *credit, uint64_t now_ms,
                      struct error *error)
{
    const struct wire_audit_sample *sample = &credit->sample;
    const struct window_share *credited = NULL;
    const uint64_t received_ms = credit->share.received_ms;
    size_t count = 0;
    enum credit_outcome outcome = auditor->options.find_credit(
        auditor->options.context, sample->lease_id, sample->sequence,
        received_ms < AUDIT_CLOCKS_MS ? 0 : received_ms - AUDIT_CLOCKS_MS,
        sample->judged_ms + AUDIT_CLOCKS_MS, auditor->shares, &count);
    bool owed = sample->accepted > 0;
    if (outcome == CREDIT_NOT_KNOWN) {
        if (now_ms < sample->judged_ms + GIVE_UP_MS)
            return LOOK_AGAIN;
        auditor->counts.credits_unknown++;
        return LOOK_DONE;
    }
    if (outcome == CREDIT_NOT_THERE && owed && now_ms < sample->judged_ms + auditor->options.missing_ms)
        return LOOK_AGAIN;
    const char *fault =
        find_fault(credit, auditor->shares, outcome == CREDIT_THERE ? count : 0, &credited);
    if (fault != NULL && !dispute_credit(auditor, credit, fault, credited, now_ms, error))
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
        const struct credit credit = auditor->credits[auditor->credits_first];
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
