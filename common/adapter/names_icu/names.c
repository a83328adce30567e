#include "adapter/names_icu/names.h"

#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

/* ICU's macros mix signs. */
#pragma GCC diagnostic ignored "-Wsign-conversion"

enum { UNITS = 4 * NAMES_CHARACTERS_MAX };

struct names {
    const UNormalizer2 *nfc, *nfkc;
    USpoofChecker *spoof;
};

const char *names_outcome_text(enum names_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        NAMES_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

struct names *names_open(struct error *error)
{
    UErrorCode status = U_ZERO_ERROR;
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL) {
        error_fill(error, ERROR_FULL, "no memory for names");
        return NULL;
    }
    names->nfc = unorm2_getNFCInstance(&status);
    names->nfkc = unorm2_getNFKCInstance(&status);
    names->spoof = uspoof_open(&status);
    uspoof_setRestrictionLevel(names->spoof, USPOOF_SINGLE_SCRIPT_RESTRICTIVE);
    uspoof_setChecks(names->spoof,
                     USPOOF_RESTRICTION_LEVEL | USPOOF_INVISIBLE | USPOOF_MIXED_NUMBERS |
                         USPOOF_CHAR_LIMIT,
                     &status);
    USet *allowed =
        U_SUCCESS(status) ? uset_cloneAsThawed(uspoof_getRecommendedSet(&status)) : NULL;
    if (allowed != NULL) {
        uset_add(allowed, '_');
        uset_add(allowed, '-');
        uspoof_setAllowedChars(names->spoof, allowed, &status);
        uset_close(allowed);
    }
    if (U_SUCCESS(status))
        return names;
    error_fill(error, ERROR_SYSTEM, "ICU: %s", u_errorName(status));
    names_close(names);
    return NULL;
}

void names_close(struct names *names)
{
    if (names == NULL)
        return;
    uspoof_close(names->spoof);
    free(names);
}

/* One character's usual form where it is a wide or narrow one (RFC 8265, 3.3.2, rule 1). */
static UChar32 usual_width(const struct names *names, UChar32 c)
{
    UChar units[8];
    UErrorCode status = U_ZERO_ERROR;
    int32_t type = u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);
    if (type != U_DT_WIDE && type != U_DT_NARROW)
        return c;
    int32_t length = unorm2_getDecomposition(names->nfkc, c, units, 8, &status);
    UChar32 first;
    int32_t at = 0;
    if (U_FAILURE(status) || length <= 0)
        return c;
    U16_NEXT(units, at, length, first);
    return at == length ? first : c;
}

/* Widths and case, character by character; false where it does not fit. */
static bool map(const struct names *names, const UChar *from, int32_t length, UChar *to_r,
                int32_t *length_r)
{
    UChar wide[UNITS];
    UErrorCode status = U_ZERO_ERROR;
    int32_t used = 0;
    UBool overflow = 0;
    for (int32_t at = 0; at < length && !overflow;) {
        UChar32 c;
        U16_NEXT(from, at, length, c);
        c = usual_width(names, c);
        U16_APPEND(wide, used, UNITS, c, overflow);
    }
    if (overflow)
        return false;
    /* no language: the same for everybody */
    used = u_strToLower(to_r, UNITS, wide, used, "", &status);
    if (U_FAILURE(status) || used > UNITS)
        return false;
    UChar composed[UNITS];
    used = unorm2_normalize(names->nfc, to_r, used, composed, UNITS, &status);
    if (U_FAILURE(status))
        return false;
    u_memcpy(to_r, composed, used);
    *length_r = used;
    return true;
}

static bool is_allowed(const struct names *names, UChar32 c, bool first)
{
    UChar units[32];
    UErrorCode status = U_ZERO_ERROR;
    if (c == '_' || c == '-')
        return !first;
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    uint32_t mask = U_GET_GC_MASK(c);
    bool letter = (mask & (U_GC_LL_MASK | U_GC_LO_MASK | U_GC_LM_MASK | U_GC_ND_MASK)) != 0;
    bool mark = (mask & (U_GC_MN_MASK | U_GC_MC_MASK)) != 0;
    if (!letter && !(mark && !first))
        return false;
    /* what compatibility would change, and what shows nothing */
    int32_t length = unorm2_getDecomposition(names->nfkc, c, units, 32, &status);
    int32_t canonical = unorm2_getDecomposition(names->nfc, c, units, 32, &status);
    return U_SUCCESS(status) && (length < 0 || canonical >= 0) &&
           !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

static enum names_outcome check(const struct names *names, const UChar *units, int32_t length)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t characters = u_countChar32(units, length);
    if (characters < NAMES_CHARACTERS_MIN || characters > NAMES_CHARACTERS_MAX)
        return NAMES_LENGTH;
    for (int32_t at = 0; at < length;) {
        UChar32 c;
        bool first = at == 0;
        U16_NEXT(units, at, length, c);
        if (!is_allowed(names, c, first))
            return NAMES_CHARACTER;
    }
    int32_t found = uspoof_check2(names->spoof, units, length, NULL, &status);
    if (U_FAILURE(status) || (found & (USPOOF_CHAR_LIMIT | USPOOF_INVISIBLE)) != 0)
        return NAMES_CHARACTER;
    return found != 0 ? NAMES_MIXED : NAMES_OK;
}

enum names_outcome names_prepare(const struct names *names, struct span text,
                                 char name_r[IDENTITY_CANONICAL_BYTES])
{
    UChar units[UNITS], mapped[UNITS];
    UErrorCode status = U_ZERO_ERROR;
    int32_t length, bytes;
    name_r[0] = '\0';
    if (text.length == 0 || text.length > sizeof units)
        return NAMES_LENGTH;
    u_strFromUTF8(units, UNITS, &length, (const char *)text.data, (int32_t)text.length, &status);
    if (status == U_INVALID_CHAR_FOUND)
        return NAMES_NOT_UTF8;
    if (U_FAILURE(status) || length > UNITS || !map(names, units, length, mapped, &length))
        return NAMES_LENGTH;
    enum names_outcome outcome = check(names, mapped, length);
    if (outcome != NAMES_OK)
        return outcome;
    u_strToUTF8(name_r, IDENTITY_CANONICAL_BYTES, &bytes, mapped, length, &status);
    if (U_FAILURE(status) || bytes > IDENTITY_ACCOUNT_BYTES_MAX) {
        name_r[0] = '\0';
        return NAMES_LENGTH;
    }
    name_r[bytes] = '\0';
    return identity_is_like_address(span_text(name_r)) ? NAMES_ADDRESS : NAMES_OK;
}

bool names_skeleton(const struct names *names, const char *name,
                    char skeleton_r[NAMES_SKELETON_BYTES])
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t length = uspoof_getSkeletonUTF8(names->spoof, 0, name, -1, skeleton_r,
                                            NAMES_SKELETON_BYTES, &status);
    if (U_FAILURE(status) || length <= 0 || length >= NAMES_SKELETON_BYTES)
        return false;
    /* Skeletons know capitals, which no name has: 0 looks like O, and here like o. */
    for (int32_t i = 0; i < length; i++)
        if (skeleton_r[i] >= 'A' && skeleton_r[i] <= 'Z')
            skeleton_r[i] = (char)(skeleton_r[i] + 32);
    return true;
}
