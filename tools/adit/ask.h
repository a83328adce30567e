/* Asks a process of the pool over its private socket, for the verbs that do. */
#pragma once
#include "options.h"
#include "port/bus.h"
#include "service/settings.h"

struct asking {
    bool answered, lost, ok;
    char text[16385];
};

/* Sends one control_request or its like and waits up to answer_ms; false where nobody is there or
 * answers. */
bool ask_process(const struct settings *settings, const char *url, struct span request,
                 unsigned answer_ms, struct asking *asking);

/* The rest of the command line from a word on, joined by spaces. */
void ask_join(const struct options *options, int from, char *text_r, size_t bytes);
