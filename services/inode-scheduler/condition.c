#include "services/inode-scheduler/condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What it means that no instance of a part is well, and what to do. */
static const struct {
    const char *missing, *todo;
} parts[HEALTH_COMPONENT_COUNT] = {
    [HEALTH_GATEWAY] = { "no miner can connect and no share is taken",
                         "look at ./adit logs stratum-gateway; miners come back by themselves" },
    [HEALTH_VALIDATOR] = { "no share is judged: gateways hold what they have and miners wait",
                           "look at ./adit logs share-validator and whether redis.window answers" },
    [HEALTH_SCHEDULER] = { "no job is made", "look at ./adit logs inode-scheduler" },
    [HEALTH_AUTH] = { "new miners are turned away and nobody can log in",
                      "look at ./adit logs auth and whether the store answers" },
    [HEALTH_PAYOUT] = { "nothing is credited or paid until it is back; no share is lost",
                        "look at ./adit logs payout and whether the store and the wallet answer" },
};

struct list {
    struct condition_reason *reasons;
    size_t count;
};

/* Whoever is further down the list waits for those above: the head is the cause, not who suffers
 * from it. */
enum order {
    ORDER_OUTSIDE,
    ORDER_SCHEDULER,
    ORDER_AUTH,
    ORDER_VALIDATOR,
    ORDER_PAYOUT,
    ORDER_GATEWAY
};

static const int orders[HEALTH_COMPONENT_COUNT] = {
    [HEALTH_SCHEDULER] = ORDER_SCHEDULER, [HEALTH_AUTH] = ORDER_AUTH,
    [HEALTH_VALIDATOR] = ORDER_VALIDATOR, [HEALTH_PAYOUT] = ORDER_PAYOUT,
    [HEALTH_GATEWAY] = ORDER_GATEWAY,
};

/* What is no part of ours and is missed by them, as they name it themselves. */
struct outside {
    const char *what;
    const char *names[2];         /* by service_degraded */
    enum health_component writer; /* who misses it where it is away itself */
    unsigned users;               /* bits of the parts that use it; 0: only its writer tells */
    const char *cause, *reason, *todo;
};

static const struct outside outsides[] = {
    { "redis.window",
      { "redis.window", "window" },
      HEALTH_VALIDATOR,
      0,
      "redis.window cannot be used: no share is kept",
      "without it no share is kept and none is answered",
      "see whether its server runs and answers (redis-cli ping, ./adit logs redis); one that hangs "
      "must be started again; shares wait, and all goes on by itself" },
    { "the store",
      { "store", NULL },
      HEALTH_SCHEDULER,
      1u << HEALTH_SCHEDULER | 1u << HEALTH_AUTH | 1u << HEALTH_PAYOUT,
      "the store cannot be used: no block, credit or account is written",
      "without it no block, credit or account is written; mining goes on",
      "see whether the database runs and answers, and its disk has room; all goes on by itself" },
};

enum { OUTSIDES = sizeof outsides / sizeof *outsides };

/* Where there are too many the last one is written over. */
static struct condition_reason *add(struct list *list, enum health_status status, uint64_t since_ms,
                                    const char *todo)
{
    list->count += list->count < CONDITION_MAX;
    struct condition_reason *reason = &list->reasons[list->count - 1];
    *reason = (struct condition_reason){ .status = status, .since_ms = since_ms, .todo = todo };
    return reason;
}

static bool is_silent(const struct health *health, const struct health_instance *instance)
{
    return loop_now_ms(health->loop) - instance->beat_ms > HEALTH_MISSED_MS;
}

/* Since when it is not well: neither moves while it stays so. */
static uint64_t unwell_since(const struct health_instance *instance)
{
    return instance->unwell_unix_ms != 0 ? instance->unwell_unix_ms : instance->beat_unix_ms;
}

/* What becomes of one that is not heard of: who starts it again, and when. */
static const char *todo_of_silent(const struct recovery *recovery,
                                  const struct health_instance *instance)
{
    if (!recovery->known)
        return "one that ended is started again by its supervisor, one that hangs by systemd and "
               "Kubernetes, but not by Compose (docker compose restart); its log says why";
    for (size_t i = 0; i < recovery->count; i++) {
        const struct recovery_process *process = &recovery->list[i];
        if (strcmp(process->name, health_component_name(instance->component)) != 0 ||
            strcmp(process->instance, instance->instance) != 0)
            continue;
        if (strcmp(process->state, "running") == 0)
            return "it runs: where it hangs ./adit up starts it again, after service.hung_s "
                   "without "
                   "a sign of life; if it does not, look at its log and at service.scheduler_url";
        if (strcmp(process->state, "hung") == 0)
            return "it hangs: ./adit up is stopping it to start it again";
        return "./adit up is starting it again; if it stays away look at its log";
    }
    return "it is not one that ./adit up started here: look at it where it runs";
}

static void add_instance(struct list *list, const struct condition_view *view,
                         const struct health_instance *instance)
{
    uint64_t silence_ms = loop_now_ms(view->health->loop) - instance->beat_ms;
    bool silent = is_silent(view->health, instance);
    struct condition_reason *reason =
        add(list, HEALTH_UNHEALTHY, silent ? instance->beat_unix_ms : unwell_since(instance),
            silent ? todo_of_silent(view->recovery, instance)
                   : "bring back what it misses; it goes on by itself");
    snprintf(reason->what, sizeof reason->what, "%s %s", health_component_name(instance->component),
             instance->instance);
    if (silent)
        snprintf(reason->reason, sizeof reason->reason, "not heard of for %" PRIu64 " s%s%s",
                 silence_ms / 1000, instance->last_error[0] != '\0' ? "; its last error: " : "",
                 instance->last_error);
    else
        snprintf(reason->reason, sizeof reason->reason, "%s",
                 instance->last_error[0] != '\0' ? instance->last_error
                 : instance->state == WIRE_STATE_STARTING
                     ? "it is starting"
                     : "it stops, or something that it needs is away");
}

static void add_component(struct list *list, const struct health *health,
                          enum health_component component, size_t seen, size_t heard,
                          uint64_t since_ms)
{
    char missed[256];
    struct condition_reason *reason = add(list, HEALTH_ERROR, since_ms, parts[component].todo);
    reason->order = orders[component];
    snprintf(reason->what, sizeof reason->what, "%s", health_component_name(component));
    if (heard > 0 && condition_missed(health, component, missed, sizeof missed))
        snprintf(reason->reason, sizeof reason->reason, "no instance is healthy (%s)", missed);
    else if (heard > 0)
        snprintf(reason->reason, sizeof reason->reason,
                 "no instance is healthy: each misses something that it needs");
    else
        snprintf(reason->reason, sizeof reason->reason, "%s: %s",
                 seen == 0 ? "none has been heard of" : "every instance is silent",
                 parts[component].missing);
}

static void add_components(struct list *list, const struct condition_view *view)
{
    const struct health *health = view->health;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++) {
        enum health_component component = (enum health_component)c;
        size_t seen = 0, heard = 0;
        uint64_t since_ms = 0; /* the last one ceased to be well */
        for (size_t i = 0; i < health->count; i++) {
            const struct health_instance *instance = &health->instances[i];
            if (instance->component != component)
                continue;
            seen++;
            heard += !is_silent(health, instance);
            since_ms = unwell_since(instance) > since_ms ? unwell_since(instance) : since_ms;
            if (health_of_instance(health, instance) != HEALTH_HEALTHY)
                add_instance(list, view, instance);
        }
        if (health_alive(health, component) == 0 && (seen > 0 || !view->early))
            add_component(list, health, component, seen, heard, since_ms);
    }
}

/* Where its words about what is away ("this: reason; that: reason") name that thing: the reason. */
static const char *find_missed(const struct health_instance *instance,
                               const struct outside *outside)
{
    if (instance->state != WIRE_STATE_DEGRADED)
        return NULL;
    for (const char *words = instance->last_error; words != NULL;) {
        const char *reason = strstr(words, ": ");
        for (size_t i = 0; i < 2 && outside->names[i] != NULL && reason != NULL; i++)
            if ((size_t)(reason - words) == strlen(outside->names[i]) &&
                memcmp(words, outside->names[i], strlen(outside->names[i])) == 0)
                return reason + 2;
        words = strstr(words, "; ");
        words = words != NULL ? words + 2 : NULL;
    }
    return NULL;
}

/* Whether all instances of a part that are heard miss it; then since when, and what one says. */
static bool is_missed_by(const struct health *health, enum health_component component,
                         const struct outside *outside, uint64_t *since_ms_r, const char **said_r)
{
    size_t heard = 0;
    *since_ms_r = 0;
    for (size_t i = 0; i < health->count; i++) {
        const struct health_instance *instance = &health->instances[i];
        if (instance->component != component || is_silent(health, instance))
            continue;
        const char *said = find_missed(instance, outside);
        if (said == NULL)
            return false;
        heard++;
        *said_r = said;
        *since_ms_r = unwell_since(instance) > *since_ms_r ? unwell_since(instance) : *since_ms_r;
    }
    return heard > 0;
}

static bool is_heard(const struct health *health, enum health_component component)
{
    for (size_t i = 0; i < health->count; i++)
        if (health->instances[i].component == component &&
            !is_silent(health, &health->instances[i]))
            return true;
    return false;
}

/* Away itself: who writes it misses it, or all do that are heard and use it, and are more than one.
 * A part that misses it alone may only be unable to reach it. */
static bool is_away(const struct health *health, const struct outside *outside)
{
    uint64_t since_ms;
    const char *said;
    if (is_missed_by(health, outside->writer, outside, &since_ms, &said))
        return true;
    size_t missing = 0;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++) {
        enum health_component component = (enum health_component)c;
        if ((outside->users & 1u << c) == 0 || !is_heard(health, component))
            continue;
        if (!is_missed_by(health, component, outside, &since_ms, &said))
            return false;
        missing++;
    }
    return missing > 1;
}

static void add_outside(struct list *list, const struct health *health,
                        const struct outside *outside)
{
    char who[128] = "";
    const char *said = "", *one;
    uint64_t since_ms = 0, one_ms;
    if (!is_away(health, outside))
        return;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++) {
        enum health_component component = (enum health_component)c;
        if (!is_missed_by(health, component, outside, &one_ms, &one))
            continue;
        size_t used = strlen(who);
        snprintf(who + used, sizeof who - used, "%s%s", used > 0 ? " and " : "",
                 health_component_name(component));
        if (since_ms == 0 || one_ms < since_ms) {
            since_ms = one_ms;
            said = one;
        }
    }
    if (who[0] == '\0')
        return;
    struct condition_reason *reason = add(list, HEALTH_ERROR, since_ms, outside->todo);
    reason->order = ORDER_OUTSIDE;
    snprintf(reason->what, sizeof reason->what, "%s", outside->what);
    snprintf(reason->reason, sizeof reason->reason, "%s cannot use it (%.300s): %s", who, said,
             outside->reason);
}

const char *condition_cause(const struct health *health)
{
    for (size_t i = 0; i < OUTSIDES; i++)
        if (is_away(health, &outsides[i]))
            return outsides[i].cause;
    return NULL;
}

bool condition_missed(const struct health *health, enum health_component component, char *text_r,
                      size_t bytes)
{
    uint64_t since_ms;
    const char *said;
    for (size_t i = 0; i < OUTSIDES; i++) {
        if (!is_missed_by(health, component, &outsides[i], &since_ms, &said))
            continue;
        snprintf(text_r, bytes, "it cannot use %s: %.*s", outsides[i].what, (int)strcspn(said, ";"),
                 said);
        return true;
    }
    return false;
}

static void add_nodes(struct list *list, const struct condition_view *view)
{
    bool any = false;
    for (size_t i = 0; i < view->nodes->options.count; i++) {
        const struct nodes_node *node = &view->nodes->list[i];
        any = any || node->usable;
        if (node->usable && node->reason[0] == '\0')
            continue;
        struct condition_reason *reason =
            add(list, HEALTH_UNHEALTHY, node->since_unix_ms,
                "look at ./adit node; it is used again by itself when it is well");
        snprintf(reason->what, sizeof reason->what, "node %s", node->name);
        snprintf(reason->reason, sizeof reason->reason, "%s%s%s",
                 nodes_standing_word(node->standing), node->reason[0] != '\0' ? ": " : "",
                 node->reason);
    }
    if (view->job || view->early)
        return;
    struct condition_reason *reason =
        add(list, HEALTH_ERROR, 0, "look at ./adit node and at the nodes' own logs");
    reason->order = ORDER_OUTSIDE;
    snprintf(reason->what, sizeof reason->what, "jobs");
    snprintf(reason->reason, sizeof reason->reason, "%s: miners have nothing to work on",
             any ? "no node gives a template" : "no node may be mined on");
}

static void add_recovery(struct list *list, const struct recovery *recovery, bool early)
{
    for (size_t i = 0; i < recovery->count; i++) {
        const struct recovery_process *process = &recovery->list[i];
        if (process->attempts == 0 || (early && process->why[0] == '\0'))
            continue;
        struct condition_reason *reason = add(list, HEALTH_UNHEALTHY, process->ended_unix_ms,
                                              "if it does not stay up, ./adit logs NAME says why");
        snprintf(reason->what, sizeof reason->what, "%s %s", process->name, process->instance);
        snprintf(reason->reason, sizeof reason->reason,
                 "%s: it ended (%s) and is started again, attempt %u", process->state, process->why,
                 process->attempts);
    }
}

static int worse_first(const void *one, const void *other)
{
    const struct condition_reason *a = one, *b = other;
    if (a->status != b->status)
        return (int)b->status - (int)a->status;
    if (a->order != b->order)
        return (a->order > b->order) - (a->order < b->order);
    int order = (a->since_ms > b->since_ms) - (a->since_ms < b->since_ms);
    return order != 0 ? order : strcmp(a->what, b->what);
}

size_t condition_list(const struct condition_view *view, struct condition_reason *reasons_r,
                      enum health_status *status_r)
{
    struct list list = { .reasons = reasons_r };
    for (size_t i = 0; i < OUTSIDES; i++)
        add_outside(&list, view->health, &outsides[i]);
    add_components(&list, view);
    if (view->nodes != NULL)
        add_nodes(&list, view);
    add_recovery(&list, view->recovery, view->early);
    qsort(reasons_r, list.count, sizeof *reasons_r, worse_first);
    *status_r = list.count == 0 ? HEALTH_HEALTHY : reasons_r[0].status;
    return list.count;
}
