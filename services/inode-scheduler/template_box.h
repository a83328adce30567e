/* A template with the memory it lives in, handed from the thread that fetched it to the loop and
 * kept while a job of it may still become a block. */
#pragma once
#include "core/job/template.h"
#include "loop/loop.h"

struct template_box {
    struct loop_task task; /* of who fills it: its last word to the loop */
    uint64_t id;           /* given by jobs; 0 before */
    size_t node;           /* which node it is from */
    struct block_template content;
    void *memory; /* mapped; the content's transactions are in here */
    size_t memory_bytes;
    uint64_t received_ms; /* the loop's clock */
    unsigned jobs;        /* kept jobs that need it */
    void *filler;         /* of who fills it */
};

/* Maps memory to fetch a template into; NULL and *error when there is none. */
MUST_CHECK struct template_box *template_box_create(struct error *error);
size_t template_box_capacity(void);
/* Gives back what lies behind the first `used_bytes`. */
void template_box_trim(struct template_box *box, size_t used_bytes);
void template_box_destroy(struct template_box *box);
