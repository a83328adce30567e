/* What the store says happened: blocks by the log of reward events, payments by what became of
 * their records. Asked every second on the readers' worker, and soon after the scheduler itself
 * wrote something; whoever stands by reads the same. What happened before this process began is
 * no news. */
#include "services/inode-scheduler/live_inside.h"

#include "record/event/event.h"

#include <stdlib.h>

enum {
    EVENTS_AT_ONCE = 64,
    NUDGE_MS = 20,           /* gathers what comes at once */
    PAYMENT_BYTES = 4 << 20, /* of one payment as read */
};

static void note(struct live_asked *asked, enum news_kind kind, uint64_t topic, json_t *document)
{
    if (asked->told_count == asked->told_room) {
        asked->told_room = asked->told_room == 0 ? 16 : 2 * asked->told_room;
        struct live_told *grown = realloc(asked->told, asked->told_room * sizeof *asked->told);
        ASSERT(grown != NULL);
        asked->told = grown;
    }
    api_add_coin(document, asked->live->scheduler);
    asked->told[asked->told_count++] =
        (struct live_told){ .kind = kind, .topic = topic, .text = live_text(document) };
}

struct event_list {
    struct wire_reward_event events[EVENTS_AT_ONCE];
    size_t count;
};

static bool on_event(void *context, const struct wire_reward_event *event)
{
    struct event_list *list = context;
    list->events[list->count++] = *event;
    return list->count < EVENTS_AT_ONCE;
}

/* An event is written before its block: it waits until the block has it, so that both say the same.
 * Another scheduler completes what the last one left. False ends the round. */
static bool tell_event(struct live_asked *asked, const struct wire_reward_event *event)
{
    struct block_record block;
    enum wire_reward_kind kind = (enum wire_reward_kind)event->kind;
    if (kind == WIRE_REWARD_FOUND || kind == WIRE_REWARD_MATURED || kind == WIRE_REWARD_ORPHANED) {
        enum store_outcome outcome =
            block_get(asked->live->scheduler->api_store, event->block_hash, &block, &asked->error);
        asked->ok = outcome != STORE_FAILED;
        if (outcome != STORE_DONE || block.event_sequence < event->sequence)
            return false;
        note(asked, NEWS_BLOCK, 0,
             json_pack("{s:s, s:I, s:o}", "event", event_kind_name(kind), "sequence",
                       (json_int_t)event->sequence, "block", news_block(&block)));
    }
    asked->sequence = event->sequence;
    return true;
}

static void ask_events(struct live_asked *asked)
{
    struct store *store = asked->live->scheduler->api_store;
    if (!asked->began) {
        asked->ok = event_newest(store, &asked->sequence, &asked->error) == STORE_DONE;
        return;
    }
    struct event_list *list = malloc(sizeof *list);
    ASSERT(list != NULL);
    list->count = 0;
    asked->ok = event_walk(store, asked->sequence, EVENTS_AT_ONCE, on_event, list, &asked->error) ==
                STORE_DONE;
    for (size_t i = 0; i < list->count && asked->ok; i++)
        if (!tell_event(asked, &list->events[i]))
            break;
    free(list);
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* What a payment gives those accounts that are watched, or were a moment ago. */
static void note_paid(struct live_asked *asked, const char *word,
                      const struct payment_record *payment)
{
    for (size_t i = 0; i < payment->output_count; i++) {
        const struct payment_output *output = &payment->outputs[i];
        if (asked->watched_count == 0 || output->account == 0 ||
            bsearch(&output->account, asked->watched, asked->watched_count, sizeof(uint64_t),
                    by_number) == NULL)
            continue;
        note(asked, NEWS_PAID, output->account,
             json_pack("{s:s, s:o}", "event", word, "payment", news_paid(payment, output)));
    }
}

/* Reads it anew, whole: its state may be another by now. *state_r is the one that was told of. */
static void tell_payment(struct live_asked *asked, struct live_payment *known, void *memory)
{
    struct arena arena = arena_over(memory, PAYMENT_BYTES);
    struct payment_record payment;
    if (payment_get(asked->live->scheduler->api_store, known->number, &arena, &payment,
                    &asked->error) != STORE_DONE)
        return; /* looked at again with the next change */
    const char *word = news_of_payment(known->state, payment.state);
    known->state = payment.state;
    if (word == NULL)
        return;
    note(asked, NEWS_PAYMENT, 0,
         json_pack("{s:s, s:o}", "event", word, "payment", news_payment(&payment)));
    note_paid(asked, word, &payment);
}

struct payment_list {
    struct live_payment *payments;
    size_t count;
};

static bool on_payment(void *context, const struct payment_record *payment)
{
    struct payment_list *list = context;
    list->payments[list->count++] = (struct live_payment){ payment->number, payment->state };
    return list->count < LIVE_OPEN_PAYMENTS_MAX;
}

static const struct live_payment *known_of(const struct live_asked *asked, uint64_t number)
{
    return asked->open_count == 0
               ? NULL
               : bsearch(&number, asked->open, asked->open_count, sizeof *asked->open, by_number);
}

/* Those that are open now, and those that were and are no more. */
static void compare_payments(struct live_asked *asked, struct payment_list *now)
{
    void *memory = malloc(PAYMENT_BYTES);
    ASSERT(memory != NULL);
    uint64_t newest = asked->newest_payment;
    for (size_t i = 0; i < now->count; i++) {
        struct live_payment *payment = &now->payments[i];
        const struct live_payment *known = known_of(asked, payment->number);
        enum payment_state state = payment->state;
        payment->state = known != NULL ? known->state : 0;
        if (known == NULL && payment->number <= asked->newest_payment)
            payment->state = state; /* it was settled: nothing new is known of it */
        if (payment->state != state)
            tell_payment(asked, payment, memory);
        if (payment->number > newest)
            newest = payment->number;
    }
    for (size_t i = 0; i < asked->open_count; i++) {
        struct live_payment gone = asked->open[i];
        if (bsearch(&gone.number, now->payments, now->count, sizeof *now->payments, by_number) ==
            NULL)
            tell_payment(asked, &gone, memory);
    }
    asked->newest_payment = newest;
    free(memory);
}

static void ask_payments(struct live_asked *asked)
{
    struct payment_list now = { .payments = malloc(LIVE_OPEN_PAYMENTS_MAX * sizeof *now.payments) };
    struct store *store = asked->live->scheduler->api_store;
    ASSERT(now.payments != NULL);
    asked->ok = payment_walk_open(store, on_payment, &now, &asked->error) == STORE_DONE;
    qsort(now.payments, now.count, sizeof *now.payments, by_number);
    if (asked->ok && asked->began)
        compare_payments(asked, &now);
    else if (asked->ok)
        asked->ok = payment_newest(store, &asked->newest_payment, &asked->error) == STORE_DONE;
    if (!asked->ok) {
        free(now.payments);
        return;
    }
    free(asked->open);
    asked->open = now.payments;
    asked->open_count = now.count;
}

static void ask_work(struct worker_job *job)
{
    struct live_asked *asked = (struct live_asked *)job;
    asked->ok = true;
    ask_events(asked);
    if (asked->ok && asked->payments)
        ask_payments(asked);
    asked->began = asked->began || asked->ok;
}

static void drop_told(struct live_asked *asked)
{
    for (size_t i = 0; i < asked->told_count; i++)
        free(asked->told[i].text);
    asked->told_count = 0;
}

static void ask_done(struct worker_job *job)
{
    struct live_asked *asked = (struct live_asked *)job;
    struct live *live = asked->live;
    live->asking = false;
    for (size_t i = 0; i < asked->told_count && !live->scheduler->stopping; i++)
        live_publish(live, &asked->told[i]);
    drop_told(asked);
}

/* Whose payments are worth a look, by id. */
static void list_watched(struct live *live)
{
    struct live_asked *asked = &live->asked;
    asked->watched_count = live->account_count;
    for (size_t i = 0; i < live->account_count; i++)
        asked->watched[i] = live->accounts[i]->id;
    qsort(asked->watched, asked->watched_count, sizeof *asked->watched, by_number);
}

static void on_store_due(void *context)
{
    struct live *live = context;
    if (live->asking || live->scheduler->stopping)
        return;
    const uint64_t now_ms = loop_now_ms(live->scheduler->options.loop);
    list_watched(live);
    live->asked.payments = !live->asked.began || now_ms - live->payments_ms >= LIVE_PAYMENTS_MS;
    if (live->asked.payments)
        live->payments_ms = now_ms;
    live->asked.job = (struct worker_job){ .work = ask_work, .done = ask_done };
    live->asking = worker_submit(live->scheduler->readers, &live->asked.job);
}

void live_store_nudge(struct live *live)
{
    loop_timer_start(live->scheduler->options.loop, &live->store_timer, NUDGE_MS, LIVE_STORE_MS);
}

void live_store_start(struct live *live)
{
    live->asked.live = live;
    live->asked.watched = calloc(LIVE_ACCOUNTS_MAX, sizeof *live->asked.watched);
    ASSERT(live->asked.watched != NULL);
    live->store_timer = (struct loop_timer){ .on_due = on_store_due, .context = live };
    loop_timer_start(live->scheduler->options.loop, &live->store_timer, 0, LIVE_STORE_MS);
}

void live_store_stop(struct live *live)
{
    loop_timer_stop(live->scheduler->options.loop, &live->store_timer);
    drop_told(&live->asked);
    free(live->asked.told);
    free(live->asked.watched);
    free(live->asked.open);
}
