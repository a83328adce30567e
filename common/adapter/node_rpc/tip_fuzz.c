/* Any answer to getblockheader, asked for the hash it names: what is taken is a block with that
 * hash, and a first block weighs nothing. */
#include "adapter/node_rpc/inside.h"
#include "base/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_error_t trouble;
    struct node_tip tip;
    const char *why = NULL;
    uint8_t hash[32] = { 0 };
    const struct coin_profile *coin =
        coin_profile_find(span_text(size % 2 == 0 ? "bitcoin-regtest" : "litecoin-regtest"));
    json_t *result =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &trouble);
    if (result == NULL)
        return 0;
    (void)!node_rpc_read_hash(json_object_get(result, "hash"), hash);
    enum tip_reading reading = node_rpc_read_tip(coin, result, hash, &tip, &why);
    if (reading == TIP_READ) {
        static const uint8_t none[32];
        ASSERT(memcmp(tip.hash, hash, 32) == 0);
        ASSERT(tip.height > 0 || memcmp(tip.prev_hash, none, 32) != 0 ||
               memcmp(tip.chain_work, none, 32) == 0);
    } else {
        ASSERT(why != NULL && why[0] != '\0');
    }
    json_decref(result);
    return 0;
}
