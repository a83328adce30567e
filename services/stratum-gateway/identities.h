/* Which validators are asked: each proves, by a signature over a number we choose, that it holds
 * the key it names. Asked when its connection comes up, so that verdicts are put down to who gave
 * them and not to an address; and again where one has had nothing to do for a while, so that one
 * that hangs is known of before a miner's share waits for it. One thread. */
#pragma once
#include "services/stratum-gateway/validators.h"

enum { IDENTITIES_QUIET_MS = 2000 }; /* without a batch or an answer, and it is asked again */

/* Every tick: asks those that are connected and not known, or quiet. Who is known and does not
 * answer is left aside until it does. `idle`: no share waits for a verdict; then, where all are
 * left aside, one that answers is taken back, since there is no batch to show it by. */
void identities_tick(struct validators *validators, bool idle);
