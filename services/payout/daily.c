/* The audit that runs by itself: on a thread and a store handle of its own, so that payouts go on
 * meanwhile. The first one comes some time after the start, another for each instance, so that two
 * payouts and many restarts do not all begin at once; only the one that leads audits. */
#include "services/payout/payout.h"

#include "adapter/store_open/store_open.h"
#include "record/notice/audit_report.h"

#include <inttypes.h>
#include <stdio.h>

enum { LOOK_MS = 10000, RETRY_MS = 600000, LINES_MAX = 20, HOUR_MS = 3600000 };

static struct payout *payout_of(struct payout_daily *daily)
{
    return (struct payout *)((char *)daily - offsetof(struct payout, daily));
}

static void log_difference(void *context, const char *difference)
{
    uint64_t *lines = context;
    char safe[300];
    if ((*lines)++ < LINES_MAX)
        log_error("audit.difference", "what=\"%s\"", log_text(difference, safe, sizeof safe));
}

static bool keep(struct store *store, const struct payout_audit_report *report, struct error *error)
{
    struct audit_report kept = { .time_ms = loop_unix_ms(),
                                 .differences = report->differences,
                                 .sets = report->sets,
                                 .entries = report->entries,
                                 .accounts = report->accounts };
    (void)log_text(report->first, kept.first, sizeof report->first);
    enum store_outcome outcome = audit_report_append(store, &kept, error);
    return outcome == STORE_DONE ||
           (outcome == STORE_CONFLICT &&
            error_set(error, ERROR_UNAVAILABLE, "others keep writing audits"));
}

bool payout_look_over(struct store *store, struct payout_audit_report *report_r, bool *kept_r,
                      struct error *error)
{
    struct error why;
    char safe[sizeof why.text];
    uint64_t lines = 0;
    *kept_r = false;
    if (!payout_audit(store, log_difference, &lines, report_r, error))
        return false;
    *kept_r = keep(store, report_r, &why);
    if (!*kept_r)
        log_warn("audit.not_kept", "differences=%" PRIu64 " reason=\"%s\"", report_r->differences,
                 log_text(why.text, safe, sizeof safe));
    return true;
}

static void work_audit(struct worker_job *job)
{
    struct payout_daily *daily = (struct payout_daily *)job;
    const struct settings *settings = &payout_of(daily)->service->settings;
    uint64_t start_ns = loop_clock_ns();
    struct store *store =
        store_open(settings->store_url, (unsigned)settings->store_timeout_ms, &daily->error);
    daily->looked =
        store != NULL && payout_look_over(store, &daily->report, &daily->kept, &daily->error);
    daily->took_ms = (loop_clock_ns() - start_ns) / 1000000;
    if (store != NULL)
        store_close(store);
}

void payout_show_audit(struct payout *payout, const struct payout_audit_report *report, bool kept)
{
    char text[sizeof report->first + 64];
    snprintf(text, sizeof text, "the audit found %" PRIu64 " differences: %s", report->differences,
             report->first);
    service_degraded(payout->service, "audit", report->differences > 0 ? text : NULL);
    service_degraded(payout->service, "audit report",
                     kept ? NULL
                          : "what the audit found could not be written down: nobody is notified");
    metric_set(payout->metrics.audited, loop_unix_ms() / 1000);
    metric_set(payout->metrics.audit_differences, report->differences);
}

static void done_audit(struct worker_job *job)
{
    struct payout_daily *daily = (struct payout_daily *)job;
    struct payout *payout = payout_of(daily);
    const struct payout_audit_report *report = &daily->report;
    char safe[sizeof daily->error.text];
    daily->running = false;
    if (!daily->looked) {
        daily->due_ms = loop_unix_ms() + RETRY_MS;
        log_warn("audit.put_off", "reason=\"%s\"", log_text(daily->error.text, safe, sizeof safe));
        return;
    }
    uint64_t interval_ms = (uint64_t)payout->service->settings.payout_audit_interval_h * HOUR_MS;
    daily->due_ms = loop_unix_ms() + (daily->kept ? interval_ms : RETRY_MS);
    log_info("audit.done",
             "sets=%" PRIu64 " entries=%" PRIu64 " accounts=%" PRIu64 " differences=%" PRIu64
             " took_ms=%" PRIu64,
             report->sets, report->entries, report->accounts, report->differences, daily->took_ms);
    metric_add(payout->metrics.audits, 1);
    payout_show_audit(payout, report, daily->kept);
}

static void on_look(void *context)
{
    struct payout *payout = context;
    struct payout_daily *daily = &payout->daily;
    if (!daily->running && payout->led && loop_unix_ms() >= daily->due_ms)
        daily->running = worker_submit(daily->worker, &daily->job);
}

bool payout_daily_start(struct payout *payout, struct error *error)
{
    struct payout_daily *daily = &payout->daily;
    struct service *service = payout->service;
    uint64_t interval_ms = (uint64_t)service->settings.payout_audit_interval_h * HOUR_MS;
    if (interval_ms == 0)
        return true;
    daily->job = (struct worker_job){ .work = work_audit, .done = done_audit };
    daily->due_ms = loop_unix_ms() + interval_ms / 24 + service->boot_id % (interval_ms / 24);
    daily->worker = worker_create(service->loop, "audit", 1, 1, error);
    if (daily->worker == NULL)
        return false;
    daily->timer = (struct loop_timer){ .on_due = on_look, .context = payout };
    loop_timer_start(service->loop, &daily->timer, LOOK_MS, LOOK_MS);
    return true;
}

void payout_daily_stop(struct payout *payout)
{
    if (payout->daily.worker == NULL)
        return;
    loop_timer_stop(payout->service->loop, &payout->daily.timer);
    worker_destroy(payout->daily.worker);
}
