/* The pool's state: each part and instance, what is wrong in words and what to do, what the
 * supervisor does about it. All of it is in memory. */
#include "services/inode-scheduler/api.h"

#include "services/inode-scheduler/condition.h"

static json_t *instance_of(const struct health *health, const struct health_instance *instance)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:i, s:s}", "instance", instance->instance,
                     "status", health_status_name(health_of_instance(health, instance)),
                     "last_check", (json_int_t)(instance->beat_unix_ms / 1000), "started",
                     (json_int_t)(instance->started_ms / 1000), "error_count",
                     (json_int_t)instance->error_count, "last_error", instance->last_error,
                     "restarts", (int)instance->restarts, "admin_url", instance->admin_url);
}

static json_t *component_of(const struct health *health, enum health_component component)
{
    uint64_t last_check = 0;
    uint64_t error_count = 0;
    const char *last_error = "";
    json_t *instances = json_array();
    for (size_t i = 0; i < health->count; i++) {
        const struct health_instance *instance = &health->instances[i];
        if (instance->component != component)
            continue;
        if (instance->beat_unix_ms > last_check)
            last_check = instance->beat_unix_ms;
        error_count += instance->error_count;
        if (instance->last_error[0] != '\0')
            last_error = instance->last_error;
        json_array_append_new(instances, instance_of(health, instance));
    }
    if (json_array_size(instances) == 0)
        last_error = "not heard of yet";
    return json_pack("{s:s, s:I, s:I, s:s, s:o}", "status",
                     health_status_name(health_of_component(health, component)), "last_check",
                     (json_int_t)(last_check / 1000), "error_count", (json_int_t)error_count,
                     "last_error", last_error, "instances", instances);
}

/* What miners may be paid next to what the wallet could spend; null while payout does not know. */
static json_t *solvency_of(const struct health *health)
{
    if (health_sum(health, HEALTH_PAYOUT, "wallet_read") == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "owed",
                     api_money((int64_t)health_sum(health, HEALTH_PAYOUT, "available")),
                     "in_flight",
                     api_money((int64_t)health_sum(health, HEALTH_PAYOUT, "in_flight")), "wallet",
                     api_money((int64_t)health_sum(health, HEALTH_PAYOUT, "wallet")));
}

static json_t *reasons_of(const struct condition_reason *reasons, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:s, s:s}", "status",
                            health_status_name(reasons[i].status), "what", reasons[i].what, "since",
                            reasons[i].since_ms == 0
                                ? json_null()
                                : json_integer((json_int_t)(reasons[i].since_ms / 1000)),
                            "reason", reasons[i].reason, "do", reasons[i].todo));
    return list;
}

static json_t *condition_of(const struct scheduler *scheduler)
{
    struct condition_reason reasons[CONDITION_MAX];
    struct jobs_view jobs;
    enum health_status status;
    jobs_look(scheduler->jobs, &jobs);
    const struct condition_view view = { .health = &scheduler->health,
                                         .nodes = scheduler->leading ? &scheduler->nodes : NULL,
                                         .recovery = &scheduler->recovery,
                                         .job = jobs.any,
                                         .early = scheduler_is_early(scheduler) };
    size_t count = condition_list(&view, reasons, &status);
    return json_pack("{s:s, s:o}", "status", health_status_name(status), "reasons",
                     reasons_of(reasons, count));
}

static json_t *when(uint64_t unix_ms)
{
    return unix_ms == 0 ? json_null() : json_integer((json_int_t)unix_ms);
}

/* What the supervisor does; null where none of ours does: restarts show in the instances then. */
static json_t *recovery_of(const struct recovery *recovery)
{
    if (!recovery->known)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < recovery->count; i++) {
        const struct recovery_process *process = &recovery->list[i];
        json_t *entry =
            json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:s}", "name", process->name,
                      "instance", process->instance, "state", process->state, "restarts",
                      (int)process->restarts, "attempts", (int)process->attempts, "started_ms",
                      when(process->begun_unix_ms), "ended_ms", when(process->ended_unix_ms),
                      "next_try_ms", when(process->next_unix_ms), "why", process->why);
        if (entry != NULL) /* no UTF-8 */
            json_array_append_new(list, entry);
    }
    return json_pack("{s:s, s:o}", "by", "adit up", "processes", list);
}

void api_status(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    http_keep(exchange, API_POOL_KEEP_MS);
    uint64_t now = loop_unix_ms();
    struct stats_pool pool;
    const char *reason;
    const char *state = scheduler_state(scheduler, &reason);
    stats_of_pool(scheduler->stats, now, &pool);
    json_t *components = json_object();
    for (int i = 0; i < HEALTH_COMPONENT_COUNT; i++)
        json_object_set_new(components, health_component_name((enum health_component)i),
                            component_of(&scheduler->health, (enum health_component)i));
    uint64_t miners = health_sum(&scheduler->health, HEALTH_GATEWAY, "miners");
    json_t *answer = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "status", state, "reason", reason,
        "connected_miners", (json_int_t)miners, "total_shares",
        (json_int_t)(pool.totals.accepted + pool.totals.rejected), "valid_shares",
        (json_int_t)pool.totals.accepted, "health", condition_of(scheduler), "component_health",
        components, "recovery", recovery_of(&scheduler->recovery), "solvency",
        solvency_of(&scheduler->health), "last_updated", (json_int_t)(now / 1000));
    api_add_coin(answer, scheduler);
    api_reply_tagged(exchange, answer);
}
