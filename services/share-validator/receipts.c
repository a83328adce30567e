#include "services/share-validator/receipts.h"

#include "adapter/token_sodium/token.h"
#include "core/share/outcome.h"
#include "service/log.h"
#include "services/share-validator/receipt_book.h"
#include "services/share-validator/receipt_links.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SLICES_MAX = 4, /* gathered, waiting or being signed */
    QUESTIONS_MAX = 16,
    SHARES_FIRST = 256,
    ITEMS_MAX = 64, /* receipts in one answer */
    REPLY_BYTES =
        128 + ITEMS_MAX * (RECEIPT_BYTES_MAX + 4) + RECEIPT_LINKS_MAX * (RECEIPT_LINK_BYTES + 4),
};

/* Shares on their way to a signature. */
struct gathering {
    struct worker_job job;
    struct receipts *receipts;
    struct receipt_slice slice;
    uint8_t *shares; /* packed */
    size_t capacity;
    bool busy; /* the thread has it */
    bool written;
    struct receipt_book_state book; /* after it was written */
    struct error error;
};

/* What on_trouble was told last. */
enum trouble { TROUBLE_NONE, TROUBLE_SCARCE, TROUBLE_BROKEN, TROUBLE_NOT_WRITTEN };

struct receipts {
    struct receipts_options options;
    struct token_signer *signer;
    struct worker *writer; /* owns nodes */
    struct worker *reader;
    uint8_t (*nodes)[RECEIPT_HASH_BYTES];
    size_t nodes_capacity;
    struct gathering gatherings[SLICES_MAX];
    struct gathering *open; /* the one that takes shares; NULL: none has any */
    uint8_t key[RECEIPT_KEY_BYTES];
    uint64_t number;
    uint64_t ended_ms; /* of the last slice: each ends later than the one before */
    struct loop_timer timer;
    enum trouble trouble;
    struct receipt_book_state book; /* the writer's */
    struct receipt_links links;
    struct wire_receipt_item link_items[RECEIPT_LINKS_MAX];
    struct metric *signed_shares, *slices, *missed, *oldest;
};

/* On the writer's thread. */
static void sign_slice(struct worker_job *job)
{
    struct gathering *gathering = (struct gathering *)job;
    struct receipts *receipts = gathering->receipts;
    struct receipt_slice *slice = &gathering->slice;
    uint8_t digest[RECEIPT_HASH_BYTES];
    size_t nodes = receipt_tree_nodes(slice->count);
    if (nodes > receipts->nodes_capacity) {
        receipts->nodes = realloc(receipts->nodes, nodes * sizeof *receipts->nodes);
        ASSERT(receipts->nodes != NULL);
        receipts->nodes_capacity = nodes;
    }
    receipt_tree_build(gathering->shares, slice->count, receipts->nodes);
    memcpy(slice->root, receipts->nodes[nodes - 1], sizeof slice->root);
    receipt_slice_digest(slice, digest);
    token_sign_bytes(receipts->signer, span_of(digest, sizeof digest), slice->signature);
    const struct receipt_book_bounds bounds = { receipts->options.bytes_max,
                                                receipts->options.days };
    gathering->written = receipt_book_append(receipts->options.folder, &bounds, slice,
                                             gathering->shares, &receipts->book, &gathering->error);
    gathering->book = receipts->book;
}

static void tell_trouble(struct receipts *receipts, const struct gathering *gathering)
{
    const struct receipts_options *options = &receipts->options;
    enum receipt_book_room room = gathering->book.room;
    enum trouble now = !gathering->written           ? TROUBLE_NOT_WRITTEN
                       : room == RECEIPT_BOOK_BROKEN ? TROUBLE_BROKEN
                       : room == RECEIPT_BOOK_SCARCE ? TROUBLE_SCARCE
                                                     : TROUBLE_NONE;
    char reason[sizeof((struct error *)0)->text] = "";
    if (now == receipts->trouble)
        return;
    receipts->trouble = now;
    if (now == TROUBLE_NOT_WRITTEN) {
        snprintf(reason, sizeof reason, "%s", gathering->error.text);
        log_error("receipts.not_written", "reason=\"%s\"", reason);
    } else if (now != TROUBLE_NONE) {
        uint64_t hours = (gathering->slice.ended_ms - gathering->book.oldest_ms) / 3600000;
        snprintf(reason, sizeof reason,
                 "%" PRIu64 " MiB of receipts are %s: they reach back %" PRIu64
                 " hours and shall be had for %u days; raise validator.receipt_mib, or promise "
                 "less by validator.receipt_days",
                 options->bytes_max >> 20,
                 now == TROUBLE_BROKEN ? "full, and younger ones went" : "nearly full", hours,
                 options->days);
        log_warn(now == TROUBLE_BROKEN ? "receipts.dropped_young" : "receipts.scarce",
                 "reason=\"%s\"", reason);
    }
    options->on_trouble(options->context, now == TROUBLE_NONE ? NULL : reason);
}

static void slice_signed(struct worker_job *job)
{
    struct gathering *gathering = (struct gathering *)job;
    struct receipts *receipts = gathering->receipts;
    gathering->busy = false;
    metric_add(gathering->written ? receipts->signed_shares : receipts->missed,
               gathering->slice.count);
    metric_add(receipts->slices, gathering->written);
    if (gathering->book.oldest_ms > 0)
        metric_set(receipts->oldest, gathering->book.oldest_ms / 1000);
    tell_trouble(receipts, gathering);
}

static void close_slice(struct receipts *receipts)
{
    struct gathering *gathering = receipts->open;
    if (gathering == NULL || gathering->slice.count == 0) {
        receipts->open = NULL;
        return;
    }
    receipts->open = NULL;
    loop_timer_stop(receipts->options.loop, &receipts->timer);
    uint64_t now_ms = loop_unix_ms();
    receipts->ended_ms = now_ms > receipts->ended_ms ? now_ms : receipts->ended_ms + 1;
    gathering->slice.ended_ms = receipts->ended_ms;
    gathering->slice.number = ++receipts->number;
    gathering->job = (struct worker_job){ .work = sign_slice, .done = slice_signed };
    gathering->busy = true;
    /* The queue has room for every slice there can be. */
    ASSERT(worker_submit(receipts->writer, &gathering->job));
}

static void on_slice_old(void *context)
{
    close_slice(context);
}

/* The slice that takes shares of this history; NULL where all are on their way. */
static struct gathering *open_slice(struct receipts *receipts, uint64_t history)
{
    if (receipts->open != NULL && receipts->open->slice.history != history)
        close_slice(receipts);
    for (size_t i = 0; receipts->open == NULL && i < SLICES_MAX; i++) {
        struct gathering *gathering = &receipts->gatherings[i];
        if (gathering->busy)
            continue;
        gathering->receipts = receipts;
        gathering->slice = (struct receipt_slice){ .version = RECEIPT_VERSION,
                                                   .boot_id = receipts->options.boot_id,
                                                   .began_ms = loop_unix_ms(),
                                                   .history = history };
        memcpy(gathering->slice.key, receipts->key, sizeof receipts->key);
        receipts->open = gathering;
        loop_timer_start(receipts->options.loop, &receipts->timer, receipts->options.slice_ms, 0);
    }
    return receipts->open;
}

static uint8_t *next_place(struct gathering *gathering)
{
    if (gathering->slice.count == gathering->capacity) {
        gathering->capacity = gathering->capacity == 0 ? SHARES_FIRST : 2 * gathering->capacity;
        gathering->shares = realloc(gathering->shares, gathering->capacity * RECEIPT_SHARE_BYTES);
        ASSERT(gathering->shares != NULL);
    }
    return gathering->shares + (size_t)gathering->slice.count * RECEIPT_SHARE_BYTES;
}

void receipts_take(struct receipts *receipts, const struct receipts_batch *batch)
{
    if (receipts == NULL)
        return;
    struct gathering *gathering = NULL;
    struct receipt_share share = { .position = { batch->first.high, batch->first.low,
                                                 batch->first.index },
                                   .lease_id = batch->lease_id,
                                   .sequence = batch->sequence };
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->verdicts[i].outcome != SHARE_ACCEPTED)
            continue;
        if (gathering == NULL)
            gathering = open_slice(receipts, batch->history);
        share.place = (uint32_t)i;
        share.nonce = batch->shares[i].nonce;
        share.account = batch->shares[i].account;
        share.work = batch->shares[i].work;
        share.time_ms = batch->shares[i].received_ms;
        bool taken = gathering != NULL && receipt_share_write(&share, next_place(gathering));
        share.position.index++;
        if (!taken) {
            metric_add(receipts->missed, 1);
        } else if (++gathering->slice.count == RECEIPT_SHARES_MAX) {
            close_slice(receipts);
            gathering = NULL;
        }
    }
}

/* A question, on the reader's thread between its two ends. */
struct question {
    struct worker_job job;
    struct receipts *receipts;
    struct bus_call *call;
    struct wire_receipt_request request;
    struct wire_receipt_reply reply;
    struct wire_receipt_item items[ITEMS_MAX];
    uint8_t bytes[ITEMS_MAX][RECEIPT_BYTES_MAX];
    uint8_t (*nodes)[RECEIPT_HASH_BYTES];
    bool answered;
};

static bool look_into_slice(void *context, const struct receipt_slice *slice, const uint8_t *shares)
{
    struct question *question = context;
    const struct wire_receipt_request *request = &question->request;
    bool hashed = false;
    uint32_t place = slice->ended_ms == request->from_ms ? request->from_place : 0;
    for (; place < slice->count; place++) {
        struct receipt receipt = { .slice = *slice, .place = place };
        receipt_share_read(slice->version, shares + (size_t)place * RECEIPT_SHARE_BYTES,
                           &receipt.share);
        if (receipt.share.account != request->account)
            continue;
        if (question->reply.receipts_count == request->limit) {
            question->reply.more = true;
            question->reply.next_ms = slice->ended_ms;
            question->reply.next_place = place;
            return false;
        }
        if (!hashed) {
            question->nodes = realloc(question->nodes,
                                      receipt_tree_nodes(slice->count) * sizeof *question->nodes);
            ASSERT(question->nodes != NULL);
            receipt_tree_build(shares, slice->count, question->nodes);
            hashed = true;
        }
        receipt.path_length = receipt_tree_path(question->nodes, slice->count, place, receipt.path);
        if (!receipt_check(&receipt))
            return true; /* damaged on disk: nothing of it is given */
        size_t at = question->reply.receipts_count++;
        size_t length = receipt_encode(&receipt, question->bytes[at]);
        question->items[at].data = span_of(question->bytes[at], length);
    }
    return true;
}

static void find_receipts(struct worker_job *job)
{
    struct question *question = (struct question *)job;
    const struct wire_receipt_request *request = &question->request;
    struct error error;
    uint64_t next_ms = request->to_ms;
    question->answered =
        receipt_book_walk(question->receipts->options.folder, request->from_ms, request->to_ms,
                          look_into_slice, question, &next_ms, &question->reply.oldest_ms, &error);
    if (!question->answered)
        log_warn("receipts.not_read", "reason=\"%s\"", error.text);
    else if (!question->reply.more && next_ms < request->to_ms) {
        question->reply.more = true;
        question->reply.next_ms = next_ms;
    }
}

static void answer(struct worker_job *job)
{
    struct question *question = (struct question *)job;
    uint8_t *bytes = malloc(REPLY_BYTES);
    ASSERT(bytes != NULL);
    memcpy(question->reply.key, question->receipts->key, sizeof question->reply.key);
    question->reply.receipts = question->items;
    question->reply.links = question->receipts->link_items;
    question->reply.links_count = (uint32_t)question->receipts->links.count;
    size_t length = wire_encode_receipt_reply(&question->reply, bytes, REPLY_BYTES);
    ASSERT(length > 0);
    if (question->answered)
        (void)bus_reply(question->call, span_of(bytes, length));
    else
        bus_drop(question->call);
    free(bytes);
    free(question->nodes);
    free(question);
}

void receipts_ask(struct receipts *receipts, struct bus_call *call, struct span message)
{
    struct wire_receipt_request request;
    struct arena none = arena_over(NULL, 0);
    struct error error;
    if (receipts == NULL || !wire_decode_receipt_request(message, &none, &request, &error) ||
        request.limit == 0 || request.limit > ITEMS_MAX) {
        bus_drop(call);
        return;
    }
    struct question *question = calloc(1, sizeof *question);
    ASSERT(question != NULL);
    question->job = (struct worker_job){ .work = find_receipts, .done = answer };
    question->receipts = receipts;
    question->call = call;
    question->request = request;
    if (worker_submit(receipts->reader, &question->job))
        return;
    bus_drop(call);
    free(question);
}

static void open_metrics(struct receipts *receipts)
{
    struct metrics *metrics = receipts->options.metrics;
    receipts->signed_shares = metrics_counter(metrics, "adit_validator_receipts_total", "",
                                              "Accepted shares that were signed for.", "receipts");
    receipts->slices = metrics_counter(metrics, "adit_validator_receipt_slices_total", "",
                                       "Signatures made over them.", NULL);
    receipts->missed =
        metrics_counter(metrics, "adit_validator_receipts_missed_total", "",
                        "Accepted shares that were not signed for: no room, or no disk.", NULL);
    receipts->oldest =
        metrics_gauge(metrics, "adit_validator_receipts_oldest_seconds", "",
                      "When the oldest receipts that are kept were signed (unix).", NULL);
}

struct receipts *receipts_create(const struct receipts_options *options, struct error *error)
{
    struct receipts *receipts = calloc(1, sizeof *receipts);
    ASSERT(receipts != NULL);
    receipts->options = *options;
    receipts->timer = (struct loop_timer){ .on_due = on_slice_old, .context = receipts };
    open_metrics(receipts);
    bool ok = receipt_book_open(options->folder, error) &&
              (receipts->signer = token_signer_open(options->key_file, error)) != NULL &&
              receipt_links_open(options->key_file, receipts->signer, loop_unix_ms(),
                                 &receipts->links, error) &&
              (receipts->writer = worker_create(options->loop, "receipts", 1, SLICES_MAX, error)) !=
                  NULL &&
              (receipts->reader =
                   worker_create(options->loop, "receipt-reads", 1, QUESTIONS_MAX, error)) != NULL;
    if (!ok) {
        receipts_destroy(receipts);
        return NULL;
    }
    for (size_t i = 0; i < receipts->links.count; i++)
        receipts->link_items[i].data = span_of(receipts->links.bytes[i], RECEIPT_LINK_BYTES);
    char key[2 * RECEIPT_KEY_BYTES + 1];
    token_signer_public(receipts->signer, receipts->key);
    hex_encode(span_of(receipts->key, sizeof receipts->key), key);
    log_info("receipts.key", "public=%s", key);
    return receipts;
}

void receipts_key(const struct receipts *receipts, uint8_t key_r[RECEIPT_KEY_BYTES])
{
    memcpy(key_r, receipts->key, RECEIPT_KEY_BYTES);
}

void receipts_destroy(struct receipts *receipts)
{
    if (receipts == NULL)
        return;
    close_slice(receipts);
    if (receipts->writer != NULL)
        worker_destroy(receipts->writer);
    if (receipts->reader != NULL)
        worker_destroy(receipts->reader);
    if (receipts->signer != NULL)
        token_signer_close(receipts->signer);
    for (size_t i = 0; i < SLICES_MAX; i++)
        free(receipts->gatherings[i].shares);
    free(receipts->nodes);
    free(receipts);
}
