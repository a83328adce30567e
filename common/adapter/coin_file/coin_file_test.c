/* Profiles from files: what ships reads back as what is built in, and a wrong file is refused in a
 * sentence that names what is wrong. */
#include "adapter/coin_file/coin_file.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const char *folder;

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void assert_same(const struct coin_profile *a, const struct coin_profile *b)
{
    assert_int_equal(a->algorithm, b->algorithm);
#define COIN_TEXT(member, shortest, longest, needed, what)                                         \
    assert_true(same_text(a->member, b->member));
#define COIN_NUMBER(type, member, least, most, needed, what) assert_true(a->member == b->member);
#define COIN_FLAG(member, what) assert_true(a->member == b->member);
#include "core/coin/fields.def"
#undef COIN_TEXT
#undef COIN_NUMBER
#undef COIN_FLAG
    for (size_t i = 0; i < COIN_GBT_RULES_MAX; i++)
        assert_true(same_text(a->gbt_rules[i], b->gbt_rules[i]));
}

static void every_built_in_profile_is_a_file_that_says_the_same(void **state)
{
    static struct coin_file file;
    size_t count;
    const struct coin_profile *profiles = coin_profiles(&count);
    struct error error;
    (void)state;
    assert_true(count >= 14);
    for (size_t i = 0; i < count; i++) {
        const struct coin_profile *read = coin_file_open(profiles[i].name, folder, &file, &error);
        assert_non_null(read);
        assert_ptr_not_equal(read, &profiles[i]);
        assert_same(read, &profiles[i]);
        assert_ptr_equal(coin_file_open(profiles[i].name, "", &file, &error), &profiles[i]);
        assert_ptr_equal(coin_file_open(profiles[i].name, "/nowhere", &file, &error), &profiles[i]);
    }
}

static const char good[] =
    "{\"name\":\"mycoin\",\"source\":\"its own parameters\",\"ticker\":\"MY\",\"chain\":\"main\","
    "\"algorithm\":\"blake2s\",\"bech32_hrp\":\"my\",\"p2pkh_version\":50,\"p2sh_version\":10,"
    "\"coinbase_maturity\":120,\"decimals\":8,\"target_spacing_seconds\":60,"
    "\"subsidy\":2500000000,\"halving_interval\":1000000,\"retarget_interval\":1,"
    "\"dust_scale\":1,\"segwit\":true,\"gbt_rules\":[\"segwit\"]}";

static void a_new_coin_is_a_file_and_nothing_else(void **state)
{
    static struct coin_file file;
    struct error error;
    (void)state;
    assert_true(coin_json_parse(span_text(good), &file, &error));
    const struct coin_profile *coin = &file.profile;
    assert_string_equal(coin->name, "mycoin");
    assert_int_equal(coin->algorithm, POW_BLAKE2S);
    assert_int_equal(coin->p2sh_version_legacy, 10);
    assert_false(coin->mweb);
    assert_null(coin->cashaddr_prefix);
    assert_true(coin_subsidy(coin, 1000000) == 1250000000);

    char made[] = "/tmp/coin_file_test.XXXXXX", path[64];
    assert_non_null(mkdtemp(made));
    snprintf(path, sizeof path, "%s/mycoin.json", made);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(good, out);
    assert_int_equal(fclose(out), 0);
    coin = coin_file_open("mycoin", made, &file, &error);
    assert_non_null(coin);
    assert_string_equal(coin->ticker, "MY");
    coin = coin_file_open(path, "", &file, &error);
    assert_non_null(coin);
    /* A name that is not the file's own would let two processes believe different things. */
    char other[64];
    snprintf(other, sizeof other, "%s/bitcoin.json", made);
    assert_int_equal(rename(path, other), 0);
    assert_null(coin_file_open("bitcoin", made, &file, &error));
    assert_non_null(strstr(error.text, "names itself \"mycoin\""));
    unlink(other);
    rmdir(made);
    assert_null(coin_file_open("mycoin", made, &file, &error));
    assert_non_null(strstr(error.text, "there is no profile \"mycoin\""));
    assert_null(coin_file_open("/nowhere/at/all.json", "", &file, &error));
    assert_null(coin_file_open("", made, &file, &error));
}

/* `from` in the good file becomes `to`; the refusal names `said`. */
static void refuse(const char *from, const char *to, const char *said)
{
    static struct coin_file file;
    char text[2 * sizeof good];
    struct error error;
    const char *at = strstr(good, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    if (coin_json_parse(span_text(text), &file, &error))
        fail_msg("taken: %s", text);
    if (strstr(error.text, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, said);
    assert_null(strchr(error.text, '\n'));
}

static void a_wrong_field_is_refused_by_name(void **state)
{
    (void)state;
    refuse("\"name\"", "\"nmae\"", "\"nmae\" is no field");
    refuse("\"ticker\":\"MY\",", "", "\"ticker\" is missing");
    refuse("\"algorithm\":\"blake2s\",", "", "\"algorithm\" is missing");
    refuse("\"gbt_rules\":[\"segwit\"]", "\"mweb\":false", "\"gbt_rules\" is missing");
    refuse("blake2s", "x11", "\"algorithm\" must be");
    refuse("\"p2pkh_version\":50", "\"p2pkh_version\":256", "\"p2pkh_version\" must be");
    refuse("\"p2pkh_version\":50", "\"p2pkh_version\":-1", "\"p2pkh_version\" must be");
    refuse("\"p2pkh_version\":50", "\"p2pkh_version\":50.0", "\"p2pkh_version\" must be");
    refuse("\"p2pkh_version\":50", "\"p2pkh_version\":\"50\"", "\"p2pkh_version\" must be");
    refuse("\"p2pkh_version\":50", "\"p2pkh_version\":10", "\"p2pkh_version\" is a version");
    refuse("\"coinbase_maturity\":120", "\"coinbase_maturity\":0", "\"coinbase_maturity\" must");
    refuse("\"decimals\":8", "\"decimals\":99", "\"decimals\" must");
    refuse("2500000000", "0", "\"subsidy\" must");
    refuse("2500000000", "99999999999999999", "\"subsidy\" must");
    refuse("2500000000", "99999999999999999999999", "line 1");
    refuse("\"target_spacing_seconds\":60", "\"target_spacing_seconds\":0", "\"target_spacing");
    refuse("\"halving_interval\":1000000", "\"halving_interval\":-5", "\"halving_interval\" must");
    refuse("\"segwit\":true", "\"segwit\":1", "\"segwit\" must be true or false");
    refuse("\"segwit\":true", "\"segwit\":false", "need each other");
    refuse("\"bech32_hrp\":\"my\",", "", "need each other");
    refuse("\"bech32_hrp\":\"my\"", "\"bech32_hrp\":\"MY\"", "\"bech32_hrp\" must be of small");
    refuse("\"bech32_hrp\":\"my\"", "\"bech32_hrp\":\"muchtoolongaprefix\"", "\"bech32_hrp\" must");
    refuse("\"bech32_hrp\":\"my\"", "\"bech32_hrp\":\"my\",\"cashaddr_prefix\":\"mycash\"",
           "exclude each other");
    refuse("\"name\":\"mycoin\"", "\"name\":\"../mycoin\"", "\"name\" must be of");
    refuse("\"name\":\"mycoin\"", "\"name\":\"my\\ncoin\"", "\"name\" must be a text");
    refuse("\"name\":\"mycoin\"", "\"name\":\"my\\u0000coin\"", "line 1");
    refuse("[\"segwit\"]", "[\"a\",\"b\",\"c\",\"d\",\"e\"]", "\"gbt_rules\" must");
    refuse("[\"segwit\"]", "[7]", "\"gbt_rules\" must");
    refuse("[\"segwit\"]", "\"segwit\"", "\"gbt_rules\" must");
    refuse("\"ticker\":\"MY\"", "\"ticker\":\"MY\",\"ticker\":\"ME\"", "line 1");
    refuse("}", "", "line 1");
    refuse("\"source\":\"its own parameters\"", "\"source\":7", "\"source\" must");
    static struct coin_file file;
    struct error error;
    assert_false(coin_json_parse(span_text("[]"), &file, &error));
    assert_false(coin_json_parse(span_text(""), &file, &error));
}

static void no_cut_file_is_taken_and_none_breaks_the_reader(void **state)
{
    static struct coin_file file;
    struct error error;
    (void)state;
    for (size_t length = 0; length < sizeof good - 1; length++)
        assert_false(coin_json_parse(span_of(good, length), &file, &error));
    char text[sizeof good];
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int c = 1; c < 256; c += 7) {
            memcpy(text, good, sizeof good);
            text[at] = (char)c;
            (void)!coin_json_parse(span_text(text), &file, &error); /* says yes or no, and lives */
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_profile_is_a_file_that_says_the_same),
        cmocka_unit_test(a_new_coin_is_a_file_and_nothing_else),
        cmocka_unit_test(a_wrong_field_is_refused_by_name),
        cmocka_unit_test(no_cut_file_is_taken_and_none_breaks_the_reader),
    };
    if (argc < 2)
        return 64;
    folder = argv[1];
    return cmocka_run_group_tests_name("coin files", tests, NULL, NULL);
}
