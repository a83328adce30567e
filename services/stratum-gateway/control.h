/* What an operator may ask of a running gateway (`adit gateway`), over the pool's private socket:
 * control_request in, control_reply out. One thread. */
#pragma once
#include "base/error.h"

struct gateway;

/* Answers at stratum.control. False with one sentence. */
MUST_CHECK bool control_open(struct gateway *gateway, struct error *error);
void control_close(struct gateway *gateway);
