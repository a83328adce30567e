#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <stdio.h>

#include "adapter/token_sodium/inside.h"
#include "base/test_random.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW ((uint64_t)1800000000)

struct fixture {
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    char kid[TOKEN_KID_BYTES];
    struct token_verifier verifier;
};

static struct fixture fixture(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = { 1, 2, 3 };
    struct fixture f = { .verifier = { .count = 0 } };
    assert_true(sodium_init() >= 0);
    crypto_sign_seed_keypair(f.public_key, f.secret, seed);
    token_kid(f.public_key, f.kid);
    assert_true(token_verifier_add(&f.verifier, f.public_key));
    return f;
}

static void from_base64(const char *text, uint8_t *bytes_r, size_t length)
{
    size_t got;
    assert_int_equal(sodium_base642bin(bytes_r, length, text, strlen(text), NULL, &got, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    assert_int_equal(got, length);
}

static void rfc_8037_s_example_is_signed_to_its_bytes(void **state)
{
    (void)state;
    uint8_t seed[crypto_sign_SEEDBYTES], known[TOKEN_PUBLIC_BYTES];
    uint8_t public_key[TOKEN_PUBLIC_BYTES], secret[crypto_sign_SECRETKEYBYTES];
    char text[TOKEN_TEXT_BYTES];
    assert_true(sodium_init() >= 0);
    from_base64("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", seed, sizeof seed);
    from_base64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", known, sizeof known);
    crypto_sign_seed_keypair(public_key, secret, seed);
    assert_memory_equal(public_key, known, sizeof known);
    assert_true(token_compact(secret, span_text("{\"alg\":\"EdDSA\"}"),
                              span_text("Example of Ed25519 signing"), text, sizeof text));
    assert_string_equal(
        text, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPO"
              "t7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    for (size_t capacity = 0; capacity < strlen(text) + 1; capacity++)
        assert_false(token_compact(secret, span_text("{\"alg\":\"EdDSA\"}"),
                                   span_text("Example of Ed25519 signing"), (char[256]){ 0 },
                                   capacity));
    /* Signed by the right key, and yet no token of ours. */
    struct token_verifier verifier = { .count = 0 };
    struct token_claims claims;
    assert_true(token_verifier_add(&verifier, public_key));
    assert_int_not_equal(token_verify(&verifier, span_text(text), NOW, &claims), TOKEN_OK);
}

/* Writes the path of a key file in a fresh folder. */
static void fresh_path(char path_r[64])
{
    strcpy(path_r, "/tmp/adit-token-XXXXXX");
    assert_non_null(mkdtemp(path_r));
    strcat(path_r, "/auth.key");
}

static void remove_path(char *path)
{
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
}

static void what_a_signer_signs_a_verifier_takes_until_it_expires(void **state)
{
    (void)state;
    char path[64], text[TOKEN_TEXT_BYTES], again[TOKEN_TEXT_BYTES];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    struct token_verifier verifier = { .count = 0 };
    struct token_claims read;
    struct error error;
    struct stat status;
    fresh_path(path);
    struct token_signer *signer = token_signer_open(path, &error);
    assert_non_null(signer);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    token_signer_public(signer, public_key);
    assert_true(token_verifier_add(&verifier, public_key));
    struct token_claims claims = { .account_id = 0xfedcba9876543210,
                                   .issued_s = NOW,
                                   .not_before_s = NOW,
                                   .expires_s = NOW + 900 };
    token_sign(signer, &claims, text);
    token_sign(signer, &claims, again);
    assert_string_not_equal(text, again); /* the ids differ */
    assert_int_equal(token_verify(&verifier, span_text(again), NOW, &read), TOKEN_OK);
    assert_int_equal(read.account_id, claims.account_id);
    assert_int_equal(read.issued_s, NOW);
    assert_int_equal(read.expires_s, NOW + 900);
    assert_string_equal(read.id, claims.id);
    const struct {
        uint64_t now;
        enum token_outcome outcome;
    } times[] = {
        { NOW - TOKEN_LEEWAY_S - 1, TOKEN_NOT_YET },
        { NOW - TOKEN_LEEWAY_S, TOKEN_OK },
        { NOW + 900, TOKEN_OK },
        { NOW + 900 + TOKEN_LEEWAY_S - 1, TOKEN_OK },
        { NOW + 900 + TOKEN_LEEWAY_S, TOKEN_EXPIRED },
        { UINT64_MAX / 2, TOKEN_EXPIRED },
        { 0, TOKEN_NOT_YET },
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_int_equal(token_verify(&verifier, span_text(text), times[i].now, &read),
                         times[i].outcome);
    /* The key is kept: a token of before the restart is a token after it. */
    token_signer_close(signer);
    signer = token_signer_open(path, &error);
    token_signer_public(signer, public_key);
    struct token_verifier later = { .count = 0 };
    assert_true(token_verifier_add(&later, public_key));
    assert_int_equal(token_verify(&later, span_text(text), NOW, &read), TOKEN_OK);
    token_signer_close(signer);
    remove_path(path);
}

static void no_change_of_one_character_leaves_a_token_valid(void **state)
{
    (void)state;
    struct fixture f = fixture();
    char path[64], text[TOKEN_TEXT_BYTES];
    struct token_claims read;
    struct error error;
    fresh_path(path);
    struct token_signer *signer = token_signer_open(path, &error);
    struct token_claims claims = {
        .account_id = 1, .issued_s = NOW, .not_before_s = NOW, .expires_s = NOW + 60
    };
    token_sign(signer, &claims, text);
    token_signer_public(signer, f.public_key);
    assert_true(token_verifier_add(&f.verifier, f.public_key));
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        char kept = text[i];
        static const char others[] = "AZaz09-_.=+/ \n";
        for (size_t j = 0; j < sizeof others; j++) {
            if (others[j] == kept)
                continue;
            text[i] = others[j];
            assert_int_not_equal(token_verify(&f.verifier, span_of(text, length), NOW, &read),
                                 TOKEN_OK);
        }
        text[i] = kept;
        assert_int_not_equal(token_verify(&f.verifier, span_of(text, i), NOW, &read), TOKEN_OK);
    }
    assert_int_equal(token_verify(&f.verifier, span_of(text, length), NOW, &read), TOKEN_OK);
    text[length] = '.';
    assert_int_equal(token_verify(&f.verifier, span_of(text, length + 1), NOW, &read),
                     TOKEN_MALFORMED);
    token_signer_close(signer);
    remove_path(path);
}

#define CLAIMS(more)                                                                               \
    "{\"iss\":\"adit\",\"aud\":\"adit\",\"sub\":\"00000000000000ff\",\"iat\":1800000000,"          \
    "\"nbf\":1800000000,\"exp\":1800000900,\"jti\":\"00112233445566778899aabbccddeeff\"" more "}"
#define OTHER(iss, aud, sub, iat, nbf, exp)                                                        \
    "{\"iss\":" iss ",\"aud\":" aud ",\"sub\":" sub ",\"iat\":" iat ",\"nbf\":" nbf                \
    ",\"exp\":" exp ",\"jti\":\"00112233445566778899aabbccddeeff\"}"
#define US "\"adit\""
#define SUB "\"00000000000000ff\""
#define T0 "1800000000"
#define T1 "1800000900"

static void hostile_tokens_signed_with_the_right_key_are_refused(void **state)
{
    (void)state;
    struct fixture f = fixture();
    /* %s: the key's id */
    static const char good[] = "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}";
    const struct {
        const char *header, *payload;
        enum token_outcome outcome;
    } cases[] = {
        { good, CLAIMS(""), TOKEN_OK },
        { "{\"kid\":\"%s\",\"alg\":\"EdDSA\"}", CLAIMS(",\"scope\":[1,{\"a\":2}]"), TOKEN_OK },
        { "{\"alg\":\"none\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"alg\":\"None\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"alg\":\"HS256\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"alg\":\"eddsa\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"alg\":[\"EdDSA\"],\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"kid\":\"%s\"}", CLAIMS(""), TOKEN_BAD_ALGORITHM },
        { "{\"alg\":\"EdDSA\"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":7}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"0011223344556677\"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s \"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"crit\":[\"x\"]}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"jwk\":{}}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"JWE\"}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\"} x", CLAIMS(""), TOKEN_MALFORMED },
        { "[\"EdDSA\",\"%s\"]", CLAIMS(""), TOKEN_MALFORMED },
        { "", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"jku\":\"https://e.vil/\"}", CLAIMS(""),
          TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"x5c\":[]}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"zip\":\"DEF\"}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":[\"%s\"]}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"../%s\"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s' OR '1'='1\"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"\"}", CLAIMS(""), TOKEN_UNKNOWN_KEY },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"kid\":\"%s\"}", CLAIMS(""), TOKEN_MALFORMED },
        { "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", CLAIMS(""), TOKEN_MALFORMED },
        { good, CLAIMS(",\"sid\":\"short\""), TOKEN_MALFORMED },
        { good, "", TOKEN_MALFORMED },
        { good, "[]", TOKEN_MALFORMED },
        { good, "{}", TOKEN_WRONG_ISSUER },
        { good, CLAIMS(",\"sub\":\"0000000000000001\""), TOKEN_MALFORMED },
        { good, CLAIMS(",\"x\":{\"a\":1,\"a\":2}"), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, T1), TOKEN_OK },
        { good, OTHER("\"Adit\"", US, SUB, T0, T0, T1), TOKEN_WRONG_ISSUER },
        { good, OTHER("\"adit2\"", US, SUB, T0, T0, T1), TOKEN_WRONG_ISSUER },
        { good, OTHER("null", US, SUB, T0, T0, T1), TOKEN_WRONG_ISSUER },
        { good, OTHER(US, "\"shop\"", SUB, T0, T0, T1), TOKEN_WRONG_AUDIENCE },
        { good, OTHER(US, "[\"adit\"]", SUB, T0, T0, T1), TOKEN_WRONG_AUDIENCE },
        { good, OTHER(US, US, "\"0000000000000000\"", T0, T0, T1), TOKEN_MALFORMED },
        { good, OTHER(US, US, "\"ff\"", T0, T0, T1), TOKEN_MALFORMED },
        { good, OTHER(US, US, "\"00000000000000fg\"", T0, T0, T1), TOKEN_MALFORMED },
        { good, OTHER(US, US, "255", T0, T0, T1), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, "1800000061", T0, T1), TOKEN_NOT_YET },
        { good, OTHER(US, US, SUB, T0, "1800000061", T1), TOKEN_NOT_YET },
        { good, OTHER(US, US, SUB, "1799999000", "1799999000", "1799999940"), TOKEN_EXPIRED },
        { good, OTHER(US, US, SUB, T0, T0, T0), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, "1800000900.5"), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, "\"1800000900\""), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, "-5", T0, T1), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, "9223372036854775807"), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, "18446744073709551617"), TOKEN_MALFORMED },
        { good, OTHER(US, US, SUB, T0, T0, "1900000000"), TOKEN_MALFORMED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[256], text[TOKEN_BYTES_MAX];
        struct token_claims claims;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(header, sizeof header, cases[i].header, f.kid, f.kid);
#pragma GCC diagnostic pop
        assert_true(token_compact(f.secret, span_text(header), span_text(cases[i].payload), text,
                                  sizeof text));
        enum token_outcome outcome = token_verify(&f.verifier, span_text(text), NOW, &claims);
        if (outcome != cases[i].outcome)
            fail_msg("%s %s: %s", header, cases[i].payload, token_outcome_text(outcome));
    }
}

static void tokens_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    struct fixture f = fixture();
    static const char *const texts[] = { "",
                                         ".",
                                         "..",
                                         "...",
                                         "a.b",
                                         "a.b.c.d",
                                         "a.b.c",
                                         "e30.e30.",
                                         "e30.e30",
                                         ".e30.e30",
                                         "eyJhbGciOiJub25lIn0.e30." };
    struct token_claims claims;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_not_equal(token_verify(&f.verifier, span_text(texts[i]), NOW, &claims),
                             TOKEN_OK);
    /* Too long, though signed. */
    static char payload[TOKEN_BYTES_MAX], text[2 * TOKEN_BYTES_MAX];
    char header[128];
    snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", f.kid);
    for (size_t pad = 0; pad < TOKEN_BYTES_MAX - 300; pad += 50) {
        snprintf(payload, sizeof payload, "%s%*s", CLAIMS(""), (int)pad, "");
        assert_true(
            token_compact(f.secret, span_text(header), span_text(payload), text, sizeof text));
        assert_int_equal(token_verify(&f.verifier, span_text(text), NOW, &claims),
                         strlen(text) <= TOKEN_BYTES_MAX ? TOKEN_OK : TOKEN_MALFORMED);
    }
    /* Deep. */
    memset(payload, '[', 2900);
    payload[2900] = '\0';
    assert_true(token_compact(f.secret, span_text(header), span_text(payload), text, sizeof text));
    assert_int_equal(token_verify(&f.verifier, span_text(text), NOW, &claims), TOKEN_MALFORMED);
}

static void another_key_s_token_is_refused_even_under_our_key_s_name(void **state)
{
    (void)state;
    struct fixture f = fixture();
    uint8_t public_key[TOKEN_PUBLIC_BYTES], secret[crypto_sign_SECRETKEYBYTES];
    char header[128], text[TOKEN_BYTES_MAX];
    struct token_claims claims;
    crypto_sign_keypair(public_key, secret);
    snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", f.kid);
    assert_true(token_compact(secret, span_text(header), span_text(CLAIMS("")), text, sizeof text));
    assert_int_equal(token_verify(&f.verifier, span_text(text), NOW, &claims), TOKEN_BAD_SIGNATURE);
}

static void a_verifier_holds_eight_keys_and_each_once(void **state)
{
    (void)state;
    struct token_verifier verifier = { .count = 0 };
    uint8_t key[TOKEN_PUBLIC_BYTES] = { 0 };
    for (uint8_t i = 0; i < TOKEN_KEYS_MAX; i++) {
        key[0] = i;
        assert_true(token_verifier_add(&verifier, key));
        assert_true(token_verifier_add(&verifier, key));
    }
    key[0] = TOKEN_KEYS_MAX;
    assert_false(token_verifier_add(&verifier, key));
}

static void a_key_file_that_is_broken_or_open_to_others_is_refused(void **state)
{
    (void)state;
    static const char *const contents[] = { "", "abc\n", "zz", NULL };
    char path[64];
    struct error error;
    fresh_path(path);
    for (size_t i = 0; contents[i] != NULL; i++) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(contents[i], file) >= 0);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
        assert_null(token_signer_open(path, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_non_null(strstr(error.text, path));
    }
    assert_int_equal(unlink(path), 0);
    struct token_signer *signer = token_signer_open(path, &error);
    assert_non_null(signer);
    token_signer_close(signer);
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(token_signer_open(path, &error));
    assert_non_null(strstr(error.text, "chmod 600"));
    assert_null(token_signer_open("/nowhere/at/all/auth.key", &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    remove_path(path);
}

static void of_processes_that_make_the_key_at_once_all_have_one(void **state)
{
    (void)state;
    enum { PROCESSES = 8 };
    char path[64];
    int ends[2];
    uint8_t first[TOKEN_PUBLIC_BYTES], public_key[TOKEN_PUBLIC_BYTES];
    fresh_path(path);
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct error error;
            struct token_signer *signer = token_signer_open(path, &error);
            if (signer == NULL)
                _exit(1);
            token_signer_public(signer, public_key);
            _exit(write(ends[1], public_key, sizeof public_key) == sizeof public_key ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], public_key, sizeof public_key), sizeof public_key);
        if (i == 0)
            memcpy(first, public_key, sizeof first);
        assert_memory_equal(first, public_key, sizeof first);
    }
    close(ends[0]);
    close(ends[1]);
    remove_path(path); /* nothing else is in the folder */
}

static void the_list_of_keys_names_all_of_them(void **state)
{
    (void)state;
    struct fixture f = fixture();
    char text[TOKEN_JWKS_BYTES], wanted[128];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    from_base64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", public_key, sizeof public_key);
    assert_true(token_verifier_add(&f.verifier, public_key));
    token_jwks(&f.verifier, text);
    snprintf(wanted, sizeof wanted, "\"kid\":\"%s\"", f.kid);
    assert_non_null(strstr(text, wanted));
    assert_non_null(strstr(text, "\"kty\":\"OKP\",\"crv\":\"Ed25519\""));
    assert_non_null(strstr(text, "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"));
    while (f.verifier.count < TOKEN_KEYS_MAX) {
        public_key[0]++;
        assert_true(token_verifier_add(&f.verifier, public_key));
    }
    token_jwks(&f.verifier, text); /* the most fits */
}

/* RFC 7515's own examples (appendix A) are signed well by others' rules; here only the shape of
 * A.1's and A.5's header would have to be believed to let them in. */
static void rfc_7515_s_tokens_of_other_algorithms_are_refused(void **state)
{
    (void)state;
    struct fixture f = fixture();
#define JOE                                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
    static const char *const texts[] = {
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",                                 /* A.1 */
        "eyJhbGciOiJSUzI1NiJ9." JOE ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr", /* A.2 */
        "eyJhbGciOiJFUzI1NiJ9." JOE ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfT"
        "jDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", /* A.3 */
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1",
        "eyJhbGciOiJub25lIn0." JOE ".", /* A.5 */
    };
    struct token_claims claims;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(token_verify(&f.verifier, span_text(texts[i]), NOW, &claims),
                         TOKEN_BAD_ALGORITHM);
    /* appendix C: base64url without padding; and its non-canonical spellings, with stray bits */
    static const char *const spellings[] = { "A-z_4ME",  "A-z_4MF",  "A-z_4MG",
                                             "A-z_4MH",  "A-z_4ME=", "A+z/4ME",
                                             "A-z_4ME ", "A-z_4M",   "A-z_4M\xfc" };
    static const uint8_t octets[] = { 3, 236, 255, 224, 193 };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        uint8_t bytes[8];
        size_t length = 0;
        bool taken = token_base64url(span_text(spellings[i]), bytes, sizeof bytes, &length);
        assert_int_equal(taken, i == 0);
        if (taken)
            assert_memory_equal(bytes, octets, sizeof octets);
    }
}

/* Whatever claims within the bounds are signed, a verifier reads the same; and no other text that
 * differs in one place is taken, wherever that place is. */
static void any_claims_are_read_as_they_were_signed_and_no_forgery_is(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("token");
    char path[64];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    struct error error;
    fresh_path(path);
    struct token_signer *signer = token_signer_open(path, &error);
    token_signer_public(signer, public_key);
    struct token_verifier verifier = { .count = 0 };
    assert_true(token_verifier_add(&verifier, public_key));
    for (int i = 0; i < 2000; i++) {
        char text[TOKEN_TEXT_BYTES];
        uint64_t now_s = test_random_below(&random, (uint64_t)1 << 40) + TOKEN_LIFE_S_MAX;
        struct token_claims read, claims = {
            .scopes = (uint32_t)test_random_below(&random, 16),
            .second_factor_on = test_random_below(&random, 2) != 0,
            .second_factor_given = test_random_below(&random, 2) != 0,
            .account_id = test_random_magnitude(&random) | 1,
            .issued_s = now_s,
            .not_before_s = now_s,
            .expires_s = now_s + 1 + test_random_below(&random, 86400),
        };
        if (test_random_below(&random, 2) != 0)
            snprintf(claims.session, sizeof claims.session, "%032llx",
                     (unsigned long long)test_random_u64(&random));
        token_sign(signer, &claims, text);
        memset(&read, 0, sizeof read);
        assert_int_equal(token_verify(&verifier, span_text(text), now_s, &read), TOKEN_OK);
        assert_int_equal(read.scopes, claims.scopes);
        assert_int_equal(read.second_factor_on, claims.second_factor_on);
        assert_int_equal(read.second_factor_given, claims.second_factor_given);
        assert_int_equal(read.account_id, claims.account_id);
        assert_int_equal(read.expires_s, claims.expires_s);
        assert_string_equal(read.session, claims.session);
        assert_string_equal(read.id, claims.id);
        size_t place = test_random_below(&random, strlen(text));
        char other = (char)test_random_below(&random, 256);
        if (other == text[place])
            continue;
        text[place] = other;
        if (token_verify(&verifier, span_of(text, strlen(text)), now_s, &read) == TOKEN_OK)
            fail_msg("taken, with byte %d at %zu: %s", other, place, text);
    }
    token_signer_close(signer);
    remove_path(path);
}

static void what_the_bearer_may_do_is_kept_and_unknown_words_mean_nothing(void **state)
{
    (void)state;
    char path[64] = "/tmp/adit-token-XXXXXX", key[80], public_file[80], text[TOKEN_TEXT_BYTES];
    struct error error;
    struct token_verifier verifier = { .count = 0 }, published = { .count = 0 };
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    assert_non_null(mkdtemp(path));
    snprintf(key, sizeof key, "%s/key", path);
    snprintf(public_file, sizeof public_file, "%s/pub", path);
    struct token_signer *signer = token_signer_open(key, &error);
    assert_non_null(signer);
    assert_false(token_verifier_read(&verifier, public_file, &error));
    token_signer_public(signer, public_key);
    assert_true(token_verifier_add(&published, public_key));
    for (int i = 0; i < 2; i++)
        assert_true(token_publish(&published, public_file, &error));
    assert_true(token_verifier_read(&verifier, public_file, &error));
    assert_int_equal(verifier.count, 1);
    for (uint32_t scopes = 0; scopes < 4; scopes++)
        for (int factors = 0; factors < 4; factors++) {
            struct token_claims read, claims = { .scopes = scopes,
                                                 .second_factor_on = (factors & 1) != 0,
                                                 .second_factor_given = (factors & 2) != 0,
                                                 .account_id = 7,
                                                 .issued_s = NOW,
                                                 .not_before_s = NOW,
                                                 .expires_s = NOW + 60 };
            token_sign(signer, &claims, text);
            assert_int_equal(token_verify(&verifier, span_text(text), NOW, &read), TOKEN_OK);
            assert_int_equal(read.scopes, scopes);
            assert_int_equal(read.second_factor_on, factors & 1);
            assert_int_equal(read.second_factor_given, factors >> 1);
        }
    token_signer_close(signer);
    FILE *file = fopen(public_file, "w");
    assert_non_null(file);
    fputs("not a key\n", file);
    fclose(file);
    assert_false(token_verifier_read(&verifier, public_file, &error));
    (void)unlink(key);
    (void)unlink(public_file);
    (void)rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_bearer_may_do_is_kept_and_unknown_words_mean_nothing),
        cmocka_unit_test(rfc_8037_s_example_is_signed_to_its_bytes),
        cmocka_unit_test(what_a_signer_signs_a_verifier_takes_until_it_expires),
        cmocka_unit_test(no_change_of_one_character_leaves_a_token_valid),
        cmocka_unit_test(hostile_tokens_signed_with_the_right_key_are_refused),
        cmocka_unit_test(tokens_of_the_wrong_shape_are_refused),
        cmocka_unit_test(another_key_s_token_is_refused_even_under_our_key_s_name),
        cmocka_unit_test(a_verifier_holds_eight_keys_and_each_once),
        cmocka_unit_test(a_key_file_that_is_broken_or_open_to_others_is_refused),
        cmocka_unit_test(of_processes_that_make_the_key_at_once_all_have_one),
        cmocka_unit_test(the_list_of_keys_names_all_of_them),
        cmocka_unit_test(rfc_7515_s_tokens_of_other_algorithms_are_refused),
        cmocka_unit_test(any_claims_are_read_as_they_were_signed_and_no_forgery_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
