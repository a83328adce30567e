/* What the command line of `adit` said. Texts are borrowed from argv. */
#pragma once
#include "base/error.h"

struct options {
    const char *verb;
    bool demo;
    bool detach;
    bool json;
    bool rebuild;
    const char *token;    /* a file with one; NULL: none */
    const char *from;     /* a record to read; NULL: none */
    const char *to;       /* where to write one; NULL: nowhere */
    const char *config;   /* NULL: embedded defaults */
    const char *data_dir; /* "./data" unless given */
    char **rest;          /* what follows the options */
    int rest_count;
};

/* False with one sentence for an option that is not known or lacks its value. */
MUST_CHECK bool options_parse(int argc, char **argv, struct options *options, struct error *error);
