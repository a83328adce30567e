/* The dashboard as it is in the binary. */
#include "services/inode-scheduler/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOTAL_BYTES_MAX = 200 * 1024 };

static bool contains(const struct site_entry *entry, const char *text)
{
    return memmem(entry->data, entry->length, text, strlen(text)) != NULL;
}

static void all_of_it_is_small_and_each_file_has_its_type_and_tag(void **state)
{
    (void)state;
    size_t total = 0;
    for (const struct site_entry *entry = site_entries; entry->name != NULL; entry++) {
        total += entry->length;
        assert_true(entry->length > 0);
        assert_non_null(strstr(entry->type, "; charset=utf-8"));
        assert_int_equal(strlen(entry->tag), 34);
        assert_true(entry->tag[0] == '"' && entry->tag[33] == '"');
        assert_ptr_equal(site_find(entry->name), entry);
        for (const struct site_entry *other = entry + 1; other->name != NULL; other++)
            assert_string_not_equal(entry->tag, other->tag);
    }
    assert_true(total <= TOTAL_BYTES_MAX);
    assert_null(site_find("nothing.js"));
    assert_null(site_find(""));
}

/* What follows `mark` up to `end` names a file that is there. */
static size_t check_names(const struct site_entry *entry, const char *mark, char end)
{
    size_t count = 0;
    const char *text = (const char *)entry->data;
    const char *stop = text + entry->length;
    for (const char *at = text; (at = memmem(at, (size_t)(stop - at), mark, strlen(mark))) != NULL;
         count++) {
        char name[64];
        at += strlen(mark);
        const char *until = memchr(at, end, (size_t)(stop - at));
        assert_non_null(until);
        snprintf(name, sizeof name, "%.*s", (int)(until - at), at);
        if (site_find(name) == NULL)
            fail_msg("%s names %s, which is not there", entry->name, name);
    }
    return count;
}

static void every_file_that_is_named_is_there(void **state)
{
    (void)state;
    assert_true(check_names(site_find("index.html"), "\"/site/", '"') >= 4);
    size_t imports = 0;
    for (const struct site_entry *entry = site_entries; entry->name != NULL; entry++)
        if (strstr(entry->type, "javascript") != NULL)
            imports +=
                check_names(entry, "from './", '\'') + check_names(entry, "import('./", '\'');
    assert_true(imports >= 8);
}

static void nothing_is_asked_of_others_and_nothing_defies_the_policy(void **state)
{
    (void)state;
    static const char *const forbidden[] = { "https://", "innerHTML", "insertAdjacentHTML",
                                             "eval(",    "@import",   "url(",
                                             " style=",  " onclick=", "document.write" };
    for (const struct site_entry *entry = site_entries; entry->name != NULL; entry++)
        for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
            if (contains(entry, forbidden[i]))
                fail_msg("%s has %s", entry->name, forbidden[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_is_small_and_each_file_has_its_type_and_tag),
        cmocka_unit_test(every_file_that_is_named_is_there),
        cmocka_unit_test(nothing_is_asked_of_others_and_nothing_defies_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
