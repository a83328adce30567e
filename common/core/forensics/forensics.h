/* From traces of rejected shares to plain words: what is wrong with a miner, and what to do. Each
 * trace is of one kind of trouble; a report lists the kinds there are, the most frequent first,
 * each with what the newest trace of it shows.
 *
 * Pure; the caller's memory; any thread. */
#pragma once
#include "core/difficulty/difficulty.h"
#include "core/share/outcome.h"

enum {
    FORENSICS_LATE_MS = 5000,  /* stale by more is no matter of the way from the pool */
    FORENSICS_ALL_IN_ROW = 16, /* so many rejects in a row: none of its shares is good */
    FORENSICS_DETAIL_BYTES = 128,
    FORENSICS_CHARS_ODD = 255, /* no text, or a longer one */
};

/* One rejected share. */
struct forensics_trace {
    uint64_t unix_ms;
    struct work work; /* 0: not known */
    enum share_outcome outcome;
    uint32_t job_age_s;
    uint32_t stale_ms; /* since a job on another block came; 0: none did */
    int32_t ntime_offset_s;
    uint32_t version_bits, version_mask;
    bool has_version_bits;
    uint8_t extranonce2_chars, extranonce2_wanted, ntime_chars, nonce_chars, bits_chars;
    uint16_t rejects_in_row;
};

/* X(enum name, label, what is wrong, what to do) */
#define FORENSICS_KINDS(X)                                                                         \
    X(FORENSICS_OTHER, "other", "Shares were rejected for a reason there is no advice for.",       \
      "Look at the answers the miner logs.")                                                       \
    X(FORENSICS_LATE, "late", "Shares arrive just after another block was found.",                 \
      "A few are normal, below about one in a hundred. More mean a slow way to the pool: connect " \
      "to a nearer port, avoid proxies and wireless links.")                                       \
    X(FORENSICS_OLD_WORK, "old_work",                                                              \
      "The miner keeps working on jobs of a block that was replaced long before.",                 \
      "It does not drop old jobs when told so (clean_jobs). Update its firmware; if a proxy "      \
      "stands between, restart or remove it.")                                                     \
    X(FORENSICS_FOREIGN_JOB, "foreign_job", "Shares name jobs that this connection never got.",    \
      "Usual behind proxies that mix pools, and right after a reconnect. Restart the miner; if "   \
      "it "                                                                                        \
      "stays so, connect it without the proxy.")                                                   \
    X(FORENSICS_TWICE, "twice", "The same share is sent more than once.",                          \
      "Two boards search the same range, or version bits are rolled and not sent. Update the "     \
      "firmware, or turn version rolling (AsicBoost) off.")                                        \
    X(FORENSICS_NEVER_GOOD, "never_good", "No share meets the difficulty, not one in many.",       \
      "The miner computes something else than the pool asks for: the wrong algorithm or coin, an " \
      "extranonce it did not take over, or version bits nobody agreed on. Check the algorithm "    \
      "first, then try without a proxy.")                                                          \
    X(FORENSICS_TOO_EASY, "too_easy", "Some shares are below the difficulty.",                     \
      "A change of difficulty reaches the miner late, or its hardware errs. Set a fixed "          \
      "difficulty (password d=…); if it stays so, lower clock or raise voltage.")                  \
    X(FORENSICS_WRONG_NAME, "wrong_name", "Shares are sent under a name that is not logged in.",   \
      "The name in the shares must be the one that logged in, letter by letter. Some firmware "    \
      "cuts long names: use a shorter worker name.")                                               \
    X(FORENSICS_UNSUBSCRIBED, "unsubscribed", "Shares are sent before mining.subscribe.",          \
      "The client does not follow the protocol: update it.")                                       \
    X(FORENSICS_CLOCK_AHEAD, "clock_ahead", "Shares are dated too far in the future.",             \
      "The miner rolls the time (ntime) too far or too fast: update its firmware, or turn ntime "  \
      "rolling off.")                                                                              \
    X(FORENSICS_CLOCK_BEHIND, "clock_behind", "Shares are dated before the job allows.",           \
      "The miner uses its own clock in place of the job's time: update its firmware.")             \
    X(FORENSICS_BITS_UNASKED, "bits_unasked", "Version bits are sent that nobody agreed on.",      \
      "The miner rolls versions without mining.configure: update its firmware, or turn AsicBoost " \
      "off.")                                                                                      \
    X(FORENSICS_BITS_OUTSIDE, "bits_outside", "Version bits are rolled outside the mask.",         \
      "The miner does not keep to the mask it was given: update its firmware, or turn AsicBoost "  \
      "off.")                                                                                      \
    X(FORENSICS_EXTRANONCE_LENGTH, "extranonce_length", "The extranonce2 has the wrong length.",   \
      "The miner or a proxy does not use the size of the subscribe answer. Update it; where it "   \
      "cannot, another proxy is needed.")                                                          \
    X(FORENSICS_UNREADABLE, "unreadable",                                                          \
      "Shares cannot be read: a field is no hex of its length.",                                   \
      "ntime, nonce and version bits are eight hex digits each. The client is broken or a proxy "  \
      "changes what it sends: update or remove it.")                                               \
    X(FORENSICS_POOL, "pool", "The pool could not take shares in for a while.",                    \
      "Nothing is wrong with the miner: it may send them again.")                                  \
    X(FORENSICS_BANNED, "banned", "The miner is banned for a while.",                              \
      "Mend what the other lines say; it may come back then.")

enum forensics_kind {
#define X(name, label, what, todo) name,
    FORENSICS_KINDS(X)
#undef X
        FORENSICS_KINDS_COUNT
};

struct forensics_finding {
    enum forensics_kind kind;
    uint32_t count;
    uint64_t newest_ms;
    char detail[FORENSICS_DETAIL_BYTES]; /* of the newest: "8 digits, 16 are asked for"; or "" */
};

struct forensics_report {
    unsigned count;
    struct forensics_finding list[FORENSICS_KINDS_COUNT]; /* the most frequent first */
};

/* What a trace shows. SHARE_ACCEPTED is no trace: FORENSICS_OTHER. */
enum forensics_kind forensics_kind_of(const struct forensics_trace *trace);
void forensics_explain(const struct forensics_trace *traces, size_t count,
                       struct forensics_report *report_r);

/* Static. */
const char *forensics_label(enum forensics_kind kind);
const char *forensics_what(enum forensics_kind kind);
const char *forensics_todo(enum forensics_kind kind);
