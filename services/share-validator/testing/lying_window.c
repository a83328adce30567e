/* A share-validator that lies: the real program, all of it, with a window in between that appends
 * and tells something else now and then. For tests of audits; no part of a pool.
 *
 * ADIT_LIE says how: `account`, `worker`, `work` (credits a share to another, or for another work,
 * and tells the truth), `reject` (good work), `accept` (bad work), `drop` (accepts and does not
 * credit). ADIT_LIE_EVERY: every how manieth share it can lie about. Each lie is counted in the
 * log: lying.lied. */
#include "adapter/window_redis/window_redis.h"
#include "core/share/outcome.h"
#include "service/log.h"

#include <stdlib.h>

enum lie { LIE_ACCOUNT, LIE_WORKER, LIE_WORK, LIE_REJECT, LIE_ACCEPT, LIE_DROP, LIE_KINDS };
static const char *const names[LIE_KINDS] = { "account", "worker", "work",
                                              "reject",  "accept", "drop" };

struct liar {
    struct window_writer port;
    struct window_writer *real;
    enum lie kind;
    unsigned every, seen, lied;
    struct window_share recent[2]; /* of two accounts, so that what it makes up is payable */
};

/* An append under way. */
struct said {
    window_append_handler handler;
    void *context;
    bool lied;
    size_t bytes;
    uint8_t verdicts[WINDOW_VERDICTS_BYTES_MAX];
};

struct tale {
    struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    size_t count;
    uint32_t rejected;
};

static void on_appended(void *context, const struct window_result *result)
{
    struct said *said = context;
    struct window_result told = *result;
    /* What was stored before is what a validator answers, whatever it found itself. */
    if (said->lied && result->outcome == WINDOW_APPENDED) {
        told.outcome = WINDOW_REPEATED;
        told.verdicts = span_of(said->verdicts, said->bytes);
    }
    said->handler(said->context, &told);
    free(said);
}

static bool is_due(struct liar *liar)
{
    if (++liar->seen % liar->every != 0)
        return false;
    log_info("lying.lied", "kind=%s number=%u", names[liar->kind], ++liar->lied);
    return true;
}

static void remember(struct liar *liar, const struct window_share *share)
{
    if (liar->recent[0].account != share->account)
        liar->recent[1] = liar->recent[0];
    liar->recent[0] = *share;
}

static bool can_lie(const struct liar *liar, uint8_t verdict)
{
    if (liar->kind == LIE_ACCEPT)
        return verdict != SHARE_ACCEPTED && verdict != SHARE_STALE && liar->recent[0].account != 0;
    return verdict == SHARE_ACCEPTED && (liar->kind != LIE_ACCOUNT || liar->recent[1].account != 0);
}

/* One share of the batch, as it will be told and credited; `truth` where it is accepted. */
static void tell(struct liar *liar, const struct window_share *truth, uint8_t *verdict,
                 struct tale *tale)
{
    struct window_share share = truth != NULL ? *truth : liar->recent[0];
    if (truth != NULL)
        remember(liar, truth);
    bool lies = can_lie(liar, *verdict) && is_due(liar);
    if (lies && liar->kind == LIE_ACCOUNT)
        share.account = liar->recent[1].account;
    if (lies && liar->kind == LIE_WORKER)
        share.worker++;
    if (lies && liar->kind == LIE_WORK)
        share.work *= 2;
    if (lies && liar->kind == LIE_REJECT)
        *verdict = SHARE_LOW_DIFFICULTY;
    if (lies && liar->kind == LIE_ACCEPT)
        *verdict = SHARE_ACCEPTED;
    if (*verdict == SHARE_ACCEPTED && !(lies && liar->kind == LIE_DROP))
        tale->shares[tale->count++] = share;
    else
        tale->rejected++;
}

static bool append(struct window_writer *port, const struct window_batch *batch,
                   window_append_handler handler, void *context)
{
    struct liar *liar = (struct liar *)port;
    struct said *said = calloc(1, sizeof *said);
    struct tale *tale = calloc(1, sizeof *tale);
    ASSERT(said != NULL && tale != NULL);
    struct window_batch told = *batch;
    size_t credited = 0;
    *said = (struct said){ .handler = handler,
                           .context = context,
                           .lied = batch->candidate_count == 0,
                           .bytes = batch->verdicts.length };
    memcpy(said->verdicts, batch->verdicts.data, said->bytes);
    /* A version, then an outcome for each (verdicts.h). */
    for (size_t i = 1; i < said->bytes && said->lied; i++) {
        bool accepted = said->verdicts[i] == SHARE_ACCEPTED;
        tell(liar, accepted ? &batch->shares[credited] : NULL, &said->verdicts[i], tale);
        credited += accepted;
    }
    if (said->lied) {
        told.shares = tale->shares;
        told.share_count = tale->count;
        told.rejected_count = tale->rejected;
        told.verdicts = span_of(said->verdicts, said->bytes);
    }
    bool taken = window_append(liar->real, &told, on_appended, said);
    if (!taken)
        free(said);
    free(tale);
    return taken;
}

static bool ready(const struct window_writer *port)
{
    return window_ready(((const struct liar *)port)->real);
}

static void close_liar(struct window_writer *port)
{
    struct liar *liar = (struct liar *)port;
    window_writer_close(liar->real);
    free(liar);
}

struct window_writer *lying_window_open(struct loop *loop,
                                        const struct window_redis_options *options,
                                        struct error *error);
/* In place of window_redis_writer_open, in main.c of the lying program. */
struct window_writer *lying_window_open(struct loop *loop,
                                        const struct window_redis_options *options,
                                        struct error *error)
{
    static const struct window_writer_ops ops = { append, ready, close_liar };
    const char *kind = getenv("ADIT_LIE"), *every = getenv("ADIT_LIE_EVERY");
    struct liar *liar = calloc(1, sizeof *liar);
    ASSERT(liar != NULL && kind != NULL && every != NULL && atoi(every) > 0);
    liar->port.ops = &ops;
    liar->every = (unsigned)atoi(every);
    while (liar->kind < LIE_KINDS && strcmp(names[liar->kind], kind) != 0)
        liar->kind++;
    ASSERT(liar->kind < LIE_KINDS);
    liar->real = window_redis_writer_open(loop, options, error);
    if (liar->real != NULL)
        return &liar->port;
    free(liar);
    return NULL;
}
