#include "services/inode-scheduler/recovery.h"

#include <inttypes.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

/* tools/adit/supervisor.c writes them. */
static bool read_line(const char *line, struct recovery_process *process_r)
{
    int used = 0;
    struct recovery_process process = { .pid = 0 };
    if (sscanf(line, "%31s %32s %d %15s %u %u %" SCNu64 " %" SCNu64 " %" SCNu64 "%n", process.name,
               process.instance, &process.pid, process.state, &process.restarts, &process.attempts,
               &process.begun_unix_ms, &process.ended_unix_ms, &process.next_unix_ms, &used) != 9)
        return false;
    line += used;
    line += *line == ' ';
    snprintf(process.why, sizeof process.why, "%.*s", (int)strcspn(line, "\n"), line);
    *process_r = process;
    return true;
}

void recovery_read(struct recovery *recovery, const char *path)
{
    char line[LINE_BYTES];
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    recovery->known = file != NULL;
    recovery->count = 0;
    while (file != NULL && recovery->count < RECOVERY_PROCESSES_MAX &&
           fgets(line, sizeof line, file) != NULL)
        recovery->count += read_line(line, &recovery->list[recovery->count]);
    if (file != NULL)
        fclose(file);
}
