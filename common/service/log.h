/* One event, one line, to standard error:
 *   2026-01-31T12:00:00.123Z info stratum-gateway session.open session=17 peer=10.0.0.3:5121
 * Written with one write(2), so lines of several threads never mix; values with spaces or quotes
 * are quoted. Any thread may call. error = an operator must act; warn = odd, but handled; info =
 * life of process, block, payment; debug = shares. Secrets are never passed in. */
#pragma once
#include "base/error.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Before the first line; `service` must live on. */
void log_open(const char *service, const char *instance, enum log_level level);
MUST_CHECK bool log_level_parse(const char *text, enum log_level *level_r);
bool log_enabled(enum log_level level);

/* event: a stable name, "area.what". format: `key=%d other=%s` pairs; a %s value is quoted where it
 * has spaces only if written as key="%s" by the caller: log_text makes any text safe for that. */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_event(LOG_DEBUG, __VA_ARGS__) : (void)0)

/* Copies text with control characters, quotes and what is no UTF-8 replaced by '?', cut at `bytes`
 * behind a whole character; returns safe_r. For whatever came from outside. */
const char *log_text(const char *text, char *safe_r, size_t bytes);

/* How many error lines were written, and the last one's text, for health. */
unsigned long log_error_count(void);
void log_last_error(char *text_r, size_t bytes);
