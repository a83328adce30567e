/* Bytes into the readers of lines: the JSON tokens of each line stay within it and within their
 * bounds, a text copied out of one has no byte that was not asked for, and the short way of
 * reading a mining.submit says what the general one says. Built with libFuzzer by clang (target
 * core_stratum_lines_fuzz), and run over the corpus and random changes of it by
 * core_stratum_lines_fuzz_test. */
#include "base/fuzz.h"
#include "core/stratum/inside.h"

/* Every token lies within the one that holds it, and what is next is behind what is inside. */
static void look_at_tokens(const struct json *json, struct span line)
{
    for (unsigned i = 0; i < json->count; i++) {
        const struct json_token *token = &json->tokens[i];
        ASSERT(token->start <= token->end && token->end <= line.length);
        ASSERT(token->next > i && token->next <= json->count);
        struct span text = json_text(json, i);
        ASSERT(text.length == (size_t)(token->end - token->start));
        if (token->kind == JSON_STRING) {
            char copy[64];
            size_t length = 0;
            struct span inside = json_inside(json, i);
            ASSERT(inside.length + 2 == text.length);
            if (json_copy_text(json, i, copy, sizeof copy, &length))
                ASSERT(length < sizeof copy && copy[length] == '\0' && length <= inside.length);
        }
    }
}

static void look_at_line(struct span line)
{
    struct json json;
    struct span id;
    struct submit_fields fields, general;
    char name[STRATUM_NAME_BYTES_MAX + 1];
    const bool is_json = json_parse(line, &json) == JSON_OK;
    if (is_json)
        look_at_tokens(&json, line);
    if (!submit_scan(line, &id, &fields))
        return;
    ASSERT(is_json);
    ASSERT(json.tokens[0].kind == JSON_OBJECT);
    submit_read(&json, json_member(&json, 0, "params"), name, &general);
    ASSERT(json_is_text(&json, json_member(&json, 0, "method"), "mining.submit"));
    ASSERT(span_equal(id, json_text(&json, json_member(&json, 0, "id"))));
    ASSERT(span_equal(fields.user, general.user) && span_equal(fields.job, general.job));
    ASSERT(span_equal(fields.extranonce2, general.extranonce2));
    ASSERT(span_equal(fields.ntime, general.ntime) && span_equal(fields.nonce, general.nonce));
    ASSERT(span_equal(fields.bits, general.bits) && fields.has_bits == general.has_bits);
    ASSERT(fields.enough && general.enough);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end != NULL ? (size_t)(end - data) : size;
        if (length > 0 && length <= 8192)
            look_at_line(span_of(data, length));
        length += end != NULL;
        data += length;
        size -= length;
    }
    return 0;
}
