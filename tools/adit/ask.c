#include "ask.h"

#include <stdio.h>

#include "service/bus_open.h"
#include "wire/messages.h"

enum { REPLY_BYTES = 65536 };

static void on_reply(void *context, enum bus_outcome outcome, struct span bytes)
{
    struct asking *asking = context;
    struct wire_control_reply reply;
    struct error error;
    _Alignas(16) static uint8_t memory[REPLY_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    asking->answered =
        outcome == BUS_REPLIED && wire_decode_control_reply(bytes, &arena, &reply, &error);
    asking->lost = !asking->answered;
    if (!asking->answered)
        return;
    asking->ok = reply.ok != 0;
    snprintf(asking->text, sizeof asking->text, "%s", reply.text);
}

bool ask_process(const struct settings *settings, const char *url, struct span request,
                 unsigned answer_ms, struct asking *asking)
{
    struct error error;
    struct loop *loop = loop_create(&error);
    struct bus *bus = loop != NULL ? bus_open(loop, settings, &error) : NULL;
    struct bus_client_options options = { .in_flight_max = 1, .message_bytes_max = REPLY_BYTES };
    struct bus_client *client = bus != NULL ? bus_connect(bus, url, &options, &error) : NULL;
    *asking = (struct asking){ .answered = false };
    bool sent = false;
    for (int waited = 0; client != NULL && !sent && waited < 1000; waited += 20) {
        sent = bus_request(client, request, answer_ms, on_reply, asking);
        loop_run_once(loop, 20); /* until the socket is connected */
    }
    while (sent && !asking->answered && !asking->lost)
        loop_run_once(loop, 100);
    if (client != NULL)
        bus_client_close(client);
    if (bus != NULL)
        bus_destroy(bus);
    if (loop != NULL)
        loop_destroy(loop);
    return asking->answered;
}

void ask_join(const struct options *options, int from, char *text_r, size_t bytes)
{
    size_t used = 0;
    text_r[0] = '\0';
    for (int i = from; i < options->rest_count && used < bytes; i++)
        used += (size_t)snprintf(text_r + used, bytes - used, "%s%s", i == from ? "" : " ",
                                 options->rest[i]);
}
