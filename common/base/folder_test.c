/* Which folder is meant by a path. That what is synced lasts, only a power failure can show. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/folder.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static void a_paths_folder_is_what_stands_before_its_last_slash(void **state)
{
    struct error error;
    (void)state;
    assert_true(folder_sync("/tmp", &error));
    assert_true(folder_sync_of("/tmp/none", &error)); /* the name need not be there */
    assert_true(folder_sync_of("/none", &error));
    assert_int_equal(chdir("/tmp"), 0);
    assert_true(folder_sync_of("none", &error));
    assert_true(folder_sync_of("./none", &error));
}

static void what_is_no_folder_is_named(void **state)
{
    struct error error;
    char path[PATH_MAX + 16];
    (void)state;
    assert_false(folder_sync("/none/of/these", &error));
    assert_non_null(strstr(error.text, "/none/of/these"));
    assert_false(folder_sync_of("/proc/self/exe/name", &error));
    memset(path, 'x', sizeof path);
    memcpy(path + PATH_MAX, "/name", 6);
    assert_false(folder_sync_of(path, &error));
    assert_non_null(strstr(error.text, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paths_folder_is_what_stands_before_its_last_slash),
        cmocka_unit_test(what_is_no_folder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
