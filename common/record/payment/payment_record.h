/* Payments as the store keeps them: one record each, advanced by payout alone, every step guarded
 * by the record's version and carrying the epoch of the leader that made it. What is stored in one
 * step is never split over two: the outputs with the plan, the signed bytes with the state SIGNED.
 *
 * Numbers are 1, 2, 3, …; planning is inserting the next one, so two leaders cannot both have it.
 *
 * Blocking, like the store; one thread at a time per store handle. */
#pragma once
#include "core/address/address.h"
#include "core/ledger/ledger.h"
#include "core/payment/payment.h"
#include "port/store.h"

/* Room for an operator's or a request's name, and for a list of those who approved. */
enum { PAYMENT_NAME_BYTES = 96, PAYMENT_APPROVALS_BYTES = 400 };

extern const struct store_collection payment_collection;

enum { PAYMENT_REASON_BYTES = 200, PAYMENT_OUTPUTS_MAX = 2000 };

struct payment_output {
    uint64_t account; /* 0: the pool itself, from what its fees earned */
    struct money amount;
    char address[ADDRESS_TEXT_BYTES];
};

/* One signed transaction of a payment. All versions spend the first one's inputs. */
struct payment_version {
    uint8_t txid[32];
    struct money fee; /* of the network */
    uint32_t height;  /* of the chain when it was stored; 0: not known */
    struct span raw;  /* borrowed from the arena it was read into */
};

struct payment_record {
    uint64_t number;
    enum payment_state state;
    uint64_t epoch;        /* of the leader that wrote it last */
    struct money amount;   /* of all outputs */
    uint32_t confirmed;    /* how often it was posted as paid: the generation of that cause */
    int32_t confirmations; /* as last seen */
    uint64_t created_ms;   /* unix */
    uint64_t updated_ms;
    char reason[PAYMENT_REASON_BYTES]; /* of its last refusal or of its end, for people */
    bool receivers_pay;                /* the network's fee; else the pool does */
    bool approve;                      /* it is not signed before enough operators approved it */
    char approvals[PAYMENT_APPROVALS_BYTES]; /* who did, separated by spaces */
    char request[PAYMENT_NAME_BYTES];        /* the withdrawal request it answers; "": none */
    /* from SIGNED on */
    struct payment_version versions[PAYMENT_VERSIONS_MAX]; /* oldest first */
    size_t version_count;
    uint8_t txid[32]; /* of the version that confirmed, else of the newest; the fee likewise */
    struct money fee;
    uint8_t anchor_txid[32]; /* the first input of every version */
    uint32_t anchor_output;
    uint8_t block_hash[32]; /* where it was last seen confirmed; zero: nowhere */
    /* borrowed from the arena it was read into */
    struct payment_output *outputs;
    size_t output_count;
    uint64_t version; /* the store's; as read */
};

/* Room in an arena for one payment of `outputs` outputs and `raw_bytes` signed bytes in all its
 * versions, as read. */
size_t payment_record_bytes(size_t outputs, size_t raw_bytes);

/* STORE_DONE (durable, version filled); STORE_EXISTS when the number is taken; STORE_UNKNOWN,
 * STORE_FAILED with *error. */
MUST_CHECK enum store_outcome payment_insert(struct store *store, struct payment_record *payment,
                                             struct error *error);
/* Replaces it as read: STORE_DONE with the new version, STORE_CONFLICT when it is another's by
 * now, STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome payment_save(struct store *store, struct payment_record *payment,
                                           struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED with *error (also when the arena is too small). */
MUST_CHECK enum store_outcome payment_get(struct store *store, uint64_t number, struct arena *arena,
                                          struct payment_record *payment_r, struct error *error);
/* The newest number, 0 where there is none. STORE_DONE or STORE_FAILED. */
MUST_CHECK enum store_outcome payment_newest(struct store *store, uint64_t *number_r,
                                             struct error *error);

/* The newest payment that answers a request: STORE_DONE with its number, STORE_MISSING when none
 * does, STORE_FAILED. */
MUST_CHECK enum store_outcome payment_of_request(struct store *store, const char *request,
                                                 uint64_t *number_r, struct error *error);

/* A payment without its outputs; its versions' bytes are borrowed until the visitor returns. */
typedef bool (*payment_visitor)(void *context, const struct payment_record *payment);
/* Those not settled and not voided, by state and number; every one, newest first, numbers ≤ newest
 * (0: no bound), at most `limit` (0: all). The visitor must not call the store. */
MUST_CHECK enum store_outcome payment_walk_open(struct store *store, payment_visitor visit,
                                                void *context, struct error *error);
MUST_CHECK enum store_outcome payment_walk_newest(struct store *store, uint64_t newest,
                                                  size_t limit, payment_visitor visit,
                                                  void *context, struct error *error);
