#include "adapter/window_redis/testing/redis_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 48, START_PATIENCE_S = 60 };

bool redis_server_found(void)
{
    const char *path = getenv("PATH");
    char one[512];
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");
        snprintf(one, sizeof one, "%.*s/redis-server", (int)length, at);
        if (access(one, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* In the child. */
static void become_server(const struct redis_server *server, pid_t parent)
{
    char socket_path[160];
    char log_path[160];
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", server->folder);
    snprintf(log_path, sizeof log_path, "%s/redis.log", server->folder);
    const char *arguments[ARGUMENTS_MAX] = {
        "redis-server", "--port",    "0",      "--unixsocket", socket_path, "--dir",
        server->folder, "--save",    "",       "--appendonly", "yes",       "--appendfsync",
        "always",       "--logfile", log_path, "--daemonize",  "no",        "--maxmemory-policy",
        "noeviction",
    };
    size_t count = 19;
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL; i++)
        if (count + 1 < ARGUMENTS_MAX)
            arguments[count++] = server->options[i];
    if (server->file_bytes_max != 0) {
        const struct rlimit limit = { server->file_bytes_max, server->file_bytes_max };
        signal(SIGXFSZ, SIG_IGN); /* a write then fails, as on a full disk */
        (void)setrlimit(RLIMIT_FSIZE, &limit);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    execvp("redis-server", (char *const *)arguments);
    _exit(127);
}

bool redis_server_restart(struct redis_server *server, struct error *error)
{
    const pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0)
        become_server(server, parent);
    if (server->pid < 0) {
        server->pid = 0;
        return error_system(error, errno, "fork");
    }
    return true;
}

/* One PING by hand. */
static bool answers(const struct redis_server *server)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/redis.sock", server->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    char answer[8] = "";
    const struct timeval patience = { .tv_usec = 200000 };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool good = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                write(fd, "PING\r\n", 6) == 6 && read(fd, answer, 7) == 7 &&
                strcmp(answer, "+PONG\r\n") == 0;
    close(fd);
    return good;
}

bool redis_server_wait(struct redis_server *server, struct error *error)
{
    const struct timespec pause = { .tv_nsec = 5000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (const time_t end_s = now.tv_sec + START_PATIENCE_S; now.tv_sec <= end_s;
         clock_gettime(CLOCK_MONOTONIC, &now)) {
        if (answers(server))
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return error_set(error, ERROR_UNAVAILABLE, "redis-server ended at once");
        }
        nanosleep(&pause, NULL);
    }
    return error_set(error, ERROR_TIMEOUT, "redis-server does not answer");
}

bool redis_server_begin(struct redis_server *server, const char *const *options,
                        struct error *error)
{
    return redis_server_begin_small(server, options, 0, error);
}

bool redis_server_begin_small(struct redis_server *server, const char *const *options,
                              uint64_t file_bytes_max, struct error *error)
{
    memset(server, 0, sizeof *server);
    server->options = options;
    server->file_bytes_max = file_bytes_max;
    snprintf(server->folder, sizeof server->folder, "/tmp/adit-redis-XXXXXX");
    if (mkdtemp(server->folder) == NULL)
        return error_system(error, errno, "a temporary folder");
    snprintf(server->url, sizeof server->url, "unix:%s/redis.sock", server->folder);
    return redis_server_restart(server, error) && redis_server_wait(server, error);
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    server->pid = 0;
}

void redis_server_stop(const struct redis_server *server)
{
    int status = 0;
    kill(server->pid, SIGSTOP);
    while (waitpid(server->pid, &status, WUNTRACED) < 0 && errno == EINTR)
        continue;
}

void redis_server_continue(const struct redis_server *server)
{
    kill(server->pid, SIGCONT);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void redis_server_end(struct redis_server *server)
{
    redis_server_kill(server);
    if (server->folder[0] != '\0')
        (void)nftw(server->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    server->folder[0] = '\0';
}
