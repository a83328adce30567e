#include "figures.h"

#include "process.h"
#include "sample.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* The goal as text, and whether it is reached; false: there is none. */
static bool judge(const struct figure *figure, char text_r[128], bool *reached_r)
{
    const struct goal *goal = &figure->goal;
    double ratio = figure->floor > 0 ? figure->value / figure->floor : 0;
    size_t used = 0;
    *reached_r = true;
    text_r[0] = '\0';
#define ASK(wanted, met, ...)                                                                      \
    if ((wanted) > 0) {                                                                            \
        used += (size_t)snprintf(text_r + used, 128 - used, "%s", used > 0 ? ", " : "");           \
        used += (size_t)snprintf(text_r + used, 128 - used, __VA_ARGS__);                          \
        *reached_r = *reached_r && (met);                                                          \
    }
    ASK(goal->most, figure->value <= goal->most, "<= %g", goal->most)
    ASK(goal->least, figure->value >= goal->least, ">= %.0f", goal->least)
    ASK(goal->ratio_most, figure->floor > 0 && ratio <= goal->ratio_most, "<= %g x floor",
        goal->ratio_most)
    ASK(goal->ratio_least, ratio >= goal->ratio_least, ">= %g x floor", goal->ratio_least)
    ASK(goal->over_floor_most, figure->value <= figure->floor + goal->over_floor_most,
        "<= floor + %g", goal->over_floor_most)
#undef ASK
    return used > 0;
}

void figure_add(const struct figure *figure)
{
    char goal[128];
    bool reached;
    double ratio = figure->floor > 0 ? figure->value / figure->floor : 0;
    bool asked = judge(figure, goal, &reached);
    printf("%-34s %12.*f %-8s", figure->name, figure->value < 100 ? 3 : 0, figure->value,
           figure->unit);
    if (figure->floor > 0)
        printf("  floor %10.3f%s%s%s  ratio %5.2f", figure->floor,
               figure->floor_is != NULL ? " (" : "",
               figure->floor_is != NULL ? figure->floor_is : "",
               figure->floor_is != NULL ? ")" : "", ratio);
    if (asked)
        printf("  goal %s: %s", goal, reached ? "reached" : "MISSED");
    printf("\n");
    fflush(stdout);
    json_t *entry = json_pack("{s:f, s:s}", "value", figure->value, "unit", figure->unit);
    if (figure->floor > 0) {
        json_object_set_new(entry, "floor", json_real(figure->floor));
        json_object_set_new(entry, "ratio", json_real(ratio));
    }
    if (asked) {
        json_object_set_new(entry, "goal", json_string(goal));
        json_object_set_new(entry, "reached", json_boolean(reached));
    }
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

void figures_path(const char *part, char path_r[300])
{
    const char *folder = getenv("ADIT_BENCH_RESULTS");
    snprintf(path_r, 300, "%s/bench-%s.json", folder != NULL ? folder : ".", part);
}

static void print_goal(const char *part, const char *name, json_t *figure, unsigned *missed)
{
    const char *goal = json_string_value(json_object_get(figure, "goal"));
    bool reached = json_is_true(json_object_get(figure, "reached"));
    double floor = json_number_value(json_object_get(figure, "floor"));
    char floor_text[32] = "-", name_text[64];
    if (goal == NULL)
        return;
    if (floor > 0)
        snprintf(floor_text, sizeof floor_text, "%.3f", floor);
    snprintf(name_text, sizeof name_text, "%s %s", part, name);
    printf("%-44s %12.3f %12s %-9s %-24s %s\n", name_text,
           json_number_value(json_object_get(figure, "value")), floor_text,
           json_string_value(json_object_get(figure, "unit")), goal,
           reached ? "reached" : "MISSED");
    *missed += !reached;
}

unsigned figures_summary(const char *const *parts, size_t count, time_t since)
{
    unsigned missed = 0;
    printf("\n%-44s %12s %12s %-9s %-24s\n", "part and figure", "value", "floor", "unit", "goal");
    for (size_t i = 0; i < count; i++) {
        char path[300];
        struct stat about;
        const char *name;
        json_t *figure;
        figures_path(parts[i], path);
        json_t *all = stat(path, &about) == 0 && about.st_mtime >= since
                          ? json_load_file(path, 0, NULL)
                          : NULL;
        if (all == NULL) {
            printf("%-44s it gave no figures\n", parts[i]);
            missed++;
        }
        json_object_foreach(json_object_get(all, "figures"), name, figure)
            print_goal(parts[i], name, figure, &missed);
        json_decref(all);
    }
    return missed;
}

void figures_end(void)
{
    char path[300], when[32];
    struct utsname machine;
    time_t now = time(NULL);
    struct tm utc;
    uname(&machine);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    figures_path(report.part, path);
    json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:o}", "part", report.part, "time", when,
                            "kernel", machine.release, "processors",
                            (int)sysconf(_SC_NPROCESSORS_ONLN), "figures", report.figures);
    if (all == NULL || json_dump_file(all, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0)
        bench_fail("%s: %s", path, strerror(errno));
    json_decref(all);
    printf("   %s\n", path);
}
