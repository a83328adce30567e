/* What a pool needs before its processes start, beyond its settings: the deployment's secret
 * (plan.h makes it), an address of the node's wallet where the chain is a test chain, and a store
 * that takes writes. Doing any of it again changes nothing. */
#pragma once
#include "base/error.h"
#include "service/settings.h"

/* On a devnet or regtest, where coins are worth nothing: asks the node's wallet (made first where
 * the node has none) for an address and keeps it in chain.address_file. */
MUST_CHECK bool prepare_address(const struct settings *settings, struct error *error);

/* Whether prepare_address is called for: a test chain and no address in the settings or the file.
 */
bool prepare_wants_address(const struct settings *settings);
