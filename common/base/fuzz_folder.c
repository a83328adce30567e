/* Drives a fuzz harness without libFuzzer: every file of a folder, then random changes of them. */
#include "base/test_random.h"
#include "base/fuzz.h"

#include <dirent.h>

#ifndef __has_feature /* clang's; gcc has the macro below */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define RUNS 20000 /* each takes ten times as long */
#else
#define RUNS 100000
#endif

enum { FILES_MAX = 256, FILE_BYTES_MAX = 65536 };

static uint8_t *files[FILES_MAX];
static size_t sizes[FILES_MAX];
static unsigned files_count;

static void read_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && files_count < FILES_MAX;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        FILE *file = fopen(name, "rb");
        if (file == NULL)
            continue;
        files[files_count] = malloc(FILE_BYTES_MAX);
        sizes[files_count] = fread(files[files_count], 1, FILE_BYTES_MAX, file);
        files_count++;
        fclose(file);
    }
    closedir(folder);
}

/* Copies pieces of the corpus behind each other and changes a few bytes. */
static size_t mix(struct test_random *random, uint8_t *bytes_r)
{
    size_t used = 0;
    for (uint64_t pieces = 1 + test_random_below(random, 6); pieces > 0; pieces--) {
        unsigned file = (unsigned)test_random_below(random, files_count);
        size_t from = test_random_below(random, sizes[file] + 1);
        size_t length = test_random_below(random, sizes[file] - from + 1);
        if (used + length > FILE_BYTES_MAX)
            break;
        memcpy(bytes_r + used, files[file] + from, length);
        used += length;
    }
    for (uint64_t changes = test_random_below(random, 5); changes > 0 && used > 0; changes--)
        bytes_r[test_random_below(random, used)] = (uint8_t)test_random_u64(random);
    return used;
}

int main(int count, char **arguments)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    if (count > 1)
        read_folder(arguments[1]);
    if (files_count == 0) {
        printf("no corpus in %s\n", count > 1 ? arguments[1] : "(no folder given)");
        return 1;
    }
    for (unsigned i = 0; i < files_count; i++)
        (void)LLVMFuzzerTestOneInput(files[i], sizes[i]);
    struct test_random random = test_random_begin("fuzz");
    for (unsigned run = 0; run < RUNS; run++) {
        size_t size = mix(&random, bytes);
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, bytes, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    for (unsigned i = 0; i < files_count; i++)
        free(files[i]);
    return 0;
}
