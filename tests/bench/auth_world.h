/* An auth process of its own for a benchmark, and requests to it. One at a time. */
#pragma once

enum { AUTH_ANSWER_BYTES = 4096 };
#define AUTH_JSON "Content-Type: application/json\r\n"

/* Ended by NULL: more settings ("ADIT_…=value"; of the first, room is left for two). */
void auth_world_begin(const char *const *variables);
void auth_world_start(const char *const *variables); /* the same folder again */
void auth_world_stop(void);
void auth_world_end(void);
const char *auth_world_folder(void); /* its data folder */
/* One request over a connection of its own; the status, with what was answered. */
int auth_world_request(const char *method, const char *path, const char *headers, const char *body,
                       char answer_r[AUTH_ANSWER_BYTES]);
/* The registration of this name; each has a mailbox of its own. */
void auth_world_person(const char *name, char *body_r, unsigned bytes);
