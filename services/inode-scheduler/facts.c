#include "services/inode-scheduler/facts.h"

#include "core/difficulty/difficulty.h"

static unsigned tellers_of(const struct fact *fact)
{
    return (unsigned)__builtin_popcountll(fact->tellers);
}

/* Taken for true whoever asks. */
static bool is_established(const struct fact *fact)
{
    return fact->proven || tellers_of(fact) >= 2;
}

static bool is_of(const struct fact *fact, const uint8_t hash[32])
{
    return fact->since != 0 && memcmp(fact->block.hash, hash, 32) == 0;
}

static bool says_the_same(const struct node_tip *a, const struct node_tip *b)
{
    return a->height == b->height && memcmp(a->chain_work, b->chain_work, 32) == 0;
}

/* A free place; else the oldest of those not established; else the oldest. */
static struct fact *place_of(struct facts *facts)
{
    struct fact *place = &facts->list[0];
    for (size_t i = 0; i < FACTS_MAX; i++) {
        struct fact *fact = &facts->list[i];
        if (fact->since == 0)
            return fact;
        bool loose = !is_established(fact), place_loose = !is_established(place);
        if (loose != place_loose ? loose : fact->since < place->since)
            place = fact;
    }
    return place;
}

static struct fact *take_down(struct facts *facts, const struct node_tip *block)
{
    for (size_t i = 0; i < FACTS_MAX; i++)
        if (is_of(&facts->list[i], block->hash) && says_the_same(&facts->list[i].block, block))
            return &facts->list[i];
    struct fact *fact = place_of(facts);
    *fact = (struct fact){ .block = *block, .since = ++facts->told };
    return fact;
}

/* The account that is proven, or that most nodes gave; *tie_r where another has as many. */
static const struct fact *most_told(const struct facts *facts, const uint8_t hash[32], bool *tie_r)
{
    const struct fact *most = NULL;
    *tie_r = false;
    for (size_t i = 0; i < FACTS_MAX; i++) {
        const struct fact *fact = &facts->list[i];
        if (!is_of(fact, hash))
            continue;
        if (fact->proven) {
            *tie_r = false;
            return fact;
        }
        *tie_r = most != NULL && tellers_of(fact) == tellers_of(most);
        if (most == NULL || tellers_of(fact) > tellers_of(most))
            most = fact;
    }
    return most;
}

/* The block on this one, as its own bits make it; false where they are no target. */
static bool stand_on(const struct node_tip *below, const struct node_tip *block,
                     struct node_tip *true_r)
{
    struct u256 target, work;
    if (!difficulty_target_from_bits(block->bits, &target) ||
        u256_add(u256_load_be(below->chain_work), difficulty_network_work(target), &work))
        return false;
    *true_r = *block;
    true_r->height = below->height + 1;
    u256_store_be(work, true_r->chain_work);
    return true;
}

bool facts_is_too_easy(const struct node_tip *other, const struct node_tip *block)
{
    struct u256 target, before;
    return difficulty_target_from_bits(block->bits, &target) &&
           difficulty_target_from_bits(other->bits, &before) &&
           u256_compare(u256_shift_right(target, 2), before) > 0;
}

void facts_tell(struct facts *facts, size_t node, const struct node_tip *block)
{
    bool tie;
    struct node_tip proven;
    ASSERT(node < FACTS_NODES_MAX);
    if (block->height == 0)
        return;
    const struct fact *below = most_told(facts, block->prev_hash, &tie);
    if (below == NULL || tie || !is_established(below) ||
        (facts->retargets && facts_is_too_easy(&below->block, block)) ||
        !stand_on(&below->block, block, &proven)) {
        take_down(facts, block)->tellers |= UINT64_C(1) << node;
        return;
    }
    /* Whoever tells it, and whatever he tells: the header says which block it stands on. */
    struct fact *fact = take_down(facts, &proven);
    fact->proven = true;
    if (says_the_same(&proven, block))
        fact->tellers |= UINT64_C(1) << node;
}

const struct node_tip *facts_find(const struct facts *facts, size_t node, const uint8_t hash[32])
{
    bool tie;
    const struct fact *fact = most_told(facts, hash, &tie);
    bool counts =
        fact != NULL && !tie && (is_established(fact) || (fact->tellers >> node & 1) != 0);
    return counts ? &fact->block : NULL;
}

const char *facts_contradict(const struct facts *facts, size_t node, const struct node_tip *tip)
{
    bool tie;
    struct node_tip expected;
    const struct fact *most = most_told(facts, tip->hash, &tie);
    const struct node_tip *below = facts_find(facts, node, tip->prev_hash);
    if (below != NULL && (!stand_on(below, tip, &expected) || !says_the_same(&expected, tip)))
        return "its tip's height or work does not follow from the block below it";
    if (most != NULL && !tie && is_established(most) && !says_the_same(&most->block, tip))
        return "it tells another height or work of its tip than most told of that block";
    return NULL;
}
