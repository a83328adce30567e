/* The terminal that standard output may be. */
#pragma once
#include <stdio.h>

/* Its size now; 0 and 0 where `out` is none, or does not say. */
void terminal_size(FILE *out, unsigned *columns_r, unsigned *rows_r);
/* Cuts a line after so many characters (of UTF-8, as many as the terminal has columns where none is
 * wide), the last of them "…" where something is missing: room for three bytes more. 0: no bound.
 */
void terminal_cut(char *line, unsigned columns);
