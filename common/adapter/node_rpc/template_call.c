/* Asking for a template, and reading it while it arrives. */
#include "adapter/node_rpc/inside.h"

#include <stdlib.h>

/* Read in pieces, whoever watches learns of the tip before the first 64 KiB are through, and has
 * transactions while the others are read: not too few at once, each telling costs him a turn. */
enum { READ_BYTES = 64 << 10, READ_FIRST_BYTES = 4 << 10, TELL_BYTES = 96 << 10 };

static void tell_transactions(struct node_rpc *node)
{
    const struct template_reader *reader = &node->reader;
    if (node->watcher.on_transactions == NULL || !reader->more_transactions ||
        reader->data_bytes - node->told_bytes < TELL_BYTES)
        return; /* once it has the last, the whole follows at once */
    node->watcher.on_transactions(node->watcher.context, reader->space->transactions + node->told,
                                  reader->count - node->told);
    node->told = reader->count;
    node->told_bytes = reader->data_bytes;
}

static bool read_template(void *context, const char *text, size_t length, bool last)
{
    struct node_rpc *node = context;
    struct template_reader *reader = &node->reader;
    enum template_step step;
    for (bool whole = false; !whole;) {
        size_t piece = reader->tip_known ? READ_BYTES : READ_FIRST_BYTES;
        size_t seen = node->seen_bytes;
        whole = length - seen <= piece;
        node->seen_bytes = whole ? length : seen + piece;
        bool known = reader->tip_known;
        step = template_reader_feed(reader, text, node->seen_bytes, whole && last);
        if (!known && reader->tip_known && node->watcher.on_tip != NULL)
            node->watcher.on_tip(node->watcher.context, reader->template.prev_hash);
        if (step == TEMPLATE_MORE)
            tell_transactions(node);
    }
    if (last && step == TEMPLATE_WHOLE && node->reader.id != rpc_last_id(node->rpc))
        return false;
    return step == TEMPLATE_WHOLE || step == TEMPLATE_REFUSED;
}

/* [{"rules": […], "longpollid": …}]; NULL when memory is out. */
static char *make_params(const struct node_rpc *node, const char *longpoll_id)
{
    json_t *rules = json_array();
    for (size_t i = 0; i < COIN_GBT_RULES_MAX && node->coin->gbt_rules[i] != NULL; i++)
        json_array_append_new(rules, json_string(node->coin->gbt_rules[i]));
    json_t *params = json_pack("[{s:o}]", "rules", rules);
    if (longpoll_id != NULL)
        json_object_set_new(json_array_get(params, 0), "longpollid", json_string(longpoll_id));
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    return text;
}

enum node_answer node_rpc_get_template(struct node *port, const char *longpoll_id,
                                       struct arena *arena, struct block_template *template_r,
                                       const char **longpoll_id_r, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char *params = make_params(node, longpoll_id);
    if (node->space == NULL)
        node->space = malloc(sizeof *node->space);
    if (params == NULL || node->space == NULL) {
        free(params);
        error_fill(error, ERROR_SYSTEM, "no memory to ask for a template");
        return NODE_UNAVAILABLE;
    }
    struct rpc_request request = { .method = "getblocktemplate",
                                   .params = params,
                                   .params_bytes = strlen(params),
                                   .longpoll = longpoll_id != NULL,
                                   .reader = read_template,
                                   .context = node };
    struct rpc_reply reply;
    template_reader_begin(&node->reader, node->coin, arena, node->space);
    node->told = node->told_bytes = node->seen_bytes = 0;
    enum node_answer answer = rpc_call(node->rpc, &request, &reply, error);
    free(params);
    json_decref(reply.result);
    if (answer == NODE_REFUSED && (reply.code == RPC_SYNCING || reply.code == RPC_NOT_CONNECTED)) {
        error->code = ERROR_UNAVAILABLE;
        return NODE_UNAVAILABLE;
    }
    if (answer != NODE_OK)
        return answer;
    if (node->reader.step == TEMPLATE_WHOLE) {
        *template_r = node->reader.template;
        *longpoll_id_r = node->reader.longpoll_id;
        return NODE_OK;
    }
    if (node->reader.step == TEMPLATE_REFUSED)
        *error = node->reader.error;
    else
        error_fill(error, ERROR_INVALID, "its template is refused: it is no JSON object");
    error_fill_prefix(error, "node %s", rpc_name(node->rpc));
    return NODE_REFUSED;
}
