/* Whether redis.window answers, asked each second on a thread and a connection of its own: the
 * engine needs it seldom, and then waits for it long, since an answer that comes late is worth more
 * than none. A server that hangs is seen here after two questions of a second each. */
#include "services/payout/payout.h"

#include <stdio.h>

enum { PROBE_MS = 1000 };

static struct payout *payout_of(struct payout_probe *probe)
{
    return (struct payout *)((char *)probe - offsetof(struct payout, probe));
}

static void work_probe(struct worker_job *job)
{
    struct payout_probe *probe = (struct payout_probe *)job;
    probe->answers = window_ping(probe->window, &probe->error);
}

static void done_probe(struct worker_job *job)
{
    struct payout_probe *probe = (struct payout_probe *)job;
    probe->asking = false;
    probe->away = !probe->answers;
    payout_show_window(payout_of(probe));
}

static void on_due(void *context)
{
    struct payout_probe *probe = context;
    if (!probe->asking)
        probe->asking = worker_submit(probe->worker, &probe->job);
}

bool payout_probe_start(struct payout *payout, struct error *error)
{
    struct payout_probe *probe = &payout->probe;
    probe->job = (struct worker_job){ .work = work_probe, .done = done_probe };
    probe->timer = (struct loop_timer){ .on_due = on_due, .context = probe };
    probe->worker = worker_create(payout->service->loop, "probe", 1, 1, error);
    if (probe->worker == NULL)
        return false;
    loop_timer_start(payout->service->loop, &probe->timer, PROBE_MS, PROBE_MS);
    return true;
}

void payout_probe_stop(struct payout *payout)
{
    struct payout_probe *probe = &payout->probe;
    loop_timer_stop(payout->service->loop, &probe->timer);
    if (probe->worker != NULL)
        worker_destroy(probe->worker);
    probe->worker = NULL;
}

void payout_show_window(struct payout *payout)
{
    const struct payout_probe *probe = &payout->probe;
    service_degraded(payout->service, "window",
                     payout->window_trouble[0] != '\0' ? payout->window_trouble
                     : probe->away                     ? probe->error.text
                                                       : NULL);
}
