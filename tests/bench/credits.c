/* The credits of a block of 100,000 accounts written to the store, its maturing, and the audit of
 * five such blocks (1.5 million postings): payout's own benchmark, read. On SQLite, and on a
 * MongoDB: the one ADIT_BENCH_MONGO_URL names, in a database that is left there, else a mongod on
 * the PATH, else the tests' FerretDB, which waits for no disk but takes many times a mongod's
 * processor time; there with two blocks, because it reads all of a collection for a range of it. */
#include "figures.h"
#include "parts.h"
#include "process.h"
#include "tests/ferretdb/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCOUNTS = 100000, BLOCKS = 5, FERRETDB_BLOCKS = 2 };

struct credits {
    unsigned long found_ms, matured_ms, audit_ms; /* the slowest of each */
};

static void take(unsigned long *slowest, unsigned long ms)
{
    if (ms > *slowest)
        *slowest = ms;
}

static void run(const char *url, int blocks, struct credits *credits_r)
{
    char program[300], command[900], line[256];
    snprintf(command, sizeof command, "%s '%.500s' %d %d", process_program("payout_bench", program),
             url, ACCOUNTS, blocks);
    *credits_r = (struct credits){ .audit_ms = 0 };
    FILE *out = popen(command, "re");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        unsigned long ms, postings;
        if (sscanf(line, "found: %lu ms", &ms) == 1)
            take(&credits_r->found_ms, ms);
        else if (sscanf(line, "matured: %lu ms", &ms) == 1)
            take(&credits_r->matured_ms, ms);
        else if (sscanf(line, "audit of %lu postings: %lu ms", &postings, &ms) == 2)
            take(&credits_r->audit_ms, ms);
        line[strcspn(line, "\n")] = '\0';
        figures_say("%s", line);
    }
    if (out != NULL)
        (void)pclose(out);
    if (credits_r->audit_ms == 0)
        bench_fail("%s said nothing of its audit", program);
}

static void add(const char *name, unsigned long ms, double most)
{
    figure_add(&(struct figure){
        .name = name, .unit = "ms", .value = (double)ms, .goal = { .most = most } });
}

static void run_mongo(const char *url, int blocks)
{
    struct credits credits;
    run(url, blocks, &credits);
    add("credits_mongo", credits.found_ms, 30000);
    add("maturing_mongo", credits.matured_ms, 30000);
}

/* Of our own, in the build folder. */
static void run_own_mongo(void)
{
    struct mongo_server server;
    struct error error;
    char build[300];
    process_program("..", build);
    setenv("ADIT_BUILD", build, false);
    if (!mongo_server_start(&server, &error)) {
        figures_say("SQLite alone: %s", error.text);
        return;
    }
    figures_say("%s", server.real ? server.program : "FerretDB with SQLite behind it");
    run_mongo(server.url, server.real ? BLOCKS : FERRETDB_BLOCKS);
    mongo_server_stop(&server);
}

void bench_credits(const struct bench_options *options)
{
    char folder[] = "/tmp/adit-credits-XXXXXX", url[64], path[64];
    static const char *const endings[] = { "", "-wal", "-shm" };
    const char *mongo = getenv("ADIT_BENCH_MONGO_URL");
    struct credits credits;
    (void)options;
    figures_begin("credits");
    if (mkdtemp(folder) == NULL)
        bench_fail("cannot make %s", folder);
    snprintf(url, sizeof url, "sqlite:%s/db", folder);
    run(url, BLOCKS, &credits);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s/db%s", folder, endings[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    add("credits_sqlite", credits.found_ms, 5000);
    add("maturing_sqlite", credits.matured_ms, 5000);
    add("audit_sqlite", credits.audit_ms, 10000);
    if (mongo != NULL)
        run_mongo(mongo, BLOCKS);
    else
        run_own_mongo();
    figures_end();
}
