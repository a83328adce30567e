/* The fake passes the suite of the window, and fails as it is told. */
#include "adapter/window_fake/window_fake.h"
#include "port/suite/window/window_suite.h"

#include <stdlib.h>

static struct window_writer *open_writer(void *context, unsigned outstanding_max)
{
    return window_fake_writer(context, outstanding_max);
}

static struct window_reader *open_reader(void *context)
{
    return window_fake_reader(context);
}

static void clear(void *context)
{
    window_fake_delay(context, 0);
    window_fake_trouble(context, WINDOW_FAKE_WELL, 0);
    window_fake_clear(context);
}

static void crash(void *context)
{
    static unsigned turn;
    static const enum window_fake_trouble troubles[] = { WINDOW_FAKE_LOSES_ANSWER,
                                                         WINDOW_FAKE_LOSES_REQUEST,
                                                         WINDOW_FAKE_UNAVAILABLE };
    window_fake_trouble(context, troubles[turn++ % 3], 20);
    window_fake_delay(context, turn % 2 * 2);
}

int main(void)
{
    struct error error;
    struct loop *loop = loop_create(&error);
    struct window_fake *fake = loop != NULL ? window_fake_create(loop) : NULL;
    if (fake == NULL)
        return 1;
    const struct window_suite suite = { .name = "window_fake",
                                        .loop = loop,
                                        .context = fake,
                                        .open_writer = open_writer,
                                        .open_reader = open_reader,
                                        .clear = clear,
                                        .crash = crash,
                                        .crashes = 12 };
    int result = window_suite_main(&suite);
    window_fake_destroy(fake);
    loop_destroy(loop);
    return result;
}
