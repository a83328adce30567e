/* Settings that only make sense together. */
#include "services/inode-scheduler/scheduler.h"

static bool read_address(const struct coin_profile *coin, const char *name, const char *text,
                         struct output_script *script_r, struct error *error)
{
    enum address_outcome outcome = address_parse(coin, span_text(text), script_r, NULL);
    return outcome == ADDRESS_OK || error_set(error, ERROR_INVALID, "%s \"%.100s\" on %s: %s", name,
                                              text, coin->name, address_outcome_text(outcome));
}

bool scheduler_check(const struct settings *settings, const struct coin_profile *coin,
                     const struct output_script *script, struct receiving_options *receiving_r,
                     struct error *error)
{
    struct output_script fee;
    *receiving_r = (struct receiving_options){
        .terms = { (uint32_t)settings->emission_fee, (uint32_t)settings->emission_pools,
                   (uint32_t)settings->emission_validators },
        .fee_address = settings->emission_reward_address,
        .confirmations = (uint32_t)settings->emission_confirmations,
        .start_height = (uint32_t)settings->emission_start_height,
        .least = (uint64_t)settings->emission_least,
        .coin = coin,
    };
    if (!registry_check(settings, coin, error))
        return false;
    if (!emission_terms_check(&receiving_r->terms))
        return error_set(error, ERROR_INVALID,
                         "emission.fee, emission.pools and emission.validators must be %d together",
                         EMISSION_WHOLE);
    if (settings->emission_reward_address[0] != '\0' &&
        !read_address(coin, "emission.reward_address", settings->emission_reward_address, &fee,
                      error))
        return false;
    if (settings->emission_address[0] == '\0')
        return true;
    if (!read_address(coin, "emission.address", settings->emission_address, &receiving_r->script,
                      error))
        return false;
    return !span_equal(output_script_span(&receiving_r->script), output_script_span(script)) ||
           error_set(error, ERROR_INVALID,
                     "emission.address must be another than chain.address: what blocks pay there "
                     "is shared by work");
}
