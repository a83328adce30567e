#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ports.h"

enum { LOG_BYTES_MAX = 64 * 1024 * 1024, SERVED_MS = 1000 };

const char *child_state_name(enum child_state state)
{
    static const char *const names[] = { "waiting", "starting", "running", "stopping", "ended" };
    return names[state];
}

void child_init(struct child *child, const char *name, const char *instance)
{
    *child = (struct child){ .state = CHILD_WAITING,
                             .backoff_ms = CHILD_BACKOFF_FIRST_MS,
                             .notify_fd = -1 };
    snprintf(child->name, sizeof child->name, "%s", name);
    snprintf(child->instance, sizeof child->instance, "%s", instance);
}

void child_argument(struct child *child, const char *text)
{
    ASSERT(child->argument_count + 1 < CHILD_ARGUMENTS_MAX);
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    child->arguments[child->argument_count++] = copy;
}

void child_variable(struct child *child, const char *text)
{
    ASSERT(child->variable_count < CHILD_VARIABLES_MAX);
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    child->variables[child->variable_count++] = copy;
}

void child_deinit(struct child *child)
{
    for (size_t i = 0; i < child->variable_count; i++)
        free(child->variables[i]);
    for (size_t i = 0; i < child->argument_count; i++)
        free(child->arguments[i]);
    if (child->notify_fd >= 0) {
        loop_remove(child->loop, &child->notify_source);
        close(child->notify_fd);
        unlink(child->notify_path);
    }
}

static void enter_running(struct child *child)
{
    child->state = CHILD_RUNNING;
    child->ready_ms = loop_now_ms(child->loop);
}

/* sd_notify(3): datagrams of NAME=value lines. */
static void on_notify(void *context, uint32_t ready)
{
    (void)ready;
    struct child *child = context;
    char message[2048];
    for (;;) {
        ssize_t length = recv(child->notify_fd, message, sizeof message - 1, MSG_DONTWAIT);
        if (length < 0)
            return;
        message[length] = '\0';
        child->silent_ms = 0;
        char *rest = message;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            if (strcmp(line, "READY=1") == 0 && child->state == CHILD_STARTING)
                enter_running(child);
            else if (strncmp(line, "STATUS=", 7) == 0)
                snprintf(child->status, sizeof child->status, "%s", line + 7);
            else if (strncmp(line, "X_ADIT_FAILED=", 14) == 0)
                snprintf(child->failure, sizeof child->failure, "%s", line + 14);
        }
    }
}

bool child_open(struct child *child, struct loop *loop, const char *run_dir, struct error *error)
{
    child->loop = loop;
    if (child->readiness != CHILD_READY_NOTIFY)
        return true;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int length = snprintf(child->notify_path, sizeof child->notify_path, "%s/notify-%s-%s", run_dir,
                          child->name, child->instance);
    if (length < 0 || (size_t)length >= sizeof address.sun_path)
        return error_set(error, ERROR_INVALID,
                         "the data folder's path is too long for unix sockets: use --data with a "
                         "shorter one (%s)",
                         run_dir);
    memcpy(address.sun_path, child->notify_path, (size_t)length + 1);
    unlink(child->notify_path);
    child->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (child->notify_fd < 0 ||
        bind(child->notify_fd, (struct sockaddr *)&address, sizeof address) != 0)
        return error_system(error, errno, "%s", child->notify_path);
    child->notify_source =
        (struct loop_source){ .fd = child->notify_fd, .on_ready = on_notify, .context = child };
    return loop_add(loop, &child->notify_source, EPOLLIN, error);
}

/* In the new process: its own group, so that Ctrl-C in the terminal reaches the supervisor alone,
 * which stops everything in order; and the supervisor's death is its end too. */
static _Noreturn void become(const struct child *child, int log_fd, pid_t supervisor)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (child->gentle)
        setpriority(PRIO_PROCESS, 0, 10);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    if (child->readiness == CHILD_READY_NOTIFY)
        setenv("NOTIFY_SOCKET", child->notify_path, 1);
    unsetenv("WATCHDOG_USEC"); /* of who supervises us */
    if (child->hung_ms != 0) {
        char patience[24];
        snprintf(patience, sizeof patience, "%" PRIu64, child->hung_ms * 1000);
        setenv("WATCHDOG_USEC", patience, 1);
    }
    for (size_t i = 0; i < child->variable_count; i++)
        putenv(child->variables[i]);
    execv(child->arguments[0], child->arguments);
    fprintf(stderr, "cannot run %s: %s\n", child->arguments[0], strerror(errno));
    _exit(127);
}

bool child_start(struct child *child, struct error *error)
{
    int log_fd = open(child->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return error_system(error, errno, "%s", child->log_path);
    pid_t supervisor = getpid(), pid = fork();
    if (pid < 0) {
        int trouble = errno;
        close(log_fd);
        return error_system(error, trouble, "cannot start %s", child->name);
    }
    if (pid == 0)
        become(child, log_fd, supervisor);
    close(log_fd);
    child->pid = pid;
    child->failure[0] = '\0';
    child->started_ms = loop_now_ms(child->loop);
    child->begun_unix_ms = loop_unix_ms();
    child->ready_ms = 0;
    child->silent_ms = 0;
    child->hung = child->killed = false;
    child->state = CHILD_STARTING;
    if (child->readiness == CHILD_READY_STARTED)
        enter_running(child);
    return true;
}

static bool connects(const char *where)
{
    if (where[0] == '/') {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(where) >= sizeof address.sun_path)
            return false;
        memcpy(address.sun_path, where, strlen(where) + 1);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        if (fd >= 0)
            close(fd);
        return yes;
    }
    char host[256], port[16];
    struct addrinfo *found;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    if (!port_split(where, host, sizeof host, port, sizeof port, NULL) ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return yes;
}

void child_probe(struct child *child)
{
    if (child->state == CHILD_STARTING && child->readiness == CHILD_READY_CONNECT &&
        connects(child->connect_to))
        enter_running(child);
}

/* What it said itself says more than its exit code. */
static void keep_reason(struct child *child, int status)
{
    char how[64];
    child_describe_end(status, how, sizeof how);
    char hung[64] = "";
    if (child->hung)
        snprintf(hung, sizeof hung, "it hung, %" PRIu64 " s without a sign of life; ",
                 child->hung_ms / 1000);
    snprintf(child->last_end, sizeof child->last_end, "%s%s%s%s", hung, how,
             child->failure[0] != '\0' ? ": " : "", child->failure);
    for (char *at = child->last_end; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' '; /* run/processes has a line for each process */
}

void child_settle(struct child *child)
{
    if (child->attempts > 0 && child->state == CHILD_RUNNING &&
        loop_now_ms(child->loop) - child->ready_ms >= SERVED_MS)
        child->attempts = 0;
}

/* Who is held by a debugger says nothing either. */
static bool is_traced(pid_t pid)
{
    char path[32], line[128];
    unsigned tracer = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "TracerPid: %u", &tracer) != 1)
        continue;
    fclose(file);
    return tracer != 0;
}

bool child_watch(struct child *child, uint64_t passed_ms)
{
    const bool starting = child->state == CHILD_STARTING;
    if (child->hung_ms == 0 || child->pid == 0 || (!starting && child->state != CHILD_RUNNING))
        return false;
    if (is_traced(child->pid))
        return false;
    /* When the supervisor itself was stopped, or the machine slept, nobody looked. */
    child->silent_ms += passed_ms < CHILD_LOOK_MS ? passed_ms : CHILD_LOOK_MS;
    const uint64_t patience_ms = child->hung_ms + (starting ? child->start_ms : 0);
    if (!child->hung && child->silent_ms >= patience_ms) {
        child->hung = true;
        child_signal(child, SIGTERM);
        return true;
    }
    if (child->hung && !child->killed && child->silent_ms >= patience_ms + CHILD_HUNG_TERM_MS) {
        child->killed = true;
        child_signal(child, SIGKILL);
    }
    return false;
}

uint64_t child_next_unix_ms(const struct child *child)
{
    if (child->state != CHILD_WAITING || child->ended_unix_ms == 0)
        return 0; /* nor was it ever started */
    uint64_t now = loop_now_ms(child->loop);
    return loop_unix_ms() + (child->start_again_ms > now ? child->start_again_ms - now : 0);
}

void child_ended(struct child *child, int status)
{
    if (child->notify_fd >= 0)
        on_notify(child, 0); /* its last words may be newer than the loop's round */
    child->pid = 0;
    child->last_status = status;
    child->status[0] = '\0';
    child->ended_unix_ms = loop_unix_ms();
    keep_reason(child, status);
    child->hung = child->killed = false;
    if (child->state == CHILD_STOPPING) {
        child->state = CHILD_ENDED;
        return;
    }
    /* How long it had served decides, not how often it died: whoever kills a process that works
     * shall not keep it down, and one that cannot start shall not be tried without pause. */
    uint64_t now = loop_now_ms(child->loop);
    child->start_again_ms = now;
    if (child->ready_ms != 0 && now - child->ready_ms >= SERVED_MS) {
        child->backoff_ms = CHILD_BACKOFF_FIRST_MS;
        child->attempts = 0;
    } else {
        child->start_again_ms += child->backoff_ms;
        child->backoff_ms *= 2;
        if (child->backoff_ms > CHILD_BACKOFF_LAST_MS)
            child->backoff_ms = CHILD_BACKOFF_LAST_MS;
    }
    child->restarts++;
    child->attempts++;
    child->state = CHILD_WAITING;
}

void child_signal(struct child *child, int signal_number)
{
    if (child->pid <= 0)
        return;
    if (signal_number != SIGKILL || kill(-child->pid, SIGKILL) != 0)
        kill(child->pid, signal_number);
}

void child_describe_end(int status, char *text_r, size_t bytes)
{
    if (WIFSIGNALED(status))
        snprintf(text_r, bytes, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(text_r, bytes, "exit code %d", WEXITSTATUS(status));
}

void child_last_words(const struct child *child, char *text_r, size_t bytes)
{
    snprintf(text_r, bytes, "%s", child->failure);
    FILE *file = child->failure[0] == '\0' ? fopen(child->log_path, "r") : NULL;
    if (file == NULL)
        return;
    if (fseek(file, -4096, SEEK_END) != 0)
        rewind(file);
    char line[1024];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            snprintf(text_r, bytes, "%s", line);
    }
    fclose(file);
}

void child_rotate_log(const struct child *child)
{
    struct stat about;
    if (stat(child->log_path, &about) != 0 || about.st_size < LOG_BYTES_MAX)
        return;
    char aside[sizeof child->log_path + 8];
    snprintf(aside, sizeof aside, "%s.1", child->log_path);
    int from = open(child->log_path, O_RDWR | O_CLOEXEC);
    int to = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static char block[1 << 16];
    ssize_t length;
    while (from >= 0 && to >= 0 && (length = read(from, block, sizeof block)) > 0)
        if (write(to, block, (size_t)length) != length)
            break;
    /* The process appends to the same file; what it wrote between the last read and this line is
     * lost, which a log of debug size may. */
    if (from >= 0 && to >= 0 && ftruncate(from, 0) != 0)
        unlink(aside);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}
