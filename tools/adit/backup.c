/* adit backup: a copy of what must not be lost, made while the pool runs, in the order that makes
 * it one state: the share window first, the store last (what the store says was computed from
 * shares that lie in the window or in the store itself). adit restore: puts it into a data folder
 * that has no pool yet. 0: done; 1: not done, nothing that was there has changed; 64: the command
 * line or the settings are wrong. */
#include "commands.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "adapter/store_sqlite/store_sqlite.h"
#include "adapter/window_redis/window_redis.h"
#include "base/folder.h"
#include "copy.h"
#include "lock.h"
#include "plan.h"
#include "record/switch/switch.h"
#include "services/payout/engine.h"

enum { STORE_MS = 10000 };

#define STORE_FILE "adit.db"
#define WINDOW_FOLDER "redis"
#define ASIDE ".restoring" /* of the data folder: what is not in place yet */

/* Of the data folder: what other steps copy, what a start makes anew, and the demo's own chain. */
static bool is_left_out(const char *name)
{
    static const char *const others[] = {
        ".", "..", "run", "log", "redis", "devnode", "window.rdb"
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return strncmp(name, STORE_FILE, strlen(STORE_FILE)) == 0;
}

static bool copy_window(void *context, const char *folder, struct error *error)
{
    struct copy_job *job = context;
    char whole[1400];
    snprintf(whole, sizeof whole, "%s", folder);
    char *name = strrchr(whole, '/');
    if (name == NULL || name[1] == '\0')
        return error_set(error, ERROR_INVALID, "its folder %.200s has no name", folder);
    *name++ = '\0';
    if (access(folder, R_OK | X_OK) != 0)
        return error_system(error, errno, "its folder %.200s", folder);
    char to[1024];
    snprintf(to, sizeof to, "%.900s/" WINDOW_FOLDER, job->to);
    if (mkdir(to, 0700) != 0)
        return error_system(error, errno, "%s", to);
    struct copy_job inner = { .from = whole, .to = to };
    if (!copy_tree(&inner, name, error))
        return false;
    /* Listed by their place in the backup. */
    char list_path[1400];
    snprintf(list_path, sizeof list_path, "%s/%s", to, name);
    DIR *files = opendir(list_path);
    if (files == NULL)
        return error_system(error, errno, "%s", list_path);
    bool good = true;
    for (const struct dirent *entry; good && (entry = readdir(files)) != NULL;) {
        char path[1024];
        snprintf(path, sizeof path, WINDOW_FOLDER "/%.300s/%.300s", name, entry->d_name);
        good = entry->d_name[0] == '.' || copy_listed(job, path, error);
    }
    closedir(files);
    return good;
}

static bool copy_rest(struct copy_job *job, struct error *error)
{
    DIR *folder = opendir(job->from);
    if (folder == NULL)
        return error_system(error, errno, "%s", job->from);
    bool good = true;
    for (const struct dirent *entry; good && (entry = readdir(folder)) != NULL;)
        good = is_left_out(entry->d_name) || copy_tree(job, entry->d_name, error);
    closedir(folder);
    return good;
}

static bool copy_store(struct copy_job *job, const struct settings *settings, struct error *error)
{
    char path[1024];
    if (strncmp(settings->store_url, "sqlite:", 7) != 0) {
        printf("adit: the store is a MongoDB: now take its own backup, and keep it with this one:\n"
               "  mongodump --oplog --gzip --archive=FILE --uri=… (docs/operations.md)\n");
        return true;
    }
    snprintf(path, sizeof path, "%.900s/" STORE_FILE, job->to);
    return store_sqlite_copy(settings->store_url + 7, path, error) &&
           copy_listed(job, STORE_FILE, error);
}

static bool back_up(const struct settings *settings, struct copy_job *job, struct error *error)
{
    const struct window_redis_options window = { .url = settings->redis_window,
                                                 .password_file =
                                                     settings->redis_window_password_file };
    const bool here = strncmp(settings->redis_window, "unix:", 5) == 0;
    if (!here)
        printf("adit: redis.window is not on this machine: copy its append-only files there first "
               "(docs/operations.md)\n");
    if (here && !window_redis_copy_files(&window, copy_window, job, error))
        return false;
    return copy_rest(job, error) && copy_store(job, settings, error) &&
           folder_sync(job->to, error);
}

static int failed(const struct error *error, int code)
{
    fprintf(stderr, "adit: %s\n", error->text);
    return code;
}

static bool lies_in(const char *folder, const char *outer)
{
    char *inside = realpath(folder, NULL), *whole = realpath(outer, NULL);
    const size_t length = whole != NULL ? strlen(whole) : 0;
    const bool yes = inside != NULL && length > 0 && strncmp(inside, whole, length) == 0 &&
                     (inside[length] == '/' || inside[length] == '\0');
    free(inside);
    free(whole);
    return yes;
}

int command_backup(const struct options *options)
{
    char data_dir[80], list_path[1024], working[1024];
    struct settings settings;
    struct error error;
    if (options->rest_count != 1) {
        fprintf(stderr, "adit: adit backup FOLDER: a new folder for the copy\n");
        return 64;
    }
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, "1", &error))
        return failed(&error, 64);
    struct copy_job job = { .from = data_dir, .to = options->rest[0] };
    bool good = mkdir(job.to, 0700) == 0 || error_system(&error, errno, "%s", job.to);
    if (good && lies_in(job.to, data_dir)) {
        rmdir(job.to);
        good = error_set(&error, ERROR_INVALID, "%s lies in what is backed up", job.to);
    }
    snprintf(working, sizeof working, "%.900s/" COPY_LIST ".new", job.to);
    snprintf(list_path, sizeof list_path, "%.900s/" COPY_LIST, job.to);
    if (good) {
        job.list = fopen(working, "we");
        good = job.list != NULL || error_system(&error, errno, "%s", working);
    }
    good = good && back_up(&settings, &job, &error);
    if (job.list != NULL) {
        const bool written = fflush(job.list) == 0 && fsync(fileno(job.list)) == 0;
        fclose(job.list);
        if (good && (!written || rename(working, list_path) != 0))
            good = error_system(&error, errno, "%s", list_path);
        good = good && folder_sync(job.to, &error);
    }
    settings_deinit(&settings);
    if (!good)
        return failed(&error, 1);
    printf("adit: %" PRIu64 " files, %" PRIu64 " bytes in %s; `sha256sum -c " COPY_LIST
           "` there checks them\n",
           job.files, job.bytes, job.to);
    return 0;
}

static bool restore_one(void *context, const char *name, struct error *error)
{
    struct copy_job *job = context;
    char path[1024];
    snprintf(path, sizeof path, "%.500s", name);
    /* Folders on the way. */
    for (char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        char folder[1600];
        *at = '\0';
        snprintf(folder, sizeof folder, "%.500s/%.500s", job->to, path);
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return error_system(error, errno, "%s", folder);
        *at = '/';
    }
    return copy_tree(job, name, error);
}

/* Moves what was restored, payments paused in it, from the folder it was made in to where a pool
 * looks for it; the store last, so that nothing is paid from half of it. */
static bool put_in_place(const char *aside, const char *data_dir, struct error *error)
{
    for (int last = 0; last <= 1; last++) {
        DIR *folder = opendir(aside);
        if (folder == NULL)
            return error_system(error, errno, "%s", aside);
        bool good = true;
        for (const struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
            char from[400], to[400];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                (strcmp(entry->d_name, STORE_FILE) == 0) != last)
                continue;
            snprintf(from, sizeof from, "%.120s/%.255s", aside, entry->d_name);
            snprintf(to, sizeof to, "%.120s/%.255s", data_dir, entry->d_name);
            good = rename(from, to) == 0 || error_system(error, errno, "%s", to);
        }
        closedir(folder);
        if (!good)
            return false;
    }
    rmdir(aside);
    return folder_sync(data_dir, error);
}

/* A data folder that holds a pool's own things already. */
static bool is_empty(const char *data_dir, struct error *error)
{
    static const char *const ours[] = { "secret", STORE_FILE, WINDOW_FOLDER, ASIDE };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", data_dir, ours[i]);
        if (access(path, F_OK) == 0)
            return error_set(error, ERROR_REFUSED,
                             "%s is there: a backup is put only where no pool is yet; move the "
                             "folder aside",
                             path);
    }
    return true;
}

/* What was paid after the backup is not in it, and would be paid again: nothing is paid until a
 * person has looked. */
static bool pause_payout(const char *folder, struct error *error)
{
    static const struct store_collection *const switches[] = { &switch_collection };
    char path[200];
    snprintf(path, sizeof path, "%s/" STORE_FILE, folder);
    if (access(path, F_OK) != 0) {
        printf("adit: put back the MongoDB's own backup (mongorestore --oplogReplay), and start "
               "payout with payout.enabled false until what was paid since is known\n");
        return true;
    }
    struct store *store = store_sqlite_open(path, STORE_MS, error);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const bool good =
        store != NULL && store_declare(store, switches, 1, error) &&
        switch_turn(store, ENGINE_PAUSED, true, "adit restore",
                    "a backup was put back: payments made after it are not known here",
                    (uint64_t)now.tv_sec * 1000, error) == STORE_DONE;
    if (store != NULL)
        store_close(store);
    if (good)
        printf("adit: payments are paused: what was paid after the backup is not known here. Hold "
               "the wallet's payments against `adit payout status`, then `adit payout resume`\n");
    return good;
}

int command_restore(const struct options *options)
{
    char data_dir[80];
    struct error error;
    if (options->rest_count != 1) {
        fprintf(stderr, "adit: adit restore FOLDER: what adit backup made\n");
        return 64;
    }
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error))
        return failed(&error, 64);
    char aside[120];
    snprintf(aside, sizeof aside, "%s/" ASIDE, data_dir);
    struct copy_job job = { .from = options->rest[0], .to = aside };
    if (!is_empty(data_dir, &error) || !copy_check(job.from, NULL, NULL, &error))
        return failed(&error, 1);
    if ((mkdir(data_dir, 0700) != 0 && errno != EEXIST) || mkdir(aside, 0700) != 0) {
        (void)error_system(&error, errno, "%s", aside);
        return failed(&error, 1);
    }
    if (!copy_check(job.from, restore_one, &job, &error) || !pause_payout(aside, &error) ||
        !folder_sync(aside, &error) || !put_in_place(aside, data_dir, &error))
        return failed(&error, 1);
    printf("adit: %" PRIu64 " files, %" PRIu64 " bytes put into %s; start the pool, then "
           "./adit audit\n",
           job.files, job.bytes, data_dir);
    return 0;
}
