/* Sessions that come back, names, ports with difficulties of their own, further leases and the
 * table of clients, in the gateway's process as miners see it. */
#include "services/stratum-gateway/testing/gateway_world.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static char clients_file[64];

static void write_clients(const char *text)
{
    FILE *file = fopen(clients_file, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up_limits(unsigned lease_values, unsigned account_workers)
{
    snprintf(clients_file, sizeof clients_file, "/tmp/adit-clients-XXXXXX");
    int fd = mkstemp(clients_file);
    assert_true(fd >= 0);
    close(fd);
    write_clients("{\"agent\":\"test/\",\"name_bytes_max\":100}\n");
    set_variable("ADIT_STRATUM__PORTS", "127.0.0.1:0 start=64 min=32");
    set_variable("ADIT_STRATUM__WORKERS_MAX", "20");
    set_variable("ADIT_STRATUM__ACCOUNT_WORKERS_MAX", "%u", account_workers);
    set_variable("ADIT_STRATUM__QUIRKS_FILE", "%s", clients_file);
    return set_up_with(&(struct limits){ 100, HOLD_MS, 262144, lease_values, 0 });
}

static int set_up(void **state)
{
    (void)state;
    return set_up_limits(0, 10000);
}

static int set_up_scarce(void **state)
{
    (void)state;
    return set_up_limits(16, 10000);
}

static int set_up_few_names(void **state)
{
    (void)state;
    return set_up_limits(0, 30);
}

static int clear_up(void **state)
{
    unlink(clients_file);
    return tear_down(state);
}

static void submit_at(struct miner *miner, unsigned id, unsigned ntime, unsigned nonce)
{
    say(miner,
        "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"w\",\"%016llx\","
        "\"0000000000000000\",\"%08x\",\"%08x\"]}",
        id, (unsigned long long)f->job_id, ntime, nonce);
}

static void who_comes_back_goes_on_with_its_extranonce_and_its_duplicates(void **state)
{
    (void)state;
    struct miner *miner = connect_miner();
    char id[17];
    say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\"]}");
    hear(miner, "\"id\":1,\"result\":[[");
    memcpy(id, strstr(miner->line, "mining.notify\",\"") + strlen("mining.notify\",\""), 16);
    id[16] = '\0';
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "{\"id\":2,\"result\":true");
    hear(miner, "mining.set_difficulty\",\"params\":[1]");
    hear(miner, "mining.notify");
    unsigned ntime = (unsigned)(loop_unix_ms() / 1000);
    submit_at(miner, 3, ntime, 1);
    hear(miner, "{\"id\":3,\"result\":true");
    uint32_t extranonce1 = load_be32(f->last_share.extranonce1);
    disconnect(miner);
    miner = connect_miner();
    /* The gateway may learn of the end after it hears the new one. */
    do {
        say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\",\"%s\"]}", id);
        hear(miner, "\"id\":1,\"result\":[[");
        if (strstr(miner->line, id) == NULL) {
            disconnect(miner);
            miner = connect_miner();
        }
    } while (strstr(miner->line, id) == NULL);
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "{\"id\":2,\"result\":true");
    hear(miner, "mining.set_difficulty\",\"params\":[1]");
    hear(miner, "mining.notify");
    submit_at(miner, 3, ntime, 1);
    hear(miner, "{\"id\":3,\"result\":false,\"error\":[22,");
    submit_at(miner, 4, ntime, 2);
    hear(miner, "{\"id\":4,\"result\":true");
    assert_int_equal(load_be32(f->last_share.extranonce1), extranonce1);
    /* Somebody else's id is nobody's while its session lives. */
    struct miner *other = connect_miner();
    say(other, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\",\"%s\"]}", id);
    hear(other, "\"id\":1,\"result\":[[");
    assert_null(strstr(other->line, id));
    disconnect(other);
    disconnect(miner);
}

static void a_port_of_its_own_has_its_own_difficulty(void **state)
{
    (void)state;
    const char *address = strstr(f->log, "stratum.listen address=127.0.0.1:");
    address = strstr(address + 1, "stratum.listen address=127.0.0.1:");
    assert_non_null(address);
    f->port = atoi(address + strlen("stratum.listen address=127.0.0.1:"));
    struct miner *miner = connect_miner();
    say(miner, "{\"id\":0,\"method\":\"mining.suggest_difficulty\",\"params\":[1]}");
    hear(miner, "{\"id\":0,\"result\":true");
    say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\"]}");
    hear(miner, "\"id\":1,\"result\":[[");
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "{\"id\":2,\"result\":true");
    hear(miner, "mining.set_difficulty\",\"params\":[32]"); /* no less than the port's */
    disconnect(miner);
}

static void an_account_has_so_many_names_and_no_more(void **state)
{
    (void)state;
    struct miner *miners[3] = { NULL };
    unsigned in = 0;
    for (unsigned m = 0; m < 3; m++) {
        miners[m] = connect_miner();
        say(miners[m], "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\"]}");
        hear(miners[m], "\"id\":1,\"result\":[[");
        for (unsigned i = 0; i < 12 && in < 30; i++, in++) {
            say(miners[m], "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"n%u\",\"x\"]}",
                i);
            do
                hear(miners[m], "");
            while (strstr(miners[m]->line, "\"id\":2,") == NULL);
            if (strstr(miners[m]->line, "\"result\":true") == NULL)
                fail_msg("name %u: %s", in, miners[m]->line);
        }
    }
    assert_int_equal(in, 30);
    say(miners[2], "{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"more\",\"x\"]}");
    hear(miners[2], "[24,\"this account has too many workers here\",null]");
    disconnect(miners[0]); /* its names leave room */
    do {
        say(miners[2], "{\"id\":4,\"method\":\"mining.authorize\",\"params\":[\"more\",\"x\"]}");
        hear(miners[2], "\"id\":4,");
    } while (strstr(miners[2]->line, "too many") != NULL);
    assert_non_null(strstr(miners[2]->line, "{\"id\":4,\"result\":true"));
    for (unsigned m = 1; m < 3; m++)
        disconnect(miners[m]);
}

static void where_extranonces_grow_scarce_a_further_lease_is_asked_for(void **state)
{
    (void)state;
    struct miner *miners[40];
    unsigned of_others = 0;
    for (unsigned m = 0; m < 40; m++) {
        if (m == 15) /* of sixteen values one is left */
            UNTIL(strstr(f->log, "lease.further lease=2") != NULL);
        if (m == 30)
            UNTIL(strstr(f->log, "lease.further lease=3") != NULL);
        miners[m] = connect_miner();
        log_in(miners[m], "w");
        submit(miners[m], 3, "w", m);
        hear(miners[m], "{\"id\":3,\"result\":true");
        of_others += load_be32(f->last_share.extranonce1) >> 16 != 1;
    }
    assert_int_equal(of_others, 24);
    assert_int_equal(f->seen[f->seen_count - 1].lease_id, 1); /* batches are numbered as before */
    for (unsigned m = 0; m < 40; m++)
        disconnect(miners[m]);
}

static void the_table_of_clients_is_read_again_when_told(void **state)
{
    (void)state;
    write_clients("{\"agent\":\"late/\",\"min_difficulty\":7,\"start_difficulty\":9}\n");
    kill(f->child, SIGHUP);
    UNTIL(strstr(f->log, "service.reload instance=1 clients=1") != NULL);
    struct miner *miner = connect_miner();
    say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"late/2\"]}");
    hear(miner, "\"id\":1,\"result\":[[");
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"w\",\"x\"]}");
    hear(miner, "{\"id\":2,\"result\":true");
    hear(miner, "mining.set_difficulty\",\"params\":[9]");
    disconnect(miner);
    write_clients("nonsense\n");
    kill(f->child, SIGHUP);
    UNTIL(strstr(f->log, "service.reload_refused") != NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clear_up)

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not say where the gateway is\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        TEST(who_comes_back_goes_on_with_its_extranonce_and_its_duplicates),
        TEST(a_port_of_its_own_has_its_own_difficulty),
        cmocka_unit_test_setup_teardown(an_account_has_so_many_names_and_no_more, set_up_few_names,
                                        clear_up),
        cmocka_unit_test_setup_teardown(where_extranonces_grow_scarce_a_further_lease_is_asked_for,
                                        set_up_scarce, clear_up),
        TEST(the_table_of_clients_is_read_again_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
