/* The tree's nodes lie level by level behind one another: the sorted leaves, then each level above,
 * up to the root. The last node of an odd level is copied up. */
#include "core/proof/inside.h"

static bool is_behind(const struct proof_node *a, const struct proof_node *b)
{
    return memcmp(a->hash, b->hash, sizeof a->hash) > 0;
}

static void sift_down(struct proof_node *nodes, size_t root, size_t count)
{
    struct proof_node moving = nodes[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && is_behind(&nodes[child + 1], &nodes[child]))
            child++;
        if (!is_behind(&nodes[child], &moving))
            break;
        nodes[root] = nodes[child];
    }
    nodes[root] = moving;
}

/* Heapsort: needs no memory, and no input makes it slow. */
static void sort(struct proof_node *nodes, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(nodes, i, count);
    for (size_t end = count; end-- > 1;) {
        struct proof_node last = nodes[0];
        nodes[0] = nodes[end];
        nodes[end] = last;
        sift_down(nodes, 0, end);
    }
}

static size_t above(size_t width)
{
    return width / 2 + width % 2;
}

size_t proof_tree_nodes(size_t leaves)
{
    size_t nodes = leaves;
    for (size_t width = leaves; width > 1; width = above(width))
        nodes += above(width);
    return nodes;
}

bool proof_tree_build(struct proof_tree *tree, struct proof_node *nodes, size_t leaves)
{
    ASSERT(leaves >= 1 && leaves <= UINT32_MAX);
    sort(nodes, leaves);
    struct proof_node *level = nodes;
    for (size_t width = leaves; width > 1; width = above(width)) {
        struct proof_node *upper = level + width;
        for (size_t i = 0; i < width / 2; i++)
            if (!proof_join(&level[2 * i], &level[2 * i + 1], &upper[i]))
                return false;
        if (width % 2 != 0)
            upper[width / 2] = level[width - 1];
        level = upper;
    }
    *tree = (struct proof_tree){ nodes, leaves };
    return true;
}

const struct proof_node *proof_tree_root(const struct proof_tree *tree)
{
    return &tree->nodes[proof_tree_nodes(tree->leaves) - 1];
}

bool proof_tree_find(const struct proof_tree *tree, const uint8_t hash[PROOF_HASH_BYTES],
                     uint32_t *place_r)
{
    size_t low = 0, high = tree->leaves;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(tree->nodes[middle].hash, hash, PROOF_HASH_BYTES);
        if (order == 0) {
            *place_r = (uint32_t)middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

uint8_t proof_tree_path(const struct proof_tree *tree, uint32_t place,
                        struct proof_node path_r[PROOF_PATH_MAX])
{
    ASSERT(place < tree->leaves);
    uint8_t length = 0;
    const struct proof_node *level = tree->nodes;
    size_t at = place;
    for (size_t width = tree->leaves; width > 1; width = above(width)) {
        if ((at ^ 1) < width) { /* else it goes up as it is */
            ASSERT(length < PROOF_PATH_MAX);
            path_r[length++] = level[at ^ 1];
        }
        level += width;
        at /= 2;
    }
    return length;
}
