/* The letters people get, in words. */
#pragma once
#include "services/auth/visit.h"

/* X(enum name, subject, what happened): `%s` in the text is the account's name */
#define LETTERS(X)                                                                                 \
    X(LETTER_CONFIRM, "Confirm your address",                                                      \
      "With this you confirm that letters about the account reach you:")                           \
    X(LETTER_REGISTER, "Confirm your registration",                                                \
      "Somebody, probably you, asked for this account. It is yours by this:")                      \
    X(LETTER_TAKEN, "Choose another name",                                                         \
      "Somebody, probably you, asked for this account. The name, or one that looks like it, is "   \
      "taken: register again, under another.")                                                     \
    X(LETTER_RESET, "Set a new password",                                                          \
      "Somebody, probably you, asked to set a new password. It can be done once, with this:")      \
    X(LETTER_PASSWORD, "Your password was changed",                                                \
      "The password was changed, and every session has ended. API keys and links stay as they "    \
      "are.")                                                                                      \
    X(LETTER_PASSWORD_KEYS, "Your password was changed",                                           \
      "The password was changed. Every session has ended, and no API key or link made before "     \
      "opens anything any more.")                                                                  \
    X(LETTER_ADDRESS, "Your payout address was changed",                                           \
      "The payout address was changed. Nothing is paid out for a while; if it was not you, log "   \
      "in, change it back and set another password, or write to the operator.")                    \
    X(LETTER_EMAIL, "Your e-mail address was changed",                                             \
      "Letters about the account go to another address from now on.")                              \
    X(LETTER_FACTOR_ON, "A second factor is on", "From now on each login asks for a code.")        \
    X(LETTER_FACTOR_OFF, "The second factor is off",                                               \
      "From now on the password alone opens the account.")                                         \
    X(LETTER_KEY, "An API key was made", "Whoever has the key can do what it is good for.")        \
    X(LETTER_WEBHOOK, "A webhook was set",                                                         \
      "From now on notices about the account go to an address of the web, too. If it was not "     \
      "you, log in, take it away and set another password.")                                       \
    X(LETTER_CLOSED, "Your account is closed",                                                     \
      "No miner is let in under its name any more. What it is owed is still paid.")

enum letter_kind {
#define X(name, subject, text) name,
    LETTERS(X)
#undef X
};

/* Keeps one until it is sent (mailer.h); to `to`, or the account's address where that is NULL.
 * `token` (may be NULL) stands in it, as a link where auth.site is set. On the store's thread;
 * false with *error where it was not kept. */
MUST_CHECK bool letters_post(struct visit *visit, struct store *store, enum letter_kind kind,
                             const char *to, const char *token, struct error *error);
/* Tells the owner of what was done; what cannot be kept stands in the log. */
void letters_tell(struct visit *visit, struct store *store, enum letter_kind kind, const char *to);
