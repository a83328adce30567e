#include "figures.h"

#include "process.h"
#include "sample.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *part;
    json_t *figures;
} report;

void figures_begin(const char *part)
{
    report.part = part;
    report.figures = json_object();
    printf("== %s\n", part);
    figure_note("load_average_before", sample_load_average(), "");
}

void figure_add(const struct figure *figure)
{
    double ratio = figure->floor > 0 ? figure->value / figure->floor : 0;
    printf("%-34s %12.*f %-8s", figure->name, figure->value < 100 ? 3 : 0, figure->value,
           figure->unit);
    if (figure->floor > 0)
        printf("  floor %10.3f  ratio %5.2f", figure->floor, ratio);
    if (figure->goal != NULL)
        printf("  goal %s", figure->goal);
    printf("\n");
    fflush(stdout);
    json_t *entry = json_pack("{s:f, s:s}", "value", figure->value, "unit", figure->unit);
    if (figure->floor > 0) {
        json_object_set_new(entry, "floor", json_real(figure->floor));
        json_object_set_new(entry, "ratio", json_real(ratio));
    }
    if (figure->goal != NULL)
        json_object_set_new(entry, "goal", json_string(figure->goal));
    json_object_set_new(report.figures, figure->name, entry);
}

void figure_note(const char *name, double value, const char *unit)
{
    figure_add(&(struct figure){ .name = name, .value = value, .unit = unit });
}

void figures_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("   ");
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}

void figures_end(void)
{
    const char *folder = getenv("ADIT_BENCH_RESULTS");
    char path[300], when[32];
    struct utsname machine;
    time_t now = time(NULL);
    struct tm utc;
    uname(&machine);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    snprintf(path, sizeof path, "%s/bench-%s.json", folder != NULL ? folder : ".", report.part);
    json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:o}", "part", report.part, "time", when,
                            "kernel", machine.release, "processors",
                            (int)sysconf(_SC_NPROCESSORS_ONLN), "figures", report.figures);
    if (all == NULL || json_dump_file(all, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0)
        bench_fail("%s: %s", path, strerror(errno));
    json_decref(all);
    printf("   %s\n", path);
}
