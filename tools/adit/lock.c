#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void lock_path(const char *data_dir, char *path_r, size_t bytes)
{
    snprintf(path_r, bytes, "%s/run/adit.lock", data_dir);
}

int lock_take(const char *data_dir, struct error *error)
{
    char path[300];
    lock_path(data_dir, path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_system(error, errno, "%s", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        error_set(error, ERROR_REFUSED, "a pool already runs on %s (pid %d): ./adit down stops it",
                  data_dir, (int)lock_owner(data_dir));
        close(fd);
        return -1;
    }
    return fd;
}

void lock_write(int fd, pid_t pid)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", (int)pid);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
        fprintf(stderr, "adit: the pid could not be written; ./adit down will not find it\n");
}

pid_t lock_owner(const char *data_dir)
{
    char path[300], text[32] = "";
    lock_path(data_dir, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    return held && length > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}
