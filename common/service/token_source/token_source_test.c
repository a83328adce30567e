/* What a process that checks tokens takes for auth's keys, and what not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "adapter/token_sodium/ring.h"
#include "record/access/keys.h"
#include "service/token_source/token_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIFE_S = 900 };
#define NOW ((uint64_t)1800000000)

static char folder[64], path[80];
static const struct identity_key secret = { .bytes = { 9 } };

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/adit-source-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/auth.key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct store *fresh(void)
{
    struct error error;
    struct store *store = store_fake_create();
    assert_true(token_source_declare(store, &error));
    return store;
}

/* As auth does with its ring. */
static enum store_outcome say(struct store *store, const struct token_ring *ring, uint64_t now_s)
{
    struct error error;
    struct token_verifier verifier;
    struct access_keys keys = { .generation = token_ring_generation(ring), .said_s = now_s };
    token_ring_verifier(ring, now_s, LIFE_S, &verifier);
    for (; keys.count < verifier.count; keys.count++)
        memcpy(keys.keys[keys.count], verifier.keys[keys.count].public_key, ACCESS_KEY_BYTES);
    return access_keys_say(store, &secret, &keys, &error);
}

static bool takes(struct token_source *source, struct store *store, uint64_t now_s,
                  const char *token)
{
    struct error error;
    struct token_verifier verifier;
    struct token_claims claims;
    return token_source_read(source, store, now_s, &verifier, &error) &&
           token_verify(&verifier, span_text(token), now_s, &claims) == TOKEN_OK;
}

static void sign_at(const struct token_ring *ring, uint64_t now_s, char text_r[TOKEN_TEXT_BYTES])
{
    struct token_claims claims = {
        .account_id = 7, .issued_s = now_s, .not_before_s = now_s, .expires_s = now_s + LIFE_S
    };
    token_sign(token_ring_signer(ring, now_s), &claims, text_r);
}

static void tokens_live_their_lives_through_a_rotation_for_who_reads_the_store(void **state)
{
    (void)state;
    enum { LEAD_S = 600, STEP_S = 60 };
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES], old[TOKEN_TEXT_BYTES], text[TOKEN_TEXT_BYTES];
    struct store *store = fresh();
    struct token_source source = { .secret = &secret };
    struct token_ring *ring = token_ring_open(path, NOW, &error);
    assert_non_null(ring);
    sign_at(ring, NOW, old);
    assert_false(takes(&source, store, NOW, old)); /* nothing was said yet */
    assert_true(token_ring_rotate(path, NOW, LIFE_S, NOW + LEAD_S, false, kid, &error));
    assert_true(token_ring_refresh(ring, &changed, &error));
    for (uint64_t now_s = NOW; now_s < NOW + 3 * LEAD_S; now_s += STEP_S) {
        if ((now_s - NOW) % 300 == 0)
            assert_int_equal(say(store, ring, now_s), STORE_DONE);
        sign_at(ring, now_s, text);
        assert_true(takes(&source, store, now_s, text));
        assert_int_equal(takes(&source, store, now_s, old), now_s < NOW + LIFE_S + TOKEN_LEEWAY_S);
    }
    /* A stolen key dies at once. */
    uint64_t then_s = NOW + 3 * LEAD_S;
    sign_at(ring, then_s, old);
    assert_true(token_ring_rotate(path, then_s, LIFE_S, then_s, true, kid, &error));
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_int_equal(say(store, ring, then_s), STORE_DONE);
    assert_false(takes(&source, store, then_s, old));
    sign_at(ring, then_s, text);
    assert_true(takes(&source, store, then_s, text));
    token_ring_close(ring);
    store_close(store);
}

static void old_keys_come_back_for_nobody_who_saw_later_ones(void **state)
{
    (void)state;
    struct error error;
    bool changed;
    char kid[TOKEN_KID_BYTES], old[TOKEN_TEXT_BYTES];
    struct store *store = fresh(), *backup = fresh();
    struct token_source source = { .secret = &secret }, started_since = { .secret = &secret };
    struct token_ring *ring = token_ring_open(path, NOW, &error);
    assert_non_null(ring);
    sign_at(ring, NOW, old);
    assert_int_equal(say(backup, ring, NOW), STORE_DONE);
    assert_true(token_ring_rotate(path, NOW, LIFE_S, NOW, true, kid, &error));
    assert_true(token_ring_refresh(ring, &changed, &error));
    assert_int_equal(say(store, ring, NOW), STORE_DONE);
    assert_false(takes(&source, store, NOW, old));
    assert_false(takes(&source, backup, NOW, old));
    /* Who has seen none takes what was said, but not for long. */
    assert_true(takes(&started_since, backup, NOW, old));
    struct token_verifier verifier;
    assert_true(
        token_source_read(&started_since, backup, NOW + TOKEN_SOURCE_FRESH_S, &verifier, &error));
    assert_false(token_source_read(&started_since, backup, NOW + TOKEN_SOURCE_FRESH_S + 1,
                                   &verifier, &error));
    assert_int_equal(verifier.count, 0);
    token_ring_close(ring);
    store_close(store);
    store_close(backup);
}

static void
a_seal_of_another_secret_a_store_that_is_away_and_an_empty_file_give_no_keys(void **state)
{
    (void)state;
    const struct identity_key another = { .bytes = { 8 } };
    struct error error;
    char token[TOKEN_TEXT_BYTES], file[96];
    struct store *store = fresh();
    struct token_source source = { .secret = &another }, ours = { .secret = &secret },
                        pinned = { .secret = &secret, .file = file };
    struct token_ring *ring = token_ring_open(path, NOW, &error);
    assert_non_null(ring);
    sign_at(ring, NOW, token);
    assert_int_equal(say(store, ring, NOW), STORE_DONE);
    assert_false(takes(&source, store, NOW, token));
    store_fake_away(store, true);
    assert_false(takes(&ours, store, NOW, token));
    store_fake_away(store, false);
    assert_true(takes(&ours, store, NOW, token));
    /* Pinned to a file, what the store says is nothing. */
    snprintf(file, sizeof file, "%s/pinned.pub", folder);
    assert_false(takes(&pinned, store, NOW, token));
    struct token_verifier published;
    token_ring_verifier(ring, NOW, LIFE_S, &published);
    assert_true(token_publish(&published, file, &error));
    assert_true(takes(&pinned, store, NOW, token));
    assert_int_equal(unlink(file), 0);
    token_ring_close(ring);
    store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tokens_live_their_lives_through_a_rotation_for_who_reads_the_store),
        TEST(old_keys_come_back_for_nobody_who_saw_later_ones),
        TEST(a_seal_of_another_secret_a_store_that_is_away_and_an_empty_file_give_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
