/* The keys a process checks tokens with: those that auth says in the store, sealed with the
 * deployment's secret (record/access/keys.h), or, where the operator pinned them, those of a file
 * and no others. Both are read each time, because keys come and go while the process runs.
 *
 * Keys from the store are taken while auth has said them within TOKEN_SOURCE_FRESH_S, and never
 * those of an earlier generation than it has seen: what a rotation took away does not come back by
 * an old record. Any thread; blocking, like the store. */
#pragma once
#include "adapter/token_sodium/token.h"
#include "core/identity/identity.h"
#include "port/store.h"

#include <stdatomic.h>

/* auth says them every 5 minutes; its tokens do not live longer than a day. */
enum { TOKEN_SOURCE_FRESH_S = 3600 };

/* Zero-initialise, fill the first two; they are borrowed for its life. */
struct token_source {
    const char *file; /* "" or NULL: the store */
    const struct identity_key *secret;
    _Atomic uint64_t generation; /* the latest that was seen */
};

/* Makes sure the store has a place for them. False and *error as store_declare. */
MUST_CHECK bool token_source_declare(struct store *store, struct error *error);
/* The keys that verify at `now_s`. False with *error: none are known, or none that can be trusted;
 * no token is good then. */
MUST_CHECK bool token_source_read(struct token_source *source, struct store *store, uint64_t now_s,
                                  struct token_verifier *verifier_r, struct error *error);
