#include "service/inside.h"

#include <unistd.h>

const char *const service_version = ADIT_VERSION;

static bool instance_good(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length <= 32 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               length;
}

/* `--instance @host`: where each process has a host name of its own, as containers have. Of a name
 * too long its end stays, because that is where orchestrators write what tells replicas apart. */
static const char *instance_of_host(char name_r[SERVICE_INSTANCE_BYTES])
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    host[strcspn(host, ".")] = '\0';
    size_t length = strlen(host);
    size_t skipped = length >= SERVICE_INSTANCE_BYTES ? length - (SERVICE_INSTANCE_BYTES - 1) : 0;
    memcpy(name_r, host + skipped, length - skipped + 1);
    return name_r;
}

bool arguments_parse(int argc, char **argv, struct service_arguments *arguments_r,
                     struct error *error)
{
    *arguments_r = (struct service_arguments){ .instance = "1" };
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } known[] = {
        { "--config", &arguments_r->config, NULL },
        { "--data", &arguments_r->data_dir, NULL },
        { "--instance", &arguments_r->instance, NULL },
        { "--check-config", NULL, &arguments_r->check_config },
        { "--example-config", NULL, &arguments_r->print_example },
        { "--help", NULL, &arguments_r->print_help },
        { "--version", NULL, &arguments_r->print_version },
    };
    for (int i = 1; i < argc; i++) {
        const size_t count = sizeof known / sizeof *known;
        size_t found = 0;
        size_t length = strcspn(argv[i], "=");
        while (found < count && (strlen(known[found].name) != length ||
                                 strncmp(known[found].name, argv[i], length) != 0))
            found++;
        if (found == count || (known[found].flag != NULL && argv[i][length] == '='))
            return error_set(error, ERROR_INVALID, "argument %.64s is not known; --help lists all",
                             argv[i]);
        if (known[found].flag != NULL)
            *known[found].flag = true;
        else if (argv[i][length] == '=')
            *known[found].value = argv[i] + length + 1;
        else if (i + 1 < argc)
            *known[found].value = argv[++i];
        else
            return error_set(error, ERROR_INVALID, "argument %s needs a value", argv[i]);
    }
    if (strcmp(arguments_r->instance, "@host") == 0)
        arguments_r->instance = instance_of_host(arguments_r->host_name);
    if (!instance_good(arguments_r->instance))
        return error_set(error, ERROR_INVALID,
                         "--instance \"%.40s\" must have 1 to 32 letters, digits, - or _",
                         arguments_r->instance);
    return true;
}

void arguments_print_help(const struct service_definition *definition)
{
    printf("%s %s, a process of the adit mining pool\n\n"
           "  --config FILE      the settings file (JSON); without one the defaults hold\n"
           "  --data DIR         the data folder, instead of service.data_dir\n"
           "  --instance NAME    which of several like processes this is (default 1);\n"
           "                     @host: this host's name\n"
           "  --check-config     read the settings, say whether they are good, and end\n"
           "  --example-config   print a settings file with every default, and end\n"
           "  --version          print the version, and end\n\n"
           "The settings of the suite:\n\n",
           definition->name, service_version);
    settings_print_explanation(stdout);
}
