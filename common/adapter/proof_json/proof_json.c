#include "adapter/proof_json/proof_json.h"

#include <stdio.h>

enum { HEX_BYTES_MAX = 4096 };
_Static_assert((int)HEX_BYTES_MAX >= (int)PROOF_BYTES_MAX, "a proof fits");

static json_t *sound(json_t *value)
{
    ASSERT(value != NULL);
    return value;
}

json_t *proof_json_hex(struct span bytes)
{
    char text[2 * HEX_BYTES_MAX + 1];
    ASSERT(bytes.length <= HEX_BYTES_MAX);
    hex_encode(bytes, text);
    return sound(json_string(text));
}

bool proof_json_bytes(const json_t *value, uint8_t *bytes_r, size_t capacity, size_t *length_r)
{
    size_t digits = json_string_length(value);
    if (!json_is_string(value) || digits % 2 != 0 || digits / 2 > capacity)
        return false;
    *length_r = digits / 2;
    return hex_decode(json_string_value(value), digits, bytes_r, digits / 2);
}

static json_t *decimal(u128 value)
{
    char text[U128_TEXT_BYTES];
    u128_format(value, text);
    return sound(json_string(text));
}

static json_t *shown_hash(const uint8_t hash[32])
{
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    return proof_json_hex(span_of(shown, sizeof shown));
}

static json_t *position_of(const struct proof_position *position)
{
    return sound(json_pack("{s:o, s:o, s:I}", "high", decimal(position->high), "low",
                           decimal(position->low), "index", (json_int_t)position->index));
}

json_t *proof_json_of_statement(const struct proof_statement *statement)
{
    uint8_t bytes[PROOF_STATEMENT_BYTES], head[PROOF_HASH_BYTES];
    proof_statement_encode(statement, bytes);
    proof_head(statement, head);
    json_t *document = sound(json_pack(
        "{s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "number",
        decimal(statement->number), "previous", proof_json_hex(span_of(statement->previous, 32)),
        "block", shown_hash(statement->block_hash), "height", (json_int_t)statement->height,
        "reward", decimal(statement->reward), "fee", decimal(statement->fee), "unallocated",
        decimal(statement->unallocated), "accounts", (json_int_t)statement->accounts, "work",
        decimal(statement->root.sums.work), "amount", decimal(statement->root.sums.amount), "root",
        proof_json_hex(span_of(statement->root.hash, 32))));
    json_t *rest = sound(json_pack(
        "{s:b, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "empty", statement->empty, "oldest",
        position_of(&statement->oldest), "newest", position_of(&statement->newest), "window_work",
        decimal(statement->window_work), "network_work", decimal(statement->network_work), "shares",
        decimal(statement->shares), "scheme", statement->scheme, "head",
        proof_json_hex(span_of(head, sizeof head)), "bytes",
        proof_json_hex(span_of(bytes, sizeof bytes))));
    ASSERT(json_object_update(document, rest) == 0);
    json_decref(rest);
    if (proof_stretch_of(statement) != 0)
        ASSERT(json_object_set_new(document, "stretch", decimal(proof_stretch_of(statement))) == 0);
    return document;
}

/* An id as the API shows it: 16 hex digits. */
static json_t *account_of(uint64_t id)
{
    uint8_t bytes[8];
    store_le64(bytes, __builtin_bswap64(id));
    return proof_json_hex(span_of(bytes, sizeof bytes));
}

static json_t *leaf_of(const struct proof_leaf *leaf)
{
    static const char *const kinds[] = {
        [PROOF_NAME_SCRIPT] = "script", [PROOF_NAME_ACCOUNT] = "account", [PROOF_NAME_ID] = "id"
    };
    return sound(
        json_pack("{s:o, s:s, s:o, s:o, s:I, s:o, s:o}", "salt",
                  proof_json_hex(span_of(leaf->salt, sizeof leaf->salt)), "kind", kinds[leaf->kind],
                  "name", proof_json_hex(span_of(leaf->name, leaf->name_bytes)), "account",
                  account_of(leaf->account), "fee_basis_points", (json_int_t)leaf->fee_basis_points,
                  "work", decimal(leaf->sums.work), "amount", decimal(leaf->sums.amount)));
}

json_t *proof_json_of(const struct proof *proof)
{
    uint8_t bytes[PROOF_BYTES_MAX];
    json_t *path = sound(json_array());
    for (size_t i = 0; i < proof->path_length; i++) {
        const struct proof_node *node = &proof->path[i];
        json_t *entry = sound(json_pack("{s:o, s:o, s:o}", "work", decimal(node->sums.work),
                                        "amount", decimal(node->sums.amount), "hash",
                                        proof_json_hex(span_of(node->hash, 32))));
        ASSERT(json_array_append_new(path, entry) == 0);
    }
    size_t length = proof_encode(proof, bytes);
    return sound(json_pack("{s:s, s:o, s:o, s:I, s:o, s:o}", "format", PROOF_JSON_FORMAT,
                           "statement", proof_json_of_statement(&proof->statement), "leaf",
                           leaf_of(&proof->leaf), "place", (json_int_t)proof->place, "path", path,
                           "bytes", proof_json_hex(span_of(bytes, length))));
}

/* Whether every field of `said` that `meant` has is equal there; objects inside likewise. */
static bool agrees(const json_t *said, const json_t *meant, const char **field_r)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)meant, name, value)
    {
        const json_t *other = json_object_get(said, name);
        *field_r = name;
        if (other == NULL)
            continue;
        bool nested = json_is_object(value) && json_is_object(other);
        if (nested ? !agrees(other, value, field_r) : !json_equal(other, value))
            return false;
    }
    return true;
}

/* Takes `meant`, which was made from the document's bytes. */
static bool compare(const json_t *document, json_t *meant, struct error *error)
{
    const char *field = "";
    bool same = agrees(document, meant, &field);
    if (!same)
        error_fill(error, ERROR_INVALID,
                   "the document contradicts itself: \"%s\" is not what its bytes say", field);
    json_decref(meant);
    return same;
}

bool proof_json_read_statement(const json_t *document, struct proof_statement *statement_r,
                               struct error *error)
{
    uint8_t bytes[PROOF_STATEMENT_BYTES];
    size_t length;
    if (!proof_json_bytes(json_object_get(document, "bytes"), bytes, sizeof bytes, &length) ||
        !proof_statement_decode(span_of(bytes, length), statement_r))
        return error_set(error, ERROR_INVALID, "this is no statement of a block or a stretch");
    return compare(document, proof_json_of_statement(statement_r), error);
}

bool proof_json_read(const json_t *document, struct proof *proof_r, struct error *error)
{
    uint8_t bytes[PROOF_BYTES_MAX];
    size_t length;
    const char *format = json_string_value(json_object_get(document, "format"));
    if (format == NULL || strcmp(format, PROOF_JSON_FORMAT) != 0)
        return error_set(error, ERROR_INVALID, "this is no document of format " PROOF_JSON_FORMAT);
    if (!proof_json_bytes(json_object_get(document, "bytes"), bytes, sizeof bytes, &length) ||
        !proof_decode(span_of(bytes, length), proof_r))
        return error_set(error, ERROR_INVALID, "the document's bytes are no proof of version 1");
    return compare(document, proof_json_of(proof_r), error);
}
