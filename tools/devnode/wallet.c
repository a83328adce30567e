#include "tools/devnode/wallet.h"
#include "base/folder.h"
#include "tools/devnode/consensus/key.h"
#include "tools/devnode/consensus/script.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DUST 294 /* of a P2WPKH output at 3000 base units per 1000 bytes */

static void add_key(struct wallet *wallet, bool change)
{
    struct wallet_key *key = memory_take(sizeof *key);
    uint8_t index[4];
    store_le32(index, (uint32_t)wallet->key_count);
    crypto_auth_hmacsha256(key->private_key, index, sizeof index, wallet->seed);
    /* Out of range once in 2^128 draws; a wallet that meets it has other worries. */
    bool valid = key_public(key->private_key, key->public_key);
    ASSERT(valid);
    hash_160(span_of(key->public_key, 33), key->hash);
    key->change = change;
    if (wallet->key_count == wallet->key_capacity) {
        wallet->key_capacity = wallet->key_capacity == 0 ? 16 : 2 * wallet->key_capacity;
        wallet->keys = realloc(wallet->keys, wallet->key_capacity * sizeof *wallet->keys);
        ASSERT(wallet->keys != NULL);
    }
    wallet->keys[wallet->key_count++] = key;
    table_put(&wallet->by_hash, key->hash, key);
}

static bool write_synced(const char *path, const char *text, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    if (fd < 0)
        return error_system(error, errno, "cannot create %s", path);
    bool good = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
    if (!good)
        error_fill_system(error, errno, "cannot write %s", path);
    close(fd);
    return good;
}

/* Replaces the file in one step: a death leaves the old one or the new one. */
static bool save(const struct wallet *wallet, struct error *error)
{
    char seed[65];
    char *changes = memory_take(wallet->key_count + 1);
    for (size_t i = 0; i < wallet->key_count; i++)
        changes[i] = wallet->keys[i]->change ? 'c' : 'r';
    hex_encode(span_of(wallet->seed, 32), seed);
    json_t *root =
        json_pack("{s:s, s:s, s:s}", "format", "devnode wallet 1", "seed", seed, "keys", changes);
    char *text = json_dumps(root, JSON_INDENT(1));
    char next[sizeof wallet->path + 8];
    snprintf(next, sizeof next, "%s.new", wallet->path);
    bool good = text != NULL && write_synced(next, text, error);
    if (good && rename(next, wallet->path) != 0)
        good = error_system(error, errno, "cannot rename %s", next);
    good = good && folder_sync_of(wallet->path, error);
    free(text);
    free(changes);
    json_decref(root);
    return good;
}

bool wallet_open(struct wallet *wallet, const char *path, struct error *error)
{
    *wallet = (struct wallet){ .by_hash = table_of(20), .locked = table_of(36) };
    if (strlen(path) >= sizeof wallet->path)
        return error_set(error, ERROR_INVALID, "the path %s is too long", path);
    memcpy(wallet->path, path, strlen(path) + 1);
    if (access(path, F_OK) != 0) {
        randombytes_buf(wallet->seed, sizeof wallet->seed);
        return save(wallet, error);
    }
    json_error_t trouble;
    json_t *root = json_load_file(path, 0, &trouble);
    const char *seed = json_string_value(json_object_get(root, "seed"));
    const char *keys = json_string_value(json_object_get(root, "keys"));
    bool good = seed != NULL && keys != NULL && hex_decode(seed, strlen(seed), wallet->seed, 32);
    for (; good && *keys != 0; keys++)
        add_key(wallet, *keys == 'c');
    json_decref(root);
    return good || error_set(error, ERROR_INVALID, "%s is no devnode wallet", path);
}

void wallet_deinit(struct wallet *wallet)
{
    for (size_t i = 0; i < wallet->key_count; i++)
        free(wallet->keys[i]);
    free(wallet->keys);
    table_deinit(&wallet->by_hash);
    table_deinit(&wallet->locked);
}

const struct wallet_key *wallet_new_key(struct wallet *wallet, bool change, struct error *error)
{
    add_key(wallet, change);
    struct wallet_key *key = wallet->keys[wallet->key_count - 1];
    if (save(wallet, error))
        return key;
    table_remove(&wallet->by_hash, key->hash);
    wallet->key_count--;
    free(key);
    return NULL;
}

const struct wallet_key *wallet_key_of(const struct wallet *wallet, struct span script)
{
    if (script_is_p2wpkh(script))
        return table_get(&wallet->by_hash, script.data + 2);
    if (script_is_p2pkh(script))
        return table_get(&wallet->by_hash, script.data + 3);
    return NULL;
}

bool wallet_is_locked(const struct wallet *wallet, const struct outpoint *outpoint)
{
    uint8_t key[36];
    outpoint_key(outpoint, key);
    return table_get(&wallet->locked, key) != NULL;
}

void wallet_lock(struct wallet *wallet, const struct outpoint *outpoint, bool lock)
{
    uint8_t key[36];
    outpoint_key(outpoint, key);
    if (lock)
        table_put(&wallet->locked, key, wallet);
    else
        table_remove(&wallet->locked, key);
}

/* Only our own unconfirmed transactions are sure enough to build on. */
static bool all_inputs_are_ours(const struct wallet *wallet, const struct chain *chain,
                                const struct mempool *mempool, const struct tx *tx)
{
    for (size_t i = 0; i < tx->input_count; i++) {
        const struct coin *coin = mempool_coin(mempool, chain, &tx->inputs[i].previous);
        if (coin == NULL || wallet_key_of(wallet, buffer_span(&coin->script)) == NULL)
            return false;
    }
    return true;
}

static int compare_coins(const void *a, const void *b)
{
    const struct wallet_coin *x = a;
    const struct wallet_coin *y = b;
    if (x->coin->value != y->coin->value)
        return x->coin->value < y->coin->value ? 1 : -1;
    int order = memcmp(x->outpoint.txid, y->outpoint.txid, 32);
    return order != 0
               ? order
               : (x->outpoint.index > y->outpoint.index) - (x->outpoint.index < y->outpoint.index);
}

size_t wallet_coins(const struct wallet *wallet, const struct chain *chain,
                    const struct mempool *mempool, struct wallet_coin **coins_r)
{
    size_t count = 0;
    size_t most = chain->coins.count;
    uint32_t tip = chain_tip(chain)->height;
    for (size_t i = 0; i < mempool->count; i++)
        most += mempool->entries[i]->tx->output_count;
    struct wallet_coin *coins = memory_take(most * sizeof *coins);
    for (size_t i = 0; i < chain->coins.capacity; i++) {
        const struct table_entry *entry = &chain->coins.entries[i];
        const struct coin *coin = entry->value;
        if (coin == NULL || wallet_key_of(wallet, buffer_span(&coin->script)) == NULL)
            continue;
        struct wallet_coin *found = &coins[count];
        *found = (struct wallet_coin){ .coin = coin, .safe = true };
        memcpy(found->outpoint.txid, entry->key, 32);
        found->outpoint.index = load_le32(entry->key + 32);
        if (mempool_spender(mempool, &found->outpoint) != NULL)
            continue;
        found->confirmations = tip - coin->height + 1;
        /* Spendable in the next block at the earliest, as consensus counts. */
        found->immature = coin->coinbase && tip + 1 - coin->height < chain->params.maturity;
        count++;
    }
    for (size_t i = 0; i < mempool->count; i++) {
        const struct mempool_entry *entry = mempool->entries[i];
        for (size_t j = 0; j < entry->tx->output_count; j++) {
            const struct coin *coin = &entry->outputs[j];
            if (wallet_key_of(wallet, buffer_span(&coin->script)) == NULL)
                continue;
            struct wallet_coin *found = &coins[count];
            *found = (struct wallet_coin){ .coin = coin };
            memcpy(found->outpoint.txid, entry->tx->txid, 32);
            found->outpoint.index = (uint32_t)j;
            if (mempool_spender(mempool, &found->outpoint) != NULL)
                continue;
            found->safe = all_inputs_are_ours(wallet, chain, mempool, entry->tx);
            count++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        coins[i].locked = wallet_is_locked(wallet, &coins[i].outpoint);
        coins[i].spendable = !coins[i].immature && coins[i].safe;
    }
    qsort(coins, count, sizeof *coins, compare_coins);
    *coins_r = coins;
    return count;
}

/* Weight of an input once it is signed, at the longest. */
static size_t signed_input_weight(struct span script)
{
    return script_is_p2wpkh(script) ? 4 * 41 + 1 + 1 + 73 + 1 + 33 : 4 * (41 + 1 + 73 + 1 + 33) + 1;
}

static int64_t fee_for(size_t weight, int64_t feerate)
{
    int64_t vbytes = (int64_t)(weight + 3) / 4;
    return (vbytes * feerate + 999) / 1000;
}

static bool already_input(const struct tx *tx, const struct outpoint *outpoint)
{
    for (size_t i = 0; i < tx->input_count; i++)
        if (tx->inputs[i].previous.index == outpoint->index &&
            memcmp(tx->inputs[i].previous.txid, outpoint->txid, 32) == 0)
            return true;
    return false;
}

/* The weight of the transaction with its inputs signed; *in_r is what they bring. */
static bool weigh(const struct chain *chain, const struct mempool *mempool, const struct tx *tx,
                  size_t *weight_r, int64_t *in_r)
{
    struct tx *bare = tx_clone(tx);
    for (size_t i = 0; i < bare->input_count; i++) {
        for (size_t j = 0; j < bare->inputs[i].witness_count; j++)
            buffer_deinit(&bare->inputs[i].witness[j]);
        bare->inputs[i].witness_count = 0;
        bare->inputs[i].script.length = 0;
    }
    tx_finish(bare);
    /* The input's 41 bare bytes are counted by signed_input_weight; the two marker bytes here. */
    *weight_r = 4 * (bare->base_bytes - 41 * bare->input_count) + 2;
    tx_destroy(bare);
    *in_r = 0;
    for (size_t i = 0; i < tx->input_count; i++) {
        const struct coin *coin = mempool_coin(mempool, chain, &tx->inputs[i].previous);
        if (coin == NULL)
            return false;
        *weight_r += signed_input_weight(buffer_span(&coin->script));
        *in_r += coin->value;
    }
    return true;
}

/* Adds the largest coins first until they cover the outputs and the fee. */
static bool add_inputs(const struct wallet *wallet, const struct chain *chain,
                       const struct mempool *mempool, struct tx *tx, int64_t feerate, int64_t out,
                       bool fee_from_outputs, size_t *weight, int64_t *in)
{
    struct wallet_coin *coins = NULL;
    size_t count = wallet_coins(wallet, chain, mempool, &coins);
    for (int unconfirmed = 0; unconfirmed <= 1; unconfirmed++)
        for (size_t i = 0; i < count; i++) {
            int64_t fee = fee_from_outputs ? 0 : fee_for(*weight, feerate);
            if (tx->input_count > 0 && *in >= out + fee)
                break;
            if (!coins[i].spendable || coins[i].locked ||
                (coins[i].confirmations == 0) != (unconfirmed == 1) ||
                already_input(tx, &coins[i].outpoint))
                continue;
            tx_add_input(tx, &coins[i].outpoint, 0xfffffffd);
            *weight += signed_input_weight(buffer_span(&coins[i].coin->script));
            *in += coins[i].coin->value;
        }
    free(coins);
    int64_t fee = fee_from_outputs ? 0 : fee_for(*weight, feerate);
    return tx->input_count > 0 && *in >= out + fee;
}

static void insert_output(struct tx *tx, int position, int64_t value, struct span script)
{
    tx_add_output(tx, value, script);
    size_t last = tx->output_count - 1;
    size_t at = position < 0 || (size_t)position > last ? last : (size_t)position;
    struct tx_output moved = tx->outputs[last];
    memmove(&tx->outputs[at + 1], &tx->outputs[at], (last - at) * sizeof moved);
    tx->outputs[at] = moved;
}

/* Takes the fee from the chosen outputs in equal parts; the first pays what does not divide. */
static bool take_fee(struct tx *tx, const struct wallet_funding *funding, int64_t fee,
                     struct error *error)
{
    int64_t count = (int64_t)funding->fee_output_count;
    for (size_t i = 0; i < funding->fee_output_count; i++) {
        struct tx_output *output = &tx->outputs[funding->fee_outputs[i]];
        output->value -= fee / count + (i == 0 ? fee % count : 0);
        if (output->value < DUST)
            return error_set(error, ERROR_REFUSED,
                             "The transaction amount is too small to pay the fee");
    }
    return true;
}

bool wallet_fund(struct wallet *wallet, const struct chain *chain, const struct mempool *mempool,
                 struct tx *tx, const struct wallet_funding *funding, int64_t *fee_r, int *change_r,
                 struct error *error)
{
    size_t weight = 0;
    int64_t in = 0;
    int64_t out = 0;
    bool from_outputs = funding->fee_output_count > 0;
    *change_r = -1;
    for (size_t i = 0; i < tx->output_count; i++)
        out += tx->outputs[i].value;
    if (!weigh(chain, mempool, tx, &weight, &in))
        return error_set(error, ERROR_REFUSED, "Unable to find UTXO for external input");
    if (!add_inputs(wallet, chain, mempool, tx, funding->feerate, out, from_outputs, &weight, &in))
        return error_set(error, ERROR_REFUSED, "Insufficient funds");
    /* What is left becomes change where it is worth an output, else fee. */
    size_t with_change =
        weight +
        4 * (9 + (funding->change_script.length == 0 ? 22 : funding->change_script.length));
    int64_t change = in - out - (from_outputs ? 0 : fee_for(with_change, funding->feerate));
    int64_t fee = fee_for(change >= DUST ? with_change : weight, funding->feerate);
    if (from_outputs && !take_fee(tx, funding, fee, error))
        return false;
    if (change >= DUST) {
        uint8_t script[22] = { 0, 20 };
        struct span to = funding->change_script;
        if (to.length == 0) {
            const struct wallet_key *key = wallet_new_key(wallet, true, error);
            if (key == NULL)
                return false;
            memcpy(script + 2, key->hash, 20);
            to = span_of(script, sizeof script);
        }
        insert_output(tx, funding->change_position, change, to);
        *change_r =
            funding->change_position < 0 || (size_t)funding->change_position >= tx->output_count
                ? (int)tx->output_count - 1
                : funding->change_position;
    }
    tx_finish(tx);
    out = 0;
    for (size_t i = 0; i < tx->output_count; i++)
        out += tx->outputs[i].value;
    *fee_r = in - out;
    for (size_t i = 0; i < tx->input_count && funding->lock_inputs; i++)
        wallet_lock(wallet, &tx->inputs[i].previous, true);
    return true;
}
