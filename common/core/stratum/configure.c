/* mining.configure (BIP 310): which extensions both sides speak. Each known name is answered with
 * what was agreed, an unknown one with false. */
#include "core/stratum/inside.h"

enum { EXTENSIONS_MAX = 16, EXTENSION_NAME_BYTES_MAX = 64 };

/* The wish `name` of the second parameter; 0 where there is none. */
static unsigned wish(struct request *request, const char *name)
{
    unsigned wishes = json_element(request->json, request->params, 1);
    return wishes == 0 ? 0 : json_member(request->json, wishes, name);
}

/* The miner's mask: hex of up to 8 digits. Without one it takes whatever we allow. */
static bool wished_mask(struct request *request, uint32_t *mask_r)
{
    unsigned token = wish(request, "version-rolling.mask");
    uint64_t mask;
    *mask_r = UINT32_MAX;
    if (token == 0)
        return true;
    if (request->json->tokens[token].kind != JSON_STRING)
        return false;
    struct span text = json_inside(request->json, token);
    if (text.length > 8 || !hex_decode_u64((const char *)text.data, text.length, &mask))
        return false;
    *mask_r = (uint32_t)mask;
    return true;
}

static void configure_version_rolling(struct request *request, struct print *print)
{
    struct stratum_session *session = request->step->session;
    uint32_t mask;
    bool can =
        wished_mask(request, &mask) && (session->quirk.missing & QUIRK_NO_VERSION_ROLLING) == 0;
    session->version_wish = can ? mask : 0;
    session->version_mask = session_version_mask(request->step, NULL);
    if (session->version_mask == 0) {
        print_text(print, "\"version-rolling\":false");
        return;
    }
    print_text(print, "\"version-rolling\":true,\"version-rolling.mask\":\"");
    print_hex_number(print, session->version_mask, 8);
    print_text(print, "\"");
}

static void configure_minimum_difficulty(struct request *request, struct print *print)
{
    const struct stratum_params *params = request->step->world->params;
    struct stratum_session *session = request->step->session;
    unsigned token = wish(request, "minimum-difficulty.value");
    struct work least;
    bool good = token != 0 && request->json->tokens[token].kind == JSON_NUMBER &&
                difficulty_parse(json_text(request->json, token), params->algorithm,
                                 params->vardiff.min, params->vardiff.max, &least);
    print_text(print, good ? "\"minimum-difficulty\":true" : "\"minimum-difficulty\":false");
    if (!good)
        return;
    session->least = least;
    if (session->state != STRATUM_MINING ||
        session->vardiff.work.expected_hashes >= least.expected_hashes)
        return;
    struct vardiff_params bounds = session_bounds(request->step);
    vardiff_init(&session->vardiff, &bounds, least, request->step->world->now_ms);
}

static void configure_extension(struct request *request, unsigned token, struct print *print)
{
    if (json_is_text(request->json, token, "version-rolling")) {
        configure_version_rolling(request, print);
    } else if (json_is_text(request->json, token, "minimum-difficulty")) {
        configure_minimum_difficulty(request, print);
    } else if (json_is_text(request->json, token, "subscribe-extranonce")) {
        request->step->session->extranonce_subscribed = true;
        print_text(print, "\"subscribe-extranonce\":true");
    } else if (json_is_text(request->json, token, "info")) {
        print_text(print, "\"info\":true");
    } else {
        print_bytes(print, json_text(request->json, token)); /* its quotes included */
        print_text(print, ":false");
    }
}

void method_configure(struct request *request)
{
    const struct json *json = request->json;
    unsigned names = json_element(json, request->params, 0);
    if (names == 0 || json->tokens[names].kind != JSON_ARRAY ||
        json->tokens[names].count > EXTENSIONS_MAX) {
        answer_error(request, STRATUM_ERROR_PARAMS);
        return;
    }
    for (unsigned i = 0; i < json->tokens[names].count; i++) {
        const struct json_token *token = &json->tokens[json_element(json, names, i)];
        if (token->kind != JSON_STRING || token->end - token->start > EXTENSION_NAME_BYTES_MAX) {
            answer_error(request, STRATUM_ERROR_PARAMS);
            return;
        }
    }
    struct print print = answer_begin(request);
    print_text(&print, "{");
    for (unsigned i = 0; i < json->tokens[names].count; i++) {
        if (i > 0)
            print_text(&print, ",");
        configure_extension(request, json_element(json, names, i), &print);
    }
    print_text(&print, "}");
    answer_end(request, &print);
    step_tell_work(request->step);
}
