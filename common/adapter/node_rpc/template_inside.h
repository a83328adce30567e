/* What the files of the template reader share: template.c (its stages), template_fields.c (the
 * members of a template), template_list.c (its transactions). Private to them. */
#pragma once
#include "adapter/node_rpc/template.h"

/* No coin here issues more than 2^53 base units in all, and JSON readers agree up to there. */
#define VALUE_MAX (INT64_C(1) << 53)

enum { NAME_BYTES = 40 };

/* The members of a template that are read; the X-macro gives each its bit. */
#define FIELDS(X)                                                                                  \
    X(version)                                                                                     \
    X(rules)                                                                                       \
    X(previousblockhash)                                                                           \
    X(transactions)                                                                                \
    X(coinbasevalue)                                                                               \
    X(longpollid)                                                                                  \
    X(target)                                                                                      \
    X(mintime)                                                                                     \
    X(curtime)                                                                                     \
    X(bits)                                                                                        \
    X(height)                                                                                      \
    X(default_witness_commitment)                                                                  \
    X(mweb)                                                                                        \
    X(signet_challenge)
enum field {
#define X(name) FIELD_##name,
    FIELDS(X)
#undef X
        FIELDS_COUNT
};

/* Ends the reading with a sentence; always SCAN_BAD. The first one counts. */
enum scan_outcome template_refuse(struct template_reader *reader, const char *what);
enum scan_outcome template_refuse_field(struct template_reader *reader, enum field field,
                                        const char *what);

/* The name of the next member and its colon; refused where the object had it before. A name too
 * long for any of ours reads "". */
MUST_CHECK enum scan_outcome template_read_name(struct template_reader *reader, struct scan *scan,
                                                struct template_members *members,
                                                char name_r[NAME_BYTES]);
/* A hash as RPC shows it, turned round into internal order; SCAN_OTHER where it is none. */
MUST_CHECK enum scan_outcome template_read_hash(struct scan *scan, uint8_t hash_r[32]);

/* FIELDS_COUNT: none of ours. */
enum field template_find_field(const char *name);
/* The value of a member of the template; "transactions" is not one of those read here. */
MUST_CHECK enum scan_outcome template_read_field(struct template_reader *reader, struct scan *scan,
                                                 enum field field);

/* One transaction, or the list's end: *ended_r. */
MUST_CHECK enum scan_outcome template_read_entry(struct template_reader *reader, struct scan *scan,
                                                 bool *ended_r);
