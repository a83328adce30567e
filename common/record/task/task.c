#include "record/task/task.h"

#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    F_STATE,
    F_VAL_ID,
    F_ISSUED_TO,
    F_ISSUED_MS,
    F_EXPIRES_MS,
    F_TRIES,
    F_HANDED_IN_MS,
    F_SETTLED_MS,
    F_TIP_IN_DOUBT,
    F_FIRST,
    F_REPORTER,
    F_EPOCH,
    F_BODY,
    F_COUNT
};

static const struct store_field fields[F_COUNT] = {
    [F_STATE] = { "state", STORE_INT, true },
    [F_VAL_ID] = { "val_id", STORE_INT, false },
    [F_ISSUED_TO] = { "issued_to", STORE_TEXT, false },
    [F_ISSUED_MS] = { "issued_ms", STORE_INT, false },
    [F_EXPIRES_MS] = { "expires_ms", STORE_INT, false },
    [F_TRIES] = { "tries", STORE_INT, false },
    [F_HANDED_IN_MS] = { "handed_in_ms", STORE_INT, false },
    [F_SETTLED_MS] = { "settled_ms", STORE_INT, true },
    [F_TIP_IN_DOUBT] = { "tip_in_doubt", STORE_INT, false },
    [F_FIRST] = { "first", STORE_INT, false },
    [F_REPORTER] = { "reporter", STORE_INT, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_BODY] = { "body", STORE_BYTES, false },
};
const struct store_collection task_collection = { "tasks", fields, F_COUNT };

enum { INSERTS_AT_ONCE = 32, READ_BYTES = TASK_BODY_BYTES_MAX + 1024 };

void task_id(uint64_t lease_id, uint64_t sequence, uint32_t index, char id_r[TASK_ID_BYTES])
{
    snprintf(id_r, TASK_ID_BYTES, "%016" PRIx64 "-%016" PRIx64 "-%04x", lease_id, sequence, index);
}

/* Bodies. */

static bool read_job(struct span message, struct job *job_r, struct error *error)
{
    struct wire_job wire;
    uint8_t memory[TEMPLATE_BRANCHES_MAX * sizeof(struct wire_hash) + 64];
    struct arena arena = arena_over(memory, sizeof memory);
    return wire_decode_job(message, &arena, &wire, error) && job_from_wire(&wire, job_r, error);
}

size_t task_body_write(const struct wire_audit_samples *samples, uint32_t index, uint8_t *bytes_r)
{
    for (uint32_t i = 0; i < samples->jobs_count; i++) {
        struct job job;
        struct error ignored;
        if (!read_job(samples->jobs[i].data, &job, &ignored) ||
            job.id != samples->shares[index].job_id)
            continue;
        const struct wire_audit_samples one = { .samples = &samples->samples[index],
                                                .samples_count = 1,
                                                .shares = &samples->shares[index],
                                                .shares_count = 1,
                                                .jobs = &samples->jobs[i],
                                                .jobs_count = 1 };
        return wire_encode_audit_samples(&one, bytes_r, TASK_BODY_BYTES_MAX);
    }
    return 0;
}

bool task_body_read(struct span bytes, struct task_body *body_r, struct error *error)
{
    struct wire_audit_samples message;
    struct arena arena = arena_over(body_r->memory, sizeof body_r->memory);
    if (!wire_decode_audit_samples(bytes, &arena, &message, error))
        return false;
    if (message.samples_count != 1 || message.shares_count != 1 || message.jobs_count != 1)
        return error_set(error, ERROR_INVALID, "it is not one submission with its job");
    body_r->sample = message.samples[0];
    body_r->share = message.shares[0];
    body_r->job_message = message.jobs[0].data;
    if (!read_job(body_r->job_message, &body_r->job, error))
        return false;
    return body_r->job.id == body_r->share.job_id ||
           error_set(error, ERROR_INVALID, "its job is another");
}

/* Records. */

static struct store_write write_of(enum store_verb verb, const struct task *task)
{
    return (struct store_write){
        .verb = verb,
        .collection = &task_collection,
        .record = { .id = task->id,
                    .version = task->version,
                    .values = { [F_STATE] = store_int(task->state),
                                [F_VAL_ID] = store_int((int64_t)task->val_id),
                                [F_ISSUED_TO] = store_text(task->issued_to),
                                [F_ISSUED_MS] = store_int((int64_t)task->issued_ms),
                                [F_EXPIRES_MS] = store_int((int64_t)task->expires_ms),
                                [F_TRIES] = store_int(task->tries),
                                [F_HANDED_IN_MS] = store_int((int64_t)task->handed_in_ms),
                                [F_SETTLED_MS] = store_int((int64_t)task->settled_ms),
                                [F_TIP_IN_DOUBT] = store_int(task->tip_in_doubt),
                                [F_FIRST] = store_int(task->first),
                                [F_REPORTER] = store_int(task->reporter),
                                [F_EPOCH] = store_int((int64_t)task->epoch),
                                [F_BODY] = store_bytes(task->body) } },
    };
}

static bool decode(const struct store_record *record, struct task *task_r, struct error *error)
{
    const struct store_value *values = record->values;
    struct span to = values[F_ISSUED_TO].bytes;
    *task_r = (struct task){ .version = record->version };
    if (strlen(record->id) >= sizeof task_r->id || to.length >= sizeof task_r->issued_to ||
        values[F_STATE].integer < TASK_WAITING || values[F_STATE].integer > TASK_SETTLED ||
        values[F_FIRST].integer < 0 || values[F_FIRST].integer > TASK_WRONG ||
        values[F_REPORTER].integer < 0 || values[F_REPORTER].integer > TASK_WRONG ||
        values[F_BODY].bytes.length > TASK_BODY_BYTES_MAX)
        return error_set(error, ERROR_INVALID, "the store's task \"%s\" is damaged", record->id);
    strcpy(task_r->id, record->id);
    if (to.length > 0)
        memcpy(task_r->issued_to, to.data, to.length);
    task_r->state = (enum task_state)values[F_STATE].integer;
    task_r->val_id = (uint64_t)values[F_VAL_ID].integer;
    task_r->issued_ms = (uint64_t)values[F_ISSUED_MS].integer;
    task_r->expires_ms = (uint64_t)values[F_EXPIRES_MS].integer;
    task_r->tries = (uint32_t)values[F_TRIES].integer;
    task_r->handed_in_ms = (uint64_t)values[F_HANDED_IN_MS].integer;
    task_r->settled_ms = (uint64_t)values[F_SETTLED_MS].integer;
    task_r->tip_in_doubt = values[F_TIP_IN_DOUBT].integer != 0;
    task_r->first = (enum task_word)values[F_FIRST].integer;
    task_r->reporter = (enum task_word)values[F_REPORTER].integer;
    task_r->epoch = (uint64_t)values[F_EPOCH].integer;
    task_r->body = values[F_BODY].bytes;
    return true;
}

enum store_outcome task_insert(struct store *store, struct task *tasks, size_t count,
                               struct error *error)
{
    struct store_write writes[INSERTS_AT_ONCE];
    ASSERT(count <= INSERTS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        tasks[i].version = 0;
        writes[i] = write_of(STORE_INSERT, &tasks[i]);
    }
    enum store_outcome outcome = count == 0 ? STORE_DONE : store_apply(store, writes, count, error);
    for (size_t i = 0; i < count && outcome == STORE_DONE; i++)
        tasks[i].version = writes[i].outcome == STORE_DONE;
    return outcome;
}

enum store_outcome task_save(struct store *store, struct task *task, struct error *error)
{
    struct store_write write = write_of(STORE_REPLACE, task);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome == STORE_DONE)
        task->version++;
    return outcome;
}

enum store_outcome task_forget(struct store *store, const struct task *task, struct error *error)
{
    struct store_write write = write_of(STORE_DELETE, task);
    return store_apply(store, &write, 1, error);
}

enum store_outcome task_get(struct store *store, const char *id, struct task *task_r,
                            uint8_t *memory, struct error *error)
{
    _Alignas(max_align_t) uint8_t read[READ_BYTES];
    struct arena arena = arena_over(read, sizeof read);
    struct store_record record;
    enum store_outcome outcome = store_get(store, &task_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    if (!decode(&record, task_r, error))
        return STORE_FAILED;
    if (task_r->body.length > 0)
        memcpy(memory, task_r->body.data, task_r->body.length);
    task_r->body.data = memory;
    return STORE_DONE;
}

struct walk {
    task_visitor visit;
    void *context;
    struct error *error;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct task task;
    walk->damaged = !decode(record, &task, walk->error);
    return !walk->damaged && walk->visit(walk->context, &task);
}

static enum store_outcome walk_tasks(struct store *store, const struct store_query *query,
                                     task_visitor visit, void *context, struct error *error)
{
    struct walk walk = { visit, context, error, false };
    enum store_outcome outcome =
        store_find(store, &task_collection, query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

enum store_outcome task_walk_open(struct store *store, task_visitor visit, void *context,
                                  struct error *error)
{
    const struct store_query query = { .field = "state",
                                       .has_high = true,
                                       .high = store_int(TASK_ISSUED) };
    return walk_tasks(store, &query, visit, context, error);
}

enum store_outcome task_walk_settled(struct store *store, uint64_t until_ms, size_t limit,
                                     task_visitor visit, void *context, struct error *error)
{
    const struct store_query query = { .field = "settled_ms",
                                       .has_low = true,
                                       .low = store_int(1),
                                       .has_high = true,
                                       .high = store_int((int64_t)until_ms),
                                       .limit = limit };
    return walk_tasks(store, &query, visit, context, error);
}
