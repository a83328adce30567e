/* A probe as a process of its own, in a private folder and on free ports, and a plain client of it.
 * What goes wrong fails the test. For tests only. */
#pragma once
#include "base/bytes.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/types.h>

struct probe {
    pid_t pid;
    uint16_t http_port;
    uint16_t admin_port;
};

extern char probe_folder[64];
extern char probe_log_path[96];

/* The group's setup and teardown. */
int probe_make_folder(void **state);
int probe_remove_folder(void **state);

/* argument and variable ("NAME=value") may be NULL. */
pid_t probe_start(const char *name, const char *argument, const char *variable);
void probe_start_ready(struct probe *probe, const char *name, const char *variable);
/* The exit code, or 1000 + the signal that ended it; fails when it does not end. */
int probe_end(pid_t pid);
/* Tells it to stop; the same. */
int probe_stop(const struct probe *probe);
/* What it wrote so far; borrowed until the next call. */
const char *probe_log(void);
/* False where it does not write this within a minute. */
MUST_CHECK bool probe_await(const char *wanted);

/* A connection; -1: nobody listens. */
int probe_dial(uint16_t port);
void probe_say(int fd, const char *text);
/* Reads until `wanted` came or the connection ended; at most a minute. */
bool probe_hear(int fd, const char *wanted, char *text_r, size_t bytes);
/* A request on a connection of its own has this in its answer. */
void probe_answers(uint16_t port, const char *request, const char *wanted);
