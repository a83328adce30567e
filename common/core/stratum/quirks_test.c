/* The table of odd clients: each entry of the built-in one finds the user agents it is meant for
 * and says what is known of them, and a table of an operator is read exactly or not at all. */
#include "base/test_random.h"
#include "core/stratum/quirks.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct quirks quirks;

static void read_builtin(enum pow_algorithm algorithm)
{
    struct error error;
    if (!quirks_parse(span_text(quirks_builtin), algorithm, &quirks, &error))
        fail_msg("%s", error.text);
}

static struct quirk find(const char *agent)
{
    const struct quirk_entry *entry = quirks_find(&quirks, agent);
    assert_non_null(entry);
    return entry->quirk;
}

static void every_built_in_entry_is_found_by_a_real_user_agent(void **state)
{
    (void)state;
    static const char *const agents[] = {
        "NiceHash/1.0.0",
        "MiningRigRentals/Test/1.0",
        "Antminer S21/Tue Jan",
        "Antminer S19j Pro/Mon Dec 26",
        "bmminer/2.0.0",
        "PowerPlay-BM/1.8",
        "xminer-1.2.6",
        "whatsminer/v1.1",
        "bosminer-plus-tuner 0.9.3",
        "cgminer/4.11.1 avalon",
        "bitaxe/BM1370/v2.4.0",
        "NerdMinerV2/1.6.3",
        "HAN_SOLOminer/1.6.3",
        "cpuminer-opt-26.1-x64L",
        "cpuminer/2.5.1",
        "ccminer/2.3.1",
    };
    bool seen[QUIRKS_MAX] = { false };
    read_builtin(POW_SHA256D);
    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++) {
        const struct quirk_entry *entry = quirks_find(&quirks, agents[i]);
        if (entry == NULL)
            fail_msg("%s is not found", agents[i]);
        seen[entry - quirks.list] = true;
    }
    for (unsigned i = 0; i < quirks.count; i++)
        if (!seen[i] && strcmp(quirks.list[i].agent, "NiceHash/") != 0) /* others' are behind it */
            fail_msg("no agent of this test finds the entry for %s", quirks.list[i].agent);
    assert_null(quirks_find(&quirks, "some miner/1.0"));
    assert_null(quirks_find(&quirks, ""));
}

static void the_entries_say_what_is_known(void **state)
{
    (void)state;
    read_builtin(POW_SHA256D);
    assert_int_equal(find("NiceHash/1").least.expected_hashes, (uint64_t)500000 << 32);
    assert_int_equal(find("NiceHash/1").start.expected_hashes, (uint64_t)500000 << 32);
    assert_int_equal(find("NiceHash/1").coinbase_bytes_max, 500);
    assert_int_equal(find("NiceHash/1").missing, QUIRK_NO_SHOW_MESSAGE | QUIRK_NO_GET_VERSION);
    assert_int_equal(find("MiningRigRentals/1").least.expected_hashes, (uint64_t)500000 << 32);
    assert_int_equal(find("MiningRigRentals/1").start.expected_hashes, (uint64_t)1000000 << 32);
    assert_int_equal(find("Antminer S21/x").coinbase_bytes_max, 2250);
    assert_int_equal(find("Antminer S21 Pro/x").coinbase_bytes_max, 750); /* not known to bear it */
    assert_int_equal(find("bmminer/2.0.0").coinbase_bytes_max, 750);
    assert_int_equal(find("PowerPlay-BM/1").coinbase_bytes_max, 16000);
    assert_int_equal(find("xminer-1.2").coinbase_bytes_max, 16000);
    assert_int_equal(find("whatsminer/v1").coinbase_bytes_max, 6500);
    assert_int_equal(find("whatsminer/v1").name_bytes_max, 127);
    assert_int_equal(find("bosminer-plus-tuner").coinbase_bytes_max, 2250);
    assert_int_equal(find("AVALON").name_bytes_max, 63);
    assert_true(find("AVALON").names_escaped);
    assert_int_equal(find("bitaxe/x").coinbase_bytes_max, 6500);
    assert_int_equal(find("NerdMinerV2/1").start.expected_hashes, 429497); /* 0.0001 */
    assert_int_equal(find("NerdMinerV2/1").missing, (1 << QUIRK_FEATURES_COUNT) - 1);
    assert_true(find("NerdMinerV2/1").short_numbers && find("HAN_SOLOminer/1").short_numbers);
    assert_int_equal(find("HAN_SOLOminer/1").missing, (1 << QUIRK_FEATURES_COUNT) - 1);
    assert_int_equal(find("cpuminer-opt-26.1-x64L").work_correction_ppm, 20);
    assert_int_equal(find("cpuminer/2.5.1").work_correction_ppm, 0);
    assert_true((find("cpuminer/2.5.1").missing & QUIRK_NO_RECONNECT) != 0);
    assert_true((find("ccminer/2.3").missing & QUIRK_NO_SET_VERSION_MASK) != 0);
}

static void a_floor_is_of_its_algorithm(void **state)
{
    (void)state;
    read_builtin(POW_SCRYPT);
    assert_int_equal(find("NiceHash/1").least.expected_hashes, (uint64_t)500000 << 16);
    assert_int_equal(find("NiceHash/1").start.expected_hashes, (uint64_t)500000 << 16);
    assert_int_equal(find("NiceHash/1").coinbase_bytes_max, 500);
    assert_int_equal(find("NerdMinerV2/1").start.expected_hashes, 7); /* 0.0001 · 2^16 */
    read_builtin(POW_BLAKE2S); /* which is not rented there */
    assert_int_equal(find("NiceHash/1").least.expected_hashes, 0);
    assert_int_equal(find("NiceHash/1").coinbase_bytes_max, 500);
}

/* What cpuminer-opt takes for its target at a difficulty d is 2^224/d, so 2^256/w. */
static void a_corrected_work_covers_the_easier_target(void **state)
{
    (void)state;
    const struct quirk quirk = { .work_correction_ppm = 20 };
    struct test_random random = test_random_begin("core_stratum_quirks_test");
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t work = (test_random_u64(&random) >> (1 + test_random_u64(&random) % 60)) | 2;
        struct work corrected = quirk_corrected(&quirk, work_of(work));
        struct u256 theirs = u256_divide_u64_floor(U256_MAX, work, NULL);
        assert_true(corrected.expected_hashes >= 1 && corrected.expected_hashes < work);
        assert_true(u256_compare(theirs, difficulty_target(corrected)) <= 0);
        assert_true(work - corrected.expected_hashes <= work / 50000 + 1); /* and little more */
    }
    assert_int_equal(quirk_corrected(&quirk, work_of(1)).expected_hashes, 1);
    const struct quirk none = { .work_correction_ppm = 0 };
    assert_int_equal(quirk_corrected(&none, work_of(12345)).expected_hashes, 12345);
}

static void a_table_is_read_exactly_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sentence; /* NULL: it is good */
    } tables[] = {
        { "", NULL },
        { "# nothing\n\n   \n{\"agent\":\"x\"}\r\n", NULL },
        { "{\"agent\":\"x\",\"why\":\"because\",\"missing\":[]}", NULL },
        { "{\"agent\":\"x\"}\n{\"agent\":\"\"}", "line 2: \"agent\"" },
        { "{\"why\":\"x\"}", "line 1 names no \"agent\"" },
        { "{\"agent\":\"x\",\"coinbase_byte_max\":1}", "\"coinbase_byte_max\" is not known" },
        { "{\"agent\":\"x\",\"coinbase_bytes_max\":70000}", "\"coinbase_bytes_max\"" },
        { "{\"agent\":\"x\",\"work_correction_ppm\":1001}", "\"work_correction_ppm\"" },
        { "{\"agent\":\"x\",\"name_bytes_max\":256}", "\"name_bytes_max\"" },
        { "{\"agent\":\"x\",\"job_id_digits\":9}", "\"job_id_digits\"" },
        { "{\"agent\":\"x\",\"names_escaped\":1}", "\"names_escaped\"" },
        { "{\"agent\":\"x\",\"short_numbers\":\"no\"}", "\"short_numbers\"" },
        { "{\"agent\":\"x\",\"missing\":[\"sense\"]}", "\"missing\"" },
        { "{\"agent\":\"x\",\"min_difficulty\":\"1\"}", "\"min_difficulty\"" },
        { "{\"agent\":\"x\",\"algorithm\":\"x11\"}", "algorithm" },
        { "{\"agent\":\"01234567890123456789012345678901\"}", "\"agent\"" },
        { "[1]", "line 1 is no JSON object" },
        { "{\"agent\":\"x\"", "line 1 is no JSON object" },
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct error error = { .text = "" };
        bool good = quirks_parse(span_text(tables[i].text), POW_SHA256D, &quirks, &error);
        if (good != (tables[i].sentence == NULL))
            fail_msg("%s: %s", tables[i].text, error.text);
        if (!good && strstr(error.text, tables[i].sentence) == NULL)
            fail_msg("%s: %s", tables[i].text, error.text);
    }
}

static void a_table_has_a_bound(void **state)
{
    (void)state;
    static char text[QUIRKS_MAX * 32 + 64];
    struct error error;
    size_t used = 0;
    for (int i = 0; i < QUIRKS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "{\"agent\":\"a%d\"}\n", i);
    assert_true(quirks_parse(span_text(text), POW_SHA256D, &quirks, &error));
    assert_int_equal(quirks.count, QUIRKS_MAX);
    snprintf(text + used, sizeof text - used, "{\"agent\":\"one more\"}\n");
    assert_false(quirks_parse(span_text(text), POW_SHA256D, &quirks, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_entry_is_found_by_a_real_user_agent),
        cmocka_unit_test(the_entries_say_what_is_known),
        cmocka_unit_test(a_floor_is_of_its_algorithm),
        cmocka_unit_test(a_corrected_work_covers_the_easier_target),
        cmocka_unit_test(a_table_is_read_exactly_or_not_at_all),
        cmocka_unit_test(a_table_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
