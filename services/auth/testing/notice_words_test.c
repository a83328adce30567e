/* What letters say: whatever they tell, the ways out of them stand below it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "services/auth/notice_words.h"

#include <stdio.h>

static void a_letter_keeps_its_ways_out_however_much_it_tells(void **state)
{
    (void)state;
    char site[200] = "https://", stop[120], end[360];
    memset(site + 8, 'p', 180);
    memset(stop, 's', sizeof stop - 1);
    stop[sizeof stop - 1] = '\0';
    const struct notice_paths paths = { .site = site, .stop = stop, .last = true };
    snprintf(end, sizeof end, "    %s/account/unsubscribe#%s\n", site, stop);
    for (int shift = 0; shift < 4; shift++) {
        struct notice notice = { .account = 1, .kind = NOTICE_WORKER_OFFLINE };
        size_t length = (size_t)snprintf(notice.body, sizeof notice.body,
                                         "{\"account\":\"%.*s\",\"count\":99,\"after_s\":600,"
                                         "\"workers\":[",
                                         shift, "xxx");
        for (int i = 0; i < 12; i++)
            length += (size_t)snprintf(
                notice.body + length, sizeof notice.body - length,
                "%s{\"name\":\"%s\",\"last_share\":\"2026-01-01T00:00:00Z\"}", i == 0 ? "" : ",",
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
        snprintf(notice.body + length, sizeof notice.body - length, "]}");
        struct mail mail = { .id = NULL };
        assert_true(notice_write_letter(&notice, &paths, &mail));
        size_t bytes = strlen(mail.text);
        assert_true(bytes > strlen(end));
        assert_string_equal(mail.text + bytes - strlen(end), end);
        assert_non_null(strstr(mail.text, "the last letter of today"));
        for (size_t i = 0, size; i < bytes; i += size) {
            size = utf8_character(mail.text + i, bytes - i);
            assert_true(size > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_keeps_its_ways_out_however_much_it_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
