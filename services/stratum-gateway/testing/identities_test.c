/* Who a validator is, and whether it is there though there is nothing to do. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/token_sodium/token.h"
#include "loop/testing/until.h"
#include "loop/testing/virtual_clock.h"
#include "services/stratum-gateway/identities.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 20, VALIDATORS = 2 };

static const char urls[VALIDATORS][VALIDATORS_URL_BYTES] = { "fake://a", "fake://b" };

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *servers[VALIDATORS];
    struct validators validators;
    struct token_signer *signer;
    struct loop_timer tick;
    bool mute[VALIDATORS];
    bool idle;
    unsigned asked[VALIDATORS];
} * w;

static void on_call(void *context, struct bus_call *call, struct span message)
{
    const size_t who = (size_t)((bool *)context - w->mute);
    uint8_t memory[512], bytes[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_identity_request request;
    struct error error;
    assert_true(wire_decode_identity_request(message, &arena, &request, &error));
    w->asked[who]++;
    if (w->mute[who]) {
        bus_drop(call);
        return;
    }
    struct wire_identity_reply reply = { .instance = "1" };
    memcpy(reply.nonce, request.nonce, sizeof reply.nonce);
    token_signer_public(w->signer, reply.key);
    size_t length = wire_encode_identity_reply(&reply, bytes, sizeof bytes);
    token_sign_bytes(w->signer, span_of(bytes, length), reply.signature);
    length = wire_encode_identity_reply(&reply, bytes, sizeof bytes);
    (void)bus_reply(call, span_of(bytes, length));
}

static void on_tick(void *context)
{
    (void)context;
    identities_tick(&w->validators, w->idle);
}

static void on_up(void *context)
{
    (void)context;
}

#define UNTIL(condition) LOOP_UNTIL(w->loop, condition, "")

static bool all_are_known(void)
{
    for (size_t i = 0; i < VALIDATORS; i++)
        if (!w->validators.list[i]->known)
            return false;
    return true;
}

static int set_up(void **state)
{
    struct error error;
    char path[] = "/tmp/adit-identities-XXXXXX";
    (void)state;
    virtual_clock_begin();
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    w->signer = token_signer_open(path, &error);
    assert_non_null(w->signer);
    (void)unlink(path);
    w->loop = loop_create(&error);
    w->bus = bus_fake_create(w->loop);
    w->idle = true;
    for (size_t i = 0; i < VALIDATORS; i++) {
        w->servers[i] = bus_serve(w->bus, urls[i], 8, 4096, on_call, &w->mute[i], &error);
        assert_non_null(w->servers[i]);
    }
    validators_init(&w->validators, w->loop, w->bus, 500, on_up, NULL);
    assert_true(validators_set(&w->validators, urls, VALIDATORS));
    w->tick = (struct loop_timer){ .on_due = on_tick };
    loop_timer_start(w->loop, &w->tick, TICK_MS, TICK_MS);
    UNTIL(all_are_known());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_timer_stop(w->loop, &w->tick);
    validators_deinit(&w->validators);
    for (size_t i = 0; i < VALIDATORS; i++)
        bus_server_close(w->servers[i]);
    bus_destroy(w->bus);
    token_signer_close(w->signer);
    loop_destroy(w->loop);
    free(w);
    virtual_clock_end();
    return 0;
}

static void who_proves_itself_is_asked_again_only_where_it_is_quiet(void **state)
{
    (void)state;
    assert_int_equal(validators_healthy(&w->validators), VALIDATORS);
    assert_string_equal(w->validators.list[0]->instance, "1");
    const unsigned before = w->asked[1];
    while (w->asked[0] < 6) { /* the second one judges */
        w->validators.list[1]->heard_ms = loop_now_ms(w->loop);
        loop_run_once(w->loop, 5);
    }
    assert_int_equal(w->asked[1], before);
}

static void one_that_hangs_is_left_aside_without_a_share_and_taken_back(void **state)
{
    (void)state;
    w->mute[0] = true;
    UNTIL(validators_healthy(&w->validators) == 1);
    assert_true(w->validators.list[0]->deaf);
    w->idle = false; /* whatever there is to do: its silence was no batch's */
    w->mute[0] = false;
    UNTIL(validators_healthy(&w->validators) == VALIDATORS);
}

static void the_last_one_is_missed_too(void **state)
{
    (void)state;
    w->mute[0] = w->mute[1] = true;
    UNTIL(validators_healthy(&w->validators) == 0);
    w->mute[1] = false;
    UNTIL(validators_healthy(&w->validators) == 1);
}

static void what_failed_by_its_batches_comes_back_only_where_nothing_waits(void **state)
{
    (void)state;
    w->idle = false;
    for (size_t i = 0; i < VALIDATORS; i++)
        validator_failed(w->validators.list[i], "no answer in time");
    const unsigned before = w->asked[0];
    UNTIL(w->asked[0] >= before + 3);
    assert_int_equal(validators_healthy(&w->validators), 0);
    w->idle = true;
    UNTIL(validators_healthy(&w->validators) == 1);
    /* The other is shown by batches: there is one to send them to. */
    const unsigned then = w->asked[0] + w->asked[1];
    UNTIL(w->asked[0] + w->asked[1] >= then + 6);
    assert_int_equal(validators_healthy(&w->validators), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_proves_itself_is_asked_again_only_where_it_is_quiet),
        TEST(one_that_hangs_is_left_aside_without_a_share_and_taken_back),
        TEST(the_last_one_is_missed_too),
        TEST(what_failed_by_its_batches_comes_back_only_where_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
