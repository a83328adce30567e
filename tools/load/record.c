#include "tools/load/record.h"

#include <inttypes.h>
#include <stdlib.h>

void record_write(FILE *file, const struct record_line *line)
{
    char end[16];
    if (line->end == RECORD_ACCEPTED)
        strcpy(end, "accepted");
    else if (line->end == RECORD_LOST)
        strcpy(end, "lost");
    else
        snprintf(end, sizeof end, "%d", line->end);
    fprintf(file, "%s %" PRIu32 " %" PRIu32 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n", end,
            line->miner, line->session, line->number, line->job, line->sent_us, line->ended_us);
}

bool record_read(const char *text, struct record_line *line_r)
{
    char end[16];
    if (sscanf(text, "%15s %" SCNu32 " %" SCNu32 " %" SCNu64 " %64s %" SCNu64 " %" SCNu64, end,
               &line_r->miner, &line_r->session, &line_r->number, line_r->job, &line_r->sent_us,
               &line_r->ended_us) != 7)
        return false;
    if (strcmp(end, "accepted") == 0)
        line_r->end = RECORD_ACCEPTED;
    else if (strcmp(end, "lost") == 0)
        line_r->end = RECORD_LOST;
    else
        line_r->end = atoi(end);
    return end[0] < '0' || end[0] > '9' || line_r->end > 0;
}
