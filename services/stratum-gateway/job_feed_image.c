/* The jobs as they go from one program to the next: ordinals stay what sessions know, and so do the
 * sets of submissions, without which a share sent again would count twice. */
#include "services/stratum-gateway/image.h"
#include "services/stratum-gateway/job_feed.h"
#include "wire/job/job_wire.h"

#include <stdlib.h>

enum { JOB_BYTES_MAX = 256 << 10, ARENA_BYTES = 1 << 16 };

static void image_key(struct image *image, struct duplicates_key *key)
{
    for (unsigned i = 0; i < 3; i++)
        image_u64(image, &key->part[i]);
}

static void write_keys(struct job_feed *feed, struct feed_job *job, struct image *image)
{
    struct duplicates_key key;
    uint32_t count = job->duplicates.count;
    image_u32(image, &count);
    for (uint32_t place = 0; place < job->duplicates.places; place++)
        if (duplicates_at(&job->duplicates, &feed->memory, place, &key))
            image_key(image, &key);
}

static void read_keys(struct job_feed *feed, struct feed_job *job, struct image *image)
{
    struct duplicates_key key;
    uint32_t count = 0;
    image_u32(image, &count);
    for (uint32_t i = 0; i < count && !image->failed; i++) {
        image_key(image, &key);
        if (!image->failed && job_feed_see(feed, job, &key) != DUPLICATES_NEW)
            image->failed = true;
    }
}

static void image_life(struct image *image, struct feed_job *job)
{
    image_u64(image, &job->stratum.ordinal);
    image_u64(image, &job->stratum.tip);
    image_u64(image, &job->stratum.superseded_ms);
    image_u64(image, &job->stratum.tip_gone_ms);
    image_bool(image, &job->closed);
}

static void write_job(struct job_feed *feed, struct feed_job *job, struct image *image,
                      uint8_t *memory)
{
    struct wire_job wire;
    job_to_wire(&job->job, 0, &wire);
    struct span message = span_of(memory, wire_encode_job(&wire, memory, JOB_BYTES_MAX));
    image->failed |= message.length == 0;
    image_span(image, &message);
    image_life(image, job);
    write_keys(feed, job, image);
}

static void read_job(struct job_feed *feed, struct image *image, uint8_t *memory)
{
    struct arena arena = arena_over(memory, ARENA_BYTES);
    struct span message = { NULL, 0 };
    struct wire_job wire;
    struct error error;
    image_span(image, &message);
    struct feed_job *job = NULL;
    if (!image->failed && wire_decode_job(message, &arena, &wire, &error))
        job = job_feed_restore(feed, &wire);
    if (job == NULL) {
        image->failed = true;
        return;
    }
    uint64_t ordinal = job->stratum.ordinal;
    image_life(image, job);
    image->failed |= job->stratum.ordinal != ordinal;
    if (!image->failed)
        read_keys(feed, job, image);
}

void job_feed_image(struct job_feed *feed, struct image *image)
{
    struct stratum_jobs *table = &feed->table;
    uint32_t count = (uint32_t)(table->newest + 1 - table->oldest);
    uint64_t first = table->oldest;
    uint8_t *memory = malloc(JOB_BYTES_MAX);
    image_u64(image, &feed->epoch);
    image_u64(image, &feed->sequence);
    image_u64(image, &first);
    image_count(image, &count, STRATUM_JOBS_MAX);
    if (memory == NULL || first == 0 || (image->reading && stratum_jobs_current(table) != NULL)) {
        image->failed = true;
        free(memory);
        return;
    }
    if (image->reading) {
        table->oldest = first;
        table->newest = first - 1;
    }
    for (uint64_t at = first; at < first + count && !image->failed; at++) {
        if (image->reading)
            read_job(feed, image, memory);
        else
            write_job(feed, feed_job_of(table->ring[at % STRATUM_JOBS_MAX]), image, memory);
    }
    free(memory);
}
