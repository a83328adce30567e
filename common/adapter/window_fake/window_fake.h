/* The share window in memory, for tests: the semantics of port/window.h, and failures on demand.
 * Several writers and readers may be open on one fake; its state is locked, so that readers may be
 * on other threads. Appends are answered on the loop, never before window_append has returned. */
#pragma once
#include "port/window.h"

struct window_fake;

enum window_fake_trouble {
    WINDOW_FAKE_WELL = 0,
    WINDOW_FAKE_UNAVAILABLE,   /* not applied, answered WINDOW_UNAVAILABLE; writers are not ready */
    WINDOW_FAKE_LOSES_ANSWER,  /* applied, answered WINDOW_UNKNOWN */
    WINDOW_FAKE_LOSES_REQUEST, /* not applied, answered WINDOW_UNKNOWN */
};

/* NULL when memory is out. Destroyed after all its writers and readers are closed. */
MUST_CHECK struct window_fake *window_fake_create(struct loop *loop);
void window_fake_destroy(struct window_fake *fake);

/* NULL when memory is out. `outstanding_max` 0: 256. */
MUST_CHECK struct window_writer *window_fake_writer(struct window_fake *fake,
                                                    unsigned outstanding_max);
MUST_CHECK struct window_reader *window_fake_reader(struct window_fake *fake);

/* The next `appends` appends meet this trouble (0: all, until told otherwise). */
void window_fake_trouble(struct window_fake *fake, enum window_fake_trouble trouble,
                         unsigned appends);
/* Appends are answered this much later. */
void window_fake_delay(struct window_fake *fake, unsigned delay_ms);
/* Readers fail with ERROR_UNAVAILABLE while set. */
void window_fake_readers_fail(struct window_fake *fake, bool fail);
/* What appends are told from now on of the history that holds them (1 before). */
void window_fake_history(struct window_fake *fake, uint64_t history);
/* Forgets everything. */
void window_fake_clear(struct window_fake *fake);
/* Appends asked for so far, whatever became of them. */
unsigned long window_fake_appends(const struct window_fake *fake);
