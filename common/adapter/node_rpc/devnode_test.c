/* The adapter against devnode, a node that really checks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/node_rpc.h"
#include "adapter/node_fake/node_suite.h"

#include <curl/curl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MATURITY = 3 };

struct fixture {
    char folder[64];
    char url[128];
    pid_t pid;
};

static bool read_endpoint(struct fixture *f)
{
    char path[96];
    char endpoint[96] = "";
    snprintf(path, sizeof path, "%s/endpoint", f->folder);
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(endpoint, sizeof endpoint, file) != NULL;
    if (file != NULL)
        fclose(file);
    endpoint[strcspn(endpoint, "\r\n")] = '\0';
    snprintf(f->url, sizeof f->url, "http://%s", endpoint);
    return read;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    char *text = context;
    strncat(text, data, size * count < 3000 - strlen(text) ? size * count : 0);
    return size * count;
}

/* A call the port does not have, for the set-up alone; its result must be a text. */
static void ask_text(struct fixture *f, const char *body, char *text_r, size_t bytes)
{
    char reply[4096] = "";
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, f->url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_cleanup(curl);
    json_error_t trouble;
    json_t *answer = json_loads(reply, 0, &trouble);
    const char *result = json_string_value(json_object_get(answer, "result"));
    snprintf(text_r, bytes, "%s", result != NULL ? result : "");
    json_decref(answer);
}

static void new_address(struct node_suite *suite, char address_r[ADDRESS_TEXT_BYTES])
{
    ask_text(suite->context, "{\"id\":1,\"method\":\"getnewaddress\",\"params\":[]}", address_r,
             ADDRESS_TEXT_BYTES);
}

static void fund(struct node_suite *suite)
{
    uint8_t id[32];
    for (int i = 0; i < MATURITY + 1; i++)
        node_suite_mine(suite, id);
}

static void open_node(struct node_suite *suite)
{
    const char *build = getenv("ADIT_BUILD");
    char program[4096];
    struct fixture *f = calloc(1, sizeof *f);
    struct error error;
    snprintf(program, sizeof program, "%s/bin/devnode", build != NULL ? build : ".");
    snprintf(f->folder, sizeof f->folder, "/tmp/adit-node-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->pid = fork();
    if (f->pid == 0) {
        execl(program, program, "--listen", "127.0.0.1:0", "--data", f->folder, "--algorithm",
              "sha256d", "--initial-bits", "207fffff", "--fixed-bits", "--maturity", "3",
              "--die-with-parent", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 6000 && !read_endpoint(f); i++) {
        struct timespec pause = { .tv_nsec = 10000000 };
        nanosleep(&pause, NULL);
    }
    suite->context = f;
    suite->coin = coin_profile_find(span_text("devnet-sha256d"));
    suite->node =
        node_rpc_open(&(struct node_rpc_options){ .url = f->url, .coin = suite->coin }, &error);
    suite->checks_work = true;
    suite->fund = fund;
    suite->new_address = new_address;
    new_address(suite, suite->address);
    assert_int_equal(address_parse(suite->coin, span_text(suite->address), &suite->script, NULL),
                     ADDRESS_OK);
}

static void close_node(struct node_suite *suite)
{
    struct fixture *f = suite->context;
    char command[128];
    node_close(suite->node);
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int ignored = system(command);
    (void)ignored;
    free(f);
}

int main(void)
{
    char program[4096];
    const char *build = getenv("ADIT_BUILD");
    snprintf(program, sizeof program, "%s/bin/devnode", build != NULL ? build : ".");
    if (access(program, X_OK) != 0) {
        printf("SKIPPED: %s is not built\n", program);
        return 77;
    }
    return node_suite_run("devnode", open_node, close_node);
}
