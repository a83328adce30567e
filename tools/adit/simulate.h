/* Where `adit simulate` gets its record from. */
#pragma once
#include "port/store.h"
#include "service/settings.h"
#include "trial.h"

/* Fills the record, indexed. False with *error. */
MUST_CHECK bool simulate_from_store(const struct settings *settings, struct store *store,
                                    struct trial_record *record, struct error *error);
