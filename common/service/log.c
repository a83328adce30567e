#include "service/log.h"

#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* The log is the process's own: there is one standard error. Set before threads start. */
static const char *log_service = "adit";
static const char *log_instance = "";
static enum log_level log_level = LOG_INFO;
static _Atomic unsigned long error_count;
static pthread_mutex_t last_error_mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_error[512];

void log_open(const char *service, const char *instance, enum log_level level)
{
    log_service = service;
    log_instance = instance;
    log_level = level;
}

bool log_level_parse(const char *text, enum log_level *level_r)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level_r = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level <= log_level;
}

static size_t put_start(char *line, size_t bytes, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int written = snprintf(line, bytes, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s%s%s %s",
                           utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                           utc.tm_sec, now.tv_nsec / 1000000, level_names[level], log_service,
                           log_instance[0] != '\0' ? "/" : "", log_instance, event);
    return written < 0 ? 0 : (size_t)written < bytes ? (size_t)written : bytes - 1;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char line[LINE_BYTES_MAX];
    size_t used = put_start(line, sizeof line - 1, level, event);
    size_t start = used;
    if (format[0] != '\0') {
        line[used++] = ' ';
        va_list arguments;
        va_start(arguments, format);
        int written = vsnprintf(line + used, sizeof line - 1 - used, format, arguments);
        va_end(arguments);
        if (written > 0)
            used +=
                (size_t)written < sizeof line - 1 - used ? (size_t)written : sizeof line - 2 - used;
    }
    while (used > start && line[used - 1] == ' ')
        used--;
    /* One event, one line, whatever a value holds. */
    for (size_t i = start; i < used; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[used] = '\0';
    if (level == LOG_ERROR) {
        atomic_fetch_add(&error_count, 1);
        pthread_mutex_lock(&last_error_mutex);
        snprintf(last_error, sizeof last_error, "%s%.400s", event, line + start);
        pthread_mutex_unlock(&last_error_mutex);
    }
    line[used++] = '\n';
    ssize_t written;
    do
        written = write(STDERR_FILENO, line, used);
    while (written < 0 && errno == EINTR);
}

const char *log_text(const char *text, char *safe_r, size_t bytes)
{
    if (bytes == 0)
        return safe_r;
    (void)utf8_keep(text, strnlen(text, bytes + 3), safe_r, bytes);
    for (char *at = safe_r; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c == 0x7f || c == '"' || c == '\\')
            *at = '?';
    }
    return safe_r;
}

unsigned long log_error_count(void)
{
    return atomic_load(&error_count);
}

void log_last_error(char *text_r, size_t bytes)
{
    pthread_mutex_lock(&last_error_mutex);
    snprintf(text_r, bytes, "%s", last_error);
    pthread_mutex_unlock(&last_error_mutex);
}
