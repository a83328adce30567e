/* The auditor's own: what its files share. */
#pragma once
#include "services/inode-scheduler/auditor.h"

/* One that is not settled. */
struct held {
    struct task task; /* its body is `body` */
    uint8_t body[];
};

/* A credit to be looked at. Kept in memory alone: what a scheduler that dies had not looked at yet
 * is looked at by the next where its task is not settled. */
struct credit {
    char id[TASK_ID_BYTES];
    char first[TASK_MEMBER_BYTES];
    struct wire_audit_sample sample; /* its text is not used */
    struct wire_share share;
    bool absent; /* it was seen not to be there, once all of its time was read */
};

struct asker {
    char member[TASK_MEMBER_BYTES];
    uint64_t asked_ms;
};

/* A validator as the registry had it when it was read last. */
struct known {
    char id[MEMBER_ID_BYTES];
    uint8_t key[MEMBER_KEY_BYTES];
    uint32_t stake;
    bool outside;
    uint64_t seen_ms;
};

struct auditor {
    struct auditor_options options;
    struct held **held;
    size_t held_count;
    size_t told; /* where the next walk to validators outside begins: all have their turn */
    struct credit *credits; /* a ring of waiting_max */
    size_t credits_first, credits_count;
    struct asker askers[AUDITOR_ASKERS_MAX];
    size_t asker_count;
    struct known *known; /* AUDITOR_KNOWN_MAX */
    size_t known_count;
    uint64_t known_ms; /* when it was read */
    struct auditor_counts counts;
    struct task_body body; /* scratch, and of the last offer */
    struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    void *scratch; /* for slow hashes; NULL until one is needed */
};

/* The validators with a key and a stake, read anew. */
MUST_CHECK bool auditor_read_known(struct auditor *auditor, uint64_t now_ms, struct error *error);
/* Who gave a first verdict, as the registry knows it: its id there, else the name it came with. */
void auditor_first(const struct auditor *auditor, const struct wire_audit_sample *sample,
                   char first_r[TASK_MEMBER_BYTES]);
/* Whether nobody else can have given it, so that a score may be taken for it. */
bool auditor_is_certain(const struct wire_audit_sample *sample);

/* auditor_settle.c: judges and ends a task; `reporter` may be NULL. It is taken out of memory where
 * DONE, or where it was settled by another. */
MUST_CHECK enum auditor_outcome auditor_settle(struct auditor *auditor, size_t place,
                                               const char *reporter,
                                               const struct auditor_report *report, uint64_t now_ms,
                                               struct error *error);
/* Writes the dispute and tells it. */
MUST_CHECK bool auditor_dispute(struct auditor *auditor, const struct dispute *dispute,
                                struct error *error);
/* Takes a validator's score for this cause. */
MUST_CHECK bool auditor_punish(struct auditor *auditor, const char *member, const char *cause,
                               struct error *error);
/* What all disputes say of a submission. */
void auditor_describe(const struct auditor *auditor, const struct wire_audit_sample *sample,
                      const struct wire_share *share, const char *id, uint64_t now_ms,
                      struct dispute *dispute_r);

void auditor_remove(struct auditor *auditor, size_t place);

/* auditor_credit.c */
void auditor_watch_credit(struct auditor *auditor, const struct task *task,
                          const struct task_body *body);
