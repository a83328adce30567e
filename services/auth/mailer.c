#include "services/auth/mailer.h"

#include "base/cursor.h"
#include "record/access/letter.h"
#include "service/log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOOK_MS = 5000,
    TAKEN_MS = 120000, /* longer than a try takes */
    TROUBLE_MS =
        7200000, /* that it is shown behind the last try: longer than from one to the next */
    REASON_BYTES = 160,
    FORM = 1,
    NONCE_BYTES = crypto_secretbox_NONCEBYTES,
    PLAIN_BYTES = LETTER_SEALED_BYTES - NONCE_BYTES - crypto_secretbox_MACBYTES,
};
_Static_assert(PLAIN_BYTES >= 1 + 6 + sizeof(struct mail), "a letter fits, whatever is in it");

struct mailer {
    struct mailer_options options;
    struct worker *worker;
    struct worker_job job;
    struct loop_timer timer;
    struct store *store; /* the worker's */
    bool looking, again;
    bool away;                  /* the store, to the last look */
    char trouble[REASON_BYTES]; /* why no letter can be sent, to the last try; "": none */
    uint64_t trouble_ms;
    bool said; /* that there is some */
    _Atomic bool ending;
    struct metric *sent, *unsent, *failed;
};

/* From one try to the next; servers that put off strangers (greylisting) want some minutes. */
static uint64_t pause_ms(uint64_t tries)
{
    static const uint64_t pauses_ms[] = { 5000, 60000, 300000, 900000, 3600000 };
    enum { PAUSES = sizeof pauses_ms / sizeof *pauses_ms };
    return pauses_ms[tries < PAUSES ? tries : PAUSES - 1];
}

static void put_text(struct cursor_writer *writer, const char *text)
{
    size_t length = strlen(text);
    cursor_put_u16(writer, (uint16_t)length);
    cursor_put(writer, text, length);
}

/* All sealed letters are of one length: it tells nothing of what they are. */
static void seal(const uint8_t *key, const struct mail *mail, uint8_t sealed_r[LETTER_SEALED_BYTES])
{
    uint8_t plain[PLAIN_BYTES] = { 0 };
    struct cursor_writer writer = { .memory = plain, .capacity_bytes = sizeof plain };
    cursor_put_u8(&writer, FORM);
    put_text(&writer, mail->to);
    put_text(&writer, mail->subject);
    put_text(&writer, mail->text);
    ASSERT(!writer.failed);
    randombytes_buf(sealed_r, NONCE_BYTES);
    crypto_secretbox_easy(sealed_r + NONCE_BYTES, plain, sizeof plain, sealed_r, key);
    sodium_memzero(plain, sizeof plain);
}

static bool get_text(struct cursor_reader *reader, char *text_r, size_t room)
{
    size_t length = cursor_get_u16(reader);
    if (length >= room)
        return false;
    cursor_get(reader, text_r, length);
    text_r[length] = '\0';
    return !reader->failed;
}

static bool unseal(const uint8_t *key, const uint8_t sealed[LETTER_SEALED_BYTES],
                   struct mail *mail_r)
{
    uint8_t plain[PLAIN_BYTES];
    if (crypto_secretbox_open_easy(plain, sealed + NONCE_BYTES, LETTER_SEALED_BYTES - NONCE_BYTES,
                                   sealed, key) != 0)
        return false;
    struct cursor_reader reader = { .rest = span_of(plain, sizeof plain) };
    mail_r->id = mail_r->unsubscribe = NULL;
    bool read = cursor_get_u8(&reader) == FORM &&
                get_text(&reader, mail_r->to, sizeof mail_r->to) &&
                get_text(&reader, mail_r->subject, sizeof mail_r->subject) &&
                get_text(&reader, mail_r->text, sizeof mail_r->text);
    sodium_memzero(plain, sizeof plain);
    return read;
}

static bool is_off(const struct mailer *mailer)
{
    return mailer->options.mail.url[0] == '\0';
}

bool mailer_post(const struct mailer *mailer, struct store *store, const struct mail *mail,
                 uint64_t expires_ms, struct error *error)
{
    struct letter letter = { .expires_ms = expires_ms };
    uint64_t seed;
    if (is_off(mailer))
        return true;
    letter.next_ms = loop_unix_ms();
    seal(mailer->options.key, mail, letter.sealed);
    randombytes_buf(&seed, sizeof seed);
    enum store_outcome outcome = letter_insert(store, &letter, seed, error);
    if (outcome == STORE_EXISTS) {
        metric_add(mailer->unsent, 1);
        log_error("mail.full", "letters=%d", LETTERS_MAX);
        return error_set(error, ERROR_FULL, "too many letters wait");
    }
    return outcome == STORE_DONE;
}

/* It is over with this one; what the store does not cross out is sent again. */
static bool cross_out(struct mailer *mailer, const struct letter *letter, struct error *error)
{
    enum store_outcome outcome = letter_delete(mailer->store, letter, error);
    return outcome == STORE_DONE || outcome == STORE_CONFLICT;
}

static bool give_up(struct mailer *mailer, const struct letter *letter, const char *subject,
                    const char *reason, struct error *error)
{
    char safe[256];
    metric_add(mailer->unsent, 1);
    log_error("mail.unsent", "subject=\"%s\" tries=%llu reason=\"%s\"", subject,
              (unsigned long long)letter->tries, log_text(reason, safe, sizeof safe));
    return cross_out(mailer, letter, error);
}

static bool put_back(struct mailer *mailer, struct letter *letter, const char *subject,
                     const char *reason, struct error *error)
{
    bool ending = atomic_load(&mailer->ending);
    letter->tries -= ending; /* it was not its fault */
    letter->next_ms = loop_unix_ms() + (ending ? 0 : pause_ms(letter->tries - 1));
    if (letter->next_ms >= letter->expires_ms)
        return give_up(mailer, letter, subject, reason, error);
    char safe[256];
    metric_add(mailer->failed, !ending);
    log_warn("mail.later", "tries=%llu reason=\"%s\"", (unsigned long long)letter->tries,
             log_text(reason, safe, sizeof safe));
    enum store_outcome outcome = letter_save(mailer->store, letter, error);
    return outcome == STORE_DONE || outcome == STORE_CONFLICT;
}

/* What the last try says of the server as a whole; a letter that it refused says that it is there.
 */
static void note_server(struct mailer *mailer, const struct error *error)
{
    bool away = error->text[0] != '\0' && error->code != ERROR_REFUSED &&
                error->code != ERROR_INVALID && !atomic_load(&mailer->ending);
    mailer->trouble_ms = loop_unix_ms();
    snprintf(mailer->trouble, sizeof mailer->trouble, "%.*s", REASON_BYTES - 1,
             away ? error->text : "");
}

/* True where it may go on with the next; false where the store failed. */
static bool carry(struct mailer *mailer, struct letter *letter, struct error *error)
{
    struct mail mail;
    struct error trouble = { .text = "" };
    letter->tries++;
    letter->next_ms = loop_unix_ms() + TAKEN_MS;
    enum store_outcome outcome = letter_save(mailer->store, letter, error);
    if (outcome == STORE_CONFLICT) /* another instance has it */
        return true;
    if (outcome != STORE_DONE)
        return false;
    bool done;
    if (!unseal(mailer->options.key, letter->sealed, &mail)) {
        done = give_up(mailer, letter, "", "it was sealed with another secret", error);
    } else if (mail.to[0] == '\0') {
        done = cross_out(mailer, letter, error);
    } else if (loop_unix_ms() >= letter->expires_ms) {
        done = give_up(mailer, letter, mail.subject, "its time is over", error);
    } else if (mail_send(&mailer->options.mail, &mail, &trouble)) {
        metric_add(mailer->sent, 1);
        note_server(mailer, &trouble);
        done = cross_out(mailer, letter, error);
    } else {
        note_server(mailer, &trouble);
        done = put_back(mailer, letter, mail.subject, trouble.text, error);
    }
    sodium_memzero(&mail, sizeof mail);
    return done;
}

static void say_store(struct mailer *mailer, const struct error *error)
{
    char safe[sizeof error->text];
    if (error != NULL && !mailer->away)
        log_warn("mail.store", "reason=\"%s\"", log_text(error->text, safe, sizeof safe));
    mailer->away = error != NULL;
}

static void work(struct worker_job *job)
{
    struct mailer *mailer = (struct mailer *)((char *)job - offsetof(struct mailer, job));
    struct letter letter;
    struct error error;
    if (mailer->store == NULL)
        mailer->store = mailer->options.open_store(mailer->options.context, &error);
    bool good = mailer->store != NULL;
    enum store_outcome outcome = STORE_DONE;
    while (good && !atomic_load(&mailer->ending)) {
        outcome = letter_due(mailer->store, loop_unix_ms(), &letter, &error);
        if (outcome == STORE_MISSING)
            break;
        good = outcome == STORE_DONE && carry(mailer, &letter, &error);
    }
    say_store(mailer, good ? NULL : &error);
    if (!good && mailer->store != NULL) {
        store_close(mailer->store);
        mailer->store = NULL;
    }
}

/* Where another instance sends what met the trouble, nothing here says that it is over. */
static void say_trouble(struct mailer *mailer)
{
    const struct mailer_options *options = &mailer->options;
    uint64_t now_ms = loop_unix_ms();
    if (now_ms >= mailer->trouble_ms + TROUBLE_MS)
        mailer->trouble[0] = '\0';
    bool away = mailer->trouble[0] != '\0';
    if (away != mailer->said && options->on_away != NULL)
        options->on_away(options->context, away ? mailer->trouble : NULL);
    mailer->said = away;
}

static void done(struct worker_job *job)
{
    struct mailer *mailer = (struct mailer *)((char *)job - offsetof(struct mailer, job));
    mailer->looking = false;
    say_trouble(mailer);
    if (mailer->again)
        mailer_kick(mailer);
}

void mailer_kick(struct mailer *mailer)
{
    if (is_off(mailer) || atomic_load(&mailer->ending))
        return;
    mailer->again = mailer->looking;
    if (mailer->looking)
        return;
    mailer->job = (struct worker_job){ .work = work, .done = done };
    mailer->looking = worker_submit(mailer->worker, &mailer->job);
}

static void look(void *context)
{
    mailer_kick(context);
}

struct mailer *mailer_create(const struct mailer_options *options, struct error *error)
{
    if (!mail_check(&options->mail, error))
        return NULL;
    struct mailer *mailer = calloc(1, sizeof *mailer);
    if (mailer == NULL) {
        error_fill(error, ERROR_FULL, "no memory for letters");
        return NULL;
    }
    mailer->options = *options;
    mailer->options.mail.stop = &mailer->ending;
    static const char name[] = "adit_auth_mails_total";
    mailer->sent =
        metrics_counter(options->metrics, name, "outcome=\"sent\"", "Letters to people.", NULL);
    mailer->unsent = metrics_counter(options->metrics, name, "outcome=\"unsent\"", "", NULL);
    mailer->failed = metrics_counter(options->metrics, "adit_auth_mail_failures_total", "",
                                     "Tries to send a letter that failed.", NULL);
    mailer->worker = worker_create(options->loop, "mail", 1, 1, error);
    if (mailer->worker == NULL) {
        free(mailer);
        return NULL;
    }
    /* What was left by who ran before. */
    mailer->timer = (struct loop_timer){ .on_due = look, .context = mailer };
    loop_timer_start(options->loop, &mailer->timer, 0, LOOK_MS);
    return mailer;
}

void mailer_destroy(struct mailer *mailer)
{
    if (mailer == NULL)
        return;
    atomic_store(&mailer->ending, true);
    loop_timer_stop(mailer->options.loop, &mailer->timer);
    worker_destroy(mailer->worker);
    if (mailer->store != NULL)
        store_close(mailer->store);
    free(mailer);
}
