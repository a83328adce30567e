/* A WebSocket on the way between Kore's thread and the service's loop. Inside http_kore only;
 * includes nothing of Kore's, so that both sides can see it.
 *
 * Life: made on the loop when a request is accepted, which goes back to Kore's thread as an answer
 * of status 101; from then on Kore's side sends notes (messages, and one last: closed), the loop
 * sends orders (text, close, and one last, after the last note: free). Both ways keep their order.
 * The socket is freed on Kore's thread. */
#pragma once
#include "adapter/http_kore/exchange.h"
#include "core/websocket/websocket.h"

enum {
    SOCKET_NOTES_MAX = 16,  /* messages of one socket that the loop has not taken yet */
    SOCKET_UNSENT_MAX = 64, /* frames of one socket that its client has not read */
    SOCKET_REASON_MAX = 123,
    SOCKET_LINGER_MS = 2000, /* how long a closing socket waits for its client's close frame */
    SOCKET_READ_BYTES = 4096,
};

struct http_socket_handlers;

struct http_socket {
    struct http_site *site;
    const struct http_socket_handlers *handlers;
    void *context;
    _Atomic unsigned waiting; /* notes the loop has not taken yet */
    struct socket_note *last; /* made beforehand: being closed needs no memory */

    /* Kore's */
    void *connection; /* NULL before it is open and after it is gone */
    bool gone, closing;
    uint64_t closing_ms; /* since when */
    struct websocket_reader reader;
    uint8_t *message; /* the one that is coming in */
    size_t message_length, message_room;
    struct socket_order *held, **held_end; /* orders that came before it was open */
    struct http_socket *other, **place;    /* Kore's list of all that live */
};

/* From Kore's thread to the loop. */
struct socket_note {
    struct loop_task task;
    struct http_socket *socket;
    bool closed;
    size_t length;
    uint8_t *text; /* owned */
};
void socket_note_run(struct loop_task *task);

/* From the loop to Kore's thread. */
enum socket_order_kind { SOCKET_ORDER_SEND, SOCKET_ORDER_CLOSE, SOCKET_ORDER_FREE };
struct socket_order {
    struct socket_order *next;
    struct http_socket *socket;
    enum socket_order_kind kind;
    uint16_t status; /* of CLOSE */
    size_t length;
    uint8_t bytes[]; /* the text, or the reason */
};

/* Frees one that Kore's side knows nothing of any more. */
void socket_free(struct http_socket *socket);
