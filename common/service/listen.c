#include "service/listen.h"

#include "loop/address_wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Cuts "host:port" or "[host]:port" into host_r and port_r. */
static bool split(const char *address, char host_r[256], char port_r[8])
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return false;
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return false;
    }
    if (length > 255)
        return false;
    memcpy(host_r, address, length);
    host_r[length] = '\0';
    snprintf(port_r, 8, "%s", colon + 1);
    return true;
}

static void name_of(const struct sockaddr_storage *address, char *name_r)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(name_r, LISTEN_ADDRESS_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(name_r, LISTEN_ADDRESS_BYTES, "%s:%u", host, ntohs(in->sin_port));
    }
}

void listen_name(int fd, bool peer, char *name_r)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    struct sockaddr *plain = (struct sockaddr *)(void *)&address;
    if ((peer ? getpeername(fd, plain, &length) : getsockname(fd, plain, &length)) == 0)
        name_of(&address, name_r);
    else
        snprintf(name_r, LISTEN_ADDRESS_BYTES, "?");
}

static bool bind_patiently(int fd, const struct addrinfo *found)
{
    uint32_t waited_ms = 0;
    int result;
    do
        result = bind(fd, found->ai_addr, found->ai_addrlen);
    while (result != 0 && errno == EADDRINUSE && address_wait(&waited_ms));
    return result == 0;
}

int listen_open(const char *address, int backlog, char *bound_r, struct error *error)
{
    char host[256];
    char port[8];
    if (!split(address, host, port)) {
        error_fill(error, ERROR_INVALID, "\"%.128s\" is no address: write host:port", address);
        return -1;
    }
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE };
    struct addrinfo *found;
    int result = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
    if (result != 0) {
        error_fill(error, ERROR_INVALID, "the host of \"%.128s\" is not known: %s", address,
                   gai_strerror(result));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        !bind_patiently(fd, found) || listen(fd, backlog) != 0) {
        error_fill_system(error, errno, "cannot listen at %.128s", address);
        if (error != NULL && (errno == EADDRINUSE || errno == EADDRNOTAVAIL))
            error->code = ERROR_UNAVAILABLE;
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else if (bound_r != NULL) {
        listen_name(fd, false, bound_r);
    }
    freeaddrinfo(found);
    return fd;
}
