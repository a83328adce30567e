#!/bin/sh
# junk_smoke.sh BUILD: honest miners beside 200 sessions of junk scrypt, through sockets and the
# whole pool. It fails where an honest share is refused, lost or left without an answer; how long
# answers take is `adit bench junk`'s to say. ADIT_JUNK_SHARES: honest shares (300).
set -eu
folder=$(mktemp -d /tmp/adit-junk-XXXXXX)
trap 'rm -rf "$folder"' EXIT
ADIT_BENCH_RESULTS=$folder "$1/bin/adit-bench" junk --shares "${ADIT_JUNK_SHARES:-300}" \
    --transactions 20
