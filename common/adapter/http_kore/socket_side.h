/* Kore's side of WebSockets, between kore_side.c and socket_side.c; needs Kore's headers first. */
#pragma once
#include "adapter/http_kore/socket.h"

struct http_request;

/* Answers the request by opening its socket. */
void socket_side_open(struct http_request *request, struct http_socket *socket);
/* The client left before its socket was open. */
void socket_side_never(struct http_socket *socket);
/* Carries out orders, oldest first; they are freed. */
void socket_side_orders(struct socket_order *orders);
/* The service's thread is gone: frees all that live. */
void socket_side_end(void);
