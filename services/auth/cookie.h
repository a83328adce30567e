/* The refresh token in a cookie, for browsers: then no script of any page can read it (HttpOnly).
 * It is taken only from pages of our own: the cookie is SameSite=Strict, bodies are JSON (which
 * other origins may not send without asking), and the Origin that every browser states with a POST
 * must be auth.site's, or that of the very host that is asked. On the loop. */
#pragma once
#include "services/auth/visit.h"

/* The refresh token of the request's cookie, borrowed into text_r (SECRETS_TEXT_BYTES). False
 * where there is none, or the page is somebody else's. */
MUST_CHECK bool cookie_read(const struct visit *visit, char text_r[SECRETS_TEXT_BYTES]);
/* Moves the reply's refresh token into a cookie. */
void cookie_give(struct visit *visit);
/* Has the browser forget it. */
void cookie_end(struct visit *visit);
