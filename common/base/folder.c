#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

bool folder_sync(const char *folder, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "cannot open the folder %s", folder);
    bool synced = fsync(fd) == 0 || error_system(error, errno, "cannot sync the folder %s", folder);
    close(fd);
    return synced;
}

bool folder_sync_of(const char *path, struct error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return folder_sync(".", error);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof folder)
        return error_set(error, ERROR_INVALID, "the path %.64s… is too long", path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    return folder_sync(folder, error);
}
