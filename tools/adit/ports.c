/* A taken port is found by trying to bind it; its owner by the socket's inode, which
 * /proc/net/tcp lists by port and /proc/PID/fd by process. */
#include "ports.h"

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool port_split(const char *address, char *host_r, size_t host_bytes, char *port_r,
                size_t port_bytes, struct error *error)
{
    const char *at = strstr(address, "://");
    at = at == NULL ? address : at + 3;
    size_t length = strcspn(at, "/");
    const char *end = at + length;
    for (const char *p = end; p > at; p--)
        if (p[-1] == '@') {
            at = p;
            break;
        }
    const char *colon = NULL;
    for (const char *p = at; p < end; p++)
        if (*p == ':')
            colon = p;
    if (colon == NULL || colon == at || colon + 1 == end)
        return error_set(error, ERROR_INVALID, "\"%s\" is not host:port", address);
    const char *host = at;
    size_t host_length = (size_t)(colon - at);
    if (*host == '[' && host[host_length - 1] == ']') {
        host++;
        host_length -= 2;
    }
    size_t port_length = (size_t)(end - colon - 1);
    if (host_length >= host_bytes || port_length >= port_bytes)
        return error_set(error, ERROR_INVALID, "\"%s\" is too long for host:port", address);
    memcpy(host_r, host, host_length);
    host_r[host_length] = '\0';
    memcpy(port_r, colon + 1, port_length);
    port_r[port_length] = '\0';
    return true;
}

/* The inode of the socket that listens on `port`, 0 where none is listed. */
static unsigned long listening_inode(const char *table, unsigned port)
{
    FILE *file = fopen(table, "r");
    if (file == NULL)
        return 0;
    char line[512];
    unsigned long found = 0;
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        unsigned long inode;
        /* sl local_address rem_address st … uid timeout inode */
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", &local_port,
                   &state, &inode) == 3 &&
            local_port == port && state == 0x0a)
            found = inode;
    }
    fclose(file);
    return found;
}

static bool process_has(const char *pid, unsigned long inode)
{
    char path[300], want[64], link[64];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    snprintf(want, sizeof want, "socket:[%lu]", inode);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    bool has = false;
    for (struct dirent *entry; !has && (entry = readdir(folder)) != NULL;) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        ssize_t length = readlink(file, link, sizeof link - 1);
        if (length > 0) {
            link[length] = '\0';
            has = strcmp(link, want) == 0;
        }
    }
    closedir(folder);
    return has;
}

/* "redis-server (pid 17)", or "another process" where /proc does not tell. */
static void owner_of(unsigned port, char *text_r, size_t bytes)
{
    snprintf(text_r, bytes, "another process");
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0)
        inode = listening_inode("/proc/net/tcp6", port);
    DIR *processes = inode == 0 ? NULL : opendir("/proc");
    if (processes == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !process_has(entry->d_name, inode))
            continue;
        char path[300], name[64] = "a process";
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fgets(name, sizeof name, file) != NULL)
                name[strcspn(name, "\n")] = '\0';
            fclose(file);
        }
        snprintf(text_r, bytes, "%s (pid %s)", name, entry->d_name);
        break;
    }
    closedir(processes);
}

bool port_check(const char *address, const char *setting, struct error *error)
{
    char host[256], port[16];
    if (!port_split(address, host, sizeof host, port, sizeof port, error))
        return error_prefix(error, "%s", setting);
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        return error_set(error, ERROR_INVALID, "%s: \"%s\" is no address here: %s", setting,
                         address, gai_strerror(code));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int trouble = 0;
    if (fd < 0) {
        trouble = errno;
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0)
            trouble = errno;
        close(fd);
    }
    freeaddrinfo(found);
    if (trouble == 0)
        return true;
    if (trouble != EADDRINUSE)
        return error_system(error, trouble, "%s: cannot listen on %s", setting, address);
    char owner[400];
    owner_of((unsigned)strtoul(port, NULL, 10), owner, sizeof owner);
    return error_set(error, ERROR_REFUSED,
                     "port %s is taken by %s: stop it, or set %s to another address", port, owner,
                     setting);
}
