#include "sample.h"

#include "tools/load/histogram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double sample_cpu_seconds(pid_t pid)
{
    char path[64], line[1024];
    unsigned long user = 0, kernel = 0;
    long children_user = 0, children_kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *behind_name = strrchr(line, ')');
        if (behind_name == NULL ||
            sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
                   &user, &kernel, &children_user, &children_kernel) != 4)
            user = kernel = 0;
    }
    if (file != NULL)
        fclose(file);
    /* The process's own clock tells nanoseconds; its children's time comes in ticks alone. */
    double ticks_a_second = (double)sysconf(_SC_CLK_TCK);
    double own_s = (double)(user + kernel) / ticks_a_second;
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0)
        own_s = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    return own_s + (double)(children_user + children_kernel) / ticks_a_second;
}

double sample_family_cpu_seconds(pid_t pid)
{
    char path[64];
    int child;
    double seconds = sample_cpu_seconds(pid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &child) == 1)
        seconds += sample_cpu_seconds((pid_t)child);
    if (file != NULL)
        fclose(file);
    return seconds;
}

uint64_t sample_memory(pid_t pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return (uint64_t)kib * 1024;
}

double sample_metric(unsigned port, const char *name)
{
    enum { ANSWER_BYTES = 1 << 20 };
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n";
    static char text[ANSWER_BYTES];
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    size_t used = 0, length = strlen(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
        for (ssize_t got; (got = recv(fd, text + used, ANSWER_BYTES - 1 - used, 0)) > 0;)
            used += (size_t)got;
    close(fd);
    text[used] = '\0';
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += length)
        if ((at == text || at[-1] == '\n') && at[length] == ' ')
            return strtod(at + length, NULL);
    return 0;
}

struct sample_disk sample_disk(const char *folder, size_t bytes, double seconds, long pause_ms)
{
    static struct histogram histogram;
    char path[128], *data = calloc(1, bytes);
    memset(&histogram, 0, sizeof histogram);
    snprintf(path, sizeof path, "%s/fsync", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || data == NULL)
        bench_fail("%s: %s", path, strerror(errno));
    uint64_t begin_ns = bench_now_ns();
    for (uint64_t at_ns = begin_ns; (double)(at_ns - begin_ns) < seconds * 1e9;) {
        if (write(fd, data, bytes) != (ssize_t)bytes || fdatasync(fd) != 0)
            bench_fail("%s: %s", path, strerror(errno));
        histogram_add(&histogram, bench_now_ns() - at_ns);
        bench_pause_ms(pause_ms);
        at_ns = bench_now_ns();
    }
    close(fd);
    unlink(path);
    free(data);
    return (struct sample_disk){ .p50_ms = (double)histogram_at(&histogram, 500000) / 1e6,
                                 .p99_ms = (double)histogram_at(&histogram, 990000) / 1e6,
                                 .max_ms = (double)histogram.max / 1e6,
                                 .count = histogram.total };
}

double sample_load_average(void)
{
    double average = 0;
    return getloadavg(&average, 1) == 1 ? average : 0;
}
