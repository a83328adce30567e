/* The kinds of news, and which moves of a payment are any. */
#include "services/inode-scheduler/news.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void every_kind_is_found_by_its_name_and_nothing_else_is(void **state)
{
    (void)state;
    for (int kind = 0; kind < NEWS_KINDS_COUNT; kind++) {
        enum news_kind found = NEWS_KINDS_COUNT;
        const char *name = news_name((enum news_kind)kind);
        assert_true(news_from_name(span_text(name), &found));
        assert_int_equal(found, kind);
    }
    enum news_kind found;
    assert_false(news_from_name(span_text(""), &found));
    assert_false(news_from_name(span_text("jobs"), &found));
}

/* Along every way through the drawing of core/payment, "sent" comes before "confirmed" or not at
 * all, and nothing is told twice in a row. */
static void along_every_legal_way_nothing_is_told_twice_in_a_row(void **state)
{
    (void)state;
    struct way {
        enum payment_state at;
        const char *last;
        int depth;
    } ways[4096] = { { PAYMENT_PLANNED, "", 0 } };
    size_t count = 1;
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        for (int to = PAYMENT_PLANNED; to <= PAYMENT_VOIDED; to++) {
            if (ways[i].depth == 7 || !payment_move_is_legal(ways[i].at, (enum payment_state)to))
                continue;
            const char *word = news_of_payment(ways[i].at, (enum payment_state)to);
            told += word != NULL;
            if (word != NULL && strcmp(word, "reopened") == 0)
                assert_string_equal(ways[i].last, "confirmed");
            if (word != NULL && strcmp(ways[i].last, word) == 0)
                assert_string_equal(word, "sent"); /* a node refused it in between */
            assert_true(count < sizeof ways / sizeof *ways);
            ways[count++] = (struct way){ (enum payment_state)to,
                                          word != NULL ? word : ways[i].last, ways[i].depth + 1 };
        }
    }
    assert_true(told > 3);
}

static void a_payment_seen_late_is_told_once_by_what_it_is(void **state)
{
    (void)state;
    assert_string_equal(news_of_payment(PAYMENT_SIGNED, PAYMENT_SETTLED), "confirmed");
    assert_string_equal(news_of_payment(0, PAYMENT_BROADCAST), "sent");
    assert_null(news_of_payment(PAYMENT_CONFIRMED, PAYMENT_SETTLED));
    assert_null(news_of_payment(0, PAYMENT_PLANNED));
    assert_string_equal(news_of_payment(PAYMENT_VOIDING, PAYMENT_VOIDED), "voided");
}

static void a_payment_and_what_it_gives_say_the_same_of_it(void **state)
{
    (void)state;
    struct payment_output output = { .account = 7, .amount = { 1234 }, .address = "addr" };
    struct payment_record payment = { .number = 9,
                                      .state = PAYMENT_BROADCAST,
                                      .amount = { 5000 },
                                      .created_ms = 1000,
                                      .updated_ms = 2000,
                                      .outputs = &output,
                                      .output_count = 1,
                                      .version_count = 1 };
    payment.txid[0] = 1;
    json_t *whole = news_payment(&payment);
    json_t *part = news_paid(&payment, &output);
    static const char *const same[] = { "number",  "state",   "confirmations",
                                        "created", "updated", "txid" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_true(json_equal(json_object_get(whole, same[i]), json_object_get(part, same[i])));
    assert_string_equal(json_string_value(json_object_get(whole, "amount")), "5000");
    assert_string_equal(json_string_value(json_object_get(part, "amount")), "1234");
    json_decref(whole);
    json_decref(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_name_and_nothing_else_is),
        cmocka_unit_test(along_every_legal_way_nothing_is_told_twice_in_a_row),
        cmocka_unit_test(a_payment_seen_late_is_told_once_by_what_it_is),
        cmocka_unit_test(a_payment_and_what_it_gives_say_the_same_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
