/* Reading the text that INFO answers. Pure; any thread. */
#pragma once
#include <stdint.h>

/* The number of that name; 0 where it is not there. */
uint64_t info_number(const char *text, const char *name);
/* Names the replication history: the first 64 bits of master_replid; 0 where it is not there. */
uint64_t info_history(const char *text);
