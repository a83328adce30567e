/* Proofs and statements as JSON documents: what the API gives and `adit verify` reads.
 *
 * A document says everything twice: as `bytes`, the versioned encoding in hex, which is what is
 * checked, and as named fields for people and other programs. Reading one holds the two against
 * each other, so that nobody is shown words that were not checked. Hashes are hex as they are
 * stored; a block's hash as explorers show it. Work and money are decimal texts.
 *
 * Any thread; documents belong to the caller (json_decref). */
#pragma once
#include "core/proof/proof.h"

#include <jansson.h>

#define PROOF_JSON_FORMAT "adit-proof/1"

/* Never NULL (out of memory aborts). */
json_t *proof_json_of_statement(const struct proof_statement *statement);
json_t *proof_json_of(const struct proof *proof);

/* False with one sentence where the document is not of this format, its bytes are none, or a named
 * field says something else than they do. Fields it does not know are passed over. */
MUST_CHECK bool proof_json_read_statement(const json_t *document,
                                          struct proof_statement *statement_r, struct error *error);
MUST_CHECK bool proof_json_read(const json_t *document, struct proof *proof_r, struct error *error);

/* Bytes as a JSON text of hex digits, up to 4096 of them; and back, to at most `capacity` bytes:
 * false where the value is no such text. */
json_t *proof_json_hex(struct span bytes);
MUST_CHECK bool proof_json_bytes(const json_t *value, uint8_t *bytes_r, size_t capacity,
                                 size_t *length_r);
