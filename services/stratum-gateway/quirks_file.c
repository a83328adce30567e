#include "services/stratum-gateway/quirks_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 65536 };

static bool parse(const char *name, struct span text, enum pow_algorithm algorithm,
                  struct quirks *quirks, struct error *error)
{
    struct quirks *read = malloc(sizeof *read);
    struct error reason;
    if (read == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory for the table of clients");
    bool good = quirks_parse(text, algorithm, read, &reason);
    if (good)
        *quirks = *read;
    else
        error_fill(error, ERROR_INVALID, "%s: %s", name, reason.text);
    free(read);
    return good;
}

bool quirks_file_read(const struct settings *settings, enum pow_algorithm algorithm,
                      struct quirks *quirks, struct error *error)
{
    const char *name = settings->stratum_quirks_file;
    if (name[0] == '\0')
        return parse("the built-in table", span_text(quirks_builtin), algorithm, quirks, error);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return error_set(error, ERROR_INVALID, "stratum.quirks_file %s cannot be opened: errno %d",
                         name, errno);
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text != NULL ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    bool failed = text == NULL || ferror(file) != 0;
    fclose(file);
    bool good = !failed && length <= FILE_BYTES_MAX;
    if (good)
        good = parse(name, span_of(text, length), algorithm, quirks, error);
    else
        error_fill(error, ERROR_INVALID,
                   "stratum.quirks_file %s cannot be read, or is longer than %d bytes", name,
                   FILE_BYTES_MAX);
    free(text);
    return good;
}
