/* Names and ids: what is accepted, and BLAKE2b against an independent library. */
#include "base/test_random.h"
#include "core/identity/blake2b.h"
#include "core/identity/identity.h"

#include <sodium.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct coin_profile *regtest(void)
{
    return coin_profile_find(span_text("bitcoin-regtest"));
}

static void blake2b_in_any_parts_is_that_of_another_library(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("blake2b");
    for (int i = 0; i < 2000; i++) {
        uint8_t message[400], key[64], digest[64], expected[64];
        size_t length = i < 300 ? (size_t)i : test_random_below(&random, sizeof message + 1);
        size_t key_bytes =
            test_random_below(&random, 3) == 0 ? 0 : 16 + test_random_below(&random, 49);
        size_t digest_bytes = 16 + test_random_below(&random, 49);
        test_random_bytes(&random, message, length);
        test_random_bytes(&random, key, sizeof key);
        size_t first = test_random_below(&random, length + 1);
        const struct span parts[] = {span_of(message, first), span_of(message, 0),
                                     span_of(message + first, length - first)};
        blake2b(span_of(key, key_bytes), parts, 3, digest, digest_bytes);
        assert_int_equal(crypto_generichash_blake2b(expected, digest_bytes, message, length,
                                                    key_bytes > 0 ? key : NULL, key_bytes),
                         0);
        assert_memory_equal(digest, expected, digest_bytes);
    }
}

static void a_user_name_splits_at_its_first_dot(void **state)
{
    (void)state;
    struct identity_name beyond;
    assert_int_equal(identity_split(span_text("j\xc3\xbcrgen.rig"), &beyond), IDENTITY_OK);
    assert_true(span_equal(beyond.account, span_text("j\xc3\xbcrgen")));
    assert_int_equal(identity_split(span_text("rig.j\xc3\xbcrgen"), &beyond),
                     IDENTITY_BAD_CHARACTER);
    const struct {
        const char *name, *account, *worker;
    } known[] = {
        {"alice", "alice", ""},
        {"alice.", "alice", ""},
        {"alice.rig", "alice", "rig"},
        {"alice.rig.2", "alice", "rig.2"},
        {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.s21_7",
         "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "s21_7"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct identity_name name;
        assert_int_equal(identity_split(span_text(known[i].name), &name), IDENTITY_OK);
        assert_true(span_equal(name.account, span_text(known[i].account)));
        assert_true(span_equal(name.worker, span_text(known[i].worker)));
    }
}

static void names_that_cannot_stand_in_json_logs_and_pages_are_refused(void **state)
{
    (void)state;
    struct identity_name name;
    char text[200];
    memset(text, 'a', sizeof text);
    assert_int_equal(identity_split(span_text(""), &name), IDENTITY_EMPTY);
    assert_int_equal(identity_split(span_text(".worker"), &name), IDENTITY_EMPTY);
    assert_int_equal(identity_split(span_of(text, 128), &name), IDENTITY_OK);
    assert_int_equal(identity_split(span_of(text, 129), &name), IDENTITY_TOO_LONG);
    text[3] = '.';
    assert_int_equal(identity_split(span_of(text, 4 + 64), &name), IDENTITY_OK);
    assert_int_equal(identity_split(span_of(text, 4 + 65), &name), IDENTITY_WORKER_TOO_LONG);
    for (int c = 0; c < 256; c++) {
        uint8_t one[3] = {'a', (uint8_t)c, 'b'};
        bool allowed = c > 0x20 && c < 0x7f && c != '"' && c != '\'' && c != '`' && c != '\\' &&
                       c != '<' && c != '>';
        assert_int_equal(identity_split(span_of(one, 3), &name) == IDENTITY_OK, allowed);
    }
}

static void an_account_is_an_address_or_a_registered_name(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum identity_outcome outcome;
        enum identity_kind kind;
        const char *canonical;
    } known[] = {
        {"Alice", IDENTITY_OK, IDENTITY_KIND_ACCOUNT, "alice"},
        {"a-b_c0", IDENTITY_OK, IDENTITY_KIND_ACCOUNT, "a-b_c0"},
        {"BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080", IDENTITY_OK, IDENTITY_KIND_ADDRESS,
         "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
        {"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", IDENTITY_OK, IDENTITY_KIND_ADDRESS,
         "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"},
        {"ab", IDENTITY_BAD_ACCOUNT, 0, NULL},
        {"-ab", IDENTITY_BAD_ACCOUNT, 0, NULL},
        {"a b c", IDENTITY_BAD_ACCOUNT, 0, NULL},
        {"abcdefghijkmnopqrstuvwxy", IDENTITY_OK, IDENTITY_KIND_ACCOUNT,
         "abcdefghijkmnopqrstuvwxy"},
        {"abcdefghijkmnopqrstuvwxyz", IDENTITY_BAD_ADDRESS, 0, NULL},
        {"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfo", IDENTITY_BAD_ADDRESS, 0, NULL},
        {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", IDENTITY_BAD_ADDRESS, 0, NULL},
        {"bcrt1abc", IDENTITY_BAD_ADDRESS, 0, NULL},
        {"j\xc3\xbcrgen", IDENTITY_OK, IDENTITY_KIND_ACCOUNT, "j\xc3\xbcrgen"},
        {"J\xc3\xbcRGEN", IDENTITY_OK, IDENTITY_KIND_ACCOUNT, "j\xc3\xbcrgen"},
        {"\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd", IDENTITY_OK, IDENTITY_KIND_ACCOUNT,
         "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd"},
        {"\xc3\xbc\xc3\xbc", IDENTITY_BAD_ACCOUNT, 0, NULL}, /* two characters */
        {"abc\xc3", IDENTITY_BAD_ACCOUNT, 0, NULL},
        {"abc\xed\xa0\x80", IDENTITY_BAD_ACCOUNT, 0, NULL},
        {"abcdefghijkmnopqrstuvwxyz-abcdefghijkmnopqrstuvwx", IDENTITY_OK, IDENTITY_KIND_ACCOUNT,
         "abcdefghijkmnopqrstuvwxyz-abcdefghijkmnopqrstuvwx"},
        {"abcdefghijkmnopqrstuvwxyz-abcdefghijkmnopqrstuvwxyz", IDENTITY_BAD_ACCOUNT, 0, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct identity_account account;
        enum identity_outcome outcome =
            identity_resolve(regtest(), span_text(known[i].text), &account, NULL);
        if (outcome != known[i].outcome)
            fail_msg("%s: %s", known[i].text, identity_outcome_text(outcome));
        if (outcome != IDENTITY_OK)
            continue;
        assert_int_equal(account.kind, known[i].kind);
        assert_string_equal(account.canonical, known[i].canonical);
    }
}

static uint64_t id_of(const struct identity_key *key, const char *text)
{
    struct identity_account account;
    assert_int_equal(identity_resolve(regtest(), span_text(text), &account, NULL), IDENTITY_OK);
    return identity_account_id(key, &account);
}

static void one_destination_has_one_id_and_another_key_another(void **state)
{
    (void)state;
    const struct identity_key key = {{1, 2, 3}}, other = {{1, 2, 4}};
    const char *lower = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    const char *upper = "BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080";
    assert_true(id_of(&key, lower) == id_of(&key, upper));
    assert_true(id_of(&key, "alice") == id_of(&key, "ALICE"));
    assert_true(id_of(&key, "alice") != id_of(&key, "alicf"));
    assert_true(id_of(&key, lower) != id_of(&other, lower));

    uint64_t account = id_of(&key, "alice");
    assert_true(identity_worker_id(&key, account, span_text("a")) !=
                identity_worker_id(&key, account, span_text("b")));
    assert_true(identity_worker_id(&key, account, span_text("a")) !=
                identity_worker_id(&key, account + 1, span_text("a")));
    assert_true(identity_worker_id(&key, account, span_text("")) != 0);
    /* Stored for ever: these values must never change. */
    assert_true(account == 0x5e17761ec7f47042);
    assert_true(id_of(&key, lower) == 0x81148ea88b119d83);
    assert_true(identity_worker_id(&key, account, span_text("rig")) == 0xe925d6c1cd966218);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2b_in_any_parts_is_that_of_another_library),
        cmocka_unit_test(a_user_name_splits_at_its_first_dot),
        cmocka_unit_test(names_that_cannot_stand_in_json_logs_and_pages_are_refused),
        cmocka_unit_test(an_account_is_an_address_or_a_registered_name),
        cmocka_unit_test(one_destination_has_one_id_and_another_key_another),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
