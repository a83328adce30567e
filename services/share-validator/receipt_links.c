#include "services/share-validator/receipt_links.h"

#include "base/folder.h"
#include "service/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 4400, LINE_BYTES = 2 * RECEIPT_LINK_BYTES + 1 };

static bool path_of(const char *key_file, const char *ending, char path_r[PATH_BYTES],
                    struct error *error)
{
    int length = snprintf(path_r, PATH_BYTES, "%s%s", key_file, ending);
    return (length > 0 && length < PATH_BYTES) ||
           error_set(error, ERROR_INVALID, "validator.receipt_key_file: the path is too long");
}

/* Of more than there is room for, the newest. */
static void add(struct receipt_links *links, const uint8_t bytes[RECEIPT_LINK_BYTES])
{
    if (links->count == RECEIPT_LINKS_MAX) {
        links->count--;
        memmove(links->bytes[0], links->bytes[1], links->count * sizeof *links->bytes);
    }
    memcpy(links->bytes[links->count++], bytes, RECEIPT_LINK_BYTES);
}

static bool read_links(const char *path, struct receipt_links *links_r, struct error *error)
{
    char line[LINE_BYTES + 2];
    bool good = true;
    links_r->count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT || error_system(error, errno, "%s cannot be read", path);
    while (good && fgets(line, sizeof line, file) != NULL) {
        uint8_t bytes[RECEIPT_LINK_BYTES];
        struct receipt_link link;
        size_t length = strcspn(line, "\r\n");
        good = hex_decode(line, length, bytes, sizeof bytes) &&
               receipt_link_decode(span_of(bytes, sizeof bytes), &link);
        if (good)
            add(links_r, bytes);
    }
    fclose(file);
    return good || error_set(error, ERROR_INVALID, "%s does not hold links of keys", path);
}

/* All of them under another name first: who reads meanwhile finds a whole file. */
static bool write_links(const char *path, const struct receipt_links *links, struct error *error)
{
    char fresh[PATH_BYTES + 8], line[LINE_BYTES];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "we");
    bool good = file != NULL;
    for (size_t i = 0; good && i < links->count; i++) {
        hex_encode(span_of(links->bytes[i], RECEIPT_LINK_BYTES), line);
        good = fputs(line, file) >= 0 && fputc('\n', file) != EOF;
    }
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int cause = errno;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good || rename(fresh, path) != 0)
        return error_system(error, good ? errno : cause, "%s cannot be written", path);
    return folder_sync_of(path, error);
}

static void make_link(const struct token_signer *old, const struct token_signer *signer,
                      uint64_t now_ms, uint8_t bytes_r[RECEIPT_LINK_BYTES])
{
    struct receipt_link link = { .time_ms = now_ms };
    uint8_t digest[RECEIPT_HASH_BYTES];
    token_signer_public(old, link.from);
    token_signer_public(signer, link.to);
    receipt_link_digest(&link, digest);
    token_sign_bytes(old, span_of(digest, sizeof digest), link.from_signature);
    token_sign_bytes(signer, span_of(digest, sizeof digest), link.to_signature);
    receipt_link_encode(&link, bytes_r);
}

static bool has(const struct receipt_links *links, const uint8_t from[RECEIPT_KEY_BYTES],
                const uint8_t to[RECEIPT_KEY_BYTES])
{
    for (size_t i = 0; i < links->count; i++) {
        struct receipt_link link;
        if (receipt_link_decode(span_of(links->bytes[i], RECEIPT_LINK_BYTES), &link) &&
            memcmp(link.from, from, sizeof link.from) == 0 &&
            memcmp(link.to, to, sizeof link.to) == 0)
            return true;
    }
    return false;
}

/* The old key says who follows it, once; then it is destroyed. */
static bool hand_on(const char *old_path, const char *links_path, const struct token_signer *signer,
                    uint64_t now_ms, struct receipt_links *links, struct error *error)
{
    uint8_t from[RECEIPT_KEY_BYTES], to[RECEIPT_KEY_BYTES], bytes[RECEIPT_LINK_BYTES];
    char before[2 * RECEIPT_KEY_BYTES + 1], after[2 * RECEIPT_KEY_BYTES + 1];
    struct token_signer *old = token_signer_open(old_path, error);
    if (old == NULL)
        return false;
    token_signer_public(old, from);
    token_signer_public(signer, to);
    bool written = true;
    if (memcmp(from, to, sizeof from) != 0 && !has(links, from, to)) {
        make_link(old, signer, now_ms, bytes);
        add(links, bytes);
        written = write_links(links_path, links, error);
        hex_encode(span_of(from, sizeof from), before);
        hex_encode(span_of(to, sizeof to), after);
        if (written)
            log_info("receipts.key_follows", "old=%s new=%s", before, after);
    }
    token_signer_close(old);
    if (written && unlink(old_path) != 0)
        return error_system(error, errno, "%s cannot be removed", old_path);
    return written;
}

bool receipt_links_open(const char *key_file, const struct token_signer *signer, uint64_t now_ms,
                        struct receipt_links *links_r, struct error *error)
{
    char links_path[PATH_BYTES], old_path[PATH_BYTES];
    if (!path_of(key_file, ".links", links_path, error) ||
        !path_of(key_file, ".old", old_path, error) || !read_links(links_path, links_r, error))
        return false;
    return access(old_path, F_OK) != 0 ||
           hand_on(old_path, links_path, signer, now_ms, links_r, error);
}
