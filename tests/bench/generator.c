#include "generator.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void generator_start(struct generator *generator, const char *const *arguments)
{
    int ends[2];
    char program[300];
    const char *all[PROCESS_ARGUMENTS_MAX] = { process_program("adit-load", program), "--events" };
    size_t count = 2;
    for (size_t i = 0; arguments[i] != NULL; i++) {
        ASSERT(count + 1 < PROCESS_ARGUMENTS_MAX);
        all[count++] = arguments[i];
    }
    *generator = (struct generator){ 0 };
    if (pipe(ends) != 0)
        bench_fail("pipe: %s", strerror(errno));
    pid_t parent = getpid();
    generator->pid = fork();
    if (generator->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(program, (char *const *)(uintptr_t)all);
        _exit(127);
    }
    close(ends[1]);
    generator->out = fdopen(ends[0], "r");
    if (generator->out == NULL)
        bench_fail("adit-load cannot be read");
    setvbuf(generator->out, NULL, _IONBF, 0); /* so that poll knows what there is */
}

static void take_wave(struct generator *generator, bool is_tip, const char *text)
{
    json_t *wave = json_loads(text, 0, NULL);
    if (wave == NULL || generator->wave_count == GENERATOR_WAVES_MAX)
        bench_fail("adit-load tells of more jobs than were made");
    generator->waves[generator->wave_count++] = (struct generator_wave){
        .is_tip = is_tip,
        .clean = json_is_true(json_object_get(wave, "clean")),
        .branches = (unsigned)json_integer_value(json_object_get(wave, "branches")),
        .miners = (unsigned)json_integer_value(json_object_get(wave, "miners")),
        .first_ns = (uint64_t)json_integer_value(json_object_get(wave, "first_ns")),
        .last_ns = (uint64_t)json_integer_value(json_object_get(wave, "last_ns")),
    };
    json_decref(wave);
}

static void take_slice(struct generator *generator, const char *text)
{
    json_t *slice = json_loads(text, 0, NULL);
    generator->slices[generator->slice_count++ % GENERATOR_SLICES_MAX] = (struct generator_slice){
        .end_ns = (uint64_t)json_integer_value(json_object_get(slice, "end_ns")),
        .accepted = json_number_value(json_object_get(slice, "accepted")),
        .p99_ms = json_number_value(json_object_get(slice, "p99_ms")),
    };
    json_decref(slice);
}

/* The next event's name into name_r; false at the end. */
static bool next_event(struct generator *generator, char name_r[32])
{
    char line[8192];
    while (fgets(line, sizeof line, generator->out) != NULL) {
        if (line[0] != '@')
            continue;
        size_t length = strcspn(line + 1, " \n");
        snprintf(name_r, 32, "%.*s", (int)length, line + 1);
        const char *rest = line + 1 + length;
        if (strcmp(name_r, "wave") == 0 || strcmp(name_r, "tip") == 0)
            take_wave(generator, name_r[0] == 't', rest);
        else if (strcmp(name_r, "slice") == 0)
            take_slice(generator, rest);
        else if (strcmp(name_r, "result") == 0)
            generator->result = json_loads(rest, 0, NULL);
        return true;
    }
    return false;
}

void generator_wait(struct generator *generator, const char *event)
{
    char name[32];
    do {
        if (!next_event(generator, name))
            bench_fail("adit-load ended before \"%s\"", event);
    } while (strcmp(name, event) != 0);
}

bool generator_wait_waves(struct generator *generator, size_t count, unsigned seconds)
{
    char name[32];
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)seconds * 1000000000u;
    while (generator->wave_count < count) {
        struct pollfd poller = { .fd = fileno(generator->out), .events = POLLIN };
        if (bench_now_ns() > deadline_ns)
            return false;
        if (poll(&poller, 1, 100) > 0 && !next_event(generator, name))
            bench_fail("adit-load ended before %zu jobs came", count);
    }
    return true;
}

const struct generator_wave *generator_find_wave(const struct generator *generator, bool is_tip,
                                                 bool with_branches)
{
    for (size_t i = 0; i < generator->wave_count; i++) {
        const struct generator_wave *wave = &generator->waves[i];
        if (wave->is_tip == is_tip && (is_tip || (wave->branches > 0) == with_branches))
            return wave;
    }
    return NULL;
}

void generator_forget_waves(struct generator *generator)
{
    generator->wave_count = 0;
}

void generator_watch(struct generator *generator, uint64_t until_ns)
{
    char name[32];
    for (uint64_t now_ns; (now_ns = bench_now_ns()) < until_ns;) {
        struct pollfd poller = { .fd = fileno(generator->out), .events = POLLIN };
        if (poll(&poller, 1, (int)((until_ns - now_ns) / 1000000) + 1) > 0 &&
            !next_event(generator, name))
            bench_fail("adit-load ended while it was watched");
    }
}

void generator_finish(struct generator *generator)
{
    char name[32];
    while (next_event(generator, name))
        continue;
    waitpid(generator->pid, NULL, 0);
    generator->pid = 0;
    if (generator->result == NULL)
        bench_fail("adit-load gave no result");
}

void generator_stop(struct generator *generator)
{
    kill(generator->pid, SIGKILL);
    waitpid(generator->pid, NULL, 0);
    generator->pid = 0;
}

void generator_deinit(struct generator *generator)
{
    fclose(generator->out);
    json_decref(generator->result);
    *generator = (struct generator){ 0 };
}

double generator_number(const struct generator *generator, const char *key)
{
    return json_number_value(json_object_get(generator->result, key));
}

double generator_latency_ms(const struct generator *generator, const char *key)
{
    return json_number_value(
        json_object_get(json_object_get(generator->result, "latency_ms"), key));
}

double generator_late_ms(const struct generator *generator, const char *key)
{
    return json_number_value(json_object_get(json_object_get(generator->result, "late_ms"), key));
}
