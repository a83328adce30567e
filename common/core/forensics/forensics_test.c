/* Words for every way a share can be rejected, and reports that count all and invent nothing. */
#include "base/test_random.h"
#include "core/forensics/forensics.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void every_outcome_of_a_share_has_words(void **state)
{
    (void)state;
    static const enum share_outcome outcomes[] = {
#define X(name, wire, code, label, text) name,
        SHARE_OUTCOMES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        const struct forensics_trace trace = { .outcome = outcomes[i] };
        enum forensics_kind kind = forensics_kind_of(&trace);
        assert_int_equal(kind == FORENSICS_OTHER, outcomes[i] == SHARE_ACCEPTED);
    }
    for (int kind = 0; kind < FORENSICS_KINDS_COUNT; kind++) {
        assert_true(strlen(forensics_label((enum forensics_kind)kind)) > 0);
        assert_true(strlen(forensics_what((enum forensics_kind)kind)) > 10);
        assert_true(strlen(forensics_todo((enum forensics_kind)kind)) > 10);
    }
}

static void a_trace_is_told_apart_by_what_it_shows(void **state)
{
    (void)state;
    static const struct {
        struct forensics_trace trace;
        enum forensics_kind kind;
        const char *detail;
    } cases[] = {
        { { .outcome = SHARE_STALE, .stale_ms = 740 },
          FORENSICS_LATE,
          "740 ms after the block was replaced" },
        { { .outcome = SHARE_STALE, .stale_ms = 60000 },
          FORENSICS_OLD_WORK,
          "60000 ms after the block was replaced" },
        { { .outcome = SHARE_LOW_DIFFICULTY, .rejects_in_row = 3, .work = { 4096 } },
          FORENSICS_TOO_EASY,
          "a work of 4096 hashes is asked for; 3 rejected in a row" },
        { { .outcome = SHARE_LOW_DIFFICULTY, .rejects_in_row = 200, .work = { 1 } },
          FORENSICS_NEVER_GOOD,
          "a work of 1 hashes is asked for; 200 rejected in a row" },
        { { .outcome = SHARE_INVALID_NTIME, .ntime_offset_s = 9000 },
          FORENSICS_CLOCK_AHEAD,
          "9000 s after the job's time" },
        { { .outcome = SHARE_INVALID_NTIME, .ntime_offset_s = INT32_MIN },
          FORENSICS_CLOCK_BEHIND,
          "2147483648 s before the job's time" },
        { { .outcome = SHARE_INVALID_VERSION, .version_bits = 0x2000 },
          FORENSICS_BITS_UNASKED,
          "bits 00002000, mask 00000000" },
        { { .outcome = SHARE_INVALID_VERSION, .version_bits = 1, .version_mask = 0x1fffe000 },
          FORENSICS_BITS_OUTSIDE,
          "bits 00000001, mask 1fffe000" },
        { { .outcome = SHARE_INVALID_EXTRANONCE2,
            .extranonce2_chars = 8,
            .extranonce2_wanted = 16 },
          FORENSICS_EXTRANONCE_LENGTH,
          "8 digits, 16 are asked for" },
        { { .outcome = SHARE_MALFORMED,
            .ntime_chars = 8,
            .nonce_chars = 7,
            .has_version_bits = true,
            .bits_chars = 255 },
          FORENSICS_UNREADABLE,
          "nonce of 7 digits; version bits is no text or too long" },
        { { .outcome = SHARE_DUPLICATE }, FORENSICS_TWICE, "" },
        { { .outcome = SHARE_OVERLOADED }, FORENSICS_POOL, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forensics_report report;
        forensics_explain(&cases[i].trace, 1, &report);
        assert_int_equal(report.count, 1);
        assert_int_equal(report.list[0].kind, cases[i].kind);
        assert_int_equal(report.list[0].count, 1);
        assert_string_equal(report.list[0].detail, cases[i].detail);
    }
}

static void a_report_counts_every_trace_once_the_most_frequent_first(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("core_forensics_test");
    for (unsigned round = 0; round < 500; round++) {
        struct forensics_trace traces[64];
        size_t count = test_random_u64(&random) % 65;
        for (size_t i = 0; i < count; i++) {
            test_random_bytes(&random, (uint8_t *)&traces[i], sizeof traces[i]);
            traces[i].outcome =
                (enum share_outcome)(test_random_u64(&random) % SHARE_OUTCOMES_COUNT);
            traces[i].has_version_bits = test_random_u64(&random) % 2 == 0;
        }
        struct forensics_report report;
        forensics_explain(traces, count, &report);
        size_t sum = 0;
        for (unsigned i = 0; i < report.count; i++) {
            sum += report.list[i].count;
            assert_true(memchr(report.list[i].detail, '\0', FORENSICS_DETAIL_BYTES) != NULL);
            assert_true(i == 0 || report.list[i].count <= report.list[i - 1].count);
        }
        assert_int_equal(sum, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outcome_of_a_share_has_words),
        cmocka_unit_test(a_trace_is_told_apart_by_what_it_shows),
        cmocka_unit_test(a_report_counts_every_trace_once_the_most_frequent_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
