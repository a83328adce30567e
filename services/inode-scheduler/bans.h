/* Who is banned at which gateway, as their reports say (proto/bans_report.def), and what operators
 * want there: an order waits until each gateway that lives has asked for it with its report and
 * said with the next what became of it. So gateways of every host are seen and ruled, and nobody
 * needs a way into one. Orders go to a gateway one after the other, in the order they came in.
 *
 * Gateways report to the scheduler that leads alone: one that stands by knows nothing of them, and
 * one that has just begun to lead not yet of each.
 *
 * Nothing is kept in the store: bans live and end with their gateway. Bounded: BANS_GATEWAYS_MAX,
 * of each its last report; BANS_ORDERS_MAX under way. On the loop's thread. */
#pragma once
#include "loop/loop.h"
#include "wire/messages.h"

enum {
    BANS_GATEWAYS_MAX = 256,
    BANS_ORDERS_MAX = 16,
    BANS_SILENT_MS = 5000,  /* without a report, which come once a second: it is not waited for */
    BANS_FORGET_MS = 60000, /* then it is none any more */
    BANS_ORDER_MS = 10000,  /* how long an order is waited for */
    BANS_REPORT_BYTES = 16 << 10,
};

/* What became of an order: of so many gateways, how many did it, how many would not; the rest said
 * nothing in time, and may yet do it. */
struct bans_result {
    unsigned asked, done, refused;
    char refusal[129]; /* one of them; "": none */
};
typedef void (*bans_handler)(void *context, const struct bans_result *result);

struct bans_gateway {
    uint64_t process; /* 0: the place is free */
    char instance[65];
    uint64_t heard_ms; /* by the loop's clock */
    uint8_t *report;   /* encoded; from the heap */
    size_t report_bytes;
};

struct bans_order {
    uint64_t id; /* 0: the place is free */
    uint64_t due_ms;
    char verb[17], argument[401];
    bool waits[BANS_GATEWAYS_MAX]; /* for that gateway */
    unsigned waiting;
    struct bans_result result;
    bans_handler handler;
    void *context;
};

struct bans {
    struct loop *loop;
    struct loop_timer timer;
    uint64_t last_id;
    bool listens;
    uint64_t began_ms;             /* to listen */
    struct bans_gateway *gateways; /* BANS_GATEWAYS_MAX */
    struct bans_order *orders;     /* BANS_ORDERS_MAX */
};

void bans_init(struct bans *bans, struct loop *loop);
/* Also where it is zero. Orders under way end with what is known of them. */
void bans_deinit(struct bans *bans);

/* From now on gateways can report here. */
void bans_listen(struct bans *bans);
/* Whether gateways report here at all; and whether each that lives has had the time to do so. */
bool bans_listens(const struct bans *bans);
bool bans_heard_all(const struct bans *bans);

/* A report, and what its gateway is told to do now, whose texts are borrowed until the next call.
 * Beyond BANS_GATEWAYS_MAX gateways a report is not kept. */
struct wire_bans_order bans_take(struct bans *bans, const struct wire_bans_report *report,
                                 struct span encoded);

/* To every gateway that lives now. The handler is called once, by bans_take, bans_deinit or when
 * the time is over, never in this call. False, and no handler, where no gateway lives (*none_r) or
 * too many orders are under way. */
MUST_CHECK bool bans_order(struct bans *bans, const char *verb, const char *argument,
                           bans_handler handler, void *context, bool *none_r);

/* The gateway of a place below BANS_GATEWAYS_MAX, or NULL; borrowed until the loop runs again. */
const struct bans_gateway *bans_at(const struct bans *bans, size_t place);
bool bans_lives(const struct bans *bans, const struct bans_gateway *gateway);
