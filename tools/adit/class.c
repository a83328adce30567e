/* adit class: which fee class an account is of (reward.fee_classes). It counts from the next block
 * that payout shares. 0: done; 1: the store did not do it; 64: no such account or class. */
#include "commands.h"

#include <stdio.h>

#include "books.h"
#include "core/reward/reward.h"
#include "record/account/account.h"

enum { ATTEMPTS = 5 };

static bool is_known(const struct settings *settings, const char *name)
{
    struct reward_class class;
    for (size_t i = 0; i < settings->reward_fee_classes.count; i++)
        if (reward_class_parse(span_text(settings->reward_fee_classes.items[i]), &class) &&
            strcmp(class.name, name) == 0)
            return true;
    return false;
}

static int set_class(struct store *store, const char *name, const char *class)
{
    struct account account;
    struct error error;
    enum store_outcome outcome = account_declare(store, &error) ? STORE_CONFLICT : STORE_FAILED;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        outcome = account_find(store, name, &account, &error);
        if (outcome == STORE_MISSING) {
            fprintf(stderr, "adit: there is no account %s\n", name);
            return 64;
        }
        if (outcome != STORE_DONE)
            break;
        snprintf(account.fee_class, sizeof account.fee_class, "%s", class);
        error_fill(&error, ERROR_UNAVAILABLE, "the account is being changed all the time");
        outcome = account_save(store, &account, &error);
    }
    if (outcome != STORE_DONE) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 1;
    }
    printf("%s pays the fee of %s%s\n", name, class[0] == '\0' ? "all" : "class ", class);
    return 0;
}

int command_class(const struct options *options)
{
    struct settings settings;
    struct store *store;
    if (options->rest_count < 1 || options->rest_count > 2) {
        fprintf(stderr, "usage: adit class [--config FILE] [--data DIR] ACCOUNT [CLASS]\n");
        return 64;
    }
    const char *class = options->rest_count == 2 ? options->rest[1] : "";
    int code = books_open(options, &settings, &store);
    if (code != 0)
        return code;
    if (class[0] != '\0' && !is_known(&settings, class)) {
        fprintf(stderr, "adit: reward.fee_classes has no class %s\n", class);
        code = 64;
    } else {
        code = set_class(store, options->rest[0], class);
    }
    books_close(&settings, store);
    return code;
}
