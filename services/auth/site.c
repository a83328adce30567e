/* What every answer says to browsers: that nothing of it is to be shown in a page, framed or
 * guessed at; and which pages may read it (CORS, as the Fetch standard has it): those of the
 * dashboard's origin alone. Access tokens travel in a header that no page sends by itself; the one
 * cookie there is holds a refresh token, goes to /api/v1/auth alone, and counts for pages of our
 * own alone (cookie.h), so a foreign page has nothing to ride on. */
#include "services/auth/visit.h"

/* Every answer may be long-lived in no cache and no page. */
static const struct {
    const char *name, *value;
} always[] = {
    { "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-site" },
    { "Strict-Transport-Security", "max-age=31536000" }, /* heard over TLS alone */
};

static bool is_dashboard(const struct people *people, const char *origin)
{
    const char *site = people->options.settings->auth_site;
    return origin != NULL && site[0] != '\0' && strcmp(origin, site) == 0;
}

bool people_guard(void *context, struct http_exchange *exchange)
{
    const struct people *people = context;
    const char *origin = http_header(exchange, "origin");
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        http_add_header(exchange, always[i].name, always[i].value);
    http_add_header(exchange, "Vary", "Origin");
    bool dashboard = is_dashboard(people, origin);
    if (dashboard) {
        http_add_header(exchange, "Access-Control-Allow-Origin", origin);
        http_add_header(exchange, "Access-Control-Allow-Credentials", "true");
        http_add_header(exchange, "Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate");
    }
    if (!http_is_options(exchange))
        return false;
    if (dashboard) {
        http_add_header(exchange, "Access-Control-Allow-Methods", "GET, POST, DELETE");
        http_add_header(exchange, "Access-Control-Allow-Headers", "Authorization, Content-Type");
        http_add_header(exchange, "Access-Control-Max-Age", "600");
    }
    http_reply(exchange, 204, NULL, span_of(NULL, 0));
    return true;
}
