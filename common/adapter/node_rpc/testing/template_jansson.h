/* The same reading of a template by jansson's tree, slow and plain: what the tests hold the reader
 * that is used against. */
#pragma once
#include "adapter/node_rpc/template.h"

#include <jansson.h>

/* The template in the arena. False with one sentence (without the node's name) in *error. */
MUST_CHECK bool template_by_jansson(const json_t *document, const struct coin_profile *coin,
                                    struct arena *arena, struct block_template *template_r,
                                    const char **longpoll_id_r, struct error *error);

/* Whether both say the same, down to the transactions' bytes. */
bool template_same(const struct block_template *a, const struct block_template *b);

/* Reads the answer in both ways and aborts with a sentence where they disagree: what ours takes
 * jansson's takes too and the same comes out; what ours refuses jansson's refuses, too, but for
 * what RFC 8259 leaves open (escapes in hex, depth, names that stand twice). Ours is fed in pieces
 * cut by `seed`. Returns whether ours took it; 0 or 1. */
bool template_read_both(const char *text, size_t length, const struct coin_profile *coin,
                        uint64_t seed, struct block_template *template_r, struct error *error);
