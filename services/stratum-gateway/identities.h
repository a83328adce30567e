/* Which validators are asked: each proves, by a signature over a number we choose, that it holds
 * the key it names. Asked when its connection comes up, so that verdicts are put down to who gave
 * them and not to an address. One thread. */
#pragma once
#include "services/stratum-gateway/validators.h"

/* Every tick: asks those that are connected and not known. */
void identities_tick(struct validators *validators);
