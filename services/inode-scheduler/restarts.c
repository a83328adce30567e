#include "services/inode-scheduler/restarts.h"

#include "record/leader/leader.h"
#include "service/log.h"

enum { FORM = 1, HEAD_BYTES = 3, FIXED_BYTES = 22, AGAIN_MS = 3600 * 1000 };
enum { RECORD_BYTES = HEAD_BYTES + HEALTH_INSTANCES_MAX * (FIXED_BYTES + 64) };

static const struct store_field fields[] = { { "list", STORE_BYTES, false } };
const struct store_collection restarts_collection = { "restarts", fields, 1 };
static const char record_id[] = "instances";

static size_t encode(const struct restarts_list *list, uint8_t bytes_r[RECORD_BYTES])
{
    uint8_t *at = bytes_r;
    *at++ = FORM;
    store_le16(at, (uint16_t)list->count);
    at += 2;
    for (size_t i = 0; i < list->count; i++) {
        const struct health_known *known = &list->known[i];
        const size_t length = strlen(known->instance);
        at[0] = (uint8_t)known->component;
        store_le64(at + 1, known->boot_id);
        store_le32(at + 9, known->restarts);
        store_le64(at + 13, known->seen_unix_ms);
        at[21] = (uint8_t)length;
        memcpy(at + FIXED_BYTES, known->instance, length);
        at += FIXED_BYTES + length;
    }
    return (size_t)(at - bytes_r);
}

static bool decode(struct span bytes, struct restarts_list *list_r)
{
    list_r->count = 0;
    if (bytes.length < HEAD_BYTES || bytes.data[0] != FORM)
        return false;
    const size_t count = load_le16(bytes.data + 1);
    const uint8_t *at = bytes.data + HEAD_BYTES, *end = bytes.data + bytes.length;
    if (count > HEALTH_INSTANCES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct health_known *known = &list_r->known[i];
        if (end - at < FIXED_BYTES || at[0] >= HEALTH_COMPONENT_COUNT || at[21] > 64 ||
            end - at < FIXED_BYTES + at[21])
            return false;
        *known = (struct health_known){ .component = (enum health_component)at[0],
                                        .boot_id = load_le64(at + 1),
                                        .restarts = load_le32(at + 9),
                                        .seen_unix_ms = load_le64(at + 13) };
        memcpy(known->instance, at + FIXED_BYTES, at[21]);
        at += FIXED_BYTES + at[21];
    }
    list_r->count = count;
    return true;
}

enum store_outcome restarts_read(struct store *store, struct restarts_list *list_r,
                                 uint64_t *version_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[RECORD_BYTES + 256];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    list_r->count = 0;
    *version_r = 0;
    enum store_outcome outcome =
        store_get(store, &restarts_collection, record_id, &arena, &record, error);
    if (outcome == STORE_MISSING)
        return STORE_DONE;
    if (outcome != STORE_DONE)
        return outcome;
    *version_r = record.version;
    if (!decode(record.values[0].bytes, list_r))
        log_warn("restarts.unreadable", "bytes=%zu", record.values[0].bytes.length);
    return STORE_DONE;
}

enum store_outcome restarts_write(struct store *store, const struct restarts_list *list,
                                  uint64_t *version, struct error *error)
{
    uint8_t bytes[RECORD_BYTES];
    const size_t length = encode(list, bytes);
    struct store_write write = { .verb = *version == 0 ? STORE_INSERT : STORE_REPLACE,
                                 .collection = &restarts_collection,
                                 .record = { .id = record_id,
                                             .version = *version,
                                             .values = { store_bytes(span_of(bytes, length)) } } };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    outcome = outcome == STORE_DONE ? write.outcome : outcome;
    if (outcome == STORE_DONE)
        (*version)++;
    return outcome == STORE_EXISTS ? STORE_CONFLICT : outcome;
}

static struct restarts *of_job(struct worker_job *job)
{
    return (struct restarts *)((char *)job - offsetof(struct restarts, job));
}

static void work(struct worker_job *job)
{
    struct restarts *restarts = of_job(job);
    if (!restarts->writes) {
        restarts->outcome =
            restarts_read(restarts->store, &restarts->list, &restarts->version, &restarts->error);
        return;
    }
    /* One that was deposed and has not noticed must not write. */
    restarts->outcome =
        leader_still(restarts->store, restarts->role, restarts->epoch, &restarts->error);
    if (restarts->outcome == STORE_DONE)
        restarts->outcome =
            restarts_write(restarts->store, &restarts->list, &restarts->version, &restarts->error);
}

static void done(struct worker_job *job)
{
    struct restarts *restarts = of_job(job);
    const bool failed = restarts->outcome == STORE_FAILED || restarts->outcome == STORE_UNKNOWN;
    restarts->asking = false;
    if (failed && !restarts->failed)
        log_warn("restarts.unkept", "reason=\"%s\"", restarts->error.text);
    restarts->failed = failed;
    if (!restarts->writes && restarts->outcome == STORE_DONE) {
        health_recall(restarts->health, restarts->list.known, restarts->list.count);
        restarts->read = true;
        restarts->due_ms = 0;
    } else if (restarts->writes && restarts->outcome == STORE_FAILED) {
        restarts->due_ms = 0; /* nothing was written: once more */
    } else if (restarts->writes && restarts->outcome != STORE_DONE) {
        restarts->read = false; /* another's may stand there, or ours */
    }
}

void restarts_tick(struct restarts *restarts, uint64_t epoch)
{
    const uint64_t now_ms = loop_unix_ms();
    const uint64_t changes = restarts->health->changes;
    if (restarts->asking ||
        (restarts->read && changes == restarts->marked && now_ms < restarts->due_ms))
        return;
    restarts->writes = restarts->read;
    if (restarts->writes) {
        restarts->list.count = health_list_known(restarts->health, now_ms, restarts->list.known);
        restarts->marked = changes;
        restarts->due_ms = now_ms + AGAIN_MS;
    }
    restarts->epoch = epoch;
    restarts->job = (struct worker_job){ .work = work, .done = done };
    restarts->asking = worker_submit(restarts->worker, &restarts->job);
}
