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
    health->known = calloc(HEALTH_INSTANCES_MAX, sizeof *health->known);
    ASSERT(health->instances != NULL && health->known != NULL);
}

void health_deinit(struct health *health)
{
    free(health->instances);
    free(health->known);
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

static struct health_known *find_known(struct health *health, enum health_component component,
                                       const char *instance)
{
    for (size_t i = 0; i < health->known_count; i++)
        if (health->known[i].component == component &&
            strcmp(health->known[i].instance, instance) == 0)
            return &health->known[i];
    return NULL;
}

static struct health_known *add_known(struct health *health, enum health_component component,
                                      const char *instance)
{
    struct health_known *place = &health->known[0];
    if (health->known_count < HEALTH_INSTANCES_MAX)
        place = &health->known[health->known_count++];
    else
        for (size_t i = 1; i < health->known_count; i++)
            if (health->known[i].seen_unix_ms < place->seen_unix_ms)
                place = &health->known[i];
    *place = (struct health_known){ .component = component };
    snprintf(place->instance, sizeof place->instance, "%s", instance);
    return place;
}

/* Its starts so far. */
static unsigned count_start(struct health *health, enum health_component component,
                            const struct wire_heartbeat *beat)
{
    struct health_known *known = find_known(health, component, beat->instance);
    if (known == NULL)
        known = add_known(health, component, beat->instance);
    if (known->first_boot_id == 0)
        known->first_boot_id = beat->boot_id;
    if (known->boot_id != beat->boot_id) {
        known->restarts += known->boot_id != 0;
        health->changes++;
    }
    known->boot_id = beat->boot_id;
    known->seen_unix_ms = loop_unix_ms();
    return known->restarts;
}

void health_recall(struct health *health, const struct health_known *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct health_known *before = &list[i];
        struct health_known *known = find_known(health, before->component, before->instance);
        if (known == NULL) {
            known = add_known(health, before->component, before->instance);
            known->boot_id = before->boot_id;
            known->restarts = before->restarts;
            known->seen_unix_ms = before->seen_unix_ms;
        } else if (!health->recalled) {
            /* heard since, counted from nothing */
            known->restarts += before->restarts + (known->first_boot_id != before->boot_id);
        } else if (known->restarts < before->restarts) {
            known->restarts = before->restarts;
        }
        struct health_instance *instance = find(health, before->component, before->instance);
        if (instance != NULL)
            instance->restarts = known->restarts;
    }
    health->recalled = true;
    health->changes++;
}

size_t health_list_known(const struct health *health, uint64_t now_unix_ms,
                         struct health_known *list_r)
{
    const uint64_t patience_ms = (uint64_t)HEALTH_REMEMBER_DAYS * 86400000;
    size_t count = 0;
    for (size_t i = 0; i < health->known_count; i++)
        if (now_unix_ms < health->known[i].seen_unix_ms + patience_ms)
            list_r[count++] = health->known[i];
    return count;
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
        instance->boot_id = beat->boot_id;
        log_info("component.restarted", "component=%s instance=%s", beat->service, beat->instance);
    } else if (health_of_instance(health, instance) != HEALTH_HEALTHY &&
               beat->state == WIRE_STATE_RUNNING) {
        log_info("component.back", "component=%s instance=%s", beat->service, beat->instance);
    }
    instance->restarts = count_start(health, component, beat);
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
