/* One delivery: taken, looked at once more, tried, and what comes of it written down. */
#include "services/auth/notifier_inside.h"

#include "base/utf8.h"
#include "record/account/account.h"
#include "record/notice/preference.h"
#include "record/notice/route.h"
#include "service/log.h"
#include "services/auth/notice_words.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <time.h>

enum {
    TAKEN_MS = 120000, /* longer than a try takes */
    LIFE_MS = 3 * 86400000,
    ID_DIGITS = 32,
    HOUR_MS = 3600000,
    TEST_AGAIN_MS = 1000, /* while another is tried out */
    HELD_AGAIN_MS = 5000, /* while another lane is at this account's receiver */
    AWAY_MS_MAX = 60000,  /* that a mail server is left alone: when it is back they are told soon */
};

/* What one delivery knows. */
struct delivery {
    struct notifier_lane *lane;
    struct notice *notice;
    struct account account; /* where it is not the operators' */
    struct notice_preference preference;
    struct notice_route_record route;
    char message_id[ID_DIGITS + 8];
    char result[NOTICE_RESULT_BYTES];
    bool away; /* it was the mail server, not this letter */
};

static size_t index_of(const struct delivery *delivery)
{
    return delivery->notice->channel == NOTICE_LETTER ? 0 : 1;
}

/* Another may have taken it meanwhile, after a pause of ours: then it is that one's. */
static bool saved(enum store_outcome outcome)
{
    return outcome == STORE_DONE || outcome == STORE_CONFLICT;
}

static bool end(struct delivery *delivery, enum notice_state state, struct error *error)
{
    struct notifier *notifier = delivery->lane->notifier;
    struct notice *notice = delivery->notice;
    size_t i = index_of(delivery);
    notice->state = state;
    notice->due_ms = loop_unix_ms() + NOTICE_KEPT_MS;
    snprintf(notice->result, sizeof notice->result, "%s", delivery->result);
    metric_add(state == NOTICE_SENT       ? notifier->metrics.sent[i]
               : state == NOTICE_WITHHELD ? notifier->metrics.withheld[i]
                                          : notifier->metrics.given_up[i],
               1);
    if (state == NOTICE_GIVEN_UP)
        log_info("notice.given_up", "id=%s tries=%llu reason=\"%s\"", notice->id,
                 (unsigned long long)notice->tries, delivery->result);
    return saved(notice_save(delivery->lane->store, notice, error));
}

static bool give_up(struct delivery *delivery, const char *reason, struct error *error)
{
    snprintf(delivery->result, sizeof delivery->result, "%s", reason);
    return end(delivery, NOTICE_GIVEN_UP, error);
}

/* It was not its fault: the try does not count. */
static bool put_back(struct delivery *delivery, uint64_t due_ms, struct error *error)
{
    struct notice *notice = delivery->notice;
    notice->tries--;
    notice->due_ms = due_ms;
    return saved(notice_save(delivery->lane->store, notice, error));
}

/* The message's id, the same through every try and every instance. */
static void name_message(struct delivery *delivery)
{
    uint8_t hash[ID_DIGITS / 2];
    const struct span part = span_text(delivery->notice->id);
    secrets_hash(delivery->lane->notifier->options.secrets->notice, &part, 1, hash, sizeof hash);
    memcpy(delivery->message_id, "msg_", 4);
    hex_encode(span_of(hash, sizeof hash), delivery->message_id + 4);
}

static bool is_asked_for(const struct notice *notice)
{
    return notice->kind == NOTICE_TEST;
}

/* Why it goes nowhere; NULL: it does. */
static const char *nowhere(const struct delivery *delivery)
{
    const struct notifier *notifier = delivery->lane->notifier;
    const struct settings *settings = notifier->options.settings;
    const struct notice *notice = delivery->notice;
    const struct notice_preference *preference = &delivery->preference;
    bool letter = notice->channel == NOTICE_LETTER;
    if (letter && notifier->mail.url[0] == '\0')
        return "the pool sends no letters";
    if (notice->account == 0) {
        const char *to =
            letter ? settings->notices_operator_email : settings->notices_operator_webhook;
        return to[0] != '\0' ? NULL : "the settings name no operators";
    }
    if (delivery->account.state == ACCOUNT_CLOSED)
        return "the account is closed";
    if (letter && (delivery->account.email[0] == '\0' || !delivery->account.email_confirmed))
        return "the address of e-mail is not confirmed";
    if (!letter && preference->url[0] == '\0')
        return "there is no webhook";
    if (!letter && preference->off_ms != 0)
        return "the webhook is switched off";
    if (!letter && notice->created_ms < preference->url_ms)
        return "it was made for the webhook of before";
    uint32_t wanted = letter ? preference->letters : preference->webhooks;
    bool chosen = (int)notice->kind <= NOTICE_CHOICES;
    return !chosen || (wanted & notice_bit(notice->kind)) != 0 ? NULL : "it is not wanted any more";
}

/* What it takes to know; a missing account is a closed one. */
static bool learn(struct delivery *delivery, struct error *error)
{
    struct store *store = delivery->lane->store;
    uint64_t account = delivery->notice->account;
    if (notice_route_get(store, account, delivery->notice->channel, &delivery->route, error) !=
        STORE_DONE)
        return false;
    if (account == 0)
        return true;
    enum store_outcome outcome = account_get(store, account, &delivery->account, error);
    if (outcome == STORE_MISSING)
        delivery->account.state = ACCOUNT_CLOSED;
    else if (outcome != STORE_DONE)
        return false;
    return notice_preference_get(store, account, &delivery->preference, error) == STORE_DONE;
}

static uint64_t allowance(const struct delivery *delivery)
{
    const struct settings *settings = delivery->lane->notifier->options.settings;
    int64_t most = delivery->notice->channel == NOTICE_LETTER ? settings->notices_letters_day
                                                              : settings->notices_webhooks_day;
    return notice_allowance(&delivery->route.route, (uint64_t)most, loop_unix_ms());
}

static bool send_letter(struct delivery *delivery)
{
    const struct notifier *notifier = delivery->lane->notifier;
    const struct settings *settings = notifier->options.settings;
    const struct notice *notice = delivery->notice;
    char stop[SECRETS_TEXT_BYTES], unsubscribe[512];
    struct mail mail = { .id = delivery->message_id };
    struct error error = { .text = "" };
    const char *api =
        settings->auth_origin[0] != '\0' ? settings->auth_origin : settings->auth_site;
    struct notice_paths paths = { .site = settings->auth_site, .last = allowance(delivery) == 1 };
    snprintf(mail.to, sizeof mail.to, "%s",
             notice->account == 0 ? settings->notices_operator_email : delivery->account.email);
    if (notice->account != 0) {
        secrets_stop_make(notifier->options.secrets, notice->account, mail.to, stop);
        paths.stop = stop;
    }
    if (paths.stop != NULL && api[0] != '\0') {
        snprintf(unsubscribe, sizeof unsubscribe, "%.300s/api/v1/auth/notices/unsubscribe/%s", api,
                 stop);
        mail.unsubscribe = unsubscribe;
    }
    bool sent =
        notice_write_letter(notice, &paths, &mail) && mail_send(&notifier->mail, &mail, &error);
    delivery->away = !sent && error.text[0] != '\0' && error.code != ERROR_REFUSED &&
                     error.code != ERROR_INVALID;
    snprintf(delivery->result, sizeof delivery->result, "%.*s", NOTICE_RESULT_BYTES - 1,
             sent ? "the mail server has taken it" : error.text);
    return sent;
}

static enum webhook_outcome send_webhook(struct delivery *delivery)
{
    const struct notifier *notifier = delivery->lane->notifier;
    const struct notice *notice = delivery->notice;
    char document[NOTICE_DOCUMENT_BYTES];
    uint8_t secret[NOTICE_SECRET_BYTES];
    size_t length = notice_write_document(notice, document);
    struct webhook_request request = { .url = delivery->preference.url,
                                       .id = delivery->message_id,
                                       .time_s = loop_unix_ms() / 1000,
                                       .secret = span_of(secret, sizeof secret),
                                       .body = span_of(document, length) };
    if (notice->account == 0) {
        request.url = notifier->options.settings->notices_operator_webhook;
        request.secret = span_of(notifier->operator_secret, notifier->operator_secret_length);
    } else if (!secrets_open_webhook(notifier->options.secrets, notice->account,
                                     delivery->preference.sealed, secret)) {
        snprintf(delivery->result, sizeof delivery->result,
                 "its secret was sealed by another deployment: set the webhook again");
        return WEBHOOK_FAILED;
    }
    enum webhook_outcome outcome =
        webhook_send(notice->account == 0 ? &notifier->operator_webhook : &notifier->webhook,
                     &request, delivery->result);
    sodium_memzero(secret, sizeof secret);
    return outcome;
}

/* Counted twice, or not at all, where two deliver at once: it bounds, it does not account. */
static bool save_route(struct delivery *delivery, struct error *error)
{
    return saved(notice_route_save(delivery->lane->store, &delivery->route, error));
}

/* The letter first, under an id of its cause, so that nobody who dies in between loses it. */
static bool switch_off(struct delivery *delivery, struct error *error)
{
    struct notice_preference *preference = &delivery->preference;
    uint64_t since_ms = delivery->route.route.failing_since_ms;
    struct notice letter = { .account = delivery->notice->account,
                             .kind = NOTICE_WEBHOOK_OFF,
                             .channel = NOTICE_LETTER,
                             .created_ms = loop_unix_ms() };
    char cause[NOTICE_CAUSE_BYTES], since[32];
    time_t seconds = (time_t)(since_ms / 1000);
    struct tm parts;
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    snprintf(cause, sizeof cause, "webhook.off:%llu:%llu", (unsigned long long)preference->url_ms,
             (unsigned long long)since_ms);
    notice_name(&letter, cause);
    json_t *data = json_pack("{s:s, s:s, s:s}", "account", delivery->account.name, "since", since,
                             "result", delivery->result);
    size_t length = json_dumpb(data, letter.body, sizeof letter.body - 1, JSON_COMPACT);
    json_decref(data);
    ASSERT(length > 0 && length < sizeof letter.body);
    enum store_outcome outcome = notice_insert(delivery->lane->store, &letter, error);
    if (outcome != STORE_DONE && outcome != STORE_EXISTS)
        return false;
    preference->off_ms = loop_unix_ms();
    outcome = notice_preference_save(delivery->lane->store, preference, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_CONFLICT; /* its owner changed it just now */
    metric_add(delivery->lane->notifier->metrics.switched_off, 1);
    log_info("webhook.off", "account=%016llx reason=\"%s\"",
             (unsigned long long)preference->account, delivery->result);
    return true;
}

void notifier_forget_trouble(struct notifier_lane *lane)
{
    lane->failures = 0;
    lane->trouble[0] = '\0';
}

/* Not this letter's fault: it is not counted as a try, and none is made of another either until the
 * pause is over. Which one is tried then is another's turn. */
static bool wait_for_server(struct delivery *delivery, uint64_t first_ms, uint64_t seed,
                            struct error *error)
{
    struct notifier_lane *lane = delivery->lane;
    uint64_t pause_ms = notice_pause_ms(++lane->failures, first_ms, seed);
    if (pause_ms > AWAY_MS_MAX)
        pause_ms = AWAY_MS_MAX;
    lane->not_before_ns = loop_clock_ns() + pause_ms * 1000000;
    snprintf(lane->trouble, sizeof lane->trouble, "%s", delivery->result);
    snprintf(delivery->notice->result, sizeof delivery->notice->result, "%s", delivery->result);
    return put_back(delivery, loop_unix_ms() + pause_ms, error);
}

static bool failed(struct delivery *delivery, bool gone, struct error *error)
{
    struct notifier *notifier = delivery->lane->notifier;
    const struct settings *settings = notifier->options.settings;
    struct notice *notice = delivery->notice;
    uint64_t now_ms = loop_unix_ms(), tries_max = (uint64_t)settings->notices_tries, seed;
    if (atomic_load(&notifier->ending))
        return put_back(delivery, now_ms, error);
    randombytes_buf(&seed, sizeof seed);
    struct notice_route *route = &delivery->route.route;
    bool webhook = notice->channel == NOTICE_WEBHOOK;
    uint64_t first_ms = (uint64_t)settings->notices_retry_s * 1000;
    metric_add(notifier->metrics.failures[index_of(delivery)], 1);
    if (delivery->away)
        return wait_for_server(delivery, first_ms, seed, error);
    if (webhook) {
        notice_failed(route, notice_pause_ms(route->failures + 1, first_ms, seed), now_ms);
        uint64_t off_ms = (uint64_t)settings->notices_webhook_off_h * HOUR_MS;
        if (!save_route(delivery, error))
            return false;
        if (notice->account != 0 &&
            (gone || notice_is_hopeless(route, off_ms, tries_max, now_ms)) &&
            !switch_off(delivery, error))
            return false;
    }
    snprintf(notice->result, sizeof notice->result, "%s", delivery->result);
    notice->due_ms = now_ms + notice_pause_ms(notice->tries, first_ms, seed);
    if (notice->tries >= tries_max || is_asked_for(notice) || delivery->preference.off_ms != 0 ||
        notice->due_ms >= notice->created_ms + LIFE_MS)
        return end(delivery, NOTICE_GIVEN_UP, error);
    return saved(notice_save(delivery->lane->store, notice, error));
}

static bool try_it(struct delivery *delivery, struct error *error)
{
    bool gone = false, sent;
    name_message(delivery);
    if (delivery->notice->channel == NOTICE_LETTER) {
        sent = send_letter(delivery);
        if (!delivery->away)
            notifier_forget_trouble(delivery->lane);
    } else {
        enum webhook_outcome outcome = send_webhook(delivery);
        sent = outcome == WEBHOOK_TAKEN;
        gone = outcome == WEBHOOK_GONE;
    }
    /* Others' words are in it, and may have been cut anywhere. */
    char said[NOTICE_RESULT_BYTES];
    (void)utf8_keep(delivery->result, strlen(delivery->result), said, sizeof said);
    memcpy(delivery->result, said, sizeof said);
    if (!sent)
        return failed(delivery, gone, error);
    /* Crossed out first: what is counted once too seldom hurts nobody. */
    if (!end(delivery, NOTICE_SENT, error))
        return false;
    notice_succeeded(&delivery->route.route, loop_unix_ms());
    return save_route(delivery, error);
}

/* What is asked for waits for a receiver that failed no longer than for its first failure: who has
 * mended theirs need not wait a day to see it. */
static uint64_t not_before(const struct delivery *delivery)
{
    const struct notice *notice = delivery->notice;
    uint64_t until_ms = delivery->route.route.not_before_ms;
    uint64_t first_ms =
        (uint64_t)delivery->lane->notifier->options.settings->notices_retry_s * 1000;
    if (is_asked_for(notice) && until_ms > notice->created_ms + first_ms)
        until_ms = notice->created_ms + first_ms;
    return until_ms;
}

/* Those that are asked for take one lane at the most: whoever asks for many, of receivers that
 * never answer, takes nobody else's. */
static bool try_one(struct delivery *delivery, struct error *error)
{
    struct notifier *notifier = delivery->lane->notifier;
    if (delivery->notice->channel != NOTICE_WEBHOOK)
        return try_it(delivery, error);
    if (atomic_exchange(&notifier->testing, true))
        return put_back(delivery, loop_unix_ms() + TEST_AGAIN_MS, error);
    bool good = try_it(delivery, error);
    atomic_store(&notifier->testing, false);
    return good;
}

/* One lane at a time is at an account's receiver: one that never answers takes one of them, however
 * much waits for it, and what comes of one try is known to the next. */
static bool hold(struct notifier_lane *lane, uint64_t account)
{
    struct notifier *notifier = lane->notifier;
    bool good = true;
    pthread_mutex_lock(&notifier->lock);
    for (size_t i = 0; i < NOTIFIER_LANES; i++)
        good = good && !(notifier->lanes[i].holds && notifier->lanes[i].held == account);
    if (good) {
        lane->holds = true;
        lane->held = account;
    }
    pthread_mutex_unlock(&notifier->lock);
    return good;
}

static void let_go(struct notifier_lane *lane)
{
    pthread_mutex_lock(&lane->notifier->lock);
    lane->holds = false;
    pthread_mutex_unlock(&lane->notifier->lock);
}

/* Looks whether it is to be tried now, and tries it. */
static bool deliver(struct delivery *delivery, struct error *error)
{
    const struct notice *notice = delivery->notice;
    if (!learn(delivery, error))
        return false;
    const char *reason = nowhere(delivery);
    if (reason != NULL)
        return give_up(delivery, reason, error);
    bool free = is_asked_for(notice) || (int)notice->kind > NOTICE_CHOICES;
    uint64_t not_before_ms = not_before(delivery);
    if (loop_unix_ms() < not_before_ms)
        return put_back(delivery, not_before_ms, error);
    if (!free && allowance(delivery) == 0) {
        snprintf(delivery->result, sizeof delivery->result, "one too many for the day");
        return end(delivery, NOTICE_WITHHELD, error);
    }
    return is_asked_for(notice) ? try_one(delivery, error) : try_it(delivery, error);
}

bool notifier_carry(struct notifier_lane *lane, struct notice *notice, struct error *error)
{
    struct delivery delivery = { .lane = lane, .notice = notice };
    uint64_t now_ms = loop_unix_ms();
    notice->tries++;
    notice->due_ms = now_ms + TAKEN_MS;
    enum store_outcome outcome = notice_save(lane->store, notice, error);
    if (outcome == STORE_CONFLICT) /* another has it */
        return true;
    if (outcome != STORE_DONE)
        return false;
    if (notice->kind == 0)
        return give_up(&delivery, "its record is damaged", error);
    if (now_ms >= notice->created_ms + LIFE_MS)
        return give_up(&delivery, "its time is over", error);
    if (notice->channel == NOTICE_LETTER)
        return deliver(&delivery, error);
    if (!hold(lane, notice->account))
        return put_back(&delivery, now_ms + HELD_AGAIN_MS, error);
    bool good = deliver(&delivery, error);
    let_go(lane);
    return good;
}
