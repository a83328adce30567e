#include "adapter/mail_curl/mail.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LETTER_BYTES = 2 * MAIL_TEXT_BYTES + 2048,
    SECRET_BYTES = 256,
    MESSAGE_ID_BYTES = 80,
    UNSUBSCRIBE_BYTES = 512,
};

static const char file_scheme[] = "file:";

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* An address that can stand in a header and an SMTP command as it is. */
static bool is_plain(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("<>()[]\\,;:\"", *at) != NULL)
            return false;
    return strchr(text, '@') != NULL;
}

bool mail_check(const struct mail_settings *settings, struct error *error)
{
    if (settings->url[0] == '\0' || starts(settings->url, file_scheme))
        return true;
    if (!starts(settings->url, "smtp://") && !starts(settings->url, "smtps://"))
        return error_set(error, ERROR_INVALID,
                         "auth.mail must be smtp://host:port, smtps://host:port or file:/folder");
    if (!is_plain(settings->from))
        return error_set(error, ERROR_INVALID, "auth.mail_from must be an address of e-mail");
    return true;
}

/* The letter as RFC 5322 wants it; lines end with CR LF. 0 where it does not fit. */
static size_t write_letter(const struct mail_settings *settings, const struct mail *mail,
                           char letter_r[LETTER_BYTES])
{
    char date[64];
    uint64_t id[2] = { 0 };
    time_t now = time(NULL);
    struct tm parts;
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        return 0;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &parts));
    const char *at = strchr(settings->from, '@');
    char message[MESSAGE_ID_BYTES], unsubscribe[UNSUBSCRIBE_BYTES] = "";
    snprintf(message, sizeof message, "%016llx%016llx", (unsigned long long)id[0],
             (unsigned long long)id[1]);
    if (mail->id != NULL)
        snprintf(message, sizeof message, "%s", mail->id);
    if (mail->unsubscribe != NULL)
        snprintf(unsubscribe, sizeof unsubscribe,
                 "List-Unsubscribe: <%.400s>\r\n"
                 "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
                 mail->unsubscribe);
    int head = snprintf(letter_r, LETTER_BYTES,
                        "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n"
                        "Message-ID: <%s@%s>\r\n%sMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\nAuto-Submitted: auto-generated\r\n\r\n",
                        date, settings->from, mail->to, mail->subject, message,
                        at != NULL ? at + 1 : "localhost", unsubscribe);
    if (head < 0 || head >= LETTER_BYTES - 2 * MAIL_TEXT_BYTES)
        return 0;
    size_t used = (size_t)head;
    for (const char *c = mail->text; *c != '\0'; c++) {
        /* Others' words are in it: a CR alone (RFC 5321, 2.3.8) may end a line for one server and
         * not for the next, and what stands behind it becomes a letter of its own. */
        if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
            continue;
        if (*c == '\n')
            letter_r[used++] = '\r';
        letter_r[used++] = *c;
    }
    letter_r[used] = '\0';
    return used;
}

static bool write_file(const char *folder, const char *letter, size_t length, struct error *error)
{
    char path[4200];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)mkdir(folder, S_IRWXU);
    /* Seen by its name only when it is whole. */
    snprintf(path, sizeof path, "%s/.%lld%09ld-XXXXXX", folder, (long long)now.tv_sec, now.tv_nsec);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "no letter can be written in %s", folder);
    bool written = write(fd, letter, length) == (ssize_t)length;
    int cause = errno;
    close(fd);
    char final[4200];
    snprintf(final, sizeof final, "%s/%s.eml", folder, strrchr(path, '/') + 2);
    if (written && rename(path, final) == 0)
        return true;
    (void)unlink(path);
    return error_system(error, cause, "no letter can be written in %s", folder);
}

struct upload {
    const char *at;
    size_t left;
};

static size_t give(char *buffer, size_t size, size_t count, void *context)
{
    struct upload *upload = context;
    size_t room = size * count;
    size_t length = upload->left < room ? upload->left : room;
    memcpy(buffer, upload->at, length);
    upload->at += length;
    upload->left -= length;
    return length;
}

static bool read_password(const char *path, char secret_r[SECRET_BYTES], struct error *error)
{
    FILE *file = fopen(path, "re");
    secret_r[0] = '\0';
    if (file == NULL)
        return error_system(error, errno, "auth.mail_password_file");
    char *got = fgets(secret_r, SECRET_BYTES, file);
    fclose(file);
    if (got == NULL)
        return error_set(error, ERROR_UNAVAILABLE, "auth.mail_password_file is empty");
    secret_r[strcspn(secret_r, "\r\n")] = '\0';
    return true;
}

/* Whether the URL's host is this one. */
static bool is_here(const char *url)
{
    char *host = NULL;
    CURLU *parts = curl_url();
    bool here =
        parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        (strcmp(host, "localhost") == 0 || starts(host, "127.") || strcmp(host, "[::1]") == 0);
    curl_free(host);
    curl_url_cleanup(parts);
    return here;
}

static int look_at_stop(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct mail_settings *settings = context;
    (void)a, (void)b, (void)c, (void)d;
    return settings->stop != NULL && atomic_load(settings->stop);
}

/* How far a letter came: what answers stand for depends on it. */
enum stage {
    STAGE_SERVER,   /* greeting, TLS, log-in, our own sender: the same for every letter */
    STAGE_RECEIVER, /* RCPT */
    STAGE_TEXT,     /* DATA, and what follows it */
};

/* The commands as they are sent; nothing of them is kept. What a server says when the line is
 * given up (QUIT) changes no stage. */
static int watch(CURL *curl, curl_infotype type, char *data, size_t length, void *context)
{
    enum stage *stage = context;
    (void)curl;
    if (type == CURLINFO_HEADER_OUT && length >= 5) {
        if (strncmp(data, "RCPT ", 5) == 0)
            *stage = STAGE_RECEIVER;
        else if (strncmp(data, "DATA\r", 5) == 0)
            *stage = STAGE_TEXT;
    }
    return 0;
}

/* What libcurl calls an answer that is no yes. */
static bool is_answer(CURLcode result)
{
    return result == CURLE_SEND_ERROR || result == CURLE_WEIRD_SERVER_REPLY;
}

/* Whether the server was there, and said no to this letter: to its receiver (SEND_ERROR) or its
 * text (that, or WEIRD_SERVER_REPLY at its end). RFC 5321, 4.2.3 and RFC 4954, 6: 421 ends the
 * service, 454, 530 and 535 are about who we are, at any command. 452 is full storage: at RCPT it
 * may be one mailbox's, and another's full mailbox is no trouble of ours. */
static bool is_refused(CURLcode result, long reply, enum stage stage)
{
    bool of_server = reply == 421 || reply == 454 || reply == 530 || reply == 535 ||
                     (reply == 452 && stage != STAGE_RECEIVER);
    return is_answer(result) && reply >= 400 && stage != STAGE_SERVER && !of_server;
}

static bool send_smtp(const struct mail_settings *settings, const struct mail *mail,
                      const char *letter, size_t length, struct error *error)
{
    char secret[SECRET_BYTES] = "";
    struct upload upload = { letter, length };
    enum stage stage = STAGE_SERVER;
    if (settings->password_file[0] != '\0' &&
        !read_password(settings->password_file, secret, error))
        return false;
    CURL *curl = curl_easy_init();
    struct curl_slist *to = curl_slist_append(NULL, mail->to);
    CURLcode result = CURLE_OUT_OF_MEMORY;
    long reply = 0;
    if (curl != NULL && to != NULL) {
        curl_easy_setopt(curl, CURLOPT_URL, settings->url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
        /* A resolver that does not answer is left behind, not waited for. */
        curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
        curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L); /* to watch, which writes nothing */
        curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, watch);
        curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &stage);
        curl_easy_setopt(curl, CURLOPT_MAIL_FROM, settings->from);
        curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
        /* Who can read the line could take accounts by the tokens in letters, or the password. */
        bool plain = secret[0] == '\0' && (settings->plain || is_here(settings->url));
        curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(plain ? CURLUSESSL_TRY : CURLUSESSL_ALL));
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        if (settings->authority_file != NULL && settings->authority_file[0] != '\0') {
            curl_easy_setopt(curl, CURLOPT_CAINFO, settings->authority_file);
            curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
        }
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_at_stop);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, settings);
        if (secret[0] != '\0')
            curl_easy_setopt(curl, CURLOPT_PASSWORD, secret);
        result = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
    }
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
    explicit_bzero(secret, sizeof secret);
    /* libcurl's own sentence may quote the receiver. */
    if (is_refused(result, reply, stage))
        return error_set(error, ERROR_REFUSED, "the mail server refuses it (%ld)", reply);
    if (reply >= 400 && is_answer(result))
        return error_set(error, ERROR_UNAVAILABLE, "the mail server: it takes no letters now (%ld)",
                         reply);
    return result == CURLE_OK ||
           error_set(error, ERROR_UNAVAILABLE, "the mail server: %s", curl_easy_strerror(result));
}

bool mail_send(const struct mail_settings *settings, const struct mail *mail, struct error *error)
{
    char letter[LETTER_BYTES];
    if (!is_plain(mail->to))
        return error_set(error, ERROR_INVALID, "a letter's address is none");
    size_t length = write_letter(settings, mail, letter);
    if (length == 0)
        return error_set(error, ERROR_INVALID, "a letter does not fit");
    bool sent = starts(settings->url, file_scheme)
                    ? write_file(settings->url + sizeof file_scheme - 1, letter, length, error)
                    : send_smtp(settings, mail, letter, length, error);
    explicit_bzero(letter, sizeof letter); /* a one-time token may be in it */
    return sent;
}
