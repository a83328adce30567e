#include "services/inode-scheduler/template_box.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Any template a node adapter accepts: 4 MiB of transactions and their entries. Only what is
 * touched becomes memory. */
enum { CAPACITY_BYTES = 24 << 20 };

/* What a usual template takes is made memory ahead: the node is asked long before it has one, and
 * when it has, each page would be waited for. */
enum { PREPARED_BYTES = 2 << 20 };

struct template_box *template_box_create(struct error *error)
{
    struct template_box *box = calloc(1, sizeof *box);
    if (box == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for a template");
        return NULL;
    }
    void *memory = mmap(NULL, CAPACITY_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        error_fill_system(error, errno, "no memory for a template");
        free(box);
        return NULL;
    }
    (void)madvise(memory, PREPARED_BYTES, MADV_POPULATE_WRITE);
    box->memory = memory;
    box->memory_bytes = CAPACITY_BYTES;
    return box;
}

size_t template_box_capacity(void)
{
    return CAPACITY_BYTES;
}

void template_box_trim(struct template_box *box, size_t used_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t kept = (used_bytes + page - 1) / page * page;
    if (kept == 0)
        kept = page;
    if (kept >= box->memory_bytes)
        return;
    munmap((uint8_t *)box->memory + kept, box->memory_bytes - kept);
    box->memory_bytes = kept;
}

void template_box_destroy(struct template_box *box)
{
    if (box == NULL)
        return;
    munmap(box->memory, box->memory_bytes);
    free(box);
}
