#include "services/auth/guessable.h"

#include <sodium.h>
#include <stdlib.h>

static const char *const common[] = {
#include "services/auth/common_passwords.def"
};

enum { COMMON_BYTES_MAX = 40, BASE_BYTES_MIN = 6 };

static int compare(const void *key, const void *one)
{
    return strcmp(key, *(const char *const *)one);
}

static bool is_common(const char *text)
{
    return bsearch(text, common, sizeof common / sizeof *common, sizeof *common, compare) != NULL;
}

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Also without what people put behind a word when they are told to. */
static bool common_with_tail(struct span password)
{
    char text[COMMON_BYTES_MAX + 1];
    if (password.length > COMMON_BYTES_MAX)
        return false;
    for (size_t i = 0; i < password.length; i++)
        text[i] = lower(password.data[i]);
    text[password.length] = '\0';
    bool found = strlen(text) == password.length && is_common(text);
    for (size_t i = password.length; !found && i > BASE_BYTES_MIN; i--) {
        char c = text[i - 1];
        bool letter = (c >= 'a' && c <= 'z') || (uint8_t)c >= 0x80;
        if (letter)
            break;
        text[i - 1] = '\0';
        found = i - 1 >= 8 && is_common(text);
    }
    sodium_memzero(text, sizeof text);
    return found;
}

static bool one_character(struct span password)
{
    for (size_t i = 1; i < password.length; i++)
        if (password.data[i] != password.data[0])
            return false;
    return true;
}

static bool has_name(struct span password, struct span name)
{
    if (name.length < 4 || name.length > password.length)
        return false;
    for (size_t from = 0; from + name.length <= password.length; from++) {
        size_t i = 0;
        while (i < name.length && lower(password.data[from + i]) == lower(name.data[i]))
            i++;
        /* a long password may have anything in it */
        if (i == name.length && password.length - name.length < 6)
            return true;
    }
    return false;
}

bool password_is_guessable(struct span password, struct span name)
{
    return one_character(password) || has_name(password, name) || common_with_tail(password);
}
