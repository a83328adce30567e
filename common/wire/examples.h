/* One plausible message of each kind, for tests: proto/examples keeps their encodings. */
#pragma once
#include "wire/messages.h"

/* Calls visit with each message's name and encoding; borrowed during the call. */
void wire_examples_visit(void (*visit)(void *context, const char *name, enum wire_type type,
                                       struct span encoded),
                         void *context);
