/* The process itself, as people, gateways and a supervisor meet it: HTTP by libcurl, the bus by
 * nng, its store a SQLite file or, compiled with ON_MONGO, a MongoDB; its deaths and its exit
 * codes. Everything stands in a private folder on free ports, and dies with the test. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_nng/bus_nng.h"
#include "adapter/store_open/store_open.h"
#include "adapter/token_sodium/token.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "core/identity/identity.h"
#include "loop/testing/until.h"
#include "service/token_source/token_source.h"
#ifdef ON_MONGO
#include "tests/ferretdb/server.h"
#endif
#include "wire/messages.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = UNTIL_PATIENCE_MS, ANSWER_BYTES = 65536 };
#define ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define PASSWORD "correct horse battery"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GERTRUDE                                                                                   \
    "{\"name\":\"gertrude\",\"email\":\"gertrude@example.org\",\"password\":\"" PASSWORD           \
    "\",\"payout_address\":\"" ADDRESS "\"}"
#define LOGIN(name, password) "{\"name\":\"" name "\",\"password\":\"" password "\"}"

static struct fixture {
    char folder[64], log_path[96], program[4096];
    pid_t pid;
    int http_port, admin_port;
    struct loop *loop;
    struct bus *bus;
    struct bus_client *client;
    bool up;
    /* the last answer to a miner */
    bool answered;
    enum bus_outcome how;
    uint8_t outcome;
    uint64_t account, worker;
    /* the last answer to a person */
    char answer[ANSWER_BYTES];
    size_t answer_bytes;
    json_t *document;
} * f;

#ifdef ON_MONGO
static struct mongo_server mongo;

/* A database of each test's own. */
static void choose_store(void)
{
    static unsigned count;
    char url[600];
    const char *options = strchr(mongo.url, '?');
    int head = options != NULL ? (int)(options - mongo.url) : (int)strlen(mongo.url);
    snprintf(url, sizeof url, "%.*s_%u%s", head, mongo.url, ++count,
             options != NULL ? options : "");
    setenv("ADIT_STORE__URL", url, 1);
}
#else
static void choose_store(void)
{
}
#endif

static const char *log_text(void)
{
    static char text[1 << 20];
    int fd = open(f->log_path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* With one more setting ("ADIT_…=value") or NULL; the log begins anew. */
static void spawn(const char *variable)
{
    int log = open(f->log_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    pid_t parent = getpid();
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        setenv("ADIT_AUTH__ADMIN_ADDRESS", "127.0.0.1:0", 1);
        setenv("ADIT_AUTH__HTTP_ADDRESS", "127.0.0.1:0", 1);
        setenv("ADIT_AUTH__ARGON2_MEMORY_KIB", "8192", 1);
        setenv("ADIT_AUTH__ARGON2_PASSES", "1", 1);
        setenv("ADIT_STARTUP__DEADLINE_S", "0", 1);
        if (variable != NULL)
            putenv(strdup(variable));
        execl(f->program, f->program, "--data", f->folder, (char *)NULL);
        _exit(127);
    }
    close(log);
}

static int port_after(const char *words)
{
    const char *at = strstr(log_text(), words);
    return at != NULL ? atoi(strchr(at + strlen(words), ':') + 1) : 0;
}

/* The exit code, or 1000 + the signal. */
static int wait_for_end(void)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    int status;
    while (waitpid(f->pid, &status, WNOHANG) == 0) {
        if (loop_clock_ns() > deadline_ns) {
            kill(f->pid, SIGKILL);
            waitpid(f->pid, &status, 0);
            f->pid = 0;
            fail_msg("the process did not end:\n%s", log_text());
        }
        poll(NULL, 0, 5);
    }
    f->pid = 0;
    if (strstr(log_text(), "Sanitizer:") != NULL)
        fail_msg("%s", log_text());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void start_ready(const char *variable)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    spawn(variable);
    while (strstr(log_text(), "service.ready") == NULL) {
        if (loop_clock_ns() > deadline_ns)
            fail_msg("not ready:\n%s", log_text());
        poll(NULL, 0, 5);
    }
    f->http_port = port_after("http.listen address=");
    f->admin_port = port_after("admin.listen address=");
}

static int stop(int signal_number)
{
    kill(f->pid, signal_number);
    return wait_for_end();
}

static void on_up(void *context)
{
    ((struct fixture *)context)->up = true;
}

static void on_down(void *context)
{
    ((struct fixture *)context)->up = false;
}

static int setup(void **state)
{
    struct error error;
    char path[128], url[128], self[4096] = { 0 };
    const char *build = getenv("ADIT_BUILD");
    (void)state;
    choose_store();
    f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/adit-auth-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    if (build == NULL) {
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        *strrchr(self, '/') = '\0';
        snprintf(f->program, sizeof f->program, "%.3000s/../bin/auth", self);
    } else {
        snprintf(f->program, sizeof f->program, "%.3000s/bin/auth", build);
    }
    snprintf(f->log_path, sizeof f->log_path, "%s/log", f->folder);
    snprintf(path, sizeof path, "%s/secret", f->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, SECRET "\n", 65), 65);
    close(fd);
    f->loop = loop_create(&error);
    f->bus = bus_nng_create(f->loop, &error);
    assert_non_null(f->bus);
    snprintf(url, sizeof url, "ipc://%s/run/auth.rep", f->folder);
    snprintf(path, sizeof path, "%s/run", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    const struct bus_client_options options = { .in_flight_max = 16,
                                                .message_bytes_max = 4096,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = f };
    f->client = bus_connect(f->bus, url, &options, &error);
    assert_non_null(f->client);
    return 0;
}

static void remove_folder(const char *folder)
{
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        char path[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (unlink(path) != 0)
            remove_folder(path);
    }
    if (open_folder != NULL)
        closedir(open_folder);
    (void)rmdir(folder);
}

static int teardown(void **state)
{
    (void)state;
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    bus_client_close(f->client);
    bus_destroy(f->bus);
    loop_destroy(f->loop);
    json_decref(f->document);
    remove_folder(f->folder);
    free(f);
    return 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    (void)context;
    size_t length = size * count;
    if (f->answer_bytes + length >= sizeof f->answer)
        return 0;
    memcpy(f->answer + f->answer_bytes, bytes, length);
    f->answer_bytes += length;
    f->answer[f->answer_bytes] = '\0';
    return length;
}

/* The status; the answer stands in f, as a document too where it is JSON. */
static int http(int port, const char *method, const char *path, struct span body,
                const char *authorization)
{
    char url[256], header[TOKEN_TEXT_BYTES + 32], trouble[CURL_ERROR_SIZE] = "";
    long status = 0;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = curl_easy_init();
    if (authorization != NULL) {
        snprintf(header, sizeof header, "Authorization: %s", authorization);
        headers = curl_slist_append(headers, header);
    }
    headers = curl_slist_append(headers, "Expect:");
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    f->answer_bytes = 0;
    f->answer[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)DEADLINE_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, trouble);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    if (body.data != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body.data);
    }
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    /* A server may refuse a long body before all of it was sent. */
    if (result != CURLE_OK && status == 0)
        fail_msg("%s %s: %s\n%s", method, path, trouble, log_text());
    json_decref(f->document);
    f->document = json_loads(f->answer, 0, NULL);
    return (int)status;
}

static int post(const char *path, const char *body)
{
    return http(f->http_port, "POST", path, span_text(body), NULL);
}

static int get(const char *path, const char *authorization)
{
    return http(f->http_port, "GET", path, span_of(NULL, 0), authorization);
}

static const char *text_of(const char *name)
{
    const char *text = json_string_value(json_object_get(f->document, name));
    return text != NULL ? text : "";
}

static void on_reply(void *context, enum bus_outcome how, struct span message)
{
    struct wire_authorise_reply reply;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    (void)context;
    f->answered = true;
    f->how = how;
    if (how != BUS_REPLIED)
        return;
    assert_true(wire_decode_authorise_reply(message, &arena, &reply, &error));
    f->outcome = reply.outcome;
    f->account = reply.account;
    f->worker = reply.worker;
}

#define UNTIL(condition) LOOP_UNTIL(f->loop, condition, log_text())

/* What auth says of a miner; asks again while it cannot say. */
static int authorise(const char *user)
{
    const struct wire_authorise_request request = { .user = user, .password = "x", .peer = "p" };
    uint8_t message[1024];
    size_t length = wire_encode_authorise_request(&request, message, sizeof message);
    do {
        UNTIL(f->up);
        f->answered = false;
        f->how = BUS_GONE;
        if (bus_request(f->client, span_of(message, length), 2000, on_reply, NULL))
            UNTIL(f->answered);
    } while (f->how != BUS_REPLIED || f->outcome == WIRE_AUTHORISE_UNAVAILABLE);
    return f->outcome;
}

static void expect_ids_of(const char *user)
{
    struct identity_key key;
    struct identity_name name;
    struct identity_account account;
    assert_true(hex_decode(SECRET, 64, key.bytes, sizeof key.bytes));
    assert_int_equal(identity_split(span_text(user), &name), IDENTITY_OK);
    assert_int_equal(identity_resolve(coin_profile_find(span_text("devnet-blake2s")), name.account,
                                      &account, NULL),
                     IDENTITY_OK);
    assert_int_equal(f->account, identity_account_id(&key, &account));
    assert_int_equal(f->worker, identity_worker_id(&key, f->account, name.worker));
}

static void people_register_log_in_and_are_known_to_gateways_also_after_a_death(void **state)
{
    (void)state;
    char authorization[TOKEN_TEXT_BYTES], id[32], first_keys[2048];
    start_ready(NULL);
    assert_int_equal(authorise("gertrude.rig"), WIRE_AUTHORISE_NO);
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    snprintf(first_keys, sizeof first_keys, "%.2047s", f->answer);
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_string_equal(f->answer, first_keys); /* no word of its being taken now */
    assert_int_equal(authorise("gertrude.rig"), WIRE_AUTHORISE_YES);
    expect_ids_of("gertrude.rig");
    assert_int_equal(authorise(ADDRESS ".rig"), WIRE_AUTHORISE_YES);
    expect_ids_of(ADDRESS ".rig");
    assert_int_equal(authorise("bcrt1abc"), WIRE_AUTHORISE_NO);
    assert_int_equal(authorise(""), WIRE_AUTHORISE_NO); /* whether it is there */
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
    assert_int_equal(get("/.well-known/jwks.json", NULL), 200);
    snprintf(first_keys, sizeof first_keys, "%.2047s", f->answer);
    assert_int_equal(get("/api/v1/me", authorization), 200);
    snprintf(id, sizeof id, "%s", text_of("id"));
    assert_int_equal(stop(SIGKILL), 1000 + SIGKILL);
    start_ready(NULL);
    assert_int_equal(get("/api/v1/me", authorization), 200);
    assert_string_equal(text_of("id"), id);
    assert_string_equal(text_of("payout_address"), ADDRESS);
    assert_int_equal(get("/.well-known/jwks.json", NULL), 200);
    assert_string_equal(f->answer, first_keys);
    assert_int_equal(authorise("gertrude.rig"), WIRE_AUTHORISE_YES);
    expect_ids_of("gertrude.rig");
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    assert_int_equal(stop(SIGTERM), 0);
    assert_null(strstr(log_text(), " error "));
}

static void wrong_and_unknown_are_answered_alike(void **state)
{
    (void)state;
    char first[512];
    start_ready(NULL);
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
    snprintf(first, sizeof first, "%.511s", f->answer);
    assert_int_equal(post("/api/v1/login", LOGIN("nobody", "wrong")), 401);
    assert_string_equal(f->answer, first);
    assert_int_equal(stop(SIGTERM), 0);
}

static void what_is_no_request_is_refused_and_the_process_goes_on(void **state)
{
    (void)state;
    static char long_body[80000];
    static const struct {
        const char *body;
        int status;
        const char *field;
    } cases[] = {
        { "not json", 400, "body" },
        { "[1,2]", 400, "body" },
        { "{\"name\":\"a\"", 400, "body" },
        { LOGIN("a", "b") LOGIN("a", "b"), 400, "body" },
        { "{\"name\":\"a\",\"name\":\"b\",\"password\":\"c\"}", 400, "name" },
        { "{\"name\":\"a\",\"password\":\"b\",\"more\":1}", 400, "more" },
        { "{\"name\":\"a\"}", 400, "password" },
        { "{\"name\":1,\"password\":\"b\"}", 400, "name" },
        { "{\"name\":\"a\",\"password\":\"\xc3\"}", 400, "body" },
    };
    start_ready(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = post("/api/v1/login", cases[i].body);
        if (status != cases[i].status || strcmp(text_of("field"), cases[i].field) != 0)
            fail_msg("%s: %d %s", cases[i].body, status, f->answer);
    }
    memset(long_body, 'x', sizeof long_body - 1);
    assert_int_equal(http(f->http_port, "POST", "/api/v1/login", span_of(long_body, 20000), NULL),
                     413);
    assert_int_equal(
        http(f->http_port, "POST", "/api/v1/login", span_of(long_body, sizeof long_body - 1), NULL),
        413);
    memset(long_body, '[', 16000);
    assert_int_equal(http(f->http_port, "POST", "/api/v1/login", span_of(long_body, 16000), NULL),
                     400);
    assert_int_equal(get("/api/v1/login", NULL), 405);
    assert_int_equal(get("/api/v1/accounts", NULL), 404);
    assert_int_equal(get("/api/v1/me", NULL), 401);
    assert_int_equal(get("/api/v1/me", "Bearer a.b.c"), 401);
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(stop(SIGTERM), 0);
}

static void nothing_secret_is_written_anywhere(void **state)
{
    (void)state;
    char token[TOKEN_TEXT_BYTES], authorization[TOKEN_TEXT_BYTES + 16];
    start_ready("ADIT_SERVICE__LOG_LEVEL=debug");
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "hunter22")), 401);
    assert_int_equal(post("/api/v1/login", "{\"name\":\"gertrude\",\"password\":\"hunter22\" x"),
                     400);
    assert_null(strstr(f->answer, "hunter22"));
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(token, sizeof token, "%s", text_of("access_token"));
    snprintf(authorization, sizeof authorization, "Bearer %s", token);
    assert_int_equal(get("/api/v1/me", authorization), 200);
    assert_int_equal(http(f->admin_port, "GET", "/metrics", span_of(NULL, 0), NULL), 200);
    assert_non_null(strstr(f->answer, "adit_auth_logins_total{outcome=\"ok\"} 1"));
    assert_int_equal(stop(SIGTERM), 0);
    static const char *const files[] = { "log", "adit.db", "adit.db-wal" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        static char bytes[1 << 20];
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->folder, files[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd >= 0 ? read(fd, bytes, sizeof bytes) : 0;
        if (fd >= 0)
            close(fd);
        size_t length = got > 0 ? (size_t)got : 0;
        assert_null(memmem(bytes, length, PASSWORD, strlen(PASSWORD)));
        assert_null(memmem(bytes, length, "hunter22", 8));
        assert_null(memmem(bytes, length, token, strlen(token)));
        assert_null(memmem(bytes, length, SECRET, 64));
    }
}

static void a_start_that_cannot_be_ends_with_its_code_and_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        int code;
        const char *words;
    } cases[] = {
        { "ADIT_STORE__URL=sqlite:/nowhere/at/all/adit.db", 1, "the store" },
        { "ADIT_STORE__URL=mysql://root:secret@host/db", 64, "sqlite:/path" },
        { "ADIT_CHAIN__PROFILE=goldcoin", 64, "chain.profile" },
        { "ADIT_SERVICE__SECRET_FILE=/nowhere/secret", 64, "service.secret_file" },
        { "ADIT_AUTH__TOKEN_MINUTES=0", 64, "token_minutes" },
        { "ADIT_AUTH__PROXIES=10.0.0.1/8", 64, "auth.proxies" },
        { "ADIT_AUTH__MAIL=mail.example.org", 64, "auth.mail" },
        { "ADIT_AUTH__LISTEN=ipc:///nowhere/at/all/auth.rep", 65, "/nowhere/at/all/auth.rep" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spawn(cases[i].variable);
        int code = wait_for_end();
        if (code != cases[i].code || strstr(log_text(), cases[i].words) == NULL)
            fail_msg("%s: %d\n%s", cases[i].variable, code, log_text());
        assert_null(strstr(log_text(), "root:secret"));
    }
    char path[128];
    snprintf(path, sizeof path, "%s/auth.key", f->folder);
    (void)unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "broken\n", 7), 7);
    close(fd);
    spawn(NULL);
    assert_int_equal(wait_for_end(), 64);
    assert_non_null(strstr(log_text(), "auth.key"));
}

/* Runs adit with these words; its exit code. */
static int adit(const char *verb, const char *word, const char *more)
{
    char program[4096];
    int status;
    snprintf(program, sizeof program, "%.4080s", f->program);
    strcpy(strrchr(program, '/') + 1, "adit");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execl(program, program, verb, "--data", f->folder, word, more, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static size_t keys_listed(void)
{
    assert_int_equal(get("/.well-known/jwks.json", NULL), 200);
    return json_array_size(json_object_get(f->document, "keys"));
}

/* Asks until the process knows so many keys. */
static void wait_for_keys(size_t count)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    while (keys_listed() != count) {
        if (loop_clock_ns() > deadline_ns)
            fail_msg("not %zu keys: %s", count, f->answer);
        poll(NULL, 0, 50);
    }
}

static void two_of_one_folder_act_as_one(void **state)
{
    (void)state;
    char authorization[TOKEN_TEXT_BYTES], refresh[256], next[256], listen[160];
    start_ready(NULL);
    pid_t first = f->pid;
    snprintf(listen, sizeof listen, "ADIT_AUTH__LISTEN=ipc://%s/run/auth-2.rep", f->folder);
    int first_port = f->http_port;
    start_ready(listen);
    int second_port = f->http_port;
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
    snprintf(refresh, sizeof refresh, "{\"refresh_token\":\"%s\"}", text_of("refresh_token"));
    f->http_port = first_port;
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(get("/api/v1/me", authorization), 200);
    assert_int_equal(post("/api/v1/auth/refresh", refresh), 200);
    snprintf(next, sizeof next, "{\"refresh_token\":\"%s\"}", text_of("refresh_token"));
    f->http_port = second_port;
    assert_int_equal(post("/api/v1/auth/refresh", refresh), 401); /* used at the other */
    f->http_port = first_port;
    assert_int_equal(post("/api/v1/auth/refresh", next), 401);
    assert_int_equal(get("/api/v1/me", authorization), 401);
    /* A new key is known to both before it signs; a stolen one is known to neither any more. */
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
    assert_int_equal(adit("auth", "rotate-key", NULL), 0);
    for (int i = 0; i < 2; i++) {
        f->http_port = i == 0 ? first_port : second_port;
        wait_for_keys(2);
        assert_int_equal(get("/api/v1/me", authorization), 200);
    }
    assert_int_equal(adit("auth", "rotate-key", "stolen"), 0);
    for (int i = 0; i < 2; i++) {
        f->http_port = i == 0 ? first_port : second_port;
        wait_for_keys(1);
        assert_int_equal(get("/api/v1/me", authorization), 401);
    }
    assert_int_equal(stop(SIGTERM), 0);
    f->pid = first;
    assert_int_equal(stop(SIGTERM), 0);
}

/* Asks as another process would, with the store and the deployment's secret, until it says so. */
static void wait_for_verdict(const char *secret, const char *token, enum token_outcome wanted)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    char url[160];
    struct error error = { .text = "" };
    struct identity_key key;
    struct token_verifier verifier;
    struct token_claims claims;
    struct token_source source = { .secret = &key };
    assert_true(hex_decode(secret, strlen(secret), key.bytes, sizeof key.bytes));
    const char *chosen = getenv("ADIT_STORE__URL");
    snprintf(url, sizeof url, "sqlite:%s/adit.db", f->folder);
    struct store *store = store_open(chosen != NULL ? chosen : url, 10000, &error);
    if (store == NULL || !token_source_declare(store, &error))
        fail_msg("%s", error.text);
    for (;;) {
        uint64_t now_s = loop_unix_ms() / 1000;
        if (token_source_read(&source, store, now_s, &verifier, &error) &&
            token_verify(&verifier, span_text(token), now_s, &claims) == wanted)
            break;
        if (loop_clock_ns() > deadline_ns)
            fail_msg("other processes do not say \"%s\": %s", token_outcome_text(wanted),
                     error.text);
        poll(NULL, 0, 20);
    }
    store_close(store);
}

static void other_processes_know_its_keys_by_the_store_through_rotations(void **state)
{
    (void)state;
    char token[TOKEN_TEXT_BYTES], path[160], old[256] = "";
    start_ready(NULL);
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(token, sizeof token, "%s", text_of("access_token"));
    wait_for_verdict(SECRET, token, TOKEN_OK);
    assert_int_equal(adit("auth", "rotate-key", NULL), 0);
    wait_for_keys(2);
    wait_for_verdict(SECRET, token, TOKEN_OK);
    snprintf(path, sizeof path, "%s/auth.key", f->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    old[fread(old, 1, sizeof old - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(adit("auth", "rotate-key", "stolen"), 0);
    wait_for_verdict(SECRET, token, TOKEN_UNKNOWN_KEY);
    /* An instance whose file is the one of before signs for itself alone, and says so. */
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(old, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    while (strstr(log_text(), "auth.keys_behind") == NULL && loop_clock_ns() < deadline_ns)
        poll(NULL, 0, 20);
    assert_non_null(strstr(log_text(), "auth.keys_behind"));
    wait_for_verdict(SECRET, token, TOKEN_UNKNOWN_KEY);
    /* The operator's remedy. */
    assert_int_equal(adit("auth", "rotate-key", "stolen"), 0);
    wait_for_keys(1);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(token, sizeof token, "%s", text_of("access_token"));
    wait_for_verdict(SECRET, token, TOKEN_OK);
    assert_int_equal(stop(SIGTERM), 0);
}

static void limits_hold_across_two_that_share_redis(void **state)
{
    (void)state;
    struct redis_server redis;
    struct error error;
    char listen[160];
    if (!redis_server_begin(&redis, NULL, &error))
        fail_msg("%s", error.text);
    setenv("ADIT_REDIS__CACHE", redis.url, 1);
    start_ready(NULL);
    pid_t first = f->pid;
    int ports[2] = { f->http_port, 0 };
    snprintf(listen, sizeof listen, "ADIT_AUTH__LISTEN=ipc://%s/run/auth-2.rep", f->folder);
    start_ready(listen);
    unsetenv("ADIT_REDIS__CACHE");
    ports[1] = f->http_port;
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    for (int i = 0; i < 10; i++) { /* failures of one name from one address */
        f->http_port = ports[i % 2];
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
    }
    for (int i = 0; i < 2; i++) {
        f->http_port = ports[i];
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 429);
        assert_int_equal(post("/api/v1/login", LOGIN("alice", "wrong")), 401);
    }
    /* Without redis each counts by itself, and goes on. */
    redis_server_kill(&redis);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    assert_int_equal(stop(SIGTERM), 0);
    f->pid = first;
    assert_int_equal(stop(SIGTERM), 0);
    redis_server_end(&redis);
}

static int change(const char *path, const char *body, const char *authorization)
{
    return http(f->http_port, "POST", path, span_text(body), authorization);
}

static void an_owner_s_way_from_registration_to_the_end(void **state)
{
    (void)state;
    char authorization[TOKEN_TEXT_BYTES], key[200], path[96];
    start_ready("ADIT_AUTH__SITE=https://pool.example");
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(post("/api/v1/login", LOGIN("Gertrude", PASSWORD)), 200);
    snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
    assert_int_equal(change("/api/v1/me/threshold", "{\"threshold\":\"5000\"}", authorization),
                     204);
    assert_int_equal(change("/api/v1/me/address",
                            "{\"password\":\"" PASSWORD "\",\"payout_address\":"
                            "\"bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry\"}",
                            authorization),
                     204);
    assert_int_equal(change("/api/v1/me/keys",
                            "{\"password\":\"" PASSWORD
                            "\",\"name\":\"b\xc3\xbcro\",\"scopes\":\"read\"}",
                            authorization),
                     201);
    snprintf(key, sizeof key, "{\"key\":\"%s\"}", text_of("key"));
    snprintf(path, sizeof path, "/api/v1/me/keys/%s", text_of("id"));
    assert_int_equal(post("/api/v1/auth/token", key), 200);
    assert_int_equal(get("/api/v1/me", authorization), 200);
    assert_string_equal(text_of("threshold"), "5000");
    assert_true(json_is_integer(json_object_get(f->document, "payouts_locked_until")));
    assert_int_equal(get("/api/v1/me/events", authorization), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "events")), 5);
    assert_int_equal(http(f->http_port, "DELETE", path, span_of(NULL, 0), authorization), 204);
    assert_int_equal(post("/api/v1/auth/token", key), 401);
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}"), 202);
    assert_int_equal(http(f->http_port, "OPTIONS", "/api/v1/me", span_of(NULL, 0), NULL), 204);
    assert_int_equal(authorise("gertrude.rig"), WIRE_AUTHORISE_YES);
    assert_int_equal(change("/api/v1/me/close", "{\"password\":\"" PASSWORD "\"}", authorization),
                     204);
    assert_int_equal(get("/api/v1/me", authorization), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 403);
    assert_int_equal(authorise("gertrude.other"), WIRE_AUTHORISE_NO);
    assert_int_equal(stop(SIGTERM), 0);
    assert_null(strstr(log_text(), " error "));
}

/* The newest letter in the folder `mail`, once there is one; its token. */
static void take_letter(char *token_r, size_t bytes)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    char folder[96], path[400] = "", text[4096];
    snprintf(folder, sizeof folder, "%s/mail", f->folder);
    while (path[0] == '\0') {
        DIR *open_folder = opendir(folder);
        const struct dirent *entry;
        while (open_folder != NULL && (entry = readdir(open_folder)) != NULL)
            if (strstr(entry->d_name, ".eml") != NULL)
                snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (open_folder != NULL)
            closedir(open_folder);
        if (loop_clock_ns() > deadline_ns)
            fail_msg("no letter came:\n%s", log_text());
        poll(NULL, 0, 20);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(unlink(path), 0);
    const char *at = strstr(text, "\r\n    ");
    assert_non_null(at);
    snprintf(token_r, bytes, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

static void wait_for_log(const char *words)
{
    const uint64_t deadline_ns = loop_clock_ns() + DEADLINE_MS * (uint64_t)1000000;
    while (strstr(log_text(), words) == NULL) {
        if (loop_clock_ns() > deadline_ns)
            fail_msg("no %s:\n%s", words, log_text());
        poll(NULL, 0, 5);
    }
}

static void a_letter_outlives_the_process_that_wrote_it(void **state)
{
    (void)state;
    char token[200], body[256];
    setenv("ADIT_AUTH__MAIL_FROM", "pool@example.org", 1);
    start_ready("ADIT_AUTH__MAIL=smtp://127.0.0.1:1"); /* nobody is there */
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_string_equal(text_of("next"), "letter");
    wait_for_log("mail.later"); /* put back; taken, it would be left alone for two minutes */
    assert_int_equal(stop(SIGKILL), 1000 + SIGKILL);
    start_ready("ADIT_AUTH__MAIL=file:%d/mail");
    take_letter(token, sizeof token);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 401); /* not yet */
    assert_int_equal(authorise("gertrude.rig"), WIRE_AUTHORISE_NO);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 204);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}"), 202);
    take_letter(token, sizeof token);
    snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"a new one altogether\"}", token);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 204);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "a new one altogether")), 200);
    assert_int_equal(stop(SIGTERM), 0);
    unsetenv("ADIT_AUTH__MAIL_FROM");
}

static void an_operator_is_made_on_the_machine(void **state)
{
    (void)state;
    start_ready(NULL);
    assert_int_equal(adit("operator", "add", "gertrude"), 64); /* nobody of that name */
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    assert_int_equal(adit("operator", "add", ADDRESS), 64);
    assert_int_equal(adit("operator", "add", "gertrude"), 0);
    for (int i = 0; i < 2; i++) {
        char authorization[TOKEN_TEXT_BYTES];
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
        snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
        assert_int_equal(get("/api/v1/me", authorization), 200);
        assert_int_equal(json_array_size(json_object_get(f->document, "roles")), i == 0 ? 2 : 1);
        assert_int_equal(adit("operator", "remove", "gertrude"), 0);
    }
    assert_int_equal(stop(SIGTERM), 0);
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(people_register_log_in_and_are_known_to_gateways_also_after_a_death),
        TEST(wrong_and_unknown_are_answered_alike),
        TEST(what_is_no_request_is_refused_and_the_process_goes_on),
        TEST(nothing_secret_is_written_anywhere),
        TEST(a_start_that_cannot_be_ends_with_its_code_and_sentence),
        TEST(two_of_one_folder_act_as_one),
        TEST(other_processes_know_its_keys_by_the_store_through_rotations),
        TEST(limits_hold_across_two_that_share_redis),
        TEST(an_owner_s_way_from_registration_to_the_end),
        TEST(a_letter_outlives_the_process_that_wrote_it),
        TEST(an_operator_is_made_on_the_machine),
    };
#ifdef ON_MONGO
    struct error error;
    if (!mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mongo_server_stop(&mongo);
    return failed;
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
