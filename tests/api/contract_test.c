/* The readers themselves: what is no plain YAML, and what no schema lets through. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/api/contract.h"

#include <stdlib.h>
#include <string.h>

static void plain_yaml_is_read_as_any_reader_would(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        { "a: 1\n", "{\"a\":1}" },
        { "a: b c\n", "{\"a\":\"b c\"}" },
        { "# first\na:\n  b: \"x: y\" \n\n  c: true\nd: null\n", NULL }, /* space at the end */
        { "# first\na:\n  b: \"x: y\"\n\n  c: true\nd: null\n",
          "{\"a\":{\"b\":\"x: y\",\"c\":true},\"d\":null}" },
        { "a:\n  - 1\n  - x\n", "{\"a\":[1,\"x\"]}" },
        { "a:\n  - b: 1\n    c: 2\n  - b: 3\n", "{\"a\":[{\"b\":1,\"c\":2},{\"b\":3}]}" },
        { "a: [x, \"null\", 3]\nb: []\n", "{\"a\":[\"x\",\"null\",3],\"b\":[]}" },
        { "\"200\":\n  x: /a/{id}\n", "{\"200\":{\"x\":\"/a/{id}\"}}" },
        { "$ref: \"#/a/b\"\n", "{\"$ref\":\"#/a/b\"}" },
        { "a: 1\na: 2\n", NULL },   /* a key twice */
        { "a: &x 1\n", NULL },      /* anchors */
        { "a: |\n  text\n", NULL }, /* blocks of text */
        { "a: {b: 1}\n", NULL },    /* flow maps */
        { "a: 'x'\n", NULL },       /* the other quotes */
        { "a:\n", NULL },           /* nothing */
        { "a: 1\n  b: 2\n", NULL }, /* deeper without a reason */
        { "  a: 1\n", NULL },       /* not at the edge */
        { "a:\n\tb: 1\n", NULL },   /* a tab */
        { "a: [1, 2\n", NULL },
        { "a: \"b\n", NULL },
        { "a: b # why\n", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t line;
        json_t *got = yaml_read(cases[i].yaml, &line);
        json_t *wanted = cases[i].json != NULL ? json_loads(cases[i].json, 0, NULL) : NULL;
        if ((got == NULL) != (wanted == NULL) || (got != NULL && !json_equal(got, wanted)))
            fail_msg("%s: %s", cases[i].yaml, got != NULL ? json_dumps(got, 0) : "refused");
        json_decref(got);
        json_decref(wanted);
    }
}

static void schemas_let_through_what_fits_alone(void **state)
{
    (void)state;
    static const char yaml[] = "s:\n"
                               "  type: object\n"
                               "  additionalProperties: false\n"
                               "  required: [a]\n"
                               "  properties:\n"
                               "    a:\n"
                               "      type: string\n"
                               "      minLength: 2\n"
                               "      maxLength: 3\n"
                               "    b:\n"
                               "      type: [integer, \"null\"]\n"
                               "      minimum: 0\n"
                               "    c:\n"
                               "      type: array\n"
                               "      items:\n"
                               "        enum: [x, y]\n"
                               "    d:\n"
                               "      const: z\n"
                               "    e:\n"
                               "      $ref: \"#/s\"\n";
    static const struct {
        const char *json;
        bool fits;
    } cases[] = {
        { "{\"a\":\"ab\"}", true },
        { "{\"a\":\"\xc3\xa4\xc3\xb6\xc3\xbc\"}", true },
        { "{\"a\":\"abcd\"}", false },
        { "{\"a\":\"a\"}", false },
        { "{\"a\":1}", false },
        { "{}", false },
        { "[]", false },
        { "{\"a\":\"ab\",\"z\":1}", false },
        { "{\"a\":\"ab\",\"b\":5}", true },
        { "{\"a\":\"ab\",\"b\":null}", true },
        { "{\"a\":\"ab\",\"b\":-1}", false },
        { "{\"a\":\"ab\",\"b\":1.5}", false },
        { "{\"a\":\"ab\",\"b\":\"5\"}", false },
        { "{\"a\":\"ab\",\"c\":[\"x\",\"y\",\"x\"]}", true },
        { "{\"a\":\"ab\",\"c\":[\"x\",\"w\"]}", false },
        { "{\"a\":\"ab\",\"d\":\"z\"}", true },
        { "{\"a\":\"ab\",\"d\":\"y\"}", false },
        { "{\"a\":\"ab\",\"e\":{\"a\":\"ab\"}}", true },
        { "{\"a\":\"ab\",\"e\":{}}", false },
    };
    size_t line;
    char why[256];
    json_t *root = yaml_read(yaml, &line);
    assert_non_null(root);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = json_loads(cases[i].json, 0, NULL);
        assert_non_null(value);
        if (schema_check(root, json_object_get(root, "s"), value, why, sizeof why) != cases[i].fits)
            fail_msg("%s", cases[i].json);
        json_decref(value);
    }
    json_t *odd = json_pack("{s:i}", "multipleOf", 2), *four = json_integer(4);
    assert_false(schema_check(root, odd, four, why, sizeof why)); /* not known here */
    json_decref(odd);
    json_decref(four);
    json_decref(root);
}

static void the_file_is_read_whole_and_its_references_lead_somewhere(void **state)
{
    (void)state;
    struct contract *contract = contract_open();
    assert_non_null(contract);
    assert_true(contract_has(contract, "post", "/api/v1/login"));
    assert_false(contract_has(contract, "get", "/api/v1/login"));
    assert_true(contract_has(contract, "delete", "/api/v1/me/keys/{}"));
    assert_false(contract_has(contract, "delete", "/api/v1/me/keys/"));
    char why[256];
    json_t *tokens =
        json_pack("{s:s, s:s, s:i}", "access_token", "x", "token_type", "Bearer", "expires_in", 1);
    struct contract_answer answer = { .method = "post",
                                      .path = "/api/v1/auth/token",
                                      .status = 200,
                                      .content_type = "application/json",
                                      .document = tokens };
    assert_true(contract_check(contract, &answer, why, sizeof why));
    json_object_set_new(tokens, "token_type", json_string("bearer"));
    assert_false(contract_check(contract, &answer, why, sizeof why));
    answer.status = 299;
    assert_false(contract_check(contract, &answer, why, sizeof why));
    json_decref(tokens);
    contract_close(contract);
}

static void money_is_text_in_base_units_with_the_exponent_beside_it(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool good;
    } cases[] = {
        { "{\"a\":1}", true },
        { "{\"amount\":\"12\",\"exponent\":8}", true },
        { "{\"list\":[{\"paid\":\"-3\"}],\"exponent\":8}", true },
        { "{\"list\":[{\"paid\":null}]}", true },
        { "{\"amount\":\"12\"}", false },
        { "{\"amount\":12,\"exponent\":8}", false },
        { "{\"amount\":\"1.2\",\"exponent\":8}", false },
        { "{\"amount\":\"\",\"exponent\":8}", false },
        { "{\"list\":[{\"deep\":{\"owed\":0.5}}],\"exponent\":8}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[128];
        json_t *document = json_loads(cases[i].json, 0, NULL);
        if (money_check(document, why, sizeof why) != cases[i].good)
            fail_msg("%s", cases[i].json);
        json_decref(document);
    }
}

static void a_hashrate_has_its_error_beside_it(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool good;
    } cases[] = {
        { "{\"a\":1}", true },
        { "{\"hashrate\":1,\"error\":0.5}", true },
        { "{\"hashrate\":1,\"error\":null}", true },
        { "{\"total_hashrate\":1,\"hashrate_errors\":{\"10m\":1}}", true },
        { "{\"list\":[{\"hashrates\":{\"1m\":1},\"hashrate_errors\":{\"1m\":1}}]}", true },
        { "{\"hashrate\":1}", false },
        { "{\"total_hashrate\":0}", false },
        { "{\"error\":1,\"list\":[{\"hashrate\":1}]}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[128];
        json_t *document = json_loads(cases[i].json, 0, NULL);
        if (rates_check(document, why, sizeof why) != cases[i].good)
            fail_msg("%s", cases[i].json);
        json_decref(document);
    }
}

static bool leads_to(const json_t *operation, const char *status, const char *response)
{
    const json_t *answer = json_object_get(json_object_get(operation, "responses"), status);
    const char *ref = json_string_value(json_object_get(answer, "$ref"));
    return ref != NULL && strcmp(ref, response) == 0;
}

static void look_at_operation(void *context, const char *method, const char *path,
                              const json_t *operation)
{
    const json_t *security = json_object_get(operation, "security");
    const char *text;
    json_t *answer;
    json_t *answers = json_object_get(operation, "responses");
    ++*(size_t *)context;
    /* Rate limits, whoever asks for whatever. */
    if (!leads_to(operation, "429", "#/components/responses/Later"))
        fail_msg("%s %s does not say what too many questions get", method, path);
    /* What everybody may ask can be asked again cheaply. */
    bool open = json_is_array(security) && json_array_size(security) == 0;
    const json_t *good = json_object_get(answers, "200");
    bool is_json = json_object_get(json_object_get(good, "content"), "application/json") != NULL;
    if (open && strcmp(method, "get") == 0 && is_json && strstr(path, "receipts") == NULL &&
        json_object_get(answers, "304") == NULL)
        fail_msg("%s %s has no entity tag", method, path);
    /* Trouble is a problem document. */
    json_object_foreach(answers, text, answer)
    {
        if (text[0] >= '4' && !leads_to(operation, text, "#/components/responses/Later") &&
            !leads_to(operation, text, "#/components/responses/Problem"))
            fail_msg("%s %s, %s is no problem document", method, path, text);
    }
}

static void every_operation_says_what_trouble_is_and_what_too_many_questions_get(void **state)
{
    (void)state;
    size_t count = 0;
    struct contract *contract = contract_open();
    assert_non_null(contract);
    contract_each(contract, look_at_operation, &count);
    assert_int_equal(count, contract_count(contract, "pool") + contract_count(contract, "auth"));
    contract_close(contract);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_yaml_is_read_as_any_reader_would),
        cmocka_unit_test(schemas_let_through_what_fits_alone),
        cmocka_unit_test(the_file_is_read_whole_and_its_references_lead_somewhere),
        cmocka_unit_test(money_is_text_in_base_units_with_the_exponent_beside_it),
        cmocka_unit_test(a_hashrate_has_its_error_beside_it),
        cmocka_unit_test(every_operation_says_what_trouble_is_and_what_too_many_questions_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
