#include "adapter/token_sodium/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED_BYTES = crypto_sign_SEEDBYTES, SEED_TEXT_BYTES = 2 * SEED_BYTES + 1 };

/* In libsodium's guarded memory: locked, and wiped when freed. */
struct token_signer {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    char kid[TOKEN_KID_BYTES];
};

void token_kid(const uint8_t public_key[TOKEN_PUBLIC_BYTES], char kid_r[TOKEN_KID_BYTES])
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, public_key, TOKEN_PUBLIC_BYTES);
    hex_encode(span_of(digest, (TOKEN_KID_BYTES - 1) / 2), kid_r);
}

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0;
}

/* A rename within the folder lasts only once the folder is written. */
static bool sync_folder(const char *path)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *(slash == folder ? slash + 1 : slash) = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced;
}

/* A fresh seed in a file of another name, then linked to this one: whoever comes second finds a
 * whole file. */
static bool make_key(const char *path, struct error *error)
{
    char temporary[4096];
    uint8_t seed[SEED_BYTES];
    char text[SEED_TEXT_BYTES];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary)
        return error_set(error, ERROR_INVALID, "the path of the token key is too long");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "the token key %s cannot be made", path);
    randombytes_buf(seed, sizeof seed);
    hex_encode(span_of(seed, sizeof seed), text);
    text[SEED_TEXT_BYTES - 1] = '\n';
    bool made = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_whole(fd, text, sizeof text);
    int cause = errno;
    close(fd);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    if (made && link(temporary, path) != 0 && errno != EEXIST) {
        made = false;
        cause = errno;
    }
    (void)unlink(temporary);
    if (!made)
        return error_system(error, cause, "the token key %s cannot be written", path);
    return sync_folder(path) || error_system(error, errno, "the folder of %s", path);
}

static bool read_seed(const char *path, uint8_t seed_r[SEED_BYTES], bool *missing_r,
                      struct error *error)
{
    char text[SEED_TEXT_BYTES + 16];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *missing_r = fd < 0 && errno == ENOENT;
    if (fd < 0)
        return error_system(error, errno, "the token key %s cannot be read", path);
    ssize_t got = fstat(fd, &status) == 0 ? read(fd, text, sizeof text) : -1;
    int cause = errno;
    close(fd);
    if (got < 0)
        return error_system(error, cause, "the token key %s cannot be read", path);
    /* A group may read: that is how a container is handed its secrets. */
    if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0) {
        sodium_memzero(text, sizeof text);
        return error_set(error, ERROR_INVALID, "%s is open to others: chmod 600 %s", path, path);
    }
    size_t length = (size_t)got;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    bool valid = hex_decode(text, length, seed_r, SEED_BYTES);
    sodium_memzero(text, sizeof text);
    return valid || error_set(error, ERROR_INVALID,
                              "%s must hold 64 hex digits, and nothing else; moved away, a fresh "
                              "key is made and everybody has to log in again",
                              path);
}

struct token_signer *token_signer_open(const char *path, struct error *error)
{
    uint8_t seed[SEED_BYTES];
    bool missing;
    if (sodium_init() < 0) {
        error_fill(error, ERROR_SYSTEM, "libsodium cannot be started");
        return NULL;
    }
    bool read = read_seed(path, seed, &missing, error);
    if (!read && missing)
        read = make_key(path, error) && read_seed(path, seed, &missing, error);
    if (!read)
        return NULL;
    struct token_signer *signer = sodium_malloc(sizeof *signer);
    if (signer == NULL) {
        error_fill(error, ERROR_SYSTEM, "no locked memory for the token key");
    } else {
        crypto_sign_seed_keypair(signer->public_key, signer->secret, seed);
        token_kid(signer->public_key, signer->kid);
        (void)sodium_mprotect_readonly(signer);
    }
    sodium_memzero(seed, sizeof seed);
    return signer;
}

void token_signer_close(struct token_signer *signer)
{
    sodium_free(signer);
}

void token_signer_public(const struct token_signer *signer, uint8_t public_r[TOKEN_PUBLIC_BYTES])
{
    memcpy(public_r, signer->public_key, TOKEN_PUBLIC_BYTES);
}

/* Appends base64url without padding and a NUL. */
static bool put_base64(struct span bytes, char *text_r, size_t capacity, size_t *used)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t needed = sodium_base64_encoded_len(bytes.length, variant); /* with the NUL */
    if (needed > capacity - *used)
        return false;
    sodium_bin2base64(text_r + *used, capacity - *used, bytes.data, bytes.length, variant);
    *used += needed - 1;
    return true;
}

bool token_compact(const uint8_t secret[crypto_sign_SECRETKEYBYTES], struct span header,
                   struct span payload, char *text_r, size_t capacity)
{
    size_t used = 0;
    uint8_t signature[crypto_sign_BYTES];
    if (!put_base64(header, text_r, capacity, &used) || capacity - used < 2)
        return false;
    text_r[used++] = '.';
    if (!put_base64(payload, text_r, capacity, &used) || capacity - used < 2)
        return false;
    crypto_sign_detached(signature, NULL, (const uint8_t *)text_r, used, secret);
    text_r[used++] = '.';
    return put_base64(span_of(signature, sizeof signature), text_r, capacity, &used);
}

bool token_publish(const struct token_signer *signer, const char *path, struct error *error)
{
    char text[2 * TOKEN_PUBLIC_BYTES + 2], found[sizeof text] = "", temporary[4200];
    hex_encode(span_of(signer->public_key, TOKEN_PUBLIC_BYTES), text);
    text[2 * TOKEN_PUBLIC_BYTES] = '\n';
    text[2 * TOKEN_PUBLIC_BYTES + 1] = '\0';
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t length = fread(found, 1, sizeof found - 1, file);
        fclose(file);
        if (length == strlen(text) && memcmp(found, text, length) == 0)
            return true;
    }
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    file = fopen(temporary, "we");
    if (file == NULL)
        return error_system(error, errno, "%s", temporary);
    bool written = fputs(text, file) >= 0;
    written = fclose(file) == 0 && written && rename(temporary, path) == 0;
    return written || error_system(error, errno, "%s", path);
}

/* The claims that only some tokens have. */
static void put_optional(const struct token_claims *claims, char *text_r, size_t bytes)
{
    size_t used = 0;
    text_r[0] = '\0';
#define X(name, bit, word)                                                                         \
    if ((claims->scopes & (bit)) != 0)                                                             \
        used += (size_t)snprintf(text_r + used, bytes - used, "%s" word,                           \
                                 used == 0 ? ",\"scope\":\"" : " ");
    TOKEN_SCOPES(X)
#undef X
    if (used > 0)
        used += (size_t)snprintf(text_r + used, bytes - used, "\"");
    if (claims->second_factor_on)
        used += (size_t)snprintf(text_r + used, bytes - used, ",\"mfa_on\":true");
    if (claims->second_factor_given)
        used += (size_t)snprintf(text_r + used, bytes - used, ",\"amr\":[\"mfa\"]");
    ASSERT(used < bytes);
}

void token_sign(const struct token_signer *signer, struct token_claims *claims, char *text_r)
{
    char header[128], payload[512], optional[128];
    uint8_t id[(TOKEN_ID_BYTES - 1) / 2];
    randombytes_buf(id, sizeof id);
    hex_encode(span_of(id, sizeof id), claims->id);
    snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
             signer->kid);
    put_optional(claims, optional, sizeof optional);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"" TOKEN_ISSUER "\",\"aud\":\"" TOKEN_AUDIENCE "\",\"sub\":\"%016" PRIx64
             "\",\"iat\":%" PRIu64 ",\"nbf\":%" PRIu64 ",\"exp\":%" PRIu64 ",\"jti\":\"%s\"%s}",
             claims->account_id, claims->issued_s, claims->not_before_s, claims->expires_s,
             claims->id, optional);
    bool fits = token_compact(signer->secret, span_text(header), span_text(payload), text_r,
                              TOKEN_TEXT_BYTES);
    ASSERT(fits);
}

void token_sign_bytes(const struct token_signer *signer, struct span bytes,
                      uint8_t signature_r[TOKEN_SIGNATURE_BYTES])
{
    crypto_sign_detached(signature_r, NULL, bytes.data, bytes.length, signer->secret);
}

bool token_verify_bytes(const uint8_t public_key[TOKEN_PUBLIC_BYTES], struct span bytes,
                        const uint8_t signature[TOKEN_SIGNATURE_BYTES])
{
    return crypto_sign_verify_detached(signature, bytes.data, bytes.length, public_key) == 0;
}

void token_jwks(const uint8_t public_key[TOKEN_PUBLIC_BYTES], char *text_r)
{
    char kid[TOKEN_KID_BYTES], x[64];
    token_kid(public_key, kid);
    sodium_bin2base64(x, sizeof x, public_key, TOKEN_PUBLIC_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(text_r, TOKEN_TEXT_BYTES,
             "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":\"EdDSA\","
             "\"kid\":\"%s\",\"x\":\"%s\"}]}",
             kid, x);
}
