#include "services/inode-scheduler/tasks_text.h"

#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct text {
    char *at;
    size_t room;
    bool full;
};

static void say(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= text->room) {
        text->full = true;
        return;
    }
    text->at += length;
    text->room -= (size_t)length;
}

static void say_hex(struct text *text, const char *name, const uint8_t *bytes, size_t length)
{
    char hex[2 * JOB_COINBASE_PART_BYTES_MAX + 1];
    hex_encode(span_of(bytes, length), hex);
    say(text, "\"%s\":\"%s\",", name, hex);
}

static void say_job(struct text *text, const struct job *job, unsigned shape)
{
    struct job_coinbase coinbase;
    char hex[2 * TEMPLATE_HASH_BYTES + 1];
    bool has = job_coinbase(job, shape, &coinbase);
    say(text, "\"job\":{");
    if (has) {
        say_hex(text, "coinbase1", coinbase.before.data, coinbase.before.length);
        say_hex(text, "coinbase2", coinbase.behind.data, coinbase.behind.length);
    }
    say_hex(text, "prev_hash", job->prev_hash, sizeof job->prev_hash);
    say(text, "\"branches\":[");
    for (unsigned i = 0; i < job->branches_count; i++) {
        hex_encode(span_of(job->branches[i], TEMPLATE_HASH_BYTES), hex);
        say(text, "%s\"%s\"", i > 0 ? "," : "", hex);
    }
    say(text,
        "],\"algorithm\":\"%s\",\"version\":%" PRIu32 ",\"version_mask\":%" PRIu32
        ",\"bits\":%" PRIu32 ",\"min_time\":%" PRIu32 ",\"max_time\":%" PRIu32 "},",
        pow_algorithm_name(job->algorithm), job->version, job->version_mask, job->bits,
        job->min_time, job->max_time);
}

bool tasks_text(const struct auditor_offer *offer, char *text_r)
{
    struct text text = { text_r, TASKS_TEXT_BYTES, false };
    const struct wire_share *share = &offer->body.share;
    const struct job *job = &offer->body.job;
    struct share_submission submission;
    submission_from_wire(share, job, &submission);
    say(&text,
        "{\"type\":\"TASK\",\"val_id\":\"%016" PRIx64 "\",\"expires_ms\":%" PRIu64
        ",\"judged_ms\":%" PRIu64 ",\"tip_in_doubt\":%s,",
        offer->val_id, offer->expires_ms, offer->body.sample.judged_ms,
        offer->tip_in_doubt ? "true" : "false");
    say_job(&text, job, submission.shape);
    say(&text, "\"share\":{");
    say_hex(&text, "extranonce1", submission.extranonce1, job->extranonce1_bytes);
    say_hex(&text, "extranonce2", submission.extranonce2, job->extranonce2_bytes);
    say(&text,
        "\"ntime\":%" PRIu32 ",\"nonce\":%" PRIu32 ",\"version_bits\":%" PRIu32
        ",\"version_mask\":%" PRIu32 ",\"work\":\"%" PRIu64 "\",\"account\":\"%016" PRIx64
        "\",\"worker\":\"%016" PRIx64 "\",\"received_ms\":%" PRIu64 ",\"found\":\"%s\"}}",
        share->ntime, share->nonce, share->has_version_bits ? share->version_bits : 0,
        share->version_mask, share->work, share->account, share->worker, share->received_ms,
        share_outcome_label(submission.gateway_outcome));
    return !text.full;
}
