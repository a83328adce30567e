/* A Stratum V1 client over one TCP connection: lines out, lines in, and what they mean for the
 * miner. Never blocks but in client_connect. Owned by the main thread; the caller is told of jobs
 * and answers through a table of functions called from client_read. */
#pragma once
#include "tools/miner/work.h"

#define CLIENT_PENDING_MAX 256
#define CLIENT_LINE_BYTES_MAX (1U << 20)

struct client_share {
    char job_id[WORK_JOB_ID_BYTES_MAX];
    uint8_t extranonce2[WORK_EXTRANONCE_BYTES_MAX];
    size_t extranonce2_bytes;
    uint32_t time, nonce, version_bits;
    bool with_version;
    double difficulty;
    uint8_t digest[32];
    bool is_block;
};

struct client_events {
    void (*authorized)(void *context, bool accepted, const char *reason);
    void (*job)(void *context, const struct work_job *job, bool clean);
    /* `reason` is NULL where the share was accepted. */
    void (*answer)(void *context, const struct client_share *share, const char *reason);
    void (*message)(void *context, const char *text);
    void *context;
};

struct client {
    int fd;
    char *host;
    char *port;
    const char *user;
    const char *password;
    enum miner_algorithm algorithm;
    bool roll_version;
    struct client_events events;
    /* the session */
    char *input;
    size_t input_bytes;
    char session_id[128]; /* given back at the next connect, so that it can be resumed */
    uint8_t extranonce1[WORK_EXTRANONCE_BYTES_MAX];
    size_t extranonce1_bytes, extranonce2_bytes;
    uint32_t version_mask;
    double difficulty;
    bool subscribed, authorized, reconnect_asked;
    uint64_t next_id;
    struct {
        uint64_t id;
        struct client_share share;
    } pending[CLIENT_PENDING_MAX];
    size_t pending_count;
    struct work_job *job; /* room for the job being read */
};

/* Parses stratum+tcp://host:port (or host:port). The texts are borrowed for the client's life. */
MUST_CHECK bool client_init(struct client *client, const char *url, const char *user,
                            const char *password, enum miner_algorithm algorithm, bool roll_version,
                            const struct client_events *events, struct error *error);
void client_deinit(struct client *client);
/* Connects and sends the first requests. */
MUST_CHECK bool client_connect(struct client *client, struct error *error);
/* Drops the connection; what is unanswered is forgotten. Returns how many shares that were. */
size_t miner_client_close(struct client *client);
/* Reads what is there and handles whole lines; false: the connection is over. */
MUST_CHECK bool client_read(struct client *client, struct error *error);
/* False: not sent (the connection is over, or too many are unanswered). */
MUST_CHECK bool client_submit(struct client *client, const struct client_share *share,
                              struct error *error);
