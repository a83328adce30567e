/* A small world for the payout engine, all in memory and following from one seed: a chain with
 * forks, a mempool and a wallet (behind the node port), a share window (behind the window port), a
 * scheduler that writes reward events, and an oracle that knows from the world alone what every
 * account must have. None of it shares code with the engine but the ports and records.
 *
 * Between the engine and the world stand fault points: each call of store, window and node counts,
 * and one of them can be told to be the last before the process dies (before or after it takes
 * effect), or the one at which the process is stopped while a rival works, or to answer wrongly. */
#pragma once
#include "core/coin/coin.h"
#include "port/node.h"
#include "port/window.h"
#include "record/ledger/stretch_record.h"
#include "services/payout/engine.h"
#include "tests/emission/oracle.h"

enum {
    SIM_ACCOUNTS_MAX = 12,
    SIM_BLOCKS_MAX = 1200,
    SIM_CHAIN_MAX = 900,
    SIM_TXS_MAX = 600,
    SIM_BATCHES_MAX = 700,
    SIM_BATCH_SHARES_MAX = 8,
    SIM_TX_INPUTS_MAX = 12,
    SIM_TX_OUTPUTS_MAX = 24,
    SIM_BLOCK_TXS_MAX = 24,
    SIM_COINS_MAX = 64,
    SIM_REGIMES_MAX = 8,
    SIM_STRETCHES_MAX = 2000,
    SIM_DEPOSITS_MAX = 64,
    SIM_RECEIPTS_MAX = 96,
    SIM_BLOCK_RECEIPTS_MAX = 4,
    SIM_SAYINGS_MAX = 4096,
};

struct sim_random {
    uint64_t state;
};
uint64_t sim_next(struct sim_random *random);
/* 0 … below-1 */
uint64_t sim_below(struct sim_random *random, uint64_t below);
/* true with a chance of percent/100 */
bool sim_chance(struct sim_random *random, unsigned percent);

struct sim_coin { /* an output of some transaction */
    uint8_t txid[32];
    uint32_t output;
};

struct sim_tx {
    uint8_t txid[32];
    uint8_t raw[2048];
    size_t raw_bytes;
    struct sim_coin inputs[SIM_TX_INPUTS_MAX];
    size_t input_count;
    struct {
        int account; /* -1: change to the wallet; -2: somebody else */
        uint64_t amount;
        uint64_t withheld; /* of the fee, where the receivers bear it */
    } outputs[SIM_TX_OUTPUTS_MAX];
    size_t output_count;
    uint64_t fee;
    bool known;      /* to the wallet: it was broadcast once */
    bool pooled;     /* in the mempool */
    size_t original; /* the first version of the same payment; itself, where it is that */
    bool bad;        /* not what the wallet was asked for: it must never be sent */
    bool robbed;     /* a theft took an input of it, or of one it descends from */
};

struct sim_block {
    uint8_t hash[32];
    int parent; /* -1: the first */
    uint32_t height;
    bool ours;
    uint64_t reward;
    size_t txs[SIM_BLOCK_TXS_MAX];
    size_t tx_count;
    size_t receipts[SIM_BLOCK_RECEIPTS_MAX];
    size_t receipt_count;
    /* of ours */
    size_t finder_index; /* of its share in that batch */
    int finder_batch;    /* the batch of its share; -1: found before any share; -2: the
                            batch is still on its way to the window */
    u128 network_work;
    uint32_t generation;
    bool credited, matured; /* as the scheduler last said */
    bool matured_ever;
    uint64_t finder;      /* the account; 0: none */
    uint64_t first_event; /* the first time it was said to be found; 0: never yet */
    uint64_t found_ms;
};

struct sim_batch {
    struct window_position position;
    uint64_t lease, sequence;
    struct window_share shares[SIM_BATCH_SHARES_MAX];
    size_t count;
    bool trimmed;
};

enum sim_fault {
    SIM_WELL = 0,
    SIM_DIE_BEFORE,  /* the call does not happen, and nothing after it */
    SIM_DIE_AFTER,   /* it happens, nobody hears the answer, and nothing after it */
    SIM_STOP_BEFORE, /* the process sleeps before the call, while world->rival runs */
    SIM_STOP_AFTER,
};

/* A payment from outside. The other branch of a fork may hold it too. */
struct sim_receipt {
    uint8_t txid[32];
    uint64_t amount;
    int block; /* in which it was credited last */
    bool credited;
    uint32_t generation; /* 0: never yet */
    uint64_t event;      /* the newest about it */
    bool behind;         /* the record does not have that event yet */
    struct emission_record record;
    struct emission_receiver pools[SIM_ACCOUNTS_MAX + 1], validators[SIM_ACCOUNTS_MAX + 1];
};
struct sim_saying {
    size_t receipt;
    bool credited; /* else taken back */
};

/* How blocks are shared while it is in force. */
struct sim_regime {
    enum reward_scheme scheme;
    uint32_t window_percent;
    uint64_t window_work; /* 0: by window_percent */
    uint32_t fee_basis_points;
};

struct sim_world {
    struct sim_random random;
    const struct coin_profile *coin;
    uint64_t now_ms;
    uint32_t maturity;
    struct sim_regime regimes[SIM_REGIMES_MAX]; /* all there were; the last is in force */
    size_t regime_count;
    uint64_t block_reward; /* what a block is worth under PPS */
    uint64_t deposits[SIM_DEPOSITS_MAX];
    size_t deposit_count;
    bool deposit_open; /* the last of them may not have been booked */
    bool has_bits;     /* the node knows the difficulty of its blocks */
    struct reward_class classes[2];
    size_t class_count;
    int account_class[SIM_ACCOUNTS_MAX]; /* -1: none, or none that is known */
    bool miners_may_owe;
    bool owing_changed;
    bool owing_flips;      /* after each death */
    uint64_t network_work; /* of a block, at the least; at the most three tenths more */
    /* accounts */
    size_t account_count;
    uint64_t ids[SIM_ACCOUNTS_MAX];
    char addresses[SIM_ACCOUNTS_MAX][96];
    uint8_t scripts[SIM_ACCOUNTS_MAX][22];
    /* the chain */
    struct sim_block *blocks;
    size_t block_count;
    int chain[SIM_CHAIN_MAX]; /* by height: the best branch */
    uint32_t height;
    struct sim_tx *txs;
    size_t tx_count;
    /* what is received from outside */
    bool receives; /* more comes */
    struct sim_random luck;
    uint32_t received_confirmations;
    struct sim_receipt *receipts;
    size_t receipt_count;
    struct sim_saying *sayings; /* the scheduler's, in their order */
    size_t saying_count;
    /* the wallet */
    struct sim_coin funds[SIM_COINS_MAX];
    uint64_t fund_amounts[SIM_COINS_MAX];
    size_t fund_count;
    bool spends_coinbases;
    bool rebroadcasts; /* the wallet offers its own transactions again by itself */
    struct sim_coin locks[SIM_COINS_MAX * 4];
    size_t lock_count;
    bool ignores_locks; /* when it chooses coins */
    unsigned builds;
    unsigned errs;          /* percent of what it makes is something else than it was asked for */
    uint64_t day_max;       /* planned in a day, at the most; 0: no bound */
    uint32_t requests_open; /* of an account; 0: no bound */
    uint32_t requests_day;
    bool swaps_coins;   /* the wallet signs versions with other coins than it was given */
    bool own_approvals; /* operators try to approve what they asked for */
    bool congested;     /* most blocks leave the mempool's transactions for later */
    /* the window */
    struct sim_batch *batches;
    size_t batch_count;
    int candidates[64]; /* blocks whose candidate is in the window */
    size_t candidate_count;
    /* the scheduler */
    uint64_t events;
    /* fault points */
    unsigned long writes;   /* asked of the store by anybody */
    unsigned long calls;    /* made by the engine so far */
    unsigned long fault_at; /* this call meets `fault`; 0: none */
    enum sim_fault fault;
    unsigned long writes_left; /* then it dies; 0: never by these */
    bool dead;                 /* every call fails until sim_revive */
    bool sheltered;            /* calls are not counted and meet nothing: a rival's */
    bool rival_ran;            /* since the driver last looked */
    void (*rival)(struct sim_world *world);
    void *rival_context;
    unsigned store_trouble_per_mille; /* writes: failed, or unknown either way */
    unsigned node_trouble_per_mille;  /* unavailable, or unknown either way */
    bool node_away, window_away;
    /* what the engine is given */
    struct store *memory; /* the store itself, without faults */
    struct store *store;
    struct window_reader *window;
    struct node *node;
};

/* A world of a seed; caller owns. Its store is in memory, or the given one, which is taken. */
struct sim_world *sim_create(uint64_t seed, size_t accounts, struct store *store);
void sim_destroy(struct sim_world *world);

/* chain.c: what happens in the world. Each tells the scheduler's events when told to. */
void sim_fund(struct sim_world *world, uint64_t amount);
void sim_share(struct sim_world *world, size_t count);
/* A block on the best branch, with the mempool's transactions; ours is found by the newest share,
 * and its candidate is recorded unless it is told to be lost. */
void sim_mine(struct sim_world *world, bool ours, bool candidate_lost);
/* A block of ours whose share reaches the window only later, by sim_arrive. */
void sim_mine_early(struct sim_world *world);
/* The batch of such a block arrives, if there is one that was found long enough ago. */
void sim_arrive(struct sim_world *world, uint64_t after_ms);
/* The top `depth` blocks are replaced by depth + 1 of others'. */
void sim_reorganise(struct sim_world *world, uint32_t depth);
/* The branch that holds `block` becomes the best again, one longer. */
void sim_bring_back(struct sim_world *world, size_t block);
/* A stale tip of ours that could be brought back without going deeper than depth; -1: none. */
int sim_lost_block(struct sim_world *world, uint32_t depth);
void sim_empty_mempool(struct sim_world *world);
/* Spends the anchor of a transaction that is not in the chain to somebody else, in a block. False
 * when there is none. */
bool sim_steal(struct sim_world *world);
void sim_restart_node(struct sim_world *world); /* its locks go */
void sim_scheduler(struct sim_world *world);    /* writes the events that follow */

/* What reached an address in the best branch; and there or in the mempool. */
uint64_t sim_on_chain(const struct sim_world *world, size_t account, bool mempool_too);
/* Confirmations of a block, 0 when it is not on the best branch. */
uint32_t sim_confirmations(const struct sim_world *world, int block);

/* received.c: a new block holds some payments; and what the scheduler says of them by now. */
void sim_receive(struct sim_world *world, int block);
void sim_receipts(struct sim_world *world);
/* A hash of these numbers and the seed. */
void sim_hash(uint64_t a, uint64_t b, uint8_t hash_r[32]);

/* What chain.c and wallet.c tell each other. */
bool sim_coin_exists(const struct sim_world *world, const struct sim_coin *coin,
                     uint64_t *amount_r);
/* The block in the best branch in which a transaction other than `but` spends the coin; -1: none.
 */
int sim_spender_in_chain(const struct sim_world *world, const struct sim_coin *coin, size_t but);
bool sim_tx_valid(const struct sim_world *world, size_t tx);
int sim_tx_block(const struct sim_world *world, size_t tx);

/* faults.c */
struct store *sim_faulty_store(struct sim_world *world, struct store *inner);
struct node *sim_faulty_node(struct sim_world *world, struct node *inner);
struct window_reader *sim_faulty_window(struct sim_world *world, struct window_reader *inner);
void sim_revive(struct sim_world *world);

/* wallet.c, window.c */
struct node *sim_node(struct sim_world *world);
struct window_reader *sim_window(struct sim_world *world);

/* The regime in force. */
struct sim_regime *sim_regime(struct sim_world *world);

/* oracle.c: what each account was given by our block under the regime its snapshot names (nothing
 * while it has none), computed the plain way. */
void sim_oracle_block(const struct sim_world *world, int block, uint64_t *credits_r,
                      uint64_t *fee_r, uint64_t *unallocated_r, uint64_t *reserve_r);

/* bought.c: what work that was bought earned; aborts where the stretches are not what they must be.
 */
struct sim_bought {
    uint64_t credits[SIM_ACCOUNTS_MAX];
    uint64_t fee;
    uint64_t spent;
    uint64_t shares;
    bool open; /* work is being bought */
    struct stretch_record newest;
};
void sim_oracle_bought(const struct sim_world *world, struct sim_bought *bought_r);
/* received.c: what everybody has of what was received, by the scheduler's word. */
struct sim_received {
    int64_t credits[SIM_ACCOUNTS_MAX], fee;
    uint64_t ever[SIM_ACCOUNTS_MAX]; /* at the most, whatever was taken back */
    struct oracle_carry carry;
    int64_t amount;  /* in all */
    bool taken_back; /* something was, ever */
};
void sim_oracle_received(const struct sim_world *world, struct sim_received *received_r);
/* Whether a share was bought by a stretch made until then; and the end of the last run before it.
 */
bool sim_is_bought(const struct sim_world *world, const struct window_position *place,
                   uint64_t until_ms, bool *has_floor_r, struct window_position *floor_r);
/* Aborts with the seed and a sentence unless the ledger agrees with the world: audit clean, nobody
 * paid more than credited, and, when `quiet` (all is processed and settled), every amount exact. */
void sim_verify(struct sim_world *world, bool quiet, uint64_t threshold);
_Noreturn void sim_fail(const struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
extern uint64_t sim_seed; /* for sim_fail */
