/* The whole window of ten million shares in memory, split among its accounts: the core's own
 * benchmark, read. */
#include "figures.h"
#include "parts.h"
#include "process.h"

#include <stdio.h>
#include <string.h>

void bench_pplns(const struct bench_options *options)
{
    char program[300], line[256];
    double best_ms = 0;
    (void)options;
    figures_begin("pplns");
    FILE *out = popen(process_program("core_pplns_bench", program), "re");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        unsigned add, collect, split, all;
        if (sscanf(line, "add %u ms, collect %u ms, split %u ms, all %u ms", &add, &collect, &split,
                   &all) == 4 &&
            (best_ms == 0 || all < best_ms))
            best_ms = all;
        line[strcspn(line, "\n")] = '\0';
        figures_say("%s", line);
    }
    if (out != NULL)
        (void)pclose(out);
    if (best_ms == 0)
        bench_fail("%s said nothing", program);
    figure_add(&(struct figure){
        .name = "ten_million_shares", .unit = "ms", .value = best_ms, .goal = { .most = 250 } });
    figures_end();
}
