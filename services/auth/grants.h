/* API keys and links, of an account. */
#pragma once
#include "record/access/grant.h"

enum { GRANTS_MAX = 20 }; /* of one account */
