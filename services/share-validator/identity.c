#include "services/share-validator/identity.h"

#include "adapter/token_sodium/token.h"
#include "service/log.h"
#include "wire/messages.h"

#include <stdlib.h>

enum { AGAIN_MS = 60000, TIMEOUT_MS = 5000, HELLO_BYTES = 512 };

_Static_assert((int)IDENTITY_PUBLIC_BYTES == (int)TOKEN_PUBLIC_BYTES &&
                   (int)IDENTITY_SIGNATURE_BYTES == (int)TOKEN_SIGNATURE_BYTES,
               "an identity signs as tokens are signed");

struct validator_identity {
    struct identity_options options;
    struct token_signer *signer;
    struct feed *feed;
    struct loop_timer timer;
    bool under_way;
    bool refused; /* as last heard: logged once */
};

static void say_hello(void *context);

struct validator_identity *identity_create(const struct identity_options *options,
                                           struct error *error)
{
    struct token_signer *signer = token_signer_open(options->key_file, error);
    if (signer == NULL)
        return NULL;
    struct validator_identity *identity = calloc(1, sizeof *identity);
    ASSERT(identity != NULL);
    identity->options = *options;
    identity->signer = signer;
    identity->timer = (struct loop_timer){ .on_due = say_hello, .context = identity };
    return identity;
}

void identity_destroy(struct validator_identity *identity)
{
    if (identity == NULL)
        return;
    loop_timer_stop(identity->options.loop, &identity->timer);
    token_signer_close(identity->signer);
    free(identity);
}

void identity_public(const struct validator_identity *identity,
                     uint8_t key_r[IDENTITY_PUBLIC_BYTES])
{
    token_signer_public(identity->signer, key_r);
}

void identity_sign(const struct validator_identity *identity, struct span bytes,
                   uint8_t signature_r[IDENTITY_SIGNATURE_BYTES])
{
    token_sign_bytes(identity->signer, bytes, signature_r);
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct validator_identity *identity = context;
    uint8_t memory[1024];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_ack ack;
    struct error ignored;
    identity->under_way = false;
    if (outcome != BUS_REPLIED || !wire_decode_ack(reply, &arena, &ack, &ignored))
        return; /* the timer says it again */
    if (!ack.ok && !identity->refused) {
        char reason[256];
        log_text(ack.text, reason, sizeof reason);
        log_error("identity.refused", "reason=\"%s\"", reason);
    }
    identity->refused = !ack.ok;
}

static void say_hello(void *context)
{
    struct validator_identity *identity = context;
    if (identity->feed == NULL || identity->under_way)
        return;
    struct wire_validator_hello hello = { .instance = identity->options.instance,
                                          .wallet = identity->options.wallet,
                                          .time_ms = loop_unix_ms() };
    uint8_t bytes[HELLO_BYTES];
    identity_public(identity, hello.key);
    size_t length = wire_encode_validator_hello(&hello, bytes, sizeof bytes);
    ASSERT(length > 0);
    identity_sign(identity, span_of(bytes, length), hello.signature);
    length = wire_encode_validator_hello(&hello, bytes, sizeof bytes);
    identity->under_way =
        feed_request(identity->feed, span_of(bytes, length), TIMEOUT_MS, on_reply, identity);
}

void identity_tell(struct validator_identity *identity, struct feed *feed)
{
    identity->feed = feed;
    loop_timer_stop(identity->options.loop, &identity->timer);
    if (feed != NULL)
        loop_timer_start(identity->options.loop, &identity->timer, AGAIN_MS, AGAIN_MS);
}

void identity_link_up(struct validator_identity *identity)
{
    say_hello(identity);
}
