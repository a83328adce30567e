/* Proofs as bytes. What decodes is exactly what the encoder writes: decoding and encoding again
 * gives the same bytes, so a proof has one form. */
#include "core/proof/inside.h"

static const uint8_t magic[5] = { 'a', 'P', 'R', 'F', 1 };

void proof_put_node(struct cursor_writer *writer, const struct proof_node *node)
{
    cursor_put_u128(writer, node->sums.work);
    cursor_put_u64(writer, node->sums.amount);
    cursor_put(writer, node->hash, sizeof node->hash);
}

void proof_put_position(struct cursor_writer *writer, const struct proof_position *position)
{
    cursor_put_u64(writer, position->high);
    cursor_put_u64(writer, position->low);
    cursor_put_u32(writer, position->index);
}

void proof_get_node(struct cursor_reader *reader, struct proof_node *node_r)
{
    node_r->sums.work = cursor_get_u128(reader);
    node_r->sums.amount = cursor_get_u64(reader);
    cursor_get(reader, node_r->hash, sizeof node_r->hash);
}

void proof_get_position(struct cursor_reader *reader, struct proof_position *position_r)
{
    position_r->high = cursor_get_u64(reader);
    position_r->low = cursor_get_u64(reader);
    position_r->index = cursor_get_u32(reader);
}

static void put_statement(struct cursor_writer *writer, const struct proof_statement *statement)
{
    cursor_put_u64(writer, statement->number);
    cursor_put(writer, statement->previous, sizeof statement->previous);
    cursor_put(writer, statement->block_hash, sizeof statement->block_hash);
    cursor_put_u32(writer, statement->height);
    cursor_put_u64(writer, statement->reward);
    cursor_put_u64(writer, statement->fee);
    cursor_put_u64(writer, statement->unallocated);
    cursor_put_u32(writer, statement->accounts);
    proof_put_node(writer, &statement->root);
    cursor_put_u8(writer, statement->empty);
    proof_put_position(writer, &statement->oldest);
    proof_put_position(writer, &statement->newest);
    cursor_put_u128(writer, statement->window_work);
    cursor_put_u128(writer, statement->network_work);
    cursor_put_u64(writer, statement->shares);
    cursor_put(writer, statement->scheme, sizeof statement->scheme);
}

static void get_statement(struct cursor_reader *reader, struct proof_statement *statement)
{
    statement->number = cursor_get_u64(reader);
    cursor_get(reader, statement->previous, sizeof statement->previous);
    cursor_get(reader, statement->block_hash, sizeof statement->block_hash);
    statement->height = cursor_get_u32(reader);
    statement->reward = cursor_get_u64(reader);
    statement->fee = cursor_get_u64(reader);
    statement->unallocated = cursor_get_u64(reader);
    statement->accounts = cursor_get_u32(reader);
    proof_get_node(reader, &statement->root);
    uint8_t empty = cursor_get_u8(reader);
    statement->empty = empty == 1;
    proof_get_position(reader, &statement->oldest);
    proof_get_position(reader, &statement->newest);
    statement->window_work = cursor_get_u128(reader);
    statement->network_work = cursor_get_u128(reader);
    statement->shares = cursor_get_u64(reader);
    cursor_get(reader, statement->scheme, sizeof statement->scheme);
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
    struct cursor_writer writer = { .memory = bytes_r, .capacity_bytes = PROOF_STATEMENT_BYTES };
    put_statement(&writer, statement);
    ASSERT(!writer.failed && writer.used_bytes == PROOF_STATEMENT_BYTES);
}

bool proof_statement_decode(struct span bytes, struct proof_statement *statement_r)
{
    struct cursor_reader reader = { .rest = bytes };
    get_statement(&reader, statement_r);
    return cursor_ended(&reader);
}

size_t proof_encode(const struct proof *proof, uint8_t bytes_r[PROOF_BYTES_MAX])
{
    const struct proof_leaf *leaf = &proof->leaf;
    ASSERT(leaf->name_bytes <= PROOF_NAME_BYTES_MAX && proof->path_length <= PROOF_PATH_MAX);
    struct cursor_writer writer = { .memory = bytes_r, .capacity_bytes = PROOF_BYTES_MAX };
    cursor_put(&writer, magic, sizeof magic);
    put_statement(&writer, &proof->statement);
    cursor_put(&writer, leaf->salt, sizeof leaf->salt);
    cursor_put_u8(&writer, (uint8_t)leaf->kind);
    cursor_put_u8(&writer, leaf->name_bytes);
    cursor_put(&writer, leaf->name, leaf->name_bytes);
    cursor_put_u64(&writer, leaf->account);
    cursor_put_u16(&writer, leaf->fee_basis_points);
    cursor_put_u128(&writer, leaf->sums.work);
    cursor_put_u64(&writer, leaf->sums.amount);
    cursor_put_u32(&writer, proof->place);
    cursor_put_u8(&writer, proof->path_length);
    for (size_t i = 0; i < proof->path_length; i++)
        proof_put_node(&writer, &proof->path[i]);
    ASSERT(!writer.failed);
    return writer.used_bytes;
}

bool proof_decode(struct span bytes, struct proof *proof_r)
{
    uint8_t begin[sizeof magic];
    struct cursor_reader reader = { .rest = bytes };
    memset(proof_r, 0, sizeof *proof_r);
    cursor_get(&reader, begin, sizeof begin);
    if (memcmp(begin, magic, sizeof magic) != 0)
        return false;
    struct proof_leaf *leaf = &proof_r->leaf;
    get_statement(&reader, &proof_r->statement);
    cursor_get(&reader, leaf->salt, sizeof leaf->salt);
    uint8_t kind = cursor_get_u8(&reader);
    leaf->kind = (enum proof_name_kind)kind;
    leaf->name_bytes = cursor_get_u8(&reader);
    if (kind < PROOF_NAME_SCRIPT || kind > PROOF_NAME_ID || leaf->name_bytes == 0 ||
        leaf->name_bytes > PROOF_NAME_BYTES_MAX)
        return false;
    cursor_get(&reader, leaf->name, leaf->name_bytes);
    leaf->account = cursor_get_u64(&reader);
    leaf->fee_basis_points = cursor_get_u16(&reader);
    leaf->sums.work = cursor_get_u128(&reader);
    leaf->sums.amount = cursor_get_u64(&reader);
    proof_r->place = cursor_get_u32(&reader);
    proof_r->path_length = cursor_get_u8(&reader);
    if (proof_r->path_length > PROOF_PATH_MAX)
        return false;
    for (size_t i = 0; i < proof_r->path_length; i++)
        proof_get_node(&reader, &proof_r->path[i]);
    return cursor_ended(&reader);
}
