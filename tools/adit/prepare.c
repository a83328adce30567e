#include "prepare.h"

#include "adapter/store_mongo/initiate.h"
#include "commands.h"
#include "adapter/coin_file/coin_file.h"
#include "authority.h"
#include "plan.h"
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STORE_TIMEOUT_MS = 10000 };

static bool is_devnet(const struct settings *settings)
{
    return strncmp(settings->chain_profile, "devnet-", 7) == 0;
}

bool prepare_wants_address(const struct settings *settings)
{
    struct coin_file memory;
    struct error ignored; /* who starts says what is wrong with the profile */
    const struct coin_profile *coin =
        coin_file_open(settings->chain_profile, settings->chain_profile_folder, &memory, &ignored);
    return settings->chain_address[0] == '\0' && coin != NULL &&
           strcmp(coin->chain, "regtest") == 0 &&
           (is_devnet(settings) || access(settings->chain_address_file, F_OK) != 0);
}

/* The wallet chain.wallet names, made where there is none. A devnode has one and no word for it. */
static bool open_wallet(const struct settings *settings, struct error *error)
{
    if (is_devnet(settings))
        return true;
    json_t *wallets = pool_node_call(settings, false, "listwallets", json_array(), error);
    size_t index;
    const json_t *name;
    bool there = false;
    json_array_foreach(wallets, index, name) if (json_is_string(name) &&
                                                 strcmp(json_string_value(name),
                                                        settings->chain_wallet) == 0) there = true;
    if (wallets == NULL)
        return false;
    json_decref(wallets);
    if (there)
        return true;
    /* Loaded at each start of the node from now on. */
    json_t *made = pool_node_call(settings, false, "loadwallet",
                                  json_pack("[s, b]", settings->chain_wallet, 1), error);
    if (made == NULL)
        made = pool_node_call(
            settings, false, "createwallet",
            json_pack("[s, b, b, s, b, b, b]", settings->chain_wallet, 0, 0, "", 0, 1, 1), error);
    json_decref(made);
    return made != NULL;
}

bool prepare_address(const struct settings *settings, struct error *error)
{
    const char *path = settings->chain_address_file;
    if (!open_wallet(settings, error))
        return false;
    json_t *answer = pool_node_call(settings, true, "getnewaddress", json_array(), error);
    if (answer == NULL)
        return false;
    const char *address = json_string_value(answer);
    FILE *file = fopen(path, "we");
    bool written = address != NULL && file != NULL && fprintf(file, "%s\n", address) > 0;
    if (file != NULL)
        written = fclose(file) == 0 && written;
    json_decref(answer);
    return written ? true : error_system(error, errno, "%s", path);
}

static bool prepare_store(const struct settings *settings, struct error *error)
{
    if (strncmp(settings->store_url, "mongodb://", 10) != 0)
        return true;
    switch (store_mongo_initiate(settings->store_url, "rs0", STORE_TIMEOUT_MS, error)) {
    case MONGO_INITIATE_DONE:
        printf("adit: the store is now the replica set rs0\n");
        return true;
    case MONGO_INITIATE_ALREADY:
        printf("adit: the store is a replica set with a primary\n");
        return true;
    case MONGO_INITIATE_NO_SETS:
        printf("adit: the store is a server without a replica set, and stays one\n");
        return true;
    case MONGO_INITIATE_FAILED:
        break;
    }
    return false;
}

/* Tries again until startup.deadline_s, as the processes themselves do. */
static bool until_there(const struct settings *settings,
                        bool (*step)(const struct settings *, struct error *), struct error *error)
{
    for (int64_t tries = 0;; tries++) {
        if (step(settings, error))
            return true;
        if (error->code == ERROR_INVALID || tries >= settings->startup_deadline_s)
            return false;
        sleep(1);
    }
}

/* What `adit up` does before it starts anything, for deployments that start the processes
 * themselves. */
int command_prepare(const struct options *options)
{
    char data_dir[80];
    struct settings settings;
    struct error error;
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    bool done =
        plan_make_secret(data_dir, &error) && authority_make(&settings, &error) &&
        until_there(&settings, prepare_store, &error) &&
        (!prepare_wants_address(&settings) || until_there(&settings, prepare_address, &error));
    if (!done)
        fprintf(stderr, "adit: %s\n", error.text);
    settings_deinit(&settings);
    return done ? 0 : 1;
}

int command_probe(const struct options *options)
{
    struct error error;
    if (options->rest_count != 1) {
        fprintf(stderr, "adit: adit probe URL\n");
        return 64;
    }
    if (pool_probe(options->rest[0], &error))
        return 0;
    fprintf(stderr, "adit: %s\n", error.text);
    return 1;
}
