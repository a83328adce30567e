#include "services/auth/notifier_inside.h"

#include "service/log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TIDY_MS = 60000,
    FORGET_MAX = 2000, /* at a time */
    SECRET_TEXT_BYTES = 128,
    SECRET_LEAST = 24,
};

static void say_store(struct notifier_lane *lane, const struct error *error)
{
    char safe[sizeof error->text];
    if (error != NULL && !lane->away)
        log_warn("notice.store", "reason=\"%s\"", log_text(error->text, safe, sizeof safe));
    lane->away = error != NULL;
}

/* Now and then: what is over is forgotten, and what waits is counted. */
static bool tidy(struct notifier_lane *lane, struct error *error)
{
    struct notifier *notifier = lane->notifier;
    uint64_t now_ms = loop_unix_ms();
    size_t waiting, most = (size_t)notifier->options.settings->notices_waiting_max;
    if (now_ms < lane->tidy_due_ms)
        return true;
    lane->tidy_due_ms = now_ms + TIDY_MS;
    if (notice_forget(lane->store, now_ms, FORGET_MAX, error) != STORE_DONE ||
        notice_count_waiting(lane->store, most, &waiting, error) != STORE_DONE)
        return false;
    metric_set(notifier->metrics.waiting, waiting);
    return true;
}

/* A mail server that was away just now. */
static bool is_left_alone(const struct notifier_lane *lane)
{
    return loop_clock_ns() < lane->not_before_ns;
}

static void work(struct worker_job *job)
{
    struct notifier_lane *lane = (struct notifier_lane *)job;
    struct notifier *notifier = lane->notifier;
    struct notice notice;
    struct error error;
    if (lane->store == NULL)
        lane->store = notifier->options.open_store(notifier->options.context, &error);
    bool good = lane->store != NULL && (lane->channel != NOTICE_LETTER || tidy(lane, &error));
    while (good && !atomic_load(&notifier->ending) && !is_left_alone(lane)) {
        enum store_outcome outcome =
            notice_due(lane->store, lane->channel, loop_unix_ms(), &notice, &error);
        if (outcome == STORE_MISSING) {
            notifier_forget_trouble(lane); /* what met it is over, or another's */
            break;
        }
        good = outcome == STORE_DONE && notifier_carry(lane, &notice, &error);
    }
    say_store(lane, good ? NULL : &error);
    if (!good && lane->store != NULL) {
        store_close(lane->store);
        lane->store = NULL;
    }
}

static void start_lane(struct notifier_lane *lane);

static void say_letters(struct notifier_lane *lane)
{
    const struct notifier_options *options = &lane->notifier->options;
    bool away = lane->trouble[0] != '\0';
    if (away != lane->said && options->on_letters != NULL)
        options->on_letters(options->context, away ? lane->trouble : NULL);
    lane->said = away;
}

static void done(struct worker_job *job)
{
    struct notifier_lane *lane = (struct notifier_lane *)job;
    lane->running = false;
    say_letters(lane);
    if (lane->again)
        start_lane(lane);
}

static void start_lane(struct notifier_lane *lane)
{
    struct notifier *notifier = lane->notifier;
    if (atomic_load(&notifier->ending))
        return;
    lane->again = false;
    lane->job = (struct worker_job){ .work = work, .done = done };
    lane->running = worker_submit(
        lane->channel == NOTICE_LETTER ? notifier->letters : notifier->webhooks, &lane->job);
}

/* The letters' lane and the first of the webhooks' look each time; one more of these for each that
 * is still at it since the last time. */
static void look(void *context)
{
    struct notifier *notifier = context;
    bool busy = true;
    for (size_t i = 0; i < NOTIFIER_LANES; i++) {
        struct notifier_lane *lane = &notifier->lanes[i];
        if (i <= 1 || busy) {
            busy = i == 0 || lane->running;
            if (!lane->running)
                start_lane(lane);
        }
    }
}

void notifier_kick(struct notifier *notifier)
{
    for (size_t i = 0; i <= 1; i++) {
        struct notifier_lane *lane = &notifier->lanes[i];
        if (lane->running)
            lane->again = true;
        else
            start_lane(lane);
    }
}

static bool read_networks(struct notifier *notifier, struct error *error)
{
    const struct settings_list *list = &notifier->options.settings->notices_webhook_inside;
    if (list->count > NOTIFIER_NETWORKS_MAX)
        return error_set(error, ERROR_INVALID, "notices.webhook_inside has more than %d networks",
                         NOTIFIER_NETWORKS_MAX);
    for (size_t i = 0; i < list->count; i++)
        if (!network_parse(span_text(list->items[i]), &notifier->inside[i]))
            return error_set(error, ERROR_INVALID,
                             "notices.webhook_inside has \"%.64s\": write an address or a network, "
                             "such as 10.0.0.0/8",
                             list->items[i]);
    notifier->webhook.inside = notifier->inside;
    notifier->webhook.inside_count = list->count;
    return true;
}

/* "whsec_" and base64, the first line of a file. */
static bool read_secret(struct notifier *notifier, const char *path, struct error *error)
{
    static const char prefix[] = "whsec_";
    char text[SECRET_TEXT_BYTES] = "";
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(text, sizeof text, file) != NULL;
    if (file != NULL)
        fclose(file);
    text[strcspn(text, " \r\n")] = '\0';
    bool good = read && strncmp(text, prefix, sizeof prefix - 1) == 0 &&
                sodium_base642bin(notifier->operator_secret, NOTIFIER_SECRET_BYTES,
                                  text + sizeof prefix - 1, strlen(text) - (sizeof prefix - 1),
                                  NULL, &notifier->operator_secret_length, NULL,
                                  sodium_base64_VARIANT_ORIGINAL) == 0 &&
                notifier->operator_secret_length >= SECRET_LEAST;
    sodium_memzero(text, sizeof text);
    return good || error_set(error, ERROR_INVALID,
                             "notices.operator_webhook_secret_file must hold whsec_ and base64 of "
                             "24 to 64 bytes");
}

static bool read_settings(struct notifier *notifier, struct error *error)
{
    const struct settings *settings = notifier->options.settings;
    notifier->mail = *notifier->options.mail;
    notifier->mail.stop = &notifier->ending;
    notifier->webhook =
        (struct webhook_settings){ .plain = settings->notices_webhook_plain,
                                   .authority_file = settings->notices_webhook_authority_file,
                                   .timeout_ms = (unsigned)settings->notices_webhook_timeout_ms,
                                   .stop = &notifier->ending };
    if (!read_networks(notifier, error))
        return false;
    /* The operator's own word, not a stranger's: it may lead inside, and there without TLS. */
    notifier->operator_webhook = notifier->webhook;
    notifier->operator_webhook.plain = notifier->operator_webhook.anywhere = true;
    const char *url = settings->notices_operator_webhook;
    if (url[0] == '\0')
        return true;
    return (webhook_check(url, true, error) || error_prefix(error, "notices.operator_webhook")) &&
           read_secret(notifier, settings->notices_operator_webhook_secret_file, error);
}

static void make_metrics(struct notifier *notifier)
{
    struct metrics *all = notifier->options.metrics;
    static const char name[] = "adit_auth_notices_total";
    static const char *const channels[] = { "email", "webhook" };
    for (size_t i = 0; i < 2; i++) {
        char labels[64];
        const char *help = i == 0 ? "Notices that are over." : "";
        snprintf(labels, sizeof labels, "channel=\"%s\",outcome=\"sent\"", channels[i]);
        notifier->metrics.sent[i] = metrics_counter(all, name, labels, help, NULL);
        snprintf(labels, sizeof labels, "channel=\"%s\",outcome=\"given_up\"", channels[i]);
        notifier->metrics.given_up[i] = metrics_counter(all, name, labels, "", NULL);
        snprintf(labels, sizeof labels, "channel=\"%s\",outcome=\"withheld\"", channels[i]);
        notifier->metrics.withheld[i] = metrics_counter(all, name, labels, "", NULL);
    }
    static const char failures[] = "adit_auth_notice_failures_total";
    notifier->metrics.failures[0] = metrics_counter(all, failures, "channel=\"email\"",
                                                    "Tries to deliver a notice that failed.", NULL);
    notifier->metrics.failures[1] = metrics_counter(all, failures, "channel=\"webhook\"", "", NULL);
    notifier->metrics.switched_off =
        metrics_counter(all, "adit_auth_webhooks_off_total", "",
                        "Webhooks switched off because they failed for long.", NULL);
    notifier->metrics.waiting = metrics_gauge(all, "adit_auth_notices_waiting", "",
                                              "Notices that wait to be delivered.", NULL);
}

static bool open_lanes(struct notifier *notifier, struct error *error)
{
    struct loop *loop = notifier->options.loop;
    notifier->letters = worker_create(loop, "notices", 1, 1, error);
    if (notifier->letters == NULL)
        return false;
    notifier->webhooks =
        worker_create(loop, "webhooks", NOTIFIER_LANES - 1, NOTIFIER_LANES - 1, error);
    for (size_t i = 0; i < NOTIFIER_LANES; i++) {
        notifier->lanes[i].notifier = notifier;
        notifier->lanes[i].channel = i == 0 ? NOTICE_LETTER : NOTICE_WEBHOOK;
    }
    return notifier->webhooks != NULL;
}

struct notifier *notifier_create(const struct notifier_options *options, struct error *error)
{
    struct notifier *notifier = calloc(1, sizeof *notifier);
    if (notifier == NULL) {
        error_fill(error, ERROR_FULL, "no memory for notices");
        return NULL;
    }
    notifier->options = *options;
    pthread_mutex_init(&notifier->lock, NULL);
    make_metrics(notifier);
    if (!read_settings(notifier, error) || !open_lanes(notifier, error)) {
        notifier_destroy(notifier);
        return NULL;
    }
    notifier->timer = (struct loop_timer){ .on_due = look, .context = notifier };
    loop_timer_start(options->loop, &notifier->timer, 0,
                     (uint64_t)options->settings->notices_look_ms);
    return notifier;
}

void notifier_destroy(struct notifier *notifier)
{
    if (notifier == NULL)
        return;
    atomic_store(&notifier->ending, true);
    if (loop_timer_running(&notifier->timer))
        loop_timer_stop(notifier->options.loop, &notifier->timer);
    if (notifier->letters != NULL)
        worker_destroy(notifier->letters);
    if (notifier->webhooks != NULL)
        worker_destroy(notifier->webhooks);
    for (size_t i = 0; i < NOTIFIER_LANES; i++)
        if (notifier->lanes[i].store != NULL)
            store_close(notifier->lanes[i].store);
    pthread_mutex_destroy(&notifier->lock);
    sodium_memzero(notifier, sizeof *notifier);
    free(notifier);
}
