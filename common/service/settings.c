/* Defaults, file, environment, then the words that stand for others (%d, %i), then what can only
 * be checked at the end. */
#include "service/settings_table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_NUMBER(value) .number = (value)
#define DEFAULT_FLAG(value) .number = (value)
#define DEFAULT_TEXT(value) .text = (value)
#define DEFAULT_LIST(value) .text = (value)
#define SETTING(section_, key_, KIND, fallback, min_, max_, unit_, help_)                          \
    { .section = #section_,                                                                        \
      .key = #key_,                                                                                \
      .kind = SETTING_##KIND,                                                                      \
      DEFAULT_##KIND(fallback),                                                                    \
      .min = (min_),                                                                               \
      .max = (max_),                                                                               \
      .unit = (unit_),                                                                             \
      .help = (help_),                                                                             \
      .offset = offsetof(struct settings, section_##_##key_) },
const struct setting_row settings_table[] = {
#include "service/settings.def"
    { .section = NULL },
};
#undef SETTING

static void *field(const struct settings *settings, const struct setting_row *row)
{
    return (char *)(uintptr_t)settings + row->offset;
}

int64_t setting_number(const struct settings *settings, const struct setting_row *row)
{
    return row->kind == SETTING_FLAG ? *(bool *)field(settings, row)
                                     : *(int64_t *)field(settings, row);
}

char **setting_text(struct settings *settings, const struct setting_row *row)
{
    return field(settings, row);
}

struct settings_list *setting_list(struct settings *settings, const struct setting_row *row)
{
    return field(settings, row);
}

static char *copy_of(const char *text, size_t length)
{
    char *copy = strndup(text, length);
    ASSERT(copy != NULL);
    return copy;
}

static void list_free(struct settings_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct settings_list){ NULL, 0 };
}

void setting_put_number(struct settings *settings, const struct setting_row *row, int64_t value)
{
    if (row->kind == SETTING_FLAG)
        *(bool *)field(settings, row) = value != 0;
    else
        *(int64_t *)field(settings, row) = value;
}

void setting_put_text(struct settings *settings, const struct setting_row *row, const char *value,
                      size_t length)
{
    char **text = setting_text(settings, row);
    char *copy = copy_of(value, length);
    free(*text);
    *text = copy;
}

static void list_add(struct settings_list *list, const char *text, size_t length)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof(char *));
    ASSERT(items != NULL);
    list->items = items;
    list->items[list->count++] = copy_of(text, length);
}

void setting_put_list(struct settings *settings, const struct setting_row *row,
                      const char *const *items, size_t count)
{
    struct settings_list *list = setting_list(settings, row);
    list_free(list);
    for (size_t i = 0; i < count; i++)
        list_add(list, items[i], strlen(items[i]));
}

bool setting_put_list_text(struct settings *settings, const struct setting_row *row,
                           const char *text)
{
    struct settings_list *list = setting_list(settings, row);
    list_free(list);
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        const char *item = text;
        size_t item_length = length;
        while (item_length > 0 && isspace((unsigned char)*item)) {
            item++;
            item_length--;
        }
        while (item_length > 0 && isspace((unsigned char)item[item_length - 1]))
            item_length--;
        if (item_length > 0) {
            if (list->count == SETTINGS_LIST_MAX)
                return false;
            list_add(list, item, item_length);
        }
        text += length + (text[length] == ',');
    }
    return true;
}

const struct setting_row *settings_find(const char *section, const char *key)
{
    for (const struct setting_row *row = settings_table; row->section != NULL; row++)
        if (strcmp(row->section, section) == 0 && strcmp(row->key, key) == 0)
            return row;
    return NULL;
}

/* Levenshtein's distance; names beyond the bound are never near. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length >= MAX || b_length >= MAX)
        return MAX;
    size_t row[MAX];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *settings_nearest(const char *section, const char *key, char *name_r, size_t bytes)
{
    char wanted[160];
    snprintf(wanted, sizeof wanted, "%s.%s", section, key);
    size_t best = 5; /* four wrong letters are no slip of the finger any more */
    const char *found = NULL;
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        char name[160];
        snprintf(name, sizeof name, "%s.%s", row->section, row->key);
        /* The right key in the wrong section is meant more often than a near name. */
        size_t d = strcmp(row->key, key) == 0 ? 1 : distance(wanted, name);
        if (d < best) {
            best = d;
            snprintf(name_r, bytes, "%s", name);
            found = name_r;
        }
    }
    return found;
}

bool setting_unknown(const char *section, const char *key, const char *origin, struct error *error)
{
    char nearest[160];
    if (settings_nearest(section, key, nearest, sizeof nearest) != NULL)
        return error_set(error, ERROR_INVALID, "%s: key %.64s.%.64s is not known; did you mean %s?",
                         origin, section, key, nearest);
    return error_set(error, ERROR_INVALID,
                     "%s: key %.64s.%.64s is not known; remove it (adit config explain lists all)",
                     origin, section, key);
}

bool setting_check_number(const struct setting_row *row, int64_t value, const char *origin,
                          struct error *error)
{
    if (value >= row->min && value <= row->max)
        return true;
    return error_set(error, ERROR_INVALID,
                     "%s: %s.%s is %" PRId64 ", and must be between %" PRId64 " and %" PRId64
                     "%s%s",
                     origin, row->section, row->key, value, row->min, row->max,
                     row->unit[0] != '\0' ? " " : "", row->unit);
}

bool setting_check_text(const struct setting_row *row, size_t length, const char *origin,
                        struct error *error)
{
    if (length <= SETTING_TEXT_BYTES_MAX)
        return true;
    return error_set(error, ERROR_INVALID, "%s: %s.%s has %zu bytes, and must have at most %d",
                     origin, row->section, row->key, length, SETTING_TEXT_BYTES_MAX);
}

static void put_defaults(struct settings *settings)
{
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        switch (row->kind) {
        case SETTING_NUMBER:
        case SETTING_FLAG:
            setting_put_number(settings, row, row->number);
            break;
        case SETTING_TEXT:
            setting_put_text(settings, row, row->text, strlen(row->text));
            break;
        case SETTING_LIST:
            ASSERT(setting_put_list_text(settings, row, row->text));
            break;
        }
    }
}

/* The folder without "." parts and slashes at its end, from the root on. It need not exist. */
static char *absolute(const char *path)
{
    char here[4096] = "";
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
        here[0] = '\0';
    char *result = calloc(1, strlen(here) + strlen(path) + 3);
    ASSERT(result != NULL);
    size_t used = strlen(strcpy(result, strcmp(here, "/") == 0 ? "" : here));
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length > 0 && !(length == 1 && path[0] == '.')) {
            result[used++] = '/';
            memcpy(result + used, path, length);
            used += length;
        }
        path += length + (path[length] == '/');
    }
    if (used == 0)
        result[used++] = '/';
    result[used] = '\0';
    return result;
}

/* %d and %i replaced. `%d` before a hex digit is a percent-encoded byte of a URL and stays. */
static char *expanded(const char *text, const char *data_dir, const char *instance)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    ASSERT(out != NULL);
    for (; *text != '\0'; text++) {
        if (text[0] == '%' && text[1] == 'd' && !isxdigit((unsigned char)text[2])) {
            fputs(data_dir, out);
            text++;
        } else if (text[0] == '%' && text[1] == 'i') {
            fputs(instance, out);
            text++;
        } else {
            fputc(*text, out);
        }
    }
    ASSERT(fclose(out) == 0);
    return result;
}

static void expand(struct settings *settings, const char *instance)
{
    char *data_dir = absolute(settings->service_data_dir);
    free(settings->service_data_dir);
    settings->service_data_dir = data_dir;
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (row->kind == SETTING_TEXT && *setting_text(settings, row) != data_dir) {
            char **text = setting_text(settings, row);
            char *value = expanded(*text, data_dir, instance);
            free(*text);
            *text = value;
        } else if (row->kind == SETTING_LIST) {
            struct settings_list *list = setting_list(settings, row);
            for (size_t i = 0; i < list->count; i++) {
                char *value = expanded(list->items[i], data_dir, instance);
                free(list->items[i]);
                list->items[i] = value;
            }
        }
    }
}

/* The kernel's bound on the path of a unix socket (sun_path, with its NUL). */
static bool check_socket(const struct setting_row *row, const char *text, struct error *error)
{
    enum { PATH_MAX_BYTES = 107 };
    const char *path = strncmp(text, "ipc://", 6) == 0  ? text + 6
                       : strncmp(text, "unix:", 5) == 0 ? text + 5
                                                        : "";
    if (strlen(path) <= PATH_MAX_BYTES)
        return true;
    return error_set(error, ERROR_INVALID,
                     "%s.%s: the path %s has %zu bytes, and a unix socket's has at most %d; choose "
                     "a shorter service.data_dir",
                     row->section, row->key, path, strlen(path), PATH_MAX_BYTES);
}

static bool check_one(const struct setting_row *row, const char *text, struct error *error)
{
    return setting_check_form(row, text, error) && check_socket(row, text, error);
}

/* All of them but what pages are told. */
static bool listens(const struct setting_row *row)
{
    return strcmp(row->key, "public_address") != 0;
}

/* chain.address stands in a file where it was made by a machine (the devnode's wallet). */
static void read_address(struct settings *settings)
{
    char line[128] = "";
    FILE *file =
        settings->chain_address[0] == '\0' ? fopen(settings->chain_address_file, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file) != NULL) {
        free(settings->chain_address);
        settings->chain_address = copy_of(line, strcspn(line, " \r\n"));
    }
    fclose(file);
}

/* Two that listen on one machine cannot have one port. */
static bool check_ports(struct settings *settings, struct error *error)
{
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (row->kind != SETTING_TEXT || row->min != FORM_ADDRESS || !listens(row))
            continue;
        const char *text = *setting_text(settings, row);
        const size_t length = strlen(text);
        if (length < 2 || strcmp(text + length - 2, ":0") == 0)
            continue;
        for (const struct setting_row *other = settings_table; other < row; other++)
            if (other->kind == SETTING_TEXT && other->min == FORM_ADDRESS && listens(other) &&
                strcmp(*setting_text(settings, other), text) == 0)
                return error_set(
                    error, ERROR_INVALID,
                    "%s.%s and %s.%s are both %.80s: give each a port of its own, also "
                    "where only one of them runs",
                    other->section, other->key, row->section, row->key, text);
    }
    return true;
}

static bool check_whole(struct settings *settings, struct error *error)
{
    static const char *const levels[] = { "error", "warn", "info", "debug" };
    bool level_known = false;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        level_known = level_known || strcmp(settings->service_log_level, levels[i]) == 0;
    if (!level_known)
        return error_set(error, ERROR_INVALID,
                         "service.log_level is \"%.64s\", and must be error, warn, info or debug",
                         settings->service_log_level);
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (row->kind == SETTING_TEXT && !check_one(row, *setting_text(settings, row), error))
            return false;
        if (row->kind == SETTING_LIST) {
            struct settings_list *list = setting_list(settings, row);
            for (size_t i = 0; i < list->count; i++)
                if (!check_one(row, list->items[i], error))
                    return false;
        }
    }
    return check_ports(settings, error);
}

bool settings_load(struct settings *settings, const char *file, const char *data_dir,
                   const char *instance, struct error *error)
{
    memset(settings, 0, sizeof *settings);
    put_defaults(settings);
    if ((file != NULL && !settings_read_file(settings, file, error)) ||
        !settings_read_environment(settings, error))
        goto undo;
    if (data_dir != NULL) {
        free(settings->service_data_dir);
        settings->service_data_dir = copy_of(data_dir, strlen(data_dir));
    }
    if (settings->service_data_dir[0] == '\0') {
        error_fill(error, ERROR_INVALID, "service.data_dir is empty, and must name a folder");
        goto undo;
    }
    expand(settings, instance != NULL ? instance : "1");
    read_address(settings);
    if (check_whole(settings, error))
        return true;
undo:
    settings_deinit(settings);
    return false;
}

void settings_deinit(struct settings *settings)
{
    for (const struct setting_row *row = settings_table; row->section != NULL; row++) {
        if (row->kind == SETTING_TEXT) {
            free(*setting_text(settings, row));
            *setting_text(settings, row) = NULL;
        } else if (row->kind == SETTING_LIST) {
            list_free(setting_list(settings, row));
        }
    }
}

bool settings_secret(const struct settings *settings, uint8_t secret_r[32], struct error *error)
{
    const char *path = settings->service_secret_file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno,
                            "the deployment's secret %s (service.secret_file: 64 hex digits, made "
                            "once by `openssl rand -hex 32`) cannot be read",
                            path);
    struct stat status;
    char text[80];
    ssize_t got = fstat(fd, &status) == 0 ? read(fd, text, sizeof text) : -1;
    int cause = errno;
    close(fd);
    if (got < 0)
        return error_system(error, cause, "%s (service.secret_file) cannot be read", path);
    /* A group may read: that is how a container is handed its secrets. */
    if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
        return error_set(error, ERROR_INVALID,
                         "%s (service.secret_file) is open to others: chmod 600 %s", path, path);
    size_t length = (size_t)got;
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    if (!hex_decode(text, length, secret_r, 32))
        return error_set(error, ERROR_INVALID,
                         "%s (service.secret_file) must hold 64 hex digits, and nothing else",
                         path);
    return true;
}
