#include "services/share-validator/outbox.h"

#include "service/log.h"

#include <stdlib.h>

enum {
    IN_FLIGHT_MAX = 16, /* of the connection's requests; questions about jobs need theirs */
    TIMEOUT_MS = 2000,
    PAUSE_MS = 200,
};

struct letter {
    struct outbox *outbox; /* NULL: the outbox is gone */
    struct letter *next;
    const char *what;
    outbox_handler handler;
    void *context;
    bool under_way;
    size_t length;
    uint8_t message[];
};

struct outbox {
    struct loop *loop;
    struct feed *feed;
    size_t letters_max;
    size_t count;
    size_t in_flight;
    struct letter *first;
    struct letter **end;
    struct loop_timer timer;
};

static void unlink_letter(struct outbox *outbox, struct letter *letter)
{
    struct letter **at = &outbox->first;
    while (*at != letter)
        at = &(*at)->next;
    *at = letter->next;
    if (outbox->end == &letter->next)
        outbox->end = at;
    outbox->count--;
}

static void send_some(struct outbox *outbox);

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct letter *letter = context;
    struct outbox *outbox = letter->outbox;
    if (outbox == NULL) {
        free(letter);
        return;
    }
    letter->under_way = false;
    outbox->in_flight--;
    if (outcome != BUS_REPLIED) {
        if (!loop_timer_running(&outbox->timer))
            loop_timer_start(outbox->loop, &outbox->timer, PAUSE_MS, 0);
        return;
    }
    uint8_t memory[1024];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_ack ack = { .text = "" };
    struct error error;
    bool accepted = wire_decode_ack(reply, &arena, &ack, &error) && ack.ok != 0;
    if (!accepted) {
        char safe[256];
        log_warn(
            "scheduler.refused", "what=%s reason=\"%s\"", letter->what,
            log_text(ack.text[0] != '\0' ? ack.text : "an unreadable answer", safe, sizeof safe));
    }
    unlink_letter(outbox, letter);
    if (letter->handler != NULL)
        letter->handler(letter->context, accepted);
    free(letter);
    send_some(outbox);
}

static void send_some(struct outbox *outbox)
{
    for (struct letter *letter = outbox->first; letter != NULL && outbox->in_flight < IN_FLIGHT_MAX;
         letter = letter->next) {
        if (letter->under_way)
            continue;
        letter->under_way = feed_request(outbox->feed, span_of(letter->message, letter->length),
                                         TIMEOUT_MS, on_reply, letter);
        if (!letter->under_way) {
            if (!loop_timer_running(&outbox->timer))
                loop_timer_start(outbox->loop, &outbox->timer, PAUSE_MS, 0);
            return;
        }
        outbox->in_flight++;
    }
}

static void on_timer(void *context)
{
    send_some(context);
}

bool outbox_send(struct outbox *outbox, const char *what, struct span message,
                 outbox_handler handler, void *context)
{
    if (outbox->count == outbox->letters_max)
        return false;
    struct letter *letter = malloc(sizeof *letter + message.length);
    if (letter == NULL)
        return false;
    *letter = (struct letter){ .outbox = outbox,
                               .what = what,
                               .handler = handler,
                               .context = context,
                               .length = message.length };
    memcpy(letter->message, message.data, message.length);
    *outbox->end = letter;
    outbox->end = &letter->next;
    outbox->count++;
    send_some(outbox);
    return true;
}

void outbox_link_up(struct outbox *outbox)
{
    send_some(outbox);
}

size_t outbox_waiting(const struct outbox *outbox)
{
    return outbox->count;
}

struct outbox *outbox_create(struct loop *loop, struct feed *feed, size_t letters_max)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL)
        return NULL;
    outbox->loop = loop;
    outbox->feed = feed;
    outbox->letters_max = letters_max;
    outbox->end = &outbox->first;
    outbox->timer = (struct loop_timer){ .on_due = on_timer, .context = outbox };
    return outbox;
}

void outbox_destroy(struct outbox *outbox)
{
    if (outbox == NULL)
        return;
    loop_timer_stop(outbox->loop, &outbox->timer);
    for (struct letter *letter = outbox->first; letter != NULL;) {
        struct letter *next = letter->next;
        if (letter->under_way)
            letter->outbox = NULL; /* its answer, or the feed's end, frees it */
        else
            free(letter);
        letter = next;
    }
    free(outbox);
}
