/* Another program takes the place of this one in the same process, and no miner is dropped:
 *
 *     asked ─▶ sending away ─▶ settling ─▶ the new program
 *                                 │
 *                                 └─▶ refused: all goes on as before
 *
 * First the new program looks at the settings (--check-config). Connections that cannot be carried
 * over (TLS, WebSocket) are told to reconnect, at the rate of a drain. Then nothing is read any
 * more, until every share has its verdict and every answer is written or queued; what miners send
 * meanwhile waits in the kernel. Then the state goes into memory that has a descriptor, and execve
 * keeps that and the miners'. One thread. */
#pragma once
#include "loop/loop.h"

struct gateway;

enum upgrading_state { UPGRADING_NOT, UPGRADING_SENDING_AWAY, UPGRADING_SETTLING };

struct upgrading {
    enum upgrading_state state;
    struct loop_timer timer;
    uint64_t until_ms;
    char program[4096];
    uint64_t taken_ms; /* unix: when this program took over from one before it; 0: it did not */
    char refused[256]; /* why the last one asked for came to nothing; "": none did */
};

/* Begins; false with one sentence where it cannot. */
MUST_CHECK bool upgrading_begin(struct gateway *gateway, struct error *error);
void upgrading_stop(struct gateway *gateway);
/* In the new program, once the gateway's parts are open: *taken_r where a program before it left
 * its state, which is in the gateway then. False with one sentence where that cannot be read. */
MUST_CHECK bool upgrading_take(struct gateway *gateway, bool *taken_r, struct error *error);
