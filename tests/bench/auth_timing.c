/* Can a clock tell whether a name exists? The same request is made for names that are there and for
 * names that are not, in random order, each from an address of its own, and the times are compared:
 * the medians' difference with four standard errors of it (by the median absolute deviation, which
 * no straggler moves), and how often one is slower than the other (the area under the ROC curve)
 * with four standard errors of one half (Mann and Whitney, 1947). Argon2 is as cheap as it may be,
 * so that it hides nothing. */
#include "auth_world.h"
#include "base/test_random.h"
#include "figures.h"
#include "parts.h"
#include "process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEOPLE = 100, SAMPLES = 400, SIGMAS = 4 };

struct question {
    const char *name, *path;
    bool by_registration;
    const char *body; /* of the name */
    int status;
};

/* Where no letters are sent a registration makes its account at once. */
static const struct question at_once = { "direct", "/api/v1/register", true, "", 202 };
static const struct question questions[] = {
    { "login", "/api/v1/login", false, "{\"name\":\"%s\",\"password\":\"two gates 4 cows\"}", 401 },
    { "reset", "/api/v1/auth/password/forgot", false, "{\"name\":\"%s\"}", 202 },
    { "registration", "/api/v1/register", true, "", 202 },
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* The standard error of a median, as that of a normal with this deviation. */
static double median_error(const double *values, size_t count, double middle)
{
    static double away[SAMPLES];
    for (size_t i = 0; i < count; i++)
        away[i] = fabs(values[i] - middle);
    return 1.2533 * 1.4826 * median(away, count) / sqrt((double)count);
}

static void compare(const char *name, double *there, double *not_there)
{
    char key[64];
    double slower = 0;
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t j = 0; j < SAMPLES; j++)
            slower += there[i] > not_there[j] ? 1 : there[i] == not_there[j] ? 0.5 : 0;
    double area = slower / SAMPLES / SAMPLES;
    double area_error = sqrt((2.0 * SAMPLES + 1) / (12.0 * SAMPLES * SAMPLES));
    double known = median(there, SAMPLES), unknown = median(not_there, SAMPLES);
    double a = median_error(there, SAMPLES, known), b = median_error(not_there, SAMPLES, unknown);
    figures_say("%s: of %d each; known names %.3f ms, unknown %.3f ms; a known one is slower in "
                "%.1f %% of pairs",
                name, SAMPLES, known, unknown, 100 * area);
    snprintf(key, sizeof key, "%s_difference", name);
    figure_add(&(struct figure){ .name = key,
                                 .unit = "ms",
                                 .value = fabs(known - unknown),
                                 .goal = { .most = SIGMAS * sqrt(a * a + b * b) } });
    snprintf(key, sizeof key, "%s_area_from_half", name);
    figure_add(&(struct figure){ .name = key,
                                 .unit = "",
                                 .value = fabs(area - 0.5),
                                 .goal = { .most = SIGMAS * area_error } });
}

/* The time of one request, in ms. */
static double ask(const struct question *question, const char *name)
{
    static unsigned address;
    char headers[160], body[320], answer[AUTH_ANSWER_BYTES];
    unsigned n = ++address;
    snprintf(headers, sizeof headers, AUTH_JSON "X-Forwarded-For: 10.%u.%u.%u\r\n", n >> 16,
             n >> 8 & 255, n & 255);
    if (question->by_registration)
        auth_world_person(name, body, sizeof body);
    else
        snprintf(body, sizeof body, question->body, name);
    uint64_t since_ns = bench_now_ns();
    int status = auth_world_request("POST", question->path, headers, body, answer);
    double ms = (double)(bench_now_ns() - since_ns) / 1e6;
    if (status != question->status)
        bench_fail("%s of %s: %d %.200s", question->name, name, status, answer);
    return ms;
}

/* The people a question is asked about. */
static void enroll(const struct question *question)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        char name[32];
        snprintf(name, sizeof name, "person-%s%04u", question->name, i);
        (void)ask(&at_once, name);
    }
}

static void measure(const struct question *question, struct test_random *random)
{
    static double times[2][SAMPLES];
    size_t counts[2] = { 0, 0 };
    while (counts[0] < SAMPLES || counts[1] < SAMPLES) {
        char name[32];
        size_t unknown = test_random_below(random, 2);
        if (counts[unknown] == SAMPLES)
            unknown = !unknown;
        if (unknown)
            snprintf(name, sizeof name, "nobody-%s%04zu", question->name, counts[1]);
        else /* each mailbox is written to five times at the most; and so often is a name asked */
            snprintf(name, sizeof name, "person-%s%04zu", question->name, counts[0] % PEOPLE);
        times[unknown][counts[unknown]++] = ask(question, name);
    }
    compare(question->name, times[0], times[1]);
}

void bench_auth_timing(const struct bench_options *options)
{
    static const char *const cheap[] = { "ADIT_AUTH__ARGON2_MEMORY_KIB=8192",
                                         "ADIT_AUTH__ARGON2_PASSES=1",
                                         "ADIT_AUTH__PROXIES=127.0.0.1", NULL };
    static const char *const mailed[] = { "ADIT_AUTH__ARGON2_MEMORY_KIB=8192",
                                          "ADIT_AUTH__ARGON2_PASSES=1",
                                          "ADIT_AUTH__PROXIES=127.0.0.1",
                                          "ADIT_AUTH__MAIL=file:%d/mail", NULL };
    (void)options;
    figures_begin("auth-timing");
    struct test_random random = test_random_begin("auth-timing");
    auth_world_begin(cheap);
    enroll(&at_once);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        enroll(&questions[i]);
    measure(&at_once, &random);
    auth_world_stop();
    auth_world_start(mailed);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        measure(&questions[i], &random);
    auth_world_end();
    figures_end();
}
