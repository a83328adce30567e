/* coin_rows OUT FILE...: the files of coin profiles as rows of a C table, so that what is built in
 * and what an operator may read and copy are the same data. Run by the build. */
#include "adapter/coin_file/coin_json.h"

#include <inttypes.h>
#include <stdio.h>

static void print_text(FILE *out, const char *member, const char *text)
{
    if (text != NULL)
        fprintf(out, "    .%s = \"%s\",\n", member, text);
}

static void print_row(FILE *out, const struct coin_profile *profile)
{
    static const char *const algorithms[] = {
#define X(name, value, text, shift) [name] = #name,
        POW_ALGORITHMS(X)
#undef X
    };
    fprintf(out, "{\n    .algorithm = %s,\n", algorithms[profile->algorithm]);
#define COIN_TEXT(member, shortest, longest, needed, what)                                         \
    print_text(out, #member, profile->member);
#define COIN_NUMBER(type, member, least, most, needed, what)                                       \
    fprintf(out, "    ." #member " = %" PRIu64 "u,\n", (uint64_t)profile->member);
#define COIN_FLAG(member, what)                                                                    \
    fprintf(out, "    ." #member " = %s,\n", profile->member ? "true" : "false");
#include "core/coin/fields.def"
#undef COIN_TEXT
#undef COIN_NUMBER
#undef COIN_FLAG
    fprintf(out, "    .gbt_rules = {");
    for (size_t i = 0; i < COIN_GBT_RULES_MAX; i++)
        if (profile->gbt_rules[i] != NULL)
            fprintf(out, " \"%s\",", profile->gbt_rules[i]);
        else
            fprintf(out, " NULL,");
    fprintf(out, " },\n},\n");
}

int main(int argc, char **argv)
{
    static struct coin_file file;
    struct error error;
    FILE *out = argc > 2 ? fopen(argv[1], "we") : NULL;
    if (out == NULL) {
        fprintf(stderr, "usage: coin_rows OUT FILE...\n");
        return 64;
    }
    for (int i = 2; i < argc; i++) {
        if (!coin_file_read(argv[i], &file, &error)) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        print_row(out, &file.profile);
    }
    return fclose(out) == 0 ? 0 : 1;
}
