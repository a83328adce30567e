/* What each audit of the ledger found: a log 1, 2, 3, … that payout writes and others follow. Two
 * that audit at once take two numbers. Blocking, like the store; one thread at a time a handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection audit_report_collection;

enum { AUDIT_REPORT_TEXT_BYTES = 300 };

struct audit_report {
    uint64_t number;
    uint64_t time_ms; /* unix */
    uint64_t differences;
    char first[AUDIT_REPORT_TEXT_BYTES]; /* the first of them, in words; "": none */
    uint64_t sets, entries, accounts;    /* that were looked at */
};

/* Under the next free number, which it fills. STORE_DONE; STORE_CONFLICT where others kept taking
 * it; STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome audit_report_append(struct store *store, struct audit_report *report,
                                                  struct error *error);
/* The newest number, 0 where there is none. */
MUST_CHECK enum store_outcome audit_report_newest(struct store *store, uint64_t *number_r,
                                                  struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome audit_report_get(struct store *store, uint64_t number,
                                               struct audit_report *report_r, struct error *error);
