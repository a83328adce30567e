/* A client of a transcript: a socket, what a client must remember of what it heard, and a simple
 * way to find shares. Everything a pool may get wrong in the order of its lines ends the test: a
 * push before the subscribe answer, a job before a difficulty. Blocking; one thread. */
#pragma once
#include "core/difficulty/difficulty.h"
#include "tests/fixture/pool_fixture.h"

enum { PLAYER_PATIENCE_MS = 30000 };

struct player_job {
    bool there;
    char id[64];
    uint8_t prev[32];
    uint8_t coinbase1[1024], coinbase2[4096];
    size_t coinbase1_bytes, coinbase2_bytes;
    uint8_t branches[32][32];
    size_t branches_count;
    uint32_t version, bits, ntime;
    bool clean;
};

struct player {
    const struct pool_fixture *pool;
    enum pow_algorithm algorithm;
    const char *name; /* of the client, for sentences */
    int fd;
    char text[65536];
    size_t used;
    char line[16384]; /* the last taken */
    char user[160];
    char session[40];
    char extranonce1[32];
    unsigned extranonce2_bytes;
    uint32_t mask;
    bool subscribed, told_difficulty;
    struct work next_work, work; /* told; of the current job */
    struct player_job job;
    uint64_t extranonce2;
    char last_share[1024]; /* the line of the last share */
};

void player_begin(struct player *player, const struct pool_fixture *pool,
                  enum pow_algorithm algorithm, const char *name);
void player_end(struct player *player);
/* The connection is lost, and another made. */
void player_reconnect(struct player *player);

/* Sends a line; $USER and $SESSION are filled in. */
void player_say(struct player *player, const char *text);
/* The next line, in player->line; the test ends where none comes in time. */
void player_hear(struct player *player);
/* Whether the last line is the pattern, where `*` stands for anything. */
bool player_heard(const struct player *player, const char *pattern);
/* Hears on until there is a job. */
void player_await_job(struct player *player);
/* Fills in a share of the current job that is good (or surely not) and sends it: $JOB, $EN2,
 * $NTIME, $NONCE, $SHORT (the nonce without leading zeros) and $BITS. */
void player_submit(struct player *player, const char *text, bool good);
/* Hears on until an answer came; its error's code, 0 for true. */
int player_answer(struct player *player);
