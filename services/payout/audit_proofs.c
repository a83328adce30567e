#include "services/payout/audit_proofs.h"
#include "services/payout/audit_inside.h"

#include "record/proof/proof_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct known {
    const struct snapshot_record *snapshot;
    uint64_t number; /* of its statement; 0: none met */
};

struct chain {
    struct known *known; /* by block hash */
    size_t count;
    struct proof_link last;
    uint64_t since_ms;                 /* when the first statement was made */
    struct proof_statement *stretches; /* those of bought work, in the chain's order */
    size_t stretch_count, stretch_capacity;
    void (*differ)(void *context, const char *sentence);
    void *context;
};

static void say(const struct chain *chain, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(const struct chain *chain, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    chain->differ(chain->context, text);
}

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct known *)a)->snapshot->block_hash,
                  ((const struct known *)b)->snapshot->block_hash, 32);
}

/* Everything but the tree, which takes the deployment's secret to make again: whoever asks for a
 * proof does that. */
static bool is_said(const struct proof_statement *statement, const struct snapshot_record *snapshot)
{
    struct proof_statement expected;
    uint8_t is[PROOF_STATEMENT_BYTES], should[PROOF_STATEMENT_BYTES];
    proof_statement_of(snapshot, NULL, &expected);
    expected.number = statement->number;
    memcpy(expected.previous, statement->previous, sizeof expected.previous);
    expected.accounts = snapshot->accounts;
    expected.root = statement->root;
    expected.unallocated = expected.reward - expected.fee - expected.root.sums.amount;
    proof_statement_encode(statement, is);
    proof_statement_encode(&expected, should);
    return memcmp(is, should, sizeof is) == 0 &&
           (snapshot->filled == 0 || snapshot->accounts == 0 ||
            statement->root.sums.work == snapshot->filled);
}

static bool take(void *context, const struct proof_link *link)
{
    struct chain *chain = context;
    const struct proof_statement *statement = &link->statement;
    enum proof_outcome outcome = proof_check_statement(statement);
    if (outcome != PROOF_OK)
        say(chain, "proof %" PRIu64 ": %s", statement->number, proof_outcome_text(outcome));
    if (statement->number > 1 && proof_check_next(&chain->last.statement, statement) != PROOF_OK)
        say(chain, "proof %" PRIu64 " does not follow the one before it", statement->number);
    chain->last = *link;
    if (statement->number == 1)
        chain->since_ms = link->time_ms;
    if (proof_stretch_of(statement) != 0) {
        chain->stretches = audit_grow(chain->stretches, &chain->stretch_capacity,
                                      chain->stretch_count + 1, sizeof *chain->stretches);
        chain->stretches[chain->stretch_count++] = *statement;
        return true;
    }
    struct snapshot_record wanted;
    struct known key = { &wanted, 0 };
    memcpy(wanted.block_hash, statement->block_hash, 32);
    struct known *known = bsearch(&key, chain->known, chain->count, sizeof *known, compare);
    if (known == NULL) {
        say(chain, "proof %" PRIu64 " is of a block without a snapshot", statement->number);
        return true;
    }
    if (known->number != 0)
        say(chain, "proof %" PRIu64 " is of the same block as proof %" PRIu64, statement->number,
            known->number);
    known->number = statement->number;
    if (!is_said(statement, known->snapshot))
        say(chain, "proof %" PRIu64 " is not what its block's snapshot says", statement->number);
    return true;
}

/* A posted block without a statement; those shared before the first were never stated. */
static bool check_absent(const struct chain *chain, struct store *store,
                         const struct snapshot_record *snapshot, struct error *error)
{
    struct set_record set;
    struct ledger_cause cause = ledger_cause_block(LEDGER_FOUND, snapshot->block_hash, 1);
    if (chain->last.statement.number == 0 || snapshot->time_ms < chain->since_ms)
        return true;
    enum store_outcome outcome = set_of_cause(store, &cause, &set, error);
    if (outcome == STORE_DONE)
        say(chain, "the block of height %" PRIu32 " was credited without a proof",
            snapshot->height);
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

/* A stretch's statement, and the sums of its tree. */
static bool is_stretch_said(const struct proof_statement *statement,
                            const struct stretch_record *stretch,
                            const struct reward_earning *earnings)
{
    struct proof_statement expected;
    uint8_t is[PROOF_STATEMENT_BYTES], should[PROOF_STATEMENT_BYTES];
    u128 work = 0;
    for (uint32_t i = 0; i < stretch->accounts; i++)
        work += earnings[i].work;
    proof_statement_of_stretch(stretch, NULL, &expected);
    expected.number = statement->number;
    memcpy(expected.previous, statement->previous, sizeof expected.previous);
    expected.accounts = stretch->accounts;
    expected.root = statement->root;
    expected.window_work = expected.root.sums.work;
    proof_statement_encode(statement, is);
    proof_statement_encode(&expected, should);
    return memcmp(is, should, sizeof is) == 0 && statement->root.sums.work == work &&
           statement->root.sums.amount == stretch->spent.units - stretch->fee.units;
}

static bool check_stretch(const struct chain *chain, struct store *store, size_t index,
                          struct error *error)
{
    const struct proof_statement *statement = &chain->stretches[index];
    struct stretch_record stretch;
    uint64_t number = proof_stretch_of(statement);
    if (index > 0 && number <= proof_stretch_of(&chain->stretches[index - 1]))
        say(chain, "proof %" PRIu64 " is of stretch %" PRIu64 " again", statement->number, number);
    enum store_outcome outcome = stretch_get(store, number, &stretch, error);
    if (outcome == STORE_MISSING) {
        say(chain, "proof %" PRIu64 " is of a stretch that never was", statement->number);
        return true;
    }
    if (outcome != STORE_DONE)
        return false;
    struct reward_earning *earnings = calloc(stretch.accounts + (size_t)1, sizeof *earnings);
    ASSERT(earnings != NULL);
    outcome = stretch_earnings(store, &stretch, earnings, error);
    bool damaged = outcome == STORE_FAILED && error->code == ERROR_INVALID;
    if (damaged || (outcome == STORE_DONE && !is_stretch_said(statement, &stretch, earnings)))
        say(chain, "proof %" PRIu64 " is not what its stretch was bought for", statement->number);
    free(earnings);
    return outcome == STORE_DONE || damaged;
}

/* Stretches that were bought behind the first stated one, but not stated. */
static bool check_unstated(const struct chain *chain, struct store *store, uint64_t after,
                           uint64_t before, struct error *error)
{
    for (uint64_t number = after + 1; number < before; number++) {
        struct stretch_record stretch;
        struct set_record set;
        enum store_outcome outcome = stretch_get(store, number, &stretch, error);
        if (outcome == STORE_MISSING)
            return true;
        if (outcome != STORE_DONE)
            return false;
        if (stretch.accounts == 0)
            continue;
        struct ledger_cause cause = ledger_cause_payment(LEDGER_EARNED, number, 1);
        outcome = set_of_cause(store, &cause, &set, error);
        if (outcome == STORE_DONE)
            say(chain, "stretch %" PRIu64 " was credited without a proof", number);
        else if (outcome != STORE_MISSING)
            return false;
    }
    return true;
}

static bool check_stretches(const struct chain *chain, struct store *store, struct error *error)
{
    bool looked = true;
    for (size_t i = 0; i < chain->stretch_count && looked; i++) {
        uint64_t number = proof_stretch_of(&chain->stretches[i]);
        uint64_t next =
            i + 1 < chain->stretch_count ? proof_stretch_of(&chain->stretches[i + 1]) : UINT64_MAX;
        looked = check_stretch(chain, store, i, error) &&
                 check_unstated(chain, store, number, next, error);
    }
    return looked;
}

bool audit_proofs(struct store *store, const struct snapshot_record *snapshots, size_t count,
                  void (*tell)(void *context, const char *sentence), void *context,
                  struct error *error)
{
    struct chain chain = { .count = count, .differ = tell, .context = context };
    chain.known = calloc(count + 1, sizeof *chain.known);
    ASSERT(chain.known != NULL);
    for (size_t i = 0; i < count; i++)
        chain.known[i].snapshot = &snapshots[i];
    qsort(chain.known, count, sizeof *chain.known, compare);
    bool looked = proof_link_walk(store, 0, 0, take, &chain, error) == STORE_DONE;
    for (size_t i = 0; looked && i < count; i++)
        if (chain.known[i].number == 0)
            looked = check_absent(&chain, store, chain.known[i].snapshot, error);
    looked = looked && check_stretches(&chain, store, error);
    free(chain.known);
    free(chain.stretches);
    return looked;
}
