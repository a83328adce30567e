/* All that a gateway is for its miners, as an image: jobs and the submissions seen, leases and
 * extranonce1 values, listening sockets, plain connections with their sessions, half-read lines and
 * unsent bytes. Descriptors are named by their numbers, so the image is good for the same process
 * alone: it is what one program leaves and the next one finds. One thread. */
#pragma once
#include "services/stratum-gateway/image.h"

struct gateway;

/* True where a connection can be carried over: plain, or nothing came from it yet. */
struct connection;
bool handover_carries(const struct connection *connection);

/* Writes it. Nothing may be under way: no share without a verdict, no answer held. The image says
 * whether it failed. */
void handover_write(struct gateway *gateway, struct image *image);
/* Reads it into a gateway that was just opened; descriptors are its own from then on. False with
 * one sentence. */
MUST_CHECK bool handover_read(struct gateway *gateway, struct image *image, struct error *error);
/* The descriptors a program must leave open: calls `keep` with each. */
void handover_descriptors(const struct gateway *gateway, void (*keep)(int fd));
