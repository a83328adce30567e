#include "generator.h"

#include <errno.h>
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
}

static void take_wave(struct generator *generator, const char *text)
{
    json_t *wave = json_loads(text, 0, NULL);
    struct generator_wave *kept = &generator->waves[generator->wave_count++ % GENERATOR_WAVES_MAX];
    snprintf(kept->job, sizeof kept->job, "%s", json_string_value(json_object_get(wave, "job")));
    kept->clean = json_is_true(json_object_get(wave, "clean"));
    kept->branches = (unsigned)json_integer_value(json_object_get(wave, "branches"));
    kept->miners = (unsigned)json_integer_value(json_object_get(wave, "miners"));
    kept->first_ns = (uint64_t)json_integer_value(json_object_get(wave, "first_ns"));
    kept->last_ns = (uint64_t)json_integer_value(json_object_get(wave, "last_ns"));
    json_decref(wave);
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
        if (strcmp(name_r, "wave") == 0)
            take_wave(generator, rest);
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

void generator_wait_waves(struct generator *generator, size_t count)
{
    char name[32];
    while (generator->wave_count < count)
        if (!next_event(generator, name))
            bench_fail("adit-load ended before %zu jobs came", count);
}

void generator_forget_waves(struct generator *generator)
{
    generator->wave_count = 0;
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
