/* Payout processes for tests: started on a folder, asked over their sockets, waited for. They die
 * with the test (PR_SET_PDEATHSIG) and write their log to the folder's `log`. Blocking; one thread.
 * What is expected and does not come in time fails the cmocka test that waits for it. */
#pragma once
#include "loop/loop.h"
#include "port/bus.h"

#include <sys/types.h>

enum { PAYOUT_DEADLINE_MS = 60000 };

struct payout_start {
    const char *program;  /* below build/bin */
    const char *folder;   /* its data */
    const char *instance; /* its name */
    const char *listen;   /* its socket's name, below the folder's run/ */
    const char *window;   /* redis.window */
    /* name, value, …, NULL: of its environment; borrowed until payout_process_start returns */
    const char *const *settings;
};

/* The new process. */
pid_t payout_process_start(const struct payout_start *start);
/* How it ended: its exit code, 1000 and the signal, or -1 where it did not end in time (it is
 * killed then). */
int payout_process_exit_code(pid_t pid);

struct payout_answer {
    bool here; /* the rest counts */
    bool ok;
    char text[16384];
};

/* For bus_request: fills the struct payout_answer that is its context, where an answer came. */
void payout_take_answer(void *context, enum bus_outcome outcome, struct span reply);
/* Connects to a payout's socket; caller owns. */
struct bus_client *payout_connect(struct bus *bus, const char *folder, const char *listen);
/* Sends bytes until they are answered. */
void payout_ask_raw(struct loop *loop, struct bus_client *client, struct span bytes,
                    struct payout_answer *answer_r);
/* The same with a control request. */
void payout_ask(struct loop *loop, struct bus_client *client, const char *verb,
                const char *argument, struct payout_answer *answer_r);
void payout_ask_as(struct loop *loop, struct bus_client *client, const char *verb,
                   const char *argument, const char *token, struct payout_answer *answer_r);
