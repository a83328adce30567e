/* What is known to be odd about clients, by the user agent they name in mining.subscribe: a table
 * read from text, one JSON object a line, so that an operator can mend it without a new version.
 *
 *   {"agent":"NiceHash/","algorithm":"sha256d","min_difficulty":500000,"start_difficulty":500000}
 *
 * The first line whose `agent` stands somewhere in the client's user agent (letters' case does not
 * matter) and whose `algorithm`, where it names one, is the pool's counts; no two are added up.
 * Lines that are empty or begin with '#' are skipped. A name that is not known is an error, so that
 * a mistyped one is not silently without effect.
 *
 * Pure; the caller owns the table; any thread. */
#pragma once
#include "core/difficulty/difficulty.h"

enum {
    QUIRKS_MAX = 64,
    QUIRK_AGENT_BYTES_MAX = 31,
    QUIRK_PPM_MAX = 1000, /* of the work's correction */
    QUIRK_JOB_ID_SHORT = 8,
};

/* What a client cannot do, as a set of bits. X(bit, name) */
#define QUIRK_FEATURES(X)                                                                          \
    X(QUIRK_NO_SHOW_MESSAGE, "show_message")                                                       \
    X(QUIRK_NO_RECONNECT, "reconnect")                                                             \
    X(QUIRK_NO_GET_VERSION, "get_version")                                                         \
    X(QUIRK_NO_SET_EXTRANONCE, "set_extranonce")                                                   \
    X(QUIRK_NO_SET_VERSION_MASK, "set_version_mask")                                               \
    X(QUIRK_NO_VERSION_ROLLING, "version_rolling")

enum quirk_feature_place {
#define X(bit, name) bit##_PLACE,
    QUIRK_FEATURES(X)
#undef X
        QUIRK_FEATURES_COUNT
};
enum quirk_feature {
#define X(bit, name) bit = 1 << bit##_PLACE,
    QUIRK_FEATURES(X)
#undef X
};

/* All zero: nothing odd. A session keeps a copy, so a table may be exchanged at any time. */
struct quirk {
    struct work least;            /* no work below this; 0: no floor of its own */
    struct work start;            /* of a client that wishes for nothing else; 0: the port's */
    uint16_t coinbase_bytes_max;  /* a larger one is garbled or crashes it, so it gets a shorter
                                   * shape (core/job); 0: no limit known */
    uint16_t work_correction_ppm; /* its target is easier than the true one by up to this */
    uint8_t name_bytes_max;       /* where it cuts user names, or worse; 0: no limit known */
    uint8_t job_id_digits;        /* QUIRK_JOB_ID_SHORT where long ids are cut; 0: the usual */
    bool short_numbers;           /* it leaves out a number's leading zeros */
    bool names_escaped;           /* it writes '%2e' for '.' in user names */
    uint8_t missing;              /* enum quirk_feature */
};

struct quirk_entry {
    char agent[QUIRK_AGENT_BYTES_MAX + 1];
    struct quirk quirk;
};

struct quirks {
    unsigned count;
    struct quirk_entry list[QUIRKS_MAX];
};

/* Reads a table; entries for other algorithms are checked and left out. False with the line (from
 * 1) and a sentence in *error, and *quirks_r undefined. */
MUST_CHECK bool quirks_parse(struct span text, enum pow_algorithm algorithm,
                             struct quirks *quirks_r, struct error *error);

/* The entry for a user agent; NULL where nothing odd is known. */
const struct quirk_entry *quirks_find(const struct quirks *quirks, const char *agent);

/* What a share is worth, and checked against, for a client that was told `work`: less by the
 * correction, rounded against the client, at least 1. */
struct work quirk_corrected(const struct quirk *quirk, struct work work);

/* The table that holds where no file is named; NUL-terminated text. */
extern const char quirks_builtin[];
