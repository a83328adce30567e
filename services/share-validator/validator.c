#include "services/share-validator/validator.h"

#include "service/log.h"
#include "services/share-validator/spool.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_BYTES_MAX = 256 << 10,
    KEPT_EMPTY_MAX = 48, /* files of jobs without transactions, beside those of templates */
    SPARE_CALLS = 32,    /* beyond batches_max, so that these can be told to go elsewhere */
    LETTERS_MAX = 2 * BLOCKS_MAX + 4096,
    DRAIN_MS = 5000,
    LINGER_MS = 50, /* nng drops on closing what it has not written yet */
};

static void on_job(void *context, uint64_t job_id, enum feed_answer answer)
{
    struct validator *validator = context;
    if (validator->batches != NULL)
        batches_job(validator->batches, job_id, answer);
}

static void on_template(void *context, uint64_t template_id, enum feed_answer answer)
{
    struct validator *validator = context;
    if (validator->blocks != NULL)
        blocks_template(validator->blocks, template_id, answer);
}

static void on_link(void *context, bool up)
{
    struct validator *validator = context;
    validator->linked = up;
    service_degraded(validator->service, "inode-scheduler", up ? NULL : "no connection");
    if (up && validator->outbox != NULL)
        outbox_link_up(validator->outbox);
    if (up && validator->identity != NULL)
        identity_link_up(validator->identity);
}

static void on_batch(void *context, struct bus_call *call, struct span message)
{
    struct validator *validator = context;
    enum wire_type type;
    struct error ignored;
    bool peeked = wire_peek(message, &type, &ignored);
    if (peeked && type == WIRE_TYPE_receipt_request)
        receipts_ask(validator->receipts, call, message);
    else if (peeked && type == WIRE_TYPE_identity_request)
        rechecks_identify(validator->rechecks, call, message);
    else
        batches_take(validator->batches, call, message);
}

/* Appends are refused although the connection is there (memory full, disk full, a replica). */
static void on_window_refuses(void *context, const char *reason)
{
    struct validator *validator = context;
    if (validator->window_refuses == (reason != NULL) || !validator->window_ready)
        return;
    validator->window_refuses = reason != NULL;
    if (reason != NULL)
        log_error("window.refuses", "reason=\"%s\"", reason);
    service_degraded(validator->service, "redis.window writes", reason);
}

/* It may be away, too slow, or not set up as it should be: one trouble, told by its worst words. */
static void show_window(struct validator *validator)
{
    const char *text = validator->window_text;
    if (validator->window_ready && validator->window_slow[0] != '\0')
        text = validator->window_slow;
    service_degraded(validator->service, "redis.window",
                     validator->window_ready && text[0] == '\0' ? NULL : text);
}

void validator_window_slow(void *context, const char *text)
{
    struct validator *validator = context;
    snprintf(validator->window_slow, sizeof validator->window_slow, "%s", text != NULL ? text : "");
    show_window(validator);
}

void validator_window_state(void *context, bool ready, const char *text)
{
    struct validator *validator = context;
    const bool was = validator->window_ready;
    char safe[512];
    log_text(text, safe, sizeof safe);
    validator->window_ready = ready;
    snprintf(validator->window_text, sizeof validator->window_text, "%s", text);
    if (ready && text[0] != '\0')
        log_error("window.settings", "reason=\"%s\"", safe);
    else if (ready)
        log_info("window.ready", "%s", "");
    else if (was)
        log_warn("window.lost", "reason=\"%s\"", safe);
    show_window(validator);
    if (ready && validator->batches != NULL)
        batches_window_ready(validator->batches);
}

bool validator_window_reached(void *context, struct error *error)
{
    struct validator *validator = context;
    return window_ready(validator->window) ||
           error_set(error, ERROR_UNAVAILABLE, "%s",
                     validator->window_text[0] != '\0' ? validator->window_text
                                                       : "no connection yet");
}

void validator_ready(struct validator *validator)
{
    if (!validator->linked)
        service_degraded(validator->service, "inode-scheduler", "no connection yet");
    service_ready(validator->service);
}

static bool start_keep(struct validator *validator, struct error *error)
{
    const struct settings *settings = &validator->service->settings;
    char folder[4200];
    snprintf(folder, sizeof folder, "%.4096s/jobs", settings->validator_spool_dir);
    if (!spool_open(settings->validator_spool_dir, error))
        return false;
    validator->keep = keep_create(
        &(struct keep_options){
            .loop = validator->service->loop,
            .folder = folder,
            .files_max = (size_t)settings->validator_templates_max + KEPT_EMPTY_MAX,
            .memory_ms = (uint64_t)settings->scheduler_job_memory_s * 1000,
        },
        error);
    return validator->keep != NULL;
}

static bool start_feed(struct validator *validator, struct error *error)
{
    struct service *service = validator->service;
    const struct settings *settings = &service->settings;
    validator->jobs = job_table_create((uint64_t)settings->scheduler_job_memory_s * 1000);
    validator->templates = template_table_create((size_t)settings->validator_templates_max);
    if (validator->jobs == NULL || validator->templates == NULL)
        return error_set(error, ERROR_FULL, "no memory for jobs");
    const struct feed_options options = {
        .loop = service->loop,
        .bus = service->bus,
        .scheduler_url = settings->service_scheduler_url,
        .publish_url = settings->service_publish_url,
        .instance = service->instance,
        .jobs = validator->jobs,
        .templates = validator->templates,
        .keep = validator->keep,
        .on_job = on_job,
        .on_template = on_template,
        .on_link = on_link,
        .context = validator,
    };
    validator->feed = feed_create(&options, error);
    if (validator->feed == NULL)
        return false;
    feed_read_kept(validator->feed);
    validator->outbox = outbox_create(service->loop, validator->feed, LETTERS_MAX);
    return validator->outbox != NULL || error_set(error, ERROR_FULL, "no memory for reports");
}

static bool start_identity(struct validator *validator, struct error *error)
{
    const struct settings *settings = &validator->service->settings;
    validator->identity =
        identity_create(&(struct identity_options){ .loop = validator->service->loop,
                                                    .key_file = settings->validator_key_file,
                                                    .instance = validator->service->instance,
                                                    .wallet = settings->validator_wallet },
                        error);
    if (validator->identity != NULL)
        identity_tell(validator->identity, validator->feed);
    return validator->identity != NULL;
}

static bool start_blocks(struct validator *validator, struct error *error)
{
    struct service *service = validator->service;
    const struct blocks_options options = {
        .loop = service->loop,
        .nodes = validator->nodes,
        .node_count = validator->node_count,
        .spool_dir = service->settings.validator_spool_dir,
        .instance = service->instance,
        .feed = validator->feed,
        .outbox = validator->outbox,
        .jobs = validator->jobs,
        .templates = validator->templates,
        .metrics = service->metrics,
    };
    validator->blocks = blocks_create(&options, error);
    return validator->blocks != NULL;
}

/* Processors are told apart by the instance's number, so that the validators of one machine do not
 * meet on one; an instance that is a name says nothing about the others, and is not pinned. */
static struct hashing_options hashing_options_of(struct validator *validator)
{
    const struct service *service = validator->service;
    const struct settings *settings = &service->settings;
    const unsigned threads = (unsigned)settings->validator_hash_threads;
    char *end;
    const unsigned long number = strtoul(service->instance, &end, 10);
    const bool numbered = end != service->instance && *end == '\0' && number >= 1;
    return (struct hashing_options){
        .loop = service->loop,
        .jobs = validator->jobs,
        .metrics = service->metrics,
        .threads = threads,
        .behind_loop = settings->service_prompt,
        .pinned = settings->validator_hash_pin && numbered,
        .pin_first = numbered ? (unsigned)(number - 1) * threads : 0,
        .waiting_max = (size_t)settings->validator_hashes_max,
        .session_waiting_max = (size_t)settings->validator_session_hashes_max,
    };
}

static void on_receipts_trouble(void *context, const char *reason)
{
    service_degraded(((struct validator *)context)->service, "receipts", reason);
}

static bool start_receipts(struct validator *validator, struct error *error)
{
    struct service *service = validator->service;
    const struct settings *settings = &service->settings;
    if (!settings->validator_receipts)
        return true;
    validator->receipts = receipts_create(
        &(struct receipts_options){ .loop = service->loop,
                                    .folder = settings->validator_receipt_dir,
                                    .key_file = settings->validator_receipt_key_file,
                                    .boot_id = service->boot_id,
                                    .slice_ms = (unsigned)settings->validator_receipt_slice_ms,
                                    .bytes_max = (uint64_t)settings->validator_receipt_mib << 20,
                                    .days = (unsigned)settings->validator_receipt_days,
                                    .metrics = service->metrics,
                                    .on_trouble = on_receipts_trouble,
                                    .context = validator },
        error);
    if (validator->receipts != NULL)
        receipts_key(validator->receipts, service->receipt_key);
    return validator->receipts != NULL;
}

static bool start_rechecks(struct validator *validator, struct error *error)
{
    struct service *service = validator->service;
    validator->rechecks = rechecks_create(
        &(struct rechecks_options){ .loop = service->loop,
                                    .feed = validator->feed,
                                    .identity = validator->identity,
                                    .instance = service->instance,
                                    .metrics = service->metrics,
                                    .period_ms = (uint64_t)service->settings.time_ask_task * 1000 },
        error);
    return validator->rechecks != NULL;
}

static bool start_batches(struct validator *validator, struct error *error)
{
    struct service *service = validator->service;
    const struct batches_options options = {
        .loop = service->loop,
        .window = validator->window,
        .feed = validator->feed,
        .jobs = validator->jobs,
        .blocks = validator->blocks,
        .receipts = validator->receipts,
        .metrics = service->metrics,
        .batches_max = (size_t)service->settings.validator_batches_max,
        .hashing = hashing_options_of(validator),
        .on_window = on_window_refuses,
        .context = validator,
    };
    validator->batches = batches_create(&options, error);
    return validator->batches != NULL;
}

bool validator_start(struct validator *validator, enum service_exit *code_r, struct error *error)
{
    struct service *service = validator->service;
    *code_r = SERVICE_EXIT_SETTINGS;
    if (!start_keep(validator, error) || !start_feed(validator, error) ||
        !start_identity(validator, error) || !start_blocks(validator, error) ||
        !start_receipts(validator, error) || !start_rechecks(validator, error) ||
        !start_batches(validator, error))
        return false;
    *code_r = SERVICE_EXIT_PORT;
    validator->server = bus_serve(service->bus, service->settings.validator_listen,
                                  (unsigned)service->settings.validator_batches_max + SPARE_CALLS,
                                  BATCH_BYTES_MAX, on_batch, validator, error);
    if (validator->server == NULL)
        return false;
    log_info("validator.listen", "url=%s nodes=%zu", service->settings.validator_listen,
             validator->node_count);
    return true;
}

static void turn(struct validator *validator, uint64_t until_ns, bool until_done)
{
    while (loop_clock_ns() < until_ns) {
        if (until_done && batches_count(validator->batches) == 0 &&
            blocks_resting(validator->blocks))
            return;
        loop_run_once(validator->service->loop, 10);
    }
}

static void drain(struct validator *validator)
{
    batches_drain(validator->batches);
    turn(validator, loop_clock_ns() + DRAIN_MS * 1000000ull, true);
    if (batches_count(validator->batches) > 0 || blocks_count(validator->blocks) > 0)
        log_warn("validator.left", "batches=%zu candidates=%zu", batches_count(validator->batches),
                 blocks_count(validator->blocks));
    turn(validator, loop_clock_ns() + LINGER_MS * 1000000ull, false);
}

void validator_stop(struct validator *validator)
{
    if (validator->server != NULL) {
        drain(validator);
        bus_server_close(validator->server);
    }
    rechecks_stop(validator->rechecks);
    batches_join(validator->batches);
    if (validator->window != NULL)
        window_writer_close(validator->window);
    batches_destroy(validator->batches);
    receipts_destroy(validator->receipts);
    outbox_destroy(validator->outbox);
    blocks_destroy(validator->blocks);
    feed_let_go(validator->feed);
    keep_destroy(validator->keep); /* its handlers still report */
    feed_destroy(validator->feed);
    rechecks_destroy(validator->rechecks);
    identity_destroy(validator->identity); /* its last request is answered by now */
    template_table_destroy(validator->templates);
    job_table_destroy(validator->jobs);
}
