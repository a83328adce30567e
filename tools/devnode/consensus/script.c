#include "tools/devnode/consensus/script.h"
#include "tools/devnode/consensus/hash.h"
#include "tools/devnode/consensus/key.h"

#include <stdio.h>

#define SIGHASH_ALL 1

bool script_is_p2wpkh(struct span script)
{
    return script.length == 22 && script.data[0] == 0 && script.data[1] == 20;
}

bool script_is_p2pkh(struct span script)
{
    return script.length == 25 && memcmp(script.data, "\x76\xa9\x14", 3) == 0 &&
           memcmp(script.data + 23, "\x88\xac", 2) == 0;
}

bool script_is_unspendable(struct span script)
{
    return (script.length > 0 && script.data[0] == 0x6a) || script.length > 10000;
}

const char *script_type_name(struct span script)
{
    const uint8_t *s = script.data;
    if (script_is_p2wpkh(script))
        return "witness_v0_keyhash";
    if (script_is_p2pkh(script))
        return "pubkeyhash";
    if (script.length == 23 && memcmp(s, "\xa9\x14", 2) == 0 && s[22] == 0x87)
        return "scripthash";
    if (script.length == 34 && s[0] == 0 && s[1] == 32)
        return "witness_v0_scripthash";
    if (script.length == 34 && s[0] == 0x51 && s[1] == 32)
        return "witness_v1_taproot";
    if (script.length >= 4 && script.length <= 42 && s[0] >= 0x51 && s[0] <= 0x60 &&
        s[1] == script.length - 2)
        return "witness_unknown";
    if (script.length > 0 && s[0] == 0x6a)
        return "nulldata";
    if ((script.length == 35 && s[0] == 33 && s[34] == 0xac) ||
        (script.length == 67 && s[0] == 65 && s[66] == 0xac))
        return "pubkey";
    return "nonstandard";
}

static void put_text(struct buffer *text_r, const char *text)
{
    buffer_put(text_r, text, strlen(text));
}

static void put_push_asm(struct buffer *text_r, const uint8_t *data, size_t length)
{
    char hex[2 * 520 + 1];
    if (length <= 4) { /* a push of up to four bytes is shown as a number */
        int64_t value = 0;
        for (size_t i = 0; i < length; i++)
            value |= (int64_t)(i + 1 == length ? data[i] & 0x7f : data[i]) << (8 * i);
        if (length > 0 && (data[length - 1] & 0x80) != 0)
            value = -value;
        snprintf(hex, sizeof hex, "%lld", (long long)value);
        put_text(text_r, hex);
    } else if (length <= 520) {
        hex_encode(span_of(data, length), hex);
        put_text(text_r, hex);
    } else {
        put_text(text_r, "[push too long]");
    }
}

void script_asm(struct span script, struct buffer *text_r)
{
    struct reader reader = reader_over(script);
    while (reader_left(&reader) > 0) {
        uint8_t op = reader_u8(&reader);
        char name[16];
        if (reader.at != script.data + 1)
            buffer_put_u8(text_r, ' ');
        if (op <= 76) {
            size_t length = op == 76 ? reader_u8(&reader) : op;
            const uint8_t *data = reader_take(&reader, length);
            if (data == NULL) {
                put_text(text_r, "[error]");
                return;
            }
            put_push_asm(text_r, data, length);
            continue;
        }
        if (op >= 0x51 && op <= 0x60)
            snprintf(name, sizeof name, "%d", op - 0x50);
        else if (op == 0x4f)
            snprintf(name, sizeof name, "-1");
        else
            snprintf(name, sizeof name, "OP_%02x", op);
        put_text(text_r, op == 0x76   ? "OP_DUP"
                         : op == 0xa9 ? "OP_HASH160"
                         : op == 0x88 ? "OP_EQUALVERIFY"
                         : op == 0x87 ? "OP_EQUAL"
                         : op == 0xac ? "OP_CHECKSIG"
                         : op == 0x6a ? "OP_RETURN"
                                      : name);
    }
}

/* BIP143: the digest a version 0 witness signature signs. */
static void sighash_witness(const struct tx *tx, size_t index, struct span script_code,
                            int64_t spent_value, uint8_t digest_r[32])
{
    struct buffer part = { 0 };
    struct buffer whole = { 0 };
    uint8_t digest[32];
    buffer_put_le32(&whole, tx->version);
    for (size_t i = 0; i < tx->input_count; i++) {
        buffer_put(&part, tx->inputs[i].previous.txid, 32);
        buffer_put_le32(&part, tx->inputs[i].previous.index);
    }
    hash_sha256d(buffer_span(&part), digest);
    buffer_put(&whole, digest, 32);
    part.length = 0;
    for (size_t i = 0; i < tx->input_count; i++)
        buffer_put_le32(&part, tx->inputs[i].sequence);
    hash_sha256d(buffer_span(&part), digest);
    buffer_put(&whole, digest, 32);
    buffer_put(&whole, tx->inputs[index].previous.txid, 32);
    buffer_put_le32(&whole, tx->inputs[index].previous.index);
    buffer_put_compact(&whole, script_code.length);
    buffer_put(&whole, script_code.data, script_code.length);
    buffer_put_le64(&whole, (uint64_t)spent_value);
    buffer_put_le32(&whole, tx->inputs[index].sequence);
    part.length = 0;
    for (size_t i = 0; i < tx->output_count; i++) {
        buffer_put_le64(&part, (uint64_t)tx->outputs[i].value);
        buffer_put_compact(&part, tx->outputs[i].script.length);
        buffer_put(&part, tx->outputs[i].script.data, tx->outputs[i].script.length);
    }
    hash_sha256d(buffer_span(&part), digest);
    buffer_put(&whole, digest, 32);
    buffer_put_le32(&whole, tx->lock_time);
    buffer_put_le32(&whole, SIGHASH_ALL);
    hash_sha256d(buffer_span(&whole), digest_r);
    buffer_deinit(&part);
    buffer_deinit(&whole);
}

/* The original digest: the transaction with only this input's script filled. */
static void sighash_legacy(const struct tx *tx, size_t index, struct span script_code,
                           uint8_t digest_r[32])
{
    struct buffer whole = { 0 };
    buffer_put_le32(&whole, tx->version);
    buffer_put_compact(&whole, tx->input_count);
    for (size_t i = 0; i < tx->input_count; i++) {
        buffer_put(&whole, tx->inputs[i].previous.txid, 32);
        buffer_put_le32(&whole, tx->inputs[i].previous.index);
        if (i == index) {
            buffer_put_compact(&whole, script_code.length);
            buffer_put(&whole, script_code.data, script_code.length);
        } else {
            buffer_put_u8(&whole, 0);
        }
        buffer_put_le32(&whole, tx->inputs[i].sequence);
    }
    buffer_put_compact(&whole, tx->output_count);
    for (size_t i = 0; i < tx->output_count; i++) {
        buffer_put_le64(&whole, (uint64_t)tx->outputs[i].value);
        buffer_put_compact(&whole, tx->outputs[i].script.length);
        buffer_put(&whole, tx->outputs[i].script.data, tx->outputs[i].script.length);
    }
    buffer_put_le32(&whole, tx->lock_time);
    buffer_put_le32(&whole, SIGHASH_ALL);
    hash_sha256d(buffer_span(&whole), digest_r);
    buffer_deinit(&whole);
}

static void sighash(const struct tx *tx, size_t index, struct span spent_script,
                    int64_t spent_value, uint8_t digest_r[32])
{
    if (script_is_p2pkh(spent_script)) {
        sighash_legacy(tx, index, spent_script, digest_r);
        return;
    }
    uint8_t code[25];
    memcpy(code, "\x76\xa9\x14", 3);
    memcpy(code + 3, spent_script.data + 2, 20);
    memcpy(code + 23, "\x88\xac", 2);
    sighash_witness(tx, index, span_of(code, sizeof code), spent_value, digest_r);
}

void script_sign_input(struct tx *tx, size_t index, struct span spent_script, int64_t spent_value,
                       const uint8_t private_key[32])
{
    struct tx_input *input = &tx->inputs[index];
    uint8_t digest[32];
    uint8_t signature[SIGNATURE_BYTES_MAX + 1];
    uint8_t public_key[33];
    bool valid = key_public(private_key, public_key);
    ASSERT(valid && (script_is_p2wpkh(spent_script) || script_is_p2pkh(spent_script)));
    for (size_t i = 0; i < input->witness_count; i++)
        buffer_deinit(&input->witness[i]);
    input->witness_count = 0;
    input->script.length = 0;
    sighash(tx, index, spent_script, spent_value, digest);
    size_t length = key_sign(private_key, digest, signature);
    signature[length++] = SIGHASH_ALL;
    if (script_is_p2wpkh(spent_script)) {
        tx_add_witness(input, span_of(signature, length));
        tx_add_witness(input, span_of(public_key, sizeof public_key));
    } else {
        buffer_put_u8(&input->script, (uint8_t)length);
        buffer_put(&input->script, signature, length);
        buffer_put_u8(&input->script, sizeof public_key);
        buffer_put(&input->script, public_key, sizeof public_key);
    }
}

static const char *verify_signature(const struct tx *tx, size_t index, struct span spent_script,
                                    int64_t spent_value, struct span signature,
                                    struct span public_key)
{
    uint8_t hash[20];
    uint8_t digest[32];
    hash_160(public_key, hash);
    if (memcmp(hash, spent_script.data + (script_is_p2wpkh(spent_script) ? 2 : 3), 20) != 0)
        return "Script failed an OP_EQUALVERIFY operation";
    if (signature.length < 2 || signature.data[signature.length - 1] != SIGHASH_ALL)
        return "Signature hash type missing or not understood";
    sighash(tx, index, spent_script, spent_value, digest);
    signature.length--;
    if (!key_verify(public_key, digest, signature))
        return "Script evaluated without error but finished with a false/empty top stack element";
    return NULL;
}

const char *script_verify_input(const struct tx *tx, size_t index, struct span spent_script,
                                int64_t spent_value)
{
    const struct tx_input *input = &tx->inputs[index];
    if (script_is_p2wpkh(spent_script)) {
        if (input->script.length != 0)
            return "Witness requires empty scriptSig";
        if (input->witness_count != 2 || input->witness[1].length != 33)
            return "Witness program was passed an empty witness";
        return verify_signature(tx, index, spent_script, spent_value,
                                buffer_span(&input->witness[0]), buffer_span(&input->witness[1]));
    }
    if (script_is_p2pkh(spent_script)) {
        struct reader reader = reader_over(buffer_span(&input->script));
        size_t signature_bytes = reader_u8(&reader);
        const uint8_t *signature = reader_take(&reader, signature_bytes);
        size_t public_bytes = reader_u8(&reader);
        const uint8_t *public_key = reader_take(&reader, public_bytes);
        if (input->witness_count != 0)
            return "Witness provided for non-witness script";
        if (reader.failed || reader_left(&reader) != 0 || signature_bytes > 75 || public_bytes > 65)
            return "Only push operators allowed in signatures";
        return verify_signature(tx, index, spent_script, spent_value,
                                span_of(signature, signature_bytes),
                                span_of(public_key, public_bytes));
    }
    return "devnode spends P2WPKH and P2PKH outputs only";
}
