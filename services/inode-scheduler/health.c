#include "services/inode-scheduler/health.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

const char *health_component_name(enum health_component component)
{
    static const char *const names[] = {
#define X(name, text) text,
        HEALTH_COMPONENTS(X)
#undef X
    };
    ASSERT(component < HEALTH_COMPONENT_COUNT);
    return names[component];
}

const char *health_status_name(enum health_status status)
{
    return status == HEALTH_HEALTHY     ? "healthy"
           : status == HEALTH_UNHEALTHY ? "unhealthy"
                                        : "error";
}

void health_init(struct health *health, struct loop *loop)
{
    *health = (struct health){ .loop = loop, .began_ms = loop_now_ms(loop) };
    health->instances = calloc(HEALTH_INSTANCES_MAX, sizeof *health->instances);
    ASSERT(health->instances != NULL);
}

void health_deinit(struct health *health)
{
    free(health->instances);
}

static bool component_of(const char *service, enum health_component *component_r)
{
    for (int i = 0; i < HEALTH_COMPONENT_COUNT; i++)
        if (strcmp(service, health_component_name((enum health_component)i)) == 0) {
            *component_r = (enum health_component)i;
            return true;
        }
    return false;
}

static struct health_instance *find(struct health *health, enum health_component component,
                                    const char *instance)
{
    for (size_t i = 0; i < health->count; i++)
        if (health->instances[i].component == component &&
            strcmp(health->instances[i].instance, instance) == 0)
            return &health->instances[i];
    return NULL;
}

static void take_counters(struct health_instance *instance, const struct wire_heartbeat *beat)
{
    instance->counters_count = 0;
    for (uint32_t i = 0; i < beat->counters_count && i < HEALTH_COUNTERS_MAX; i++) {
        struct health_counter *counter = &instance->counters[instance->counters_count++];
        snprintf(counter->name, sizeof counter->name, "%s", beat->counters[i].name);
        counter->value = beat->counters[i].value;
    }
}

bool health_beat(struct health *health, const struct wire_heartbeat *beat)
{
    enum health_component component;
    if (!component_of(beat->service, &component))
        return false;
    struct health_instance *instance = find(health, component, beat->instance);
    if (instance == NULL) {
        if (health->count == HEALTH_INSTANCES_MAX)
            return false;
        instance = &health->instances[health->count++];
        *instance = (struct health_instance){ .component = component, .boot_id = beat->boot_id };
        snprintf(instance->instance, sizeof instance->instance, "%s", beat->instance);
        log_info("component.seen", "component=%s instance=%s", beat->service, beat->instance);
    } else if (instance->boot_id != beat->boot_id) {
        instance->restarts++;
        instance->boot_id = beat->boot_id;
        log_info("component.restarted", "component=%s instance=%s", beat->service, beat->instance);
    } else if (health_of_instance(health, instance) != HEALTH_HEALTHY &&
               beat->state == WIRE_STATE_RUNNING) {
        log_info("component.back", "component=%s instance=%s", beat->service, beat->instance);
    }
    instance->started_ms = beat->started_ms;
    instance->beat_ms = loop_now_ms(health->loop);
    instance->beat_unix_ms = loop_unix_ms();
    if (beat->state == WIRE_STATE_RUNNING)
        instance->unwell_unix_ms = 0;
    else if (instance->unwell_unix_ms == 0)
        instance->unwell_unix_ms = instance->beat_unix_ms;
    instance->state = beat->state;
    instance->lease_id = beat->lease_id;
    instance->error_count = beat->error_count;
    snprintf(instance->last_error, sizeof instance->last_error, "%s", beat->last_error);
    snprintf(instance->admin_url, sizeof instance->admin_url, "%s", beat->admin_url);
    memcpy(instance->receipt_key, beat->receipt_key, sizeof instance->receipt_key);
    take_counters(instance, beat);
    return true;
}

void health_tick(struct health *health)
{
    uint64_t now = loop_now_ms(health->loop);
    for (size_t i = 0; i < health->count;) {
        struct health_instance *instance = &health->instances[i];
        if (now - instance->beat_ms > HEALTH_FORGET_MS &&
            health_alive(health, instance->component) > 0)
            *instance = health->instances[--health->count];
        else
            i++;
    }
}

enum health_status health_of_instance(const struct health *health,
                                      const struct health_instance *instance)
{
    uint64_t silence = loop_now_ms(health->loop) - instance->beat_ms;
    if (silence > HEALTH_DEAD_MS)
        return HEALTH_ERROR;
    if (silence > HEALTH_MISSED_MS || instance->state != WIRE_STATE_RUNNING)
        return HEALTH_UNHEALTHY;
    return HEALTH_HEALTHY;
}

enum health_status health_of_component(const struct health *health, enum health_component component)
{
    size_t seen = 0;
    size_t healthy = 0;
    enum health_status best = HEALTH_ERROR;
    for (size_t i = 0; i < health->count; i++) {
        if (health->instances[i].component != component)
            continue;
        enum health_status status = health_of_instance(health, &health->instances[i]);
        seen++;
        healthy += status == HEALTH_HEALTHY;
        best = status < best ? status : best;
    }
    return seen > 0 && healthy == seen ? HEALTH_HEALTHY : healthy > 0 ? HEALTH_UNHEALTHY : best;
}

size_t health_alive(const struct health *health, enum health_component component)
{
    size_t alive = 0;
    for (size_t i = 0; i < health->count; i++)
        alive += health->instances[i].component == component &&
                 health_of_instance(health, &health->instances[i]) == HEALTH_HEALTHY;
    return alive;
}

uint64_t health_sum(const struct health *health, enum health_component component,
                    const char *counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < health->count; i++) {
        const struct health_instance *instance = &health->instances[i];
        if (instance->component != component ||
            health_of_instance(health, instance) == HEALTH_ERROR)
            continue;
        for (size_t j = 0; j < instance->counters_count; j++)
            if (strcmp(instance->counters[j].name, counter) == 0)
                sum += instance->counters[j].value;
    }
    return sum;
}
