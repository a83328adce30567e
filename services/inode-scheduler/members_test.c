/* Validators and pools: what a list may say, what is done to the records, what outside validators
 * say and how often. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "adapter/token_sodium/token.h"
#include "base/test_random.h"
#include "record/leader/leader.h"
#include "services/inode-scheduler/books.h"
#include "services/inode-scheduler/inode_message.h"
#include "services/inode-scheduler/list_source.h"
#include "services/inode-scheduler/nonces.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WALLET_A "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define WALLET_B "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
#define KEY_A "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
#define KEY_B "1111111111111111111111111111111111111111111111111111111111111111"
#define POOL "bcrt1q6z64a43mjgkcq0ul2znwneq3spghrlau9slefp"

static struct error error;

static const struct coin_profile *coin(void)
{
    return coin_profile_find(span_text("bitcoin-regtest"));
}

static bool read_list(struct member_list *list, const char *text)
{
    *list = (struct member_list){ 0 };
    bool read =
        member_list_read(list, coin(), span_text(text), &error) && member_list_check(list, &error);
    if (!read)
        member_list_free(list);
    return read;
}

static void a_list_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"validators\":{}}",
        "{\"others\":[]}",
        "{\"validators\":[5]}",
        "{\"validators\":[{}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\"}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"stake\":5}]}",
        "{\"validators\":[{\"wallet\":\"nonsense\",\"key\":\"" KEY_A "\",\"stake\":5}]}",
        /* an address of another network */
        "{\"validators\":[{\"wallet\":\"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\",\"key\":"
        "\"" KEY_A "\",\"stake\":5}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":0}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":10001}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":-5}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":5.0}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":\"5\"}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"abcd\",\"stake\":5}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
        "\",\"stake\":5,\"more\":1}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"wallet\":\"" WALLET_B "\"}]}",
        /* one key for two, one wallet twice (in capitals too), more than all */
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
        "\",\"stake\":5},{\"wallet\":\"" WALLET_B "\",\"key\":\"" KEY_A "\",\"stake\":5}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
        "\",\"stake\":5},{\"wallet\":\"BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080\",\"key\":"
        "\"" KEY_B "\",\"stake\":5}]}",
        "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
        "\",\"stake\":9999},{\"wallet\":\"" WALLET_B "\",\"key\":\"" KEY_B "\",\"stake\":2}]}",
        "{\"pools\":[{\"wallet\":\"" WALLET_A "\"},{\"wallet\":\"" WALLET_A "\"}]}",
        "{\"pools\":[{\"wallet\":\"" WALLET_A "\",\"stake\":5}]}",
    };
    struct member_list list;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (read_list(&list, bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_true(read_list(&list, "{}"));
    assert_int_equal(list.validator_count, 0);
    member_list_free(&list);
    assert_true(read_list(&list,
                          "{\"validators\":[{\"wallet\":\"" WALLET_B "\",\"key\":\"" KEY_B
                          "\",\"stake\":1},{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
                          "\",\"stake\":9999,\"name\":\"a\"}],\"pools\":[{\"wallet\":\"" WALLET_A
                          "\",\"name\":\"p\"}]}"));
    assert_int_equal(list.validator_count, 2);
    assert_string_equal(list.validators[0].wallet, WALLET_B); /* by wallet */
    assert_int_equal(list.validators[1].stake, 9999);
    assert_string_equal(list.validators[1].name, "a");
    assert_int_equal(list.pool_count, 1);
    member_list_free(&list);
    assert_true(member_list_add(&list, coin(), WALLET_A "=1250=" KEY_A, &error));
    assert_int_equal(list.validators[0].stake, 1250);
    assert_false(member_list_add(&list, coin(), WALLET_A "=1250", &error));
    assert_false(member_list_add(&list, coin(), WALLET_A "=0=" KEY_A, &error));
    assert_false(member_list_add(&list, coin(), WALLET_A "=x=" KEY_A, &error));
    member_list_free(&list);
}

static void a_list_has_its_bound(void **state)
{
    (void)state;
    struct member_list list = { 0 };
    for (size_t i = 0; i < MEMBER_LIST_MAX; i++)
        assert_true(member_list_add(&list, coin(), WALLET_A "=1=" KEY_A, &error));
    assert_false(member_list_add(&list, coin(), WALLET_A "=1=" KEY_A, &error));
    member_list_free(&list);
}

static void a_source_is_bounded_and_of_two_kinds(void **state)
{
    (void)state;
    char path[] = "/tmp/adit-list-XXXXXX", from[64], *text;
    size_t length;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "{ }\n", 4) == 4);
    snprintf(from, sizeof from, "file:%s", path);
    struct list_source source = { .from = from, .ca_file = "", .bytes_max = 4, .timeout_ms = 5000 };
    assert_true(list_source_read(&source, &text, &length, &error));
    assert_string_equal(text, "{ }\n");
    free(text);
    source.bytes_max = 3;
    assert_false(list_source_read(&source, &text, &length, &error));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_false(list_source_read(&source, &text, &length, &error));
    close(fd);
    unlink(path);
    assert_false(list_source_read(&source, &text, &length, &error));
    source.from = "file:/dev/zero";
    assert_false(list_source_read(&source, &text, &length, &error));
    source.from = "https://127.0.0.1:1/nobody-listens";
    assert_false(list_source_read(&source, &text, &length, &error));
    assert_true(list_source_check("file:/x", &error) && list_source_check("https://x/", &error));
    assert_false(list_source_check("http://x/", &error) || list_source_check("ftp://x", &error) ||
                 list_source_check("/x", &error) || list_source_check("file:x", &error));
}

/* Records. */

struct ground {
    struct store *store;
    struct books books;
};

static struct ground open_ground(void)
{
    static const struct store_collection *const collections[] = {
        &validator_collection, &pool_collection, &turn_collection, &leader_collection
    };
    struct ground ground = { .store = store_fake_create() };
    assert_true(store_declare(ground.store, collections, 4, &error));
    ground.books = (struct books){ .store = ground.store, .role = "scheduler", .own_stake = 100 };
    assert_int_equal(leader_take(ground.store, "scheduler", "1", 1, 1, &ground.books.epoch, &error),
                     STORE_DONE);
    assert_int_equal(books_begin(&ground.books, POOL, "/adit/", &error), STORE_DONE);
    return ground;
}

static struct member get(const struct ground *ground, enum member_kind kind, const char *id)
{
    struct member member;
    if (member_get(ground->store, kind, id, &member, &error) != STORE_DONE)
        fail_msg("there is no %s", id);
    return member;
}

static void take(const struct ground *ground, const char *text, uint64_t now_ms)
{
    struct member_list list;
    if (text == NULL) {
        assert_int_equal(books_take_list(&ground->books, NULL, now_ms, &error), STORE_DONE);
        return;
    }
    assert_true(read_list(&list, text));
    assert_int_equal(books_take_list(&ground->books, &list, now_ms, &error), STORE_DONE);
    member_list_free(&list);
}

static void hello(const struct ground *ground, uint8_t key, const char *instance, uint64_t now_ms)
{
    struct books_own own = { .instance = instance, .wallet = "", .now_ms = now_ms };
    memset(own.key, key, sizeof own.key);
    assert_int_equal(books_hello(&ground->books, &own, &error), STORE_DONE);
}

static void a_list_names_marks_and_forgets(void **state)
{
    (void)state;
    struct ground ground = open_ground();
    take(&ground,
         "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A
         "\",\"stake\":1250}],\"pools\":[{\"wallet\":\"" WALLET_B "\"}]}",
         5);
    struct member member = get(&ground, MEMBER_VALIDATOR, WALLET_A);
    assert_int_equal(member.stake, 1250);
    assert_int_equal(member.source, MEMBER_LISTED);
    assert_int_equal(member_set_score(ground.store, &member, 1, 7, ground.books.epoch, &error),
                     STORE_DONE);
    take(&ground, NULL, 6);
    member = get(&ground, MEMBER_VALIDATOR, WALLET_A);
    assert_true(member.stale);
    assert_int_equal(member.stake, 1250); /* the last list stays */
    assert_true(get(&ground, MEMBER_POOL, WALLET_B).stale);
    assert_false(get(&ground, MEMBER_POOL, POOL).stale);
    /* back, with another stake; then with another key, which is another voice */
    take(&ground,
         "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":99}]}", 7);
    member = get(&ground, MEMBER_VALIDATOR, WALLET_A);
    assert_false(member.stale);
    assert_int_equal(member.stake, 99);
    assert_int_equal(member.score, 1);
    assert_int_equal(get(&ground, MEMBER_POOL, WALLET_B).source, MEMBER_GONE);
    take(&ground,
         "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_B "\",\"stake\":99}]}", 8);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, WALLET_A).score, 0);
    take(&ground, "{}", 9);
    member = get(&ground, MEMBER_VALIDATOR, WALLET_A);
    assert_int_equal(member.source, MEMBER_GONE);
    assert_int_equal(member.stake, 0);
    assert_int_equal(get(&ground, MEMBER_POOL, POOL).source, MEMBER_OWN);
    store_close(ground.store);
}

static void our_own_share_what_the_list_leaves_and_go_when_silent(void **state)
{
    (void)state;
    struct ground ground = open_ground();
    char one[MEMBER_ID_BYTES], two[MEMBER_ID_BYTES];
    uint8_t key[MEMBER_KEY_BYTES];
    memset(key, 0x11, sizeof key);
    member_own_id(key, one);
    memset(key, 0x22, sizeof key);
    member_own_id(key, two);
    hello(&ground, 0x11, "1", 1000);
    hello(&ground, 0x22, "2", 1000);
    hello(&ground, 0x11, "1", 2000);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, one).stake, 100);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, one).seen_ms, 2000);
    assert_string_equal(get(&ground, MEMBER_VALIDATOR, two).name, "2");
    take(&ground,
         "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_A "\",\"stake\":9850}]}",
         3000);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, one).stake, 100);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, two).stake, 0);
    /* A list may name one of ours by its key: it is one validator, with the list's stake. */
    take(&ground,
         "{\"validators\":[{\"wallet\":\"" WALLET_A "\",\"key\":\"" KEY_B "\",\"stake\":500}]}",
         4000);
    struct member member = get(&ground, MEMBER_VALIDATOR, one);
    assert_int_equal(member.stake, 500);
    assert_int_equal(member.source, MEMBER_LISTED);
    assert_string_equal(member.wallet, WALLET_A);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, WALLET_A).source, MEMBER_GONE);
    hello(&ground, 0x11, "1", 5000);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, one).stake, 500);
    /* Silence ends what was dealt out; a word brings it back. */
    take(&ground, "{}", 5000 + BOOKS_SILENT_MS);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, two).source, MEMBER_GONE);
    hello(&ground, 0x22, "2", 6000 + BOOKS_SILENT_MS);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, two).stake, 100);
    store_close(ground.store);
}

static void set_score(const struct ground *ground, enum member_kind kind, const char *id,
                      uint32_t score, uint64_t cause)
{
    struct member member = get(ground, kind, id);
    assert_int_equal(
        member_set_score(ground->store, &member, score, cause, ground->books.epoch, &error),
        STORE_DONE);
}

static void scores_fade_by_turns_and_no_turn_counts_twice(void **state)
{
    (void)state;
    struct ground ground = open_ground();
    struct turn turn;
    hello(&ground, 0x11, "1", 1000);
    char own[MEMBER_ID_BYTES];
    uint8_t key[MEMBER_KEY_BYTES];
    memset(key, 0x11, sizeof key);
    member_own_id(key, own);
    set_score(&ground, MEMBER_POOL, POOL, 100, 1);
    set_score(&ground, MEMBER_VALIDATOR, own, 1, 1);
    assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, 10000, &turn, &error),
                     STORE_DONE);
    assert_int_equal(turn.number, 1);
    assert_int_equal(get(&ground, MEMBER_POOL, POOL).score, 90);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, own).score, 1); /* its own timer */
    assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, 10599, &turn, &error),
                     STORE_DONE);
    assert_int_equal(get(&ground, MEMBER_POOL, POOL).score, 90);
    assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, 10600, &turn, &error),
                     STORE_DONE);
    assert_int_equal(get(&ground, MEMBER_POOL, POOL).score, 81);
    assert_int_equal(books_decay(&ground.books, MEMBER_VALIDATOR, 900, 10600, &turn, &error),
                     STORE_DONE);
    assert_int_equal(get(&ground, MEMBER_VALIDATOR, own).score, 0);
    store_close(ground.store);
}

/* Who is new has nothing to do with the turns there were. */
static void who_comes_later_fades_from_the_next_turn_on(void **state)
{
    (void)state;
    struct ground ground = open_ground();
    uint64_t now_ms = 10000;
    for (int i = 0; i < 5; i++, now_ms += 600)
        assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, now_ms, NULL, &error),
                         STORE_DONE);
    take(&ground, "{\"pools\":[{\"wallet\":\"" WALLET_A "\"}]}", 5);
    set_score(&ground, MEMBER_POOL, WALLET_A, 100, 1);
    assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, now_ms, NULL, &error),
                     STORE_DONE);
    assert_int_equal(get(&ground, MEMBER_POOL, WALLET_A).score, 90);
    store_close(ground.store);
}

/* A leader dies after each of its writes in turn, or has that write's answer lost; the next one
 * ends the turn. */
static void a_turn_that_is_cut_off_anywhere_is_ended_by_the_next_leader_once(void **state)
{
    (void)state;
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    enum { CUTS = 12, FAULTS = sizeof faults / sizeof *faults };
    bool through[FAULTS] = { false };
    for (unsigned turns = 0; turns < CUTS * FAULTS; turns++) {
        const unsigned cut = turns / FAULTS, fault = turns % FAULTS;
        struct ground ground = open_ground();
        struct turn turn;
        take(&ground, "{\"pools\":[{\"wallet\":\"" WALLET_A "\"},{\"wallet\":\"" WALLET_B "\"}]}",
             5);
        set_score(&ground, MEMBER_POOL, POOL, 100, 1);
        set_score(&ground, MEMBER_POOL, WALLET_A, 50, 1);
        set_score(&ground, MEMBER_POOL, WALLET_B, 10, 1);
        store_fake_inject(ground.store, faults[fault], cut, SIZE_MAX);
        enum store_outcome first =
            books_decay(&ground.books, MEMBER_POOL, 600, 10000, &turn, &error);
        store_fake_inject(ground.store, STORE_FAKE_FAIL, 0, 0);
        struct books next = ground.books;
        assert_int_equal(leader_take(ground.store, "scheduler", "2", 2, 1, &next.epoch, &error),
                         STORE_DONE);
        assert_int_equal(books_begin(&next, POOL, "/adit/", &error), STORE_DONE);
        assert_int_equal(books_decay(&next, MEMBER_POOL, 600, 10001, &turn, &error), STORE_DONE);
        assert_int_equal(turn.number, 1);
        assert_true(turn.whole);
        assert_int_equal(get(&ground, MEMBER_POOL, POOL).score, 90);
        assert_int_equal(get(&ground, MEMBER_POOL, WALLET_A).score, 45);
        assert_int_equal(get(&ground, MEMBER_POOL, WALLET_B).score, 9);
        /* The one that was deposed wakes up: nothing it does counts. */
        assert_int_equal(books_decay(&ground.books, MEMBER_POOL, 600, 20000, &turn, &error),
                         STORE_CONFLICT);
        assert_int_equal(get(&ground, MEMBER_POOL, POOL).score, 90);
        store_close(ground.store);
        through[fault] = through[fault] || first == STORE_DONE;
    }
    for (unsigned fault = 0; fault < FAULTS; fault++)
        assert_true(through[fault]); /* every place was tried */
}

static void a_deposed_leader_changes_nothing(void **state)
{
    (void)state;
    struct ground ground = open_ground();
    struct books next = ground.books;
    struct member_list none = { 0 };
    hello(&ground, 0x11, "1", 1000);
    assert_int_equal(leader_take(ground.store, "scheduler", "2", 2, 1, &next.epoch, &error),
                     STORE_DONE);
    assert_int_equal(books_begin(&next, POOL, "/adit/", &error), STORE_DONE);
    assert_int_equal(books_take_list(&ground.books, &none, 5, &error), STORE_CONFLICT);
    assert_int_equal(books_begin(&ground.books, POOL, "other", &error), STORE_CONFLICT);
    struct books_own own = { .instance = "9", .wallet = "", .now_ms = 9000 };
    memset(own.key, 0x11, sizeof own.key);
    assert_int_equal(books_hello(&ground.books, &own, &error), STORE_CONFLICT);
    assert_string_equal(get(&ground, MEMBER_POOL, POOL).name, "/adit/");
    store_close(ground.store);
}

/* Messages. */

/* Made by another library (python3-cryptography) from the seed 00 01 02 … 1f; docs/validators.md
 * has both. */
#define PING_SIGNATURE                                                                             \
    "e369e89c5fc6536dfcc4c400e59e3c6f1925b40a71758e2d53e9180ca0af5dda8569b2e8b7c90a83708a8ea3237b" \
    "09396732eecdf35d1f66e49522a2f8077706"
#define TASK_SIGNATURE                                                                             \
    "7c6cc489d95da546bd56e8349d1426d767912d880b620b7d54c7025515349da284afbceb1f8d19189bf6c5150"    \
    "35acffb95226cc78b0f23b5a4035a0156981801"

static bool is_signed(const struct inode_message *message)
{
    uint8_t key[TOKEN_PUBLIC_BYTES];
    assert_true(hex_decode(KEY_A, 64, key, sizeof key));
    return token_verify_bytes(key, span_of(message->canonical, message->canonical_length),
                              message->signature);
}

static void the_worked_examples_are_signed_right(void **state)
{
    (void)state;
    static struct inode_message message;
    static const char ping[] =
        "{\"type\":\"PING\",\"validator_wallet\":\"" WALLET_A "\",\"ip\":\"192.0.2.7\","
        "\"port\":9000,\"ts\":1767225600000,\"nonce\":\"5f3a9c01d2e4\",\"sig\":\"" PING_SIGNATURE
        "\"}";
    static const char task[] =
        "{ \"sig\":\"" TASK_SIGNATURE "\", \"type\":\"TASK\", \"val_id\":\"7a5c0e11d0f3a9b2\","
        "\"validator_wallet\":\"" WALLET_A "\",\"pool_wallet\":\"" POOL "\",\"verdict\":"
        "\"invalid\",\"evidence\":\"low difficulty\",\"ts\":1767225600001,"
        "\"nonce\":\"5f3a9c01d2e5\"}";
    assert_int_equal(inode_message_read(span_text(ping), POOL, &message), INODE_TAKEN);
    assert_string_equal(message.canonical, "adit-inode-1\ninode=" POOL "\nip=192.0.2.7\n"
                                           "nonce=5f3a9c01d2e4\nport=9000\nts=1767225600000\n"
                                           "type=PING\nvalidator_wallet=" WALLET_A "\n");
    assert_string_equal(message.endpoint, "192.0.2.7:9000");
    assert_true(is_signed(&message));
    assert_int_equal(inode_message_read(span_text(ping), WALLET_A, &message), INODE_TAKEN);
    assert_false(is_signed(&message)); /* another deployment's */
    assert_int_equal(inode_message_read(span_text(task), POOL, &message), INODE_TAKEN);
    assert_true(is_signed(&message));
    assert_false(message.valid);
    assert_string_equal(message.task, "7a5c0e11d0f3a9b2");
    assert_string_equal(message.evidence, "low difficulty");
}

static void every_refusal_has_its_text(void **state)
{
    (void)state;
    assert_string_equal(inode_refusal_text(INODE_TAKEN), "");
    for (int refusal = INODE_BAD_FORMAT; refusal < INODE_REFUSALS_COUNT; refusal++) {
        assert_true(strncmp(inode_refusal_text((enum inode_refusal)refusal), "ERROR: ", 7) == 0);
        assert_non_null(inode_refusal_label((enum inode_refusal)refusal));
    }
    assert_string_equal(inode_refusal_text(INODE_NO_POOL), "ERROR: Pool not registered.");
    assert_string_equal(inode_refusal_text(INODE_NO_VALIDATOR), "ERROR: Validator not found");
    assert_string_equal(inode_refusal_text(INODE_BAD_TYPE), "ERROR: Unknown message type");
    assert_string_equal(inode_refusal_text(INODE_BAD_FORMAT), "ERROR: Invalid message format");
}

static void a_message_counts_once_and_memory_is_bounded(void **state)
{
    (void)state;
    enum { SKEW = 60000 };
    const uint64_t now = UINT64_C(1767225600000);
    struct nonces *nonces = nonces_create();
    char nonce[32];
    assert_int_equal(nonces_take(nonces, "a", 0, "n", now, now, SKEW), INODE_TAKEN);
    assert_int_equal(nonces_take(nonces, "a", 0, "n", now, now, SKEW), INODE_REPLAYED);
    assert_int_equal(nonces_take(nonces, "a", 0, "n", now + SKEW, now, SKEW), INODE_REPLAYED);
    assert_int_equal(nonces_take(nonces, "b", 0, "n", now, now, SKEW), INODE_TAKEN);
    assert_int_equal(nonces_take(nonces, "a", 0, "m", now + SKEW + 1, now, SKEW), INODE_STALE);
    assert_int_equal(nonces_take(nonces, "a", 0, "m", now - SKEW - 1, now, SKEW), INODE_STALE);
    /* What an earlier process made durable is not taken again by one that has no memory. */
    assert_int_equal(nonces_take(nonces, "c", now, "n", now, now, SKEW), INODE_STALE);
    assert_int_equal(nonces_take(nonces, "c", now, "m", now + 1, now, SKEW), INODE_TAKEN);
    for (unsigned i = 1; i < NONCES_MAX; i++) {
        snprintf(nonce, sizeof nonce, "x%u", i);
        assert_int_equal(nonces_take(nonces, "a", 0, nonce, now, now, SKEW), INODE_TAKEN);
    }
    assert_int_equal(nonces_take(nonces, "a", 0, "y", now, now, SKEW), INODE_TOO_MANY);
    assert_int_equal(nonces_take(nonces, "b", 0, "y", now, now, SKEW), INODE_TAKEN);
    /* A nonce is forgotten when its message has become stale by itself, never before. */
    assert_int_equal(nonces_take(nonces, "a", 0, "n", now, now + SKEW, SKEW), INODE_REPLAYED);
    assert_int_equal(nonces_take(nonces, "a", 0, "y", now + SKEW, now + SKEW + 1, SKEW),
                     INODE_TAKEN);
    nonces_destroy(nonces);
}

/* However messages come: none is taken twice. */
static void no_message_is_ever_taken_twice(void **state)
{
    (void)state;
    enum { SKEW = 50, KINDS = 200 };
    struct test_random random = test_random_begin("members_test");
    bool taken[KINDS] = { false };
    uint64_t ts[KINDS], now = 1000, floor = 0;
    struct nonces *nonces = nonces_create();
    for (unsigned i = 0; i < KINDS; i++)
        ts[i] = 1000 + test_random_below(&random, 2000);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)test_random_below(&random, KINDS);
        char nonce[16];
        snprintf(nonce, sizeof nonce, "%u", i);
        now += test_random_below(&random, 2) == 0 && step % 7 == 0;
        if (step == 10000) { /* another process, which knows what was durable */
            nonces_destroy(nonces);
            nonces = nonces_create();
        }
        if (nonces_take(nonces, "v", floor, nonce, ts[i], now, SKEW) != INODE_TAKEN)
            continue;
        assert_false(taken[i]);
        taken[i] = true;
        floor = ts[i] > floor ? ts[i] : floor;
    }
    nonces_destroy(nonces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_whole_or_not_at_all),
        cmocka_unit_test(a_list_has_its_bound),
        cmocka_unit_test(a_source_is_bounded_and_of_two_kinds),
        cmocka_unit_test(a_list_names_marks_and_forgets),
        cmocka_unit_test(our_own_share_what_the_list_leaves_and_go_when_silent),
        cmocka_unit_test(scores_fade_by_turns_and_no_turn_counts_twice),
        cmocka_unit_test(who_comes_later_fades_from_the_next_turn_on),
        cmocka_unit_test(a_turn_that_is_cut_off_anywhere_is_ended_by_the_next_leader_once),
        cmocka_unit_test(a_deposed_leader_changes_nothing),
        cmocka_unit_test(the_worked_examples_are_signed_right),
        cmocka_unit_test(every_refusal_has_its_text),
        cmocka_unit_test(a_message_counts_once_and_memory_is_bounded),
        cmocka_unit_test(no_message_is_ever_taken_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
