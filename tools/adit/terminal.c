#include "terminal.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void terminal_size(FILE *out, unsigned *columns_r, unsigned *rows_r)
{
    struct winsize size;
    const bool is_one = isatty(fileno(out)) == 1 && ioctl(fileno(out), TIOCGWINSZ, &size) == 0;
    *columns_r = is_one ? size.ws_col : 0;
    *rows_r = is_one ? size.ws_row : 0;
}

void terminal_cut(char *line, unsigned columns)
{
    unsigned seen = 0;
    size_t last = 0;
    for (size_t i = 0; columns > 0 && line[i] != '\0'; i++) {
        if (((unsigned char)line[i] & 0xc0) == 0x80)
            continue;
        if (++seen == columns)
            last = i;
        if (seen > columns) {
            strcpy(line + last, "…");
            return;
        }
    }
}
