/* The real main.c, whose window is the liar's (lying_window.c). */
#include "adapter/window_redis/window_redis.h"

struct window_writer *lying_window_open(struct loop *loop,
                                        const struct window_redis_options *options,
                                        struct error *error);
#define window_redis_writer_open lying_window_open
#include "../main.c"
