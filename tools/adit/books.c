#include "books.h"

#include <stdio.h>

#include "adapter/store_open/store_open.h"
#include "plan.h"

int books_open(const struct options *options, struct settings *settings_r, struct store **store_r)
{
    char data_dir[80];
    struct error error;
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(settings_r, plan_config(options, data_dir), data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    *store_r = store_open(settings_r->store_url, (unsigned)settings_r->store_timeout_ms, &error);
    if (*store_r == NULL) {
        fprintf(stderr, "adit: %s\n", error.text);
        settings_deinit(settings_r);
        return 1;
    }
    return 0;
}

void books_close(struct settings *settings, struct store *store)
{
    store_close(store);
    settings_deinit(settings);
}
