/* Receipts from the batch to the answer, over the fake bus and real files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/token_sodium/token.h"
#include "core/share/outcome.h"
#include "loop/testing/until.h"
#include "core/receipt/link.h"
#include "services/share-validator/receipt_book.h"
#include "services/share-validator/receipts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALICE = 11, BOB = 12, REPLY_MAX = 1 << 20 };
#define URL "fake://validator"

struct fixture {
    char folder[64], book[96], key[96];
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    struct receipts *receipts;
    struct bus_server *server;
    struct bus_client *client;
    uint64_t high, next_low; /* the stream's next entry */
    uint64_t history;
    char trouble[256];
    bool up;
    unsigned replies;
    enum bus_outcome outcome;
    size_t reply_length;
    uint8_t *reply;
    uint8_t *memory;
};

static void on_trouble(void *context, const char *reason)
{
    struct fixture *f = context;
    snprintf(f->trouble, sizeof f->trouble, "%s", reason == NULL ? "" : reason);
}

static void on_call(void *context, struct bus_call *call, struct span message)
{
    receipts_ask(((struct fixture *)context)->receipts, call, message);
}

static void on_up(void *context)
{
    ((struct fixture *)context)->up = true;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct fixture *f = context;
    f->outcome = outcome;
    f->reply_length = reply.length;
    assert_true(reply.length <= REPLY_MAX);
    if (reply.length > 0)
        memcpy(f->reply, reply.data, reply.length);
    f->replies++;
}

#define UNTIL(f, condition) LOOP_UNTIL((f)->loop, condition, "")

static void open_receipts(struct fixture *f)
{
    struct error error = { .text = "" };
    f->receipts = receipts_create(&(struct receipts_options){ .loop = f->loop,
                                                              .folder = f->book,
                                                              .key_file = f->key,
                                                              .boot_id = 9,
                                                              .slice_ms = 50,
                                                              .bytes_max = 8 << 20,
                                                              .days = 30,
                                                              .metrics = f->metrics,
                                                              .on_trouble = on_trouble,
                                                              .context = f },
                                  &error);
    if (f->receipts == NULL)
        fail_msg("%s", error.text);
}

static int set_up(void **state)
{
    struct error error;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/adit-receipts-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->book, sizeof f->book, "%s/book", f->folder);
    snprintf(f->key, sizeof f->key, "%s/key", f->folder);
    f->high = loop_unix_ms();
    f->history = 1;
    f->reply = malloc(REPLY_MAX);
    f->memory = malloc(REPLY_MAX);
    f->loop = loop_create(&error);
    f->bus = bus_fake_create(f->loop);
    f->metrics = metrics_create();
    open_receipts(f);
    f->server = bus_serve(f->bus, URL, 8, 4096, on_call, f, &error);
    struct bus_client_options options = {
        .in_flight_max = 8, .message_bytes_max = REPLY_MAX, .on_up = on_up, .context = f
    };
    f->client = bus_connect(f->bus, URL, &options, &error);
    assert_non_null(f->client);
    UNTIL(f, f->up);
    *state = f;
    return 0;
}

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(folder);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bus_client_close(f->client);
    bus_server_close(f->server);
    receipts_destroy(f->receipts);
    loop_run_once(f->loop, 0);
    bus_destroy(f->bus);
    metrics_destroy(f->metrics);
    loop_destroy(f->loop);
    (void)chmod(f->book, 0700);
    empty_folder(f->book);
    empty_folder(f->folder);
    free(f->reply);
    free(f->memory);
    free(f);
    return 0;
}

/* A batch of `count` shares: alternately Alice's and Bob's, every fifth refused. */
static void keep_batch(struct fixture *f, size_t count)
{
    struct wire_share *shares = calloc(count, sizeof *shares);
    struct wire_verdict *verdicts = calloc(count, sizeof *verdicts);
    for (size_t i = 0; i < count; i++) {
        shares[i].account = i % 2 == 0 ? ALICE : BOB;
        shares[i].work = 100 + i;
        shares[i].received_ms = f->high - 5;
        shares[i].nonce = (uint32_t)(7 * i);
        verdicts[i].outcome = i % 5 == 4 ? SHARE_STALE : SHARE_ACCEPTED;
    }
    receipts_take(f->receipts, &(struct receipts_batch){ .lease_id = 3,
                                                         .sequence = f->next_low + 1,
                                                         .first = { f->high, f->next_low, 0 },
                                                         .history = f->history,
                                                         .shares = shares,
                                                         .verdicts = verdicts,
                                                         .count = count });
    f->next_low++;
    free(shares);
    free(verdicts);
}

static uint64_t metric(struct fixture *f, const char *name)
{
    static char text[65536];
    char line[100];
    assert_true(metrics_print(f->metrics, text, sizeof text) > 0);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtoull(at + strlen(line), NULL, 10);
}

static void ask(struct fixture *f, const struct wire_receipt_request *request,
                struct wire_receipt_reply *reply_r)
{
    uint8_t bytes[64];
    struct error error;
    size_t length = wire_encode_receipt_request(request, bytes, sizeof bytes);
    unsigned before = f->replies;
    assert_true(length > 0);
    assert_true(bus_request(f->client, span_of(bytes, length), 5000, on_reply, f));
    UNTIL(f, f->replies > before);
    assert_int_equal(f->outcome, BUS_REPLIED);
    struct arena arena = arena_over(f->memory, REPLY_MAX);
    if (!wire_decode_receipt_reply(span_of(f->reply, f->reply_length), &arena, reply_r, &error))
        fail_msg("%s", error.text);
}

struct sum {
    size_t count;
    uint64_t histories; /* all bits of their names */
    uint64_t work;
};

/* Everything of one account, page by page; each receipt is checked as a miner would. */
static struct sum gather(struct fixture *f, uint64_t account, uint32_t limit)
{
    struct sum sum = { 0 };
    struct wire_receipt_reply reply = { .more = 1 };
    struct wire_receipt_request request = { .account = account,
                                            .to_ms = loop_unix_ms() + 100000,
                                            .limit = limit };
    struct proof_position last = { 0, 0, 0 };
    while (reply.more) {
        ask(f, &request, &reply);
        for (uint32_t i = 0; i < reply.receipts_count; i++) {
            struct receipt receipt;
            uint8_t digest[RECEIPT_HASH_BYTES];
            assert_true(receipt_decode(reply.receipts[i].data, &receipt));
            assert_true(receipt_check(&receipt));
            receipt_slice_digest(&receipt.slice, digest);
            assert_memory_equal(receipt.slice.key, reply.key, sizeof reply.key);
            assert_true(token_verify_bytes(reply.key, span_of(digest, sizeof digest),
                                           receipt.slice.signature));
            digest[0] ^= 1;
            assert_false(token_verify_bytes(reply.key, span_of(digest, sizeof digest),
                                            receipt.slice.signature));
            assert_int_equal(receipt.share.account, account);
            assert_int_equal(receipt.share.lease_id, 3);
            assert_int_equal(receipt.share.sequence, receipt.share.position.low + 1);
            assert_int_equal(receipt.share.place, receipt.share.work - 100);
            assert_int_equal(receipt.share.nonce, 7 * receipt.share.place);
            assert_int_equal(receipt.share.time_ms, f->high - 5);
            sum.histories |= receipt.slice.history;
            assert_true(sum.count == 0 ||
                        proof_position_compare(&receipt.share.position, &last) > 0);
            last = receipt.share.position;
            sum.count++;
            sum.work += receipt.share.work;
        }
        assert_true(!reply.more || reply.next_ms > request.from_ms ||
                    reply.next_place > request.from_place);
        request.from_ms = reply.next_ms;
        request.from_place = reply.next_place;
    }
    return sum;
}

static struct sum expected(uint64_t account, size_t batches, size_t count)
{
    struct sum sum = { 0 };
    for (size_t i = account == ALICE ? 0 : 1; i < count; i += 2)
        if (i % 5 != 4) {
            sum.count += batches;
            sum.work += batches * (100 + i);
        }
    return sum;
}

static void every_accepted_share_can_be_had_with_a_signature(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 7; i++) {
        keep_batch(f, 50);
        if (i == 3) /* in slices of their own */
            UNTIL(f, metric(f, "adit_validator_receipts_total") == 4 * 40);
    }
    UNTIL(f, metric(f, "adit_validator_receipts_total") == 7 * 40);
    assert_true(metric(f, "adit_validator_receipt_slices_total") >= 2);
    for (uint32_t limit = 1; limit <= 64; limit += 21) {
        struct sum alice = gather(f, ALICE, limit), bob = gather(f, BOB, limit);
        assert_int_equal(alice.count, expected(ALICE, 7, 50).count);
        assert_int_equal(alice.work, expected(ALICE, 7, 50).work);
        assert_int_equal(bob.work, expected(BOB, 7, 50).work);
    }
    assert_int_equal(gather(f, 99, 64).count, 0);
}

/* A slice is of one history: what two of them hold is signed for apart. */
static void a_slice_names_the_windows_history(void **state)
{
    struct fixture *f = *state;
    keep_batch(f, 10);
    f->history = 2;
    keep_batch(f, 10);
    UNTIL(f, metric(f, "adit_validator_receipts_total") == 2 * 8);
    assert_int_equal(metric(f, "adit_validator_receipt_slices_total"), 2);
    assert_int_equal(gather(f, ALICE, 64).histories, 3);
}

/* A clock that is a month off, or a number beyond its field: the share counts, but nobody signs. */
static void what_does_not_fit_into_a_receipt_is_counted_as_missed(void **state)
{
    struct fixture *f = *state;
    f->next_low = UINT64_C(1) << 32;
    keep_batch(f, 10);
    f->next_low = 0;
    keep_batch(f, 5);
    UNTIL(f, metric(f, "adit_validator_receipts_total") == 4);
    assert_int_equal(metric(f, "adit_validator_receipts_missed_total"), 8);
}

static void what_was_signed_for_outlives_the_process_and_so_does_the_key(void **state)
{
    struct fixture *f = *state;
    struct wire_receipt_reply before, after;
    struct wire_receipt_request request = { .account = ALICE, .to_ms = 1, .limit = 1 };
    ask(f, &request, &before);
    keep_batch(f, 10);
    receipts_destroy(f->receipts); /* signs what is gathered */
    open_receipts(f);
    keep_batch(f, 10);
    UNTIL(f, gather(f, ALICE, 64).count == expected(ALICE, 2, 10).count);
    ask(f, &request, &after);
    assert_memory_equal(before.key, after.key, sizeof after.key);
    assert_true(after.oldest_ms > 0);
}

/* The keys that the links lead through, from the first; each link is checked as a miner would. */
static size_t chain_of(struct fixture *f, uint8_t (*keys_r)[RECEIPT_KEY_BYTES], size_t max,
                       uint8_t now_r[RECEIPT_KEY_BYTES])
{
    struct wire_receipt_request request = { .account = ALICE, .to_ms = 1, .limit = 1 };
    struct wire_receipt_reply reply;
    ask(f, &request, &reply);
    memcpy(now_r, reply.key, RECEIPT_KEY_BYTES);
    for (uint32_t i = 0; i < reply.links_count; i++) {
        struct receipt_link link;
        uint8_t digest[RECEIPT_HASH_BYTES];
        struct span digested = span_of(digest, sizeof digest);
        assert_true(i < max);
        assert_true(receipt_link_decode(reply.links[i].data, &link));
        receipt_link_digest(&link, digest);
        assert_true(token_verify_bytes(link.from, digested, link.from_signature));
        assert_true(token_verify_bytes(link.to, digested, link.to_signature));
        assert_false(token_verify_bytes(link.to, digested, link.from_signature));
        if (i > 0)
            assert_memory_equal(link.from, keys_r[i], sizeof link.from);
        memcpy(keys_r[i], link.from, sizeof link.from);
        if (i + 1 < max)
            memcpy(keys_r[i + 1], link.to, sizeof link.to);
    }
    return reply.links_count;
}

static void copy_file(const char *from, const char *to)
{
    char text[256];
    FILE *file = fopen(from, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    file = fopen(to, "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* The old key's file is renamed to .old while the validator is stopped. */
static void a_key_says_who_follows_it_whichever_step_was_the_last(void **state)
{
    enum { ROTATIONS = 3 };
    struct fixture *f = *state;
    char old[112], aside[112], links[112];
    uint8_t keys[ROTATIONS + 1][RECEIPT_KEY_BYTES], first[RECEIPT_KEY_BYTES],
        now[RECEIPT_KEY_BYTES];
    snprintf(old, sizeof old, "%s.old", f->key);
    snprintf(aside, sizeof aside, "%s.aside", f->folder);
    snprintf(links, sizeof links, "%s.links", f->key);
    assert_int_equal(chain_of(f, keys, ROTATIONS, first), 0);
    for (size_t i = 1; i <= ROTATIONS; i++) {
        receipts_destroy(f->receipts);
        copy_file(f->key, aside);
        assert_int_equal(rename(f->key, old), 0);
        open_receipts(f);
        assert_int_equal(access(old, F_OK), -1); /* nobody signs with it any more */
        assert_int_equal(chain_of(f, keys, ROTATIONS + 1, now), i);
        assert_memory_equal(keys[0], first, sizeof first);
        assert_memory_equal(keys[i], now, sizeof now);
        /* A death before the old one was destroyed: the next start says it no second time. */
        receipts_destroy(f->receipts);
        assert_int_equal(rename(aside, old), 0);
        open_receipts(f);
        assert_int_equal(access(old, F_OK), -1);
        assert_int_equal(chain_of(f, keys, ROTATIONS + 1, now), i);
        assert_memory_equal(keys[i], now, sizeof now);
    }
    /* Before the link was written: both keys are there, and no word of it. */
    receipts_destroy(f->receipts);
    copy_file(f->key, aside);
    assert_int_equal(unlink(f->key), 0);
    assert_int_equal(unlink(links), 0);
    open_receipts(f); /* moved elsewhere: it hands on to nobody */
    assert_int_equal(chain_of(f, keys, ROTATIONS + 1, now), 0);
    receipts_destroy(f->receipts);
    assert_int_equal(rename(aside, old), 0);
    open_receipts(f);
    assert_int_equal(chain_of(f, keys, ROTATIONS + 1, first), 1);
    assert_memory_equal(keys[1], now, sizeof now);
    assert_memory_equal(first, now, sizeof now);
}

static void a_torn_list_of_links_stops_the_start(void **state)
{
    struct fixture *f = *state;
    char links[112];
    struct error error;
    snprintf(links, sizeof links, "%s.links", f->key);
    FILE *file = fopen(links, "w");
    assert_non_null(file);
    fputs("614b455901\n", file);
    fclose(file);
    const struct receipts_options options = { .loop = f->loop,
                                              .folder = f->book,
                                              .key_file = f->key,
                                              .slice_ms = 50,
                                              .bytes_max = 8 << 20,
                                              .days = 30,
                                              .metrics = f->metrics,
                                              .on_trouble = on_trouble,
                                              .context = f };
    assert_null(receipts_create(&options, &error));
    assert_int_equal(error.code, ERROR_INVALID);
}

static void a_full_slice_is_closed_at_once_and_what_has_no_room_is_counted(void **state)
{
    struct fixture *f = *state;
    const size_t batch = 1000, batches = RECEIPT_SHARES_MAX / 800 * 5;
    for (size_t i = 0; i < batches; i++)
        keep_batch(f, batch);
    UNTIL(f, metric(f, "adit_validator_receipts_total") +
                     metric(f, "adit_validator_receipts_missed_total") ==
                 800 * batches);
    assert_true(metric(f, "adit_validator_receipts_total") >= 4 * RECEIPT_SHARES_MAX);
}

static void a_folder_that_cannot_be_written_is_said_and_costs_nothing_else(void **state)
{
    struct fixture *f = *state;
    char aside[128];
    snprintf(aside, sizeof aside, "%s/aside", f->folder);
    assert_int_equal(rename(f->book, aside), 0);
    keep_batch(f, 10);
    UNTIL(f, f->trouble[0] != '\0');
    assert_int_equal(metric(f, "adit_validator_receipts_missed_total"), 8);
    assert_int_equal(rename(aside, f->book), 0);
    keep_batch(f, 10);
    UNTIL(f, f->trouble[0] == '\0');
    assert_int_equal(metric(f, "adit_validator_receipts_total"), 8);
}

static void questions_that_make_no_sense_get_no_answer(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[64];
    struct wire_receipt_request request = { .account = ALICE, .to_ms = 5, .limit = 65 };
    size_t length = wire_encode_receipt_request(&request, bytes, sizeof bytes);
    assert_true(bus_request(f->client, span_of(bytes, length), 100, on_reply, f));
    UNTIL(f, f->replies == 1);
    assert_int_equal(f->outcome, BUS_TIMEOUT);
}

/* The book by itself: a torn slice is passed over, old and large files go. */
static bool count_slice(void *context, const struct receipt_slice *slice, const uint8_t *shares)
{
    (void)slice;
    (void)shares;
    ++*(size_t *)context;
    return true;
}

static size_t slices_in(const char *folder)
{
    struct error error;
    size_t count = 0;
    uint64_t next, oldest;
    assert_true(
        receipt_book_walk(folder, 0, UINT64_MAX / 2, count_slice, &count, &next, &oldest, &error));
    return count;
}

static void the_book_forgets_what_is_old_or_too_much_and_passes_over_what_is_torn(void **state)
{
    struct fixture *f = *state;
    enum { SHARES = 20000, BYTES = SHARES * RECEIPT_SHARE_BYTES };
    const uint64_t hour = 3600000, start = 400000 * hour;
    const struct receipt_book_bounds bounds = { 4 * BYTES + 4096, RECEIPT_BOOK_DAYS };
    struct receipt_book_state book = { .room = RECEIPT_BOOK_ROOM };
    struct error error;
    uint8_t *shares = calloc(SHARES, RECEIPT_SHARE_BYTES);
    struct receipt_slice slice = { .version = RECEIPT_VERSION, .count = SHARES, .ended_ms = start };
    /* 1 MB each, 4 MB at the most */
    for (size_t i = 0; i < 12; i++, slice.ended_ms += hour)
        assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    assert_int_equal(slices_in(f->book), 4);
    slice.ended_ms += (uint64_t)RECEIPT_BOOK_DAYS * 24 * hour;
    assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    assert_int_equal(slices_in(f->book), 1);
    slice.ended_ms++;
    assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    char path[200];
    snprintf(path, sizeof path, "%s/%013llu.receipts", f->book, (unsigned long long)slice.ended_ms);
    assert_int_equal(slices_in(f->book), 2);
    assert_int_equal(truncate(path, BYTES / 2), 0);
    assert_int_equal(slices_in(f->book), 1);
    /* What the first version wrote is read among the newer ones. */
    slice.ended_ms++;
    slice.version = 1;
    assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    slice.ended_ms++;
    slice.version = RECEIPT_VERSION;
    assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    assert_int_equal(slices_in(f->book), 3);
    free(shares);
}

/* An hour's file at a time into room for sixteen: before any that is younger than promised goes it
 * is scarce, for two files; then it is broken, until the promise is kept again. */
static void that_the_bound_breaks_the_promise_is_told_before_it_does(void **state)
{
    struct fixture *f = *state;
    enum { SHARES = 1000, BYTES = 4 + RECEIPT_SLICE_BYTES + SHARES * RECEIPT_SHARE_BYTES };
    const uint64_t hour = 3600000, day = 24 * hour, start = 400000 * hour;
    struct receipt_book_bounds bounds = { 16 * BYTES, 1 };
    struct receipt_book_state book = { .room = RECEIPT_BOOK_ROOM };
    struct error error;
    uint8_t *shares = calloc(SHARES, RECEIPT_SHARE_BYTES);
    struct receipt_slice slice = { .version = RECEIPT_VERSION, .count = SHARES, .ended_ms = start };
    bool was_scarce = false;
    for (size_t i = 0; i < 24; i++, slice.ended_ms += hour) {
        assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
        bool whole = slices_in(f->book) == i + 1;
        was_scarce = was_scarce || (whole && book.room == RECEIPT_BOOK_SCARCE);
        assert_int_equal(book.room, i < 14   ? RECEIPT_BOOK_ROOM
                                    : i < 16 ? RECEIPT_BOOK_SCARCE
                                             : RECEIPT_BOOK_BROKEN);
        assert_true(whole || was_scarce);
        assert_int_equal(book.oldest_ms, i < 16 ? start : slice.ended_ms - 15 * hour);
    }
    /* Fewer come: in a day what is kept is as old as was promised. */
    for (size_t i = 0; i < 9; i++, slice.ended_ms += 3 * hour)
        assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    assert_int_equal(book.room, RECEIPT_BOOK_ROOM);
    slice.ended_ms += day;
    assert_true(receipt_book_append(f->book, &bounds, &slice, shares, &book, &error));
    assert_int_equal(slices_in(f->book), 1); /* those were a day old */
    assert_int_equal(book.room, RECEIPT_BOOK_ROOM);
    free(shares);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_accepted_share_can_be_had_with_a_signature),
        TEST(a_slice_names_the_windows_history),
        TEST(what_does_not_fit_into_a_receipt_is_counted_as_missed),
        TEST(what_was_signed_for_outlives_the_process_and_so_does_the_key),
        TEST(a_key_says_who_follows_it_whichever_step_was_the_last),
        TEST(a_torn_list_of_links_stops_the_start),
        TEST(a_full_slice_is_closed_at_once_and_what_has_no_room_is_counted),
        TEST(a_folder_that_cannot_be_written_is_said_and_costs_nothing_else),
        TEST(questions_that_make_no_sense_get_no_answer),
        TEST(that_the_bound_breaks_the_promise_is_told_before_it_does),
        TEST(the_book_forgets_what_is_old_or_too_much_and_passes_over_what_is_torn),
    };
    return cmocka_run_group_tests_name("receipts", tests, NULL, NULL);
}
