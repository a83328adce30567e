#include "services/stratum-gateway/upgrading.h"

#include "service/log.h"
#include "services/stratum-gateway/draining.h"
#include "services/stratum-gateway/gateway.h"
#include "services/stratum-gateway/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The answer to who asked is on its way first. */
enum {
    STEP_MS = 5,
    FIRST_STEP_MS = 50,
    SETTLE_MS = 5000,
    ARGUMENTS_MAX = 64,
    COMMAND_BYTES = 16384
};

static const char STATE_VARIABLE[] = "STRATUM_GATEWAY_STATE";
extern char **environ;

/* The command line this process was started with. */
struct command {
    char bytes[COMMAND_BYTES];
    char *arguments[ARGUMENTS_MAX + 2];
    unsigned count;
};

static bool read_command(struct command *command, struct error *error)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, command->bytes, sizeof command->bytes - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0 || got == (ssize_t)sizeof command->bytes - 1)
        return error_set(error, ERROR_SYSTEM, "this process's command line cannot be read");
    command->bytes[got] = '\0';
    command->count = 0;
    for (char *at = command->bytes; at < command->bytes + got; at += strlen(at) + 1) {
        if (command->count == ARGUMENTS_MAX)
            return error_set(error, ERROR_SYSTEM, "this process has too many arguments");
        command->arguments[command->count++] = at;
    }
    command->arguments[command->count] = NULL;
    return true;
}

/* Where the program lies; the file there is another one after an installation. */
static bool find_program(char *program, size_t bytes, struct error *error)
{
    static const char GONE[] = " (deleted)";
    ssize_t got = readlink("/proc/self/exe", program, bytes - 1);
    if (got <= 0 || (size_t)got >= bytes - 1)
        return error_system(error, errno, "this program's file cannot be found");
    program[got] = '\0';
    size_t length = (size_t)got, gone = sizeof GONE - 1;
    if (length > gone && strcmp(program + length - gone, GONE) == 0)
        program[length - gone] = '\0';
    return access(program, X_OK) == 0 ||
           error_system(error, errno, "the program %.200s cannot be run", program);
}

/* The new program reads the settings and says whether it can live with them. */
static bool is_content(const char *program, struct error *error)
{
    static struct command command;
    pid_t pid;
    int status;
    if (!read_command(&command, error))
        return false;
    command.arguments[command.count] = (char *)(uintptr_t) "--check-config";
    command.arguments[command.count + 1] = NULL;
    if (posix_spawn(&pid, program, NULL, NULL, command.arguments, environ) != 0)
        return error_set(error, ERROR_SYSTEM, "the program %.200s cannot be run", program);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(error, ERROR_INVALID,
                     "the program %.200s refuses the settings (--check-config says why)", program);
}

static void enter(struct gateway *gateway, enum upgrading_state state, uint64_t for_ms)
{
    gateway->upgrading.state = state;
    gateway->upgrading.until_ms = loop_now_ms(gateway->loop) + for_ms;
}

static void go_on_as_before(struct gateway *gateway, const char *reason)
{
    log_error("upgrade.refused", "reason=\"%s\"", reason);
    snprintf(gateway->upgrading.refused, sizeof gateway->upgrading.refused, "%s", reason);
    upgrading_stop(gateway);
    doors_pause(gateway, false);
    connections_read_on(&gateway->connections);
}

static void keep_open(int fd)
{
    (void)fcntl(fd, F_SETFD, 0);
}

static void keep_closed(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* The image in memory that has a descriptor; -1 where there is none. */
static int state_descriptor(const struct image *image)
{
    int fd = memfd_create("stratum-gateway", 0);
    size_t written = 0;
    while (fd >= 0 && written < image->used) {
        ssize_t wrote = write(fd, image->bytes + written, image->used - written);
        if (wrote <= 0) {
            close(fd);
            return -1;
        }
        written += (size_t)wrote;
    }
    return fd;
}

static void become(struct gateway *gateway, int state_fd)
{
    static struct command command;
    struct error error;
    char number[16];
    if (!read_command(&command, &error))
        return;
    snprintf(number, sizeof number, "%d", state_fd);
    if (setenv(STATE_VARIABLE, number, 1) != 0)
        return;
    handover_descriptors(gateway, keep_open);
    log_info("upgrade.exec", "program=%s", gateway->upgrading.program);
    execv(gateway->upgrading.program, command.arguments);
    handover_descriptors(gateway, keep_closed);
    (void)unsetenv(STATE_VARIABLE);
}

static void leave_to_the_new(struct gateway *gateway)
{
    struct connections *connections = &gateway->connections;
    for (size_t i = 0; i < connections->used_max; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state != CONNECTION_OPEN)
            continue;
        if (handover_carries(connection))
            broadcast_catch_up(gateway, connection);
        else
            draining_send_away(gateway, connection);
    }
    connections_flush(connections);
    struct image image = image_to_write();
    handover_write(gateway, &image);
    int state_fd = image.failed ? -1 : state_descriptor(&image);
    image_deinit(&image);
    if (state_fd >= 0) {
        become(gateway, state_fd);
        close(state_fd);
    }
    go_on_as_before(gateway, "the state cannot be written, or the program not be run");
}

static bool is_settled(const struct gateway *gateway)
{
    const struct connections *connections = &gateway->connections;
    const struct dispatcher_counts counts = dispatcher_counts(gateway->dispatcher);
    /* What a failover may have taken back is sent again first: the new program has not kept it. */
    if (counts.held > 0 || counts.replay.due > 0 || gateway->submissions.count > 0 ||
        broadcast_is_under_way(&gateway->broadcast) ||
        stratum_jobs_current(&gateway->feed.table) == NULL || gateway->lease_id == 0)
        return false;
    for (size_t i = 0; i < connections->used_max; i++)
        if (connections->places[i].state == CONNECTION_OPEN &&
            stratum_session_holds_answers(&connections->places[i].session))
            return false;
    return true;
}

/* Those that cannot be carried over, some a step. True where there are no more. */
static bool send_some_away(struct gateway *gateway)
{
    struct connections *connections = &gateway->connections;
    int64_t most = 1 + gateway->settings->stratum_drain_per_s * STEP_MS / 1000;
    bool any = false;
    for (size_t i = 0; i < connections->used_max && most > 0; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state != CONNECTION_OPEN || handover_carries(connection))
            continue;
        any = true;
        if (stratum_session_holds_answers(&connection->session))
            continue;
        draining_send_away(gateway, connection);
        most--;
    }
    return !any;
}

static void on_step(void *context)
{
    struct gateway *gateway = context;
    struct upgrading *upgrading = &gateway->upgrading;
    bool late = loop_now_ms(gateway->loop) >= upgrading->until_ms;
    if (upgrading->state == UPGRADING_SENDING_AWAY) {
        if (!send_some_away(gateway) && !late)
            return;
        enter(gateway, UPGRADING_SETTLING, SETTLE_MS);
        doors_pause(gateway, true);
        connections_stop_reading(&gateway->connections);
        return;
    }
    if (is_settled(gateway))
        leave_to_the_new(gateway);
    else if (late)
        go_on_as_before(gateway, "shares or names are without an answer for too long: are the "
                                 "validators, auth and the scheduler there?");
}

bool upgrading_begin(struct gateway *gateway, struct error *error)
{
    struct upgrading *upgrading = &gateway->upgrading;
    if (upgrading->state != UPGRADING_NOT)
        return error_set(error, ERROR_REFUSED, "an upgrade is under way");
    if (!find_program(upgrading->program, sizeof upgrading->program, error) ||
        !is_content(upgrading->program, error))
        return false;
    upgrading->refused[0] = '\0';
    log_info("upgrade.begin", "connections=%zu program=%s", gateway->connections.open,
             upgrading->program);
    enter(gateway, UPGRADING_SENDING_AWAY, (uint64_t)gateway->settings->stratum_drain_s * 1000);
    upgrading->timer = (struct loop_timer){ .on_due = on_step, .context = gateway };
    loop_timer_start(gateway->loop, &upgrading->timer, FIRST_STEP_MS, STEP_MS);
    return true;
}

void upgrading_stop(struct gateway *gateway)
{
    gateway->upgrading.state = UPGRADING_NOT;
    if (loop_timer_running(&gateway->upgrading.timer))
        loop_timer_stop(gateway->loop, &gateway->upgrading.timer);
}

bool upgrading_take(struct gateway *gateway, bool *taken_r, struct error *error)
{
    const char *number = getenv(STATE_VARIABLE);
    struct stat about;
    *taken_r = number != NULL;
    if (number == NULL)
        return true;
    int fd = atoi(number);
    (void)unsetenv(STATE_VARIABLE);
    void *bytes = MAP_FAILED;
    if (fstat(fd, &about) == 0 && about.st_size > 0)
        bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set(error, ERROR_SYSTEM, "what the program before left is not there");
    struct image image = image_to_read(bytes, (size_t)about.st_size);
    bool read = handover_read(gateway, &image, error);
    gateway->upgrading.taken_ms = read ? loop_unix_ms() : 0;
    munmap(bytes, (size_t)about.st_size);
    close(fd);
    return read;
}
