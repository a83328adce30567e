/* The bus's certificates of a deployment on one host (docs/operations.md, "Between hosts"): an
 * authority that certifies one certificate, which all processes show, and whose key nobody keeps.
 * Blocking; nothing of OpenSSL's gets out. */
#pragma once
#include "service/settings.h"

/* Makes bus.authority_file, bus.certificate_file and bus.key_file where the first is set and none
 * of them is there yet; else does nothing. The certificate bears bus.name. False with one sentence
 * when they cannot be made; then none of them is left. */
MUST_CHECK bool authority_make(const struct settings *settings, struct error *error);
