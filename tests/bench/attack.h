/* Attacks on a Stratum port, each in a process of its own until it is ended. They come from 16
 * addresses of 127.0.N.0/24, where no miner of adit-load is; of another N each, so that none finds
 * what the one before it was banned for. */
#pragma once
#include "process.h"

enum attack_kind {
    ATTACK_SLOW,   /* many connections that send a byte of a line now and then */
    ATTACK_SILENT, /* many that send nothing */
    ATTACK_DEAF,   /* some that ask without end and read nothing */
    ATTACK_JUNK,   /* some that send lines of rubbish as fast as they are taken, and come again */
    ATTACK_SHARES, /* some that log in and send invalid shares without end, and come again */
    ATTACK_STORM,  /* 10,000 that connect, subscribe, leave and come again */
    ATTACK_KINDS,
};

struct attack {
    pid_t pid;
};

const char *attack_name(enum attack_kind kind); /* snake_case */
/* `user` is a name the pool lets in; `network`: N, 1 to 255. */
void attack_begin(struct attack *attack, enum attack_kind kind, unsigned port, const char *user,
                  unsigned network);
void attack_end(struct attack *attack);

/* A process that takes connections at a free port and throws away what they send: what an attack
 * costs the machine without a pool behind it. */
struct sink {
    pid_t pid;
    unsigned port;
};
void sink_begin(struct sink *sink);
void sink_end(struct sink *sink);
