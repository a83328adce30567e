/* Any user name either is refused or splits into bounded parts that make it up again. */
#include "core/identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = {
    "alice",
    "alice.rig.2",
    "a-b_c0.",
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.worker",
    "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn.1",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct identity_key key = { { 1 } };
    struct identity_name name;
    struct identity_account account;
    if (identity_split(span_of(data, length), &name) != IDENTITY_OK)
        return 0;
    ASSERT(name.account.length > 0 && name.worker.length <= IDENTITY_WORKER_BYTES_MAX);
    ASSERT(name.account.length + name.worker.length + 1 >= length);
    const struct coin_profile *coin = coin_profile_find(span_text("bitcoin-regtest"));
    if (identity_resolve(coin, name.account, &account, NULL) != IDENTITY_OK)
        return 0;
    struct identity_account again;
    enum identity_outcome outcome =
        identity_resolve(coin, span_text(account.canonical), &again, NULL);
    ASSERT(outcome == IDENTITY_OK && again.kind == account.kind);
    ASSERT(strcmp(again.canonical, account.canonical) == 0);
    uint64_t id = identity_account_id(&key, &account);
    ASSERT(id != 0 && id == identity_account_id(&key, &again));
    ASSERT(identity_worker_id(&key, id, name.worker) != 0);
    return 0;
}
