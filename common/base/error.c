#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void error_fill(struct error *error, enum error_code code, const char *format, ...)
{
    if (error == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

void error_fill_system(struct error *error, int errno_value, const char *format, ...)
{
    if (error == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    error->code = ERROR_SYSTEM;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", strerror(errno_value));
}

void error_fill_prefix(struct error *error, const char *format, ...)
{
    if (error == NULL)
        return;
    char old[sizeof error->text];
    memcpy(old, error->text, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %.400s", old);
}

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function)
{
    fprintf(stderr, "BUG %s:%d: %s: assertion failed: %s\n", file, line, function, condition);
    abort();
}
