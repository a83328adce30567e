/* What a payout that does not lead answers: ask the other. */
#pragma once

#define PAYOUT_STANDS_BY "this payout stands by; another leads"
