#include "services/auth/mailer.h"

#include "service/log.h"

#include <stdlib.h>

struct letter {
    struct worker_job job;
    struct loop_timer timer;
    struct mailer *mailer;
    struct letter *next; /* in the mailer's list of all */
    struct letter **place;
    unsigned tries;
    bool sent;
    struct error error;
    struct mail mail;
};

struct mailer {
    struct loop *loop;
    struct mail_settings settings;
    struct worker *worker;
    struct letter *letters;
    size_t count;
    bool ending;
    struct metric *sent, *unsent;
};

/* From one try to the next; servers that put off strangers (greylisting) want some minutes. */
static const unsigned pauses_ms[] = { 5000, 60000, 300000, 1500000 };

struct mailer *mailer_create(struct loop *loop, const struct mail_settings *settings,
                             struct metrics *metrics, struct error *error)
{
    if (!mail_check(settings, error))
        return NULL;
    struct mailer *mailer = calloc(1, sizeof *mailer);
    if (mailer == NULL) {
        error_fill(error, ERROR_FULL, "no memory for letters");
        return NULL;
    }
    mailer->loop = loop;
    mailer->settings = *settings;
    mailer->sent = metrics_counter(metrics, "adit_auth_mails_total", "outcome=\"sent\"",
                                   "Letters to people.", NULL);
    mailer->unsent =
        metrics_counter(metrics, "adit_auth_mails_total", "outcome=\"unsent\"", "", NULL);
    mailer->worker = worker_create(loop, "mail", 1, MAILER_MAX, error);
    if (mailer->worker != NULL)
        return mailer;
    free(mailer);
    return NULL;
}

static void let_go(struct letter *letter)
{
    *letter->place = letter->next;
    if (letter->next != NULL)
        letter->next->place = letter->place;
    letter->mailer->count--;
    explicit_bzero(letter, sizeof *letter);
    free(letter);
}

static void give_up(struct letter *letter, const char *reason)
{
    char safe[256];
    metric_add(letter->mailer->unsent, 1);
    log_error("mail.unsent", "subject=\"%s\" reason=\"%s\"", letter->mail.subject,
              log_text(reason, safe, sizeof safe));
    let_go(letter);
}

static void work(struct worker_job *job)
{
    struct letter *letter = (struct letter *)job;
    letter->sent = mail_send(&letter->mailer->settings, &letter->mail, &letter->error);
}

static void done(struct worker_job *job)
{
    struct letter *letter = (struct letter *)job;
    struct mailer *mailer = letter->mailer;
    if (letter->sent) {
        metric_add(mailer->sent, 1);
        let_go(letter);
    } else if (mailer->ending || letter->tries == sizeof pauses_ms / sizeof *pauses_ms) {
        give_up(letter, letter->error.text);
    } else {
        log_warn("mail.later", "tries=%u", letter->tries + 1);
        loop_timer_start(mailer->loop, &letter->timer, pauses_ms[letter->tries++], 0);
    }
}

static void try(void *context)
{
    struct letter *letter = context;
    letter->job = (struct worker_job){ .work = work, .done = done };
    if (!worker_submit(letter->mailer->worker, &letter->job))
        give_up(letter, "too many letters wait");
}

void mailer_send(struct mailer *mailer, const struct mail *mail)
{
    if (mailer->settings.url[0] == '\0' || mailer->ending)
        return;
    struct letter *letter = mailer->count < MAILER_MAX ? calloc(1, sizeof *letter) : NULL;
    if (letter == NULL) {
        metric_add(mailer->unsent, 1);
        log_error("mail.unsent", "subject=\"%s\" reason=\"too many letters wait\"", mail->subject);
        return;
    }
    letter->mailer = mailer;
    letter->mail = *mail;
    letter->timer = (struct loop_timer){ .on_due = try, .context = letter };
    letter->next = mailer->letters;
    letter->place = &mailer->letters;
    if (letter->next != NULL)
        letter->next->place = &letter->next;
    mailer->letters = letter;
    mailer->count++;
    try(letter);
}

void mailer_destroy(struct mailer *mailer)
{
    if (mailer == NULL)
        return;
    mailer->ending = true;
    worker_destroy(mailer->worker);
    while (mailer->letters != NULL) {
        struct letter *letter = mailer->letters;
        loop_timer_stop(mailer->loop, &letter->timer);
        give_up(letter, "the process ends");
    }
    free(mailer);
}
