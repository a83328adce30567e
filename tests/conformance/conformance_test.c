/* Whole pools, driven as the clients there are would drive them. Each file of the folder is one
 * client's transcript, with the source it is derived from in its first lines; this plays them.
 *
 *   algorithm NAME   the pool it is for
 *   > LINE           the client says this
 *   < PATTERN        the next line is this, `*` standing for anything
 *   ~ PATTERN        some line from here on is
 *   job              waits until there is a job
 *   share LINE       mines a share, sends it so, and it is accepted
 *   again CODE       sends the last share once more: refused with this code
 *   bad CODE LINE    sends a share that is below its difficulty, or wrong as the line says
 *   reconnect        the connection is lost and made anew
 */
#include "tests/conformance/player.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, CLIENT_BYTES_MAX = 16384, TRIES = 10 };

struct client {
    char name[32];
    char text[CLIENT_BYTES_MAX];
    enum pow_algorithm algorithm;
};

static struct client clients[CLIENTS_MAX];
static size_t client_count;
static struct pool_fixture pool;

/* Playing. */

/* A job may be replaced while a share of it is on the way: then another is mined. */
static void share(struct player *player, const char *line)
{
    for (unsigned i = 0; i < TRIES; i++) {
        player_await_job(player);
        player_submit(player, line, true);
        int code = player_answer(player);
        if (code == 0)
            return;
        if (code != 21)
            fail_msg("%s: a good share was refused: %s\n%s", player->name, player->line,
                     player->last_share);
    }
    fail_msg("%s: every share was stale", player->name);
}

static void refused(struct player *player, const char *step, int wanted)
{
    int code = player_answer(player);
    if (code != wanted && code != 21)
        fail_msg("%s: %s: error %d was expected, heard %s", player->name, step, wanted,
                 player->line);
}

static void hear(struct player *player, const char *pattern, bool at_once)
{
    do {
        player_hear(player);
        if (player_heard(player, pattern))
            return;
    } while (!at_once);
    fail_msg("%s: expected %s\nheard    %s", player->name, pattern, player->line);
}

static void step(struct player *player, char *line)
{
    if (strncmp(line, "> ", 2) == 0) {
        player_say(player, line + 2);
    } else if (strncmp(line, "< ", 2) == 0) {
        hear(player, line + 2, true);
    } else if (strncmp(line, "~ ", 2) == 0) {
        hear(player, line + 2, false);
    } else if (strcmp(line, "job") == 0) {
        player_await_job(player);
    } else if (strncmp(line, "share ", 6) == 0) {
        share(player, line + 6);
    } else if (strncmp(line, "again ", 6) == 0) {
        player_say(player, player->last_share);
        refused(player, "the same share again", atoi(line + 6));
    } else if (strncmp(line, "bad ", 4) == 0) {
        char *rest;
        long code = strtol(line + 4, &rest, 10);
        player_await_job(player);
        player_submit(player, rest + 1, false);
        refused(player, line, (int)code);
    } else if (strcmp(line, "reconnect") == 0) {
        player_reconnect(player);
    } else {
        fail_msg("%s: what is \"%s\"?", player->name, line);
    }
}

static void play(void **state)
{
    const struct client *client = *state;
    static struct player player;
    static char text[CLIENT_BYTES_MAX];
    memcpy(text, client->text, sizeof text);
    player_begin(&player, &pool, client->algorithm, client->name);
    for (char *line = text, *end; line != NULL && *line != '\0'; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (*line != '\0' && *line != '#' && strncmp(line, "algorithm ", 10) != 0)
            step(&player, line);
    }
    player_end(&player);
}

/* What the pool says of the shares that were refused: the forensics, over its API and the command.
 */

static json_t *rejects_of(const char *worker)
{
    char path[256];
    snprintf(path, sizeof path, "/api/v1/accounts/%s/workers/%s/rejects", pool.pool_address,
             worker);
    return pool_api(&pool, path);
}

static bool has_advice(const json_t *document, const char *kind)
{
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(document, "advice"), index,
                       entry) if (strcmp(json_string_value(json_object_get(entry, "kind")), kind) ==
                                  0) return json_integer_value(json_object_get(entry, "count")) > 0;
    return false;
}

struct wanted_advice {
    const char *worker, *kind;
};

static bool advice_is_there(const struct pool_fixture *unused, void *context)
{
    const struct wanted_advice *wanted = context;
    (void)unused;
    json_t *document = rejects_of(wanted->worker);
    bool there = has_advice(document, wanted->kind);
    json_decref(document);
    return there;
}

static void what_was_wrong_is_said_in_words(void **state)
{
    (void)state;
    static struct wanted_advice wanted[] = {
        { "cgminer", "twice" },        { "cgminer", "too_easy" },
        { "cgminer", "clock_ahead" },  { "cgminer", "foreign_job" },
        { "sgminer", "bits_unasked" }, { "sgminer", "extranonce_length" },
        { "sgminer", "unreadable" },   { "sgminer", "wrong_name" },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        pool_wait(&pool, wanted[i].kind, 20, advice_is_there, &wanted[i]);
    json_t *document = rejects_of("sgminer");
    const json_t *first = json_array_get(json_object_get(document, "rejects"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "user_agent")), "sgminer/5.1.0");
    assert_string_equal(json_string_value(json_object_get(first, "worker")), "sgminer");
    json_decref(document);
    document = rejects_of("nobody");
    assert_int_equal(json_array_size(json_object_get(document, "advice")), 0);
    json_decref(document);
    char command[512], text[4096] = "";
    snprintf(command, sizeof command, "%s/bin/adit rejects --data '%s' --config '%s' %s.sgminer",
             getenv("ADIT_BUILD"), pool.data, pool.config, pool.pool_address);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    (void)!fread(text, 1, sizeof text - 1, pipe);
    assert_int_equal(pclose(pipe), 0);
    if (strstr(text, "The extranonce2 has the wrong length.") == NULL)
        fail_msg("adit rejects: %s", text);
}

/* The transcripts. */

static void read_client(const char *folder, const char *name)
{
    char path[4096], algorithm[32];
    struct client *client = &clients[client_count];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL || client_count == CLIENTS_MAX || strlen(name) >= sizeof client->name) {
        printf("%s cannot be taken\n", path);
        exit(1);
    }
    size_t bytes = fread(client->text, 1, sizeof client->text - 1, file);
    fclose(file);
    client->text[bytes] = '\0';
    memcpy(client->name, name, strlen(name) + 1);
    const char *line = strstr(client->text, "\nalgorithm ");
    if (line == NULL || sscanf(line, "\nalgorithm %31s", algorithm) != 1 ||
        !pow_algorithm_from_name(span_text(algorithm), &client->algorithm)) {
        printf("%s names no algorithm\n", path);
        exit(1);
    }
    client_count++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct client *)a)->name, ((const struct client *)b)->name);
}

static void read_clients(const char *folder)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            read_client(folder, entry->d_name);
    if (directory != NULL)
        closedir(directory);
    qsort(clients, client_count, sizeof *clients, by_name);
}

static int play_all(enum pow_algorithm algorithm)
{
    struct CMUnitTest tests[CLIENTS_MAX + 1];
    char settings[512];
    size_t count = 0;
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].algorithm == algorithm)
            tests[count++] = (struct CMUnitTest){ .name = clients[i].name,
                                                  .test_func = play,
                                                  .initial_state = &clients[i] };
    if (algorithm == POW_SHA256D)
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(what_was_wrong_is_said_in_words);
    /* Blocks are out of reach, so that no share is one. */
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"profile\":\"devnet-%s\"},\"payout\":{\"enabled\":false},"
             "\"demo\":{\"hashrate\":1000000000},"
             "\"stratum\":{\"start_difficulty\":\"%s\",\"min_difficulty\":\"0.000000001\"}}",
             pow_algorithm_name(algorithm), algorithm == POW_SCRYPT ? "0.001" : "0.00000002");
    pool_start(&pool, settings, false);
    int failed = _cmocka_run_group_tests(pow_algorithm_name(algorithm), tests, count, NULL, NULL);
    if (failed != 0)
        pool_print_logs(&pool);
    pool_end(&pool);
    return failed;
}

int main(int count, char **arguments)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not say where the pool is\n");
        return 77;
    }
    if (count > 1)
        read_clients(arguments[1]);
    if (client_count < 20) {
        printf("%zu transcripts in %s: fewer than twenty\n", client_count,
               count > 1 ? arguments[1] : "(no folder given)");
        return 1;
    }
    return play_all(POW_SHA256D) + play_all(POW_SCRYPT) + play_all(POW_BLAKE2S);
}
