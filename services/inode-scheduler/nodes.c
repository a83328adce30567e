#include "services/inode-scheduler/nodes.h"

#include "service/log.h"

#include <stdio.h>

const char *nodes_standing_word(enum nodes_standing standing)
{
    static const char *const words[] = {
#define X(name, word) word,
        NODES_STANDINGS(X)
#undef X
    };
    ASSERT(standing < NODES_STANDING_COUNT);
    return words[standing];
}

static uint64_t now_of(const struct nodes *nodes)
{
    uint64_t now = loop_now_ms(nodes->options.loop);
    return now != 0 ? now : 1;
}

/* What a node says counts for the best tip: it is there, of our chain, and has not lied. */
static bool counts(const struct nodes_node *node)
{
    return node->tip_known && !node->unreached && !node->syncing && !node->other_chain &&
           !node->false_tip && node->contradicted == NULL;
}

static const struct nodes_node *best_of(const struct nodes *nodes)
{
    const struct nodes_node *best = NULL;
    for (size_t i = 0; i < nodes->options.count; i++) {
        const struct nodes_node *node = &nodes->list[i];
        if (counts(node) && node->standing != NODES_ALONE &&
            (best == NULL || memcmp(node->tip.chain_work, best->tip.chain_work, 32) > 0))
            best = node;
    }
    return best;
}

static bool is_over(uint64_t since_ms, uint64_t now_ms, unsigned patience_ms)
{
    return since_ms != 0 && now_ms - since_ms >= patience_ms;
}

/* More than half of the others, two at least, know the block and do not take it for the best: to
 * them it is no good. One against one proves nothing. */
static bool is_refused_by_most(const struct nodes *nodes, const struct nodes_node *node)
{
    size_t others = 0, refuse = 0;
    for (size_t i = 0; i < nodes->options.count; i++) {
        const struct nodes_node *other = &nodes->list[i];
        if (other == node || !counts(other))
            continue;
        others++;
        refuse += other->branch == FOLLOW_REFUSES_BEST;
    }
    return refuse >= 2 && 2 * refuse > others;
}

/* No chain of ours lets a block be more than four times easier than another's of the same hour. */
static bool is_too_easy(const struct nodes *nodes, const struct nodes_node *node)
{
    if (!nodes->options.retargets || !node->tip_known)
        return false;
    for (size_t i = 0; i < nodes->options.count; i++)
        if (&nodes->list[i] != node && counts(&nodes->list[i]) &&
            facts_is_too_easy(&nodes->list[i].tip, &node->tip))
            return true;
    return false;
}

static enum nodes_standing judge(const struct nodes *nodes, const struct nodes_node *node,
                                 uint64_t now_ms, char reason_r[FOLLOW_TEXT_BYTES])
{
    const unsigned patience_ms = nodes->options.patience_ms;
    const unsigned patience_s = patience_ms / 1000;
    reason_r[0] = '\0';
    if (node->other_chain || node->syncing) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "%s", node->chain_trouble);
        return node->other_chain ? NODES_OTHER_CHAIN : NODES_SYNCING;
    }
    if (node->false_tip) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "%s", node->tip_trouble);
        return NODES_FALSE_TIP;
    }
    if (node->contradicted != NULL) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "%s", node->contradicted);
        return NODES_FALSE_TIP;
    }
    if (is_too_easy(nodes, node)) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "its tip is far easier than other nodes'");
        return NODES_FALSE_TIP;
    }
    if (node->unreached) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "%s", node->tip_trouble);
        return NODES_UNREACHED;
    }
    if (node->template_trouble[0] != '\0') {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "%s", node->template_trouble);
        return NODES_NO_TEMPLATE;
    }
    if (is_over(node->ahead_since_ms, now_ms, patience_ms) && is_refused_by_most(nodes, node)) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES,
                 "most others know its tip for over %u s and do not take it", patience_s);
        return NODES_ALONE;
    }
    if (is_over(node->behind_since_ms, now_ms, patience_ms)) {
        bool forked = node->branch == FOLLOW_FORKED || node->branch == FOLLOW_REFUSES_BEST;
        snprintf(reason_r, FOLLOW_TEXT_BYTES,
                 forked ? "it is on a branch with less work for over %u s"
                        : "its tip has not moved with the others' for over %u s",
                 patience_s);
        return forked ? NODES_FORKED : NODES_STUCK;
    }
    if (node->slow) {
        snprintf(reason_r, FOLLOW_TEXT_BYTES, "it took %llu ms to name its best block",
                 (unsigned long long)(node->answer_us / 1000));
        return NODES_SLOW;
    }
    return NODES_WELL;
}

/* Whether it may serve where nobody is well. */
static bool is_bearable(enum nodes_standing standing)
{
    return standing == NODES_WELL || standing == NODES_STUCK || standing == NODES_FORKED ||
           standing == NODES_SLOW;
}

static void measure_distance(struct nodes *nodes, uint64_t now_ms, bool *differ_r)
{
    const struct nodes_node *best = best_of(nodes);
    *differ_r = false;
    for (size_t i = 0; i < nodes->options.count; i++) {
        struct nodes_node *node = &nodes->list[i];
        bool same =
            best != NULL && node->tip_known && memcmp(node->tip.hash, best->tip.hash, 32) == 0;
        bool behind = best != NULL && counts(node) &&
                      memcmp(node->tip.chain_work, best->tip.chain_work, 32) < 0;
        bool ahead = best != NULL && counts(node) &&
                     memcmp(node->tip.chain_work, best->tip.chain_work, 32) >= 0;
        bool lonely = false;
        for (size_t j = 0; ahead && j < nodes->options.count; j++)
            lonely = lonely || (counts(&nodes->list[j]) &&
                                memcmp(nodes->list[j].tip.hash, node->tip.hash, 32) != 0);
        if (!behind || same)
            node->behind_since_ms = 0;
        else if (node->behind_since_ms == 0)
            node->behind_since_ms = now_ms;
        if (!lonely)
            node->ahead_since_ms = 0;
        else if (node->ahead_since_ms == 0)
            node->ahead_since_ms = now_ms;
        *differ_r = *differ_r || is_over(node->behind_since_ms, now_ms, 1000) ||
                    is_over(node->ahead_since_ms, now_ms, 1000);
    }
}

static void tell(const struct nodes_node *node, enum nodes_standing before)
{
    char safe[2 * FOLLOW_TEXT_BYTES];
    log_event(node->standing == NODES_WELL ? LOG_INFO : LOG_WARN, "node.standing",
              "node=%s standing=\"%s\" before=\"%s\" reason=\"%s\"", node->name,
              nodes_standing_word(node->standing), nodes_standing_word(before),
              log_text(node->reason, safe, sizeof safe));
}

/* Answers are told once a second. A call that hangs fails much later, or never. */
static void notice_silence(struct nodes *nodes, uint64_t now_ms)
{
    for (size_t i = 0; nodes->options.polled && i < nodes->options.count; i++) {
        struct nodes_node *node = &nodes->list[i];
        if (node->unreached ||
            !is_over(node->heard_ms, now_ms, NODES_SILENT_MS + nodes->options.slow_ms))
            continue;
        node->unreached = true;
        snprintf(node->tip_trouble, sizeof node->tip_trouble, "it has not answered for over %u s",
                 (NODES_SILENT_MS + nodes->options.slow_ms) / 1000);
    }
}

static void judge_all(struct nodes *nodes)
{
    const uint64_t now_ms = now_of(nodes);
    bool differ, any_well = false;
    notice_silence(nodes, now_ms);
    /* What they stand by now is held together, however much was told since. */
    for (size_t i = 0; i < nodes->options.count; i++)
        if (nodes->list[i].tip_known)
            facts_tell(&nodes->facts, i, &nodes->list[i].tip);
    for (size_t i = 0; i < nodes->options.count; i++)
        nodes->list[i].contradicted = nodes->list[i].tip_known
                                          ? facts_contradict(&nodes->facts, i, &nodes->list[i].tip)
                                          : NULL;
    measure_distance(nodes, now_ms, &differ);
    for (size_t i = 0; i < nodes->options.count; i++) {
        struct nodes_node *node = &nodes->list[i];
        enum nodes_standing before = node->standing;
        char reason[FOLLOW_TEXT_BYTES];
        node->standing = judge(nodes, node, now_ms, reason);
        memcpy(node->reason, reason, sizeof reason);
        if (node->standing != before) {
            node->since_unix_ms = loop_unix_ms();
            tell(node, before);
        }
        any_well = any_well || (node->standing == NODES_WELL && node->templates);
        metric_set(node->metric, node->standing == NODES_WELL);
    }
    for (size_t i = 0; i < nodes->options.count; i++) {
        struct nodes_node *node = &nodes->list[i];
        bool usable = node->templates &&
                      (node->standing == NODES_WELL || (!any_well && is_bearable(node->standing)));
        if (usable != node->usable) {
            node->usable = usable;
            nodes->options.on_usable(nodes->options.context, i, usable);
        }
    }
    if (differ && now_ms - nodes->asked_ms >= 2000) {
        nodes->asked_ms = now_ms;
        nodes->options.on_differ(nodes->options.context);
    }
}

static void keep_text(char text_r[FOLLOW_TEXT_BYTES], const char *text)
{
    snprintf(text_r, FOLLOW_TEXT_BYTES, "%.*s", FOLLOW_TEXT_BYTES - 1, text != NULL ? text : "");
}

enum nodes_template nodes_judge_template(struct nodes *nodes, size_t index,
                                         const uint8_t prev_hash[32], uint32_t height,
                                         const char **why_r)
{
    struct nodes_node *node = &nodes->list[index];
    const struct node_tip *below = facts_find(&nodes->facts, index, prev_hash);
    *why_r = NULL;
    if (below != NULL && height != below->height + 1)
        *why_r = "its template has another height than the block it builds on says";
    else if (below != NULL && node->tip_known && node->contradicted == NULL &&
             memcmp(below->chain_work, node->tip.chain_work, 32) < 0)
        *why_r = "its template builds on a block that it has left";
    if (*why_r == NULL)
        return NODES_TEMPLATE_FITS;
    if (height != below->height + 1 || node->asked_again)
        return NODES_TEMPLATE_WRONG;
    node->asked_again = true;
    return NODES_TEMPLATE_LATE;
}

void nodes_template(struct nodes *nodes, size_t index, const char *trouble)
{
    struct nodes_node *node = &nodes->list[index];
    keep_text(node->template_trouble, trouble);
    node->templates = trouble == NULL;
    if (trouble == NULL)
        node->template_unix_ms = loop_unix_ms();
    judge_all(nodes);
}

void nodes_tip(struct nodes *nodes, size_t index, const struct node_tip *tip)
{
    struct nodes_node *node = &nodes->list[index];
    node->tip = *tip;
    node->tip_known = true;
    node->tip_unix_ms = loop_unix_ms();
    node->branch = FOLLOW_UNKNOWN;
    node->asked_again = false;
    judge_all(nodes);
}

void nodes_pulse(struct nodes *nodes, size_t index, enum node_answer answer, uint64_t took_us,
                 const char *trouble)
{
    struct nodes_node *node = &nodes->list[index];
    node->heard_ms = now_of(nodes);
    node->answer_us = took_us;
    node->false_tip = answer == NODE_REFUSED;
    node->unreached = answer == NODE_UNAVAILABLE || answer == NODE_UNKNOWN;
    keep_text(node->tip_trouble, answer == NODE_OK ? NULL : trouble);
    if (answer == NODE_OK && took_us <= (uint64_t)nodes->options.slow_ms * 1000) {
        node->slow_count = 0;
        if (++node->quick_count >= NODES_SLOW_IN_A_ROW)
            node->slow = false;
    } else if (answer == NODE_OK) {
        node->quick_count = 0;
        if (++node->slow_count >= NODES_SLOW_IN_A_ROW)
            node->slow = true;
    }
    judge_all(nodes);
}

const struct node_tip *nodes_claim(const struct nodes *nodes, size_t *node_r)
{
    const struct node_tip *most = NULL;
    *node_r = 0;
    for (size_t i = 0; i < nodes->options.count; i++) {
        const struct nodes_node *node = &nodes->list[i];
        if (!counts(node) ||
            (most != NULL && memcmp(node->tip.chain_work, most->chain_work, 32) <= 0))
            continue;
        most = &node->tip;
        *node_r = i;
    }
    return most;
}

void nodes_followed(struct nodes *nodes, const struct follow_result *result)
{
    for (size_t i = 0; i < nodes->options.count; i++) {
        struct nodes_node *node = &nodes->list[i];
        const struct follow_node *seen = &result->nodes[i];
        if (!seen->reached)
            continue; /* who asks it for templates and tips knows that sooner */
        if (seen->knows_best)
            facts_tell(&nodes->facts, i, &seen->best);
        if (seen->knows_claim)
            facts_tell(&nodes->facts, i, &seen->claim);
        node->syncing = seen->syncing;
        node->other_chain = seen->other_chain;
        keep_text(node->chain_trouble, seen->trouble);
        /* Only where both looks were of the same tip. */
        node->branch = node->tip_known && memcmp(node->tip.hash, seen->tip, 32) == 0
                           ? seen->branch
                           : FOLLOW_UNKNOWN;
    }
    judge_all(nodes);
}

const char *nodes_trouble(struct nodes *nodes)
{
    enum { REASON_BYTES = 90 }; /* so that several find room */
    size_t used = 0, unwell = 0;
    for (size_t i = 0; i < nodes->options.count; i++) {
        const struct nodes_node *node = &nodes->list[i];
        if (node->standing == NODES_WELL || used >= sizeof nodes->troubles)
            continue;
        used += (size_t)snprintf(nodes->troubles + used, sizeof nodes->troubles - used,
                                 "%s%.60s %s: %.*s", unwell++ > 0 ? "; " : "", node->name,
                                 nodes_standing_word(node->standing), REASON_BYTES, node->reason);
    }
    return unwell > 0 ? nodes->troubles : NULL;
}

static void on_tick(void *context)
{
    judge_all(context);
}

void nodes_start(struct nodes *nodes, const struct nodes_options *options,
                 const char *(*name_of)(void *context, size_t node))
{
    memset(nodes, 0, sizeof *nodes);
    nodes->options = *options;
    nodes->facts.retargets = options->retargets;
    for (size_t i = 0; i < options->count; i++) {
        struct nodes_node *node = &nodes->list[i];
        char label[200], name[120];
        node->name = name_of(options->context, i);
        node->since_unix_ms = loop_unix_ms();
        snprintf(label, sizeof label, "node=\"%s\"", log_text(node->name, name, sizeof name));
        node->metric = metrics_gauge(options->metrics, "adit_scheduler_node_well", label,
                                     "1 where a node is well, 0 where it is left aside", NULL);
        metric_set(node->metric, 1);
    }
    nodes->timer = (struct loop_timer){ .on_due = on_tick, .context = nodes };
    loop_timer_start(options->loop, &nodes->timer, NODES_TICK_MS, NODES_TICK_MS);
}

void nodes_stop(struct nodes *nodes)
{
    if (nodes->options.loop != NULL)
        loop_timer_stop(nodes->options.loop, &nodes->timer);
}
