#include "service/process/process_life.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BOOT_BYTES = 40 };

/* A process of a boot and namespace. */
struct name {
    char boot[BOOT_BYTES];
    uint64_t space;
    pid_t pid;
    uint64_t started; /* clock ticks after the boot */
};

enum seen { SEEN_NOTHING, SEEN_GONE, SEEN_DEAD, SEEN_ALIVE };

/* proc(5): the state is behind the command's last bracket, the count of threads the 20th field, the
 * start the 22nd. A process whose first thread ended is a zombie while others may still write. */
static enum seen look(pid_t pid, uint64_t *started_r)
{
    char path[64], text[1024], state = 0;
    long threads = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? SEEN_GONE : SEEN_NOTHING;
    ssize_t length = read(fd, text, sizeof text - 1);
    int failure = errno;
    close(fd);
    if (length <= 0)
        return length < 0 && failure == ESRCH ? SEEN_GONE : SEEN_NOTHING;
    text[length] = '\0';
    const char *at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d "
               "%" SCNu64,
               &state, &threads, started_r) != 3)
        return SEEN_NOTHING;
    return (state == 'Z' || state == 'X') && threads <= 1 ? SEEN_DEAD : SEEN_ALIVE;
}

static bool read_place(struct name *name_r)
{
    struct stat status;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return false;
    bool read = fgets(name_r->boot, sizeof name_r->boot, file) != NULL;
    fclose(file);
    name_r->boot[strcspn(name_r->boot, "\n")] = '\0';
    if (!read || name_r->boot[0] == '\0' || stat("/proc/self/ns/pid", &status) != 0)
        return false;
    name_r->space = status.st_ino;
    return true;
}

void process_name(pid_t pid, char name_r[PROCESS_NAME_BYTES])
{
    struct name name = { .pid = pid == 0 ? getpid() : pid };
    name_r[0] = '\0';
    if (read_place(&name) && look(name.pid, &name.started) == SEEN_ALIVE)
        snprintf(name_r, PROCESS_NAME_BYTES, "%s/%" PRIu64 "/%d/%" PRIu64, name.boot, name.space,
                 (int)name.pid, name.started);
}

/* False where it is no name, or one of another place. */
static bool of_this_place(const char *text, struct name *name_r)
{
    struct name here;
    int pid;
    if (sscanf(text, "%39[^/]/%" SCNu64 "/%d/%" SCNu64, name_r->boot, &name_r->space, &pid,
               &name_r->started) != 4 ||
        pid <= 0 || !read_place(&here))
        return false;
    name_r->pid = pid;
    return strcmp(here.boot, name_r->boot) == 0 && here.space == name_r->space;
}

enum process_life process_life(const char *text)
{
    struct name name;
    uint64_t started;
    if (!of_this_place(text, &name))
        return PROCESS_UNKNOWN;
    switch (look(name.pid, &started)) {
    case SEEN_ALIVE:
        return started == name.started ? PROCESS_LIVES : PROCESS_ENDED;
    case SEEN_DEAD:
        return PROCESS_ENDED;
    case SEEN_GONE:
        /* Or it is hidden from this user: the kernel knows it all the same. */
        return kill(name.pid, 0) != 0 && errno == ESRCH ? PROCESS_ENDED : PROCESS_UNKNOWN;
    case SEEN_NOTHING:
        break;
    }
    return PROCESS_UNKNOWN;
}

/* Of a line of /proc/locks (proc(5)); who waits for a lock has an arrow there, and is not read. The
 * device is not compared: a file system of several volumes shows another there than stat does. */
static bool is_lock_of(const char *line, pid_t pid, uint64_t inode, uint64_t byte)
{
    char kind[16], mode[8], end[24];
    int holder;
    uint64_t locked, first, last;
    if (sscanf(line, "%*d: %15s %*15s %7s %d %*x:%*x:%" SCNu64 " %" SCNu64 " %23s", kind, mode,
               &holder, &locked, &first, end) != 6 ||
        strcmp(kind, "POSIX") != 0 || strcmp(mode, "WRITE") != 0 || holder != pid ||
        locked != inode || first > byte)
        return false;
    return strcmp(end, "EOF") == 0 || (sscanf(end, "%" SCNu64, &last) == 1 && last >= byte);
}

bool process_locks(const char *text, const char *path, uint64_t byte)
{
    struct name name;
    struct stat status;
    char line[256];
    bool found = false;
    if (!of_this_place(text, &name) || process_life(text) != PROCESS_LIVES ||
        stat(path, &status) != 0)
        return false;
    FILE *file = fopen("/proc/locks", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = is_lock_of(line, name.pid, status.st_ino, byte);
    fclose(file);
    return found;
}

bool process_end(const char *text)
{
    struct name name;
    if (!of_this_place(text, &name) || name.pid == getpid())
        return false;
    int fd = pidfd_open(name.pid, 0);
    /* What the descriptor stands for cannot change any more. */
    bool ended = fd >= 0 && process_life(text) == PROCESS_LIVES &&
                 pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
    if (fd >= 0)
        close(fd);
    return ended;
}
