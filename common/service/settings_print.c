#include "service/settings_table.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* scheme://user:password@host → scheme://user:***@host; also where only a password is given. */
static char *masked(const char *text)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    ASSERT(out != NULL);
    const char *rest = strstr(text, "://");
    const char *at = rest == NULL ? NULL : strchr(rest + 3, '@');
    const char *end = rest == NULL ? NULL : rest + 3 + strcspn(rest + 3, "/?");
    if (at == NULL || at >= end) {
        fputs(text, out);
    } else {
        /* A password may hold '@' (against the rules of URLs): the last one counts. */
        for (const char *next = at; next != NULL && next < end; next = strchr(next + 1, '@'))
            at = next;
        const char *colon = memchr(rest + 3, ':', (size_t)(at - rest - 3));
        if (colon == NULL)
            fputs(text, out);
        else
            fprintf(out, "%.*s:***%s", (int)(colon - text), text, at);
    }
    ASSERT(fclose(out) == 0);
    return result;
}

static json_t *json_of(struct settings *settings, const struct setting_row *row, bool mask)
{
    switch (row->kind) {
    case SETTING_NUMBER:
        return json_integer(setting_number(settings, row));
    case SETTING_FLAG:
        return json_boolean(setting_number(settings, row) != 0);
    case SETTING_TEXT: {
        char *text = mask ? masked(*setting_text(settings, row)) : NULL;
        json_t *value = json_string(mask ? text : *setting_text(settings, row));
        free(text);
        return value;
    }
    case SETTING_LIST: {
        json_t *list = json_array();
        struct settings_list *items = setting_list(settings, row);
        for (size_t i = 0; i < items->count; i++) {
            char *text = mask ? masked(items->items[i]) : NULL;
            json_array_append_new(list, json_string(mask ? text : items->items[i]));
            free(text);
        }
        return list;
    }
    }
    return json_null();
}

static void print(struct settings *settings, bool mask, FILE *out)
{
    json_t *root = json_object();
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        json_t *section = json_object_get(root, row->section);
        if (section == NULL) {
            section = json_object();
            json_object_set_new(root, row->section, section);
        }
        json_object_set_new(section, row->key, json_of(settings, row, mask));
    }
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
}

void settings_print(const struct settings *settings, FILE *out)
{
    /* Only read: the accessors of the table are shared with those that write. */
    print((struct settings *)(uintptr_t)settings, true, out);
}

void settings_print_example(FILE *out)
{
    struct settings defaults = { 0 };
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (row->kind == SETTING_TEXT)
            setting_put_text(&defaults, row, row->text, strlen(row->text));
        else if (row->kind == SETTING_LIST)
            ASSERT(setting_put_list_text(&defaults, row, row->text));
        else
            setting_put_number(&defaults, row, row->number);
    }
    print(&defaults, false, out);
    settings_deinit(&defaults);
}

void settings_print_explanation(FILE *out)
{
    const char *section = "";
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (strcmp(section, row->section) != 0)
            fprintf(out, "%s%s\n", section[0] != '\0' ? "\n" : "", row->section);
        section = row->section;
        fprintf(out, "  %s = ", row->key);
        switch (row->kind) {
        case SETTING_NUMBER:
            fprintf(out, "%" PRId64 "%s%s (%" PRId64 " to %" PRId64 ")", row->number,
                    row->unit[0] != '\0' ? " " : "", row->unit, row->min, row->max);
            break;
        case SETTING_FLAG:
            fputs(row->number != 0 ? "true" : "false", out);
            break;
        case SETTING_TEXT:
            fprintf(out, "\"%s\"", row->text);
            break;
        case SETTING_LIST:
            fprintf(out, "[\"%s\"]", row->text);
            break;
        }
        fprintf(out, "\n      %s\n", row->help);
    }
    fputs("\nIn the environment: ADIT_SECTION__KEY, as in ADIT_STRATUM__MAX_MINERS=500; lists are "
          "comma separated.\nIn texts %d stands for service.data_dir and %i for the process's "
          "instance.\n",
          out);
}
