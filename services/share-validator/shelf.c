/* A block's file in the spool, written and removed on one thread; tried again when the disk says
 * no. */
#include "services/share-validator/block.h"

#include "service/log.h"
#include "services/share-validator/spool.h"

enum { SPOOL_PAUSE_MS = 5000 };

static void spool_work(struct worker_job *job)
{
    struct block *block = (struct block *)((char *)job - offsetof(struct block, spool_job));
    const char *folder = block->owner->spool_dir;
    bool good = true;
    switch (block->spool_next) {
    case SPOOL_NOTHING:
        break;
    case SPOOL_RECORD:
    case SPOOL_WHOLE:
        good = spool_write(folder, block->hash, span_of(block->record, block->record_bytes),
                           block->spool_block, &block->spool_error);
        break;
    case SPOOL_GONE:
        good = block->spool_aside ? spool_keep_aside(folder, block->hash, &block->spool_error)
                                  : spool_remove(folder, block->hash, &block->spool_error);
        break;
    }
    block->spool_failed = !good;
}

static void spool_done(struct worker_job *job)
{
    struct block *block = (struct block *)((char *)job - offsetof(struct block, spool_job));
    struct blocks *blocks = block->owner;
    block->spool_under_way = false;
    if (!block->spool_failed) {
        block->spool = block->spool_next;
    } else {
        log_error("block.spool", "block=%s reason=\"%s\"", block->name, block->spool_error.text);
        if (!atomic_load(&blocks->ending))
            loop_timer_start(blocks->options.loop, &block->spool_again, SPOOL_PAUSE_MS, 0);
    }
    if (!atomic_load(&blocks->ending))
        block_step(block);
}

void shelf_step(struct block *block)
{
    if (block->spool_under_way || loop_timer_running(&block->spool_again))
        return;
    enum spool_state next = block->spool;
    if (block_finished(block))
        next = SPOOL_GONE;
    else if (block->raw != NULL)
        next = SPOOL_WHOLE;
    else if (block->spool == SPOOL_NOTHING)
        next = SPOOL_RECORD;
    if (block->spool == SPOOL_NOTHING && next == SPOOL_GONE && !block->given_up)
        block->spool = SPOOL_GONE; /* it went faster than the first write could begin */
    if (next == block->spool)
        return;
    block->spool_next = next;
    block->spool_block = span_of(block->raw, next == SPOOL_WHOLE ? block->raw_bytes : 0);
    block->spool_aside = block->given_up;
    block->spool_under_way = worker_submit(block->owner->spooler, &block->spool_job);
    if (!block->spool_under_way)
        loop_timer_start(block->owner->options.loop, &block->spool_again, SPOOL_PAUSE_MS, 0);
}

static void on_spool_again(void *context)
{
    block_step(context);
}

void shelf_init(struct block *block)
{
    block->spool_job.work = spool_work;
    block->spool_job.done = spool_done;
    block->spool_again = (struct loop_timer){ .on_due = on_spool_again, .context = block };
}

bool shelf_busy(const struct block *block)
{
    return block->spool_under_way || loop_timer_running(&block->spool_again);
}
