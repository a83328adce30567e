/* Where miners come in: the ports, what each speaks, the certificate they share, and which
 * addresses are proxies whose PROXY header says where a miner really is. One thread. */
#pragma once
#include "service/settings.h"
#include "services/stratum-gateway/listener.h"
#include "services/stratum-gateway/transport/transport.h"

enum { DOORS_MAX = 16, DOORS_PROXIES_MAX = SETTINGS_LIST_MAX };

struct gateway;

/* A listening socket from the program before, by what the settings called it. */
struct inherited {
    char name[80];
    int fd; /* -1: it has been taken */
};

struct door {
    struct gateway *gateway;
    char name[80]; /* as the settings call it */
    struct listener listener;
    struct transport_rules rules;
    uint8_t profile; /* of the gateway's profiles: what sessions that come in here begin with */
};

struct doors {
    struct door list[DOORS_MAX];
    unsigned count;
    struct network proxies[DOORS_PROXIES_MAX];
    unsigned proxies_count;
    struct tls_context *tls; /* NULL: no certificate is set */
    struct inherited inherited[DOORS_MAX]; /* doors_open takes those it needs, closes the others */
    unsigned inherited_count;
};

/* Reads what the settings say of certificate and proxies. False with one sentence. */
MUST_CHECK bool doors_prepare(struct gateway *gateway, struct error *error);
/* Lets miners in at every address. False with one sentence; those opened before stay open. */
MUST_CHECK bool doors_open(struct gateway *gateway, struct error *error);
void doors_close(struct gateway *gateway);
/* Nobody is let in while it is paused; they wait in the kernel. */
void doors_pause(struct gateway *gateway, bool pause);
/* Also frees the certificate: no connection may be left. */
void doors_deinit(struct gateway *gateway);

/* The certificate and the proxies as files and settings say now, for connections from here on.
 * False with one sentence, and what was before stays. */
MUST_CHECK bool doors_reload(struct gateway *gateway, const struct settings *settings,
                             struct error *error);

bool doors_is_proxy(const struct doors *doors, const struct network_address *address);
