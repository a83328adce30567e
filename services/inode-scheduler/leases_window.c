/* Leases and the share window. The window keeps, by lease, which batches it has applied, so an id
 * must not be granted that it knows already: a gateway's first batches would be taken for repeats,
 * and its shares be lost. The store alone cannot tell after it was restored from a backup.
 *
 * And the window keeps that until it is told that a lease is over: when its values become free,
 * which is when every job alive at its end is dead, so that no share of it can count any more. Ids
 * only grow, so of all leases below the lowest that is not over the window keeps one mark. */
#include "services/inode-scheduler/leases_inside.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SURVEY_PAUSE_MS = 2000, SURVEY_LEASES_MAX = 2 * LEASES_HELD_MAX };
/* No backup is that old: an id farther ahead of the store's was made by no scheduler. */
#define STRAY_DISTANCE ((uint64_t)1 << 32)

struct survey {
    struct worker_job job;
    struct leases *leases;
    uint64_t last_id; /* the store's */
    uint64_t highest; /* the window's */
    uint64_t floor;   /* every lease of the store below it is over */
    uint64_t missing; /* the lowest open id that the store lacks; 0: none */
    uint64_t stray;   /* an id that is none of ours; 0: none seen */
    uint64_t *open;   /* not ended in the window, known to the store */
    size_t open_count, open_capacity;
    size_t ended;
    bool whole;
    struct error error;
};

/* Every lease below it is over, of those that the store knows and besides `but`. */
static uint64_t floor_without(const struct leases *leases, uint64_t but)
{
    uint64_t lowest = leases->last_id + 1;
    for (size_t i = 0; i < leases->held_count; i++) {
        const struct held *held = &leases->held[i];
        if (!held->over && held->lease.id != but && held->lease.id < lowest)
            lowest = held->lease.id;
    }
    return leases->left_alone != 0 && leases->left_alone < lowest ? leases->left_alone : lowest;
}

static bool on_lease(void *context, uint64_t lease_id, bool ended)
{
    struct survey *survey = context;
    if (lease_id > survey->last_id && lease_id - survey->last_id > STRAY_DISTANCE) {
        survey->stray = lease_id;
        return true;
    }
    if (lease_id > survey->highest)
        survey->highest = lease_id;
    if (!ended && lease_id > survey->last_id &&
        (survey->missing == 0 || lease_id < survey->missing))
        survey->missing = lease_id;
    if (ended || lease_id > survey->last_id)
        return true;
    if (survey->open_count == survey->open_capacity) {
        survey->open_capacity = survey->open_capacity == 0 ? 64 : 2 * survey->open_capacity;
        survey->open = realloc(survey->open, survey->open_capacity * sizeof *survey->open);
        ASSERT(survey->open != NULL);
    }
    survey->open[survey->open_count++] = lease_id;
    return survey->open_count < SURVEY_LEASES_MAX;
}

/* A lease the store lacks is left alone: it may be alive, of a time the store has forgotten. */
static bool end_if_over(struct survey *survey, uint64_t lease_id)
{
    const struct leases_options *options = &survey->leases->options;
    struct lease_record lease;
    enum store_outcome outcome = lease_get(options->store, lease_id, &lease, &survey->error);
    if (outcome == STORE_MISSING && (survey->missing == 0 || lease_id < survey->missing))
        survey->missing = lease_id;
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING;
    if (lease.ended_ms == 0 || lease.free_ms > (int64_t)loop_unix_ms())
        return true;
    if (!window_lease_end(options->window, lease_id, &survey->error))
        return false;
    survey->ended++;
    return true;
}

static void survey_work(struct worker_job *job)
{
    struct survey *survey = (struct survey *)job;
    survey->whole = window_leases(survey->leases->options.window, on_lease, survey, &survey->error);
    for (size_t i = 0; i < survey->open_count && survey->whole; i++)
        survey->whole = end_if_over(survey, survey->open[i]);
    /* Only where all open ones were looked at is the lowest known. */
    if (survey->whole && survey->open_count < SURVEY_LEASES_MAX)
        survey->whole = window_leases_below(survey->leases->options.window,
                                            survey->missing != 0 && survey->missing < survey->floor
                                                ? survey->missing
                                                : survey->floor,
                                            &survey->error);
}

static void survey_done(struct worker_job *job)
{
    struct survey *survey = (struct survey *)job;
    struct leases *leases = survey->leases;
    leases->surveying = false;
    leases->surveyed = survey->whole;
    leases->left_alone = survey->open_count < SURVEY_LEASES_MAX ? survey->missing : 1;
    if (survey->stray != 0)
        log_error("lease.stray",
                  "lease=%" PRIu64 " reason=\"the window knows a lease that no scheduler granted\"",
                  survey->stray);
    if (!survey->whole) {
        log_warn("lease.window_not_asked", "reason=\"%s\"", survey->error.text);
        leases->survey_due_ms = loop_now_ms(leases->options.loop) + SURVEY_PAUSE_MS;
        leases_refuse_all(leases, "the share window cannot say which ids it knows; ask again");
    } else {
        if (survey->highest > leases->last_id) {
            log_warn("lease.store_is_behind",
                     "store=%" PRIu64 " window=%" PRIu64 " reason=\"ids go on from the window's\"",
                     leases->last_id, survey->highest);
            leases->last_id = survey->highest;
        }
        if (survey->ended > 0)
            log_info("lease.over", "count=%zu", survey->ended);
        leases_go_on(leases);
    }
    free(survey->open);
    free(survey);
}

void leases_survey(struct leases *leases)
{
    if (leases->surveying)
        return;
    struct survey *survey = calloc(1, sizeof *survey);
    ASSERT(survey != NULL);
    survey->job = (struct worker_job){ .work = survey_work, .done = survey_done };
    survey->leases = leases;
    survey->last_id = leases->last_id;
    leases->left_alone = 0;
    survey->floor = floor_without(leases, 0);
    leases->surveying = worker_submit(leases->options.worker, &survey->job);
    if (!leases->surveying)
        free(survey);
}

struct ending {
    struct worker_job job;
    struct leases *leases;
    uint64_t lease_id;
    uint64_t below; /* all of them are over, too */
    bool done;
    struct error error;
};

static void ending_work(struct worker_job *job)
{
    struct ending *ending = (struct ending *)job;
    struct window_reader *window = ending->leases->options.window;
    ending->done = window_lease_end(window, ending->lease_id, &ending->error) &&
                   window_leases_below(window, ending->below, &ending->error);
}

static void ending_done(struct worker_job *job)
{
    struct ending *ending = (struct ending *)job;
    struct leases *leases = ending->leases;
    for (size_t i = 0; i < leases->held_count; i++) {
        struct held *held = &leases->held[i];
        if (held->lease.id != ending->lease_id)
            continue;
        held->ending = false;
        held->over = ending->done;
    }
    if (ending->done)
        log_info("lease.over", "lease=%" PRIu64, ending->lease_id);
    else if (!leases->window_told)
        log_warn("lease.not_over", "lease=%" PRIu64 " reason=\"%s\"", ending->lease_id,
                 ending->error.text);
    leases->window_told = !ending->done;
    free(ending);
}

void leases_end_in_window(struct leases *leases, struct held *held)
{
    struct ending *ending = calloc(1, sizeof *ending);
    ASSERT(ending != NULL);
    ending->job = (struct worker_job){ .work = ending_work, .done = ending_done };
    ending->leases = leases;
    ending->lease_id = held->lease.id;
    ending->below = floor_without(leases, held->lease.id);
    held->ending = worker_submit(leases->options.worker, &ending->job);
    if (!held->ending)
        free(ending);
}
