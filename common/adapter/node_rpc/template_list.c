/* The transactions: each is decoded to where the arena is free; some at a time are then checked
 * against their ids, and hashed into both merkle trees. */
#include "adapter/node_rpc/template_inside.h"

#include "core/transaction/transaction.h"
#include "core/pow/sha256_lanes.h"

/* One entry of the list, as it is gathered. */
struct entry {
    struct span data;
    uint8_t txid[32], hash[32];
    bool txid_seen, hash_seen, hash_bad;
    int64_t fee, weight;
    bool fee_seen;
};

/* Decodes the hex of a transaction to where the arena is free. It is kept only once the whole entry
 * is good, so an entry that is cut is simply decoded again. */
static enum scan_outcome read_data(struct template_reader *reader, struct scan *scan,
                                   struct entry *entry)
{
    static const char odd[] = "a transaction's \"data\" is no hex";
    struct arena *arena = reader->arena;
    enum scan_outcome outcome = scan_take(scan, '"');
    if (outcome != SCAN_OK)
        return outcome == SCAN_BAD ? template_refuse(reader, odd) : outcome;
    size_t room = arena->capacity_bytes - arena->used_bytes;
    size_t left = TEMPLATE_DATA_BYTES_MAX - reader->data_bytes;
    uint8_t *bytes = arena->memory + arena->used_bytes;
    size_t length = hex_decode_run(scan->text + scan->at, scan->end - scan->at, bytes,
                                   left < room ? left : room);
    const char *behind = scan->text + scan->at + 2 * length;
    size_t behind_bytes = scan->end - scan->at - 2 * length;
    if (behind_bytes == 0)
        return SCAN_SHORT;
    if (*behind == '"' && length > 0) {
        entry->data = span_of(bytes, length);
        scan->at += 2 * length + 1;
        return SCAN_OK;
    }
    uint8_t digit;
    if (hex_decode_run((const char[2]){ *behind, '0' }, 2, &digit, 1) == 0)
        return template_refuse(reader, odd);
    if (length == left)
        return template_refuse(reader, "its transactions are larger than any block");
    if (length == room)
        return template_refuse(reader, "it does not fit into the memory set aside");
    return behind_bytes == 1 ? SCAN_SHORT : template_refuse(reader, odd);
}

static enum scan_outcome read_fee(struct scan *scan, struct entry *entry)
{
    enum scan_outcome outcome = scan_integer(scan, &entry->fee);
    entry->fee_seen = outcome == SCAN_OK && entry->fee >= 0;
    if (outcome != SCAN_OTHER)
        return outcome;
    /* Passed over where it was a number; another kind of value still stands there. */
    return scan->text[scan->at - 1] >= '0' && scan->text[scan->at - 1] <= '9' ? SCAN_OK
                                                                              : scan_skip(scan);
}

static enum scan_outcome read_entry_member(struct template_reader *reader, struct scan *scan,
                                           const char *name, struct entry *entry)
{
    enum scan_outcome outcome;
    if (strcmp(name, "data") == 0)
        return read_data(reader, scan, entry);
    if (strcmp(name, "txid") == 0) {
        outcome = template_read_hash(scan, entry->txid);
        entry->txid_seen = true;
        return outcome == SCAN_OTHER
                   ? template_refuse(reader, "a transaction's \"txid\" is no hash")
                   : outcome;
    }
    if (strcmp(name, "hash") == 0) {
        size_t start = scan->at;
        outcome = template_read_hash(scan, entry->hash);
        entry->hash_seen = outcome == SCAN_OK;
        if (outcome != SCAN_OTHER)
            return outcome;
        scan->at = start;
        return scan_skip(scan);
    }
    if (strcmp(name, "fee") == 0)
        return read_fee(scan, entry);
    if (strcmp(name, "weight") == 0) {
        outcome = scan_integer(scan, &entry->weight);
        if (outcome == SCAN_OTHER ||
            (outcome == SCAN_OK &&
             (entry->weight < 0 || entry->weight > 4 * TEMPLATE_DATA_BYTES_MAX)))
            return template_refuse(reader, "a transaction's \"weight\" is absurd");
        return outcome;
    }
    return scan_skip(scan);
}

/* The ids of those that wait, from their bytes; and with them both merkle trees. */
static enum scan_outcome hash_together(struct template_reader *reader)
{
    struct template_together *together = &reader->space->together;
    struct template_transaction *transactions = &reader->space->transactions[reader->count];
    const size_t count = together->count;
    struct span messages[2 * TEMPLATE_TOGETHER] = { 0 };
    uint8_t hashes[2 * TEMPLATE_TOGETHER][TEMPLATE_HASH_BYTES];
    uint8_t txids[TEMPLATE_TOGETHER][TEMPLATE_HASH_BYTES];
    uint8_t wtxids[TEMPLATE_TOGETHER][TEMPLATE_HASH_BYTES];
    size_t hashed = 0;
    for (size_t i = 0; i < count; i++) {
        if (!together->list[i].known)
            messages[hashed++] = together->list[i].stripped;
        if (!together->list[i].known && together->list[i].whole.length > 0)
            messages[hashed++] = together->list[i].whole;
    }
    sha256d_many(messages, hashed, hashes);
    hashed = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *txid = transactions[i].txid, *wtxid = together->list[i].wtxid;
        if (!together->list[i].known) {
            wtxid = hashes[hashed++];
            if (memcmp(wtxid, txid, TEMPLATE_HASH_BYTES) != 0)
                return template_refuse(reader,
                                       "a transaction's \"txid\" is not the hash of its data");
            if (together->list[i].whole.length > 0)
                wtxid = hashes[hashed++];
        }
        memcpy(txids[i], txid, TEMPLATE_HASH_BYTES);
        memcpy(wtxids[i], wtxid, TEMPLATE_HASH_BYTES);
    }
    template_merkle_add_many(&reader->txids, (const uint8_t(*)[TEMPLATE_HASH_BYTES])txids, count);
    template_merkle_add_many(&reader->wtxids, (const uint8_t(*)[TEMPLATE_HASH_BYTES])wtxids, count);
    reader->count += count;
    together->count = together->stripped_bytes = 0;
    return SCAN_OK;
}

/* What the txid is the hash of, as one run of bytes. */
static struct span strip(struct template_together *together, const struct raw_transaction *raw)
{
    uint8_t *bytes = together->stripped + together->stripped_bytes;
    size_t length = 8 + raw->inputs.length;
    memcpy(bytes, raw->bytes.data, 4);
    memcpy(bytes + 4, raw->inputs.data, raw->inputs.length);
    memcpy(bytes + length - 4, raw->bytes.data + raw->bytes.length - 4, 4);
    together->stripped_bytes += length;
    return span_of(bytes, length);
}

/* A transaction too large to be hashed with others. */
static enum scan_outcome hash_alone(struct template_reader *reader,
                                    const struct raw_transaction *raw, const uint8_t txid[32],
                                    uint8_t wtxid_r[32])
{
    uint8_t computed[TEMPLATE_HASH_BYTES];
    raw_transaction_txid(raw, computed);
    if (memcmp(computed, txid, sizeof computed) != 0)
        return template_refuse(reader, "a transaction's \"txid\" is not the hash of its data");
    sha256d(raw->bytes, wtxid_r);
    return SCAN_OK;
}

/* Sets one aside to be hashed with others. */
static enum scan_outcome take_ids(struct template_reader *reader, struct entry *entry)
{
    struct template_together *together = &reader->space->together;
    struct raw_transaction raw;
    if (!raw_transaction_read(entry->data, &raw) || raw.bytes.length != entry->data.length)
        return template_refuse(reader, "a transaction's \"data\" is no transaction");
    if (!entry->txid_seen && !entry->hash_seen)
        return template_refuse(reader, "a transaction's \"txid\" is no hash");
    if (raw.other_flags && (!reader->coin->mweb || !entry->hash_seen))
        return template_refuse(reader, "a transaction has flags that this coin does not know");
    const size_t room = sizeof together->stripped - together->stripped_bytes;
    const bool alone = raw.witness && 8 + raw.inputs.length > sizeof together->stripped;
    enum scan_outcome outcome = SCAN_OK;
    if (together->count == TEMPLATE_TOGETHER ||
        (raw.witness && !alone && 8 + raw.inputs.length > room))
        outcome = hash_together(reader);
    if (outcome != SCAN_OK)
        return outcome;
    const size_t i = together->count++;
    together->list[i].known = raw.other_flags || alone;
    together->list[i].whole = span_of(NULL, 0);
    struct template_transaction *transaction = &reader->space->transactions[reader->count + i];
    *transaction =
        (struct template_transaction){ .data = entry->data, .weight = (uint32_t)entry->weight };
    memcpy(transaction->txid, entry->txid_seen ? entry->txid : entry->hash,
           sizeof transaction->txid);
    if (raw.other_flags) {
        reader->unchecked = true;
        memcpy(together->list[i].wtxid, entry->hash, TEMPLATE_HASH_BYTES);
        return SCAN_OK;
    }
    reader->witness_seen = reader->witness_seen || raw.witness;
    if (alone)
        return hash_alone(reader, &raw, transaction->txid, together->list[i].wtxid);
    if (raw.witness) {
        together->list[i].whole = entry->data;
        together->list[i].stripped = strip(together, &raw);
    } else {
        together->list[i].stripped = entry->data;
    }
    return SCAN_OK;
}

static enum scan_outcome take_entry(struct template_reader *reader, struct entry *entry)
{
    if (entry->data.length == 0)
        return template_refuse(reader, "a transaction has no \"data\"");
    if (!entry->fee_seen)
        reader->fees_known = false;
    else if (entry->fee > VALUE_MAX - (int64_t)reader->fees)
        return template_refuse(reader, "a transaction's \"fee\" is absurd");
    else
        reader->fees += (uint64_t)entry->fee;
    enum scan_outcome outcome = take_ids(reader, entry);
    if (outcome != SCAN_OK)
        return outcome;
    reader->data_bytes += entry->data.length;
    reader->arena->used_bytes += entry->data.length;
    return SCAN_OK;
}

enum scan_outcome template_read_entry(struct template_reader *reader, struct scan *scan,
                                      bool *ended_r)
{
    struct entry entry = { 0 };
    struct template_members members = { .count = 0 };
    char c;
    enum scan_outcome outcome = scan_peek(scan, &c);
    if (outcome != SCAN_OK)
        return outcome;
    *ended_r = c == ']';
    if (*ended_r) {
        scan->at++;
        return hash_together(reader);
    }
    const size_t count = reader->count + reader->space->together.count;
    if (count > 0 && (outcome = scan_take(scan, ',')) != SCAN_OK)
        return outcome;
    if (count == TEMPLATE_TRANSACTIONS_MAX)
        return template_refuse(reader, "\"transactions\" is longer than any block's");
    if ((outcome = scan_take(scan, '{')) != SCAN_OK)
        return outcome == SCAN_BAD ? template_refuse(reader, "a transaction is no object")
                                   : outcome;
    for (bool first = true;; first = false) {
        char name[NAME_BYTES];
        if ((outcome = scan_peek(scan, &c)) != SCAN_OK)
            return outcome;
        if (c == '}') {
            scan->at++;
            return take_entry(reader, &entry);
        }
        if (!first && (outcome = scan_take(scan, ',')) != SCAN_OK)
            return outcome;
        if ((outcome = template_read_name(reader, scan, &members, name)) != SCAN_OK ||
            (outcome = read_entry_member(reader, scan, name, &entry)) != SCAN_OK)
            return outcome;
    }
}
