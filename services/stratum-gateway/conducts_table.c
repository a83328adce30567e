#include "services/stratum-gateway/conducts_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KIND_ADDRESS = 1, KIND_WORKER = 2, KIND_WORKER_FROM = 3, SWEEP_A_TIME = 64 };

void conducts_init(struct conducts *conducts, const struct conducts_rules *rules, uint64_t seed)
{
    *conducts = (struct conducts){ .rules = *rules, .seed = seed };
}

void conducts_deinit(struct conducts *conducts)
{
    free(conducts->entries);
    free(conducts->buckets);
    conducts->entries = NULL;
    conducts->buckets = NULL;
}

struct conducts_key conducts_key_of_address(const struct network_address *address)
{
    struct network customer = network_of_customer(address);
    struct conducts_key key = { .kind = KIND_ADDRESS };
    memcpy(key.part, customer.address.bytes, sizeof key.part);
    return key;
}

struct conducts_key conducts_key_of_worker(uint64_t account, uint64_t worker)
{
    return (struct conducts_key){ .part = { account, worker }, .kind = KIND_WORKER };
}

struct conducts_key conducts_key_of_worker_from(uint64_t account, uint64_t worker,
                                                const struct network_address *address)
{
    struct network customer = network_of_customer(address);
    uint64_t half[2];
    memcpy(half, customer.address.bytes, sizeof half);
    /* An IPv4 address fills the second half, a network of IPv6 the first. */
    uint64_t mixed = (half[0] ^ half[1]) * 0x9e3779b97f4a7c15u;
    mixed ^= mixed >> 29;
    return (struct conducts_key){ .part = { account, worker },
                                  .kind = KIND_WORKER_FROM | mixed << 8 };
}

void conducts_key_print(const struct conducts_key *key, char text_r[CONDUCTS_KEY_TEXT])
{
    if (key->kind != KIND_ADDRESS) {
        int length = snprintf(text_r, CONDUCTS_KEY_TEXT, "worker %016" PRIx64 "/%016" PRIx64,
                              key->part[0], key->part[1]);
        if (key->kind != KIND_WORKER && length > 0)
            snprintf(text_r + length, CONDUCTS_KEY_TEXT - (size_t)length, " from %014" PRIx64,
                     key->kind >> 8);
        return;
    }
    struct network_address address;
    memcpy(address.bytes, key->part, sizeof address.bytes);
    struct network customer = network_of_customer(&address);
    network_print(&customer, text_r);
}

bool conducts_key_parse(const char *text, struct conducts_key *key_r)
{
    struct network network;
    struct network_address address;
    if (strncmp(text, "worker ", 7) == 0) {
        uint64_t account, worker, network_id;
        const char *slash = strchr(text, '/'), *from = strstr(text, " from ");
        if (slash == NULL || !hex_decode_u64(text + 7, (size_t)(slash - text - 7), &account) ||
            !hex_decode_u64(slash + 1, strcspn(slash + 1, " "), &worker))
            return false;
        *key_r = conducts_key_of_worker(account, worker);
        if (slash[1 + strcspn(slash + 1, " ")] == '\0')
            return true;
        if (from == NULL || from != slash + 1 + strcspn(slash + 1, " ") ||
            !hex_decode_u64(from + 6, strlen(from + 6), &network_id) || network_id >> 56 != 0)
            return false;
        key_r->kind = KIND_WORKER_FROM | network_id << 8;
        return true;
    }
    if (network_address_parse(span_text(text), &address)) {
        *key_r = conducts_key_of_address(&address);
        return true;
    }
    /* A network is what one customer has, no more: larger ones are the firewall's. */
    if (!network_parse(span_text(text), &network) ||
        network.prefix != network_of_customer(&network.address).prefix)
        return false;
    *key_r = conducts_key_of_address(&network.address);
    return true;
}

static uint32_t *bucket_of(const struct conducts *conducts, const struct conducts_key *key)
{
    uint64_t mixed = conducts->seed ^ key->kind;
    for (unsigned i = 0; i < 2; i++) {
        mixed = (mixed ^ key->part[i]) * 0x9e3779b97f4a7c15u;
        mixed ^= mixed >> 29;
    }
    return &conducts->buckets[(mixed >> 24) % CONDUCTS_ENTRIES_MAX];
}

struct conducts_entry *conducts_table_at(const struct conducts *conducts, uint32_t place)
{
    if (place == 0 || place > CONDUCTS_ENTRIES_MAX || conducts->entries == NULL)
        return NULL;
    struct conducts_entry *entry = &conducts->entries[place - 1];
    return entry->key.kind != 0 ? entry : NULL;
}

static uint32_t find(const struct conducts *conducts, const struct conducts_key *key)
{
    if (conducts->entries == NULL)
        return 0;
    uint32_t place = *bucket_of(conducts, key);
    while (place != 0 && memcmp(&conducts->entries[place - 1].key, key, sizeof *key) != 0)
        place = conducts->entries[place - 1].next;
    return place;
}

struct conducts_entry *conducts_table_find(const struct conducts *conducts,
                                           const struct conducts_key *key)
{
    uint32_t place = find(conducts, key);
    return place != 0 ? &conducts->entries[place - 1] : NULL;
}

static bool is_forgettable(const struct conducts_entry *entry, uint64_t now_ms)
{
    return entry->sessions == 0 && entry->banned_until_ms <= now_ms &&
           conduct_rate_is_even(&entry->connects, now_ms) &&
           conduct_forgettable(&entry->conduct, CONDUCTS_FORGIVE_MS, now_ms);
}

static void forget(struct conducts *conducts, uint32_t place)
{
    struct conducts_entry *entry = &conducts->entries[place - 1];
    uint32_t *at = bucket_of(conducts, &entry->key);
    while (*at != place)
        at = &conducts->entries[*at - 1].next;
    *at = entry->next;
    entry->key.kind = 0;
    conducts->used--;
}

/* A free place, perhaps of one that need not be remembered; 0: none near. */
static uint32_t free_place(struct conducts *conducts, uint64_t now_ms)
{
    for (unsigned i = 0; i < SWEEP_A_TIME; i++) {
        uint32_t place = conducts->swept++ % CONDUCTS_ENTRIES_MAX + 1;
        struct conducts_entry *entry = &conducts->entries[place - 1];
        if (entry->key.kind != 0 && is_forgettable(entry, now_ms))
            forget(conducts, place);
        if (entry->key.kind == 0)
            return place;
    }
    return 0;
}

static bool make_memory(struct conducts *conducts)
{
    if (conducts->entries != NULL)
        return true;
    conducts->entries = calloc(CONDUCTS_ENTRIES_MAX, sizeof *conducts->entries);
    conducts->buckets = calloc(CONDUCTS_ENTRIES_MAX, sizeof *conducts->buckets);
    if (conducts->entries != NULL && conducts->buckets != NULL)
        return true;
    conducts_deinit(conducts);
    return false;
}

struct conducts_entry *conducts_table_make(struct conducts *conducts,
                                           const struct conducts_key *key, uint64_t now_ms,
                                           uint32_t *place_r)
{
    if (!make_memory(conducts))
        return NULL;
    uint32_t place = find(conducts, key);
    if (place == 0 && (place = free_place(conducts, now_ms)) != 0) {
        uint32_t *bucket = bucket_of(conducts, key);
        conducts->entries[place - 1] = (struct conducts_entry){ .key = *key, .next = *bucket };
        *bucket = place;
        conducts->used++;
    }
    if (place_r != NULL)
        *place_r = place;
    return place != 0 ? &conducts->entries[place - 1] : NULL;
}
