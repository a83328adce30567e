/* What went wrong in the world: a code and one sentence for a person.
 *
 * Three kinds of trouble are never mixed. An *outcome* is an operation's own closed enum (a
 * share is stale, a record exists). A *failure* of the world (a refused connection, a full
 * disk) is a `struct error`. A *bug* is an ASSERT: it aborts, in release builds too, because a
 * pool that goes on after its invariants broke pays the wrong people.
 *
 * A function that can fail returns bool and takes `struct error *error` last; on false the
 * error is filled, on true it is untouched. The caller owns it; it holds no resources. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

enum error_code {
    ERROR_NONE = 0,
    ERROR_INVALID,     /* the input is not what it must be; trying again will not help */
    ERROR_UNAVAILABLE, /* the other side is not there; trying again later may help */
    ERROR_TIMEOUT,     /* no answer in time: whether it was done is unknown */
    ERROR_REFUSED,     /* the other side said no */
    ERROR_FULL,        /* a bound was reached */
    ERROR_SYSTEM,      /* the operating system said no (errno is in the sentence) */
};

struct error {
    enum error_code code;
    char text[512]; /* one sentence, NUL-terminated, without a final newline */
};

/* Fills *error; a longer sentence is cut. `error` may be NULL, for callers that only need the
 * false. Used through the macros below, whose value is false, so that `return error_set(…)` reads
 * as the failure (and the compiler knows that it is one). */
void error_fill(struct error *error, enum error_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The same, with ": " and the text of `errno_value` behind it; the code is ERROR_SYSTEM. */
void error_fill_system(struct error *error, int errno_value, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Puts the new words and ": " before the sentence that is already there. */
void error_fill_prefix(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

#define error_set(...) (error_fill(__VA_ARGS__), error_filled())
#define error_system(...) (error_fill_system(__VA_ARGS__), error_filled())
#define error_prefix(...) (error_fill_prefix(__VA_ARGS__), error_filled())
static inline bool error_filled(void)
{
    return false;
}

/* Aborts with file and line when an invariant of the program does not hold. Never off. */
#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function);
