#include "core/share/outcome.h"

const char *share_outcome_text(enum share_outcome outcome)
{
    switch (outcome) {
#define X(name, wire, code, label, text)                                                           \
    case name:                                                                                     \
        return text;
        SHARE_OUTCOMES(X)
#undef X
    }
    return "Unknown outcome";
}

int share_outcome_stratum_code(enum share_outcome outcome)
{
    switch (outcome) {
#define X(name, wire, code, label, text)                                                           \
    case name:                                                                                     \
        return code;
        SHARE_OUTCOMES(X)
#undef X
    }
    return 20;
}

const char *share_outcome_label(enum share_outcome outcome)
{
    switch (outcome) {
#define X(name, wire, code, label, text)                                                           \
    case name:                                                                                     \
        return label;
        SHARE_OUTCOMES(X)
#undef X
    }
    return "unknown";
}

bool share_outcome_from_wire(uint64_t value, enum share_outcome *outcome_r)
{
#define X(name, wire, code, label, text)                                                           \
    if (value == wire) {                                                                           \
        *outcome_r = name;                                                                         \
        return true;                                                                               \
    }
    SHARE_OUTCOMES(X)
#undef X
    return false;
}
