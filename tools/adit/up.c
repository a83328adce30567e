/* adit up and adit down. */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"
#include "ports.h"
#include "supervisor.h"

/* As the services have them (docs/operations.md). */
enum { EXIT_SETTINGS = 64, EXIT_PORT = 65 };

struct announcement {
    const struct plan *plan;
    int ready_fd; /* the waiting foreground of --detach; -1: none */
};

static void announce(void *context)
{
    struct announcement *self = context;
    const struct settings *settings = &self->plan->settings;
    char host[200], port[16];
    if (!port_split(settings->stratum_address, host, sizeof host, port, sizeof port, NULL))
        snprintf(port, sizeof port, "?");
    bool everywhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    if (everywhere && gethostname(host, sizeof host) != 0)
        snprintf(host, sizeof host, "127.0.0.1");
    printf("\nadit: the pool is up on %s\n"
           "  point a miner at   stratum+tcp://%s:%s   (user: ADDRESS.worker, password: x)\n"
           "  look at            http://%s/\n"
           "  from another shell ./adit status, ./adit logs SERVICE, ./adit down\n",
           settings->chain_profile, host, port, settings->scheduler_http_address);
    if (self->plan->demo)
        printf("  the demo's miners work for addresses nobody holds the key of\n");
    printf("\n");
    fflush(stdout);
    if (self->ready_fd >= 0) {
        if (write(self->ready_fd, "r", 1) != 1)
            fprintf(stderr, "adit: the starting shell is gone\n");
        close(self->ready_fd);
        self->ready_fd = -1;
        /* From here on there is no terminal; what the supervisor says goes to its log. */
        char path[300];
        snprintf(path, sizeof path, "%s/log/adit.log", self->plan->data_dir);
        int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log >= 0) {
            dup2(log, STDOUT_FILENO);
            dup2(log, STDERR_FILENO);
            close(log);
        }
    }
}

/* The foreground of --detach: waits until the background says that all are ready, or ends. Its exit
 * code then. */
static int wait_for_ready(int fd, pid_t background)
{
    char byte;
    ssize_t length;
    int status = 0;
    do
        length = read(fd, &byte, 1);
    while (length < 0 && errno == EINTR);
    if (length == 1)
        return 0;
    while (waitpid(background, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
}

int command_up(const struct options *options)
{
    static struct plan plan;
    struct error error;
    int pipe_fds[2] = { -1, -1 };
    bool port_taken = false;
    int code = 0, lock = -1;
    if (!plan_open(&plan, options, &error))
        code = EXIT_SETTINGS;
    else if ((lock = lock_take(plan.data_dir, &error)) < 0)
        code = 1;
    else if (!plan_list(&plan, options, &port_taken, &error))
        code = port_taken ? EXIT_PORT : EXIT_SETTINGS;
    if (code != 0) {
        fprintf(stderr, "adit: %s\n", error.text);
        plan_deinit(&plan);
        return code;
    }
    if (options->detach) {
        if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
            perror("adit: pipe");
            return 1;
        }
        pid_t pid = fork();
        if (pid < 0) {
            perror("adit: fork");
            return 1;
        }
        if (pid > 0) {
            close(pipe_fds[1]);
            return wait_for_ready(pipe_fds[0], pid);
        }
        close(pipe_fds[0]);
        setsid();
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        dup2(null_fd, STDIN_FILENO);
    }
    lock_write(lock, getpid());
    struct announcement announcement = { .plan = &plan, .ready_fd = pipe_fds[1] };
    code = supervise(&plan, !options->detach, announce, &announcement);
    close(lock);
    return code;
}

int command_down(const struct options *options)
{
    char data_dir[80];
    struct error error;
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    pid_t pid = lock_owner(data_dir);
    if (pid == 0) {
        printf("adit: no pool runs on %s\n", data_dir);
        return 0;
    }
    if (kill(pid, SIGTERM) != 0) {
        fprintf(stderr, "adit: cannot stop pid %d: %s\n", (int)pid, strerror(errno));
        return 1;
    }
    for (int tries = 0; tries < 1200; tries++) {
        if (lock_owner(data_dir) == 0) {
            printf("adit: stopped\n");
            return 0;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    fprintf(stderr, "adit: pid %d has not stopped within a minute: see %s/log/adit.log\n", (int)pid,
            data_dir);
    return 1;
}
