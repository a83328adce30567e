#include "services/stratum-gateway/testing/gateway_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture *f;

static uint8_t scratch[1 << 20];

#define REPLY(call, name, ...)                                                                     \
    do {                                                                                           \
        const struct wire_##name reply_ = { __VA_ARGS__ };                                         \
        size_t length_ = wire_encode_##name(&reply_, scratch, sizeof scratch);                     \
        assert_true(length_ > 0);                                                                  \
        (void)bus_reply(call, span_of(scratch, length_));                                          \
    } while (0)

/* The scheduler. */

static struct wire_job current_job(void)
{
    /* 41 bytes to the input script's length, which runs to the end of extranonce2 */
    static uint8_t coinbase[60] = { [41] = 60 - 42 + 4 + 8 };
    struct wire_job job = { .epoch = f->epoch,
                            .sequence = f->sequence,
                            .job_id = f->job_id,
                            .height = 100,
                            .coinbase1 = span_of(coinbase, 60),
                            .coinbase2 = span_of(coinbase, 60),
                            .version = 0x20000000,
                            .version_mask = 0x1fffe000,
                            .bits = 0x1b00ffff,
                            .cur_time = (uint32_t)(loop_unix_ms() / 1000),
                            .min_time = (uint32_t)(loop_unix_ms() / 1000) - 600,
                            .clean = 1,
                            .algorithm = 0,
                            .extranonce1_bytes = 4,
                            .extranonce2_bytes = 8,
                            .coinbase_value = 5000000000 };
    memset(job.prev_hash, f->tip, sizeof job.prev_hash);
    return job;
}

void publish_job(bool new_tip)
{
    f->sequence++;
    f->job_id++;
    f->tip = (uint8_t)(f->tip + new_tip);
    struct wire_job job = current_job();
    job.clean = new_tip;
    size_t length = wire_encode_job(&job, scratch, sizeof scratch);
    assert_true(length > 0);
    bus_publish(f->publisher, span_of(scratch, length));
}

/* Asked again by the same boot id, it is the same lease. */
static void answer_lease(struct bus_call *call, struct span message)
{
    struct wire_lease_request request;
    struct error error;
    struct arena arena = arena_over(scratch + sizeof scratch / 2, sizeof scratch / 2);
    assert_true(wire_decode_lease_request(message, &arena, &request, &error));
    uint64_t lease = 1;
    while (lease <= f->lease_id && f->boot_ids[lease - 1] != request.boot_id)
        lease++;
    assert_true(lease <= sizeof f->boot_ids / sizeof *f->boot_ids);
    if (lease > f->lease_id) {
        f->boot_ids[f->lease_id++] = request.boot_id;
        f->lease_unknown = false;
    }
    REPLY(call, lease_reply, .granted = 1, .epoch = 1, .lease_id = lease,
          .extranonce1_first = (uint32_t)lease << 16, .extranonce1_count = f->lease_values,
          .text = "");
}

static void on_scheduler(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    enum wire_type type;
    struct error error;
    assert_true(wire_peek(message, &type, &error));
    if (type == WIRE_TYPE_lease_request) {
        answer_lease(call, message);
    } else if (type == WIRE_TYPE_job_request) {
        struct wire_job job = current_job();
        REPLY(call, job_reply, .epoch = f->epoch, .sequence = f->sequence, .jobs = &job,
              .jobs_count = 1);
    } else if (type == WIRE_TYPE_heartbeat) {
        f->beats++;
        REPLY(call, heartbeat_reply, .epoch = 1, .lease_known = !f->lease_unknown);
    } else if (type == WIRE_TYPE_bans_report) {
        REPLY(call, bans_order, .order = 0, .verb = "", .argument = "");
    } else if (type == WIRE_TYPE_audit_samples) {
        REPLY(call, ack, .ok = 1, .text = "");
    } else {
        fail_msg("the scheduler was asked %s", wire_type_name(type));
    }
}

/* Auth: names that begin with "no" are nobody. */
static void on_auth(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    struct error error;
    struct arena arena = arena_over(scratch + sizeof scratch / 2, sizeof scratch / 2);
    struct wire_authorise_request request;
    assert_true(wire_decode_authorise_request(message, &arena, &request, &error));
    f->asked_auth += request.user[0] != '\0';
    snprintf(f->peer, sizeof f->peer, "%s", request.peer);
    bool yes = strncmp(request.user, "no", 2) != 0;
    REPLY(call, authorise_reply, .outcome = yes ? WIRE_AUTHORISE_YES : WIRE_AUTHORISE_NO,
          .account = 7, .worker = 8, .account_name = "a", .worker_name = "b",
          .text = yes ? "" : "no such account");
}

static void on_batch(void *context, struct bus_call *call, struct span message)
{
    struct validator *validator = context;
    struct error error;
    static uint8_t memory[1 << 17];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_share_batch batch;
    enum wire_type type;
    assert_true(wire_peek(message, &type, &error));
    if (type == WIRE_TYPE_identity_request) { /* it says nothing of itself */
        bus_drop(call);
        return;
    }
    assert_true(wire_decode_share_batch(message, &arena, &batch, &error));
    assert_true(f->seen_count < SEEN_MAX);
    f->seen[f->seen_count++] =
        (struct seen_batch){ batch.lease_id, batch.sequence, batch.lowest, batch.shares_count,
                             (unsigned)(validator - f->validators) };
    f->last_share = batch.shares[batch.shares_count - 1];
    validator->batches++;
    if (validator->silent || f->unanswered > 0) {
        f->unanswered -= f->unanswered > 0;
        bus_drop(call);
        return;
    }
    static struct wire_verdict verdicts[1024];
    for (uint32_t i = 0; i < batch.shares_count; i++) {
        uint8_t found = batch.shares[i].found;
        verdicts[i].outcome = found != 0 ? found : (uint8_t)validator->outcome;
    }
    bool judged = validator->status == WIRE_BATCH_JUDGED;
    if (validator->slow_ms > 0) {
        const struct wire_verdict_batch reply = { .lease_id = batch.lease_id,
                                                  .sequence = batch.sequence,
                                                  .status = WIRE_BATCH_JUDGED,
                                                  .verdicts = verdicts,
                                                  .verdicts_count = batch.shares_count };
        size_t length = wire_encode_verdict_batch(&reply, scratch, sizeof scratch);
        struct late_reply *late = malloc(sizeof *late + length);
        assert_true(length > 0 && late != NULL);
        *late = (struct late_reply){ .call = call, .bytes = length };
        memcpy(late->message, scratch, length);
        if (validator->late == NULL)
            validator->late_end = &validator->late;
        *validator->late_end = late;
        validator->late_end = &late->next;
        return;
    }
    REPLY(call, verdict_batch, .lease_id = batch.lease_id, .sequence = batch.sequence,
          .status = (uint8_t)validator->status, .verdicts = verdicts,
          .verdicts_count = judged ? batch.shares_count : 0);
}

/* The process. */

void read_log(void)
{
    ssize_t got;
    while (f->log_bytes < sizeof f->log - 1 &&
           (got = read(f->log_fd, f->log + f->log_bytes, sizeof f->log - 1 - f->log_bytes)) > 0)
        f->log_bytes += (size_t)got;
    f->log[f->log_bytes] = '\0';
}

static void answer_late(struct validator *validator)
{
    uint64_t now_ns = loop_clock_ns();
    struct late_reply *late = validator->late;
    if (late == NULL || now_ns < validator->answered_ns + (uint64_t)validator->slow_ms * 1000000)
        return;
    validator->answered_ns = now_ns;
    validator->late = late->next;
    (void)bus_reply(late->call, span_of(late->message, late->bytes));
    free(late);
}

void turn(void)
{
    loop_run_once(f->loop, 5);
    for (unsigned i = 0; i < VALIDATORS; i++)
        answer_late(&f->validators[i]);
    read_log();
}

void set_variable(const char *name, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_int_equal(setenv(name, text, 1), 0);
}

static void start(const struct limits *limits)
{
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    char program[512];
    snprintf(program, sizeof program, "%s/bin/stratum-gateway", getenv("ADIT_BUILD"));
    set_variable("ADIT_SERVICE__SCHEDULER_URL", "ipc://%s/scheduler.rep", f->folder);
    set_variable("ADIT_SERVICE__PUBLISH_URL", "ipc://%s/scheduler.pub", f->folder);
    set_variable("ADIT_STRATUM__VALIDATORS", "ipc://%s/validator-0,ipc://%s/validator-1", f->folder,
                 f->folder);
    set_variable("ADIT_STRATUM__AUTH_URL", "ipc://%s/auth.rep", f->folder);
    set_variable("ADIT_STRATUM__ADDRESS", "127.0.0.1:0");
    set_variable("ADIT_STRATUM__ADMIN_ADDRESS", "127.0.0.1:0");
    set_variable("ADIT_STRATUM__MAX_MINERS", "%u", limits->max_miners);
    set_variable("ADIT_STRATUM__SHARES_HELD_MAX", "%u", limits->shares_held);
    set_variable("ADIT_STRATUM__VALIDATOR_TIMEOUT_MS", "%u",
                 limits->timeout_ms != 0 ? limits->timeout_ms : TIMEOUT_MS);
    set_variable("ADIT_STRATUM__HOLD_MS", "%u", limits->hold_ms);
    set_variable("ADIT_STRATUM__START_DIFFICULTY", "1");
    set_variable("ADIT_CHAIN__PROFILE", "devnet-sha256d");
    pid_t parent = getpid();
    f->child = fork();
    assert_true(f->child >= 0);
    if (f->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        execl(program, program, "--data", f->folder, (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    f->log_fd = pipe_fds[0];
    assert_int_equal(fcntl(f->log_fd, F_SETFL, O_NONBLOCK), 0);
    UNTIL(strstr(f->log, "service.ready") != NULL);
    const char *address = strstr(f->log, "stratum.listen address=127.0.0.1:");
    assert_non_null(address);
    f->port = atoi(address + strlen("stratum.listen address=127.0.0.1:"));
    assert_true(f->port > 0);
}

struct bus_server *serve(const char *name, bus_call_handler handler, void *context)
{
    char url[256];
    struct error error;
    snprintf(url, sizeof url, "ipc://%s/%s", f->folder, name);
    struct bus_server *server = bus_serve(f->bus, url, 64, 1 << 20, handler, context, &error);
    assert_non_null(server);
    return server;
}

int set_up_with(const struct limits *limits)
{
    struct error error;
    char url[256];
    f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/adit-gateway-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->loop = loop_create(&error);
    f->bus = bus_nng_create(f->loop, &error);
    assert_non_null(f->bus);
    f->job_id = 0x6500000000000000;
    f->lease_values = limits->lease_values != 0 ? limits->lease_values : 1024;
    f->scheduler = serve("scheduler.rep", on_scheduler, NULL);
    f->auth = serve("auth.rep", on_auth, NULL);
    snprintf(url, sizeof url, "ipc://%s/scheduler.pub", f->folder);
    f->publisher = bus_publisher_open(f->bus, url, NULL, NULL, &error);
    assert_non_null(f->publisher);
    for (unsigned i = 0; i < VALIDATORS; i++) {
        char name[32];
        snprintf(name, sizeof name, "validator-%u", i);
        f->validators[i].status = WIRE_BATCH_JUDGED;
        f->validators[i].server = serve(name, on_batch, &f->validators[i]);
    }
    f->epoch = 1;
    f->sequence = 1;
    start(limits);
    UNTIL(strstr(f->log, "validator-0") != NULL && strstr(f->log, "validator-1") != NULL);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    int status = 0;
    if (f->child > 0) {
        kill(f->child, SIGKILL);
        waitpid(f->child, &status, 0);
    }
    close(f->log_fd);
    bus_server_close(f->scheduler);
    if (f->auth != NULL)
        bus_server_close(f->auth);
    for (unsigned i = 0; i < VALIDATORS; i++)
        if (f->validators[i].server != NULL)
            bus_server_close(f->validators[i].server);
    for (unsigned i = 0; i < VALIDATORS; i++)
        while (f->validators[i].late != NULL) {
            struct late_reply *late = f->validators[i].late;
            f->validators[i].late = late->next;
            bus_drop(late->call);
            free(late);
        }
    bus_publisher_close(f->publisher);
    bus_destroy(f->bus);
    loop_destroy(f->loop);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    (void)!system(command);
    free(f);
    return 0;
}

/* Miners. */

void receive(struct miner *miner)
{
    ssize_t got = recv(miner->fd, miner->text + miner->bytes, sizeof miner->text - 1 - miner->bytes,
                       MSG_DONTWAIT);
    if (got > 0)
        miner->bytes += (size_t)got;
    else if (got == 0 || errno != EAGAIN)
        miner->ended = true;
    miner->text[miner->bytes] = '\0';
}

bool take_line(struct miner *miner)
{
    receive(miner);
    char *newline = memchr(miner->text, '\n', miner->bytes);
    if (newline == NULL)
        return false;
    size_t length = (size_t)(newline - miner->text);
    assert_true(length < sizeof miner->line);
    memcpy(miner->line, miner->text, length);
    miner->line[length] = '\0';
    miner->bytes -= length + 1;
    memmove(miner->text, newline + 1, miner->bytes + 1);
    return true;
}

struct miner *connect_from(const char *from)
{
    struct miner *miner = calloc(1, sizeof *miner);
    struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from) };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)f->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    miner->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(miner->fd, (struct sockaddr *)&source, sizeof source), 0);
    assert_int_equal(connect(miner->fd, (struct sockaddr *)&address, sizeof address), 0);
    return miner;
}

struct miner *connect_miner(void)
{
    return connect_from("127.0.0.1");
}

struct question {
    bool ended, ok;
};

static void on_said(void *context, enum bus_outcome outcome, struct span message)
{
    struct question *question = context;
    struct wire_control_reply reply;
    struct error error;
    static uint8_t memory[32768];
    struct arena arena = arena_over(memory, sizeof memory);
    if (outcome == BUS_CLOSED)
        return;
    assert_int_equal(outcome, BUS_REPLIED);
    assert_true(wire_decode_control_reply(message, &arena, &reply, &error));
    snprintf(f->said, sizeof f->said, "%s", reply.text);
    *question = (struct question){ .ended = true, .ok = reply.ok != 0 };
}

bool ask_gateway(const char *verb, const char *argument)
{
    char url[128];
    uint8_t bytes[512];
    struct error error;
    struct question question = { .ended = false };
    const struct bus_client_options options = { .in_flight_max = 1, .message_bytes_max = 32768 };
    const struct wire_control_request request = { .verb = verb, .argument = argument };
    size_t length = wire_encode_control_request(&request, bytes, sizeof bytes);
    snprintf(url, sizeof url, "ipc://%s/run/gateway-1.rep", f->folder);
    struct bus_client *client = bus_connect(f->bus, url, &options, &error);
    assert_non_null(client);
    UNTIL(bus_request(client, span_of(bytes, length), 30000, on_said, &question));
    UNTIL(question.ended);
    bus_client_close(client);
    return question.ok;
}

void disconnect(struct miner *miner)
{
    close(miner->fd);
    free(miner);
}

void say(struct miner *miner, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    text[length++] = '\n';
    assert_int_equal(send(miner->fd, text, (size_t)length, MSG_NOSIGNAL), length);
}

/* The next line contains this. */
void hear(struct miner *miner, const char *part)
{
    UNTIL(take_line(miner) || miner->ended);
    if (strstr(miner->line, part) == NULL)
        fail_msg("expected %s, heard %s\n%s", part, miner->line, f->log);
}

void log_in(struct miner *miner, const char *user)
{
    say(miner, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"test/1\"]}");
    hear(miner, "\"id\":1,\"result\":[[");
    say(miner, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}", user);
    hear(miner, "{\"id\":2,\"result\":true");
    hear(miner, "mining.set_difficulty\",\"params\":[1]");
    hear(miner, "mining.notify");
}

void submit(struct miner *miner, unsigned id, const char *user, unsigned nonce)
{
    say(miner,
        "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"%s\",\"%016llx\","
        "\"0000000000000000\",\"%08x\",\"%08x\"]}",
        id, user, (unsigned long long)f->job_id, (unsigned)(loop_unix_ms() / 1000), nonce);
}
