/* Notices in words: the letter an account or an operator reads, and the document a webhook is
 * given. What is told stands in the notice as a JSON object (docs/notices.md lists them). Pure but
 * for jansson's memory; any thread. */
#pragma once
#include "adapter/mail_curl/mail.h"
#include "record/notice/notice_record.h"

enum { NOTICE_DOCUMENT_BYTES = NOTICE_BODY_BYTES + 256 };

struct notice_paths {
    const char *site; /* the dashboard; "": not known */
    const char *stop; /* the token that stops the letters; NULL: they cannot be */
    bool last;        /* of those an account is sent today */
};

/* Subject and text, within their bounds; `to` stays. False where the notice holds no object. */
MUST_CHECK bool notice_write_letter(const struct notice *notice, const struct notice_paths *paths,
                                    struct mail *mail_r);
/* {"type": …, "timestamp": …, "data": …}; returns its length. */
size_t notice_write_document(const struct notice *notice, char text_r[NOTICE_DOCUMENT_BYTES]);
