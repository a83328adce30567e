#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_open/store_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void the_scheme_chooses_the_store(void **state)
{
    (void)state;
    char folder[] = "/tmp/adit-open-XXXXXX", url[64];
    assert_non_null(mkdtemp(folder));
    snprintf(url, sizeof url, "sqlite:%s/x.db", folder);
    struct error error = { 0 };
    struct store *store = store_open(url, 100, &error);
    assert_non_null(store);
    assert_true(store_ping(store, &error));
    store_close(store);
    store = store_open("mongodb://127.0.0.1:1/x", 100, &error);
    assert_non_null(store);
    assert_false(store_ping(store, &error));
    store_close(store);
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void another_scheme_is_refused_without_its_password(void **state)
{
    (void)state;
    static const char *const urls[] = { "", "sqlite:", "postgres://u:hunter2@h/", "/tmp/x.db",
                                        "SQLITE:/x" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct error error = { 0 };
        assert_null(store_open(urls[i], 100, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_null(strstr(error.text, "hunter2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scheme_chooses_the_store),
        cmocka_unit_test(another_scheme_is_refused_without_its_password),
    };
    return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
