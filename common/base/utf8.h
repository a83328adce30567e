/* Texts of others, made fit to be kept: in whole characters, and UTF-8 whatever they were. What is
 * cut in mid-character is refused by stores and by JSON. Pure; the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

/* Length of the well-formed character (RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF) at the head of the text; 0 where there is none. */
size_t utf8_character(const char *text, size_t length);

/* Copies what fits of the text in whole characters, with a NUL; what is no UTF-8, and a NUL within,
 * becomes '?'. The result is UTF-8, whatever the text is. `bytes` ≥ 1; returns kept_r, which must
 * not overlap the text. */
const char *utf8_keep(const char *text, size_t length, char *kept_r, size_t bytes);
