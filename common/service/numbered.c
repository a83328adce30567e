#include "service/numbered.h"

#include <inttypes.h>
#include <stdio.h>

/* One to five digits; NULL where there are none or more. */
static const char *read_number(const char *at, uint32_t *number_r)
{
    unsigned digits = 0;
    for (*number_r = 0; *at >= '0' && *at <= '9'; at++, digits++) {
        if (digits == 5)
            return NULL;
        *number_r = *number_r * 10 + (uint32_t)(*at - '0');
    }
    return digits > 0 ? at : NULL;
}

bool numbered_read(const char *text, struct numbered *numbered_r)
{
    const char *open = strchr(text, '{'), *at = NULL;
    if (open != NULL)
        at = read_number(open + 1, &numbered_r->first);
    if (at == NULL || strncmp(at, "..", 2) != 0)
        return false;
    at = read_number(at + 2, &numbered_r->last);
    if (at == NULL || *at != '}' || numbered_r->last < numbered_r->first ||
        numbered_r->last - numbered_r->first >= NUMBERED_MAX)
        return false;
    numbered_r->head_bytes = (size_t)(open - text);
    numbered_r->tail = at + 1;
    return true;
}

bool numbered_write(const char *text, const struct numbered *numbered, uint32_t number,
                    char *text_r, size_t bytes)
{
    int length = snprintf(text_r, bytes, "%.*s%" PRIu32 "%s", (int)numbered->head_bytes, text,
                          number, numbered->tail);
    return length > 0 && (size_t)length < bytes;
}
