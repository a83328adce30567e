/* The same world around a running service: the process `auth` on a store of its own (a SQLite file,
 * or, compiled with ON_MONGO, a MongoDB), asked over HTTP through Kore. Peers are told by
 * X-Forwarded-For, which it believes from here. The test looks into the same store beside it. */
#include "services/auth/testing/people_world.h"

#include "adapter/store_open/store_open.h"
#include "record/notice/notice_record.h"
#ifdef ON_MONGO
#include "tests/ferretdb/server.h"
#endif

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = UNTIL_PATIENCE_MS, LOG_BYTES = 1 << 20 };

static char url[700];
static pid_t service;
static int http_port, admin_port;

static const char *log_of_service(void)
{
    static char text[LOG_BYTES];
    char path[64];
    snprintf(path, sizeof path, "%s/log", f->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void run_service(void)
{
    char program[4096] = { 0 }, path[4200], log_path[64];
    const char *build = getenv("ADIT_BUILD");
    if (build != NULL) {
        snprintf(path, sizeof path, "%s/bin/auth", build);
    } else {
        assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
        *strrchr(program, '/') = '\0';
        snprintf(path, sizeof path, "%s/../bin/auth", program);
    }
    snprintf(log_path, sizeof log_path, "%s/log", f->folder);
    pid_t parent = getpid();
    service = fork();
    assert_true(service >= 0);
    if (service != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = open(log_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (getppid() != parent || log < 0)
        _exit(127);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    setenv("ADIT_STORE__URL", url, 1);
    setenv("ADIT_CHAIN__PROFILE", "bitcoin-regtest", 1);
    setenv("ADIT_AUTH__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    setenv("ADIT_AUTH__HTTP_ADDRESS", "127.0.0.1:0", 1);
    setenv("ADIT_AUTH__ARGON2_MEMORY_KIB", "8192", 1);
    setenv("ADIT_AUTH__ARGON2_PASSES", "1", 1);
    setenv("ADIT_AUTH__PROXIES", "127.0.0.1", 1);
    execl(path, path, "--data", f->folder, (char *)NULL);
    _exit(127);
}

static int port_of(const char *words)
{
    const char *at = strstr(log_of_service(), words);
    assert_non_null(at);
    return atoi(strchr(at + strlen(words), ':') + 1);
}

void start(void)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    run_service();
    while (strstr(log_of_service(), "service.ready") == NULL) {
        if (loop_clock_ns() > deadline_ns || waitpid(service, NULL, WNOHANG) != 0)
            fail_msg("not ready:\n%s", log_of_service());
        poll(NULL, 0, 5);
    }
    http_port = port_of("http.listen address=");
    admin_port = port_of("admin.listen address=");
}

void stop(void)
{
    int status = 0;
    if (service <= 0)
        return;
    kill(service, SIGTERM);
    assert_int_equal(waitpid(service, &status, 0), service);
    service = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the process ended by %d:\n%s", status, log_of_service());
}

void world_open(void)
{
    struct error error;
    char path[64];
    static const char secret[] =
        "0909000000000000000000000000000000000000000000000000000000000000\n"; /* people_test_key */
#ifdef ON_MONGO
    static struct mongo_server mongo; /* one for all tests, which ends with the program */
    static unsigned count;
    if (count == 0 && !mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        exit(77);
    }
    const char *options = strchr(mongo.url, '?');
    int head = options != NULL ? (int)(options - mongo.url) : (int)strlen(mongo.url);
    snprintf(url, sizeof url, "%.*s_%u%s", head, mongo.url, ++count,
             options != NULL ? options : "");
#else
    snprintf(url, sizeof url, "sqlite:%s/adit.db", f->folder);
#endif
    snprintf(path, sizeof path, "%s/secret", f->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, secret, sizeof secret - 1), sizeof secret - 1);
    close(fd);
    f->store = store_open(url, 10000, &error);
    if (f->store == NULL || !account_declare(f->store, &error) ||
        !access_declare(f->store, &error) || !notice_declare(f->store, &error))
        fail_msg("%s", error.text);
}

void world_close(void)
{
    char command[96];
    store_close(f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct http_exchange *exchange = context;
    size_t length = size * count;
    uint8_t *more = realloc(exchange->answer, exchange->answer_length + length + 1);
    assert_non_null(more);
    memcpy(more + exchange->answer_length, bytes, length);
    exchange->answer = more;
    exchange->answer_length += length;
    return length;
}

/* What the service says, not what Kore says for every answer. */
static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    static const char *const kore_s[] = { "server", "connection", "content-length",
                                          "date",   "keep-alive", "strict-transport-security" };
    struct http_exchange *exchange = context;
    size_t length = size * count, name = 0;
    while (name < length && bytes[name] != ':')
        name++;
    if (name == length || exchange->answer_header_count == EXCHANGE_ANSWER_HEADERS_MAX)
        return length;
    for (size_t i = 0; i < sizeof kore_s / sizeof *kore_s; i++)
        if (strlen(kore_s[i]) == name && strncasecmp(bytes, kore_s[i], name) == 0)
            return length;
    size_t from = name + 1, end = length;
    while (from < end && bytes[from] == ' ')
        from++;
    while (end > from && (bytes[end - 1] == '\r' || bytes[end - 1] == '\n'))
        end--;
    char *value = strndup(bytes + from, end - from);
    if (name == 12 && strncasecmp(bytes, "content-type", name) == 0) {
        exchange->content_type = value;
        return length;
    }
    exchange->answer_headers[exchange->answer_header_count++] =
        (struct exchange_header){ strndup(bytes, name), value };
    return length;
}

static void ask(struct http_exchange *exchange, struct span body, const struct header *headers)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };
    char address[400], line[TOKEN_TEXT_BYTES + 64], trouble[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    snprintf(line, sizeof line, "X-Forwarded-For: %s", exchange->peer);
    list = curl_slist_append(list, line);
    bool typed = false;
    for (; headers->name != NULL; headers++) {
        typed = typed || strcasecmp(headers->name, "content-type") == 0;
        snprintf(line, sizeof line, "%s: %s", headers->name, headers->value);
        list = curl_slist_append(list, line);
    }
    if (!typed)
        list = curl_slist_append(list, "Content-Type:");
    snprintf(address, sizeof address, "http://127.0.0.1:%d%s%s%s", http_port, exchange->path,
             exchange->query != NULL ? "?" : "", exchange->query != NULL ? exchange->query : "");
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, methods[exchange->method]);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)DEADLINE_MS);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, trouble);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    if (body.length > 0 || exchange->method == EXCHANGE_POST) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.length > 0 ? (const char *)body.data : "");
    }
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    /* A server may refuse a long body before all of it was sent. */
    if (status == 0)
        fail_msg("%s: %d %s\n%s", exchange->path, (int)result, trouble, log_of_service());
    exchange->status = (int)status;
}

void world_ask(struct http_exchange *exchange, struct span body, const struct header *headers)
{
    if (body.length > 0)
        memcpy(exchange_body(exchange, body.length), body.data, body.length);
    ask(exchange, body, headers);
    f->answered++;
}

uint64_t metric_of(const char *line)
{
    static const struct header none[] = { { NULL, NULL } };
    struct http_exchange *exchange =
        exchange_create(&f->site, EXCHANGE_GET, "/metrics", NULL, "10.0.0.1");
    int port = http_port;
    http_port = admin_port;
    ask(exchange, span_of(NULL, 0), none);
    http_port = port;
    exchange->answer[exchange->answer_length] = '\0'; /* on_bytes leaves room */
    const char *at = strstr((const char *)exchange->answer, line);
    if (at == NULL)
        fail_msg("no %s in %s", line, (const char *)exchange->answer);
    uint64_t value = strtoull(at + strlen(line), NULL, 10);
    exchange_free(exchange);
    return value;
}
