#include "adapter/http_kore/tests/probe_process.h"

#include "loop/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

char probe_folder[64];
char probe_log_path[96];

static const char *program(const char *name)
{
    static char path[4096];
    const char *build = getenv("ADIT_BUILD");
    char self[4096] = { 0 };
    if (build == NULL) {
        /* beside this program */
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        *strrchr(self, '/') = '\0';
        snprintf(path, sizeof path, "%.3000s/%s", self, name);
    } else {
        snprintf(path, sizeof path, "%.3000s/tests/%s", build, name);
    }
    return path;
}

pid_t probe_start(const char *name, const char *argument, const char *variable)
{
    char *const path = strdup(program(name));
    int log = open(probe_log_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        setenv("ADIT_AUTH__ADMIN_ADDRESS", "127.0.0.1:0", 1);
        setenv("ADIT_AUTH__HTTP_ADDRESS", "127.0.0.1:0", 1);
        if (variable != NULL)
            putenv(strdup(variable));
        execl(path, path, "--data", probe_folder, argument, (char *)NULL);
        _exit(127);
    }
    close(log);
    free(path);
    return pid;
}

const char *probe_log(void)
{
    static char text[65536];
    int fd = open(probe_log_path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

bool probe_await(const char *wanted)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    while (strstr(probe_log(), wanted) == NULL) {
        if (loop_clock_ns() > deadline_ns)
            return false;
        poll(NULL, 0, 5);
    }
    return true;
}

int probe_end(pid_t pid)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (loop_clock_ns() > deadline_ns) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            fail_msg("the process did not end:\n%s", probe_log());
        }
        poll(NULL, 0, 5);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static uint16_t port_after(const char *words)
{
    const char *at = strstr(probe_log(), words);
    return at != NULL ? (uint16_t)atoi(strchr(at + strlen(words), ':') + 1) : 0;
}

void probe_start_ready(struct probe *probe, const char *name, const char *variable)
{
    probe->pid = probe_start(name, NULL, variable);
    if (!probe_await("service.ready")) {
        kill(probe->pid, SIGKILL);
        fail_msg("not ready:\n%s", probe_log());
    }
    probe->admin_port = port_after("admin.listen address=");
    probe->http_port = port_after("http.listen address=");
}

int probe_stop(const struct probe *probe)
{
    kill(probe->pid, SIGTERM);
    int code = probe_end(probe->pid);
    if (strstr(probe_log(), "Sanitizer") != NULL)
        fail_msg("%s", probe_log());
    return code;
}

int probe_dial(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

void probe_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

bool probe_hear(int fd, const char *wanted, char *text_r, size_t bytes)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    size_t used = 0;
    for (;;) {
        text_r[used] = '\0';
        if (strstr(text_r, wanted) != NULL)
            return true;
        struct pollfd one = { .fd = fd, .events = POLLIN };
        if (loop_clock_ns() > deadline_ns || used + 1 == bytes)
            return false;
        if (poll(&one, 1, 100) == 0)
            continue;
        ssize_t got = recv(fd, text_r + used, bytes - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
    }
}

void probe_answers(uint16_t port, const char *request, const char *wanted)
{
    char text[8192];
    int fd = probe_dial(port);
    assert_true(fd >= 0);
    probe_say(fd, request);
    if (!probe_hear(fd, wanted, text, sizeof text))
        fail_msg("no \"%s\" in: %s", wanted, text);
    close(fd);
}

int probe_make_folder(void **state)
{
    (void)state;
    snprintf(probe_folder, sizeof probe_folder, "/tmp/adit-probe.XXXXXX");
    if (mkdtemp(probe_folder) == NULL)
        return -1;
    snprintf(probe_log_path, sizeof probe_log_path, "%s/log", probe_folder);
    return 0;
}

int probe_remove_folder(void **state)
{
    (void)state;
    char path[128];
    unlink(probe_log_path);
    snprintf(path, sizeof path, "%s/run/kore-probe-1.kore.pid", probe_folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/run", probe_folder);
    rmdir(path);
    return rmdir(probe_folder);
}
