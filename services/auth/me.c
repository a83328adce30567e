/* What an account sees of itself. */
#include "services/auth/endpoint.h"

#include <jansson.h>
#include <stdio.h>

static const char *state_name(enum account_state state)
{
    switch (state) {
    case ACCOUNT_ACTIVE:
        return "active";
    case ACCOUNT_LOCKED:
        return "locked";
    case ACCOUNT_CLOSED:
        break;
    }
    return "closed";
}

static json_t *roles_of(uint32_t roles)
{
    json_t *list = json_array();
    if ((roles & ACCOUNT_ROLE_MINER) != 0)
        json_array_append_new(list, json_string("miner"));
    if ((roles & ACCOUNT_ROLE_VIEWER) != 0)
        json_array_append_new(list, json_string("viewer"));
    if ((roles & ACCOUNT_ROLE_OPERATOR) != 0)
        json_array_append_new(list, json_string("operator"));
    return list;
}

static json_t *lock_of(const struct account_payout *payout, uint64_t now_ms)
{
    return payout->lock_until_ms > now_ms ? json_integer((json_int_t)(payout->lock_until_ms / 1000))
                                          : json_null();
}

/* Where each coin is paid; the pool's own is always among them. */
static json_t *payouts_of(const struct account *account, uint64_t now_ms)
{
    json_t *list = json_array();
    for (size_t i = 0; i < account->payout_count; i++) {
        const struct account_payout *payout = &account->payouts[i];
        const struct coin_profile *coin = coin_profile_find(span_text(payout->coin));
        char threshold[24];
        snprintf(threshold, sizeof threshold, "%llu", (unsigned long long)payout->threshold);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "coin", payout->coin, "ticker",
                            coin != NULL ? coin->ticker : "", "decimals",
                            coin != NULL ? (int)coin->decimals : 0, "address", payout->address,
                            "threshold", threshold, "locked_until", lock_of(payout, now_ms)));
    }
    return list;
}

static bool act_show(struct visit *visit, struct store *store, struct error *error)
{
    struct account *account = &visit->account;
    const struct coin_profile *coin = visit->people->options.coin;
    char id[ACCOUNT_ID_BYTES], threshold[24];
    (void)store;
    (void)error;
    account_id_text(account->id, id);
    /* Who has a link sees no more than what the link is for. */
    if ((visit->claims.scopes & TOKEN_SCOPE_READ) == 0) {
        visit->reply = json_pack("{s:s, s:s, s:s}", "id", id, "name", account->name, "state",
                                 state_name(account->state));
        return true;
    }
    uint64_t now_ms = loop_unix_ms();
    /* Named from here on, where the record is of before coins had names. */
    const struct account_payout payout = account_payout(account, coin);
    account_set_payout(account, coin, &payout);
    snprintf(threshold, sizeof threshold, "%llu", (unsigned long long)payout.threshold);
    visit->reply = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:b, s:b, s:I}", "id", id, "name",
        account->name, "email", account->email, "email_confirmed", account->email_confirmed, "coin",
        coin->name, "payout_address", payout.address, "threshold", threshold,
        "payouts_locked_until", lock_of(&payout, now_ms), "payouts", payouts_of(account, now_ms),
        "state", state_name(account->state), "roles", roles_of(account->roles), "second_factor",
        visit->factor.state == FACTOR_ON, "worker_password", account->has_worker_password,
        "created", (json_int_t)(account->created_ms / 1000));
    return true;
}

void people_me(void *context, struct http_exchange *exchange)
{
    static const struct endpoint show = { .what = "me",
                                          .needs = ENDPOINT_TOKEN,
                                          .scopes = TOKEN_SCOPE_READ | TOKEN_SCOPE_VIEW,
                                          .client_max = ENDPOINT_CLIENT_MAX,
                                          .account_max = ENDPOINT_ACCOUNT_MAX,
                                          .act = act_show };
    endpoint_begin(context, exchange, &show);
}
