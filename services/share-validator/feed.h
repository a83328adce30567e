/* What comes from the scheduler: jobs and templates, published and asked for; and the one
 * connection over which this validator asks and reports. Everything on the loop's thread.
 *
 * A gap in what was published, a new epoch, a connection that came up: all jobs alive are asked
 * for. A share's unknown job is asked for by its id; "no such job" is remembered for a moment, so
 * that a miner sending nonsense costs one question. Announced templates are fetched, in pieces
 * where they are still arriving at the scheduler, kept in a file together with their job, and then
 * reported as held, so that the scheduler may publish the job; a job without transactions is kept
 * when it is heard. What an earlier process kept is read at the
 * start, and gives way to what the scheduler says. */
#pragma once
#include "port/bus.h"
#include "services/share-validator/job_table.h"
#include "services/share-validator/keep.h"
#include "services/share-validator/template_table.h"

enum feed_answer {
    FEED_KNOWN,     /* it is in the table now */
    FEED_UNKNOWN,   /* the scheduler knows no such job or template */
    FEED_UNREACHED, /* the scheduler did not answer in time; jobs only */
};

struct feed_options {
    struct loop *loop;
    struct bus *bus;
    const char *scheduler_url;
    const char *publish_url;
    const char *instance;
    struct job_table *jobs; /* borrowed, as the rest */
    struct template_table *templates;
    struct keep *keep; /* NULL: nothing is kept in files */
    void (*on_job)(void *context, uint64_t job_id, enum feed_answer answer);
    void (*on_template)(void *context, uint64_t template_id, enum feed_answer answer);
    void (*on_link)(void *context, bool up);
    void *context;
};

struct feed;

/* Begins to listen and to dial. NULL and *error on failure. */
MUST_CHECK struct feed *feed_create(const struct feed_options *options, struct error *error);
/* Lets go of what was begun in keep: before that is destroyed, whose handlers still report here. */
void feed_let_go(struct feed *feed);
/* No callback comes any more but those of feed_request, with BUS_CLOSED. */
void feed_destroy(struct feed *feed);

/* Asks for a job that is not in the table; on_job tells, never before this returns. False when too
 * much is being asked for already. */
MUST_CHECK bool feed_want_job(struct feed *feed, uint64_t job_id);
/* Whether the scheduler said a moment ago that there is no such job. */
bool feed_job_is_unknown(const struct feed *feed, uint64_t job_id);
/* Asks for a template until the scheduler has answered; on_template tells. */
MUST_CHECK bool feed_want_template(struct feed *feed, uint64_t template_id);

/* Takes in the jobs and templates that are in files. Before any share is judged. */
void feed_read_kept(struct feed *feed);

/* A request to the scheduler, as bus_request. */
MUST_CHECK bool feed_request(struct feed *feed, struct span message, unsigned timeout_ms,
                             bus_reply_handler handler, void *context);
