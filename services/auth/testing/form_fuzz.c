/* Bodies and secrets from strangers: whatever the bytes, a form is read whole or refused with a
 * field and a status, what was sent in a text is never said back, and no bytes are a secret of ours
 * but those that were made. */
#include "base/fuzz.h"
#include "services/auth/form.h"
#include "services/auth/secrets.h"

static void read_as_form(struct span body)
{
    static const struct form_field fields[] = { { "name", 1, 40, false },
                                                { "password", 1, 60, false },
                                                { "code", 0, 8, true } };
    struct form form;
    struct form_trouble trouble;
    if (!form_read(body, "application/json", fields, 3, &form, &trouble)) {
        ASSERT(trouble.status == 400 || trouble.status == 413);
        ASSERT(trouble.field[0] != '\0' || memmem(body.data, body.length, "\"\"", 2) != NULL);
        ASSERT(trouble.detail[0] != '\0');
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        ASSERT(form.values[i].data != NULL || fields[i].optional);
        ASSERT(form.values[i].data == NULL || (form.values[i].length >= fields[i].bytes_min &&
                                               form.values[i].length <= fields[i].bytes_max));
    }
    form_free(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct identity_key key = { { 3 } };
    static struct secrets secrets;
    static bool derived;
    char id[64], email[FORM_EMAIL_BYTES_MAX + 1];
    uint8_t hash[ACCESS_HASH_BYTES];
    uint64_t generation;
    const struct span bytes = span_of(data, length);
    if (!derived)
        secrets_derive(&key, &secrets);
    derived = true;
    read_as_form(bytes);
    ASSERT(!secrets_refresh_read(&secrets, bytes, id, &generation, hash));
    if (secrets_opaque_read(secrets.grant, "adit_", bytes, 16, id, hash))
        ASSERT(length == 5 + 16 + 1 + 43 && strspn(id, "0123456789abcdef") == 16);
    if (form_email(bytes, email))
        ASSERT(strlen(email) == length && strpbrk(email, " \r\n<>,") == NULL);
    return 0;
}
