/* adit simulate: what recorded work would have earned under each way of paying it, before an
 * operator switches. Reads the pool's store (and redis.window), or a file that --to wrote. Changes
 * nothing. */
#include "simulate.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "books.h"
#include "commands.h"

enum { PLANS_MAX = 16, ROWS_MAX = 50, LINE_BYTES = 256 };

/* A record as text, a line an event, the oldest first:
 *   share ACCOUNT WORK
 *   block HEIGHT REWARD NETWORK_WORK FINDER      the share before it found it
 * accounts are 16 hex digits, numbers decimal; lines that begin with # say nothing. */
static bool read_line(struct trial_record *record, const char *line)
{
    char account[32], network[48];
    uint64_t work, id;
    struct trial_block block = { 0 };
    u128 network_work;
    if (line[0] == '#' || line[0] == '\n')
        return true;
    if (sscanf(line, "share %31s %" SCNu64, account, &work) == 2 &&
        hex_decode_u64(account, strlen(account), &id)) {
        trial_add_share(record, id, work);
        return true;
    }
    if (sscanf(line, "block %" SCNu32 " %" SCNu64 " %47s %31s", &block.height, &block.reward,
               network, account) != 4 ||
        !u128_parse(network, strlen(network), &network_work) || network_work == 0 ||
        block.reward > MONEY_MAX || record->share_count == 0 ||
        !hex_decode_u64(account, strlen(account), &block.finder))
        return false;
    block.network_work = network_work;
    trial_add_block(record, &block);
    return true;
}

static bool read_file(const char *path, struct trial_record *record, struct error *error)
{
    char line[LINE_BYTES];
    unsigned long number = 0;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL)
        return error_set(error, ERROR_INVALID, "%s cannot be opened", path);
    bool good = true;
    while (good && fgets(line, sizeof line, file) != NULL) {
        number++;
        good = read_line(record, line);
    }
    if (!good)
        error_fill(error, ERROR_INVALID, "%s:%lu: this is neither a share nor a block", path,
                   number);
    if (file != stdin)
        fclose(file);
    if (good)
        trial_index(record);
    return good;
}

static bool write_file(const char *path, const struct trial_record *record, struct error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (file == NULL)
        return error_set(error, ERROR_INVALID, "%s cannot be written", path);
    fprintf(file, "# share ACCOUNT WORK | block HEIGHT REWARD NETWORK_WORK FINDER\n");
    size_t next = 0;
    for (size_t i = 0; i < record->share_count; i++) {
        fprintf(file, "share %016" PRIx64 " %" PRIu64 "\n", record->shares[i].account,
                record->shares[i].work);
        for (; next < record->block_count && record->blocks[next].share == i; next++) {
            char work[U128_TEXT_BYTES];
            u128_format(record->blocks[next].network_work, work);
            fprintf(file, "block %" PRIu32 " %" PRIu64 " %s %016" PRIx64 "\n",
                    record->blocks[next].height, record->blocks[next].reward, work,
                    record->blocks[next].finder);
        }
    }
    bool written = fflush(file) == 0 && ferror(file) == 0;
    if (file != stdout)
        written = fclose(file) == 0 && written;
    return written || error_set(error, ERROR_UNAVAILABLE, "%s could not be written whole", path);
}

struct comparison {
    const struct trial_record *record;
    struct trial_plan plans[PLANS_MAX];
    const char *names[PLANS_MAX];
    struct trial_result results[PLANS_MAX];
    size_t plan_count;
    size_t first; /* the first block that counts, for all plans alike */
};

static const char *text_of(u128 value, char text_r[U128_TEXT_BYTES])
{
    u128_format(value, text_r);
    return text_r;
}

static void print_table(const struct comparison *all)
{
    char a[U128_TEXT_BYTES], b[U128_TEXT_BYTES];
    const struct trial_record *record = all->record;
    printf("%zu shares of %zu accounts; %zu of %zu blocks count, from height %" PRIu32 " on\n",
           record->share_count, record->account_count, record->block_count - all->first,
           record->block_count, record->blocks[all->first].height);
    for (size_t p = 0; p < all->plan_count; p++) {
        const struct trial_result *result = &all->results[p];
        printf("\n%s: rewards %s", all->names[p], text_of(result->rewards, a));
        printf(", fees %s, unallocated %s", text_of(result->fee, a),
               text_of(result->unallocated, b));
        if (reward_buys_work(all->plans[p].scheme))
            printf(", reserve %s%s at the end, at least %s needed at the start",
                   result->reserve < 0 ? "-" : "",
                   text_of((u128)(result->reserve < 0 ? -result->reserve : result->reserve), a),
                   text_of((u128)(result->reserve_low < 0 ? -result->reserve_low : 0), b));
        printf("\n%-18s %20s %20s %20s %10s\n", "account", "total", "mean a block", "spread",
               "spread/mean");
        for (size_t i = 0; i < record->account_count && i < ROWS_MAX; i++) {
            const struct trial_sum *sum = &result->sums[i];
            printf("%016" PRIx64 "   %20s %20.1f %20.1f %9.1f%%\n", record->accounts[i],
                   text_of(sum->total, a), sum->mean, sum->spread,
                   sum->mean > 0 ? 100 * sum->spread / sum->mean : 0);
        }
        if (record->account_count > ROWS_MAX)
            printf("and %zu more: --json shows all\n", record->account_count - ROWS_MAX);
    }
}

static json_t *amount(u128 value)
{
    char text[U128_TEXT_BYTES];
    return json_string(text_of(value, text));
}

static json_t *signed_amount(i128 value)
{
    char text[U128_TEXT_BYTES + 1] = "-";
    u128_format((u128)(value < 0 ? -value : value), text + 1);
    return json_string(value < 0 ? text : text + 1);
}

static void print_json(const struct comparison *all)
{
    const struct trial_record *record = all->record;
    json_t *plans = json_array();
    for (size_t p = 0; p < all->plan_count; p++) {
        const struct trial_result *result = &all->results[p];
        json_t *accounts = json_object();
        for (size_t i = 0; i < record->account_count; i++) {
            char id[17];
            const struct trial_sum *sum = &result->sums[i];
            snprintf(id, sizeof id, "%016" PRIx64, record->accounts[i]);
            json_object_set_new(accounts, id,
                                json_pack("{s:o, s:f, s:f, s:o, s:o}", "total", amount(sum->total),
                                          "mean", sum->mean, "spread", sum->spread, "least",
                                          amount(sum->least), "most", amount(sum->most)));
        }
        json_array_append_new(
            plans,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "plan", all->names[p], "rewards",
                      amount(result->rewards), "fee", amount(result->fee), "unallocated",
                      amount(result->unallocated), "reserve", signed_amount(result->reserve),
                      "reserve_low", signed_amount(result->reserve_low), "accounts", accounts));
    }
    json_t *out = json_pack("{s:I, s:I, s:I, s:o}", "shares", (json_int_t)record->share_count,
                            "blocks", (json_int_t)record->block_count, "blocks_counted",
                            (json_int_t)(record->block_count - all->first), "plans", plans);
    json_dumpf(out, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(out);
}

static bool read_plans(const struct options *options, const struct settings *settings,
                       struct comparison *all, struct error *error)
{
    static char *const usual[] = { "pplns", "prop", "solo", "pps" };
    bool given = options->rest_count > 0;
    size_t count = given ? (size_t)options->rest_count : sizeof usual / sizeof *usual;
    if (count > PLANS_MAX)
        return error_set(error, ERROR_INVALID, "at most %d plans are compared", PLANS_MAX);
    for (size_t i = 0; i < count; i++) {
        all->names[i] = given ? options->rest[i] : usual[i];
        all->plans[i] = (struct trial_plan){
            .window_percent = (uint32_t)settings->reward_window_percent,
            .fee_basis_points = (uint32_t)settings->reward_fee_basis_points,
            .block_reward = (uint64_t)settings->reward_block_reward,
        };
        if (!trial_parse(all->names[i], &all->plans[i], error))
            return false;
    }
    all->plan_count = count;
    return true;
}

static bool compare(const struct options *options, struct comparison *all, struct error *error)
{
    for (size_t p = 0; p < all->plan_count; p++) {
        size_t first = trial_first(all->record, &all->plans[p]);
        all->first = first > all->first ? first : all->first;
    }
    if (all->first >= all->record->block_count)
        return error_set(error, ERROR_INVALID,
                         "no block in the record has all the work behind it that the plans want");
    for (size_t p = 0; p < all->plan_count; p++)
        trial_run(all->record, &all->plans[p], all->first, &all->results[p]);
    if (options->json)
        print_json(all);
    else
        print_table(all);
    return true;
}

int command_simulate(const struct options *options)
{
    struct settings settings;
    struct store *store;
    struct error error = { .text = "" };
    struct trial_record record = { 0 };
    int code = books_open(options, &settings, &store);
    if (code != 0)
        return code;
    struct comparison *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    all->record = &record;
    code = 64;
    bool good = read_plans(options, &settings, all, &error);
    if (good) {
        code = 1;
        good = options->from != NULL ? read_file(options->from, &record, &error)
                                     : simulate_from_store(&settings, store, &record, &error);
    }
    if (good)
        good = options->to != NULL ? write_file(options->to, &record, &error)
                                   : compare(options, all, &error);
    if (!good)
        fprintf(stderr, "adit: %s\n", error.text);
    for (size_t p = 0; p < all->plan_count; p++)
        free(all->results[p].sums);
    free(all);
    trial_free(&record);
    books_close(&settings, store);
    return good ? 0 : code;
}
