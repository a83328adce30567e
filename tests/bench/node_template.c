#include "node_template.h"

#include "core/pow/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TX_BYTES_MAX = 512, ENTRY_BYTES_MAX = 2 * TX_BYTES_MAX + 400, FEE = 1500, SIGNATURE = 72 };

struct writer {
    uint8_t *at;
    uint64_t random;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    memcpy(writer->at, bytes, length);
    writer->at += length;
}

static void put_random(struct writer *writer, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        writer->random = writer->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        *writer->at++ = (uint8_t)(writer->random >> 56);
    }
}

/* Inputs and outputs, which both forms of a transaction share. */
static void put_body(struct writer *writer)
{
    const uint8_t input_end[5] = { 0x00, 0xfd, 0xff, 0xff, 0xff }; /* no script; replaceable */
    const uint8_t program[3] = { 22, 0x00, 0x14 };
    put(writer, "\x02", 1);
    for (int i = 0; i < 2; i++) {
        put_random(writer, 32);
        put(writer, "\x01\x00\x00\x00", 4);
        put(writer, input_end, sizeof input_end);
    }
    put(writer, "\x02", 1);
    for (int i = 0; i < 2; i++) {
        put(writer, "\x40\x42\x0f\x00\x00\x00\x00\x00", 8);
        put(writer, program, sizeof program);
        put_random(writer, 20);
    }
}

/* With its witness (BIP 144) or without, of the same seed. */
static size_t write_transaction(uint64_t seed, bool witness, uint8_t *bytes_r)
{
    struct writer writer = { bytes_r, seed };
    put(&writer, "\x02\x00\x00\x00", 4);
    if (witness)
        put(&writer, "\x00\x01", 2);
    put_body(&writer);
    for (int i = 0; i < 2 && witness; i++) {
        put(&writer, "\x02\x48", 2);
        put_random(&writer, SIGNATURE);
        put(&writer, "\x21", 1);
        put_random(&writer, 33);
    }
    put(&writer, "\x00\x00\x00\x00", 4);
    return (size_t)(writer.at - bytes_r);
}

/* The root of `count` ≥ 1 hashes, in their place. */
static void merkle_root(uint8_t (*hashes)[32], size_t count)
{
    for (; count > 1; count = (count + 1) / 2)
        for (size_t i = 0; i < count; i += 2) {
            uint8_t pair[64];
            memcpy(pair, hashes[i], 32);
            memcpy(pair + 32, hashes[i + 1 < count ? i + 1 : i], 32);
            sha256d(span_of(pair, sizeof pair), hashes[i / 2]);
        }
}

static void hash_text(const uint8_t hash[32], char text_r[65])
{
    uint8_t shown[32];
    bytes_reverse(hash, 32, shown);
    hex_encode(span_of(shown, 32), text_r);
}

void node_template_make(struct node_template *template, size_t count, bool with_fees)
{
    uint8_t(*hashes)[32] = calloc(count + 1, 32); /* the coinbase's stands as zero (BIP 141) */
    char *text = malloc(count * ENTRY_BYTES_MAX + 3);
    ASSERT(hashes != NULL && text != NULL);
    size_t used = 0;
    text[used++] = '[';
    for (size_t i = 0; i < count; i++) {
        uint8_t plain[TX_BYTES_MAX], whole[TX_BYTES_MAX], txid[32];
        char txid_text[65], hash[65], data[2 * TX_BYTES_MAX + 1];
        size_t plain_bytes = write_transaction(i + 1, false, plain);
        size_t whole_bytes = write_transaction(i + 1, true, whole);
        sha256d(span_of(plain, plain_bytes), txid);
        sha256d(span_of(whole, whole_bytes), hashes[i + 1]);
        hash_text(txid, txid_text);
        hash_text(hashes[i + 1], hash);
        hex_encode(span_of(whole, whole_bytes), data);
        char fee[24] = "";
        if (with_fees)
            snprintf(fee, sizeof fee, "\"fee\":%d,", FEE);
        int length =
            snprintf(text + used, ENTRY_BYTES_MAX,
                     "%s{\"data\":\"%s\",\"txid\":\"%s\",\"hash\":\"%s\","
                     "\"depends\":[],%s\"sigops\":2,\"weight\":%zu}",
                     i == 0 ? "" : ",", data, txid_text, hash, fee, 3 * plain_bytes + whole_bytes);
        ASSERT(length > 0 && length < ENTRY_BYTES_MAX);
        used += (size_t)length;
    }
    text[used++] = ']';
    text[used] = '\0';
    uint8_t pair[64] = { 0 }, script[38] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed };
    merkle_root(hashes, count + 1);
    memcpy(pair, hashes[0], 32);
    sha256d(span_of(pair, sizeof pair), script + 6);
    hex_encode(span_of(script, sizeof script), template->commitment);
    template->transactions = text;
    template->transactions_bytes = used;
    template->fees = (uint64_t)count *FEE;
    free(hashes);
}
