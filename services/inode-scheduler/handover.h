/* Hands the transactions of templates to the validators that ask for them: those of a whole
 * template at once, those of one that is still arriving in pieces, as they come. A question that
 * cannot be answered yet waits here. On the loop's thread. */
#pragma once
#include "port/bus.h"
#include "services/inode-scheduler/jobs.h"

enum {
    HANDOVER_WAITING_MAX = 256,      /* beyond it an empty piece is answered, and asked again */
    HANDOVER_PIECE_BYTES = 96 << 10, /* less is not worth a message while more is coming */
};

struct handover {
    struct jobs *jobs; /* borrowed */
    struct {
        struct bus_call *call;
        uint64_t template_id;
        uint32_t first;
    } waiting[HANDOVER_WAITING_MAX];
    size_t count;
};

/* `call` is taken. */
void handover_ask(struct handover *handover, struct bus_call *call, uint64_t template_id,
                  uint32_t first);
/* More of a template is there, or it is whole, or it will never be. */
void handover_moved(struct handover *handover);
/* Drops who waits. */
void handover_end(struct handover *handover);
