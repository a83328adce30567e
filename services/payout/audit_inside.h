/* The audit's own: what its files share. Memory grows with accounts, blocks and payments, never
 * with entries: sets are taken by the slice, their entries by the set. */
#pragma once
#include "record/event/event.h"
#include "record/ledger/ledger_record.h"
#include "services/payout/audit.h"
#include "services/payout/view.h"

#include <stdio.h>

struct tally {
    struct ledger_account account;
    struct ledger_balance amounts;
    bool used;
    bool seen;  /* a balance record was compared with it */
    u128 carry; /* of bought work */
    bool carried;
};

enum { AUDIT_FOUND_SETS = 4, AUDIT_SLICE = 4096 };

struct audit {
    struct store *store;
    payout_audit_visitor visit;
    void *context;
    struct payout_audit_report *report;
    uint64_t first; /* of the slice */
    struct set_record *sets;
    size_t set_count, set_capacity;
    struct set_record found[AUDIT_FOUND_SETS]; /* what set_of answered last */
    size_t found_next;
    bool failed; /* the store could not say; *error */
    struct error *error;
    uint64_t last;     /* the newest applied set: what is looked at ends here */
    uint64_t moved_to; /* the newest set behind it that a balance has taken in, and whose */
    struct ledger_account moved;
    uint64_t newest_event;     /* answered by a set up to there */
    uint64_t event_sets;       /* sets that answer one */
    uint64_t events;           /* that must be answered */
    struct ledger_link *links; /* of legs */
    size_t link_capacity;
    struct ledger_leg *legs, *source, *derived;
    size_t leg_capacity, source_capacity, derived_capacity;
    int64_t *amounts;
    size_t amounts_capacity;
    struct tally *tallies; /* open addressing, 1 << bits */
    unsigned bits;
    size_t tally_count;
    struct window_view view; /* over the store alone */
    bool has_segments;
    struct window_position segments_end; /* of the newest of them */
    uint8_t *memory;
    uint64_t *numbers; /* of payments */
    size_t number_count, number_capacity;
    struct snapshot_record *snapshots;
    size_t snapshot_count, snapshot_capacity;
};

static inline void differ(struct audit *audit, const char *format, ...) PRINTF_LIKE(2, 3);
static inline void differ(struct audit *audit, const char *format, ...)
{
    char text[sizeof audit->report->first];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (audit->report->differences++ == 0)
        memcpy(audit->report->first, text, sizeof text);
    if (audit->visit != NULL)
        audit->visit(audit->context, text);
}

/* Makes room for `need` elements; out of memory aborts. */
void *audit_grow(void *memory, size_t *capacity, size_t need, size_t element_bytes);
/* An account's tally, made where it is missing; or only looked for (not `used` then). */
struct tally *audit_tally(struct audit *audit, const struct ledger_account *account);
struct tally *audit_find_tally(const struct audit *audit, const struct ledger_account *account);
void audit_make_table(struct audit *audit, unsigned bits);
/* The applied set of a cause; NULL where there is none, or (audit->failed) the store could not say.
 * Valid until AUDIT_FOUND_SETS more were asked for. */
const struct set_record *set_of(struct audit *audit, const struct ledger_cause *cause);
/* Whether closed legs are those of a set's header. */
MUST_CHECK bool is_set(const struct set_record *set, const struct ledger_legs *legs, bool built);

/* Frees what the audit gathered. */
void audit_free(struct audit *audit);

/* audit_sets.c: every set with its entries in order, what follows from earlier sets derived again,
 * balances added up. False with *error when the store could not. */
MUST_CHECK bool audit_sets(struct audit *audit, struct error *error);
/* audit_received.c: a set that credits a payment received for the first time, derived from its
 * record and from what was carried just before. */
MUST_CHECK bool audit_received(struct audit *audit, const struct set_record *set,
                               struct error *error);
/* An event about such a payment against its record. */
MUST_CHECK bool audit_emission(struct audit *audit, const struct wire_reward_event *event,
                               struct error *error);
/* audit_bought.c: work that was bought, and reward events against sets. */
MUST_CHECK bool audit_bought(struct audit *audit, struct error *error);
MUST_CHECK bool audit_events(struct audit *audit, struct error *error);
/* audit_windows.c: a block's parts held against the shares that segments keep. False as above. */
MUST_CHECK bool audit_open_windows(struct audit *audit, struct error *error);
MUST_CHECK bool audit_window(struct audit *audit, const struct snapshot_record *snapshot,
                             const struct pplns_part *parts, size_t count, struct error *error);
