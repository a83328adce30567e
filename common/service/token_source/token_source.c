#include "service/token_source/token_source.h"

#include "record/access/keys.h"

bool token_source_declare(struct store *store, struct error *error)
{
    static const struct store_collection *const all[] = { &access_keys_collection };
    return store_declare(store, all, 1, error);
}

/* Whether this generation is the latest that was seen, or later. */
static bool is_latest(struct token_source *source, uint64_t generation)
{
    uint64_t seen = atomic_load(&source->generation);
    while (seen < generation)
        if (atomic_compare_exchange_weak(&source->generation, &seen, generation))
            return true;
    return seen == generation;
}

bool token_source_read(struct token_source *source, struct store *store, uint64_t now_s,
                       struct token_verifier *verifier_r, struct error *error)
{
    struct access_keys keys;
    *verifier_r = (struct token_verifier){ .count = 0 };
    if (source->file != NULL && source->file[0] != '\0')
        return token_verifier_read(verifier_r, source->file, error);
    enum store_outcome outcome = access_keys_read(store, source->secret, &keys, error);
    if (outcome == STORE_MISSING)
        return error_set(error, ERROR_UNAVAILABLE,
                         "auth has not said in this store yet which keys it signs tokens with");
    if (outcome != STORE_DONE)
        return false;
    if (keys.said_s + TOKEN_SOURCE_FRESH_S < now_s)
        return error_set(error, ERROR_UNAVAILABLE,
                         "auth has not said for more than an hour which keys it signs tokens with");
    if (!is_latest(source, keys.generation))
        return error_set(error, ERROR_REFUSED,
                         "the store has older keys of auth's than it had before; none is taken");
    for (size_t i = 0; i < keys.count; i++)
        if (!token_verifier_add(verifier_r, keys.keys[i]))
            return error_set(error, ERROR_INVALID, "auth says more keys than are ever in use");
    return true;
}
