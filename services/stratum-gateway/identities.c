#include "services/stratum-gateway/identities.h"

#include "adapter/token_sodium/token.h"
#include "service/log.h"
#include "wire/messages.h"

#include <stdio.h>
#include <sys/random.h>

enum { TIMEOUT_MS = 2000, AGAIN_MS = 5000, REPLY_BYTES = 512 };

static bool is_proved(const struct validator *validator, const struct wire_identity_reply *reply)
{
    struct wire_identity_reply bare = *reply;
    uint8_t bytes[REPLY_BYTES];
    memset(bare.signature, 0, sizeof bare.signature);
    size_t length = wire_encode_identity_reply(&bare, bytes, sizeof bytes);
    return length > 0 && memcmp(reply->nonce, validator->nonce, sizeof reply->nonce) == 0 &&
           token_verify_bytes(reply->key, span_of(bytes, length), reply->signature);
}

/* Who never proved anything may be unable to; batches show what it is worth. */
static void is_missed(struct validator *validator)
{
    const uint64_t now_ms = loop_now_ms(validator->all->loop);
    if (!validator->known || validator->in_flight > 0 || now_ms - validator->heard_ms < TIMEOUT_MS)
        return;
    validator->deaf |= validator->backoff_ms == 0;
    validator_failed(validator, "does not say who it is");
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct validator *validator = context;
    struct wire_identity_reply reply;
    struct error error;
    uint8_t memory[REPLY_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    validator->asked = false;
    if (outcome == BUS_TIMEOUT)
        is_missed(validator);
    if (outcome != BUS_REPLIED)
        return;
    if (!wire_decode_identity_reply(message, &arena, &reply, &error) ||
        !is_proved(validator, &reply)) {
        log_error("validator.identity",
                  "url=%s reason=\"it did not prove who it is: its verdicts are put down to its "
                  "address\"",
                  validator->url);
        return;
    }
    const bool known = validator->known;
    memcpy(validator->key, reply.key, sizeof validator->key);
    log_text(reply.instance, validator->instance, sizeof validator->instance);
    validator->known = true;
    validator->proved_ms = loop_now_ms(validator->all->loop);
    if (validator->deaf || (validator->all->idle && validators_healthy(validator->all) == 0))
        validator_answered(validator);
    if (!known)
        log_info("validator.identity", "url=%s instance=%s", validator->url, validator->instance);
}

static void ask(struct validator *validator, uint64_t now_ms)
{
    struct wire_identity_request request;
    uint8_t bytes[64];
    validator->identity_ms = now_ms + (validator->known ? IDENTITIES_QUIET_MS : AGAIN_MS);
    if (getrandom(validator->nonce, sizeof validator->nonce, 0) != (ssize_t)sizeof validator->nonce)
        return;
    memcpy(request.nonce, validator->nonce, sizeof request.nonce);
    size_t length = wire_encode_identity_request(&request, bytes, sizeof bytes);
    ASSERT(length > 0);
    validator->asked =
        bus_request(validator->client, span_of(bytes, length), TIMEOUT_MS, on_reply, validator);
}

static bool is_quiet(const struct validator *validator, uint64_t now_ms)
{
    return validator->in_flight == 0 && now_ms - validator->heard_ms >= IDENTITIES_QUIET_MS &&
           now_ms - validator->proved_ms >= IDENTITIES_QUIET_MS;
}

void identities_tick(struct validators *validators, bool idle)
{
    const uint64_t now_ms = loop_now_ms(validators->loop);
    validators->idle = idle;
    for (size_t i = 0; i < validators->count; i++) {
        struct validator *validator = validators->list[i];
        if (validator->up && !validator->asked && now_ms >= validator->identity_ms &&
            (!validator->known || is_quiet(validator, now_ms)))
            ask(validator, now_ms);
    }
}
