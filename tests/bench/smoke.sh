#!/bin/sh
# smoke.sh BUILD: a few seconds of `adit bench hotpath`. It measures nothing worth keeping; it shows
# that pool, load generator and floors work together and that the file holds the figures.
set -eu
folder=$(mktemp -d /tmp/adit-smoke-XXXXXX)
trap 'rm -rf "$folder"' EXIT
ADIT_BENCH_RESULTS=$folder "$1/bin/adit-bench" hotpath --seconds 0.6 --connections 20 \
    --in-flight 8 --transactions 20
file=$folder/bench-hotpath.json
for name in accepted_shares_per_s gateway_us validator_us redis_us saturated_p99 open_loop_p99 \
    floor_hash_us floor_miners_calls_us floor_inner_calls_us floor_redis_us cpu_us_per_share; do
    value=$(sed -n "/\"$name\"/,/}/s/.*\"value\": *\([0-9.e+-]*\).*/\1/p" "$file" | head -n 1)
    if ! printf '%s\n' "${value:-0}" | awk '{ exit !($1 > 0) }'; then
        echo "$name is ${value:-missing}, not above 0" >&2
        exit 1
    fi
done
