#include "adapter/store_fake/tree.h"
#include "base/error.h"

#include <stdlib.h>

struct tree_node {
    struct tree_node *left, *right;
    uint64_t priority;
    void *entry;
};

/* splitmix64: spreads the sequence numbers over all 64 bits. */
static uint64_t spread(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct tree_node *insert(struct tree *tree, struct tree_node *at, struct tree_node *node)
{
    if (at == NULL)
        return node;
    int order = tree->compare(tree, node->entry, at->entry);
    ASSERT(order != 0);
    struct tree_node *top = at;
    if (order < 0) {
        at->left = insert(tree, at->left, node);
        if (at->left->priority > at->priority) {
            top = at->left;
            at->left = top->right;
            top->right = at;
        }
    } else {
        at->right = insert(tree, at->right, node);
        if (at->right->priority > at->priority) {
            top = at->right;
            at->right = top->left;
            top->left = at;
        }
    }
    return top;
}

void tree_insert(struct tree *tree, void *entry)
{
    struct tree_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL);
    node->priority = spread(tree->sequence++);
    node->entry = entry;
    tree->root = insert(tree, tree->root, node);
    tree->count++;
}

static struct tree_node *join(struct tree_node *left, struct tree_node *right)
{
    if (left == NULL || right == NULL)
        return left == NULL ? right : left;
    if (left->priority > right->priority) {
        left->right = join(left->right, right);
        return left;
    }
    right->left = join(left, right->left);
    return right;
}

void tree_remove(struct tree *tree, void *entry)
{
    struct tree_node **link = &tree->root;
    while (true) {
        ASSERT(*link != NULL);
        int order = tree->compare(tree, entry, (*link)->entry);
        if (order == 0)
            break;
        link = order < 0 ? &(*link)->left : &(*link)->right;
    }
    struct tree_node *node = *link;
    ASSERT(node->entry == entry);
    *link = join(node->left, node->right);
    tree->count--;
    free(node);
}

void *tree_find(const struct tree *tree, const void *entry)
{
    const struct tree_node *at = tree->root;
    while (at != NULL) {
        int order = tree->compare(tree, entry, at->entry);
        if (order == 0)
            return at->entry;
        at = order < 0 ? at->left : at->right;
    }
    return NULL;
}

struct walk {
    bool reverse;
    int (*place)(void *context, const void *entry);
    bool (*visit)(void *context, void *entry);
    void *context;
};

static bool walk_node(const struct walk *walk, const struct tree_node *at)
{
    if (at == NULL)
        return true;
    int place = walk->place(walk->context, at->entry);
    const struct tree_node *before = walk->reverse ? at->right : at->left;
    const struct tree_node *behind = walk->reverse ? at->left : at->right;
    bool has_before = walk->reverse ? place <= 0 : place >= 0;
    bool has_behind = walk->reverse ? place >= 0 : place <= 0;
    if (has_before && !walk_node(walk, before))
        return false;
    if (place == 0 && !walk->visit(walk->context, at->entry))
        return false;
    return !has_behind || walk_node(walk, behind);
}

bool tree_walk(const struct tree *tree, bool reverse,
               int (*place)(void *context, const void *entry),
               bool (*visit)(void *context, void *entry), void *context)
{
    const struct walk walk = { reverse, place, visit, context };
    return walk_node(&walk, tree->root);
}

static void clear(struct tree_node *at)
{
    if (at == NULL)
        return;
    clear(at->left);
    clear(at->right);
    free(at);
}

void tree_clear(struct tree *tree)
{
    clear(tree->root);
    tree->root = NULL;
    tree->count = 0;
}

static size_t verify(const struct tree *tree, const struct tree_node *at)
{
    if (at == NULL)
        return 0;
    for (int side = 0; side < 2; side++) {
        const struct tree_node *child = side == 0 ? at->left : at->right;
        if (child == NULL)
            continue;
        ASSERT(child->priority <= at->priority);
        int order = tree->compare(tree, child->entry, at->entry);
        ASSERT(side == 0 ? order < 0 : order > 0);
    }
    return 1 + verify(tree, at->left) + verify(tree, at->right);
}

void tree_verify(const struct tree *tree)
{
    ASSERT(verify(tree, tree->root) == tree->count);
}
