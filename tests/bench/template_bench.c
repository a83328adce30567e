/* What reading a template of 2000 transactions costs (or of the number given), in pieces as they
 * come from a socket: microseconds, the least and the median of many. Judges nothing. */
#include "adapter/node_rpc/template.h"
#include "node_template.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 101, ARENA_BYTES = 24 << 20 };

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The template as a node answers; caller owns. */
static char *make_text(size_t transactions, size_t *length_r)
{
    struct node_template template;
    char *text = NULL;
    node_template_make(&template, transactions, true);
    int length =
        asprintf(&text,
                 "{\"result\":{\"version\":536870912,\"rules\":[\"csv\",\"!segwit\",\"taproot\"],"
                 "\"previousblockhash\":\"%064d\",\"transactions\":%s,\"coinbasevalue\":%" PRIu64
                 ",\"mintime\":1700000000,\"curtime\":1700000600,\"bits\":\"170331db\","
                 "\"height\":800000,\"default_witness_commitment\":\"%s\"},\"error\":null,"
                 "\"id\":1}",
                 1, template.transactions, 312500000 + template.fees, template.commitment);
    free(template.transactions);
    ASSERT(length > 0);
    *length_r = (size_t)length;
    return text;
}

int main(int argc, char **argv)
{
    const struct coin_profile *coin = coin_profile_find(span_text("bitcoin-regtest"));
    struct template_space *space = malloc(sizeof *space);
    uint8_t *memory = malloc(ARENA_BYTES);
    size_t length;
    char *text = make_text(argc > 1 ? strtoul(argv[1], NULL, 10) : 2000, &length);
    ASSERT(coin != NULL && space != NULL && memory != NULL);
    printf("%zu bytes of JSON\n", length);
    static const size_t pieces[] = { 16 << 10, 64 << 10, 512 << 10, SIZE_MAX };
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        double whole[ROUNDS], last[ROUNDS];
        for (size_t i = 0; i < ROUNDS; i++) {
            struct template_reader reader;
            struct arena arena = arena_over(memory, ARENA_BYTES);
            double begin = now_us(), tail = begin;
            template_reader_begin(&reader, coin, &arena, space);
            for (size_t at = 0; at < length;) {
                at = length - at > pieces[p] ? at + pieces[p] : length;
                tail = now_us();
                ASSERT(template_reader_feed(&reader, text, at, false) == TEMPLATE_MORE);
            }
            ASSERT(template_reader_feed(&reader, text, length, true) == TEMPLATE_WHOLE);
            whole[i] = now_us() - begin;
            last[i] = now_us() - tail;
        }
        qsort(whole, ROUNDS, sizeof *whole, by_value);
        qsort(last, ROUNDS, sizeof *last, by_value);
        printf("pieces of %7zu bytes: whole %8.1f least, %8.1f median; behind the last %8.1f\n",
               pieces[p] == SIZE_MAX ? length : pieces[p], whole[0], whole[ROUNDS / 2],
               last[ROUNDS / 2]);
    }
    free(text);
    free(memory);
    free(space);
    return 0;
}
