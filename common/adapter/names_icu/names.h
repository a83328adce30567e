/* Account names in Unicode, by ICU: brought into one form, so that what people take for one name is
 * one name, and refused where they could be taken for another's.
 *
 * The form is RFC 8265's UsernameCaseMapped: wide and narrow forms become usual ones, capitals
 * small, NFC. Of its IdentifierClass (RFC 8264) only letters and digits that UTS 39 recommends for
 * identifiers are allowed, with '_' and '-' behind the first; no character that NFKC would change;
 * one script a name (Japanese, Chinese and Korean count as one each, as UTS 39 has it), and one
 * script's digits. Of two names with the same skeleton (UTS 39) only one may be had; who keeps them
 * says so.
 *
 * Pure; the caller's memory; any thread, after names_open. */
#pragma once
#include "core/identity/identity.h"

enum { NAMES_CHARACTERS_MIN = 3, NAMES_CHARACTERS_MAX = 50, NAMES_SKELETON_BYTES = 1024 };

/* X(enum name, sentence) */
#define NAMES_OUTCOMES(X)                                                                          \
    X(NAMES_OK, "")                                                                                \
    X(NAMES_NOT_UTF8, "this is not UTF-8")                                                         \
    X(NAMES_LENGTH, "a name has 3 to 50 characters, and 120 bytes at the most")                    \
    X(NAMES_CHARACTER,                                                                             \
      "a name has letters and digits, '_' and '-', and begins with a letter or digit")             \
    X(NAMES_MIXED, "a name's letters and digits are of one script")                                \
    X(NAMES_ADDRESS, "a name of 25 characters and more that could be an address has a '_' or '-'")

enum names_outcome {
#define X(name, text) name,
    NAMES_OUTCOMES(X)
#undef X
};
const char *names_outcome_text(enum names_outcome outcome);

struct names;
/* NULL and *error where ICU's data is not there. Caller owns. */
MUST_CHECK struct names *names_open(struct error *error);
void names_close(struct names *names);

/* The name's one form, with a NUL, or why there is none. The form of a form is itself. */
MUST_CHECK enum names_outcome names_prepare(const struct names *names, struct span text,
                                            char name_r[IDENTITY_CANONICAL_BYTES]);
/* What a prepared name looks like, as bytes to be compared. */
MUST_CHECK bool names_skeleton(const struct names *names, const char *name,
                               char skeleton_r[NAMES_SKELETON_BYTES]);
