/* The floors: what the same work costs with nothing of the pool around it, measured on this machine
 * in the same run. Each function takes about `seconds`. */
#pragma once
#include "process.h"

/* CPU µs to hash one share of a template of so many transactions with OpenSSL's low-level calls:
 * coinbase, merkle root, header, one share after the other. It does not get cheaper when the pool's
 * own hashing does. */
double bare_hash_us(unsigned transactions, double seconds);
/* CPU µs of the pool's own judgement of the same share, one at a time (core/share): no floor, but a
 * part of what is measured. */
double bare_judge_us(unsigned transactions, double seconds);

/* Requests and their answers over a unix socket, `depth` of them under way, as two processes with
 * an epoll loop each must do it: epoll_wait, one recv of what is there, one send a message. CPU µs
 * a request of each side. */
struct bare_shape {
    size_t request_bytes, answer_bytes;
    unsigned depth;
};
struct bare_hop {
    double asker_us, answerer_us;
};
struct bare_hop bare_hop(const struct bare_shape *shape, double seconds);

/* A server that does nothing but the system calls of a gateway: epoll_wait, one recv of up to
 * 64 KiB, one send of as many answers as came submissions. It parses nothing but the place where
 * an id must stand. Its own process. */
struct bare_server {
    pid_t pid;
    unsigned port;
    struct bare_shared *shared;
};
void bare_server_begin(struct bare_server *server);
/* Sends a clean job of `bytes` to every connection in one loop, as SIGUSR1 asks; the loop's time in
 * ns once done. */
uint64_t bare_server_fanout(struct bare_server *server);
void bare_server_end(struct bare_server *server);

/* What keeping a batch exactly once takes at the least, into redis-server with its append-only file
 * fsynced before the answer, as plain commands: XADD of the shares, HSET of the id with a byte a
 * verdict, HDEL of an older id; `depth` batches in flight. CPU µs of redis-server a batch. */
struct bare_redis {
    double batch_us;
    double batches_per_s;
};
struct bare_redis bare_redis(const char *folder, size_t shares, unsigned depth, double seconds);
