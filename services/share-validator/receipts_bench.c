/* What signing for shares costs: CPU time a share, in batches of 256 under load and for a lone
 * share a slice. Prints the loop's part (gathering) and the thread's (hashing, signing, writing).
 */
#include "core/share/outcome.h"
#include "services/share-validator/receipts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, BATCHES = 256 };

static double cpu_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void no_trouble(void *context, const char *reason)
{
    (void)context;
    (void)reason;
}

static struct receipts *open_receipts(struct loop *loop, const char *folder)
{
    static char book[96], key[96];
    struct error error;
    snprintf(book, sizeof book, "%s/book", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    struct receipts *receipts =
        receipts_create(&(struct receipts_options){ .loop = loop,
                                                    .folder = book,
                                                    .key_file = key,
                                                    .slice_ms = 60000,
                                                    .bytes_max = 1 << 30,
                                                    .days = 30,
                                                    .metrics = metrics_create(),
                                                    .on_trouble = no_trouble },
                        &error);
    ASSERT(receipts != NULL);
    return receipts;
}

/* All of it happens within: destroying waits for the thread. */
static void measure(struct loop *loop, const char *folder, const char *what, size_t batch,
                    size_t batches)
{
    static struct wire_share shares[BATCH];
    static struct wire_verdict verdicts[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        shares[i] = (struct wire_share){ .account = i, .work = i };
        verdicts[i].outcome = SHARE_ACCEPTED;
    }
    struct receipts *receipts = open_receipts(loop, folder);
    double began = cpu_us(CLOCK_PROCESS_CPUTIME_ID), own = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < batches; i++) {
        receipts_take(receipts, &(struct receipts_batch){ .lease_id = 1,
                                                          .sequence = i + 1,
                                                          .first = { .high = i },
                                                          .history = 1,
                                                          .shares = shares,
                                                          .verdicts = verdicts,
                                                          .count = batch });
    }
    double gathered = cpu_us(CLOCK_THREAD_CPUTIME_ID) - own;
    receipts_destroy(receipts);
    double all = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - began;
    printf("receipts %s shares=%zu gathering_ns=%.1f signing_ns=%.1f all_us=%.0f\n", what,
           batch * batches, 1e3 * gathered / (double)(batch * batches),
           1e3 * (all - gathered) / (double)(batch * batches), all);
}

int main(void)
{
    char folder[] = "/tmp/adit-receipts-bench-XXXXXX", command[96];
    struct error error;
    struct loop *loop = loop_create(&error);
    ASSERT(loop != NULL && mkdtemp(folder) != NULL);
    for (int round = 0; round < 5; round++)
        measure(loop, folder, "load", BATCH, BATCHES);
    measure(loop, folder, "lone", 1, 1);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}
