/* A validation task as validators outside are told it: a JSON text (docs/validators.md). Pure; any
 * thread. */
#pragma once
#include "services/inode-scheduler/auditor.h"

enum { TASKS_TEXT_BYTES = 12288 };

/* Into text_r of TASKS_TEXT_BYTES; false where it does not fit. */
MUST_CHECK bool tasks_text(const struct auditor_offer *offer, char *text_r);
