/* What an operator may set against paying: a pause, a cap a day, hours, approvals. */
#include "services/payout/inside.h"

#include "record/switch/switch.h"
#include "service/log.h"

enum { DAY_MS = 24 * 3600 * 1000, HOUR_MS = 3600 * 1000 };

uint32_t engine_dust_scale(const struct coin_profile *coin)
{
    return coin->dust_scale;
}

enum step engine_before_payments(struct engine *engine, struct error *error)
{
    struct switch_record paused;
    struct node_chain chain = { .height = 0 };
    enum store_outcome outcome = switch_get(engine->store, ENGINE_PAUSED, &paused, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    if (paused.on != engine->paused) {
        char by[2 * SWITCH_BY_BYTES], reason[2 * SWITCH_REASON_BYTES];
        log_info(paused.on ? "payment.paused" : "payment.resumed", "by=\"%s\" reason=\"%s\"",
                 log_text(paused.by, by, sizeof by),
                 log_text(paused.reason, reason, sizeof reason));
    }
    engine->paused = paused.on;
    engine->height = 0; /* without it nothing is bumped; the rest does not need it */
    if (engine->node != NULL && node_chain(engine->node, &chain, error) == NODE_OK)
        engine->height = chain.height;
    return STEP_DONE;
}

bool engine_is_approved(const struct engine *engine, const struct payment_record *payment)
{
    uint32_t count = payment->approvals[0] != '\0';
    for (const char *p = payment->approvals; *p != '\0'; p++)
        count += *p == ' ';
    return !payment->approve || count >= engine->options.approvals;
}

bool engine_may_sign(const struct engine *engine, const struct payment_record *payment)
{
    return engine->options.pays && !engine->options.dry_run && !engine->paused &&
           engine_is_approved(engine, payment);
}

bool engine_is_pay_hour(const struct engine *engine)
{
    uint32_t hours = engine->options.hours;
    return hours == 0 || (hours >> (engine->now_ms / HOUR_MS % 24) & 1) != 0;
}

struct spent {
    uint64_t since_ms;
    uint64_t amount;
};

/* Newest first: the first one from before today ends the walk. A leader's clock may have gone back
 * a little; a payment that seems older than its elder counts with today's by the walk's order. */
static bool add_today(void *context, const struct payment_record *payment)
{
    struct spent *spent = context;
    if (payment->created_ms < spent->since_ms)
        return false;
    if (payment->state != PAYMENT_VOIDED && payment->state != PAYMENT_VOIDING)
        spent->amount += payment->amount.units;
    return true;
}

enum step engine_left_today(struct engine *engine, uint64_t *left_r, struct error *error)
{
    uint64_t most = engine->options.day_max.units;
    struct spent spent = { engine->now_ms - engine->now_ms % DAY_MS, 0 };
    *left_r = MONEY_MAX;
    if (most == 0)
        return STEP_DONE;
    enum store_outcome outcome = payment_walk_newest(engine->store, 0, 0, add_today, &spent, error);
    *left_r = spent.amount < most ? most - spent.amount : 0;
    return engine_step_of(engine, outcome, error);
}
