#include "adapter/coin_file/coin_file.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const struct coin_profile *of_path(const char *path, struct coin_file *memory,
                                          struct error *error)
{
    return coin_file_read(path, memory, error) ? &memory->profile
                                               : (error_fill_prefix(error, "chain.profile"), NULL);
}

const struct coin_profile *coin_file_open(const char *profile, const char *folder,
                                          struct coin_file *memory, struct error *error)
{
    char path[PATH_MAX];
    if (strchr(profile, '/') != NULL)
        return of_path(profile, memory, error);
    int length = snprintf(path, sizeof path, "%s/%s.json", folder, profile);
    if (folder[0] != '\0' && profile[0] != '\0' && length > 0 && (size_t)length < sizeof path &&
        access(path, F_OK) == 0) {
        if (of_path(path, memory, error) == NULL)
            return NULL;
        if (strcmp(memory->profile.name, profile) == 0)
            return &memory->profile;
        error_fill(error, ERROR_INVALID, "chain.profile: %.300s names itself \"%s\"", path,
                   memory->profile.name);
        return NULL;
    }
    const struct coin_profile *found = coin_profile_find(span_text(profile));
    if (found == NULL)
        error_fill(error, ERROR_INVALID,
                   "chain.profile: there is no profile \"%.64s\" built in, and no file %.64s.json "
                   "in chain.profile_folder",
                   profile, profile);
    return found;
}
