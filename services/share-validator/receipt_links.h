/* How the keys that receipts are signed with followed each other: `<key file>.links`, a link
 * (core/receipt/link) a line in hex. To change the key, the operator renames its file to
 * `<key file>.old` and starts the validator again: the new key is made, the old one signs that it
 * follows, that is written durably, and the old one is destroyed. Whichever step is the last before
 * a death, the next start goes on there. A key file that is moved elsewhere hands on to nobody.
 *
 * Blocking; one thread, at the validator's start. */
#pragma once
#include "adapter/token_sodium/token.h"
#include "core/receipt/link.h"

struct receipt_links {
    size_t count;
    uint8_t bytes[RECEIPT_LINKS_MAX][RECEIPT_LINK_BYTES]; /* the newest last */
};

/* The links of a key file whose key is `signer`, with that of `.old` where there is one. False with
 * *error where a file cannot be read or written, or holds something else. */
MUST_CHECK bool receipt_links_open(const char *key_file, const struct token_signer *signer,
                                   uint64_t now_ms, struct receipt_links *links_r,
                                   struct error *error);
