#include "services/auth/testing/people_world.h"

#include "record/access/event.h"
#include "record/access/letter.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture *f;
const struct identity_key people_test_key = { { 9, 9 } };

int setup(void **state)
{
    struct error error;
    (void)state;
    f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/adit-people-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->contract = contract_open();
    assert_non_null(f->contract);
    f->loop = loop_create(&error);
    f->metrics = metrics_create();
    world_open();
    setenv("ADIT_AUTH__SITE", "https://pool.example", 1);
    setenv("ADIT_AUTH__MAIL", "file:%d/mail", 1);
    assert_true(settings_load(&f->settings, NULL, f->folder, "1", &error));
    f->settings.auth_argon2_memory_kib = 8192;
    f->settings.auth_argon2_passes = 1;
    start();
    return 0;
}

void walk_letters(void (*each)(const char *path, const char *text, void *context), void *context)
{
    char folder[64], path[400];
    static char text[8192];
    snprintf(folder, sizeof folder, "%s/mail", f->folder);
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        if (strstr(entry->d_name, ".eml") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        each(path, text, context);
    }
    if (open_folder != NULL)
        closedir(open_folder);
}

static void forget_letter(const char *path, const char *text, void *context)
{
    (void)text;
    (void)context;
    assert_int_equal(unlink(path), 0);
}

void forget_letters(void)
{
    walk_letters(forget_letter, NULL);
}

struct wanted {
    const char *to, *subject;
    char *token_r;
    bool found;
};

/* A one-time token stands alone, four spaces from the edge. */
static void look_at_letter(const char *path, const char *text, void *context)
{
    struct wanted *wanted = context;
    char header[320];
    (void)path;
    snprintf(header, sizeof header, "To: <%s>\r\nSubject: %s\r\n", wanted->to, wanted->subject);
    if (strstr(text, header) == NULL)
        return;
    wanted->found = true;
    const char *at = strstr(text, "\r\n    ");
    if (at == NULL || wanted->token_r == NULL)
        return;
    const char *end = at + 6 + strcspn(at + 6, "\r"), *mark = strchr(at, '#');
    at = mark != NULL && mark < end ? mark + 1 : at + 6; /* behind the page, in a link */
    snprintf(wanted->token_r, TOKEN_LETTER_BYTES, "%.*s", (int)(end - at), at);
}

bool letters_are_sent(void)
{
    struct letter letter;
    struct error error;
    return letter_due(f->store, INT64_MAX, &letter, &error) == STORE_MISSING;
}

bool has_letter(const char *to, const char *subject, char *token_r)
{
    if (!letters_are_sent())
        return false;
    struct wanted wanted = { to, subject, token_r, false };
    walk_letters(look_at_letter, &wanted);
    return wanted.found;
}

int teardown(void **state)
{
    (void)state;
    stop();
    for (size_t i = 0; i < f->asked_count; i++)
        exchange_free(f->asked[i]);
    json_decref(f->document);
    contract_close(f->contract);
    loop_destroy(f->loop);
    metrics_destroy(f->metrics);
    settings_deinit(&f->settings);
    world_close();
    free(f);
    return 0;
}

struct http_exchange *begin(enum exchange_method method, const char *path, const char *peer,
                            struct span body, const struct header *headers)
{
    char bare[512];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(path, "?"), path);
    struct http_exchange *exchange = exchange_create(
        &f->site, method, bare, strchr(path, '?') != NULL ? strchr(path, '?') + 1 : NULL, peer);
    assert_non_null(exchange);
    assert_true(f->asked_count < ASKED_MAX);
    f->asked[f->asked_count++] = exchange;
    world_ask(exchange, body, headers);
    return exchange;
}

static const struct header json_header[] = { { "Content-Type", "application/json" }, { NULL, "" } };

struct http_exchange *begin_post(const char *path, const char *peer, const char *body)
{
    return begin(EXCHANGE_POST, path, peer, span_text(body), json_header);
}

/* Every answer, in every test, is as docs/api/openapi.yaml says; and so is what was asked, where it
 * was taken. */
static void hold_against_contract(const struct http_exchange *exchange)
{
    static const char *const methods[] = { "get", "post", "put", "delete" };
    char why[600];
    if (exchange->method >= sizeof methods / sizeof *methods || exchange->status == 405)
        return;
    json_t *request = exchange->status < 300 && exchange->body_length > 0
                          ? json_loadb((const char *)exchange->body, exchange->body_length, 0, NULL)
                          : NULL;
    const struct contract_answer answer = { .method = methods[exchange->method],
                                            .path = exchange->path,
                                            .status = exchange->status,
                                            .content_type = exchange->content_type,
                                            .request = request,
                                            .document = f->document };
    if (!contract_check(f->contract, &answer, why, sizeof why))
        fail_msg("%s", why);
    json_decref(request);
}

int wait_for(const struct http_exchange *exchange)
{
    UNTIL(exchange->status != 0);
    json_decref(f->document);
    f->document = NULL;
    if (exchange->answer_length > 0) {
        f->document = json_loadb((const char *)exchange->answer, exchange->answer_length, 0, NULL);
        assert_non_null(f->document);
    }
    hold_against_contract(exchange);
    return exchange->status;
}

int post(const char *path, const char *body)
{
    return wait_for(begin_post(path, "10.0.0.1", body));
}

void enrol(const char *body)
{
    char token[TOKEN_LETTER_BYTES] = "", confirm[TOKEN_LETTER_BYTES + 16], email[256];
    json_t *form = json_loads(body, 0, NULL);
    snprintf(email, sizeof email, "%s", json_string_value(json_object_get(form, "email")));
    for (char *at = email; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
    json_decref(form);
    forget_letters();
    assert_int_equal(post("/api/v1/register", body), 202);
    assert_string_equal(text_of("next"), "letter");
    UNTIL(has_letter(email, "Confirm your registration", token));
    snprintf(confirm, sizeof confirm, "{\"token\":\"%s\"}", token);
    assert_int_equal(post("/api/v1/auth/email/confirm", confirm), 204);
    forget_letters();
}

int ask_as(const char *token, enum exchange_method method, const char *path, const char *body)
{
    char authorization[TOKEN_TEXT_BYTES + 16] = "";
    struct header headers[3] = { 0 };
    size_t count = 0;
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Bearer %s", token);
        headers[count++] = (struct header){ "Authorization", authorization };
    }
    if (body != NULL)
        headers[count++] = (struct header){ "Content-Type", "application/json" };
    headers[count].name = NULL;
    return wait_for(begin(method, path, "10.0.0.1",
                          body != NULL ? span_text(body) : span_of(NULL, 0), headers));
}

int get_me(const char *authorization)
{
    const struct header headers[] = {
        { authorization != NULL ? "Authorization" : NULL, authorization }, { NULL, NULL }
    };
    return wait_for(begin(EXCHANGE_GET, "/api/v1/me", "10.0.0.1", span_of(NULL, 0), headers));
}

const char *text_of(const char *name)
{
    const char *text = json_string_value(json_object_get(f->document, name));
    return text != NULL ? text : "";
}

const char *answer_header(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        if (strcmp(exchange->answer_headers[i].name, name) == 0)
            return exchange->answer_headers[i].value;
    return NULL;
}

struct counted {
    const char *kind;
    size_t count;
};

static bool count_event(void *context, const struct event *event)
{
    struct counted *counted = context;
    counted->count += strcmp(event->kind, counted->kind) == 0;
    return true;
}

size_t events_counted(uint64_t account_id, const char *kind)
{
    struct error error;
    struct counted counted = { kind, 0 };
    assert_int_equal(access_event_walk(f->store, account_id, account_id == 0, 0, NULL, 0,
                                       count_event, &counted, &error),
                     STORE_DONE);
    return counted.count;
}
