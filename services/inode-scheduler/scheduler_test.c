#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/node_fake/node_fake.h"
#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "core/pow/sha256.h"
#include "loop/testing/until.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/turn/turn.h"
#include "services/inode-scheduler/scheduler.h"
#include "wire/job/job_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BITS = 0x207fffff, SEEN_MAX = 512, REPLY_MAX = 1 << 20 };
#define REWARD ((uint64_t)5000000000)

/* A pool's world in memory, with one scheduler in it and one that listens and asks. */
struct fixture {
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    struct settings settings;
    struct store *store;
    struct node_fake_chain *chain;
    struct window_fake *window;
    struct window_writer *writer;
    struct output_script script;
    struct scheduler scheduler;
    bool open;
    unsigned deposed;
    unsigned boots;
    struct node *nodes[256]; /* every handle opened, to trouble them */
    unsigned nodes_opened;
    size_t nodes_count; /* 2 where not said */
    bool first_lies;
    bool store_goes;        /* when next a node is opened */
    bool hears_nothing;     /* to hear a node fails */
    char node_trouble[512]; /* as health has it */
    /* the listener */
    struct bus_subscriber *subscriber;
    struct bus_client *client;
    bool up;
    struct job jobs[SEEN_MAX];
    uint64_t sequences[SEEN_MAX];
    unsigned jobs_count;
    struct wire_template_announce announced[SEEN_MAX];
    unsigned announced_count;
    struct wire_chain_notice notice;
    unsigned notices;
    unsigned replies;
    enum bus_outcome outcome;
    uint8_t reply[REPLY_MAX];
    size_t reply_length;
};

static struct store *open_store(void *context, struct error *error)
{
    (void)error;
    return store_fake_share(((struct fixture *)context)->store);
}

static struct node *open_node(void *context, size_t index, struct error *error)
{
    struct fixture *f = context;
    (void)error;
    assert_true(f->nodes_opened < 256);
    if (f->store_goes)
        store_fake_away(f->store, true);
    static const char *const names[] = { "a", "b", "c" };
    struct node *node = node_fake_open(f->chain, names[index]);
    if (f->first_lies && index == 0)
        node_fake_trouble(node, NODE_FAKE_LIES);
    return f->nodes[f->nodes_opened++] = node;
}

static struct window_reader *open_window(void *context, struct error *error)
{
    (void)error;
    return window_fake_reader(((struct fixture *)context)->window);
}

static bool hear(void *context, size_t index, const struct scheduler_hearing *hearing,
                 void **heard_r, struct error *error)
{
    const struct fixture *f = context;
    (void)index;
    (void)hearing;
    *heard_r = NULL;
    return !f->hears_nothing || error_set(error, ERROR_SYSTEM, "nothing can be heard");
}

static void on_trouble(void *context, const char *what, const char *reason)
{
    struct fixture *f = context;
    if (strcmp(what, "node") == 0)
        snprintf(f->node_trouble, sizeof f->node_trouble, "%s", reason != NULL ? reason : "");
}

static void on_leading(void *context)
{
    (void)context;
}

static void on_deposed(void *context)
{
    ((struct fixture *)context)->deposed++;
}

static void on_published(void *context, struct span message)
{
    struct fixture *f = context;
    struct error error;
    enum wire_type type;
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    assert_true(wire_peek(message, &type, &error));
    if (type == WIRE_TYPE_job) {
        struct wire_job wire;
        assert_true(wire_decode_job(message, &arena, &wire, &error));
        if (f->jobs_count > 0 && wire.sequence == f->sequences[f->jobs_count - 1] &&
            wire.job_id == f->jobs[f->jobs_count - 1].id)
            return; /* a heartbeat */
        assert_true(f->jobs_count < SEEN_MAX);
        assert_true(job_from_wire(&wire, &f->jobs[f->jobs_count], &error));
        f->sequences[f->jobs_count++] = wire.sequence;
    } else if (type == WIRE_TYPE_template_announce) {
        assert_true(f->announced_count < SEEN_MAX);
        assert_true(wire_decode_template_announce(message, &arena,
                                                  &f->announced[f->announced_count++], &error));
    } else {
        assert_int_equal(type, WIRE_TYPE_chain_notice);
        assert_true(wire_decode_chain_notice(message, &arena, &f->notice, &error));
        f->notices++;
    }
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct fixture *f = context;
    f->outcome = outcome;
    f->reply_length = reply.length;
    assert_true(reply.length <= REPLY_MAX);
    if (reply.length > 0)
        memcpy(f->reply, reply.data, reply.length);
    f->replies++;
}

static void on_up(void *context)
{
    ((struct fixture *)context)->up = true;
}

#define UNTIL(f, condition) LOOP_UNTIL((f)->loop, condition, "")

/* It leads, or stands by. */
static void open_scheduler(struct fixture *f)
{
    struct error error;
    struct scheduler_options options = {
        .loop = f->loop,
        .bus = f->bus,
        .metrics = f->metrics,
        .settings = &f->settings,
        .coin = *coin_profile_find(span_text("bitcoin-regtest")),
        .script = f->script,
        .world = { .open_store = open_store,
                   .open_node = open_node,
                   .open_window = open_window,
                   .hear = hear,
                   .context = f,
                   .nodes_count = f->nodes_count },
        .instance = "1",
        .boot_id = ++f->boots,
        .on_trouble = on_trouble,
        .on_leading = on_leading,
        .on_deposed = on_deposed,
        .context = f,
    };
    options.coin.coinbase_maturity = 3;
    if (!scheduler_open(&f->scheduler, &options, &error))
        fail_msg("%s", error.text);
    f->open = true;
}

static void start(struct fixture *f)
{
    open_scheduler(f);
    UNTIL(f, f->up);
}

static void stop(struct fixture *f)
{
    if (f->open)
        scheduler_close(&f->scheduler);
    f->open = false;
}

static struct fixture *open_fixture_of(size_t nodes_count, bool first_lies)
{
    struct error error;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->nodes_count = nodes_count;
    f->first_lies = first_lies;
    f->loop = loop_create(&error);
    f->bus = bus_fake_create(f->loop);
    f->metrics = metrics_create();
    f->store = store_fake_create();
    f->chain = node_fake_chain_create("regtest", BITS);
    f->window = window_fake_create(f->loop);
    f->writer = window_fake_writer(f->window, 0);
    assert_true(settings_load(&f->settings, NULL, "/nowhere", "1", &error));
    f->settings.scheduler_template_hold_ms = 200;
    f->settings.chain_tip_poll_ms = 20;
    f->script.length = 22;
    memset(f->script.data, 0x5a, 22);
    node_fake_mine(f->chain, 10);
    f->subscriber =
        bus_subscribe(f->bus, f->settings.service_publish_url, 1 << 20, on_published, f, &error);
    struct bus_client_options options = {
        .in_flight_max = 16, .message_bytes_max = REPLY_MAX, .on_up = on_up, .context = f
    };
    f->client = bus_connect(f->bus, f->settings.service_scheduler_url, &options, &error);
    assert_non_null(f->client);
    start(f);
    return f;
}

static struct fixture *open_fixture(void)
{
    return open_fixture_of(2, false);
}

static void close_fixture(struct fixture *f)
{
    stop(f);
    bus_client_close(f->client);
    bus_subscriber_close(f->subscriber);
    window_writer_close(f->writer);
    loop_run_once(f->loop, 0);
    bus_destroy(f->bus);
    window_fake_destroy(f->window);
    node_fake_chain_destroy(f->chain);
    store_close(f->store);
    metrics_destroy(f->metrics);
    settings_deinit(&f->settings);
    loop_destroy(f->loop);
    free(f);
}

/* Asks and waits for what becomes of it; a reply is in f->reply. */
static void tell(struct fixture *f, const uint8_t *message, size_t length, unsigned timeout_ms)
{
    unsigned replies = f->replies;
    assert_true(length > 0);
    assert_true(bus_request(f->client, span_of(message, length), timeout_ms, on_reply, f));
    UNTIL(f, f->replies > replies);
}

static void ask(struct fixture *f, const uint8_t *message, size_t length)
{
    tell(f, message, length, 20000);
    assert_int_equal(f->outcome, BUS_REPLIED);
}

/* A candidate that may go unanswered. */
static void tell_candidate(struct fixture *f, const struct wire_candidate *candidate)
{
    uint8_t *bytes = malloc(1 << 18);
    assert_non_null(bytes);
    tell(f, bytes, wire_encode_candidate(candidate, bytes, 1 << 18), 500);
    free(bytes);
}
#define ASK(f, name, message)                                                                      \
    do {                                                                                           \
        uint8_t *bytes_ = malloc(1 << 18);                                                         \
        assert_non_null(bytes_);                                                                   \
        ask(f, bytes_, wire_encode_##name(message, bytes_, 1 << 18));                              \
        free(bytes_);                                                                              \
    } while (0)
#define REPLY(f, name, memory, reply_r)                                                            \
    do {                                                                                           \
        struct arena arena_ = arena_over(memory, sizeof memory);                                   \
        struct error error_;                                                                       \
        if (!wire_decode_##name(span_of((f)->reply, (f)->reply_length), &arena_, reply_r,          \
                                &error_))                                                          \
            fail_msg("%s", error_.text);                                                           \
    } while (0)

static const struct job *newest(const struct fixture *f)
{
    return &f->jobs[f->jobs_count - 1];
}

/* The nth job that was published, from 1, when it has come; others may be behind it by then. */
static const struct job *nth_job(struct fixture *f, unsigned n)
{
    UNTIL(f, f->jobs_count >= n);
    return &f->jobs[n - 1];
}

static void a_template_becomes_a_job_that_pays_to_the_pools_address(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    const struct job *job = nth_job(f, 1);
    assert_true(job->clean);
    assert_int_equal(job->height, 11);
    assert_int_equal(job->coinbase_value, REWARD);
    assert_int_equal(job->epoch, 1);
    assert_int_equal(job->id, (uint64_t)1 << 32 | 1);
    assert_int_equal(job->extranonce1_bytes, 4);
    assert_int_equal(job->template_id, 0);
    assert_non_null(memmem(job->coinbase2, job->coinbase2_bytes, f->script.data, 22));
    assert_int_equal(job->version_mask, JOB_VERSION_MASK_BIP320);
    close_fixture(f);
}

/* Number and head of the commitment in a job's coinbase; false where there is none. */
static bool committed(const struct job *job, uint32_t *number_r, uint8_t head_r[PROOF_HASH_BYTES])
{
    static const uint8_t begin[] = { PROOF_COMMITMENT_BYTES, 0x6a, 0x28, 'a', 'd', 'i', 't' };
    const uint8_t *at = memmem(job->coinbase2, job->coinbase2_bytes, begin, sizeof begin);
    return at != NULL &&
           proof_commitment_read(span_of(at + 1, PROOF_COMMITMENT_BYTES), number_r, head_r);
}

static void append_proof(struct fixture *f, uint64_t number, struct proof_link *link_r)
{
    struct error error;
    *link_r = (struct proof_link){ .statement = { .number = number, .scheme = "pplns" } };
    assert_int_equal(proof_link_append(f->store, link_r, &error), STORE_DONE);
}

static void a_coinbase_carries_the_head_of_the_chain_of_proofs(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct proof_link first, second;
    uint8_t head[PROOF_HASH_BYTES];
    uint32_t number = 0;
    assert_false(committed(nth_job(f, 1), &number, head));
    append_proof(f, 1, &first);
    append_proof(f, 2, &second);
    stop(f);
    node_fake_transactions(f->chain, 2, 300); /* an empty job and a full one */
    start(f);
    for (unsigned n = 2; n <= 3; n++) {
        const struct job *job = nth_job(f, n);
        assert_true(committed(job, &number, head));
        assert_int_equal(number, 2);
        assert_memory_equal(head, second.head, sizeof head);
        assert_true(job->template_id != 0 || job->coinbase_value == REWARD);
        /* but not for miners that can take only the least */
        struct job_coinbase least;
        assert_true(job_coinbase(job, JOB_SHAPE_LEAST, &least));
        assert_null(memmem(least.behind.data, least.behind.length,
                           "\x6a\x28"
                           "adit",
                           6));
        assert_non_null(memmem(least.behind.data, least.behind.length, f->script.data, 22));
    }
    /* What is appended while it runs is found by itself. */
    append_proof(f, 3, &first);
    UNTIL(f, f->scheduler.commitment.number == 3);
    unsigned before = f->jobs_count;
    node_fake_mine(f->chain, 1);
    assert_true(committed(nth_job(f, before + 1), &number, head));
    assert_int_equal(number, 3);
    stop(f);
    f->settings.chain_commit_proofs = false;
    start(f);
    UNTIL(f, newest(f)->epoch == f->scheduler.epoch);
    assert_false(committed(newest(f), &number, head));
    close_fixture(f);
}

/* A scheduler whose jobs wait for a validator as long as it takes. */
static struct fixture *open_patient_fixture(void)
{
    struct fixture *f = open_fixture();
    UNTIL(f, f->jobs_count > 0);
    stop(f);
    f->settings.scheduler_template_hold_ms = 60000;
    size_t before = f->jobs_count;
    start(f);
    UNTIL(f, f->jobs_count > before);
    return f;
}

/* The template announced last, once it is whole; 0: none is. */
static uint64_t announced_whole(const struct fixture *f)
{
    if (f->announced_count == 0)
        return 0;
    uint64_t id = f->announced[f->announced_count - 1].template_id;
    return jobs_template(f->scheduler.jobs, id) != NULL ? id : 0;
}

static void a_new_tip_gets_an_empty_job_at_once_and_the_full_one_when_it_is_held(void **state)
{
    (void)state;
    struct fixture *f = open_patient_fixture();
    uint8_t memory[8192];
    size_t before = f->jobs_count;
    node_fake_transactions(f->chain, 5, 300);
    node_fake_mine(f->chain, 1);
    UNTIL(f, f->jobs_count > before && announced_whole(f) != 0);
    const struct job empty = *newest(f);
    assert_true(empty.clean && empty.template_id == 0 && empty.branches_count == 0);
    uint64_t id = announced_whole(f);

    struct wire_template_request ask_template = { .template_id = id };
    struct wire_template_reply transactions;
    ASK(f, template_request, &ask_template);
    REPLY(f, template_reply, memory, &transactions);
    assert_int_equal(transactions.template_id, id);
    assert_true(transactions.first == 0 && transactions.last == 1);
    assert_int_equal(transactions.transactions_count, 5);
    assert_int_equal(transactions.transactions[4].data.length, 300);

    struct wire_template_held held = { .template_id = id, .instance = "1" };
    ASK(f, template_held, &held);
    UNTIL(f, newest(f)->template_id == id);
    assert_false(newest(f)->clean);
    assert_int_equal(newest(f)->branches_count, 3);
    assert_memory_equal(newest(f)->prev_hash, empty.prev_hash, 32);
    close_fixture(f);
}

/* The handles of the threads that fetch templates: opened last, behind those that follow the chain,
 * submit, and watch for tips. */
static void trouble_templates(struct fixture *f, enum node_fake_trouble trouble)
{
    for (unsigned i = f->nodes_opened - 2; i < f->nodes_opened; i++)
        node_fake_trouble(f->nodes[i], trouble);
}

/* No template comes any more, and none is on its way. */
static void take_templates_away(struct fixture *f)
{
    trouble_templates(f, NODE_FAKE_AWAY);
    UNTIL(f, f->scheduler.node_trouble[0][0] != '\0' && f->scheduler.node_trouble[1][0] != '\0');
}

static struct node_tip fake_tip(struct fixture *f)
{
    struct node_tip tip;
    struct error error;
    uint8_t hash[32];
    assert_int_equal(node_best(f->nodes[0], hash, &error), NODE_OK);
    assert_int_equal(node_tip(f->nodes[0], hash, &tip, &error), NODE_OK);
    return tip;
}

/* As told by the node whose template is mined on: its word counts for certain. */
static bool take_tip(struct fixture *f, const struct node_tip *tip)
{
    struct jobs_view view;
    jobs_look(f->scheduler.jobs, &view);
    return jobs_tip(f->scheduler.jobs, view.node, tip, 0);
}

static void a_new_tip_is_mined_on_before_its_template_is_there(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint32_t version = nth_job(f, 1)->version;
    take_templates_away(f);
    node_fake_transactions(f->chain, 5, 300);
    node_fake_mine(f->chain, 1);
    const struct job job = *nth_job(f, 2);
    struct node_tip tip = fake_tip(f);
    assert_memory_equal(job.prev_hash, tip.hash, 32);
    assert_int_equal(job.height, 12);
    assert_int_equal(job.bits, BITS);
    assert_int_equal(job.version, version);
    assert_int_equal(job.min_time, tip.median_time + 1);
    assert_true(job.cur_time >= job.min_time);
    assert_true(job.coinbase_value == REWARD && job.clean && !job.witness);
    assert_true(job.template_id == 0 && job.branches_count == 0);
    /* The template brings the transactions; who mines already goes on. */
    trouble_templates(f, NODE_FAKE_WELL);
    const struct job *full = nth_job(f, 3);
    assert_true(full->template_id != 0 && full->height == 12 && !full->clean);
    /* An old tip, one that something stands on, and one already mined on change nothing. */
    assert_false(take_tip(f, &tip));
    tip.height = 12;
    tip.is_tip = false;
    assert_false(take_tip(f, &tip));
    close_fixture(f);
}

static struct template_box *fake_template(struct fixture *f)
{
    struct error error;
    struct template_box *box = template_box_create(&error);
    const char *longpoll = NULL;
    assert_non_null(box);
    struct arena arena = arena_over(box->memory, template_box_capacity());
    assert_int_equal(node_get_template(f->scheduler.chain_nodes[0], NULL, &arena, &box->content,
                                       &longpoll, &error),
                     NODE_OK);
    return box;
}

static void ask_for_transactions(struct fixture *f, uint64_t template_id, uint32_t first)
{
    uint8_t bytes[64];
    const struct wire_template_request wire = { .template_id = template_id, .first = first };
    size_t length = wire_encode_template_request(&wire, bytes, sizeof bytes);
    assert_true(length > 0);
    assert_true(bus_request(f->client, span_of(bytes, length), 60000, on_reply, f));
}

/* A template of 5 transactions of 60,000 bytes on a new tip, which the scheduler knows already. */
static struct template_box *arriving_template(struct fixture *f)
{
    struct jobs_view view;
    size_t before = f->jobs_count;
    trouble_templates(f, NODE_FAKE_AWAY);
    node_fake_transactions(f->chain, 5, 60000);
    node_fake_mine(f->chain, 1);
    /* Both nodes' own templates have come to nothing. */
    UNTIL(f, f->jobs_count > before && f->scheduler.node_trouble[0][0] != '\0' &&
                 f->scheduler.node_trouble[1][0] != '\0');
    jobs_look(f->scheduler.jobs, &view);
    struct template_box *box = fake_template(f);
    box->node = view.node;
    return box;
}

static void tell_transactions(struct fixture *f, const struct template_box *box, size_t from,
                              size_t count)
{
    struct span list[5];
    for (size_t i = 0; i < count; i++)
        list[i] = box->content.transactions[from + i].data;
    jobs_draft_add(f->scheduler.jobs, box, list, count);
}

static void what_has_arrived_of_a_template_is_handed_on_before_its_end(void **state)
{
    (void)state;
    struct fixture *f = open_patient_fixture();
    struct wire_template_reply reply;
    struct error error;
    uint8_t memory[8192];
    struct template_box *box = arriving_template(f);
    const struct template_transaction *all = box->content.transactions;
    size_t announced = f->announced_count;
    jobs_draft(f->scheduler.jobs, box, box->content.prev_hash);
    UNTIL(f, f->announced_count == announced + 1);
    uint64_t id = f->announced[announced].template_id;
    /* There is nothing yet, then too little to be worth a message, then enough. */
    unsigned replies = f->replies;
    ask_for_transactions(f, id, 0);
    UNTIL(f, f->scheduler.handover.count == 1);
    tell_transactions(f, box, 0, 1);
    assert_int_equal(f->scheduler.handover.count, 1);
    tell_transactions(f, box, 1, 1);
    UNTIL(f, f->replies == replies + 1);
    REPLY(f, template_reply, memory, &reply);
    assert_true(reply.template_id == id && reply.first == 0 && reply.last == 0);
    assert_true(reply.transactions_count == 2 && reply.job.length == 0);
    assert_true(span_equal(reply.transactions[1].data, all[1].data));
    /* What it cannot have is known of no template. */
    ask_for_transactions(f, id, 3);
    UNTIL(f, f->replies == replies + 2);
    REPLY(f, template_reply, memory, &reply);
    assert_true(reply.template_id == 0 && reply.transactions_count == 0);
    /* With the whole, who waits has the rest and the job. */
    ask_for_transactions(f, id, 2);
    UNTIL(f, f->scheduler.handover.count == 1);
    size_t jobs = f->jobs_count;
    assert_true(jobs_take(f->scheduler.jobs, box, &error));
    UNTIL(f, f->replies == replies + 3);
    REPLY(f, template_reply, memory, &reply);
    assert_true(reply.template_id == id && reply.first == 2 && reply.last == 1);
    assert_true(reply.transactions_count == 3 && reply.job.length > 0);
    assert_true(span_equal(reply.transactions[2].data, all[4].data));
    assert_int_equal(f->announced_count, announced + 1);
    struct wire_template_held held = { .template_id = id, .instance = "1" };
    ASK(f, template_held, &held);
    UNTIL(f, f->jobs_count == jobs + 1);
    assert_int_equal(newest(f)->template_id, id);
    close_fixture(f);
}

static void a_template_that_comes_to_nothing_is_told_to_who_waits(void **state)
{
    (void)state;
    struct fixture *f = open_patient_fixture();
    struct wire_template_reply reply;
    uint8_t memory[8192];
    struct template_box *box = arriving_template(f);
    size_t announced = f->announced_count;
    jobs_draft(f->scheduler.jobs, box, box->content.prev_hash);
    UNTIL(f, f->announced_count == announced + 1);
    unsigned replies = f->replies;
    tell_transactions(f, box, 0, 1);
    ask_for_transactions(f, f->announced[announced].template_id, 1);
    UNTIL(f, f->scheduler.handover.count == 1);
    jobs_draft_drop(f->scheduler.jobs, box);
    template_box_destroy(box);
    UNTIL(f, f->replies == replies + 1);
    REPLY(f, template_reply, memory, &reply);
    assert_int_equal(reply.template_id, 0);
    close_fixture(f);
}

static void a_template_that_was_on_its_way_does_not_lead_back_to_the_old_tip(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct error error;
    (void)nth_job(f, 1);
    struct template_box *late = fake_template(f), *later = fake_template(f);
    take_templates_away(f);
    node_fake_mine(f->chain, 1);
    assert_int_equal(nth_job(f, 2)->height, 12);
    struct jobs_view view;
    jobs_look(f->scheduler.jobs, &view);
    late->node = later->node = view.node;
    assert_true(jobs_take(f->scheduler.jobs, late, &error));
    jobs_look(f->scheduler.jobs, &view);
    assert_int_equal(view.height, 12);
    /* Asked again, it says the same: it has left that tip. (The other node, if it tells of its tip
     * only now, leads forward again, with a job behind this one.) */
    assert_true(jobs_take(f->scheduler.jobs, later, &error));
    assert_int_equal(nth_job(f, 3)->height, 11);
    close_fixture(f);
}

static void at_a_retarget_and_with_an_extension_block_a_job_waits_for_the_template(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    (void)nth_job(f, 1);
    take_templates_away(f);
    f->scheduler.options.coin.retarget_interval = 12;
    node_fake_mine(f->chain, 1);
    struct node_tip tip = fake_tip(f);
    assert_false(take_tip(f, &tip)); /* for a block at 12 */
    f->scheduler.options.coin.retarget_interval = 11;
    f->scheduler.options.coin.mweb = true;
    assert_false(take_tip(f, &tip));
    f->scheduler.options.coin.mweb = false;
    assert_true(take_tip(f, &tip));
    close_fixture(f);
}

static void rules_that_a_template_contradicts_are_used_no_more(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    (void)nth_job(f, 1);
    take_templates_away(f);
    f->scheduler.options.coin.subsidy = REWARD + 1; /* no block may claim that */
    node_fake_mine(f->chain, 1);
    assert_true(nth_job(f, 2)->coinbase_value == REWARD + 1);
    trouble_templates(f, NODE_FAKE_WELL);
    const struct job *job = nth_job(f, 3);
    assert_true(job->coinbase_value == REWARD && job->clean);
    struct node_tip tip = fake_tip(f);
    tip.height++;
    tip.hash[0] ^= 1;
    assert_false(take_tip(f, &tip));
    close_fixture(f);
}

static void a_job_goes_out_after_a_while_though_nobody_holds_its_transactions(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    (void)nth_job(f, 1);
    node_fake_transactions(f->chain, 1, 100);
    node_fake_mine(f->chain, 1);
    assert_true(nth_job(f, 3)->template_id != 0);
    close_fixture(f);
}

static void jobs_are_answered_alive_and_retired(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t memory[16384];
    (void)nth_job(f, 1);
    node_fake_mine(f->chain, 1);
    (void)nth_job(f, 2);
    struct wire_job_request request = { .job_id = 0 };
    struct wire_job_reply reply;
    ASK(f, job_request, &request);
    REPLY(f, job_reply, memory, &reply);
    assert_int_equal(reply.jobs_count, 1);
    assert_int_equal(reply.jobs[0].job_id, f->jobs[1].id);
    assert_int_equal(reply.sequence, 2);
    request.job_id = f->jobs[0].id;
    ASK(f, job_request, &request);
    REPLY(f, job_reply, memory, &reply);
    assert_int_equal(reply.jobs_count, 1);
    assert_int_equal(reply.jobs[0].job_id, f->jobs[0].id);
    request.job_id = 999;
    ASK(f, job_request, &request);
    REPLY(f, job_reply, memory, &reply);
    assert_int_equal(reply.jobs_count, 0);
    close_fixture(f);
}

/* A candidate of the newest job, as a validator would send it. */
static void make_candidate(struct fixture *f, uint32_t nonce, struct wire_candidate *candidate_r,
                           uint8_t coinbase[JOB_COINBASE_BYTES_MAX])
{
    static const uint8_t extranonce[16] = { 1, 2, 3 };
    const struct job *job = newest(f);
    struct job_prepared prepared;
    struct job_choice choice = { extranonce, extranonce, job->cur_time, nonce, job->version };
    *candidate_r = (struct wire_candidate){ .template_id = job->template_id,
                                            .job_id = job->id,
                                            .height = job->height,
                                            .coinbase_value = job->coinbase_value,
                                            .lease_id = 1,
                                            .sequence = 2,
                                            .outcome = 0,
                                            .account = 77,
                                            .found_ms = loop_unix_ms(),
                                            .instance = "1" };
    job_prepare(job, JOB_SHAPE_FULL, &prepared);
    job_build_header(&prepared, &choice, candidate_r->header);
    sha256d_header(candidate_r->header, candidate_r->block_hash);
    candidate_r->coinbase = span_of(
        coinbase, job_coinbase_for_block(job, JOB_SHAPE_FULL, extranonce, extranonce, coinbase));
}

static enum block_state state_of(struct fixture *f, const uint8_t hash[32])
{
    struct block_record block;
    struct error error;
    if (block_get(f->store, hash, &block, &error) != STORE_DONE)
        return (enum block_state)0;
    return block.chain.state;
}

static bool count_event(void *context, const struct wire_reward_event *event)
{
    *(uint64_t *)context += event->kind != WIRE_REWARD_TAKEN_OVER;
    return true;
}

/* Those of blocks. */
static uint64_t events(struct fixture *f)
{
    uint64_t count = 0;
    struct error error;
    assert_int_equal(event_walk(f->store, 0, 0, count_event, &count, &error), STORE_DONE);
    return count;
}

static void a_candidate_is_submitted_recorded_found_and_matures(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    uint8_t memory[1024];
    struct wire_candidate candidate;
    struct wire_ack ack;
    (void)nth_job(f, 1);
    make_candidate(f, 1, &candidate, coinbase);
    for (int i = 0; i < 2; i++) { /* again is harmless */
        ASK(f, candidate, &candidate);
        REPLY(f, ack, memory, &ack);
        assert_true(ack.ok);
    }
    UNTIL(f, state_of(f, candidate.block_hash) == BLOCK_ACCEPTED);
    UNTIL(f, f->notices > 0 && f->notice.event_sequence >= 2);
    assert_true(node_fake_submissions(f->chain) >= 2); /* to both nodes */
    struct wire_reward_event event;
    struct error error;
    assert_int_equal(event_get(f->store, 1, &event, &error), STORE_DONE);
    assert_int_equal(event.kind, WIRE_REWARD_TAKEN_OVER);
    assert_int_equal(event_get(f->store, 2, &event, &error), STORE_DONE);
    assert_int_equal(event.kind, WIRE_REWARD_FOUND);
    assert_int_equal(event.reward, REWARD);
    assert_int_equal(event.account, 77);
    UNTIL(f, newest(f)->height == 12);
    node_fake_mine(f->chain, 2);
    UNTIL(f, state_of(f, candidate.block_hash) == BLOCK_MATURED);
    assert_int_equal(events(f), 2);
    close_fixture(f);
}

static void a_candidate_whose_hash_is_not_its_headers_is_refused(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    uint8_t memory[1024];
    struct wire_candidate candidate;
    struct wire_ack ack;
    (void)nth_job(f, 1);
    make_candidate(f, 1, &candidate, coinbase);
    candidate.block_hash[0] ^= 1;
    ASK(f, candidate, &candidate);
    REPLY(f, ack, memory, &ack);
    assert_false(ack.ok);
    assert_int_equal(node_fake_submissions(f->chain), 0);
    close_fixture(f);
}

static void a_candidate_is_submitted_also_while_the_store_is_away(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    uint8_t memory[1024];
    struct wire_candidate candidate;
    struct wire_ack ack;
    (void)nth_job(f, 1);
    make_candidate(f, 1, &candidate, coinbase);
    store_fake_away(f->store, true);
    tell_candidate(f, &candidate);
    assert_int_not_equal(f->outcome, BUS_REPLIED); /* so its validator will send it again */
    UNTIL(f, node_fake_submissions(f->chain) >= 2);
    store_fake_away(f->store, false);
    ASK(f, candidate, &candidate);
    REPLY(f, ack, memory, &ack);
    assert_true(ack.ok);
    UNTIL(f, state_of(f, candidate.block_hash) == BLOCK_ACCEPTED);
    close_fixture(f);
}

/* The newest job builds on the chain's tip. */
static bool mines_on_the_tip(struct fixture *f)
{
    uint8_t tip[32];
    uint32_t height;
    node_fake_tip(f->chain, tip, &height);
    return f->jobs_count > 0 && memcmp(newest(f)->prev_hash, tip, 32) == 0;
}

static void of_three_nodes_one_lies_and_one_dies_and_the_pool_mines_on(void **state)
{
    (void)state;
    struct fixture *f = open_fixture_of(3, true);
    UNTIL(f, mines_on_the_tip(f) && strstr(f->node_trouble, "a false tip") != NULL);
    for (unsigned block = 0; block < 3; block++) {
        unsigned jobs = f->jobs_count;
        node_fake_mine(f->chain, 1);
        UNTIL(f, mines_on_the_tip(f));
        for (unsigned i = jobs; i < f->jobs_count; i++)
            assert_int_not_equal(f->jobs[i].prev_hash[0], 0xee); /* the lie was seen through */
    }
    for (unsigned i = 0; i < f->nodes_opened; i++)
        if (strcmp(node_name(f->nodes[i]), "b") == 0)
            node_fake_trouble(f->nodes[i], NODE_FAKE_AWAY);
    node_fake_mine(f->chain, 1);
    UNTIL(f, mines_on_the_tip(f));
    UNTIL(f, f->scheduler.nodes.list[1].standing == NODES_UNREACHED ||
                 f->scheduler.nodes.list[1].standing == NODES_NO_TEMPLATE);
    /* The follower believes the one that is left, and a block finds its way to it. */
    UNTIL(f, f->scheduler.followed.whole && f->scheduler.followed.height < 100);
    for (unsigned i = 0; i < f->nodes_opened; i++)
        node_fake_trouble(f->nodes[i], NODE_FAKE_WELL);
    UNTIL(f, f->node_trouble[0] == '\0');
    UNTIL(f, mines_on_the_tip(f));
    close_fixture(f);
}

static void a_node_that_was_away_gets_the_block_later(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    struct wire_candidate candidate;
    (void)nth_job(f, 1);
    make_candidate(f, 1, &candidate, coinbase);
    for (unsigned i = 0; i < f->nodes_opened; i++)
        node_fake_trouble(f->nodes[i], NODE_FAKE_AWAY);
    ASK(f, candidate, &candidate);
    assert_int_equal(node_fake_submissions(f->chain), 0);
    for (unsigned i = 0; i < f->nodes_opened; i++)
        node_fake_trouble(f->nodes[i], NODE_FAKE_WELL);
    UNTIL(f, state_of(f, candidate.block_hash) == BLOCK_ACCEPTED);
    close_fixture(f);
}

static void on_appended(void *context, const struct window_result *result)
{
    struct fixture *f = context;
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    f->replies++;
}

/* Appends a batch as a validator would, with a candidate where one is given. */
static void append(struct fixture *f, uint64_t sequence, const struct window_share *shares,
                   size_t count, const struct wire_candidate *candidate)
{
    uint8_t record[4096];
    struct window_candidate found = { .credited_index = 0 };
    static const uint8_t verdicts[1] = { 0 };
    struct window_batch batch = { .lease_id = 1,
                                  .sequence = sequence,
                                  .lowest = sequence,
                                  .shares = shares,
                                  .share_count = count,
                                  .verdicts = span_of(verdicts, 1) };
    if (candidate != NULL) {
        memcpy(found.block_hash, candidate->block_hash, 32);
        found.record = span_of(record, wire_encode_candidate(candidate, record, sizeof record));
        assert_true(found.record.length > 0);
        batch.candidates = &found;
        batch.candidate_count = 1;
    }
    unsigned replies = f->replies;
    assert_true(window_append(f->writer, &batch, on_appended, f));
    UNTIL(f, f->replies > replies);
}

static void a_candidate_that_only_the_window_knows_is_followed(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    uint8_t block[4096];
    char answer[64];
    struct wire_candidate candidate;
    (void)nth_job(f, 1);
    make_candidate(f, 1, &candidate, coinbase);
    stop(f);
    struct window_share share = { 77, 78, 1000, candidate.job_id, loop_unix_ms() };
    append(f, 1, &share, 1, &candidate);
    size_t length = template_block_serialize(candidate.header, NULL, 0, candidate.coinbase,
                                             span_of(NULL, 0), block, sizeof block);
    struct node *node = node_fake_open(f->chain, "validator's");
    assert_int_equal(node_submit(node, span_of(block, length), answer, sizeof answer),
                     NODE_SUBMIT_ACCEPTED);
    node_close(node);
    f->up = false;
    start(f);
    UNTIL(f, state_of(f, candidate.block_hash) == BLOCK_ACCEPTED);
    assert_int_equal(events(f), 1);
    close_fixture(f);
}

static struct wire_lease_reply ask_lease(struct fixture *f, const char *instance, uint64_t boot_id)
{
    static uint8_t memory[512];
    struct wire_lease_request request = { .instance = instance, .boot_id = boot_id };
    struct wire_lease_reply reply;
    ASK(f, lease_request, &request);
    REPLY(f, lease_reply, memory, &reply);
    return reply;
}

static void no_two_leases_share_a_value_or_an_id_over_restarts_and_faults(void **state)
{
    enum { LEASES = 24 };
    (void)state;
    struct fixture *f = open_fixture();
    struct wire_lease_reply leases[LEASES];
    size_t count = 0;
    for (unsigned i = 0; i < LEASES; i++) {
        char instance[16];
        snprintf(instance, sizeof instance, "g%u", i % 3);
        if (i % 8 == 7) {
            stop(f);
            f->up = false;
            start(f);
        }
        if (i % 4 == 1)
            store_fake_inject(f->store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
        if (i % 4 == 2)
            store_fake_inject(f->store, STORE_FAKE_UNKNOWN_NOT_DONE, 0, 1);
        struct wire_lease_reply reply = ask_lease(f, instance, 100 + i);
        store_fake_inject(f->store, STORE_FAKE_FAIL, 0, 0);
        if (!reply.granted)
            reply = ask_lease(f, instance, 100 + i);
        assert_true(reply.granted);
        struct wire_lease_reply again = ask_lease(f, instance, 100 + i);
        assert_int_equal(again.lease_id, reply.lease_id);
        for (size_t j = 0; j < count; j++) {
            assert_true(leases[j].lease_id < reply.lease_id);
            assert_true(leases[j].extranonce1_first + leases[j].extranonce1_count <=
                            reply.extranonce1_first ||
                        reply.extranonce1_first + reply.extranonce1_count <=
                            leases[j].extranonce1_first);
        }
        leases[count++] = reply;
    }
    close_fixture(f);
}

/* A store that was restored from a backup has forgotten leases that the window still knows. */
static void no_lease_gets_an_id_that_the_window_knows(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    assert_int_equal(ask_lease(f, "1", 5).lease_id, 1);
    stop(f);
    const uint64_t strays[] = { 41, UINT64_MAX }; /* the second is nobody's: not followed */
    for (size_t i = 0; i < 2; i++) {
        const struct window_batch batch = { .lease_id = strays[i],
                                            .sequence = 1,
                                            .lowest = 1,
                                            .rejected_count = 1,
                                            .verdicts = span_text("v") };
        unsigned answers = f->replies;
        assert_true(window_append(f->writer, &batch, on_appended, f));
        UNTIL(f, f->replies > answers);
    }
    f->up = false;
    window_fake_readers_fail(f->window, true);
    start(f);
    assert_false(ask_lease(f, "1", 6).granted); /* nobody can say which ids are used */
    window_fake_readers_fail(f->window, false);
    struct wire_lease_reply reply = { 0 };
    UNTIL(f, (reply = ask_lease(f, "1", 6)).granted);
    assert_int_equal(reply.lease_id, 42);
    assert_int_equal(ask_lease(f, "2", 7).lease_id, 43);
    close_fixture(f);
}

static void a_heartbeat_keeps_a_lease_and_makes_a_component_healthy(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t memory[64];
    struct wire_lease_reply lease = ask_lease(f, "1", 5);
    struct wire_counter miners = { "miners", 42 };
    struct wire_heartbeat beat = { .service = "stratum-gateway",
                                   .instance = "1",
                                   .boot_id = 5,
                                   .state = WIRE_STATE_RUNNING,
                                   .lease_id = lease.lease_id,
                                   .last_error = "",
                                   .admin_url = "",
                                   .counters = &miners,
                                   .counters_count = 1 };
    struct wire_heartbeat_reply reply;
    assert_int_equal(health_of_component(&f->scheduler.health, HEALTH_GATEWAY), HEALTH_ERROR);
    ASK(f, heartbeat, &beat);
    REPLY(f, heartbeat_reply, memory, &reply);
    assert_int_equal(reply.epoch, f->scheduler.epoch);
    assert_true(reply.lease_known);
    assert_int_equal(health_of_component(&f->scheduler.health, HEALTH_GATEWAY), HEALTH_HEALTHY);
    assert_int_equal(health_sum(&f->scheduler.health, HEALTH_GATEWAY, "miners"), 42);
    beat.lease_id = 999;
    beat.state = WIRE_STATE_DEGRADED;
    ASK(f, heartbeat, &beat);
    REPLY(f, heartbeat_reply, memory, &reply);
    assert_false(reply.lease_known);
    assert_int_equal(health_of_component(&f->scheduler.health, HEALTH_GATEWAY), HEALTH_UNHEALTHY);
    const char *reason;
    assert_string_equal(scheduler_state(&f->scheduler, &reason), "starting");
    close_fixture(f);
}

static void messages_that_make_no_sense_are_dropped(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    static const uint8_t rubbish[][6] = {
        { 0 }, { 0xad, 0x17, 16, 9 }, { 0xad, 0x17, 99, 1 }, { 0xad, 0x17, 24, 1, 1, 2 }
    };
    for (size_t i = 0; i < 4; i++)
        assert_true(
            bus_request(f->client, span_of(rubbish[i], sizeof rubbish[i]), 50, on_reply, f));
    UNTIL(f, f->replies >= 4);
    assert_int_equal(f->outcome, BUS_TIMEOUT);
    assert_int_equal(metric_read(f->scheduler.metrics.refused_messages), 4);
    struct wire_control_request request = { .verb = "status", .argument = "" };
    ASK(f, control_request, &request);
    close_fixture(f);
}

static void accepted_shares_are_counted_by_account_and_worker(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct window_share shares[3];
    for (unsigned i = 0; i < 3; i++)
        shares[i] = (struct window_share){ 77, 100 + i % 2, 6000, 1, loop_unix_ms() };
    append(f, 1, shares, 3, NULL);
    struct stats_sums sums;
    UNTIL(f, stats_of(f->scheduler.stats, 77, 0, loop_unix_ms(), &sums) && sums.accepted == 3);
    assert_int_equal(sums.shares[STATS_MINUTE], 3);
    assert_true(sums.work[STATS_HOUR] == 18000 && sums.work[STATS_DAY] == 18000);
    for (int hours = 0; hours < 2; hours++) {
        struct stats_point points[STATS_HOURS_MAX];
        u128 work = 0;
        size_t count = stats_series(f->scheduler.stats, 77, 0, hours == 1, loop_unix_ms(), points);
        for (size_t i = 0; i < count; i++)
            work += points[i].work;
        assert_true(count > 0 && work == 18000);
        assert_int_equal(
            stats_series(f->scheduler.stats, 78, 0, hours == 1, loop_unix_ms(), points), 0);
    }
    append(f, 2, shares, 1, NULL);
    UNTIL(f, stats_of(f->scheduler.stats, 77, 100, loop_unix_ms(), &sums) && sums.accepted == 3);
    struct stats_worker workers[4];
    assert_int_equal(stats_workers(f->scheduler.stats, 77, loop_unix_ms(), workers, 4), 2);
    struct stats_pool pool;
    /* The totals are read before the shares: they may be of the look before. */
    UNTIL(f, (stats_of_pool(f->scheduler.stats, loop_unix_ms(), &pool), pool.totals.accepted == 4));
    assert_int_equal(pool.accounts_active, 1);
    assert_int_equal(pool.workers_active, 2);
    /* a restart reads the last hour again */
    stop(f);
    f->up = false;
    start(f);
    UNTIL(f, stats_of(f->scheduler.stats, 77, 0, loop_unix_ms(), &sums) && sums.accepted == 4);
    close_fixture(f);
}

static void a_scheduler_that_lost_the_leadership_says_so_and_writes_no_more(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    struct wire_candidate candidate;
    struct error error;
    uint64_t epoch;
    (void)nth_job(f, 1);
    assert_int_equal(leader_take(f->store, SCHEDULER_ROLE, "2", 99, 1, &epoch, &error), STORE_DONE);
    make_candidate(f, 1, &candidate, coinbase);
    tell_candidate(f, &candidate);
    UNTIL(f, f->deposed > 0);
    assert_int_equal(events(f), 0);
    tell_candidate(f, &candidate); /* who leads now answers */
    assert_int_not_equal(f->outcome, BUS_REPLIED);
    close_fixture(f);
}

/* It stands by: another leads, until release(). */
static void stand_by(struct fixture *f)
{
    struct error error;
    uint64_t epoch;
    stop(f);
    f->up = false;
    f->settings.scheduler_lease_ms = 500;
    assert_int_equal(leader_take(f->store, SCHEDULER_ROLE, "2", 99, 1, &epoch, &error), STORE_DONE);
    open_scheduler(f);
}

static void release(struct fixture *f)
{
    struct error error;
    struct leader leader;
    assert_int_equal(leader_read(f->store, SCHEDULER_ROLE, &leader, &error), STORE_DONE);
    assert_int_equal(leader_release(f->store, SCHEDULER_ROLE, leader.epoch, &error), STORE_DONE);
}

static void one_that_cannot_read_what_it_leads_with_ends_in_order(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    stand_by(f);
    f->store_goes = true;
    release(f);
    UNTIL(f, f->deposed > 0);
    assert_true(f->scheduler.lead_failed);
    f->store_goes = false;
    store_fake_away(f->store, false);
    stop(f);
    start(f); /* what it took and gave up is free */
    close_fixture(f);
}

/* Its threads hear of the nodes by then. */
static void one_that_cannot_begin_to_lead_ends_in_order_while_nodes_answer(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    stand_by(f);
    f->hears_nothing = true;
    release(f);
    UNTIL(f, f->deposed > 0);
    assert_true(f->scheduler.lead_failed);
    assert_false(f->scheduler.leading);
    UNTIL(f, f->scheduler.nodes.list[0].quick_count + f->scheduler.nodes.list[0].slow_count > 0);
    f->hears_nothing = false;
    stop(f);
    start(f); /* what it took and gave up is free */
    close_fixture(f);
}

/* How often a timer's work failed. */
static uint64_t failures(struct fixture *f, const char *timer)
{
    static char text[1 << 17];
    char name[96];
    assert_true(metrics_print(f->metrics, text, sizeof text) > 0);
    snprintf(name, sizeof name, "\nadit_scheduler_timer_failures_total{timer=\"%s\"} ", timer);
    const char *at = strstr(text, name);
    assert_non_null(at);
    return strtoull(at + strlen(name), NULL, 10);
}

static uint64_t turns(struct fixture *f, const char *name)
{
    struct turn turn;
    struct error error;
    assert_int_not_equal(turn_get(f->store, name, &turn, &error), STORE_FAILED);
    return turn.whole ? turn.number : 0;
}

static void write_list(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* The store is away; of the list, its source is; of the chain, the nodes are. */
static void every_timer_whose_work_fails_counts_it_and_comes_again(void **state)
{
    (void)state;
    static const char *const timers[] = { "check_interval",  "fetch_validators",    "decay",
                                          "validator_decay", "gen_validation_task", "end_tasks" };
    enum { TIMERS = sizeof timers / sizeof *timers };
    struct fixture *f = open_fixture();
    char path[] = "/tmp/adit-list-XXXXXX", from[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(from, sizeof from, "file:%s", path);
    stop(f);
    const unsigned first = f->nodes_opened; /* those before are closed */
    metrics_destroy(f->metrics);            /* and theirs counted for themselves */
    f->metrics = metrics_create();
    free(f->settings.scheduler_validators_from);
    f->settings.scheduler_validators_from = strdup(from);
    f->settings.time_check_interval = f->settings.time_fetch_validators = 1;
    f->settings.time_decay = f->settings.time_validator_decay = 1;
    f->settings.time_gen_validation_task = f->settings.time_end_tasks = 1;
    write_list(path, "{}");
    const uint64_t first_turn = turns(f, "decay"), other_turn = turns(f, "validator_decay");
    start(f);
    UNTIL(f, turns(f, "decay") > first_turn && turns(f, "validator_decay") > other_turn);
    for (int round = 0; round < 2; round++) {
        uint64_t before[TIMERS], decays = turns(f, "decay"), others = turns(f, "validator_decay");
        for (size_t i = 0; i < TIMERS; i++)
            before[i] = failures(f, timers[i]);
        store_fake_away(f->store, true);
        write_list(path, "nonsense");
        for (unsigned i = first; round == 1 && i < f->nodes_opened; i++)
            node_fake_trouble(f->nodes[i], NODE_FAKE_AWAY);
        /* Not once alone: at each of its turns. */
        for (size_t i = 0; i < TIMERS; i++)
            LOOP_UNTIL(f->loop, failures(f, timers[i]) >= before[i] + 2, timers[i]);
        store_fake_away(f->store, false);
        write_list(path, "{}");
        for (unsigned i = first; i < f->nodes_opened; i++)
            node_fake_trouble(f->nodes[i], NODE_FAKE_WELL);
        UNTIL(f, turns(f, "decay") >= decays + 2 && turns(f, "validator_decay") >= others + 2);
        node_fake_mine(f->chain, 1);
        UNTIL(f, f->notices > 0 && f->notice.height == 11 + (uint32_t)round);
        /* All are well: a turn goes by of which nothing is counted. */
        uint64_t sum = 1, last = 0;
        for (; sum != last; last = sum) {
            decays = turns(f, "decay");
            UNTIL(f, turns(f, "decay") >= decays + 2);
            sum = 0;
            for (size_t i = 0; i < TIMERS; i++)
                sum += failures(f, timers[i]);
        }
        assert_int_equal(f->deposed, 0);
    }
    unlink(path);
    close_fixture(f);
}

static void job_ids_are_never_used_twice_over_restarts(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    for (unsigned i = 0; i < 4; i++) {
        unsigned seen = f->jobs_count;
        node_fake_mine(f->chain, 1);
        UNTIL(f, f->jobs_count > seen);
        stop(f);
        f->up = false;
        start(f);
        UNTIL(f, newest(f)->epoch == i + 2);
    }
    for (unsigned i = 1; i < f->jobs_count; i++)
        assert_true(f->jobs[i].id > f->jobs[i - 1].id);
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_becomes_a_job_that_pays_to_the_pools_address),
        cmocka_unit_test(a_coinbase_carries_the_head_of_the_chain_of_proofs),
        cmocka_unit_test(a_new_tip_gets_an_empty_job_at_once_and_the_full_one_when_it_is_held),
        cmocka_unit_test(a_new_tip_is_mined_on_before_its_template_is_there),
        cmocka_unit_test(at_a_retarget_and_with_an_extension_block_a_job_waits_for_the_template),
        cmocka_unit_test(what_has_arrived_of_a_template_is_handed_on_before_its_end),
        cmocka_unit_test(a_template_that_comes_to_nothing_is_told_to_who_waits),
        cmocka_unit_test(a_template_that_was_on_its_way_does_not_lead_back_to_the_old_tip),
        cmocka_unit_test(rules_that_a_template_contradicts_are_used_no_more),
        cmocka_unit_test(a_job_goes_out_after_a_while_though_nobody_holds_its_transactions),
        cmocka_unit_test(jobs_are_answered_alive_and_retired),
        cmocka_unit_test(a_candidate_is_submitted_recorded_found_and_matures),
        cmocka_unit_test(a_candidate_whose_hash_is_not_its_headers_is_refused),
        cmocka_unit_test(a_candidate_is_submitted_also_while_the_store_is_away),
        cmocka_unit_test(of_three_nodes_one_lies_and_one_dies_and_the_pool_mines_on),
        cmocka_unit_test(a_node_that_was_away_gets_the_block_later),
        cmocka_unit_test(a_candidate_that_only_the_window_knows_is_followed),
        cmocka_unit_test(no_two_leases_share_a_value_or_an_id_over_restarts_and_faults),
        cmocka_unit_test(no_lease_gets_an_id_that_the_window_knows),
        cmocka_unit_test(a_heartbeat_keeps_a_lease_and_makes_a_component_healthy),
        cmocka_unit_test(messages_that_make_no_sense_are_dropped),
        cmocka_unit_test(accepted_shares_are_counted_by_account_and_worker),
        cmocka_unit_test(a_scheduler_that_lost_the_leadership_says_so_and_writes_no_more),
        cmocka_unit_test(one_that_cannot_read_what_it_leads_with_ends_in_order),
        cmocka_unit_test(one_that_cannot_begin_to_lead_ends_in_order_while_nodes_answer),
        cmocka_unit_test(job_ids_are_never_used_twice_over_restarts),
        cmocka_unit_test(every_timer_whose_work_fails_counts_it_and_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
