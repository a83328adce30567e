/* The answer is an object {"result": {…, "transactions": [{…}, …], …}, "error": null, "id": n}, its
 * members in any order. It is read one member, or one transaction, at a time:
 *
 *   ENVELOPE ──"result": {──▶ RESULT ──"transactions": [──▶ LIST
 *       ▲ │                    │  ▲                          │
 *       │ } ──▶ TAIL           }  └────────────── ] ─────────┘
 *       └──────────────────────┘
 *
 * Where the text ends inside one, the reader stays before it and looks again when there is half as
 * much more, or all: so the work stays proportional to the text, however it is cut. */
#include "adapter/node_rpc/template_inside.h"

#include "core/pow/sha256.h"

enum { BEFORE, ENVELOPE, RESULT, LIST, TAIL };

enum scan_outcome template_refuse(struct template_reader *reader, const char *what)
{
    if (reader->step != TEMPLATE_REFUSED)
        error_fill(&reader->error, ERROR_INVALID, "its template is refused: %s", what);
    reader->step = TEMPLATE_REFUSED;
    return SCAN_BAD;
}

enum scan_outcome template_refuse_field(struct template_reader *reader, enum field field,
                                        const char *what)
{
    static const char *const names[] = {
#define X(name) #name,
        FIELDS(X)
#undef X
    };
    if (reader->step != TEMPLATE_REFUSED)
        error_fill(&reader->error, ERROR_INVALID, "its template is refused: \"%s\" %s",
                   names[field], what);
    reader->step = TEMPLATE_REFUSED;
    return SCAN_BAD;
}

static bool has(const struct template_reader *reader, enum field field)
{
    return (reader->seen >> field & 1) != 0;
}

/* FNV-1a, to tell names apart; a node that makes two collide has its own template refused. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return hash;
}

/* The name of the next member and its colon. A name too long for any of ours reads "". */
enum scan_outcome template_read_name(struct template_reader *reader, struct scan *scan,
                                     struct template_members *members, char name_r[NAME_BYTES])
{
    struct scan_string name;
    enum scan_outcome outcome = scan_text(scan, &name);
    if (outcome != SCAN_OK)
        return outcome == SCAN_OTHER ? SCAN_BAD : outcome;
    bool fits = scan_copy(&name, name_r, NAME_BYTES);
    if (!fits)
        name_r[0] = '\0';
    outcome = scan_take(scan, ':');
    if (outcome != SCAN_OK || !fits)
        return outcome;
    uint64_t hash = hash_name(name_r);
    for (unsigned i = 0; i < members->count; i++)
        if (members->hashes[i] == hash)
            return template_refuse(reader, "a name stands twice in one object");
    if (members->count == TEMPLATE_MEMBERS_MAX)
        return template_refuse(reader, "an object has more than 64 members");
    members->hashes[members->count++] = hash;
    return SCAN_OK;
}

/* What stands before the name of a member; *ended_r: the object ends here. */
static enum scan_outcome lead_member(struct template_reader *reader, struct scan *scan,
                                     bool *ended_r)
{
    char c;
    enum scan_outcome outcome = scan_peek(scan, &c);
    *ended_r = outcome == SCAN_OK && c == '}';
    if (outcome != SCAN_OK)
        return outcome;
    if (*ended_r) {
        scan->at++;
        return SCAN_OK;
    }
    return reader->more_members ? scan_take(scan, ',') : SCAN_OK;
}

static enum scan_outcome result_step(struct template_reader *reader, struct scan *scan)
{
    char name[NAME_BYTES];
    bool ended;
    enum scan_outcome outcome = lead_member(reader, scan, &ended);
    if (outcome != SCAN_OK)
        return outcome;
    if (ended) {
        reader->stage = ENVELOPE;
        reader->more_members = true;
        return SCAN_OK;
    }
    /* Where the member is cut its name is read again. */
    struct template_members before = { .count = reader->members.count };
    if ((outcome = template_read_name(reader, scan, &reader->members, name)) == SCAN_OK) {
        enum field field = template_find_field(name);
        if (field == FIELD_transactions) {
            outcome = scan_take(scan, '[');
            if (outcome == SCAN_BAD)
                return template_refuse_field(reader, field, "is no list");
            if (outcome == SCAN_OK) {
                reader->stage = LIST;
                reader->more_transactions = true;
            }
        } else {
            outcome = template_read_field(reader, scan, field);
        }
        if (outcome == SCAN_OK && field != FIELDS_COUNT)
            reader->seen |= 1u << field;
    }
    if (outcome == SCAN_OK)
        reader->more_members = true;
    else
        reader->members.count = before.count;
    return outcome;
}

/* "error" and "id"; SCAN_OTHER: this is an answer, but no template. */
static enum scan_outcome read_envelope_member(struct template_reader *reader, struct scan *scan,
                                              const char *name)
{
    char c;
    int64_t id;
    enum scan_outcome outcome = scan_peek(scan, &c);
    if (outcome != SCAN_OK)
        return outcome;
    if (strcmp(name, "result") == 0) {
        if (c != '{')
            return SCAN_OTHER;
        scan->at++;
        reader->stage = RESULT;
        reader->more_members = false;
        return SCAN_OK;
    }
    reader->more_members = true;
    if (strcmp(name, "id") == 0) {
        outcome = scan_integer(scan, &id);
        if (outcome == SCAN_OK)
            reader->id = (uint64_t)id;
        return outcome;
    }
    if (strcmp(name, "error") == 0 && c != 'n')
        return SCAN_OTHER;
    return scan_skip(scan);
}

static enum scan_outcome list_step(struct template_reader *reader, struct scan *scan)
{
    bool ended = false;
    enum scan_outcome outcome = template_read_entry(reader, scan, &ended);
    if (outcome == SCAN_OK && ended) {
        reader->stage = RESULT;
        reader->more_members = true;
        reader->more_transactions = false;
    }
    return outcome;
}

static enum scan_outcome envelope_step(struct template_reader *reader, struct scan *scan)
{
    char name[NAME_BYTES];
    bool ended, more = reader->more_members;
    enum scan_outcome outcome = lead_member(reader, scan, &ended);
    if (outcome != SCAN_OK)
        return outcome;
    if (ended) {
        reader->stage = TAIL;
        return SCAN_OK;
    }
    unsigned count = reader->envelope.count;
    outcome = template_read_name(reader, scan, &reader->envelope, name);
    if (outcome == SCAN_OK)
        outcome = read_envelope_member(reader, scan, name);
    if (outcome != SCAN_OK) {
        reader->envelope.count = count;
        reader->more_members = more;
    }
    return outcome;
}

/* BIP 141: sha256d(root of the witness ids, the coinbase's being 0 ‖ the reserved value, which is
 * 0 in our blocks) behind a fixed prefix. */
static bool commitment_fits(struct template_reader *reader)
{
    static const uint8_t prefix[6] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed }, coinbase[32] = { 0 };
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
    uint8_t pair[64] = { 0 };
    struct span script = reader->template.witness_commitment;
    size_t levels = template_merkle_end(&reader->wtxids, branches);
    template_merkle_root(coinbase, (const uint8_t(*)[TEMPLATE_HASH_BYTES])branches, levels, pair);
    sha256d_pair(pair, pair);
    return script.length >= 38 && memcmp(script.data, prefix, sizeof prefix) == 0 &&
           memcmp(script.data + sizeof prefix, pair, 32) == 0;
}

/* What only the whole can tell. */
static enum scan_outcome check_whole(struct template_reader *reader)
{
    static const enum field needed[] = { FIELD_version,      FIELD_previousblockhash,
                                         FIELD_transactions, FIELD_coinbasevalue,
                                         FIELD_mintime,      FIELD_curtime,
                                         FIELD_bits,         FIELD_height };
    const struct block_template *template = &reader->template;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!has(reader, needed[i]))
            return template_refuse_field(reader, needed[i], "is missing");
    if (template->min_time > template->cur_time)
        return template_refuse(reader, "\"mintime\" is after \"curtime\"");
    if (has(reader, FIELD_target) && u256_compare(reader->target, template->network_target) != 0)
        return template_refuse(reader, "\"target\" and \"bits\" contradict each other");
    if (reader->fees_known && reader->fees > template->coinbase_value)
        return template_refuse(reader, "its fees exceed \"coinbasevalue\"");
    if (!has(reader, FIELD_default_witness_commitment))
        return reader->witness_seen
                   ? template_refuse(reader,
                                     "it has witnesses and no \"default_witness_commitment\"")
                   : SCAN_OK;
    if (!reader->unchecked && !commitment_fits(reader))
        return template_refuse(reader,
                               "\"default_witness_commitment\" does not fit its transactions");
    return SCAN_OK;
}

static enum scan_outcome finish(struct template_reader *reader)
{
    struct block_template *template = &reader->template;
    enum scan_outcome outcome = check_whole(reader);
    if (outcome != SCAN_OK)
        return outcome;
    struct template_transaction *list = arena_take(reader->arena, reader->count * sizeof *list);
    if (list == NULL)
        return template_refuse(reader, "it does not fit into the memory set aside");
    if (reader->count > 0)
        memcpy(list, reader->space->transactions, reader->count * sizeof *list);
    template->transactions = list;
    template->transactions_count = reader->count;
    template->fees_known = reader->fees_known;
    template->fees = reader->fees_known ? reader->fees : 0;
    template->branches_count = (uint8_t)template_merkle_end(&reader->txids, template->branches);
    template->branches_known = true;
    reader->step = TEMPLATE_WHOLE;
    return SCAN_OK;
}

static enum scan_outcome step(struct template_reader *reader, struct scan *scan)
{
    char c;
    enum scan_outcome outcome;
    switch (reader->stage) {
    case BEFORE:
        outcome = scan_take(scan, '{');
        if (outcome == SCAN_OK)
            reader->stage = ENVELOPE;
        return outcome;
    case ENVELOPE:
        return envelope_step(reader, scan);
    case RESULT:
        return result_step(reader, scan);
    case LIST:
        return list_step(reader, scan);
    default:
        outcome = scan_peek(scan, &c);
        if (outcome == SCAN_OK)
            return SCAN_BAD;
        if (!scan->last)
            return SCAN_SHORT;
        return reader->seen == 0 ? SCAN_OTHER : finish(reader);
    }
}

enum template_step template_reader_feed(struct template_reader *reader, const char *text,
                                        size_t length, bool last)
{
    if (reader->step != TEMPLATE_MORE || (length < reader->wait_for && !last))
        return reader->step;
    struct scan scan = { text, reader->at, length, last };
    while (reader->step == TEMPLATE_MORE) {
        enum scan_outcome outcome = step(reader, &scan);
        if (outcome == SCAN_OK) {
            reader->at = scan.at;
            continue;
        }
        if (outcome == SCAN_SHORT && !last) {
            reader->wait_for = length + (length - reader->at) / 2;
            return TEMPLATE_MORE;
        }
        if (outcome == SCAN_OTHER)
            reader->step = TEMPLATE_OTHER;
        else
            (void)template_refuse(reader, outcome == SCAN_SHORT ? "it ends in the middle"
                                                                : "it is no JSON");
    }
    return reader->step;
}

void template_reader_begin(struct template_reader *reader, const struct coin_profile *coin,
                           struct arena *arena, struct template_space *space)
{
    memset(reader, 0, sizeof *reader);
    reader->coin = coin;
    reader->arena = arena;
    reader->space = space;
    reader->stage = BEFORE;
    reader->step = TEMPLATE_MORE;
    reader->fees_known = true;
    space->together.count = space->together.stripped_bytes = 0;
    template_merkle_begin(&reader->txids);
    template_merkle_begin(&reader->wtxids);
}
