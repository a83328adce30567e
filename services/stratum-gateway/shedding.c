#include "services/stratum-gateway/shedding.h"

enum { PRESSED_PART = 4 };

bool shedding_look(struct shedding *shedding, size_t held, size_t held_max)
{
    bool pressed = held > held_max / PRESSED_PART;
    if (pressed == shedding->pressed)
        return false;
    shedding->pressed = pressed;
    if (pressed)
        shedding->raised = 0;
    return true;
}

void shedding_begin(struct shedding *shedding)
{
    uint64_t senders = shedding->senders > 0 ? shedding->senders : 1;
    shedding->mean = shedding->submitted / senders;
    shedding->submitted = shedding->senders = 0;
}

bool shedding_chooses(struct shedding *shedding, uint32_t submitted)
{
    shedding->submitted += submitted;
    shedding->senders += submitted > 0;
    return shedding->pressed && submitted > 0 && submitted >= shedding->mean;
}
