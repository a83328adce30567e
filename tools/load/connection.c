#include "tools/load/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 20, OUTPUT_MAX = 1 << 24, SUBMISSIONS_MIN = 16 };

bool load_connection_open(struct connection *connection, uint32_t address, uint16_t port,
                          uint32_t source)
{
    const int on = 1;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = address };
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = source };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    /* Without it every source address would have only as many connections as it has ports. */
    bool bound =
        source == 0 || (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
                        bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!bound || (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        int trouble = errno;
        close(fd);
        errno = trouble;
        return false;
    }
    connection->fd = fd;
    connection->state = CONNECTION_CONNECTING;
    return true;
}

void connection_close(struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSED)
        close(connection->fd);
    connection->state = CONNECTION_CLOSED;
    free(connection->submit);
    free(connection->submissions);
    free(connection->input);
    free(connection->output);
    connection->submit = NULL;
    connection->submissions = NULL;
    connection->input = connection->output = NULL;
    connection->submissions_capacity = connection->input_capacity = connection->output_capacity = 0;
    connection->in_flight = connection->input_bytes = connection->output_bytes = 0;
    connection->output_start = 0;
    connection->first = connection->next; /* numbers are never used twice */
    connection->subscribed = connection->authorised = connection->writes = false;
    connection->submit_job = connection->wave = connection->tip = 0;
}

static void grow(char **bytes, uint32_t *capacity, size_t wanted)
{
    size_t larger = *capacity == 0 ? 512 : *capacity;
    while (larger < wanted)
        larger *= 2;
    if (larger == *capacity)
        return;
    *bytes = realloc(*bytes, larger);
    ASSERT(*bytes != NULL);
    *capacity = (uint32_t)larger;
}

static bool keep_output(struct connection *connection, const char *bytes, size_t length)
{
    if (connection->output_bytes + length > OUTPUT_MAX)
        return false;
    if (connection->output_start > 0) {
        memmove(connection->output, connection->output + connection->output_start,
                connection->output_bytes);
        connection->output_start = 0;
    }
    grow(&connection->output, &connection->output_capacity, connection->output_bytes + length);
    memcpy(connection->output + connection->output_bytes, bytes, length);
    connection->output_bytes += (uint32_t)length;
    return true;
}

bool connection_send(struct connection *connection, const char *bytes, size_t length)
{
    if (connection->output_bytes > 0)
        return keep_output(connection, bytes, length);
    ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length)
        return true;
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t done = sent > 0 ? (size_t)sent : 0;
    return keep_output(connection, bytes + done, length - done);
}

bool connection_flush(struct connection *connection)
{
    while (connection->output_bytes > 0) {
        ssize_t sent = send(connection->fd, connection->output + connection->output_start,
                            connection->output_bytes, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->output_start += (uint32_t)sent;
        connection->output_bytes -= (uint32_t)sent;
    }
    free(connection->output);
    connection->output = NULL;
    connection->output_capacity = connection->output_start = 0;
    return true;
}

uint64_t connection_note(struct connection *connection, const struct submission *submission)
{
    uint32_t used = (uint32_t)(connection->next - connection->first);
    if (used == connection->submissions_capacity) {
        uint32_t capacity = used == 0 ? SUBMISSIONS_MIN : 2 * used;
        struct submission *larger = malloc(capacity * sizeof *larger);
        ASSERT(larger != NULL);
        for (uint64_t i = connection->first; i < connection->next; i++)
            larger[i & (capacity - 1)] = connection->submissions[i & (used - 1)];
        free(connection->submissions);
        connection->submissions = larger;
        connection->submissions_capacity = capacity;
    }
    connection->submissions[connection->next & (connection->submissions_capacity - 1)] =
        *submission;
    connection->in_flight++;
    return connection->next++;
}

bool connection_answered(struct connection *connection, uint32_t id,
                         struct submission *submission_r, uint64_t *number_r)
{
    if (id < LINES_ID_FIRST || id >= LINES_ID_FIRST + LINES_IDS)
        return false;
    uint32_t behind =
        (id - LINES_ID_FIRST + LINES_IDS - (uint32_t)(connection->first % LINES_IDS)) % LINES_IDS;
    uint64_t number = connection->first + behind, mask = connection->submissions_capacity - 1u;
    if (number >= connection->next || connection->submissions[number & mask].due_ns == 0)
        return false;
    *submission_r = connection->submissions[number & mask];
    *number_r = number;
    connection->submissions[number & mask].due_ns = 0;
    connection->in_flight--;
    while (connection->first < connection->next &&
           connection->submissions[connection->first & mask].due_ns == 0)
        connection->first++;
    return true;
}

bool connection_keep_input(struct connection *connection, const char *bytes, size_t length)
{
    if (connection->input_bytes + length > INPUT_MAX)
        return false;
    grow(&connection->input, &connection->input_capacity, connection->input_bytes + length);
    memcpy(connection->input + connection->input_bytes, bytes, length);
    connection->input_bytes += (uint32_t)length;
    return true;
}
