/* adit bench: the benchmarks are programs of their own, built beside this one when they are asked
 * for, and measured without it. */
#include "commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The benchmarks have their own options, so they get the command line as it is. */
int command_bench(const struct options *options)
{
    char path[300], *arguments[64] = { path };
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 16);
    if (length <= 0) {
        perror("adit: /proc/self/exe");
        return 1;
    }
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, "adit-bench");
    for (int i = 0; i < options->rest_count && i < 62; i++)
        arguments[i + 1] = options->rest[i];
    execv(path, arguments);
    fprintf(stderr, "adit: %s is not built: ./adit bench builds it first\n", path);
    return 1;
}
