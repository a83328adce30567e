#include "wire/examples.h"

/* A small blake2s devnet: epoch 3, height 1042, gateway lease 17, validator-1. */
#define HASH_A                                                                                     \
    {                                                                                              \
        0x6f, 0xe2, 0x8c, 0x0a, 0xb6, 0xf1, 0xb3, 0x72, 0xc1, 0xa6, 0xa2, 0x46, 0xae, 0x63, 0xf7,  \
            0x4f, 0x93, 0x1e, 0x83, 0x65, 0xe1, 0x5a, 0x08, 0x9c, 0x68, 0xd6, 0x19, 0x00, 0x00,    \
            0x00, 0x00, 0x00                                                                       \
    }
#define HASH_B                                                                                     \
    {                                                                                              \
        0x48, 0x60, 0xeb, 0x18, 0xbf, 0x1b, 0x16, 0x20, 0xe3, 0x7e, 0x94, 0x90, 0xfc, 0x8a, 0x42,  \
            0x75, 0x14, 0x41, 0x6f, 0xd7, 0x51, 0x59, 0xab, 0x86, 0x68, 0x8e, 0x9a, 0x83, 0x00,    \
            0x00, 0x00, 0x00                                                                       \
    }

static const uint64_t now_ms = UINT64_C(1767225600000); /* 2026-01-01 */

static uint8_t coinbase1[] = {
    0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x02, 0x12, 0x04, 0x08, 0x2a, 0x00,
    0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x06, '/',  'a',  'd',  'i',  't',  '/',
};
static uint8_t coinbase2[] = {
    0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0xf2, 0x05, 0x2a, 0x01, 0x00, 0x00, 0x00, 0x16,
    0x00, 0x14, 0x75, 0x1e, 0x76, 0xe8, 0x19, 0x91, 0x96, 0xd4, 0x54, 0x94, 0x1c, 0x45,
    0xd1, 0xb3, 0xa3, 0x23, 0xf1, 0x43, 0x3b, 0xd6, 0x00, 0x00, 0x00, 0x00,
};
static uint8_t untagged1[] = {
    0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
    0xff, 0xff, 0x16, 0x02, 0x12, 0x04, 0x08, 0x2a, 0x00, 0x00, 0x00, 0x03, 0x00,
};
static struct wire_hash branches[] = { { HASH_B }, { HASH_A } };

static struct wire_job job = {
    .epoch = 3,
    .sequence = 42,
    .job_id = UINT64_C(0x000000030000002a),
    .template_id = UINT64_C(0x0000000300000007),
    .height = 1042,
    .prev_hash = HASH_A,
    .coinbase1 = { coinbase1, sizeof coinbase1 },
    .coinbase2 = { coinbase2, sizeof coinbase2 },
    .branches = branches,
    .branches_count = 2,
    .version = 0x20000000,
    .version_mask = 0x1fffe000,
    .bits = 0x1e0ffff0,
    .cur_time = 1767225600,
    .min_time = 1767225001,
    .clean = 1,
    .algorithm = 1,
    .extranonce1_bytes = 4,
    .extranonce2_bytes = 8,
    .has_witness = 1,
    .coinbase_value = 5000000000,
    .untagged1 = { untagged1, sizeof untagged1 },
    .untagged2 = { coinbase2, sizeof coinbase2 },
};

static struct wire_share shares[] = {
    {
        .job_id = UINT64_C(0x000000030000002a),
        .account = UINT64_C(0x9b1c5a7e01f3d2c4),
        .worker = UINT64_C(0x1d7702b5a9c3e8f6),
        .work = 4294967,
        .received_ms = UINT64_C(1767225600123),
        .extranonce1 = { 0x00, 0x11, 0x00, 0x05 },
        .extranonce2 = { 0, 0, 0, 0, 0, 0, 0, 1 },
        .ntime = 1767225600,
        .nonce = 0x7c2bac1d,
        .version_bits = 0x00c0e000,
        .version_mask = 0x1fffe000,
        .has_version_bits = 1,
        .shape = 1,
        .found = 1,
    },
    {
        .job_id = UINT64_C(0x0000000300000029),
        .work = 4294967,
        .received_ms = UINT64_C(1767225600124),
        .extranonce1 = { 0x00, 0x11, 0x00, 0x06 },
        .extranonce2 = { 0, 0, 0, 0, 0, 0, 0, 9 },
        .ntime = 1767225590,
        .nonce = 0x00000001,
        .found = 3,
    },
};
static struct wire_verdict verdicts[] = { { .outcome = 1, .is_block = 1 }, { .outcome = 3 } };

static uint8_t transaction_bytes[] = {
    0x02, 0x00, 0x00, 0x00, 0x01, 0x48, 0x60, 0xeb, 0x18, 0xbf, 0x1b, 0x16, 0x20, 0xe3, 0x7e, 0x94,
    0x90, 0xfc, 0x8a, 0x42, 0x75, 0x14, 0x41, 0x6f, 0xd7, 0x51, 0x59, 0xab, 0x86, 0x68, 0x8e, 0x9a,
    0x83, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfd, 0xff, 0xff, 0xff, 0x01, 0x80,
    0xf0, 0xfa, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00, 0x00,
};
static struct wire_transaction transactions[] = { { .data = { transaction_bytes,
                                                              sizeof transaction_bytes } } };

static struct wire_counter counters[] = {
    { .name = "sessions", .value = 812 },
    { .name = "shares_accepted", .value = 1904223 },
};

static const struct wire_template_announce template_announce = {
    .epoch = 3,
    .template_id = UINT64_C(0x0000000300000007),
    .height = 1042,
    .transaction_count = 1,
};
static const struct wire_chain_notice chain_notice = {
    .epoch = 3, .height = 1041, .tip_hash = HASH_A, .event_sequence = 118
};
static const struct wire_job_request job_request = { .job_id = 0 };
static const struct wire_job_reply job_reply = {
    .epoch = 3, .sequence = 42, .jobs = &job, .jobs_count = 1
};
static const struct wire_template_request template_request = { .template_id =
                                                                   UINT64_C(0x0000000300000007),
                                                               .first = 250 };
static uint8_t encoded_job[] = { 0xad, 0x17, 0x01,
                                 0x01 }; /* the head alone: wire looks no deeper */
static uint8_t extension[] = { 0xad, 0x17, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00 };
static const struct wire_template_reply template_reply = {
    .template_id = UINT64_C(0x0000000300000007),
    .first = 250,
    .last = 1,
    .job = { encoded_job, sizeof encoded_job },
    .extension = { extension, sizeof extension },
    .transactions = transactions,
    .transactions_count = 1,
};
static const struct wire_template_held template_held = { .template_id =
                                                             UINT64_C(0x0000000300000007),
                                                         .instance = "1" };
static const struct wire_ack ack = { .ok = 0, .text = "the disk of the spool is full" };
static const struct wire_share_batch share_batch = { .lease_id = 17,
                                                     .sequence = 90211,
                                                     .lowest = 90208,
                                                     .final = 1,
                                                     .shares = shares,
                                                     .shares_count = 2 };
static const struct wire_verdict_batch verdict_batch = {
    .lease_id = 17,
    .sequence = 90211,
    .status = WIRE_BATCH_JUDGED,
    .history = UINT64_C(0x8e2b4c6d0f1a3957),
    .verdicts = verdicts,
    .verdicts_count = 2,
};
static const struct wire_candidate candidate = {
    .block_hash = HASH_B,
    .header = { 0x00, 0xe0, 0xc0, 0x20 },
    .coinbase = { coinbase1, sizeof coinbase1 },
    .template_id = UINT64_C(0x0000000300000007),
    .job_id = UINT64_C(0x000000030000002a),
    .height = 1042,
    .coinbase_value = 5000000000,
    .lease_id = 17,
    .sequence = 90211,
    .index = 0,
    .outcome = 1,
    .account = UINT64_C(0x9b1c5a7e01f3d2c4),
    .worker = UINT64_C(0x1d7702b5a9c3e8f6),
    .work = 4294967,
    .found_ms = UINT64_C(1767225600125),
    .instance = "1",
};
static const struct wire_submission_result submission_result = {
    .block_hash = HASH_B,
    .accepted = 1,
    .node = "127.0.0.1:18443",
    .answer = "null",
    .took_us = 1870,
};
static const struct wire_authorise_request authorise_request = {
    .user = "adit1qw508d6qejxtdg4y5r3zarvary0c5xw7k.rig1", .password = "x", .peer = "192.0.2.7"
};
static const struct wire_authorise_reply authorise_reply = {
    .outcome = WIRE_AUTHORISE_YES,
    .account = UINT64_C(0x9b1c5a7e01f3d2c4),
    .worker = UINT64_C(0x1d7702b5a9c3e8f6),
    .account_name = "adit1qw508d6qejxtdg4y5r3zarvary0c5xw7k",
    .worker_name = "rig1",
    .text = "",
};
static const struct wire_lease_request lease_request = { .instance = "1",
                                                         .boot_id = UINT64_C(0x5f1d8e0c44a7b302) };
static const struct wire_lease_reply lease_reply = {
    .granted = 1,
    .epoch = 3,
    .lease_id = 17,
    .extranonce1_first = 0x00110000,
    .extranonce1_count = 65536,
    .text = "",
};
static const struct wire_heartbeat heartbeat = {
    .service = "stratum-gateway",
    .instance = "1",
    .boot_id = UINT64_C(0x5f1d8e0c44a7b302),
    .started_ms = UINT64_C(1767222000000),
    .state = WIRE_STATE_DEGRADED,
    .lease_id = 17,
    .error_count = 1,
    .last_error = "validator 2: connection refused",
    .admin_url = "http://127.0.0.1:9180",
    .receipt_key = { 0xd7, 0x5a, 0x98, 0x01 },
    .counters = counters,
    .counters_count = 2,
};
static const struct wire_heartbeat_reply heartbeat_reply = { .epoch = 3, .lease_known = 1 };
static struct wire_ban bans[] = {
    { .whom = "203.0.113.9", .reason = "by the operator", .until_ms = UINT64_C(1767229200000) },
    { .whom = "worker 9b1c5a7e01f3d2c4/1d7702b5a9c3e8f6",
      .reason = "Too many bad shares",
      .until_ms = UINT64_C(1767226200000) },
};
static const struct wire_bans_report bans_report = {
    .instance = "1",
    .process = UINT64_C(0x2c90d1e6f7a3b845),
    .count = 3,
    .bans = bans,
    .bans_count = 2,
    .order = UINT64_C(0x019b76da03e80001),
    .ok = 1,
    .text = "lifted",
};
static const struct wire_bans_order bans_order = {
    .order = UINT64_C(0x019b76da03e80002),
    .verb = "lift",
    .argument = "203.0.113.9",
};
static const struct wire_control_request control_request = { .verb = "drain",
                                                             .argument = "30",
                                                             .token = "" };
static const struct wire_control_reply control_reply = { .ok = 1,
                                                         .text =
                                                             "812 sessions are told to reconnect" };

static const struct wire_receipt_request receipt_request = {
    .account = UINT64_C(0x6b8f1c2d3e4f5a69),
    .from_ms = UINT64_C(1767225600000),
    .to_ms = UINT64_C(1767225660000),
    .from_place = 3,
    .limit = 64,
};
static uint8_t receipt_data[] = { 'a', 'R', 'C', 'P', 1 };
static struct wire_receipt_item receipt_items[] = { { { receipt_data, sizeof receipt_data } } };
static uint8_t link_data[] = { 'a', 'K', 'E', 'Y', 1 };
static struct wire_receipt_item link_items[] = { { { link_data, sizeof link_data } } };
static const struct wire_receipt_reply receipt_reply = {
    .key = HASH_A,
    .oldest_ms = UINT64_C(1767222000000),
    .more = 1,
    .next_ms = UINT64_C(1767225601000),
    .next_place = 7,
    .receipts = receipt_items,
    .receipts_count = 1,
    .links = link_items,
    .links_count = 1,
};
static const struct wire_reject_trace reject_trace = {
    .unix_ms = UINT64_C(1767225600123),
    .worker = UINT64_C(0x77aa01bc5512e0d3),
    .session = UINT64_C(0x5e551014),
    .job_id = UINT64_C(0x000000030000002a),
    .work = UINT64_C(4294967296),
    .outcome = 1,
    .job_age_s = 31,
    .stale_ms = 740,
    .ntime_offset_s = UINT32_MAX - 1,
    .version_bits = 0x00a5c000,
    .version_mask = 0x1fffe000,
    .has_version_bits = 1,
    .extranonce2_chars = 16,
    .extranonce2_wanted = 16,
    .ntime_chars = 8,
    .nonce_chars = 8,
    .bits_chars = 8,
    .rejects_in_row = 2,
    .agent = "cgminer/4.11.1",
};
static const struct wire_withdrawal_request withdrawal_request = {
    .token = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
    .request = "2026-11-01",
    .amount = 0,
    .address = ""
};

static uint8_t audit_job_data[] = { 0xad, 0x17, 1, 1 };
static struct wire_audit_job audit_jobs[] = { { { audit_job_data, sizeof audit_job_data } } };
static struct wire_audit_sample audit_sample_list[] = { {
    .lease_id = 17,
    .sequence = 90211,
    .index = 3,
    .outcome = 0,
    .alone = 1,
    .rank = 2,
    .accepted = 5,
    .judged_ms = UINT64_C(1767225600140),
    .tip_gone_ms = UINT64_C(1767225600900),
    .first_key = HASH_A,
    .first = "1",
} };
static const struct wire_audit_samples audit_samples = {
    .samples = audit_sample_list,
    .samples_count = 1,
    .shares = shares,
    .shares_count = 1,
    .jobs = audit_jobs,
    .jobs_count = 1,
};
static const struct wire_task_request task_request = {
    .key = HASH_A,
    .time_ms = UINT64_C(1767225601000),
    .signature = { 0x51 },
};
static const struct wire_task_reply task_reply = {
    .val_id = UINT64_C(0x7a5c0e11d0f3a9b2),
    .expires_ms = UINT64_C(1767226200000),
    .judged_ms = UINT64_C(1767225600140),
    .tip_in_doubt = 1,
    .job = { audit_job_data, sizeof audit_job_data },
    .shares = shares,
    .shares_count = 1,
};
static const struct wire_task_report task_report = {
    .key = HASH_A,
    .val_id = UINT64_C(0x7a5c0e11d0f3a9b2),
    .time_ms = UINT64_C(1767225602000),
    .valid = 1,
    .hash = HASH_B,
    .header = { 0x00, 0x00, 0x00, 0x20 },
    .signature = { 0x52 },
};
static const struct wire_identity_request identity_request = { .nonce = HASH_B };
static const struct wire_identity_reply identity_reply = {
    .nonce = HASH_B,
    .key = HASH_A,
    .instance = "1",
    .signature = { 0x53 },
};
static const struct wire_validator_hello validator_hello = {
    .key = HASH_A,
    .instance = "1",
    .wallet = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    .time_ms = UINT64_C(1767225600000),
    .signature = { 0x60 },
};

void wire_examples_visit(void (*visit)(void *context, const char *name, enum wire_type type,
                                       struct span encoded),
                         void *context)
{
    const struct wire_reward_event reward_event = {
        .sequence = 118,
        .epoch = 3,
        .kind = WIRE_REWARD_FOUND,
        .generation = 1,
        .block_hash = HASH_B,
        .height = 1042,
        .reward = 5000000000,
        .lease_id = 17,
        .batch_sequence = 90211,
        .index = 0,
        .account = UINT64_C(0x9b1c5a7e01f3d2c4),
        .network_work_high = 0,
        .network_work_low = 1048592,
        .time_ms = now_ms,
        .seen_tip = 1042,
    };
    static uint8_t encoded[8192];
    size_t length;
    /* A message without an example does not compile. */
#define MESSAGE(name, type, version)                                                               \
    length = wire_encode_##name(&name, encoded, sizeof encoded);                                   \
    ASSERT(length > 0);                                                                            \
    visit(context, #name, WIRE_TYPE_##name, span_of(encoded, length));
#include "wire/ignore_fields.h"
#include "proto/all.def"
#include "wire/undefine.h"
}
