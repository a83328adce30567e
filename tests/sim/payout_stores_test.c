/* The same month on the stores a pool runs on: "sqlite" or "mongo", the first argument.
 * Undisturbed, and cut off at some of its calls; the ledger must be what it is in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_open/store_open.h"
#include "service/log.h"
#include "tests/ferretdb/server.h"
#include "tests/sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static struct mongo_server server;
static bool mongo;
static unsigned opened;

static struct store *fresh_store(void)
{
    char url[640];
    struct error error;
    if (!mongo)
        snprintf(url, sizeof url, "sqlite:%s/%u.db", folder, ++opened);
    else /* a database of its own: "…/name" or "…/name?options" */
        snprintf(url, sizeof url, "%.*s%u%s", (int)strcspn(server.url, "?"), server.url, ++opened,
                 server.url + strcspn(server.url, "?"));
    struct store *store = store_open(url, 20000, &error);
    if (store == NULL)
        fail_msg("%s", error.text);
    return store;
}

static void a_month_is_exact(void **state)
{
    (void)state;
    struct run run = sim_start_month(fresh_store());
    sim_play_month(&run);
    printf("%lu calls\n", run.world->calls);
    sim_end(&run);
}

static void a_death_at_any_call_changes_nothing(void **state)
{
    (void)state;
    const char *text = getenv("ADIT_SIM_STORE_RUNS");
    unsigned runs = text != NULL ? (unsigned)atoi(text) : mongo ? 2 : 8;
    for (unsigned i = 0; i < runs; i++) {
        struct run run = sim_start_month(fresh_store());
        run.world->fault = i % 2 == 0 ? SIM_DIE_BEFORE : SIM_DIE_AFTER;
        run.world->fault_at = 17 + i * 131;
        sim_play_month(&run);
        sim_end(&run);
    }
}

static void a_rival_at_any_call_doubles_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct run run = sim_start_month(fresh_store());
        run.world->rival = sim_rival_works;
        run.world->rival_context = &run;
        run.world->fault = i % 2 == 0 ? SIM_STOP_BEFORE : SIM_STOP_AFTER;
        run.world->fault_at = 301 + i * 257;
        sim_play_month(&run);
        sim_end(&run);
    }
}

static int remove_folder(void **state)
{
    (void)state;
    char path[96];
    static const char *const endings[] = { "", "-wal", "-shm" };
    for (unsigned i = 1; !mongo && i <= opened; i++)
        for (size_t k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/%u.db%s", folder, i, endings[k]);
            (void)unlink(path);
        }
    if (mongo)
        mongo_server_stop(&server);
    else
        (void)rmdir(folder);
    return 0;
}

int main(int argc, char **argv)
{
    struct error error;
    log_open("payout-stores", "1", LOG_ERROR);
    sim_seed = 4711;
    mongo = argc > 1 && strcmp(argv[1], "mongo") == 0;
    if (mongo && !mongo_server_start(&server, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    snprintf(folder, sizeof folder, "/tmp/adit-payout-XXXXXX");
    if (!mongo && mkdtemp(folder) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_is_exact),
        cmocka_unit_test(a_death_at_any_call_changes_nothing),
        cmocka_unit_test(a_rival_at_any_call_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
