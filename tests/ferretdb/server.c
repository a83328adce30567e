#include "tests/ferretdb/server.h"

#include "base/test_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_DEADLINE_MS = 60000 };

static bool answers(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

static void become_server(const struct mongo_server *server, int leash, pid_t parent)
{
    char port[16], address[32], log[128];
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(address, sizeof address, "127.0.0.1:%d", server->port);
    snprintf(log, sizeof log, "%s/log", server->folder);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(leash, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (server->real)
        execl(server->program, "mongod", "--dbpath", server->folder, "--port", port, "--bind_ip",
              "127.0.0.1", "--nounixsocket", (char *)NULL);
    else
        execl(server->program, "ferretdb", server->folder, address, (char *)NULL);
    _exit(127);
}

bool mongo_server_restart(struct mongo_server *server, struct error *error)
{
    int leash[2];
    if (pipe2(leash, O_CLOEXEC) != 0)
        return error_system(error, errno, "cannot start %s", server->program);
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0)
        become_server(server, leash[0], parent);
    close(leash[0]);
    server->leash = leash[1];
    for (int waited = 0; waited < START_DEADLINE_MS; waited += 20) {
        if (answers(server->port))
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            close(server->leash);
            return error_set(error, ERROR_UNAVAILABLE, "%s ended at once, see %s/log",
                             server->program, server->folder);
        }
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    }
    return error_set(error, ERROR_TIMEOUT, "%s does not answer", server->program);
}

/* The first `name` on the PATH. */
static bool find_program(const char *name, char *path_r, size_t bytes)
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        snprintf(path_r, bytes, "%.*s/%s", (int)length, path, name);
        if (access(path_r, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

/* Why setup made no FerretDB. */
static void read_reason(const char *build, struct error *error)
{
    char path[512], reason[256] = "";
    snprintf(path, sizeof path, "%s/ferretdb/skipped", build);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(reason, sizeof reason, file) == NULL)
            reason[0] = '\0';
        fclose(file);
    }
    reason[strcspn(reason, "\n")] = '\0';
    error_fill(error, ERROR_UNAVAILABLE, "%s",
               reason[0] != '\0' ? reason
                                 : "no MongoDB, and tests/ferretdb/setup has not been run");
}

/* A database of this run's own in the server of `url`, whose own path and options are kept as far
 * as a path of ours lets them be. */
static void url_with_database(const char *url, char *url_r, size_t bytes)
{
    const char *hosts = strstr(url, "://");
    size_t head = hosts == NULL ? 0 : (size_t)(hosts - url) + 3;
    head += strcspn(url + head, "/?");
    const char *options = strchr(url + head, '?');
    snprintf(url_r, bytes, "%.*s/adit_test_%ld_%d%s", (int)head, url, (long)time(NULL),
             (int)getpid(), options == NULL ? "" : options);
}

bool mongo_server_start(struct mongo_server *server, struct error *error)
{
    memset(server, 0, sizeof *server);
    const char *given = getenv("ADIT_TEST_MONGO_URL");
    if (given != NULL && *given != '\0') {
        url_with_database(given, server->url, sizeof server->url);
        return true;
    }
    const char *build = getenv("ADIT_BUILD");
    server->real = find_program("mongod", server->program, sizeof server->program);
    if (!server->real) {
        snprintf(server->program, sizeof server->program, "%s/ferretdb/ferretdb",
                 build == NULL ? "." : build);
        if (access(server->program, X_OK) != 0) {
            read_reason(build == NULL ? "." : build, error);
            return false;
        }
    }
    snprintf(server->folder, sizeof server->folder, "/tmp/adit-mongo-XXXXXX");
    if (mkdtemp(server->folder) == NULL)
        return error_system(error, errno, "cannot make %s", server->folder);
    /* a free port may be taken by another before the server has it */
    for (int i = 0; i < 3; i++) {
        server->port = (int)test_port();
        if (server->port == 0 || !mongo_server_restart(server, error))
            continue;
        char base[64];
        snprintf(base, sizeof base, "mongodb://127.0.0.1:%d", server->port);
        url_with_database(base, server->url, sizeof server->url);
        return true;
    }
    return false;
}

void mongo_server_kill(struct mongo_server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    close(server->leash);
    server->pid = 0;
}

void mongo_server_stop(struct mongo_server *server)
{
    mongo_server_kill(server);
    if (server->folder[0] == '\0')
        return;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", server->folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", server->folder);
}
