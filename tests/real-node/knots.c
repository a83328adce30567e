#include "tests/real-node/knots.h"

#include "base/test_port.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void PRINTF_LIKE(1, 2) give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "KNOTS: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

bool knots_install(struct knots *knots, const char *kind)
{
    char command[5000];
    const char *given =
        getenv(strcmp(kind, "knots") == 0 ? "ADIT_TEST_KNOTS" : "ADIT_TEST_LITECOIND");
    const char *build = getenv("ADIT_BUILD");
    const char *source = getenv("ADIT_SOURCE");
    *knots = (struct knots){ .kind = kind };
    if (source == NULL)
        source = ".";
    if (given != NULL)
        snprintf(knots->root, sizeof knots->root, "%s", given);
    else
        snprintf(knots->root, sizeof knots->root, "%s/real-node/%s",
                 build == NULL ? "build" : build, kind);
    snprintf(knots->script, sizeof knots->script, "%s/tests/real-node/run-node", source);
    snprintf(command, sizeof command, "exec sh '%s/tests/real-node/real-node-setup' %s '%s'",
             source, kind, knots->root);
    fflush(stdout);
    int status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        give_up("real-node-setup failed");
    if (geteuid() != 0) {
        puts("SKIPPED: the real node is run by chroot, which needs root");
        return false;
    }
    return true;
}

/* Runs that died left their chains behind; their names tell whose they were. */
static void remove_leftovers(const struct knots *knots)
{
    char command[5000];
    snprintf(command, sizeof command,
             "for d in '%s'/srv/adit-test-*; do p=${d##*-}; p=${p%%.log}; "
             "[ -e \"$d\" ] && ! kill -0 \"$p\" 2>/dev/null && rm -rf \"$d\"; done; :",
             knots->root);
    if (system(command) != 0)
        fprintf(stderr, "KNOTS: cannot remove what earlier runs left\n");
}

/* bitcoin-cli's output, NULL where it failed. */
static char *cli(const struct knots *knots, const char *wallet, const char *words)
{
    char command[16384];
    int length = snprintf(command, sizeof command, "exec '%s' %s '%s' '%s' %u cli %s%s %s 2>&1",
                          knots->script, knots->kind, knots->root, knots->data, knots->port,
                          wallet == NULL ? "" : "-rpcwallet=", wallet == NULL ? "" : wallet, words);
    if (length >= (int)sizeof command)
        give_up("the command is too long");
    FILE *out = popen(command, "re");
    if (out == NULL)
        give_up("popen: %s", strerror(errno));
    size_t room = 8 << 20;
    char *text = malloc(room);
    ASSERT(text != NULL);
    size_t got = fread(text, 1, room - 1, out);
    text[got] = 0;
    if (got > 0 && text[got - 1] == '\n')
        text[got - 1] = 0;
    if (pclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void knots_start(struct knots *knots, const char *option)
{
    char port[16];
    char log[4300];
    remove_leftovers(knots);
    snprintf(knots->data, sizeof knots->data, "adit-test-%s%ld", knots->is_peer ? "peer-" : "",
             (long)getpid());
    knots->port = test_port();
    snprintf(port, sizeof port, "%u", knots->port);
    snprintf(log, sizeof log, "%s/srv/%s.log", knots->root, knots->data);
    knots->pid = fork();
    if (knots->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl(knots->script, knots->script, knots->kind, knots->root, knots->data, port, option,
              (char *)NULL);
        _exit(127);
    }
    time_t deadline = time(NULL) + 60;
    char *answer = NULL;
    while ((answer = cli(knots, NULL, "getblockcount")) == NULL) {
        if (time(NULL) > deadline || waitpid(knots->pid, NULL, WNOHANG) != 0)
            give_up("the node does not start; see %s", log);
        nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    }
    free(answer);
}

void knots_stop(struct knots *knots)
{
    char path[4300];
    if (knots->pid <= 0)
        return;
    kill(knots->pid, SIGTERM);
    while (waitpid(knots->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    knots->pid = 0;
    if (getenv("ADIT_KEEP") != NULL)
        return;
    snprintf(path, sizeof path, "%s/srv/%s.log", knots->root, knots->data);
    unlink(path);
    snprintf(path, sizeof path, "%s/srv/%s", knots->root, knots->data);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", path, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static char *ask(const struct knots *knots, const char *wallet, const char *format,
                 va_list arguments)
{
    char words[8192];
    vsnprintf(words, sizeof words, format, arguments);
    char *answer = cli(knots, wallet, words);
    if (answer == NULL)
        give_up("the node refused: %.300s", words);
    return answer;
}

char *knots_ask(const struct knots *knots, const char *wallet, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *answer = ask(knots, wallet, format, arguments);
    va_end(arguments);
    return answer;
}

json_t *knots_json(const struct knots *knots, const char *wallet, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *answer = ask(knots, wallet, format, arguments);
    va_end(arguments);
    json_t *json = json_loads(answer, JSON_DECODE_ANY, NULL);
    if (json == NULL)
        give_up("the node's answer is no JSON: %.200s", answer);
    free(answer);
    return json;
}

json_t *knots_try(const struct knots *knots, const char *wallet, const char *format, ...)
{
    char words[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    char *answer = cli(knots, wallet, words);
    json_t *json = answer == NULL ? NULL : json_loads(answer, JSON_DECODE_ANY, NULL);
    free(answer);
    return json;
}
