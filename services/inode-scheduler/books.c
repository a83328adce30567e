#include "services/inode-scheduler/books.h"

#include "core/score/score.h"
#include "record/leader/leader.h"
#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { BOOKS_ATTEMPTS = 4 };

/* All members of a kind, from the heap. */
struct gathered {
    struct member *members;
    size_t count, room;
};

static bool gather_member(void *context, const struct member *member)
{
    struct gathered *gathered = context;
    if (gathered->count == gathered->room) {
        gathered->room = gathered->room == 0 ? 64 : 2 * gathered->room;
        gathered->members = realloc(gathered->members, gathered->room * sizeof *gathered->members);
        ASSERT(gathered->members != NULL);
    }
    gathered->members[gathered->count++] = *member;
    return true;
}

static enum store_outcome gather(const struct books *books, enum member_kind kind,
                                 struct gathered *gathered_r, struct error *error)
{
    *gathered_r = (struct gathered){ 0 };
    enum store_outcome outcome = member_walk(books->store, kind, gather_member, gathered_r, error);
    if (outcome != STORE_DONE) {
        free(gathered_r->members);
        *gathered_r = (struct gathered){ 0 };
    }
    return outcome;
}

static enum store_outcome still_leads(const struct books *books, struct error *error)
{
    return leader_still(books->store, books->role, books->epoch, error);
}

enum store_outcome books_update(const struct books *books, enum member_kind kind, const char *id,
                                books_change change, void *context, struct member *member_r,
                                struct error *error)
{
    for (int i = 0; i < BOOKS_ATTEMPTS; i++) {
        enum store_outcome outcome = member_get(books->store, kind, id, member_r, error);
        if (outcome != STORE_DONE)
            return outcome;
        if (member_r->epoch > books->epoch)
            return STORE_CONFLICT;
        if (!change(context, member_r))
            return STORE_DONE;
        outcome = member_save(books->store, member_r, books->epoch, error);
        if (outcome == STORE_DONE || outcome == STORE_FAILED)
            return outcome;
    }
    error_fill(error, ERROR_UNAVAILABLE, "the record of %s could not be written", id);
    return STORE_UNKNOWN;
}

static bool claim(void *context, struct member *member)
{
    return member->epoch != *(const uint64_t *)context;
}

static enum store_outcome claim_all(const struct books *books, enum member_kind kind,
                                    struct error *error)
{
    struct gathered all;
    struct member member;
    uint64_t epoch = books->epoch;
    enum store_outcome outcome = gather(books, kind, &all, error);
    for (size_t i = 0; i < all.count && outcome == STORE_DONE; i++)
        if (all.members[i].epoch != epoch)
            outcome = books_update(books, kind, all.members[i].id, claim, &epoch, &member, error);
    free(all.members);
    return outcome;
}

/* A record that is not there yet fades from the next turn on. */
static enum store_outcome insert(const struct books *books, struct member *member,
                                 struct error *error)
{
    struct turn turn;
    const char *name = member->kind == MEMBER_POOL ? BOOKS_DECAY : BOOKS_VALIDATOR_DECAY;
    enum store_outcome outcome = turn_get(books->store, name, &turn, error);
    if (outcome == STORE_FAILED)
        return outcome;
    member->decay_turn = turn.number;
    outcome = member_insert(books->store, member, books->epoch, error);
    return outcome == STORE_EXISTS ? STORE_UNKNOWN : outcome; /* an answer that got lost */
}

static bool name_pool(void *context, struct member *member)
{
    const char *name = context;
    if (member->source == MEMBER_OWN && strcmp(member->name, name) == 0)
        return false;
    member->source = MEMBER_OWN;
    member->stale = false;
    snprintf(member->name, sizeof member->name, "%s", name);
    return true;
}

enum store_outcome books_begin(const struct books *books, const char *pool, const char *pool_name,
                               struct error *error)
{
    struct member member;
    char name[MEMBER_NAME_BYTES];
    snprintf(name, sizeof name, "%.90s", pool_name);
    enum store_outcome outcome = still_leads(books, error);
    if (outcome == STORE_DONE)
        outcome = claim_all(books, MEMBER_VALIDATOR, error);
    if (outcome == STORE_DONE)
        outcome = claim_all(books, MEMBER_POOL, error);
    if (outcome == STORE_DONE)
        outcome = books_update(books, MEMBER_POOL, pool, name_pool, name, &member, error);
    if (outcome != STORE_MISSING)
        return outcome;
    member = (struct member){ .kind = MEMBER_POOL, .source = MEMBER_OWN };
    snprintf(member.id, sizeof member.id, "%s", pool);
    snprintf(member.wallet, sizeof member.wallet, "%.*s", ADDRESS_TEXT_BYTES - 1, pool);
    snprintf(member.name, sizeof member.name, "%s", name);
    return insert(books, &member, error);
}

/* What an entry of the list makes of a record. */
static bool list_member(void *context, struct member *member)
{
    const struct member_entry *entry = context;
    const struct member before = *member;
    memcpy(member->wallet, entry->wallet, sizeof member->wallet);
    if (entry->name[0] != '\0')
        memcpy(member->name, entry->name, sizeof member->name);
    if (member->kind == MEMBER_VALIDATOR) {
        memcpy(member->key, entry->key, sizeof member->key);
        member->stake = entry->stake;
    }
    if (member->kind == MEMBER_VALIDATOR || member->source != MEMBER_OWN)
        member->source = MEMBER_LISTED;
    member->stale = false;
    /* A new key is a new voice: what the old one said is no news about it. */
    if (memcmp(before.key, member->key, sizeof before.key) != 0)
        member->score = SCORE_NONE;
    return strcmp(before.wallet, member->wallet) != 0 || strcmp(before.name, member->name) != 0 ||
           memcmp(before.key, member->key, sizeof before.key) != 0 ||
           before.stake != member->stake || before.source != member->source ||
           before.stale != member->stale;
}

/* The record that an entry is about: one of our own that has its key, else its wallet's. */
static const struct member *find(const struct gathered *all, const struct member_entry *entry,
                                 bool by_key)
{
    char own[MEMBER_ID_BYTES];
    member_own_id(entry->key, own);
    for (size_t i = 0; i < all->count && by_key; i++)
        if (all->members[i].source != MEMBER_GONE && strcmp(all->members[i].id, own) == 0)
            return &all->members[i];
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->members[i].id, entry->wallet) == 0)
            return &all->members[i];
    return NULL;
}

static bool forget(void *context, struct member *member)
{
    (void)context;
    if (member->source == MEMBER_GONE)
        return false;
    member->source = MEMBER_GONE;
    member->stake = 0;
    member->score = SCORE_NONE;
    member->stale = false;
    return true;
}

static bool grow_stale(void *context, struct member *member)
{
    (void)context;
    if (member->source != MEMBER_LISTED || member->stale)
        return false;
    member->stale = true;
    return true;
}

static enum store_outcome take_entry(const struct books *books, enum member_kind kind,
                                     const struct member *known, const struct member_entry *entry,
                                     struct error *error)
{
    struct member member;
    struct member_entry copy = *entry;
    if (known != NULL)
        return books_update(books, kind, known->id, list_member, &copy, &member, error);
    member = (struct member){ .kind = kind, .source = MEMBER_LISTED };
    snprintf(member.id, sizeof member.id, "%s", entry->wallet);
    (void)list_member(&copy, &member);
    return insert(books, &member, error);
}

/* One kind of the list. */
static enum store_outcome take_kind(const struct books *books, enum member_kind kind,
                                    const struct member_entry *entries, size_t count,
                                    struct error *error)
{
    struct gathered all;
    struct member member;
    enum store_outcome outcome = gather(books, kind, &all, error);
    bool *named = calloc(all.count + 1, sizeof *named);
    ASSERT(named != NULL);
    const struct member **known = calloc(count + 1, sizeof(struct member *));
    ASSERT(known != NULL);
    for (size_t i = 0; i < count && outcome == STORE_DONE; i++) {
        known[i] = find(&all, &entries[i], kind == MEMBER_VALIDATOR);
        if (known[i] != NULL)
            named[known[i] - all.members] = true;
    }
    /* First who goes, so that stakes never sum to more than all in between. */
    for (size_t i = 0; i < all.count && outcome == STORE_DONE; i++)
        if (!named[i] && all.members[i].source == MEMBER_LISTED)
            outcome = books_update(books, kind, all.members[i].id, forget, NULL, &member, error);
    for (size_t i = 0; i < count && outcome == STORE_DONE; i++)
        outcome = take_entry(books, kind, known[i], &entries[i], error);
    free(known);
    free(named);
    free(all.members);
    return outcome;
}

static enum store_outcome mark_stale(const struct books *books, enum member_kind kind,
                                     struct error *error)
{
    struct gathered all;
    struct member member;
    enum store_outcome outcome = gather(books, kind, &all, error);
    for (size_t i = 0; i < all.count && outcome == STORE_DONE; i++)
        if (all.members[i].source == MEMBER_LISTED && !all.members[i].stale)
            outcome =
                books_update(books, kind, all.members[i].id, grow_stale, NULL, &member, error);
    free(all.members);
    return outcome;
}

static bool set_stake(void *context, struct member *member)
{
    uint32_t stake = *(const uint32_t *)context;
    if (member->source != MEMBER_OWN || member->stake == stake)
        return false;
    member->stake = stake;
    return true;
}

/* What the list leaves is dealt out among our own, in the order of their ids. */
static enum store_outcome deal_stakes(const struct books *books, uint64_t now_ms,
                                      struct error *error)
{
    struct gathered all;
    struct member member;
    uint32_t left = MEMBER_STAKE_WHOLE;
    enum store_outcome outcome = gather(books, MEMBER_VALIDATOR, &all, error);
    for (size_t i = 0; i < all.count; i++)
        if (all.members[i].source == MEMBER_LISTED)
            left -= all.members[i].stake < left ? all.members[i].stake : left;
    for (size_t i = 0; i < all.count && outcome == STORE_DONE; i++) {
        struct member *own = &all.members[i];
        if (own->source != MEMBER_OWN)
            continue;
        if (own->seen_ms + BOOKS_SILENT_MS < now_ms) {
            outcome = books_update(books, MEMBER_VALIDATOR, own->id, forget, NULL, &member, error);
            continue;
        }
        uint32_t stake = books->own_stake <= left ? books->own_stake : 0;
        left -= stake;
        if (stake == 0 && books->own_stake > 0)
            log_warn("validators.no_stake", "validator=%s reason=\"the list leaves too little\"",
                     own->id);
        if (own->stake != stake)
            outcome =
                books_update(books, MEMBER_VALIDATOR, own->id, set_stake, &stake, &member, error);
    }
    free(all.members);
    return outcome;
}

enum store_outcome books_take_list(const struct books *books, const struct member_list *list,
                                   uint64_t now_ms, struct error *error)
{
    enum store_outcome outcome = still_leads(books, error);
    if (outcome == STORE_DONE)
        outcome = list == NULL ? mark_stale(books, MEMBER_VALIDATOR, error)
                               : take_kind(books, MEMBER_VALIDATOR, list->validators,
                                           list->validator_count, error);
    if (outcome == STORE_DONE)
        outcome = list == NULL
                      ? mark_stale(books, MEMBER_POOL, error)
                      : take_kind(books, MEMBER_POOL, list->pools, list->pool_count, error);
    return outcome == STORE_DONE ? deal_stakes(books, now_ms, error) : outcome;
}

static bool greet(void *context, struct member *member)
{
    const struct books_own *own = context;
    snprintf(member->name, sizeof member->name, "%.90s", own->instance);
    if (member->source != MEMBER_LISTED) {
        member->source = MEMBER_OWN;
        snprintf(member->wallet, sizeof member->wallet, "%s", own->wallet);
    }
    if (own->now_ms > member->seen_ms)
        member->seen_ms = own->now_ms;
    return true;
}

enum store_outcome books_hello(const struct books *books, const struct books_own *own,
                               struct error *error)
{
    struct gathered all;
    struct member member;
    struct books_own copy = *own;
    char id[MEMBER_ID_BYTES];
    enum store_outcome outcome = gather(books, MEMBER_VALIDATOR, &all, error);
    size_t count = all.count;
    member_own_id(own->key, id);
    for (size_t i = 0; i < count; i++)
        if (memcmp(all.members[i].key, own->key, sizeof own->key) == 0 &&
            all.members[i].source != MEMBER_GONE)
            snprintf(id, sizeof id, "%s", all.members[i].id);
    free(all.members);
    if (outcome != STORE_DONE)
        return outcome;
    outcome = books_update(books, MEMBER_VALIDATOR, id, greet, &copy, &member, error);
    if (outcome != STORE_MISSING) {
        if (outcome == STORE_DONE && member.source == MEMBER_OWN && member.stake == 0)
            outcome = deal_stakes(books, own->now_ms, error);
        return outcome;
    }
    if (count >= MEMBER_LIST_MAX) {
        error_fill(error, ERROR_FULL, "there are %d validators already", MEMBER_LIST_MAX);
        return STORE_FAILED;
    }
    member = (struct member){ .kind = MEMBER_VALIDATOR, .source = MEMBER_OWN };
    memcpy(member.key, own->key, sizeof member.key);
    snprintf(member.id, sizeof member.id, "%s", id);
    (void)greet(&copy, &member);
    outcome = insert(books, &member, error);
    if (outcome == STORE_DONE)
        log_info("validators.registered", "validator=%s instance=%.60s", id, own->instance);
    return outcome == STORE_DONE ? deal_stakes(books, own->now_ms, error) : outcome;
}

static bool fade(void *context, struct member *member)
{
    uint64_t turn = *(const uint64_t *)context;
    if (member->decay_turn >= turn)
        return false;
    uint64_t turns = turn - member->decay_turn;
    member->score = member->kind == MEMBER_POOL ? score_pool_decayed(member->score, turns)
                                                : score_validator_decayed(member->score, turns);
    member->decay_turn = turn;
    return true;
}

/* A turn that moved may have been moved by one who leads no more. */
static enum store_outcome of_turn(const struct books *books, enum store_outcome outcome,
                                  struct error *error)
{
    if (outcome != STORE_CONFLICT)
        return outcome;
    error_fill(error, ERROR_UNAVAILABLE, "a turn was written by another");
    outcome = still_leads(books, error);
    return outcome == STORE_DONE ? STORE_UNKNOWN : outcome;
}

enum store_outcome books_decay(const struct books *books, enum member_kind kind,
                               uint64_t interval_ms, uint64_t now_ms, struct turn *turn_r,
                               struct error *error)
{
    const char *name = kind == MEMBER_POOL ? BOOKS_DECAY : BOOKS_VALIDATOR_DECAY;
    struct gathered all;
    struct member member;
    struct turn turn;
    enum store_outcome outcome = still_leads(books, error);
    if (outcome == STORE_DONE)
        outcome = turn_get(books->store, name, &turn, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return outcome;
    bool due = turn.whole && turn_is_due(&turn, interval_ms, now_ms);
    if (turn_r != NULL)
        *turn_r = turn;
    if (turn.whole && !due)
        return STORE_DONE;
    outcome = due ? turn_begin(books->store, &turn, interval_ms, now_ms, books->epoch, error)
                  : STORE_DONE;
    if (outcome != STORE_DONE)
        return of_turn(books, outcome, error);
    uint64_t number = turn.number;
    outcome = gather(books, kind, &all, error);
    for (size_t i = 0; i < all.count && outcome == STORE_DONE; i++)
        if (all.members[i].decay_turn < number)
            outcome = books_update(books, kind, all.members[i].id, fade, &number, &member, error);
    free(all.members);
    if (outcome == STORE_DONE)
        outcome = of_turn(books, turn_end(books->store, &turn, books->epoch, error), error);
    if (turn_r != NULL)
        *turn_r = turn;
    return outcome;
}
