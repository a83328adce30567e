#include "core/receipt/link.h"

#include "core/proof/tagged.h"

static const uint8_t magic[5] = { 'a', 'K', 'E', 'Y', 1 };

enum { SIGNED_BYTES = 2 * RECEIPT_KEY_BYTES + 8 };

static void write_signed(const struct receipt_link *link, uint8_t bytes_r[SIGNED_BYTES])
{
    memcpy(bytes_r, link->from, RECEIPT_KEY_BYTES);
    memcpy(bytes_r + RECEIPT_KEY_BYTES, link->to, RECEIPT_KEY_BYTES);
    store_le64(bytes_r + 2 * (size_t)RECEIPT_KEY_BYTES, link->time_ms);
}

void receipt_link_digest(const struct receipt_link *link, uint8_t digest_r[RECEIPT_HASH_BYTES])
{
    struct sha256_state state;
    uint8_t bytes[SIGNED_BYTES];
    write_signed(link, bytes);
    proof_tagged_begin(&state, "adit/receipt/key");
    sha256_update(&state, span_of(bytes, sizeof bytes));
    sha256_final(&state, digest_r);
}

void receipt_link_encode(const struct receipt_link *link, uint8_t bytes_r[RECEIPT_LINK_BYTES])
{
    uint8_t *at = bytes_r + sizeof magic;
    memcpy(bytes_r, magic, sizeof magic);
    write_signed(link, at);
    memcpy(at + SIGNED_BYTES, link->from_signature, RECEIPT_SIGNATURE_BYTES);
    memcpy(at + SIGNED_BYTES + RECEIPT_SIGNATURE_BYTES, link->to_signature,
           RECEIPT_SIGNATURE_BYTES);
}

bool receipt_link_decode(struct span bytes, struct receipt_link *link_r)
{
    if (bytes.length != RECEIPT_LINK_BYTES || memcmp(bytes.data, magic, sizeof magic) != 0)
        return false;
    const uint8_t *at = bytes.data + sizeof magic;
    memcpy(link_r->from, at, RECEIPT_KEY_BYTES);
    memcpy(link_r->to, at + RECEIPT_KEY_BYTES, RECEIPT_KEY_BYTES);
    link_r->time_ms = load_le64(at + 2 * (size_t)RECEIPT_KEY_BYTES);
    memcpy(link_r->from_signature, at + SIGNED_BYTES, RECEIPT_SIGNATURE_BYTES);
    memcpy(link_r->to_signature, at + SIGNED_BYTES + RECEIPT_SIGNATURE_BYTES,
           RECEIPT_SIGNATURE_BYTES);
    return memcmp(link_r->from, link_r->to, RECEIPT_KEY_BYTES) != 0;
}

static bool is_known(const uint8_t (*keys)[RECEIPT_KEY_BYTES], size_t count, const bool *known,
                     const uint8_t key[RECEIPT_KEY_BYTES])
{
    for (size_t i = 0; i < count; i++)
        if (known[i] && memcmp(keys[i], key, RECEIPT_KEY_BYTES) == 0)
            return true;
    return false;
}

/* Marks a key where it is among them and was not known; whether it was so. */
static bool learn(const uint8_t (*keys)[RECEIPT_KEY_BYTES], size_t count, bool *known,
                  const uint8_t key[RECEIPT_KEY_BYTES])
{
    bool learned = false;
    for (size_t i = 0; i < count; i++)
        if (!known[i] && memcmp(keys[i], key, RECEIPT_KEY_BYTES) == 0)
            learned = known[i] = true;
    return learned;
}

void receipt_links_follow(const struct receipt_link *links, size_t link_count,
                          const uint8_t (*keys)[RECEIPT_KEY_BYTES], size_t key_count, bool *known)
{
    bool learned = true;
    /* Each round but the last marks a key, so there are no more rounds than keys. */
    while (learned) {
        learned = false;
        for (size_t i = 0; i < link_count; i++) {
            if (is_known(keys, key_count, known, links[i].from))
                learned = learn(keys, key_count, known, links[i].to) || learned;
            if (is_known(keys, key_count, known, links[i].to))
                learned = learn(keys, key_count, known, links[i].from) || learned;
        }
    }
}
