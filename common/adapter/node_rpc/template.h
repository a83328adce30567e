/* From the JSON of getblocktemplate (BIP 22, 23, 145) to a block_template, believing nothing: every
 * field is bounded, and what can be checked against the rest is (target against bits, transaction
 * ids against their bytes, the witness commitment against the transactions). A template that fails
 * would cost every block mined on it. Private to adapter/node_rpc; tested and fuzzed by itself. */
#pragma once
#include "core/coin/coin.h"
#include "core/job/template.h"

#include "base/arena.h"
#include <jansson.h>

enum {
    TEMPLATE_DATA_BYTES_MAX = 4 << 20, /* all transactions together: above any block's limit */
    TEMPLATE_EXTENSION_BYTES_MAX = 65536,
    TEMPLATE_COMMITMENT_BYTES_MAX = 83,
    TEMPLATE_LONGPOLL_BYTES_MAX = 512,
};

/* The template in the arena. False with one sentence (without the node's name) in *error. */
MUST_CHECK bool template_read(const json_t *document, const struct coin_profile *coin,
                              struct arena *arena, struct block_template *template_r,
                              const char **longpoll_id_r, struct error *error);
