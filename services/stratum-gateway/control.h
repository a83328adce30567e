/* What an operator may ask of a running gateway (`adit gateway`), over the pool's private socket:
 * control_request in, control_reply out. One thread. */
#pragma once
#include "base/error.h"

struct gateway;

/* Answers at stratum.control. False with one sentence. */
MUST_CHECK bool control_open(struct gateway *gateway, struct error *error);
void control_close(struct gateway *gateway);

/* ADDRESS [SECONDS], or worker ACCOUNT/WORKER [SECONDS]; whom, or all. False where it was not done;
 * *text_r, which is static, says what became of it. */
MUST_CHECK bool control_ban(struct gateway *gateway, const char *argument, const char **text_r);
MUST_CHECK bool control_lift(struct gateway *gateway, const char *argument, const char **text_r);
