/* The live view of a running pool in a terminal: a few lines drawn again each second (or, where
 * standard output is no terminal, a line whenever something changed), and above them what happened:
 * blocks found, matured, credited. On the loop's thread; the pool is asked on a thread of its own.
 */
#pragma once
#include "plan.h"

struct view;

/* NULL when there is no memory for it: the pool runs all the same. Caller owns. */
struct view *view_create(struct loop *loop, const struct plan *plan);
void view_destroy(struct view *view);
/* A line above the view, which stays. */
void view_line(struct view *view, const char *text);
