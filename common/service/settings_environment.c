/* ADIT_SECTION__KEY=value, over defaults and file. */
#include "service/settings_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool put_variable(struct settings *settings, const struct setting_row *row, const char *name,
                         const char *value, struct error *error)
{
    char *end;
    switch (row->kind) {
    case SETTING_NUMBER: {
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (end == value || *end != '\0' || errno != 0)
            return error_set(error, ERROR_INVALID, "%s is \"%.64s\", and must be a whole number",
                             name, value);
        if (!setting_check_number(row, number, name, error))
            return false;
        setting_put_number(settings, row, number);
        return true;
    }
    case SETTING_FLAG: {
        bool yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
        if (!yes && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
            return error_set(error, ERROR_INVALID, "%s is \"%.64s\", and must be true or false",
                             name, value);
        setting_put_number(settings, row, yes);
        return true;
    }
    case SETTING_TEXT:
        if (!setting_check_text(row, strlen(value), name, error))
            return false;
        setting_put_text(settings, row, value, strlen(value));
        return true;
    case SETTING_LIST:
        return setting_put_list_text(settings, row, value) ||
               error_set(error, ERROR_INVALID, "%s has more than %d items", name,
                         SETTINGS_LIST_MAX);
    }
    return false;
}

/* ADIT_SECTION__KEY. Variables of ours without the two underscores are no settings. */
bool settings_read_environment(struct settings *settings, struct error *error)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        const char *text = *variable;
        if (strncmp(text, "ADIT_", 5) != 0)
            continue;
        char name[160] = { 0 };
        size_t length = strcspn(text, "=");
        if (length >= sizeof name || text[length] != '=')
            continue;
        memcpy(name, text, length);
        char lower[160];
        for (size_t i = 0; i <= length; i++)
            lower[i] = (char)tolower((unsigned char)name[i]);
        char *section = lower + 5;
        char *gap = strstr(section, "__");
        if (gap == NULL)
            continue;
        *gap = '\0';
        const struct setting_row *row = settings_find(section, gap + 2);
        if (row == NULL)
            return setting_unknown(section, gap + 2, name, error);
        if (!put_variable(settings, row, name, text + length + 1, error))
            return false;
    }
    return true;
}
