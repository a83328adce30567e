/* Names asked of auth, remembered, let in without it and put right later. */
#include "adapter/bus_fake/bus_fake.h"
#include "loop/testing/until.h"
#include "loop/testing/virtual_clock.h"
#include "services/stratum-gateway/authoriser.h"
#include "wire/messages.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define URL "fake://auth"
/* BIP 173's example key as a P2WPKH address of regtest. */
#define ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *server;
    struct authoriser *authoriser;
    struct identity_key key;
    unsigned asked, called;
    bool mute;
    enum wire_authorise_outcome outcome;
    uint64_t account, worker; /* 0: as derived */
    /* what came back */
    unsigned answers;
    struct authoriser_ticket ticket;
    struct authoriser_result result;
    char text[128];
} * w;

static void derive(const char *user, uint64_t *account_r, uint64_t *worker_r)
{
    struct identity_name name;
    struct identity_account account;
    const struct coin_profile *coin = coin_profile_find(span_text("bitcoin-regtest"));
    assert_int_equal(identity_split(span_text(user), &name), IDENTITY_OK);
    assert_int_equal(identity_resolve(coin, name.account, &account, NULL), IDENTITY_OK);
    *account_r = identity_account_id(&w->key, &account);
    *worker_r = identity_worker_id(&w->key, *account_r, name.worker);
}

static void on_auth(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    uint8_t memory[2048], bytes[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_authorise_request request;
    struct error error;
    assert_true(wire_decode_authorise_request(message, &arena, &request, &error));
    if (w->mute) {
        bus_drop(call);
        return;
    }
    if (request.user[0] == '\0') { /* for nobody */
        const struct wire_authorise_reply here = {
            .outcome = WIRE_AUTHORISE_NO, .account_name = "", .worker_name = "", .text = ""
        };
        size_t bytes_here = wire_encode_authorise_reply(&here, bytes, sizeof bytes);
        w->called++;
        (void)bus_reply(call, span_of(bytes, bytes_here));
        return;
    }
    w->asked++;
    const struct wire_authorise_reply reply = { .outcome = (uint8_t)w->outcome,
                                                .account = w->account,
                                                .worker = w->worker,
                                                .account_name = "",
                                                .worker_name = "",
                                                .text = "because" };
    size_t length = wire_encode_authorise_reply(&reply, bytes, sizeof bytes);
    assert_true(length > 0);
    (void)bus_reply(call, span_of(bytes, length));
}

static void on_answer(void *context, const struct authoriser_ticket *ticket,
                      const struct authoriser_result *result)
{
    (void)context;
    w->answers++;
    w->ticket = *ticket;
    w->result = *result;
    snprintf(w->text, sizeof w->text, "%s", result->text != NULL ? result->text : "");
}

static int set_up(void **state)
{
    (void)state;
    struct error error;
    virtual_clock_begin();
    w = calloc(1, sizeof *w);
    w->loop = loop_create(&error);
    w->bus = bus_fake_create(w->loop);
    w->server = bus_serve(w->bus, URL, 64, 65536, on_auth, NULL, &error);
    w->outcome = WIRE_AUTHORISE_YES;
    w->account = 11;
    w->worker = 12;
    memset(&w->key, 5, sizeof w->key);
    const struct authoriser_options options = { .loop = w->loop,
                                                .bus = w->bus,
                                                .url = URL,
                                                .names_max = 3,
                                                .coin =
                                                    coin_profile_find(span_text("bitcoin-regtest")),
                                                .key = &w->key,
                                                .handler = on_answer };
    w->authoriser = authoriser_create(&options, &error);
    assert_non_null(w->authoriser);
    for (unsigned i = 0; i < 5; i++)
        loop_run_once(w->loop, 1);
    assert_true(authoriser_counts(w->authoriser).up);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authoriser_destroy(w->authoriser);
    bus_server_close(w->server);
    bus_destroy(w->bus);
    loop_destroy(w->loop);
    free(w);
    virtual_clock_end();
    return 0;
}

#define UNTIL(condition) LOOP_UNTIL(w->loop, condition, "")

/* True where the answer was known at once, in w->result. */
static bool ask(const char *user, const char *password, uint32_t connection)
{
    const struct authoriser_ticket ticket = {
        .connection = connection, .generation = 1, .answer = connection, .worker = 3
    };
    return authoriser_ask(w->authoriser, user, password, "127.0.0.1:1", &ticket, &w->result);
}

static void an_answer_is_asked_for_once_and_remembered(void **state)
{
    (void)state;
    assert_false(ask("name", "x", 1));
    assert_false(ask("name", "x", 2)); /* the same question */
    UNTIL(w->answers == 2);
    assert_int_equal(w->asked, 1);
    assert_int_equal(w->result.outcome, STRATUM_YES);
    assert_int_equal(w->result.account_id, 11);
    assert_int_equal(w->result.worker_id, 12);
    assert_true(ask("name", "x", 3));
    assert_int_equal(w->result.account_id, 11);
    assert_int_equal(w->asked, 1);
    assert_false(ask("name", "y", 4)); /* another password is another question */
    UNTIL(w->asked == 2 && w->answers == 3);
}

static void a_no_is_not_remembered_and_has_its_reason(void **state)
{
    (void)state;
    w->outcome = WIRE_AUTHORISE_NO;
    assert_false(ask("name", "x", 1));
    UNTIL(w->answers == 1);
    assert_int_equal(w->result.outcome, STRATUM_NO);
    assert_string_equal(w->text, "because");
    w->outcome = WIRE_AUTHORISE_YES;
    assert_false(ask("name", "x", 1));
    UNTIL(w->answers == 2);
    assert_int_equal(w->result.outcome, STRATUM_YES);
}

static void the_least_recently_used_name_is_forgotten(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b", "c" };
    for (unsigned i = 0; i < 3; i++) {
        assert_false(ask(names[i], "", i));
        UNTIL(w->answers == i + 1);
    }
    assert_true(ask("a", "", 9));
    assert_false(ask("d", "", 9));
    UNTIL(w->answers == 4);
    assert_true(ask("a", "", 9) && ask("c", "", 9) && ask("d", "", 9));
    assert_false(ask("b", "", 9));
    UNTIL(w->answers == 5);
}

static void an_address_is_let_in_while_auth_is_away_and_confirmed_later(void **state)
{
    (void)state;
    uint64_t account, worker;
    derive(ADDRESS ".rig", &account, &worker);
    bus_fake_cut(w->bus, URL);
    UNTIL(!authoriser_counts(w->authoriser).up);
    assert_false(ask(ADDRESS ".rig", "x", 1));
    UNTIL(w->answers == 1);
    assert_int_equal(w->result.outcome, STRATUM_YES);
    assert_true(w->result.account_id == account && w->result.worker_id == worker);
    assert_int_equal(w->ticket.answer, 1);
    assert_int_equal(w->asked, 0);
    bus_fake_mend(w->bus, URL);
    w->account = account;
    w->worker = worker;
    UNTIL(w->answers == 2);
    assert_int_equal(w->result.outcome, STRATUM_YES);
    assert_int_equal(w->ticket.connection, 1);
    assert_true(w->ticket.answer == STRATUM_NO_ANSWER);
    assert_true(ask(ADDRESS ".rig", "x", 2)); /* remembered now */
}

static void who_was_let_in_wrongly_is_put_out_again(void **state)
{
    (void)state;
    bus_fake_cut(w->bus, URL);
    UNTIL(!authoriser_counts(w->authoriser).up);
    assert_false(ask(ADDRESS, "x", 1));
    UNTIL(w->answers == 1);
    w->outcome = WIRE_AUTHORISE_NO;
    bus_fake_mend(w->bus, URL);
    UNTIL(w->answers == 2);
    assert_int_equal(w->result.outcome, STRATUM_NO);
    assert_int_equal(w->ticket.worker, 3);
}

static void a_stranger_waits_a_bounded_time(void **state)
{
    (void)state;
    w->outcome = WIRE_AUTHORISE_UNAVAILABLE;
    uint64_t begin_ns = loop_clock_ns();
    assert_false(ask("name", "x", 1));
    UNTIL(w->answers == 1);
    assert_int_equal(w->result.outcome, STRATUM_AWAY);
    uint64_t waited_ms = (loop_clock_ns() - begin_ns) / 1000000;
    assert_in_range(waited_ms, AUTHORISER_WAIT_MS - 500, AUTHORISER_WAIT_MS + 500);
    assert_true(w->asked > 5);
}

static void one_that_hangs_is_known_of_though_nobody_asks_and_so_is_its_return(void **state)
{
    (void)state;
    UNTIL(w->called >= 2);
    assert_true(authoriser_counts(w->authoriser).up);
    w->mute = true;
    UNTIL(!authoriser_counts(w->authoriser).up);
    assert_true(authoriser_counts(w->authoriser).connected);
    w->mute = false;
    UNTIL(authoriser_counts(w->authoriser).up);
    assert_int_equal(w->asked, 0);
    assert_int_equal(w->answers, 0);
}

static void an_address_is_let_in_at_once_while_auth_hangs_and_confirmed_later(void **state)
{
    (void)state;
    derive(ADDRESS, &w->account, &w->worker);
    w->mute = true;
    UNTIL(!authoriser_counts(w->authoriser).up);
    assert_false(ask(ADDRESS, "x", 1));
    UNTIL(w->answers == 1);
    assert_int_equal(w->result.outcome, STRATUM_YES);
    assert_int_equal(w->asked, 0);
    w->mute = false;
    UNTIL(w->answers == 2);
    assert_int_equal(w->result.outcome, STRATUM_YES);
    assert_true(authoriser_counts(w->authoriser).up);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_asked_for_once_and_remembered),
        TEST(a_no_is_not_remembered_and_has_its_reason),
        TEST(the_least_recently_used_name_is_forgotten),
        TEST(an_address_is_let_in_while_auth_is_away_and_confirmed_later),
        TEST(who_was_let_in_wrongly_is_put_out_again),
        TEST(a_stranger_waits_a_bounded_time),
        TEST(one_that_hangs_is_known_of_though_nobody_asks_and_so_is_its_return),
        TEST(an_address_is_let_in_at_once_while_auth_hangs_and_confirmed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
