/* What the files of core/receipt share. */
#pragma once
#include "core/receipt/receipt.h"

/* A share as its version packs it; zeros for one that could not have been signed for. */
void receipt_share_put(uint8_t version, const struct receipt_share *share,
                       uint8_t bytes_r[RECEIPT_SHARE_BYTES]);
