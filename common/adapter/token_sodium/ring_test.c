/* The ring of keys: which key signs and which verify, at every second around a rotation, and what
 * two processes that share the file see. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/token_sodium/ring.h"

#include "adapter/token_sodium/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIFE_S = 900, LEAD_S = 600 };
#define NOW ((uint64_t)1800000000)

static char folder[64], path[80];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/adit-ring-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/auth.key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder); /* nothing else was left in it */
}

static struct token_ring *open_ring(void)
{
    struct error error;
    struct token_ring *ring = token_ring_open(path, NOW, &error);
    if (ring == NULL)
        fail_msg("%s", error.text);
    return ring;
}

static void sign_at(const struct token_ring *ring, uint64_t now_s, char text_r[TOKEN_TEXT_BYTES])
{
    struct token_claims claims = {
        .account_id = 7, .issued_s = now_s, .not_before_s = now_s, .expires_s = now_s + LIFE_S
    };
    token_sign(token_ring_signer(ring, now_s), &claims, text_r);
}

static enum token_outcome verify_at(const struct token_ring *ring, uint64_t now_s, const char *text)
{
    struct token_verifier verifier;
    struct token_claims claims;
    token_ring_verifier(ring, now_s, LIFE_S, &verifier);
    return token_verify(&verifier, span_text(text), now_s, &claims);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(chmod(path, 0600), 0);
    fputs(text, file);
    fclose(file);
}

static void every_token_lives_its_whole_life_through_a_rotation(void **state)
{
    (void)state;
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES];
    struct token_ring *ring = open_ring();
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_false(changed);
    assert_true(token_ring_rotate(path, NOW, LIFE_S, NOW + LEAD_S, false, kid, &error));
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_true(changed);
    struct token_verifier verifier;
    token_ring_verifier(ring, NOW, LIFE_S, &verifier);
    assert_int_equal(verifier.count, 2); /* known before it signs */
    for (uint64_t signed_s = NOW; signed_s < NOW + 2 * LEAD_S + LIFE_S; signed_s += 50) {
        char text[TOKEN_TEXT_BYTES];
        bool newer = signed_s >= NOW + LEAD_S;
        assert_int_equal(strcmp(token_ring_signer(ring, signed_s)->kid, kid) == 0, newer);
        sign_at(ring, signed_s, text);
        for (uint64_t at_s = signed_s; at_s < signed_s + LIFE_S + TOKEN_LEEWAY_S; at_s += 30)
            assert_int_equal(verify_at(ring, at_s, text), TOKEN_OK);
        assert_int_equal(verify_at(ring, signed_s + LIFE_S + TOKEN_LEEWAY_S, text), TOKEN_EXPIRED);
    }
    /* Then the old key is dead: not even a token that says it lives on is taken. */
    token_ring_verifier(ring, NOW + LEAD_S + LIFE_S + 2 * TOKEN_LEEWAY_S, LIFE_S, &verifier);
    assert_int_equal(verifier.count, 1);
    assert_string_equal(verifier.keys[0].kid, kid);
    token_ring_close(ring);
}

static void of_two_that_share_the_file_one_takes_what_the_other_signs(void **state)
{
    (void)state;
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES], text[TOKEN_TEXT_BYTES];
    struct token_ring *one = open_ring(), *other = open_ring();
    sign_at(one, NOW, text);
    assert_int_equal(verify_at(other, NOW, text), TOKEN_OK);
    for (uint64_t i = 1; i < TOKEN_KEYS_MAX; i++) {
        assert_true(token_ring_rotate(path, NOW, LIFE_S, NOW + i, false, kid, &error));
        assert_true(token_ring_refresh(one, &changed, &error));
        assert_true(token_ring_refresh(other, &changed, &error));
        sign_at(one, NOW + i, text);
        assert_int_equal(verify_at(other, NOW + i, text), TOKEN_OK);
    }
    assert_false(token_ring_rotate(path, NOW, LIFE_S, NOW + 100, false, kid, &error));
    assert_int_equal(error.code, ERROR_FULL);
    /* The dead leave with the next one. */
    assert_true(token_ring_rotate(path, NOW + 86400, LIFE_S, NOW + 86500, false, kid, &error));
    assert_true(token_ring_refresh(one, &changed, &error));
    struct token_verifier verifier;
    token_ring_verifier(one, NOW, LIFE_S, &verifier);
    assert_int_equal(verifier.count, 2);
    token_ring_close(one);
    token_ring_close(other);
}

static void a_key_that_was_stolen_is_void_at_once(void **state)
{
    (void)state;
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES], text[TOKEN_TEXT_BYTES];
    struct stat status;
    struct token_ring *ring = open_ring();
    sign_at(ring, NOW, text);
    assert_true(token_ring_rotate(path, NOW, LIFE_S, NOW, true, kid, &error));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_int_equal(verify_at(ring, NOW, text), TOKEN_UNKNOWN_KEY);
    assert_string_equal(token_ring_signer(ring, NOW)->kid, kid);
    token_ring_close(ring);
}

static void a_rotation_always_raises_the_generation(void **state)
{
    (void)state;
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES];
    struct token_ring *ring = open_ring();
    uint64_t generation = token_ring_generation(ring);
    assert_int_equal(generation, NOW);
    /* The last one while another is still to begin: it signs at once all the same. */
    const struct {
        uint64_t now_s, from_s;
        bool alone;
    } rotations[] = {
        { NOW + 10, NOW + 610, false }, { NOW + 700, NOW + 1300, false },
        { NOW + 800, NOW + 800, true }, { NOW + 801, NOW + 801, true },
        { NOW + 900, NOW + 1500, false },
    };
    for (size_t i = 0; i < sizeof rotations / sizeof *rotations; i++) {
        assert_true(token_ring_rotate(path, rotations[i].now_s, LIFE_S, rotations[i].from_s,
                                      rotations[i].alone, kid, &error));
        assert_true(token_ring_refresh(ring, &changed, &error));
        assert_true(token_ring_generation(ring) > generation);
        generation = token_ring_generation(ring);
        if (rotations[i].alone)
            assert_string_equal(token_ring_signer(ring, rotations[i].now_s)->kid, kid);
    }
    token_ring_close(ring);
}

static void a_broken_file_is_refused_and_the_keys_read_before_stay(void **state)
{
    (void)state;
#define SEED "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    static const char *const broken[] = {
        "",
        "\n",
        "x",
        SEED "0",
        SEED " ",
        SEED " x",
        SEED " -1",
        SEED " 1x",
        SEED " 99999999999999999999999",
        SEED "\n" SEED, /* both since ever */
        SEED " 5\n" SEED " 5",
        SEED " 6\n" SEED " 5",
        SEED "\n# a word\n",
        SEED " 1\n" SEED " 2\n" SEED " 3\n" SEED " 4\n" SEED " 5\n" SEED " 6\n" SEED " 7\n" SEED
             " 8\n" SEED " 9\n",
    };
    struct error error;
    bool changed;
    char text[TOKEN_TEXT_BYTES];
    struct token_ring *ring = open_ring();
    sign_at(ring, NOW, text);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        (void)unlink(path);
        write_file(broken[i]);
        if (token_ring_open(path, NOW, &error) != NULL)
            fail_msg("taken: %s", broken[i]);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_false(token_ring_refresh(ring, &changed, &error));
        assert_false(changed);
        assert_int_equal(verify_at(ring, NOW, text), TOKEN_OK);
    }
    assert_int_equal(unlink(path), 0);
    assert_false(token_ring_refresh(ring, &changed, &error));
    assert_int_equal(verify_at(ring, NOW, text), TOKEN_OK);
    write_file(SEED "\r\n" SEED " 1800000000\n");
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_true(changed);
    assert_int_equal(verify_at(ring, NOW, text), TOKEN_UNKNOWN_KEY);
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(token_ring_open(path, NOW, &error)); /* open to others */
    token_ring_close(ring);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_token_lives_its_whole_life_through_a_rotation),
        TEST(of_two_that_share_the_file_one_takes_what_the_other_signs),
        TEST(a_key_that_was_stolen_is_void_at_once),
        TEST(a_rotation_always_raises_the_generation),
        TEST(a_broken_file_is_refused_and_the_keys_read_before_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
