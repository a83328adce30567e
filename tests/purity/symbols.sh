#!/bin/sh
# No two libraries define the same name: where both are linked, the linker takes the first without a
# word, and calls meant for the other go to it. usage: symbols.sh BUILD_FOLDER
set -eu
twice=$(find "$1" -name 'lib*.a' | while read -r archive; do
    nm -g --defined-only "$archive" 2>/dev/null |
        awk -v archive="${archive##*/}" '$2 ~ /^[TDBR]$/ { print $3, archive }'
done | sort -u | awk '{ count[$1]++; where[$1] = where[$1] " " $2 }
    END { for (name in count) if (count[name] > 1) print name " is defined by" where[name] }' | sort)
[ -n "$(find "$1" -name 'lib*.a' | head -n 1)" ] || {
    echo "no archives below $1"
    exit 1
}
[ -z "$twice" ] || {
    echo "$twice"
    exit 1
}
