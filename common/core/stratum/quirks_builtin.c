/* The table of clients known to be odd, as text in the form of quirks.h: where each fact comes from
 * stands in `why`. The limits for coinbases do not bind today, because the pool's fullest one has
 * one output for its wallet and one for its proofs and stays below 300 bytes (core_job_test holds
 * it there): they are kept so that a larger one is cut to what a client can take. */
#include "core/stratum/quirks.h"

const char quirks_builtin[] =
    /* marketplaces for hash rate: they refuse, or route badly, below such a difficulty */
    "{\"agent\":\"NiceHash/\",\"algorithm\":\"sha256d\",\"min_difficulty\":500000,"
    "\"start_difficulty\":500000,\"coinbase_bytes_max\":500,\"missing\":[\"show_message\","
    "\"get_version\"],\"why\":\"datum_gateway datum_stratum.c: high minimum, smallest coinbase\"}\n"
    "{\"agent\":\"NiceHash/\",\"algorithm\":\"scrypt\",\"min_difficulty\":500000,"
    "\"start_difficulty\":500000,\"coinbase_bytes_max\":500,\"missing\":[\"show_message\","
    "\"get_version\"],\"why\":\"the same floor, of 2^16 hashes a unit: 3.3e10 hashes a share, 33 s "
    "of 1 GH/s\"}\n"
    "{\"agent\":\"NiceHash/\",\"coinbase_bytes_max\":500,\"missing\":[\"show_message\","
    "\"get_version\"],\"why\":\"datum_gateway datum_stratum.c\"}\n"
    "{\"agent\":\"MiningRigRentals\",\"algorithm\":\"sha256d\",\"min_difficulty\":500000,"
    "\"start_difficulty\":1000000,\"why\":\"routing needs a high start\"}\n"
    /* firmware */
    "{\"agent\":\"Antminer S21/\",\"coinbase_bytes_max\":2250,"
    "\"why\":\"datum_gateway datum_stratum.c: tested\"}\n"
    "{\"agent\":\"Antminer\",\"coinbase_bytes_max\":750,"
    "\"why\":\"datum_gateway datum_stratum.c: class of stock firmware\"}\n"
    "{\"agent\":\"bmminer/\",\"coinbase_bytes_max\":750,"
    "\"why\":\"datum_gateway datum_stratum.c: class of stock firmware\"}\n"
    "{\"agent\":\"PowerPlay-BM/\",\"coinbase_bytes_max\":16000,"
    "\"why\":\"datum_gateway datum_stratum.c\"}\n"
    "{\"agent\":\"xminer-1.\",\"coinbase_bytes_max\":16000,"
    "\"why\":\"VNish; datum_gateway datum_stratum.c: tested\"}\n"
    "{\"agent\":\"whatsminer/\",\"coinbase_bytes_max\":6500,\"name_bytes_max\":127,"
    "\"why\":\"datum_gateway datum_stratum.c, usernames.md: longer names overflow a buffer\"}\n"
    "{\"agent\":\"bosminer\",\"coinbase_bytes_max\":2250,"
    "\"why\":\"Braiins OS; datum_gateway datum_stratum.c: moderate, not tested wholly\"}\n"
    "{\"agent\":\"avalon\",\"name_bytes_max\":63,\"names_escaped\":true,"
    "\"why\":\"datum_gateway usernames.md: cuts names at 63, writes special characters in hex\"}\n"
    "{\"agent\":\"bitaxe\",\"coinbase_bytes_max\":6500,"
    "\"why\":\"datum_gateway datum_stratum.c: slower work changes with larger ones\"}\n"
    "{\"agent\":\"NerdMiner\",\"start_difficulty\":0.0001,\"short_numbers\":true,\"missing\":["
    "\"show_message\","
    "\"reconnect\",\"get_version\",\"set_extranonce\",\"set_version_mask\",\"version_rolling\"],"
    "\"why\":\"NerdMiner_v2 stratum.cpp reads notify and set_difficulty alone, prints the nonce "
    "without zeros\"}\n"
    "{\"agent\":\"HAN_SOLOminer\",\"start_difficulty\":0.0001,\"short_numbers\":true,\"missing\":["
    "\"show_message\","
    "\"reconnect\",\"get_version\",\"set_extranonce\",\"set_version_mask\",\"version_rolling\"],"
    "\"why\":\"NerdMiner_v2 under its other name\"}\n"
    /* programs */
    "{\"agent\":\"cpuminer-opt\",\"work_correction_ppm\":20,\"missing\":[\"set_version_mask\"],"
    "\"why\":\"cpuminer-opt util.c diff_to_hash: 2^224 in place of 0xffff*2^208\"}\n"
    "{\"agent\":\"cpuminer\",\"missing\":[\"reconnect\",\"set_extranonce\",\"set_version_mask\"],"
    "\"why\":\"cpuminer util.c: reconnect only with an option\"}\n"
    "{\"agent\":\"ccminer/\",\"missing\":[\"set_version_mask\"],"
    "\"why\":\"ccminer util.cpp\"}\n";
