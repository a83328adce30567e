#include "adapter/window_redis/info.h"

#include <stdlib.h>
#include <string.h>

enum { HISTORY_DIGITS = 16 };

/* What stands behind "name:" at the start of a line, or NULL. */
static const char *line_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = text; at != NULL && *at != '\0';) {
        if (strncmp(at, name, length) == 0 && at[length] == ':')
            return at + length + 1;
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return NULL;
}

uint64_t info_number(const char *text, const char *name)
{
    const char *value = line_of(text, name);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

uint64_t info_history(const char *text)
{
    const char *id = line_of(text, "master_replid");
    char digits[HISTORY_DIGITS + 1] = "";
    if (id == NULL || strlen(id) < HISTORY_DIGITS)
        return 0;
    memcpy(digits, id, HISTORY_DIGITS);
    return strtoull(digits, NULL, 16);
}
