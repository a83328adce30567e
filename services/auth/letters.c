#include "services/auth/letters.h"

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

void letters_add(struct visit *visit, enum letter_kind kind, const char *to, const char *token)
{
    const char *site = visit->people->options.settings->auth_site;
    ASSERT(visit->mail_count < VISIT_MAILS);
    to = to != NULL ? to : visit->account.email;
    if (to[0] == '\0')
        return;
    struct mail *mail = &visit->mails[visit->mail_count++];
    snprintf(mail->to, sizeof mail->to, "%s", to);
    snprintf(mail->subject, sizeof mail->subject, "%s", letters[kind].subject);
    char link[512] = "";
    if (token != NULL && site[0] != '\0')
        snprintf(link, sizeof link, "\n    %.300s/account/%s#%s\n", site, page_of(kind), token);
    else if (token != NULL)
        snprintf(link, sizeof link, "\n    %s\n", token);
    snprintf(mail->text, sizeof mail->text,
             "This is about the account %s at the mining pool.\n\n%s\n%s\n"
             "If you know nothing of it, tell the pool's operator.\n",
             visit->account.name, letters[kind].text, link);
    explicit_bzero(link, sizeof link);
}

void letters_send(struct visit *visit)
{
    for (size_t i = 0; i < visit->mail_count; i++)
        mailer_send(visit->people->mailer, &visit->mails[i]);
    visit->mail_count = 0;
}
