#include "process.h"

#include "base/test_port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "adit bench: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

const char *process_program(const char *name, char path_r[300])
{
    ssize_t length = readlink("/proc/self/exe", path_r, 299);
    if (length <= 0)
        bench_fail("/proc/self/exe: %s", strerror(errno));
    path_r[length] = '\0';
    char *slash = strrchr(path_r, '/');
    snprintf(slash + 1, 300 - (size_t)(slash + 1 - path_r), "%s", name);
    return path_r;
}

static void open_notify(struct process *process, const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(process->notify, sizeof process->notify, "%.70s/run/n-%.20s", folder, process->name);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", process->notify);
    unlink(process->notify);
    process->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (process->notify_fd < 0 ||
        bind(process->notify_fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("%s: %s", process->notify, strerror(errno));
}

static _Noreturn void become(const struct process *process, const char *const *arguments,
                             const char *const *variables, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (process->notify[0] != '\0')
        setenv("NOTIFY_SOCKET", process->notify, 1);
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        putenv((char *)(uintptr_t)variables[i]);
    execv(arguments[0], (char *const *)(uintptr_t)arguments);
    fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

void process_start(struct process *process, const char *folder, const char *name,
                   const char *const *arguments, const char *const *variables, bool notifies)
{
    *process = (struct process){ .notify_fd = -1 };
    snprintf(process->name, sizeof process->name, "%s", name);
    snprintf(process->log, sizeof process->log, "%.80s/log/%.31s.log", folder, name);
    if (notifies)
        open_notify(process, folder);
    pid_t parent = getpid();
    process->pid = fork();
    if (process->pid < 0)
        bench_fail("cannot start %s: %s", name, strerror(errno));
    if (process->pid == 0)
        become(process, arguments, variables, parent);
}

static void print_tail(const struct process *process)
{
    char line[1024];
    FILE *file = fopen(process->log, "re");
    if (file == NULL)
        return;
    if (fseek(file, -2000, SEEK_END) != 0)
        rewind(file);
    while (fgets(line, sizeof line, file) != NULL)
        fputs(line, stderr);
    fclose(file);
}

void process_wait_ready(struct process *process, unsigned seconds)
{
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)seconds * 1000000000u;
    while (bench_now_ns() < deadline_ns) {
        struct pollfd poller = { .fd = process->notify_fd, .events = POLLIN };
        char text[1024];
        int status;
        if (waitpid(process->pid, &status, WNOHANG) == process->pid) {
            process->pid = 0;
            break;
        }
        if (poll(&poller, 1, 50) <= 0)
            continue;
        ssize_t length = recv(process->notify_fd, text, sizeof text - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        if (strstr(text, "READY=1") != NULL)
            return;
    }
    print_tail(process);
    bench_fail("%s is not ready%s", process->name, process->pid == 0 ? ": it ended" : "");
}

static void close_notify(struct process *process)
{
    if (process->notify_fd >= 0)
        close(process->notify_fd);
    process->notify_fd = -1;
}

void process_end(struct process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGTERM);
    for (int i = 0; i < 500 && waitpid(process->pid, NULL, WNOHANG) == 0; i++) {
        if (i == 499) {
            kill(process->pid, SIGKILL);
            waitpid(process->pid, NULL, 0);
        }
        bench_pause_ms(10);
    }
    process->pid = 0;
    close_notify(process);
}

void process_kill(struct process *process)
{
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    process->pid = 0;
    close_notify(process);
}

void process_pin(const struct process *process, unsigned processor)
{
    char path[64];
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
    snprintf(path, sizeof path, "/proc/%d/task", (int)process->pid);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.')
            (void)sched_setaffinity((pid_t)atoi(entry->d_name), sizeof set, &set);
    if (threads != NULL)
        closedir(threads);
}

unsigned process_free_port(void)
{
    unsigned port = test_port();
    if (port == 0)
        bench_fail("no free port");
    return port;
}
