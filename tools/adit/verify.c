/* adit verify: a proof checked on the miner's own machine. What it says, and what it cannot say, is
 * in docs/proofs.md. */
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "core/address/address.h"

static const char usage[] =
    "adit verify PROOF [--work N] [--receipts FILE|URL]… [--key HEX]… [--chain FILE|URL]\n"
    "                  [--block FILE]… [--node URL]\n"
    "adit verify receipt FILE|URL… [--key HEX]…\n"
    "  PROOF         a proof's document: a file, - or an URL\n"
    "                (http://POOL/api/v1/accounts/NAME/proofs/BLOCK)\n"
    "  --work N      your own count of expected hashes in the window; more than is proven is an\n"
    "                omission\n"
    "  --receipts    receipts that you kept, or http://POOL/api/v1/accounts/NAME/receipts\n"
    "  --key HEX     a validator's public key: receipts of other keys do not count\n"
    "  --chain FILE  the chain of proofs (http://POOL/api/v1/proofs), from the pool or from\n"
    "                somebody else who was shown it\n"
    "  --block FILE  a raw block in hex: of the proof, or a later one of the pool\n"
    "  --node URL    a node to get those blocks from (http://user:password@host:port)\n"
    "exit: 0 right, 1 unreadable, 2 the proof is wrong, 3 a split view, 4 work was omitted\n";

void verify_good(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("  right  ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void verify_bad(struct verify *verify, enum verify_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("  WRONG  ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    if (verify->code == VERIFY_RIGHT)
        verify->code = code;
}

void verify_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("  note   ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

static bool take_key(struct verify *verify, const char *text)
{
    return verify->key_count < VERIFY_KEYS_MAX &&
           hex_decode(text, strlen(text), verify->keys[verify->key_count++], 32);
}

static bool take_receipts(struct verify *verify, const char *source)
{
    if (verify->receipt_count == VERIFY_RECEIPTS_MAX)
        return false;
    verify->receipts[verify->receipt_count++] = source;
    return true;
}

static bool parse(const struct options *options, struct verify *verify)
{
    bool alone = options->rest_count > 0 && strcmp(options->rest[0], "receipt") == 0;
    for (int i = alone; i < options->rest_count; i++) {
        const char *word = options->rest[i];
        const char *value = i + 1 < options->rest_count ? options->rest[i + 1] : NULL;
        if (strncmp(word, "--", 2) != 0) {
            if (alone ? !take_receipts(verify, word) : verify->source != NULL)
                return false;
            verify->source = alone ? NULL : word;
            continue;
        }
        if (value == NULL)
            return false;
        i++;
        if (strcmp(word, "--chain") == 0) {
            verify->chain = value;
        } else if (strcmp(word, "--node") == 0) {
            verify->node = value;
        } else if (strcmp(word, "--block") == 0 && verify->block_count < VERIFY_BLOCKS_MAX) {
            verify->blocks[verify->block_count++] = value;
        } else if (strcmp(word, "--receipts") == 0) {
            if (!take_receipts(verify, value))
                return false;
        } else if (strcmp(word, "--key") == 0) {
            if (!take_key(verify, value))
                return false;
        } else if (strcmp(word, "--work") == 0) {
            verify->has_work = u128_parse(value, strlen(value), &verify->work);
            if (!verify->has_work)
                return false;
        } else {
            return false;
        }
    }
    return alone ? verify->receipt_count > 0 : verify->source != NULL;
}

/* The name as the leaf has it: an address where the coin is known, else what is there. */
static void show_name(const struct verify *verify, char text_r[2 * PROOF_NAME_BYTES_MAX + 16])
{
    const struct proof_leaf *leaf = &verify->proof.leaf;
    struct span name = span_of(leaf->name, leaf->name_bytes);
    const struct coin_profile *coin = coin_profile_find(span_text(verify->profile));
    if (leaf->kind == PROOF_NAME_SCRIPT && coin != NULL && address_format(coin, name, text_r))
        return;
    bool plain = leaf->kind == PROOF_NAME_ACCOUNT;
    for (size_t i = 0; i < name.length; i++)
        plain = plain && name.data[i] > 0x20 && name.data[i] < 0x7f;
    if (plain) {
        memcpy(text_r, name.data, name.length);
        text_r[name.length] = '\0';
        return;
    }
    strcpy(text_r, leaf->kind == PROOF_NAME_SCRIPT ? "script " : "id ");
    hex_encode(name, text_r + strlen(text_r));
}

static void tell(const struct verify *verify)
{
    const struct proof_statement *statement = &verify->proof.statement;
    const struct proof_leaf *leaf = &verify->proof.leaf;
    char name[2 * PROOF_NAME_BYTES_MAX + 16], work[U128_TEXT_BYTES], all[U128_TEXT_BYTES], hash[65];
    uint8_t shown[32];
    show_name(verify, name);
    u128_format(leaf->sums.work, work);
    u128_format(statement->root.sums.work, all);
    bytes_reverse(statement->block_hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), hash);
    printf("proof %" PRIu64 ", ", statement->number);
    if (proof_stretch_of(statement) != 0)
        printf("stretch %" PRIu64 " of bought work (%s):\n", proof_stretch_of(statement),
               statement->scheme);
    else
        printf("block %s at height %" PRIu32 " (%s):\n", hash, statement->height,
               statement->scheme);
    printf("%s has %s of %s expected hashes of %" PRIu32 " accounts, and was credited %" PRIu64
           " of %" PRIu64 " base units\n",
           name, work, all, statement->accounts, leaf->sums.amount, statement->reward);
}

static void check_proof(struct verify *verify)
{
    const struct proof *proof = &verify->proof;
    const struct proof_statement *statement = &proof->statement;
    enum proof_outcome outcome = proof_check(proof);
    if (outcome != PROOF_OK) {
        verify_bad(verify, VERIFY_WRONG, "path: %s", proof_outcome_text(outcome));
        return;
    }
    verify_good("path: the account is number %" PRIu32 " of %" PRIu32
                " under the stated root, and all sums add up",
                proof->place + 1, statement->accounts);
    verify_good(
        "reward: %" PRIu64 " = %" PRIu64 " to accounts + %" PRIu64 " fee + %" PRIu64 " to nobody",
        statement->reward, statement->root.sums.amount, statement->fee, statement->unallocated);
    uint64_t fair = proof_fair_amount(proof);
    uint64_t paid = proof->leaf.sums.amount;
    uint64_t rounding = proof_rounding(proof);
    if (fair > paid ? fair - paid > rounding : paid - fair > rounding)
        verify_bad(verify, VERIFY_WRONG,
                   "amount: the work gives %" PRIu64 " after a fee of %u/10000, not %" PRIu64, fair,
                   (unsigned)proof->leaf.fee_basis_points, paid);
    else
        verify_good("amount: what the work gives after a fee of %u/10000",
                    (unsigned)proof->leaf.fee_basis_points);
    char network[U128_TEXT_BYTES];
    u128_format(statement->network_work, network);
    if (proof_stretch_of(statement) != 0)
        verify_note("price: as if a block of %s expected hashes were worth %" PRIu64
                    ": compare it with the chain's difficulty, and with what the pool promises",
                    network, proof_stretch_worth(statement));
}

static void check_work(struct verify *verify)
{
    char own[U128_TEXT_BYTES], proven[U128_TEXT_BYTES];
    u128_format(verify->work, own);
    u128_format(verify->proof.leaf.sums.work, proven);
    if (verify->work > verify->proof.leaf.sums.work)
        verify_bad(verify, VERIFY_OMITTED, "count: you did %s, but only %s is in the proof", own,
                   proven);
    else
        verify_good("count: the %s that you did are in the proven %s", own, proven);
}

static bool read_proof(struct verify *verify, struct error *error)
{
    json_t *document = verify_json(verify->source, error);
    if (document == NULL)
        return false;
    bool ok = proof_json_read(document, &verify->proof, error);
    const char *profile = json_string_value(json_object_get(document, "profile"));
    snprintf(verify->profile, sizeof verify->profile, "%s", profile == NULL ? "" : profile);
    json_decref(document);
    return ok;
}

/* A proof that was fetched from a pool is held against that pool's chain, unless another is given.
 */
static void derive_chain(struct verify *verify, char *url, size_t bytes)
{
    const char *at = strstr(verify->source, "/api/v1/accounts/");
    if (verify->chain != NULL || !verify_is_url(verify->source) || at == NULL)
        return;
    snprintf(url, bytes, "%.*s/api/v1/proofs", (int)(at - verify->source), verify->source);
    verify->chain = url;
}

/* What was found wrong before stays what it is: else a pool that answers no more could hide it. */
static enum verify_code unreadable(const struct verify *verify)
{
    return verify->code != VERIFY_RIGHT ? verify->code : VERIFY_UNREADABLE;
}

static enum verify_code run(struct verify *verify, struct error *error)
{
    char chain[1024];
    if (verify->source == NULL)
        return verify_receipts(verify, error) ? verify->code : VERIFY_UNREADABLE;
    if (!read_proof(verify, error))
        return error->code == ERROR_INVALID ? VERIFY_WRONG : VERIFY_UNREADABLE;
    tell(verify);
    check_proof(verify);
    if (verify->code != VERIFY_RIGHT)
        return verify->code; /* the rest would be said of nothing */
    if (verify->has_work)
        check_work(verify);
    if (verify->receipt_count > 0 && !verify_receipts(verify, error))
        return unreadable(verify);
    derive_chain(verify, chain, sizeof chain);
    if (verify->chain != NULL && !verify_chain(verify, error))
        return unreadable(verify);
    if (!verify_blocks(verify, error))
        return unreadable(verify);
    if (verify->chain == NULL && verify->block_count == 0 && verify->node == NULL)
        verify_note("neither a chain nor blocks were given: whether others are shown the same "
                    "statement is not known");
    return verify->code;
}

int command_verify(const struct options *options)
{
    static struct verify verify;
    struct error error = { .text = "" };
    if (!parse(options, &verify)) {
        fputs(usage, stderr);
        return VERIFY_USAGE;
    }
    enum verify_code code = run(&verify, &error);
    free(verify.statements);
    free(verify.heads);
    if (error.text[0] != '\0')
        fprintf(stderr, "adit: %s\n", error.text);
    static const char *const words[] = {
        [VERIFY_RIGHT] = "everything that was checked is right",
        [VERIFY_UNREADABLE] = "not everything could be read",
        [VERIFY_WRONG] = "the proof is wrong",
        [VERIFY_SPLIT] = "you were shown another chain of proofs than others: keep both",
        [VERIFY_OMITTED] = "work of yours was omitted",
    };
    printf("%s\n", words[code]);
    return (int)code;
}
