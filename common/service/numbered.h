/* Numbered addresses in a list setting: "ipc:///run/adit/validator-{1..4}.rep" stands for four,
 * the number in place of the braces. Pure; any thread. */
#pragma once
#include "base/bytes.h"

enum { NUMBERED_MAX = 64 }; /* addresses of one text */

struct numbered {
    size_t head_bytes; /* before the brace */
    const char *tail;  /* behind the other one; borrowed from the text */
    uint32_t first, last;
};

/* False where the text holds no well-formed range of 1 to NUMBERED_MAX numbers: it stands for
 * itself. */
MUST_CHECK bool numbered_read(const char *text, struct numbered *numbered_r);
/* The address with this number; false where it does not fit. */
MUST_CHECK bool numbered_write(const char *text, const struct numbered *numbered, uint32_t number,
                               char *text_r, size_t bytes);
