/* An ordered set of entries, as a treap: a binary search tree that is also a heap by a priority
 * derived from the entry's address-free sequence number, so its shape, and with it every run, is
 * deterministic. The comparison is the owner's. Memory: one node an entry, from the heap. One
 * thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_node;
struct tree {
    struct tree_node *root;
    size_t count;
    uint64_t sequence;
    /* < 0, 0, > 0; never 0 for two different entries */
    int (*compare)(const struct tree *tree, const void *a, const void *b);
    size_t field; /* for compare's use */
};

/* The entry must not be there yet; out of memory aborts. */
void tree_insert(struct tree *tree, void *entry);
/* The entry must be there. */
void tree_remove(struct tree *tree, void *entry);
/* The entry that compares equal, or NULL. */
void *tree_find(const struct tree *tree, const void *entry);

/* Calls visit for the entries for which `place` answers 0, in order (or in reverse); place answers
 * < 0 for those before the range and > 0 for those behind it. False when visit ended it. */
bool tree_walk(const struct tree *tree, bool reverse,
               int (*place)(void *context, const void *entry),
               bool (*visit)(void *context, void *entry), void *context);

/* Frees the nodes, not the entries. */
void tree_clear(struct tree *tree);
/* Aborts unless order, heap and count hold. */
void tree_verify(const struct tree *tree);
