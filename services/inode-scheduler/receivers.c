/* Among whom a payment is split: pools by score, active validators by stake, as the registry has
 * them. What belongs to this deployment and names no wallet is the pool's own: account 0. */
#include "services/inode-scheduler/receiving.h"

#include "core/score/score.h"
#include "record/account/account.h"
#include "record/member/member.h"
#include "service/log.h"

#include <stdlib.h>

struct gathered {
    struct member *members;
    size_t count;
};

/* Those with a weight. */
static bool gather(void *context, const struct member *member)
{
    struct gathered *gathered = context;
    if (member->source == MEMBER_GONE || member->score == SCORE_NONE ||
        (member->kind == MEMBER_VALIDATOR &&
         (member->score != SCORE_VALIDATOR_ACTIVE || member->stake == 0)))
        return true;
    gathered->members[gathered->count++] = *member;
    return gathered->count < EMISSION_RECEIVERS_MAX;
}

/* The account of a wallet, bound so that it can be paid; *payable_r false where its id is another
 * name's. */
static enum going find_account(struct follower *follower, const char *wallet, uint64_t *account_r,
                               bool *payable_r, struct error *error)
{
    struct identity_account identity;
    struct account account, bound;
    const struct receiving_options *options = &follower->options.receiving;
    *payable_r =
        identity_resolve(options->coin, span_text(wallet), &identity, NULL) == IDENTITY_OK &&
        identity.kind == IDENTITY_KIND_ADDRESS;
    if (!*payable_r)
        return GOING_ON;
    *account_r = identity_account_id(options->key, &identity);
    account_of_address(*account_r, options->coin, &identity, loop_unix_ms(), &account);
    switch (account_bind(follower->options.store, &account, &bound, NULL, error)) {
    case ACCOUNT_BOUND:
        return GOING_ON;
    case ACCOUNT_TAKEN:
        *payable_r = false;
        return GOING_ON;
    case ACCOUNT_UNKNOWN:
    case ACCOUNT_FAILED:
        break;
    }
    return GOING_FAILED;
}

static int by_account(const void *a, const void *b)
{
    const struct emission_receiver *left = a, *right = b;
    return left->account == right->account ? 0 : left->account < right->account ? -1 : 1;
}

/* Several of one account are one receiver with the sum of their weights. */
static size_t join(struct emission_receiver *receivers, size_t count)
{
    size_t kept = 0;
    qsort(receivers, count, sizeof *receivers, by_account);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && receivers[kept - 1].account == receivers[i].account)
            receivers[kept - 1].weight += receivers[i].weight;
        else
            receivers[kept++] = receivers[i];
    }
    return kept;
}

static enum going find(struct follower *follower, enum member_kind kind,
                       struct emission_receiver *receivers, size_t *count_r, struct error *error)
{
    struct gathered gathered = { calloc(EMISSION_RECEIVERS_MAX, sizeof *gathered.members), 0 };
    ASSERT(gathered.members != NULL);
    size_t count = 0;
    enum going going =
        member_walk(follower->options.store, kind, gather, &gathered, error) == STORE_DONE
            ? GOING_ON
            : GOING_FAILED;
    for (size_t i = 0; i < gathered.count && going == GOING_ON; i++) {
        const struct member *member = &gathered.members[i];
        bool ours =
            member->source == MEMBER_OWN && (kind == MEMBER_POOL || member->wallet[0] == '\0');
        bool payable = true;
        uint64_t account = 0;
        if (!ours)
            going = find_account(follower, member->wallet, &account, &payable, error);
        if (!payable)
            log_error("emission.unpayable", "member=%s reason=\"its account is another name's\"",
                      member->id);
        if (going == GOING_ON && payable)
            receivers[count++] = (struct emission_receiver){
                .account = account,
                .weight = kind == MEMBER_POOL ? member->score : member->stake,
            };
    }
    free(gathered.members);
    *count_r = join(receivers, count);
    return going;
}

/* From the registry as it stands; the accounts of addresses are bound. The arrays are the
 * follower's, and hold until the next call. */
static enum going find_receivers(struct follower *follower, struct emission_record *emission,
                                 struct error *error)
{
    if (follower->receiving.receivers == NULL) {
        follower->receiving.receivers =
            calloc((size_t)2 * EMISSION_RECEIVERS_MAX, sizeof *follower->receiving.receivers);
        ASSERT(follower->receiving.receivers != NULL);
    }
    /* Room for both, behind each other. */
    struct emission_receiver *receivers = follower->receiving.receivers;
    const char *fee_address = follower->options.receiving.fee_address;
    bool payable = true;
    enum going going =
        fee_address[0] == '\0'
            ? GOING_ON
            : find_account(follower, fee_address, &emission->fee_account, &payable, error);
    if (going != GOING_ON)
        return going;
    if (!payable)
        emission->fee_account = 0; /* its id is another name's */
    emission->pools = receivers;
    emission->validators = receivers + EMISSION_RECEIVERS_MAX;
    going = find(follower, MEMBER_POOL, emission->pools, &emission->pool_count, error);
    return going == GOING_ON ? find(follower, MEMBER_VALIDATOR, emission->validators,
                                    &emission->validator_count, error)
                             : going;
}

enum going receiving_make_emission(struct follower *follower, const uint8_t txid[32],
                                   uint64_t amount, uint32_t height, const uint8_t block_hash[32],
                                   struct emission_record *emission_r, struct error *error)
{
    struct emission_record *split = &follower->receiving.split;
    enum going going = GOING_ON;
    if (!follower->receiving.is_split) {
        *split = (struct emission_record){ .terms = follower->options.receiving.terms };
        going = find_receivers(follower, split, error);
    }
    follower->receiving.is_split = going == GOING_ON;
    if (going == GOING_ON)
        going = follow_check_leader(follower, error);
    if (going != GOING_ON)
        return going;
    *emission_r = *split;
    emission_r->height = height;
    emission_r->time_ms = loop_unix_ms();
    emission_r->reward.units = amount;
    emission_r->epoch = follower->options.epoch;
    memcpy(emission_r->txid, txid, 32);
    memcpy(emission_r->block_hash, block_hash, 32);
    enum store_outcome outcome = emission_insert(follower->options.store, emission_r, error);
    if (outcome == STORE_DONE)
        return GOING_ON;
    if (outcome == STORE_FAILED)
        return GOING_FAILED;
    error_fill(error, ERROR_UNAVAILABLE, "an emission's record may or may not be there");
    return GOING_PAST; /* the next pass reads it */
}
