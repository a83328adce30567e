/* The world in one process: requests go straight to their handlers, on a store in memory that fails
 * on command. */
#include "services/auth/testing/people_world.h"

#include "record/notice/notice_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct store *open_store(void *context, struct error *error)
{
    (void)context;
    (void)error;
    return store_fake_share(f->store);
}

static void on_store(void *context, const char *reason)
{
    (void)context;
    f->away = reason != NULL;
}

static void on_letters(void *context, const char *reason)
{
    (void)context;
    f->letters_away = reason != NULL;
}

static void on_notices(void *context, const char *reason)
{
    (void)context;
    f->notices_away = reason != NULL;
}

static void on_answered(struct http_exchange *exchange)
{
    assert_true(exchange->status != 0);
    f->answered++;
}

void start(void)
{
    struct error error;
    const struct people_options options = { .loop = f->loop,
                                            .metrics = f->metrics,
                                            .settings = &f->settings,
                                            .coin = coin_profile_find(span_text("bitcoin-regtest")),
                                            .key = &people_test_key,
                                            .open_store = open_store,
                                            .on_store = on_store,
                                            .on_letters = on_letters,
                                            .on_notices = on_notices };
    f->people = people_create(&options, &error);
    if (f->people == NULL)
        fail_msg("%s", error.text);
    f->site = (struct http_site){ .routes = people_routes,
                                  .context = f->people,
                                  .guard = people_guard,
                                  .answered = on_answered };
}

void stop(void)
{
    people_destroy(f->people);
    f->people = NULL;
}

void world_open(void)
{
    struct error error;
    f->store = store_fake_create();
    assert_true(account_declare(f->store, &error) && access_declare(f->store, &error) &&
                notice_declare(f->store, &error));
}

void world_close(void)
{
    char path[64];
    store_close(f->store);
    forget_letters();
    snprintf(path, sizeof path, "%s/mail", f->folder);
    (void)rmdir(path);
    snprintf(path, sizeof path, "%s/auth.key", f->folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/auth.pub", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(f->folder), 0);
}

void world_ask(struct http_exchange *exchange, struct span body, const struct header *headers)
{
    for (; headers->name != NULL; headers++)
        exchange_add_header(exchange, headers->name, headers->value);
    if (body.length > 0)
        memcpy(exchange_body(exchange, body.length), body.data, body.length);
    exchange_dispatch(&exchange->task);
}

uint64_t metric_of(const char *line)
{
    static char text[65536];
    size_t length = metrics_print(f->metrics, text, sizeof text);
    assert_true(length > 0);
    const char *at = strstr(text, line);
    if (at == NULL)
        fail_msg("no %s in %s", line, text);
    return strtoull(at + strlen(line), NULL, 10);
}
