/* What is done about accounts on the machine itself, never over the network: adit operator makes an
 * account an operator's, or takes that back; adit auth changes the keys that sign tokens.
 *
 * 0: done; 1: the store or a file did not do it; 64: no such account or word. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "adapter/token_sodium/ring.h"
#include "books.h"
#include "record/access/event.h"

/* A key is known for so long before it signs that everybody who keeps the list of keys (which may
 * be kept for 300 s) has it. */
enum { ATTEMPTS = 5, KEY_LEAD_S = 600 };

static int failed(const struct error *error)
{
    fprintf(stderr, "adit: %s\n", error->text);
    return 1;
}

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum store_outcome write_down(struct store *store, const struct account *account,
                                     bool operator_now, struct error *error)
{
    struct event event = {
        .account_id = account->id, .time_ms = unix_ms(), .kind = "role", .actor = "machine"
    };
    snprintf(event.detail, sizeof event.detail,
             operator_now ? "made an operator" : "no operator any more");
    return access_event_append(store, &event, account->version, error);
}

static int set_operator(struct store *store, const char *name, bool operator_now)
{
    struct account account;
    struct error error;
    enum store_outcome outcome = account_declare(store, &error) && access_declare(store, &error)
                                     ? STORE_CONFLICT
                                     : STORE_FAILED;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        outcome = account_find(store, name, &account, &error);
        if (outcome == STORE_MISSING || account.kind != IDENTITY_KIND_ACCOUNT) {
            fprintf(stderr, "adit: no account %s is registered\n", name);
            return 64;
        }
        if (outcome != STORE_DONE)
            break;
        account.roles = operator_now ? account.roles | ACCOUNT_ROLE_OPERATOR
                                     : account.roles & ~(uint32_t)ACCOUNT_ROLE_OPERATOR;
        error_fill(&error, ERROR_UNAVAILABLE, "the account is being changed all the time");
        outcome = account_save(store, &account, &error);
    }
    if (outcome == STORE_DONE)
        outcome = write_down(store, &account, operator_now, &error);
    if (outcome != STORE_DONE)
        return failed(&error);
    printf("%s is %s; tokens that were given before say otherwise until they are renewed\n", name,
           operator_now ? "an operator now" : "no operator any more");
    return 0;
}

int command_operator(const struct options *options)
{
    struct settings settings;
    struct store *store;
    bool add = options->rest_count == 2 && strcmp(options->rest[0], "add") == 0;
    if (!add && !(options->rest_count == 2 && strcmp(options->rest[0], "remove") == 0)) {
        fprintf(stderr, "usage: adit operator [--config FILE] [--data DIR] add|remove ACCOUNT\n");
        return 64;
    }
    int code = books_open(options, &settings, &store);
    if (code != 0)
        return code;
    code = set_operator(store, options->rest[1], add);
    books_close(&settings, store);
    return code;
}

static int rotate_key(const struct settings *settings, bool stolen)
{
    char path[4096], kid[TOKEN_KID_BYTES];
    struct error error;
    uint64_t now_s = unix_ms() / 1000;
    uint64_t life_s = (uint64_t)settings->auth_token_minutes * 60;
    snprintf(path, sizeof path, "%s/auth.key", settings->service_data_dir);
    if (!token_ring_rotate(path, now_s, life_s, stolen ? now_s : now_s + KEY_LEAD_S, stolen, kid,
                           &error))
        return failed(&error);
    if (stolen)
        printf("key %s signs from now on; every token signed before is void\n", kid);
    else
        printf(
            "key %s signs in %d minutes; the one before verifies until its last token has died\n",
            kid, KEY_LEAD_S / 60);
    printf("auth instances on other hosts need the same %s; who checks tokens is told by the store\n",
           path);
    return 0;
}

int command_auth(const struct options *options)
{
    struct settings settings;
    struct error error;
    bool stolen = options->rest_count == 2 && strcmp(options->rest[1], "stolen") == 0;
    if (options->rest_count < 1 || strcmp(options->rest[0], "rotate-key") != 0 ||
        (options->rest_count > 1 && !stolen)) {
        fprintf(stderr, "usage: adit auth [--config FILE] [--data DIR] rotate-key [stolen]\n"
                        "  stolen: the key before is void at once, and every token it signed\n");
        return 64;
    }
    if (!settings_load(&settings, options->config, options->data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    int code = rotate_key(&settings, stolen);
    settings_deinit(&settings);
    return code;
}
