/* What a miner may ask for: a difficulty, by number or by target, and version bits the old way. */
#include "core/stratum/inside.h"

static void wish_for(struct request *request, struct work work)
{
    answer_true(request);
    /* A difficulty that was fixed by name or password stays. */
    if (!request->step->session->fixed)
        session_wish(request->step, work);
}

void method_suggest_difficulty(struct request *request)
{
    struct work work;
    if (difficulty_of(request, json_element(request->json, request->params, 0), &work))
        wish_for(request, work);
    else
        answer_error(request, STRATUM_ERROR_DIFFICULTY);
}

/* The work whose target is nearest below: floor(0xffff · 2^240 / target), as a session may have
 * it. */
static struct work work_of_target(const struct step *step, struct u256 target)
{
    struct vardiff_params bounds = session_bounds(step);
    struct u256 work = u256_is_zero(target)
                           ? U256_MAX
                           : u256_divide_floor(difficulty_target(work_of(1)), target, NULL);
    uint64_t hashes = u256_fits_u64(work)
                          ? u256_low_u128(work) == 0 ? 1 : (uint64_t)u256_low_u128(work)
                          : UINT64_MAX;
    return vardiff_clamp(&bounds, work_of(hashes));
}

/* mining.suggest_target [hex]: the number a share's hash is at most, its leading zeros given or
 * not. */
void method_suggest_target(struct request *request)
{
    unsigned token = json_element(request->json, request->params, 0);
    uint8_t bytes[32] = { 0 };
    char digits[65];
    size_t length;
    if (token == 0 || !json_copy_text(request->json, token, digits, sizeof digits, &length) ||
        length == 0 || length % 2 != 0 ||
        !hex_decode(digits, length, bytes + 32 - length / 2, length / 2)) {
        answer_error(request, STRATUM_ERROR_TARGET);
        return;
    }
    wish_for(request, work_of_target(request->step, u256_load_be(bytes)));
}

/* mining.multi_version [n]: what stock firmware said before BIP 310; above 1 it rolls version bits.
 * It cannot say which, so it gets all that the pool allows. */
void method_multi_version(struct request *request)
{
    struct stratum_session *session = request->step->session;
    unsigned token = json_element(request->json, request->params, 0);
    u128 versions = 0;
    if (token != 0 && request->json->tokens[token].kind == JSON_NUMBER) {
        struct span text = json_text(request->json, token);
        if (!u128_parse((const char *)text.data, text.length, &versions))
            versions = 0;
    }
    if (versions == 0) {
        answer_error(request, STRATUM_ERROR_PARAMS);
        return;
    }
    answer_true(request);
    if (versions > 1 && (session->quirk.missing & QUIRK_NO_VERSION_ROLLING) == 0) {
        session->version_wish = UINT32_MAX;
        session->version_mask = session_version_mask(request->step, NULL);
    }
}
