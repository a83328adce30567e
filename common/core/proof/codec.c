/* Proofs as bytes. What decodes is exactly what the encoder writes: decoding and encoding again
 * gives the same bytes, so a proof has one form. */
#include "core/proof/inside.h"

static const uint8_t magic[5] = { 'a', 'P', 'R', 'F', 1 };

void proof_put(struct proof_writer *writer, const void *data, size_t length)
{
    if (length > 0)
        memcpy(writer->at, data, length);
    writer->at += length;
}

void proof_put_u8(struct proof_writer *writer, uint8_t value)
{
    *writer->at++ = value;
}

void proof_put_u16(struct proof_writer *writer, uint16_t value)
{
    store_le16(writer->at, value);
    writer->at += 2;
}

void proof_put_u32(struct proof_writer *writer, uint32_t value)
{
    store_le32(writer->at, value);
    writer->at += 4;
}

void proof_put_u64(struct proof_writer *writer, uint64_t value)
{
    store_le64(writer->at, value);
    writer->at += 8;
}

void proof_put_u128(struct proof_writer *writer, u128 value)
{
    proof_put_u64(writer, (uint64_t)value);
    proof_put_u64(writer, (uint64_t)(value >> 64));
}

void proof_put_node(struct proof_writer *writer, const struct proof_node *node)
{
    proof_put_u128(writer, node->sums.work);
    proof_put_u64(writer, node->sums.amount);
    proof_put(writer, node->hash, sizeof node->hash);
}

void proof_put_position(struct proof_writer *writer, const struct proof_position *position)
{
    proof_put_u64(writer, position->high);
    proof_put_u64(writer, position->low);
    proof_put_u32(writer, position->index);
}

void proof_get(struct proof_reader *reader, void *data_r, size_t length)
{
    if (reader->failed || length > reader->rest.length) {
        reader->failed = true;
        memset(data_r, 0, length);
        return;
    }
    memcpy(data_r, reader->rest.data, length);
    reader->rest = span_of(reader->rest.data + length, reader->rest.length - length);
}

uint8_t proof_get_u8(struct proof_reader *reader)
{
    uint8_t value;
    proof_get(reader, &value, 1);
    return value;
}

uint16_t proof_get_u16(struct proof_reader *reader)
{
    uint8_t bytes[2];
    proof_get(reader, bytes, sizeof bytes);
    return load_le16(bytes);
}

uint32_t proof_get_u32(struct proof_reader *reader)
{
    uint8_t bytes[4];
    proof_get(reader, bytes, sizeof bytes);
    return load_le32(bytes);
}

uint64_t proof_get_u64(struct proof_reader *reader)
{
    uint8_t bytes[8];
    proof_get(reader, bytes, sizeof bytes);
    return load_le64(bytes);
}

u128 proof_get_u128(struct proof_reader *reader)
{
    uint64_t low = proof_get_u64(reader);
    return (u128)proof_get_u64(reader) << 64 | low;
}

void proof_get_node(struct proof_reader *reader, struct proof_node *node_r)
{
    node_r->sums.work = proof_get_u128(reader);
    node_r->sums.amount = proof_get_u64(reader);
    proof_get(reader, node_r->hash, sizeof node_r->hash);
}

void proof_get_position(struct proof_reader *reader, struct proof_position *position_r)
{
    position_r->high = proof_get_u64(reader);
    position_r->low = proof_get_u64(reader);
    position_r->index = proof_get_u32(reader);
}

static void put_statement(struct proof_writer *writer, const struct proof_statement *statement)
{
    proof_put_u64(writer, statement->number);
    proof_put(writer, statement->previous, sizeof statement->previous);
    proof_put(writer, statement->block_hash, sizeof statement->block_hash);
    proof_put_u32(writer, statement->height);
    proof_put_u64(writer, statement->reward);
    proof_put_u64(writer, statement->fee);
    proof_put_u64(writer, statement->unallocated);
    proof_put_u32(writer, statement->accounts);
    proof_put_node(writer, &statement->root);
    proof_put_u8(writer, statement->empty);
    proof_put_position(writer, &statement->oldest);
    proof_put_position(writer, &statement->newest);
    proof_put_u128(writer, statement->window_work);
    proof_put_u128(writer, statement->network_work);
    proof_put_u64(writer, statement->shares);
    proof_put(writer, statement->scheme, sizeof statement->scheme);
}

static void get_statement(struct proof_reader *reader, struct proof_statement *statement)
{
    statement->number = proof_get_u64(reader);
    proof_get(reader, statement->previous, sizeof statement->previous);
    proof_get(reader, statement->block_hash, sizeof statement->block_hash);
    statement->height = proof_get_u32(reader);
    statement->reward = proof_get_u64(reader);
    statement->fee = proof_get_u64(reader);
    statement->unallocated = proof_get_u64(reader);
    statement->accounts = proof_get_u32(reader);
    proof_get_node(reader, &statement->root);
    uint8_t empty = proof_get_u8(reader);
    statement->empty = empty == 1;
    proof_get_position(reader, &statement->oldest);
    proof_get_position(reader, &statement->newest);
    statement->window_work = proof_get_u128(reader);
    statement->network_work = proof_get_u128(reader);
    statement->shares = proof_get_u64(reader);
    proof_get(reader, statement->scheme, sizeof statement->scheme);
    /* The scheme is a word of letters, digits and signs, zeros behind it. */
    size_t length = strnlen(statement->scheme, sizeof statement->scheme);
    bool word = length < sizeof statement->scheme;
    for (size_t i = 0; i < sizeof statement->scheme; i++) {
        uint8_t c = (uint8_t)statement->scheme[i];
        word = word && (i < length ? c > 0x20 && c < 0x7f && c != '"' && c != '\\' : c == 0);
    }
    reader->failed = reader->failed || empty > 1 || !word || statement->number == 0;
}

void proof_statement_encode(const struct proof_statement *statement,
                            uint8_t bytes_r[PROOF_STATEMENT_BYTES])
{
    struct proof_writer writer = { bytes_r };
    put_statement(&writer, statement);
    ASSERT(writer.at == bytes_r + PROOF_STATEMENT_BYTES);
}

bool proof_statement_decode(struct span bytes, struct proof_statement *statement_r)
{
    struct proof_reader reader = { bytes, false };
    get_statement(&reader, statement_r);
    return !reader.failed && reader.rest.length == 0;
}

size_t proof_encode(const struct proof *proof, uint8_t bytes_r[PROOF_BYTES_MAX])
{
    const struct proof_leaf *leaf = &proof->leaf;
    ASSERT(leaf->name_bytes <= PROOF_NAME_BYTES_MAX && proof->path_length <= PROOF_PATH_MAX);
    struct proof_writer writer = { bytes_r };
    proof_put(&writer, magic, sizeof magic);
    put_statement(&writer, &proof->statement);
    proof_put(&writer, leaf->salt, sizeof leaf->salt);
    proof_put_u8(&writer, (uint8_t)leaf->kind);
    proof_put_u8(&writer, leaf->name_bytes);
    proof_put(&writer, leaf->name, leaf->name_bytes);
    proof_put_u64(&writer, leaf->account);
    proof_put_u16(&writer, leaf->fee_basis_points);
    proof_put_u128(&writer, leaf->sums.work);
    proof_put_u64(&writer, leaf->sums.amount);
    proof_put_u32(&writer, proof->place);
    proof_put_u8(&writer, proof->path_length);
    for (size_t i = 0; i < proof->path_length; i++)
        proof_put_node(&writer, &proof->path[i]);
    return (size_t)(writer.at - bytes_r);
}

bool proof_decode(struct span bytes, struct proof *proof_r)
{
    uint8_t begin[sizeof magic];
    struct proof_reader reader = { bytes, false };
    memset(proof_r, 0, sizeof *proof_r);
    proof_get(&reader, begin, sizeof begin);
    if (memcmp(begin, magic, sizeof magic) != 0)
        return false;
    struct proof_leaf *leaf = &proof_r->leaf;
    get_statement(&reader, &proof_r->statement);
    proof_get(&reader, leaf->salt, sizeof leaf->salt);
    uint8_t kind = proof_get_u8(&reader);
    leaf->kind = (enum proof_name_kind)kind;
    leaf->name_bytes = proof_get_u8(&reader);
    if (kind < PROOF_NAME_SCRIPT || kind > PROOF_NAME_ID || leaf->name_bytes == 0 ||
        leaf->name_bytes > PROOF_NAME_BYTES_MAX)
        return false;
    proof_get(&reader, leaf->name, leaf->name_bytes);
    leaf->account = proof_get_u64(&reader);
    leaf->fee_basis_points = proof_get_u16(&reader);
    leaf->sums.work = proof_get_u128(&reader);
    leaf->sums.amount = proof_get_u64(&reader);
    proof_r->place = proof_get_u32(&reader);
    proof_r->path_length = proof_get_u8(&reader);
    if (proof_r->path_length > PROOF_PATH_MAX)
        return false;
    for (size_t i = 0; i < proof_r->path_length; i++)
        proof_get_node(&reader, &proof_r->path[i]);
    return !reader.failed && reader.rest.length == 0;
}
