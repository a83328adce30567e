#include "services/inode-scheduler/follow_inside.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

bool follow_is_refused(const struct follower *follower, const uint8_t hash[32])
{
    for (size_t i = 0; i < follower->refused_count; i++)
        if (memcmp(follower->refused[i], hash, 32) == 0)
            return true;
    return false;
}

void follow_write_note(struct follower *follower, const struct follow_note *note)
{
    struct block_record block;
    struct error error;
    if (note->refused && follower->refused_count < REFUSED_MAX &&
        !follow_is_refused(follower, note->hash))
        memcpy(follower->refused[follower->refused_count++], note->hash, 32);
    if (note->text[0] == '\0' ||
        block_get(follower->options.store, note->hash, &block, &error) != STORE_DONE ||
        strstr(block.submissions, note->text) != NULL)
        return;
    size_t used = strlen(block.submissions);
    snprintf(block.submissions + used, sizeof block.submissions - used, "%s%s",
             used > 0 ? "; " : "", note->text);
    if (block_save(follower->options.store, &block, &error) != STORE_DONE)
        log_debug("block.note_lost", "note=\"%s\"", note->text);
}

struct adoption {
    struct follower *follower;
    struct block_record *blocks;
    size_t count, capacity;
};

static bool on_candidate(void *context, const struct window_found *found)
{
    struct adoption *adoption = context;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_candidate candidate;
    struct error error;
    if (adoption->count == adoption->capacity)
        return false;
    if (!wire_decode_candidate(found->record, &arena, &candidate, &error) ||
        memcmp(candidate.block_hash, found->block_hash, 32) != 0) {
        log_error("candidate.unreadable", "reason=\"%s\"", error.text);
        return true;
    }
    block_from_candidate(&candidate, adoption->follower->options.epoch,
                         &adoption->blocks[adoption->count++]);
    return true;
}

enum going follow_adopt(struct follower *follower, struct follow_result *result,
                        struct error *error)
{
    enum { ADOPT_MAX = 1024 };
    if (follower->options.window == NULL)
        return GOING_ON;
    struct adoption adoption = { .follower = follower, .capacity = ADOPT_MAX };
    adoption.blocks = calloc(ADOPT_MAX, sizeof *adoption.blocks);
    ASSERT(adoption.blocks != NULL);
    enum going going = GOING_ON;
    if (!window_candidates(follower->options.window, on_candidate, &adoption, error))
        going = GOING_FAILED;
    for (size_t i = 0; going == GOING_ON && i < adoption.count; i++) {
        struct block_record known;
        enum store_outcome outcome =
            block_get(follower->options.store, adoption.blocks[i].hash, &known, error);
        if (outcome == STORE_MISSING) {
            outcome = block_insert(follower->options.store, &adoption.blocks[i], error);
            result->adopted += outcome == STORE_DONE;
        }
        if (outcome == STORE_FAILED)
            going = GOING_FAILED;
    }
    free(adoption.blocks);
    return going;
}
