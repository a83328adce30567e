/* The verdicts of a batch as the window keeps them, so that a repeat is answered as the first time:
 * a version byte, then one byte a share: the outcome in the low seven bits, 0x80 for a block. Pure;
 * any thread. */
#pragma once
#include "port/window.h"
#include "wire/messages.h"

/* At most WINDOW_VERDICTS_BYTES_MAX bytes for WINDOW_BATCH_SHARES_MAX shares (more is a bug);
 * returns the bytes written. */
size_t verdicts_write(const struct wire_verdict *verdicts, size_t count, uint8_t *bytes_r);

/* Exactly `count` verdicts; false for other lengths, versions and values. */
MUST_CHECK bool verdicts_read(struct span bytes, struct wire_verdict *verdicts_r, size_t count,
                              struct error *error);
