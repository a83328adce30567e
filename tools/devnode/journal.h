/* What survives: an append-only file of records, each with a checksum, synced to disk before the
 * append answers. Read once at start, in order.
 *
 *   record = "DEVN" | kind u8 | length u32 LE | payload | crc32 u32 LE of kind, length and payload
 *
 * A process that died while appending leaves at most one incomplete record at the end, which was
 * never answered for: it is cut off at the next start. A bad record with others behind it is
 * damage, and refused. Owner: struct node, under its lock. The file is locked against a second
 * process. */
#pragma once
#include "base/bytes.h"

enum journal_kind {
    JOURNAL_PARAMS = 'P',     /* text: the parameters the chain was begun with */
    JOURNAL_BLOCK = 'B',      /* a block that was accepted, on the best chain or beside it */
    JOURNAL_TX = 'T',         /* a transaction that entered the mempool */
    JOURNAL_INVALIDATE = 'I', /* block id */
    JOURNAL_RECONSIDER = 'R', /* block id */
};

struct journal {
    int fd;
    uint64_t length_bytes;
};

/* Handles one record at start; false stops the opening with *error. */
typedef bool journal_replay(void *context, enum journal_kind kind, struct span payload,
                            struct error *error);

/* Opens or creates the file and replays it. *dropped_r is how many bytes of an incomplete last
 * record were cut off. */
MUST_CHECK bool journal_open(struct journal *journal, const char *path, journal_replay *replay,
                             void *context, uint64_t *dropped_r, struct error *error);
void journal_close(struct journal *journal);
/* True: the record is on disk. False: it is not (what was written of it is taken back). */
MUST_CHECK bool journal_append(struct journal *journal, enum journal_kind kind, struct span payload,
                               struct error *error);
