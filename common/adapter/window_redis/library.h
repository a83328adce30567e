/* The text of window.lua, put into the program when it is built. */
#pragma once
#include <stddef.h>

extern const unsigned char library_text[];
extern const size_t library_text_bytes;
