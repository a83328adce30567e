#!/bin/sh
# symbols.sh BUILD: no two of the project's libraries define the same name. A linker takes the first
# it meets and says nothing, so a program that is linked with both calls the wrong one with the
# other's arguments.
set -eu
defined() {
    find "$1" -name 'lib*.a' -exec nm -A --defined-only -g {} + 2>/dev/null |
        awk 'NF >= 3 && $(NF - 1) ~ /^[TDRBCG]$/ { sub(/:[^:]*:[^:]*$/, "", $1); print $NF, $1 }' | sort
}
names=$(defined "$1")
[ "$(printf '%s\n' "$names" | wc -l)" -gt 100 ] || {
    echo "no libraries were found below $1"
    exit 1
}
twice=$(printf '%s\n' "$names" | cut -d' ' -f1 | uniq -d)
for name in $twice; do
    echo "$name is defined more than once:"
    printf '%s\n' "$names" | sed -n "s/^$name /    /p"
done
[ -z "$twice" ]
