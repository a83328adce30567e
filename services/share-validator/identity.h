/* Who this share-validator is: an Ed25519 key, made at the first start and kept in a file, and the
 * address emissions pay it at. It makes itself known to inode-scheduler at each connection and once
 * a minute, signed, so that the registry has it whoever leads. Everything on the loop's thread;
 * signing may be done on any. */
#pragma once
#include "services/share-validator/feed.h"

enum { IDENTITY_PUBLIC_BYTES = 32, IDENTITY_SIGNATURE_BYTES = 64 };

struct identity_options {
    struct loop *loop;
    const char *key_file;
    const char *instance; /* borrowed, like the wallet */
    const char *wallet;   /* "": none */
};

struct validator_identity;

/* Reads the key, or makes it. NULL and *error where neither can be done. */
MUST_CHECK struct validator_identity *identity_create(const struct identity_options *options,
                                                      struct error *error);
void identity_destroy(struct validator_identity *identity);

void identity_public(const struct validator_identity *identity,
                     uint8_t key_r[IDENTITY_PUBLIC_BYTES]);
void identity_sign(const struct validator_identity *identity, struct span bytes,
                   uint8_t signature_r[IDENTITY_SIGNATURE_BYTES]);

/* From now on it makes itself known over this feed (borrowed, and NULL before it is destroyed). */
void identity_tell(struct validator_identity *identity, struct feed *feed);
/* The connection to the scheduler came up: says so at once. */
void identity_link_up(struct validator_identity *identity);
