/* Block candidates as files, so that a block outlives the process that found it. One file a block,
 * named by its hash; written aside, fsynced, renamed, and the folder fsynced, so a file that has
 * its name is whole. Blocking; for a worker's thread, or for the start.
 *
 *   "ADITBLK" 1 · record length (4) · block length (8) · record · block · sha256 of all before
 *
 * Integers are little-endian. The record is an encoded `candidate` message; a block of length 0
 * means that its transactions were not at hand. */
#pragma once
#include "base/bytes.h"

/* Makes the folder where it is not there. */
MUST_CHECK bool spool_open(const char *folder, struct error *error);
/* Replaces an earlier file of the block. */
MUST_CHECK bool spool_write(const char *folder, const uint8_t block_hash[32], struct span record,
                            struct span block, struct error *error);
/* True also when there is none. */
MUST_CHECK bool spool_remove(const char *folder, const uint8_t block_hash[32], struct error *error);
/* Puts a file aside, for a person to look at: its name gets ".kept" behind it. */
MUST_CHECK bool spool_keep_aside(const char *folder, const uint8_t block_hash[32],
                                 struct error *error);

/* Calls visitor for each whole file, spans borrowed until it returns, and on_damaged for the
 * others (a sentence), which stay where they are. False when the folder cannot be read. */
MUST_CHECK bool spool_read(const char *folder,
                           void (*visitor)(void *context, struct span record, struct span block),
                           void (*on_damaged)(void *context, const char *sentence), void *context,
                           struct error *error);
