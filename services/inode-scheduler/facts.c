#include "services/inode-scheduler/facts.h"

#include "core/difficulty/difficulty.h"

static unsigned tellers_of(const struct fact *fact)
{
    return (unsigned)__builtin_popcountll(fact->tellers);
}

static bool is_of(const struct fact *fact, const uint8_t hash[32])
{
    return fact->tellers != 0 && memcmp(fact->block.hash, hash, 32) == 0;
}

static bool says_the_same(const struct node_tip *a, const struct node_tip *b)
{
    return a->height == b->height && memcmp(a->chain_work, b->chain_work, 32) == 0;
}

/* A free place; else the oldest of those with one teller; else the oldest. */
static struct fact *place_of(struct facts *facts)
{
    struct fact *place = &facts->list[0];
    for (size_t i = 0; i < FACTS_MAX; i++) {
        struct fact *fact = &facts->list[i];
        if (fact->tellers == 0)
            return fact;
        bool alone = tellers_of(fact) == 1, place_alone = tellers_of(place) == 1;
        if (alone != place_alone ? alone : fact->since < place->since)
            place = fact;
    }
    return place;
}

void facts_tell(struct facts *facts, size_t node, const struct node_tip *block)
{
    ASSERT(node < FACTS_NODES_MAX);
    const uint64_t teller = UINT64_C(1) << node;
    if (block->height == 0)
        return;
    for (size_t i = 0; i < FACTS_MAX; i++)
        if (is_of(&facts->list[i], block->hash) && says_the_same(&facts->list[i].block, block)) {
            facts->list[i].tellers |= teller;
            return;
        }
    *place_of(facts) = (struct fact){ *block, teller, facts->told++ };
}

/* The account most nodes gave, *tie_r where another has as many. */
static const struct fact *most_told(const struct facts *facts, const uint8_t hash[32], bool *tie_r)
{
    const struct fact *most = NULL;
    *tie_r = false;
    for (size_t i = 0; i < FACTS_MAX; i++) {
        const struct fact *fact = &facts->list[i];
        if (!is_of(fact, hash))
            continue;
        *tie_r = most != NULL && tellers_of(fact) == tellers_of(most);
        if (most == NULL || tellers_of(fact) > tellers_of(most))
            most = fact;
    }
    return most;
}

const struct node_tip *facts_find(const struct facts *facts, size_t node, const uint8_t hash[32])
{
    bool tie;
    const struct fact *fact = most_told(facts, hash, &tie);
    bool counts =
        fact != NULL && !tie && (tellers_of(fact) >= 2 || (fact->tellers >> node & 1) != 0);
    return counts ? &fact->block : NULL;
}

/* Whether a block's height and work are those of the one below it and its own bits. */
static bool follows(const struct node_tip *below, const struct node_tip *block)
{
    struct u256 target, work;
    return block->height == below->height + 1 &&
           difficulty_target_from_bits(block->bits, &target) &&
           !u256_add(u256_load_be(below->chain_work), difficulty_network_work(target), &work) &&
           u256_compare(work, u256_load_be(block->chain_work)) == 0;
}

const char *facts_contradict(const struct facts *facts, size_t node, const struct node_tip *tip)
{
    bool tie;
    const struct fact *most = most_told(facts, tip->hash, &tie);
    if (most != NULL && !tie && !says_the_same(&most->block, tip))
        return "it tells another height or work of its tip than most told of that block";
    const struct node_tip *below = facts_find(facts, node, tip->prev_hash);
    if (below != NULL && !follows(below, tip))
        return "its tip's height or work does not follow from the block below it";
    return NULL;
}
