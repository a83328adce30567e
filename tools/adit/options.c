#include "options.h"

#include <string.h>

static bool value_of(int argc, char **argv, int *at, const char **value_r, struct error *error)
{
    if (*at + 1 >= argc)
        return error_set(error, ERROR_INVALID, "%s needs a value", argv[*at]);
    *at += 1;
    *value_r = argv[*at];
    return true;
}

bool options_parse(int argc, char **argv, struct options *options, struct error *error)
{
    *options = (struct options){ .verb = argc > 1 ? argv[1] : "help", .data_dir = ADIT_DATA_DIR };
    int at = 2;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--demo") == 0) {
            options->demo = true;
        } else if (strcmp(argv[at], "--detach") == 0) {
            options->detach = true;
        } else if (strcmp(argv[at], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[at], "--rebuild") == 0) {
            options->rebuild = true;
        } else if (strcmp(argv[at], "--from") == 0) {
            if (!value_of(argc, argv, &at, &options->from, error))
                return false;
        } else if (strcmp(argv[at], "--to") == 0) {
            if (!value_of(argc, argv, &at, &options->to, error))
                return false;
        } else if (strcmp(argv[at], "--token") == 0) {
            if (!value_of(argc, argv, &at, &options->token, error))
                return false;
        } else if (strcmp(argv[at], "--config") == 0) {
            if (!value_of(argc, argv, &at, &options->config, error))
                return false;
        } else if (strcmp(argv[at], "--data") == 0) {
            if (!value_of(argc, argv, &at, &options->data_dir, error))
                return false;
        } else {
            return error_set(error, ERROR_INVALID,
                             "%s is not an option of adit %s: see ./adit help", argv[at],
                             options->verb);
        }
    }
    options->rest = argv + at;
    options->rest_count = argc - at;
    return true;
}
