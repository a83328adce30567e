/* mining.subscribe [user agent, session id]: the session's extranonce1, and what is known of the
 * client. A session id that a miner brings back may be resumed: only the owner knows whether it
 * still has that session and the set of its submissions, so it is asked first. */
#include "core/stratum/inside.h"

void print_subscribed(struct print *print, const struct stratum_session *session)
{
    print_text(print, "[[[\"mining.set_difficulty\",\"");
    print_hex_number(print, session->id, 16);
    print_text(print, "\"],[\"mining.notify\",\"");
    print_hex_number(print, session->id, 16);
    print_text(print, "\"]],\"");
    print_hex_number(print, session->extranonce1, 8);
    print_text(print, "\",");
    print_number(print, session->extranonce2_bytes);
    print_text(print, "]");
}

void session_know_agent(struct step *step, const char *agent)
{
    struct stratum_session *session = step->session;
    const struct stratum_world *world = step->world;
    size_t length = 0;
    for (; agent[length] != '\0' && length < STRATUM_AGENT_BYTES_MAX; length++) {
        char c = agent[length];
        bool plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>';
        session->agent[length] = c == ' ' ? ' ' : plain ? c : '?';
    }
    session->agent[length] = '\0';
    const struct quirk_entry *entry =
        world->quirks != NULL ? quirks_find(world->quirks, session->agent) : NULL;
    const uint16_t bytes_max_before = session->quirk.coinbase_bytes_max;
    session->quirk = entry != NULL ? entry->quirk : (struct quirk){ .missing = 0 };
    if (session->quirk.start.expected_hashes != 0 && !session->wished)
        session->start = session->quirk.start;
    if ((session->quirk.missing & QUIRK_NO_VERSION_ROLLING) != 0)
        session->version_mask = session->version_wish = 0;
    session_reshape(session, bytes_max_before);
}

/* Reads a text parameter; "" where there is none that fits. */
static void read_text(struct request *request, unsigned index, char *text_r, size_t bytes)
{
    unsigned token = request->params != 0 ? json_element(request->json, request->params, index) : 0;
    if (token == 0 || !json_copy_text(request->json, token, text_r, bytes, NULL))
        text_r[0] = '\0';
}

void method_subscribe(struct request *request)
{
    struct step *step = request->step;
    struct stratum_session *session = step->session;
    /* The text of a user agent may be long; what is beyond is cut where it is kept. */
    char agent[256], id[20];
    uint64_t number;
    read_text(request, 0, agent, sizeof agent);
    read_text(request, 1, id, sizeof id);
    if (agent[0] != '\0')
        session_know_agent(step, agent);
    if (session->state == STRATUM_CONNECTED && strlen(id) == 16 &&
        hex_decode_u64(id, 16, &number) && number != 0 && number != session->id &&
        request->id.length <= STRATUM_ID_BYTES_MAX) {
        (void)answer_hold_subscribe(request);
        session->resuming = true;
        step_effect(step, STRATUM_RESUME)->session_id = number;
        return;
    }
    struct print print = answer_begin(request);
    print_subscribed(&print, session);
    answer_end(request, &print);
    /* Asked again, it gets the same again: the extranonce is the session's. */
    if (session->state == STRATUM_CONNECTED)
        session_enter_state(session, STRATUM_SUBSCRIBED);
    session_mend_shape(step);
}

/* What the session was, as far as it concerns shares that may still come of it. Names, wishes and
 * extensions are the new connection's own. */
static void take_over(struct stratum_session *session, const struct stratum_session *parked)
{
    session->id = parked->id;
    session->extranonce1 = parked->extranonce1;
    session->extranonce1_before = parked->extranonce1_before;
    session->extranonce2_bytes = parked->extranonce2_bytes;
    session->moved = parked->moved;
    session->sent_ordinal = parked->sent_ordinal;
    session->sent_tip = parked->sent_tip;
    session->sent_ntime = parked->sent_ntime;
    session->sent_variant = parked->sent_variant;
    session->told = work_of(0); /* clients begin each connection at a difficulty of their own */
    session->reshaped = parked->reshaped;
    session->coinbase_bytes_max_before = parked->coinbase_bytes_max_before;
    session_reshape(session, parked->quirk.coinbase_bytes_max);
    session->marks_count = parked->marks_count;
    memcpy(session->marks, parked->marks, sizeof session->marks);
    if (session->version_wish == 0) {
        session->version_wish = parked->version_wish;
        session->version_mask = parked->version_mask;
        session->version_mask_before = parked->version_mask_before;
        session->version_moved = parked->version_moved;
    }
    if (!session->wished)
        session->start = parked->vardiff.work;
}

void session_on_resumed(struct step *step, const struct stratum_session *parked)
{
    struct stratum_session *session = step->session;
    if (!session->resuming)
        return;
    session->resuming = false;
    if (parked != NULL)
        take_over(session, parked);
    answer_settle_subscribe(step);
    session_enter_state(session, STRATUM_SUBSCRIBED);
}
