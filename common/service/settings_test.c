/* The settings: what is taken, what is refused, and with which words. */
#include "service/numbered.h"
#include "service/settings.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/settings_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/adit.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_refused(const char *text, const char *sentence)
{
    struct settings settings;
    struct error error;
    write_file(text);
    assert_false(settings_load(&settings, path, NULL, "1", &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
    assert_string_equal(error.text + strlen(path), sentence);
}

/* What a setting must look like; NULL: it is taken. */
static const struct form_case {
    const char *section, *key, *json, *words;
} form_cases[] = {
    { "scheduler", "http_address", "\"127.0.0.1:99999\"", "with a port up to 65535" },
    { "scheduler", "http_address", "\"127.0.0.1\"", "must be host:port" },
    { "scheduler", "http_address", "\":8080\"", "must be host:port" },
    { "scheduler", "http_address", "\"::1:8080\"", "must be host:port" },
    { "scheduler", "http_address", "\"[::1]:8080\"", NULL },
    { "scheduler", "http_address", "\"localhost:0\"", NULL },
    { "scheduler", "http_address", "\"127.0.0.1:8081\"", "auth.http_address are both" },
    { "payout", "admin_address", "\"127.0.0.1:8080\"", "scheduler.http_address and payout" },
    { "auth", "admin_address", "\"a b:1\"", "must be host:port" },
    { "stratum", "more_addresses", "[\"[::]:3333\", \"0.0.0.0:65536\"]", "65535" },
    { "stratum", "more_addresses", "[\"[::]:3333\", \"0.0.0.0:65535\"]", NULL },
    { "stratum", "tls_address", "\"\"", NULL },
    { "redis", "window", "\"banana\"", "must be unix:/path" },
    { "redis", "window", "\"tcp://:secret@h:70000\"", "is \"tcp://" },
    { "redis", "window", "\"tcp://:a/b#c@h:6379\"", NULL },
    { "redis", "cache", "\"rediss://h?authority=/a.pem\"", NULL },
    { "redis", "cache", "\"unix:\"", "must be unix:/path" },
    { "chain", "nodes", "[\"ftp://x\"]", "is \"ftp://" },
    { "chain", "nodes", "[\"http://u:p@h:18443\", \"https://h\"]", NULL },
    { "chain", "nodes", "[\"http://u:p@:18443\"]", "must be http://user" },
    { "chain", "zmq_hashblock", "[\"-\", \"tcp://127.0.0.1:28332\"]", NULL },
    { "chain", "zmq_hashblock", "[\"ipc://x\"]", "must be tcp://host:port, or -" },
    { "store", "url", "\"postgres://x\"", "must be sqlite:/path" },
    { "store", "url", "\"mongodb://a:1,b:2/adit?replicaSet=rs0\"", NULL },
    { "notices", "operator_webhook", "\"gopher://x\"", "must be https://host/path" },
    { "notices", "operator_webhook", "\"https://hooks.example/a@b?c=d\"", NULL },
    { "auth", "origin", "\"evil; script-src *\"", "must be http://host[:port]" },
    { "auth", "origin", "\"https://pool.example; script-src *\"", "must be http://host[:port]" },
    { "auth", "origin", "\"https://pool.example/\"", "with nothing behind it" },
    { "auth", "origin", "\"http://[::1]:8081\"", NULL },
    { "auth", "site", "\"javascript:alert(1)\"", "must be http://host[:port]" },
    { "auth", "site", "\"https://pool.example\"", NULL },
    { "auth", "mail", "\"http://mail\"", "must be smtp://" },
    { "auth", "mail", "\"smtp://user@mail:587\"", NULL },
    { "scheduler", "validators_from", "\"/etc/list\"", "must be file:/path" },
    { "scheduler", "validators_from", "\"file:/etc/list\"", NULL },
    { "service", "scheduler_url", "\"ipc:///a.rep,tls+tcp://b:9401\"", NULL },
    { "service", "scheduler_url", "\"ipc:///a.rep,b:9401\"", "must be ipc:///path" },
    { "stratum", "validators", "[\"tcp://v-{0..2}.pool:9400\", \"ipc://%d/v-*.rep\"]", NULL },
    { "stratum", "validators", "[\"tcp://v\"]", "must be ipc:///path" },
};

static void every_text_has_the_form_that_its_reader_knows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof form_cases / sizeof *form_cases; i++) {
        const struct form_case *one = &form_cases[i];
        struct settings settings;
        struct error error;
        char text[300], name[80];
        snprintf(text, sizeof text, "{\"%s\":{\"%s\":%s}}", one->section, one->key, one->json);
        snprintf(name, sizeof name, "%s.%s", one->section, one->key);
        write_file(text);
        const bool taken = settings_load(&settings, path, NULL, "1", &error);
        if (taken)
            settings_deinit(&settings);
        if (taken != (one->words == NULL))
            fail_msg("%s: %s", text, taken ? "it is taken" : error.text);
        if (taken)
            continue;
        assert_int_equal(error.code, ERROR_INVALID);
        if (strstr(error.text, name) == NULL || strstr(error.text, one->words) == NULL)
            fail_msg("%s: it says: %s", text, error.text);
        assert_null(strstr(error.text, "secret")); /* a URL's password */
    }
}

static void defaults_hold_where_nothing_is_said(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    assert_true(settings_load(&settings, NULL, "/srv/./adit//", "7", &error));
    assert_string_equal(settings.service_data_dir, "/srv/adit");
    assert_int_equal(settings.stratum_max_miners, 10000);
    assert_true(settings.payout_enabled);
    assert_string_equal(settings.validator_listen, "ipc:///srv/adit/run/validator-7.rep");
    assert_int_equal(settings.stratum_validators.count, 1);
    assert_string_equal(settings.stratum_validators.items[0],
                        "ipc:///srv/adit/run/validator-1.rep");
    settings_deinit(&settings);
}

static void the_file_replaces_defaults_and_the_environment_replaces_the_file(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    write_file("{\"stratum\":{\"max_miners\":5,\"share_interval_ms\":700,"
               "\"validators\":[\"tcp://a:1\",\"tcp://b:2\"]},"
               "\"payout\":{\"enabled\":false},\"service\":{\"data_dir\":\"/from/file\"}}");
    setenv("ADIT_STRATUM__MAX_MINERS", "6", 1);
    setenv("ADIT_CHAIN__NODES", "http://u:p@h:1 , http://h:2,", 1);
    assert_true(settings_load(&settings, path, NULL, NULL, &error));
    unsetenv("ADIT_STRATUM__MAX_MINERS");
    unsetenv("ADIT_CHAIN__NODES");
    assert_int_equal(settings.stratum_max_miners, 6);
    assert_int_equal(settings.stratum_share_interval_ms, 700);
    assert_false(settings.payout_enabled);
    assert_int_equal(settings.stratum_validators.count, 2);
    assert_string_equal(settings.stratum_validators.items[1], "tcp://b:2");
    assert_int_equal(settings.chain_nodes.count, 2);
    assert_string_equal(settings.chain_nodes.items[0], "http://u:p@h:1");
    assert_string_equal(settings.service_secret_file, "/from/file/secret");
    settings_deinit(&settings);
}

static void a_relative_data_folder_is_made_absolute(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    char here[512];
    char expected[600];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(expected, sizeof expected, "%s/data", strcmp(here, "/") == 0 ? "" : here);
    assert_true(settings_load(&settings, NULL, NULL, NULL, &error));
    assert_string_equal(settings.service_data_dir, expected);
    settings_deinit(&settings);
}

static void percent_encoded_bytes_of_a_url_are_left_alone(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    write_file("{\"store\":{\"url\":\"mongodb://u:p%d1%8f%40@h/%d\"}}");
    assert_true(settings_load(&settings, path, "/x", NULL, &error));
    assert_string_equal(settings.store_url, "mongodb://u:p%d1%8f%40@h//x");
    settings_deinit(&settings);
}

static void a_refusal_names_file_line_key_and_remedy(void **state)
{
    (void)state;
    assert_refused("{\n \"stratum\": {\n  \"max_miners\": 5,,\n }\n}",
                   ":3: string or '}' expected near ','");
    assert_refused("{\n \"stratum\": {\n  \"max_minerz\": 5\n }\n}",
                   ":3: key stratum.max_minerz is not known; did you mean stratum.max_miners?");
    assert_refused("{ \"stratum\": {\n\n  \"hash_threads\": 5\n }\n}",
                   ":3: key stratum.hash_threads is not known; did you mean "
                   "validator.hash_threads?");
    assert_refused("{\"reward\": {}, \"stratum\": {\"colour of the sky\": 5 }}",
                   ":1: key stratum.colour of the sky is not known; remove it (adit config explain "
                   "lists all)");
    assert_refused("{\n\"stratun\": {\"max_miners\": 5 }}",
                   ":2: section stratun is not known; did you mean stratum?");
    assert_refused("{\"weather\": {\"sunny\": true}}",
                   ":1: section weather is not known; remove it");
    assert_refused("{\"stratum\":\n{\"max_miners\": 0}}",
                   ":2: stratum.max_miners is 0, and must be between 1 and 1000000 connections");
    assert_refused("{\"auth\": {\"argon2_threads\":\n1}, \"stratum\": {\"max_miners\": \"5\"}}",
                   ":2: stratum.max_miners is a text, and must be a whole number");
    assert_refused("{\"stratum\": {\"max_miners\": 5.5}}",
                   ":1: stratum.max_miners is a number with a fraction, and must be a whole "
                   "number");
    assert_refused("{\"payout\": {\"enabled\": 1}}",
                   ":1: payout.enabled is a number, and must be true or false");
    assert_refused("{\"chain\": {\"nodes\": \"http://h\"}}",
                   ":1: chain.nodes is a text, and must be a list of texts");
    assert_refused("{\"chain\": {\"nodes\": [1]}}",
                   ":1: chain.nodes is a number, and must be a list of texts");
    assert_refused("{\"chain\": 1}", ":1: chain is a number, and must be an object of its keys");
    assert_refused("[]", " is a list, and must be an object of sections");
    assert_refused("{\"payout\": {\"enabled\": true, \"enabled\": true}}",
                   ":1: duplicate object key near '\"enabled\"'");
}

static void a_wrong_variable_is_refused_by_its_name(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "ADIT_STRATUM__MAX_MINERZ", "5",
          "ADIT_STRATUM__MAX_MINERZ: key stratum.max_minerz is not known; did you mean "
          "stratum.max_miners?" },
        { "ADIT_STRATUM__MAX_MINERS", "many",
          "ADIT_STRATUM__MAX_MINERS is \"many\", and must be a whole number" },
        { "ADIT_STRATUM__MAX_MINERS", "99999999999999999999",
          "ADIT_STRATUM__MAX_MINERS is \"99999999999999999999\", and must be a whole number" },
        { "ADIT_STRATUM__MAX_MINERS", "-1",
          "ADIT_STRATUM__MAX_MINERS: stratum.max_miners is -1, and must be between 1 and 1000000 "
          "connections" },
        { "ADIT_PAYOUT__ENABLED", "maybe",
          "ADIT_PAYOUT__ENABLED is \"maybe\", and must be true or false" },
        { "ADIT_SERVICE__LOG_LEVEL", "loud",
          "service.log_level is \"loud\", and must be error, warn, info or debug" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings;
        struct error error;
        setenv(cases[i][0], cases[i][1], 1);
        bool loaded = settings_load(&settings, NULL, NULL, NULL, &error);
        unsetenv(cases[i][0]);
        assert_false(loaded);
        assert_string_equal(error.text, cases[i][2]);
    }
    struct settings settings;
    struct error error;
    setenv("ADIT_BUILD", "/somewhere", 1);
    assert_true(settings_load(&settings, NULL, NULL, NULL, &error));
    settings_deinit(&settings);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    assert_false(settings_load(&settings, "/nonexistent/adit.json", NULL, NULL, &error));
    assert_string_equal(error.text, "the settings file /nonexistent/adit.json cannot be read: No "
                                    "such file or directory");
}

static void a_data_folder_too_long_for_sockets_is_refused(void **state)
{
    (void)state;
    char folder_name[200];
    memset(folder_name, 'x', sizeof folder_name);
    folder_name[0] = '/';
    folder_name[120] = '\0';
    struct settings settings;
    struct error error;
    assert_false(settings_load(&settings, NULL, folder_name, NULL, &error));
    assert_non_null(strstr(error.text, "choose a shorter service.data_dir"));
}

static void the_example_is_a_settings_file_that_changes_nothing(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    settings_print_example(file);
    fclose(file);
    char *printed[2];
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        struct settings settings;
        struct error error;
        assert_true(settings_load(&settings, i == 0 ? NULL : path, NULL, NULL, &error));
        FILE *out = open_memstream(&printed[i], &sizes[i]);
        settings_print(&settings, out);
        fclose(out);
        settings_deinit(&settings);
    }
    assert_string_equal(printed[0], printed[1]);
    free(printed[0]);
    free(printed[1]);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    settings_print_explanation(out);
    fclose(out);
    assert_non_null(strstr(text, "  max_miners = 10000 connections (1 to 1000000)\n"));
    free(text);
}

static void printed_settings_hide_passwords(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    write_file("{\"chain\":{\"nodes\":[\"http://user:hunter2@h:1/x@y\",\"http://h:2/a:b@c\"]},"
               "\"redis\":{\"window\":\"tcp://:hunter2@h:1\"},"
               "\"store\":{\"url\":\"mongodb://u:hunt@hunter2@h/?x=y\"}}");
    assert_true(settings_load(&settings, path, NULL, NULL, &error));
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    settings_print(&settings, out);
    fclose(out);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "http://user:***@h:1/x@y"));
    assert_non_null(strstr(text, "http://h:2/a:b@c"));
    assert_non_null(strstr(text, "tcp://:***@h:1"));
    assert_non_null(strstr(text, "mongodb://u:***@h/?x=y"));
    free(text);
    settings_deinit(&settings);
}

static void the_secret_is_64_hex_digits_closed_to_others(void **state)
{
    (void)state;
    struct settings settings;
    struct error error;
    uint8_t secret[32];
    setenv("ADIT_SERVICE__SECRET_FILE", path, 1);
    assert_true(settings_load(&settings, NULL, NULL, NULL, &error));
    unsetenv("ADIT_SERVICE__SECRET_FILE");
    unlink(path);
    assert_false(settings_secret(&settings, secret, &error));
    write_file("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    chmod(path, 0644);
    assert_false(settings_secret(&settings, secret, &error));
    assert_non_null(strstr(error.text, "chmod 600"));
    chmod(path, 0600);
    assert_true(settings_secret(&settings, secret, &error));
    assert_int_equal(secret[31], 0xff);
    write_file("0011");
    assert_false(settings_secret(&settings, secret, &error));
    assert_null(strstr(error.text, "0011 "));
    settings_deinit(&settings);
}

static void numbered_addresses_stand_for_each_of_their_numbers(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "ipc:///run/v-1.rep",
        "tcp://[::1]:9",
        "a{1..2",
        "a{1.2}",
        "a{..2}",
        "a{1..}",
        "a{2..1}b",
        "a{1..65}b",
        "a{x..2}",
        "a{1..2x}",
        "{-1..2}",
        "a{1..1000000}b",
        "a{100000..}",
        "{99999..1000000}",
    };
    struct numbered numbered;
    char text[64];
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(numbered_read(plain[i], &numbered));
    static const char four[] = "ipc:///run/v-{9..12}.rep";
    assert_true(numbered_read(four, &numbered));
    assert_int_equal(numbered.first, 9);
    assert_int_equal(numbered.last, 12);
    assert_true(numbered_write(four, &numbered, 10, text, sizeof text));
    assert_string_equal(text, "ipc:///run/v-10.rep");
    assert_false(numbered_write(four, &numbered, 10, text, strlen("ipc:///run/v-10.rep")));
    assert_true(numbered_read("{7..7}", &numbered));
    assert_true(numbered_write("{7..7}", &numbered, 7, text, 2));
    assert_string_equal(text, "7");
    assert_true(numbered_read("v-{0..63}", &numbered));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbered_addresses_stand_for_each_of_their_numbers),
        cmocka_unit_test(every_text_has_the_form_that_its_reader_knows),
        cmocka_unit_test(defaults_hold_where_nothing_is_said),
        cmocka_unit_test(the_file_replaces_defaults_and_the_environment_replaces_the_file),
        cmocka_unit_test(a_relative_data_folder_is_made_absolute),
        cmocka_unit_test(percent_encoded_bytes_of_a_url_are_left_alone),
        cmocka_unit_test(a_refusal_names_file_line_key_and_remedy),
        cmocka_unit_test(a_wrong_variable_is_refused_by_its_name),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_data_folder_too_long_for_sockets_is_refused),
        cmocka_unit_test(the_example_is_a_settings_file_that_changes_nothing),
        cmocka_unit_test(printed_settings_hide_passwords),
        cmocka_unit_test(the_secret_is_64_hex_digits_closed_to_others),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
