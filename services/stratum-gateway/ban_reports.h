/* inode-scheduler hears who is banned here, and tells what operators want: a report a second, whose
 * answer may hold an order; what became of it goes with the next report, at once. So an operator
 * sees and rules the gateways of every host, and nobody needs a way into one. An order told again
 * is not carried out again. Where inode-scheduler is away nothing is kept. One thread. */
#pragma once
#include "loop/loop.h"
#include "services/stratum-gateway/conducts.h"

enum {
    BAN_REPORTS_MAX = 64, /* bans in one, the newest: proto/bans_report.def */
    BAN_REPORTS_MS = 1000,
    BAN_REPORTS_BYTES = 16 << 10,
};

struct ban_reports {
    struct gateway *gateway;
    struct loop_timer timer;
    uint64_t process;
    bool under_way, again;
    /* the bans as last looked at, and for what they hold */
    struct conducts_ban bans[BAN_REPORTS_MAX];
    size_t bans_count;
    uint32_t all;
    uint64_t next_ms, banned, lifted;
    /* the last order */
    uint64_t order;
    bool ok;
    const char *text; /* static */
    uint8_t message[BAN_REPORTS_BYTES];
};

/* From now on it reports; the gateway's connection to inode-scheduler is open. */
void ban_reports_begin(struct ban_reports *reports, struct gateway *gateway);
/* Also where it never began, and before that connection is closed. */
void ban_reports_end(struct ban_reports *reports);
