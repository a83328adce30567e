#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/payout/testing/processes.h"

#include "wire/messages.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t payout_process_start(const struct payout_start *start)
{
    char listen[160], log[160], program[512];
    const char *build = getenv("ADIT_BUILD");
    snprintf(program, sizeof program, "%s/bin/%s", build != NULL ? build : "build", start->program);
    snprintf(listen, sizeof listen, "ipc://%s/run/%s", start->folder, start->listen);
    snprintf(log, sizeof log, "%s/log", start->folder);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(99);
    setenv("ADIT_PAYOUT__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    setenv("ADIT_PAYOUT__LISTEN", listen, 1);
    setenv("ADIT_PAYOUT__LEASE_MS", "2000", 1);
    setenv("ADIT_STARTUP__DEADLINE_S", "0", 1);
    setenv("ADIT_REDIS__WINDOW", start->window, 1);
    for (size_t i = 0; start->settings[i] != NULL; i += 2)
        setenv(start->settings[i], start->settings[i + 1], 1);
    execl(program, program, "--data", start->folder, "--instance", start->instance, (char *)NULL);
    _exit(98);
}

int payout_process_exit_code(pid_t pid)
{
    int status;
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS; waited += 10) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        usleep(10000);
    }
    kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return -1;
}

void payout_take_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct payout_answer *answer = context;
    struct wire_control_reply message;
    struct error error;
    _Alignas(16) static uint8_t memory[32768];
    struct arena arena = arena_over(memory, sizeof memory);
    if (outcome != BUS_REPLIED)
        return;
    assert_true(wire_decode_control_reply(reply, &arena, &message, &error));
    answer->here = true;
    answer->ok = message.ok;
    snprintf(answer->text, sizeof answer->text, "%s", message.text);
}

struct bus_client *payout_connect(struct bus *bus, const char *folder, const char *listen)
{
    char url[160];
    struct error error;
    struct bus_client_options options = { .in_flight_max = 4, .message_bytes_max = 65536 };
    snprintf(url, sizeof url, "ipc://%s/run/%s", folder, listen);
    struct bus_client *client = bus_connect(bus, url, &options, &error);
    assert_non_null(client);
    return client;
}

void payout_ask_raw(struct loop *loop, struct bus_client *client, struct span bytes,
                    struct payout_answer *answer_r)
{
    *answer_r = (struct payout_answer){ .here = false };
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS && !answer_r->here; waited += 50) {
        if (bus_request(client, bytes, 2000, payout_take_answer, answer_r)) {
            for (int i = 0; i < 200 && !answer_r->here; i++)
                loop_run_once(loop, 10);
        } else {
            loop_run_once(loop, 50);
        }
    }
    assert_true(answer_r->here);
}

void payout_ask_as(struct loop *loop, struct bus_client *client, const char *verb,
                   const char *argument, const char *token, struct payout_answer *answer_r)
{
    uint8_t bytes[8192];
    struct wire_control_request request = { .verb = verb, .argument = argument, .token = token };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    assert_true(length > 0);
    payout_ask_raw(loop, client, span_of(bytes, length), answer_r);
}

void payout_ask(struct loop *loop, struct bus_client *client, const char *verb,
                const char *argument, struct payout_answer *answer_r)
{
    payout_ask_as(loop, client, verb, argument, "", answer_r);
}
