/* Who asks, where not everybody may: access tokens, checked here with the public keys that auth
 * says (service/token_source), which are read each time because they come and go. An operator must
 * be one now, not only when the token was made; where the account has a second factor, the session
 * must have shown it. What changes money is passed on with the token, and payout checks it again.
 *
 * JSON bodies of such requests: one flat object of texts. */
#pragma once
#include "adapter/token_sodium/token.h"
#include "services/inode-scheduler/api.h"

/* A request that only the bearer of a token with this scope may make; TOKEN_SCOPE_OPERATOR also
 * wants an operator's account. `read` runs on the readers' worker once that is known, `after`
 * (where it is not NULL) on the loop when `read` left no trouble (status 0): it takes the request,
 * to be ended by api_read_end. Takes the exchange. */
struct api_guarded {
    enum token_scope scope;
    void (*read)(struct api_read *read);
    void (*after)(struct api_read *read);
};
void api_guarded_begin(struct scheduler *scheduler, struct http_exchange *exchange,
                       const struct api_guarded *guarded);
/* Likewise with a body, which is taken into read->body. */
void api_guarded_begin_with(struct scheduler *scheduler, struct http_exchange *exchange,
                            const struct api_guarded *guarded, json_t *body);

/* The body's object, which the caller frees: texts under these names (ended by NULL) and nothing
 * else; a name that begins with '?' may be left out. NULL, with the exchange answered, where it is
 * something else. */
MUST_CHECK json_t *api_body(struct http_exchange *exchange, const char *const *names);
/* A text of it; "" where it was left out. */
const char *api_text(const json_t *body, const char *name);
