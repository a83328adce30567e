#include "services/inode-scheduler/list_source.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_scheme[] = "file:", https_scheme[] = "https://";

struct list_text {
    const struct list_source *source;
    char *text;
    size_t length, room;
    bool too_long;
};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool list_source_check(const char *from, struct error *error)
{
    return starts(from, "file:/") || starts(from, https_scheme) ||
           error_set(error, ERROR_INVALID,
                     "scheduler.validators_from must be file:/path or https://…");
}

static bool add(struct list_text *gathered, const void *data, size_t length)
{
    if (length > gathered->source->bytes_max - gathered->length) {
        gathered->too_long = true;
        return false;
    }
    if (gathered->length + length + 1 > gathered->room) {
        gathered->room = 2 * (gathered->length + length + 1);
        gathered->text = realloc(gathered->text, gathered->room);
        ASSERT(gathered->text != NULL);
    }
    memcpy(gathered->text + gathered->length, data, length);
    gathered->length += length;
    gathered->text[gathered->length] = '\0';
    return true;
}

static bool read_file(const char *path, struct list_text *gathered, struct error *error)
{
    char part[16384];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (!good)
        error_fill(error, ERROR_UNAVAILABLE, "%.300s: %s", path,
                   fd < 0 ? strerror(errno) : "it is no ordinary file");
    while (good) {
        ssize_t got = read(fd, part, sizeof part);
        if (got < 0)
            good = error_set(error, ERROR_UNAVAILABLE, "%.300s: %s", path, strerror(errno));
        else if (got == 0 || !add(gathered, part, (size_t)got))
            break;
    }
    if (fd >= 0)
        close(fd);
    return good;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    return add(context, data, size * count) ? size * count : 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    const struct list_source *source = context;
    (void)total, (void)now, (void)up_total, (void)up_now;
    return source->stop != NULL && atomic_load(source->stop);
}

static bool read_url(struct list_text *gathered, struct error *error)
{
    const struct list_source *source = gathered->source;
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(error, ERROR_UNAVAILABLE, "libcurl cannot be used");
    curl_easy_setopt(curl, CURLOPT_URL, source->from);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)source->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)source->timeout_ms / 2);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)source->bytes_max);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, gathered);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, source);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    if (source->ca_file[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, source->ca_file);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code == CURLE_FILESIZE_EXCEEDED)
        gathered->too_long = true;
    if (gathered->too_long)
        return true;
    if (code != CURLE_OK)
        return error_set(error, ERROR_UNAVAILABLE, "%.200s: %.200s", source->from,
                         reason[0] != '\0' ? reason : curl_easy_strerror(code));
    return status == 200 ||
           error_set(error, ERROR_UNAVAILABLE, "%.200s answered %ld", source->from, status);
}

bool list_source_read(const struct list_source *source, char **text_r, size_t *length_r,
                        struct error *error)
{
    struct list_text gathered = { .source = source };
    bool read = starts(source->from, file_scheme)
                    ? read_file(source->from + strlen(file_scheme), &gathered, error)
                    : read_url(&gathered, error);
    if (read && gathered.too_long)
        read = error_set(error, ERROR_INVALID, "%.200s has more than %zu bytes", source->from,
                         source->bytes_max);
    if (read && gathered.length == 0)
        read = error_set(error, ERROR_INVALID, "%.200s is empty", source->from);
    if (!read)
        free(gathered.text);
    *text_r = read ? gathered.text : NULL;
    *length_r = read ? gathered.length : 0;
    return read;
}
