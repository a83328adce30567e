/* How a run of the load generator is told. */
#pragma once
#include "tools/load/engine.h"

const char *report_mode_name(enum load_mode mode);
/* One line a figure, for people. */
void report_text(const struct load_options *options, const struct load_result *result, FILE *out);
/* All of it as one JSON object on one line, without a newline. */
void report_json(const struct load_options *options, const struct load_result *result, FILE *out);
