#include "core/forensics/forensics.h"

struct words {
    const char *label, *what, *todo;
};

static const struct words words[] = {
#define X(name, label, what, todo) { label, what, todo },
    FORENSICS_KINDS(X)
#undef X
};

const char *forensics_label(enum forensics_kind kind)
{
    return words[kind].label;
}

const char *forensics_what(enum forensics_kind kind)
{
    return words[kind].what;
}

const char *forensics_todo(enum forensics_kind kind)
{
    return words[kind].todo;
}

enum forensics_kind forensics_kind_of(const struct forensics_trace *trace)
{
    switch (trace->outcome) {
    case SHARE_STALE:
        return trace->stale_ms > FORENSICS_LATE_MS ? FORENSICS_OLD_WORK : FORENSICS_LATE;
    case SHARE_JOB_NOT_FOUND:
        return FORENSICS_FOREIGN_JOB;
    case SHARE_DUPLICATE:
        return FORENSICS_TWICE;
    case SHARE_LOW_DIFFICULTY:
        return trace->rejects_in_row >= FORENSICS_ALL_IN_ROW ? FORENSICS_NEVER_GOOD
                                                             : FORENSICS_TOO_EASY;
    case SHARE_UNAUTHORIZED:
    case SHARE_WORKER_MISMATCH:
        return FORENSICS_WRONG_NAME;
    case SHARE_NOT_SUBSCRIBED:
        return FORENSICS_UNSUBSCRIBED;
    case SHARE_INVALID_NTIME:
        return trace->ntime_offset_s > 0 ? FORENSICS_CLOCK_AHEAD : FORENSICS_CLOCK_BEHIND;
    case SHARE_INVALID_VERSION:
        return trace->version_mask == 0 ? FORENSICS_BITS_UNASKED : FORENSICS_BITS_OUTSIDE;
    case SHARE_INVALID_EXTRANONCE2:
        return FORENSICS_EXTRANONCE_LENGTH;
    case SHARE_MALFORMED:
        return FORENSICS_UNREADABLE;
    case SHARE_OVERLOADED:
    case SHARE_NOT_DURABLE:
        return FORENSICS_POOL;
    case SHARE_BANNED:
        return FORENSICS_BANNED;
    case SHARE_ACCEPTED:
        break;
    }
    return FORENSICS_OTHER;
}

/* Text into a finding's detail, cut where it ends. */
struct detail {
    char *text;
    size_t used;
};

static void add_text(struct detail *detail, const char *text)
{
    while (*text != '\0' && detail->used + 1 < FORENSICS_DETAIL_BYTES)
        detail->text[detail->used++] = *text++;
    detail->text[detail->used] = '\0';
}

static void add_number(struct detail *detail, uint64_t value, unsigned base, unsigned digits_min)
{
    char text[24];
    size_t at = sizeof text - 1;
    text[at] = '\0';
    do {
        text[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || sizeof text - 1 - at < digits_min);
    add_text(detail, text + at);
}

static void add_chars(struct detail *detail, const char *name, uint8_t chars)
{
    if (chars == 8)
        return;
    add_text(detail, detail->used > 0 ? "; " : "");
    add_text(detail, name);
    if (chars == FORENSICS_CHARS_ODD) {
        add_text(detail, " is no text or too long");
        return;
    }
    add_text(detail, " of ");
    add_number(detail, chars, 10, 1);
    add_text(detail, " digits");
}

static void describe(const struct forensics_trace *trace, enum forensics_kind kind, char *text_r)
{
    struct detail detail = { .text = text_r };
    text_r[0] = '\0';
    switch (kind) {
    case FORENSICS_LATE:
    case FORENSICS_OLD_WORK:
        add_number(&detail, trace->stale_ms, 10, 1);
        add_text(&detail, " ms after the block was replaced");
        break;
    case FORENSICS_TOO_EASY:
    case FORENSICS_NEVER_GOOD:
        add_text(&detail, "a work of ");
        add_number(&detail, trace->work.expected_hashes, 10, 1);
        add_text(&detail, " hashes is asked for; ");
        add_number(&detail, trace->rejects_in_row, 10, 1);
        add_text(&detail, " rejected in a row");
        break;
    case FORENSICS_CLOCK_AHEAD:
    case FORENSICS_CLOCK_BEHIND: {
        int64_t offset = trace->ntime_offset_s;
        add_number(&detail, (uint64_t)(offset < 0 ? -offset : offset), 10, 1);
        add_text(&detail, offset < 0 ? " s before the job's time" : " s after the job's time");
        break;
    }
    case FORENSICS_BITS_UNASKED:
    case FORENSICS_BITS_OUTSIDE:
        add_text(&detail, "bits ");
        add_number(&detail, trace->version_bits, 16, 8);
        add_text(&detail, ", mask ");
        add_number(&detail, trace->version_mask, 16, 8);
        break;
    case FORENSICS_EXTRANONCE_LENGTH:
        add_number(&detail, trace->extranonce2_chars, 10, 1);
        add_text(&detail, trace->extranonce2_chars == FORENSICS_CHARS_ODD ? " or more" : "");
        add_text(&detail, " digits, ");
        add_number(&detail, trace->extranonce2_wanted, 10, 1);
        add_text(&detail, " are asked for");
        break;
    case FORENSICS_UNREADABLE:
        add_chars(&detail, "ntime", trace->ntime_chars);
        add_chars(&detail, "nonce", trace->nonce_chars);
        if (trace->has_version_bits)
            add_chars(&detail, "version bits", trace->bits_chars);
        break;
    default:
        break;
    }
}

/* Before: more of it, or as much and newer. */
static bool comes_before(const struct forensics_finding *a, const struct forensics_finding *b)
{
    return a->count > b->count || (a->count == b->count && a->newest_ms > b->newest_ms);
}

void forensics_explain(const struct forensics_trace *traces, size_t count,
                       struct forensics_report *report_r)
{
    struct forensics_finding all[FORENSICS_KINDS_COUNT];
    memset(all, 0, sizeof all);
    memset(report_r, 0, sizeof *report_r);
    for (size_t i = 0; i < count; i++) {
        enum forensics_kind kind = forensics_kind_of(&traces[i]);
        struct forensics_finding *finding = &all[kind];
        finding->kind = kind;
        if (finding->count++ == 0 || traces[i].unix_ms >= finding->newest_ms) {
            finding->newest_ms = traces[i].unix_ms;
            describe(&traces[i], kind, finding->detail);
        }
    }
    for (unsigned kind = 0; kind < FORENSICS_KINDS_COUNT; kind++) {
        if (all[kind].count == 0)
            continue;
        unsigned at = report_r->count++;
        for (; at > 0 && comes_before(&all[kind], &report_r->list[at - 1]); at--)
            report_r->list[at] = report_r->list[at - 1];
        report_r->list[at] = all[kind];
    }
}
