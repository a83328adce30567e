/* A job that only refreshes the one before goes to the miners spread over
 * stratum.refresh_spread_ms; a new tip waits for nothing, and leaves nobody on what was being
 * spread. */
#include "gateway_world.h"

#include <inttypes.h>
#include <string.h>

enum { MINERS = 40, LONG_MS = 20000, SHORT_MS = 1500, TRIES = 10 };

static struct miner *miners[MINERS];
static unsigned spread_ms;

static void log_in_all(void)
{
    for (unsigned i = 0; i < MINERS; i++) {
        miners[i] = connect_miner();
        log_in(miners[i], "w");
    }
}

static void disconnect_all(void)
{
    for (unsigned i = 0; i < MINERS; i++)
        disconnect(miners[i]);
}

/* Takes what came to a miner; whether the newest job was among it, and clean. */
static bool has_job(struct miner *miner, bool clean)
{
    char id[32];
    bool found = false;
    snprintf(id, sizeof id, "[\"%016" PRIx64 "\"", f->job_id);
    while (take_line(miner)) {
        bool it = strstr(miner->line, "mining.notify") != NULL && strstr(miner->line, id) != NULL;
        found = found || it;
        assert_true(!it || (strstr(miner->line, ",true]}") != NULL) == clean);
    }
    return found;
}

/* Marks who has it now; their number. */
static unsigned count_job(bool has[MINERS], bool clean)
{
    unsigned count = 0;
    for (unsigned i = 0; i < MINERS; i++) {
        receive(miners[i]);
        has[i] = has[i] || has_job(miners[i], clean);
        count += has[i];
    }
    return count;
}

static uint64_t ms_since(uint64_t began_ns)
{
    return (loop_clock_ns() - began_ns) / 1000000;
}

static void a_refresh_is_spread_and_reaches_everybody(void **state)
{
    (void)state;
    bool has[MINERS] = { false };
    log_in_all();
    const uint64_t began_ns = loop_clock_ns();
    publish_job(false);
    UNTIL(count_job(has, false) >= 1);
    uint64_t first_ms = ms_since(began_ns);
    UNTIL(count_job(has, false) == MINERS);
    printf("the first miner had it after %" PRIu64 " ms, the last after %" PRIu64 " ms of %u\n",
           first_ms, ms_since(began_ns), spread_ms);
    /* The last place's turn is not before this, however quick the machine. */
    assert_true(ms_since(began_ns) >= spread_ms * 9 / 10);
    disconnect_all();
}

/* Publishes refreshes until one is seen under way: some have it, some do not. A machine that stands
 * still for the whole spread would have let it pass. */
static void begin_spreading(bool has[MINERS])
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        memset(has, 0, MINERS * sizeof *has);
        publish_job(false);
        unsigned count;
        UNTIL((count = count_job(has, false)) >= 1);
        if (count < MINERS)
            return;
    }
    fail_msg("%d refreshes went to everybody at once", TRIES);
}

static void a_new_tip_waits_for_no_spread(void **state)
{
    (void)state;
    bool has[MINERS], on_tip[MINERS] = { false };
    log_in_all();
    begin_spreading(has);
    const uint64_t began_ns = loop_clock_ns();
    publish_job(true);
    UNTIL(count_job(on_tip, true) == MINERS);
    printf("everybody was on the new tip after %" PRIu64 " ms\n", ms_since(began_ns));
    assert_true(ms_since(began_ns) < LONG_MS);
    disconnect_all();
}

static void who_is_answered_has_the_job_first(void **state)
{
    (void)state;
    bool has[MINERS];
    log_in_all();
    begin_spreading(has);
    unsigned waiting = 0;
    while (has[waiting])
        waiting++;
    char id[32];
    snprintf(id, sizeof id, "[\"%016" PRIx64 "\"", f->job_id);
    say(miners[waiting], "{\"id\":77,\"method\":\"mining.ping\",\"params\":[]}");
    hear(miners[waiting], id);
    hear(miners[waiting], "\"id\":77");
    disconnect_all();
}

static int set_up_spread(unsigned ms)
{
    spread_ms = ms;
    set_variable("ADIT_STRATUM__REFRESH_SPREAD_MS", "%u", ms);
    return set_up_with(
        &(struct limits){ .max_miners = 100, .hold_ms = HOLD_MS, .shares_held = 262144 });
}

static int set_up_long(void **state)
{
    (void)state;
    return set_up_spread(LONG_MS);
}

static int set_up_short(void **state)
{
    (void)state;
    return set_up_spread(SHORT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_refresh_is_spread_and_reaches_everybody, set_up_short,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_tip_waits_for_no_spread, set_up_long, tear_down),
        cmocka_unit_test_setup_teardown(who_is_answered_has_the_job_first, set_up_long, tear_down),
    };
    return cmocka_run_group_tests_name("refreshed jobs", tests, NULL, NULL);
}
