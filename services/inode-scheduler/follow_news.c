#include "services/inode-scheduler/follow_inside.h"

#include "service/log.h"

#include <stdio.h>

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
    struct follow_result *result;
    struct error *error;
    enum going going;
};

/* One whose record cannot be read pins the window as long as nobody says what became of it. So it
 * is followed by its hash alone, and let go like others when it is not on the chain. Without a node
 * nobody can say how long that is: it waits. */
static bool from_unreadable(const struct adoption *adoption, const struct window_found *found,
                            const char *reason, struct block_record *block_r)
{
    char id[BLOCK_ID_BYTES];
    if (adoption->result->height == 0)
        return false;
    block_from_hash(found->block_hash, adoption->result->height + 1,
                    adoption->follower->options.epoch, loop_unix_ms(), block_r);
    struct block_record known;
    struct error error;
    if (block_get(adoption->follower->options.store, found->block_hash, &known, &error) ==
        STORE_MISSING) {
        block_id(found->block_hash, id);
        log_error("candidate.unreadable", "block=%s reason=\"%s\"", id, reason);
    }
    return true;
}

static bool read_candidate(const struct adoption *adoption, const struct window_found *found,
                           struct block_record *block_r)
{
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_candidate candidate;
    struct error error;
    if (found->damaged)
        return from_unreadable(adoption, found, "its record in the window is damaged", block_r);
    if (!wire_decode_candidate(found->record, &arena, &candidate, &error))
        return from_unreadable(adoption, found, error.text, block_r);
    if (memcmp(candidate.block_hash, found->block_hash, 32) != 0)
        return from_unreadable(adoption, found, "its record is of another block", block_r);
    block_from_candidate(&candidate, adoption->follower->options.epoch, block_r);
    if (block_is_bare(block_r))
        return from_unreadable(adoption, found, "its record names no job", block_r);
    return true;
}

static bool on_candidate(void *context, const struct window_found *found)
{
    struct adoption *adoption = context;
    struct follower *follower = adoption->follower;
    uint8_t *slot = follower->adopted[load_le32(found->block_hash) % ADOPTED_SLOTS];
    if (atomic_load(&follower->stopped))
        return false;
    if (memcmp(slot, found->block_hash, 32) == 0)
        return true;
    struct block_record block;
    if (!read_candidate(adoption, found, &block))
        return true;
    enum store_outcome outcome = block_add(follower->options.store, &block, adoption->error);
    adoption->result->adopted += outcome == STORE_DONE;
    if (outcome == STORE_DONE || outcome == STORE_EXISTS)
        memcpy(slot, found->block_hash, 32);
    if (outcome == STORE_FAILED)
        adoption->going = GOING_FAILED;
    return outcome != STORE_FAILED;
}

enum going follow_adopt(struct follower *follower, struct follow_result *result,
                        struct error *error)
{
    if (follower->options.window == NULL)
        return GOING_ON;
    struct adoption adoption = { follower, result, error, GOING_ON };
    if (!window_candidates(follower->options.window, on_candidate, &adoption, error))
        return GOING_FAILED;
    return adoption.going;
}
