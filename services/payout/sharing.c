/* What the scheme says about a block: how far back its window reaches, what each account in it
 * pays, and what becomes of the reward. Everything a scheme decided is put down in the block's
 * snapshot; nothing here is asked again for a block that has one, so changing the settings changes
 * blocks to come and no other. */
#include "services/payout/inside.h"

#include "record/account/account.h"

#include <stdlib.h>

u128 engine_window_work(const struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    return options->window_work != 0
               ? options->window_work
               : pplns_window_work(engine->network_work, options->window_percent);
}

/* Where the round of PROP began: the nearest end before `end` among the blocks before. Ends rise
 * with heights but for the order in which blocks of a minute are heard of, so a few more are looked
 * at behind the first that fits. */
enum { ROUND_LOOKS = 32 };
struct round {
    const struct window_position *end; /* NULL: of a block to come */
    bool found;
    unsigned looks;
    struct window_position after;
};

static bool look_for_round(void *context, const struct snapshot_record *snapshot)
{
    struct round *round = context;
    if (snapshot->empty)
        return true;
    if (round->end == NULL || window_position_compare(&snapshot->end, round->end) < 0) {
        if (!round->found || window_position_compare(&round->after, &snapshot->end) < 0)
            round->after = snapshot->end;
        round->found = true;
    }
    round->looks += round->found;
    return round->looks < ROUND_LOOKS;
}

static enum step find_round(struct engine *engine, struct round *round, struct error *error)
{
    enum store_outcome outcome = snapshot_walk_newest(engine->store, look_for_round, round, error);
    return engine_step_of(engine, outcome, error);
}

/* Among the stretches, the newest first: was the share at a place bought, and else, where the last
 * of a run ended before it? */
struct bought {
    const struct window_position *place;
    bool is;
    enum reward_scheme scheme;
    bool has_floor;
    struct window_position floor;
};

static bool look_for_place(void *context, const struct stretch_record *stretch)
{
    struct bought *bought = context;
    if (stretch->empty)
        return true;
    if (window_position_compare(&stretch->end, bought->place) < 0) {
        bought->has_floor = stretch->last;
        bought->floor = stretch->end;
        return false;
    }
    bought->is = !stretch->first && (stretch->begin_empty ||
                                     window_position_compare(&stretch->begin, bought->place) < 0);
    bought->scheme = stretch->scheme;
    return !bought->is;
}

static enum step find_bought(struct engine *engine, const struct snapshot_record *snapshot,
                             struct bought *bought_r, struct error *error)
{
    *bought_r = (struct bought){ .place = &snapshot->end };
    if (snapshot->empty || engine->stretch.number == 0)
        return STEP_DONE;
    return engine_step_of(
        engine, stretch_walk(engine->store, STORE_DESCENDING, look_for_place, bought_r, error),
        error);
}

enum step engine_terms(struct engine *engine, const struct wire_reward_event *event,
                       struct snapshot_record *snapshot, struct error *error)
{
    const struct engine_options *options = &engine->options;
    struct bought bought;
    enum step step = find_bought(engine, snapshot, &bought, error);
    if (step != STEP_DONE)
        return step;
    /* Found by work that was bought: it is the reserve's, whatever the settings say now. */
    enum reward_scheme scheme = bought.is ? bought.scheme : options->scheme;
    const char *name = reward_scheme_name(scheme);
    memcpy(snapshot->scheme, name, strlen(name) + 1);
    snapshot->fee_basis_points = options->fee_basis_points;
    snapshot->finder = event->account;
    if (scheme == REWARD_PROP) {
        struct round round = { .end = &snapshot->end };
        step = snapshot->empty ? STEP_DONE : find_round(engine, &round, error);
        if (step != STEP_DONE)
            return step;
        snapshot->has_after = round.found;
        snapshot->after = round.after;
        snapshot->window_work = ~(u128)0;
    } else if (scheme == REWARD_PPLNS) {
        snapshot->window_percent = options->window_work != 0 ? 0 : options->window_percent;
        snapshot->window_work = engine_window_work(engine);
    }
    /* Work that was bought is not shared as well. */
    if (!reward_buys_work(scheme) && bought.has_floor &&
        (!snapshot->has_after || window_position_compare(&snapshot->after, &bought.floor) < 0)) {
        snapshot->has_after = true;
        snapshot->after = bought.floor;
    }
    return STEP_DONE;
}

enum step engine_pin(struct engine *engine, const struct window_position *oldest, bool *pinned_r,
                     struct window_position *from_r, bool *all_r, struct error *error)
{
    *pinned_r = *all_r = false;
    if (reward_buys_work(engine->options.scheme) ||
        (engine->stretch.number != 0 && !engine->stretch.last)) {
        bool open = engine->stretch.number != 0 && !engine->stretch.last;
        *pinned_r = open && !engine->stretch.empty;
        *all_r = !*pinned_r;
        *from_r = engine->stretch.end;
        return STEP_DONE;
    }
    if (engine->options.scheme != REWARD_PROP)
        return STEP_DONE;
    struct round round = { .end = oldest };
    enum step step = find_round(engine, &round, error);
    *pinned_r = round.found;
    *all_r = !round.found;
    *from_r = round.after;
    return step;
}

/* The accounts of a class of their own, on the way through those of the window. */
struct classes {
    const struct engine_options *options;
    struct pplns_part *parts;
    size_t count;
};

static bool take_class(void *context, uint64_t account, const char *class)
{
    struct classes *classes = context;
    size_t low = 0, high = classes->count, wanted = 0;
    while (wanted < classes->options->class_count &&
           strcmp(classes->options->classes[wanted].name, class) != 0)
        wanted++;
    if (wanted == classes->options->class_count)
        return true; /* a class the settings do not name pays what all pay */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (classes->parts[middle].account < account)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < classes->count && classes->parts[low].account == account)
        classes->parts[low].fee_basis_points = classes->options->classes[wanted].basis_points;
    return true;
}

enum step engine_set_fees(struct engine *engine, struct pplns_part *parts, size_t count,
                          struct error *error)
{
    struct classes classes = { &engine->options, parts, count };
    for (size_t i = 0; i < count; i++)
        parts[i].fee_basis_points = engine->options.fee_basis_points;
    if (engine->options.class_count == 0 || count == 0)
        return STEP_DONE;
    enum store_outcome outcome = account_walk_classes(engine->store, take_class, &classes, error);
    return engine_step_of(engine, outcome, error);
}

enum step engine_share(struct engine *engine, struct snapshot_record *snapshot, size_t *count,
                       struct error *error)
{
    enum reward_scheme scheme = REWARD_PPLNS;
    bool known = reward_scheme_parse(span_text(snapshot->scheme), &scheme);
    ASSERT(known);
    if (scheme == REWARD_SOLO) {
        *count = snapshot->finder != 0;
        engine->parts[0] = (struct pplns_part){ .account = snapshot->finder, .work = 1 };
    } else if (reward_buys_work(scheme)) {
        *count = 0;
        snapshot->reserve = snapshot->reward;
    }
    enum step step = engine_set_fees(engine, engine->parts, *count, error);
    if (step != STEP_DONE)
        return step;
    struct money shared = { snapshot->reward.units - snapshot->reserve.units };
    struct reward_cut cut = reward_share(engine->parts, *count, shared, snapshot->fee_basis_points);
    snapshot->fee = cut.fee;
    snapshot->unallocated = cut.unallocated;
    return STEP_DONE;
}
