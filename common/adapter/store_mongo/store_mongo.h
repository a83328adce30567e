/* The store in MongoDB: a replica set, a standalone server, a sharded cluster, or a server that
 * speaks its protocol. A record is a document { _id: id, v: version, field: value, … }; a
 * collection's schema is kept in the collection `schemas`.
 *
 * Nothing but single-document writes is used. Writes wait for a majority and the journal; a
 * write-concern time-out is STORE_UNKNOWN, because the primary has applied it and may lose it.
 * A large call is sent as bulks; where a bulk says that fewer records matched than were sent, the
 * adapter reads back which of them carry its mark. In the rare case that a rival has meanwhile
 * moved such a record on, or removed it, the answer is STORE_UNKNOWN.
 *
 * One thread at a time per handle; handles of one URL share a pool of connections, made when the
 * first of them is opened. Never across a fork: open in the process that uses it. */
#pragma once
#include "port/store.h"

/* Does not contact the server: store_ping tells whether it is there. The database is the URL's
 * path, or "adit". Options given in the URL stand, but for write concern and read preference, which
 * must be majority, journalled and primary. `timeout_ms` bounds the driver's waits (server
 * selection, connecting, answers, write concern) where the URL does not set them. NULL with one
 * sentence in *error. Caller owns; ends by store_close. */
MUST_CHECK struct store *store_mongo_open(const char *url, unsigned timeout_ms,
                                          struct error *error);
