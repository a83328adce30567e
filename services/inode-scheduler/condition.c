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

/* Where there are too many the last one is written over. */
static struct condition_reason *add(struct list *list, enum health_status status, uint64_t since_ms,
                                    const char *todo)
{
    list->count += list->count < CONDITION_MAX;
    struct condition_reason *reason = &list->reasons[list->count - 1];
    *reason = (struct condition_reason){ .status = status, .since_ms = since_ms, .todo = todo };
    return reason;
}

static void add_instance(struct list *list, const struct health *health,
                         const struct health_instance *instance)
{
    uint64_t silence_ms = loop_now_ms(health->loop) - instance->beat_ms;
    bool silent = silence_ms > HEALTH_MISSED_MS;
    struct condition_reason *reason =
        add(list, HEALTH_UNHEALTHY, silent ? instance->beat_unix_ms : instance->unwell_unix_ms,
            silent ? "it is started again by its supervisor; if it stays away look at its log"
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

static void add_component(struct list *list, enum health_component component, size_t seen,
                          size_t heard, uint64_t last_ms)
{
    struct condition_reason *reason = add(list, HEALTH_ERROR, last_ms, parts[component].todo);
    snprintf(reason->what, sizeof reason->what, "%s", health_component_name(component));
    if (heard > 0)
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
        uint64_t last_ms = 0;
        for (size_t i = 0; i < health->count; i++) {
            const struct health_instance *instance = &health->instances[i];
            if (instance->component != component)
                continue;
            seen++;
            heard += loop_now_ms(health->loop) - instance->beat_ms <= HEALTH_MISSED_MS;
            last_ms = instance->beat_unix_ms > last_ms ? instance->beat_unix_ms : last_ms;
            if (health_of_instance(health, instance) != HEALTH_HEALTHY)
                add_instance(list, health, instance);
        }
        if (health_alive(health, component) == 0 && (seen > 0 || !view->early))
            add_component(list, component, seen, heard, last_ms);
    }
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
    int order = (a->since_ms > b->since_ms) - (a->since_ms < b->since_ms);
    return order != 0 ? order : strcmp(a->what, b->what);
}

size_t condition_list(const struct condition_view *view, struct condition_reason *reasons_r,
                      enum health_status *status_r)
{
    struct list list = { .reasons = reasons_r };
    add_components(&list, view);
    if (view->nodes != NULL)
        add_nodes(&list, view);
    add_recovery(&list, view->recovery, view->early);
    qsort(reasons_r, list.count, sizeof *reasons_r, worse_first);
    *status_r = list.count == 0 ? HEALTH_HEALTHY : reasons_r[0].status;
    return list.count;
}
