#include "services/auth/letters.h"

#include "service/log.h"
#include "services/auth/tickets.h"

#include <stdio.h>

static const struct {
    const char *subject, *text;
} letters[] = {
#define X(name, subject, text) [name] = { subject, text },
    LETTERS(X)
#undef X
};

static const char *page_of(enum letter_kind kind)
{
    return kind == LETTER_RESET ? "reset" : "confirm";
}

/* A letter with a token is worth what the token is. */
static uint64_t life_ms(enum letter_kind kind)
{
    return (kind == LETTER_RESET ? TICKETS_RESET_MINUTES : TICKETS_EMAIL_MINUTES) * (uint64_t)60000;
}

bool letters_post(struct visit *visit, struct store *store, enum letter_kind kind, const char *to,
                  const char *token, struct error *error)
{
    const char *site = visit->people->options.settings->auth_site;
    char link[512] = "";
    struct mail mail;
    snprintf(mail.to, sizeof mail.to, "%s", to != NULL ? to : visit->account.email);
    snprintf(mail.subject, sizeof mail.subject, "%s", letters[kind].subject);
    if (token != NULL && site[0] != '\0')
        snprintf(link, sizeof link, "\n    %.300s/account/%s#%s\n", site, page_of(kind), token);
    else if (token != NULL)
        snprintf(link, sizeof link, "\n    %s\n", token);
    snprintf(mail.text, sizeof mail.text,
             "This is about the account %s at the mining pool.\n\n%s\n%s\n"
             "If you know nothing of it, tell the pool's operator.\n",
             visit->account.name, letters[kind].text, link);
    visit->posted = true;
    bool kept =
        mailer_post(visit->people->mailer, store, &mail, loop_unix_ms() + life_ms(kind), error);
    explicit_bzero(link, sizeof link);
    explicit_bzero(&mail, sizeof mail);
    return kept;
}

void letters_tell(struct visit *visit, struct store *store, enum letter_kind kind, const char *to)
{
    struct error error;
    char safe[sizeof error.text];
    if (!letters_post(visit, store, kind, to, NULL, &error))
        log_error("mail.unwritten", "account=%016llx subject=\"%s\" reason=\"%s\"",
                  (unsigned long long)visit->account.id, letters[kind].subject,
                  log_text(error.text, safe, sizeof safe));
}
