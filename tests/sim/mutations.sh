#!/bin/sh
# tests/sim/mutations.sh [BUILD [PATTERN]]: takes away each guard of mutations.list (those whose name
# matches PATTERN) in a copy of the tree, and fails where the simulator (or the test it names) does
# not notice. A line a mutation: where it was noticed first, which test and seed, and what it saw.
# `mutations.sh --check` builds nothing: it fails where an edit changes nothing any more.
# ADIT_SIM_SEEDS seeds each at the most (default 1000); none runs for more than 400 s of the
# processor's time, as only one that never ends does, however busy the machine is.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tree=$(CDPATH='' cd -- "$here/../.." && pwd)

# Each edit of the list, without running what it makes.
check() {
    edits=0
    stale=0
    mutant=$(mktemp) || exit 70
    while IFS='|' read -r first file edit; do
        case $first in '#'* | '') continue ;; esac
        [ "$first" = + ] || name=$first
        edits=$((edits + 1))
        [ -f "$tree/$file" ] && sed "$edit" "$tree/$file" >"$mutant" &&
            ! cmp -s "$mutant" "$tree/$file" && continue
        echo "STALE     $name: its edit changes nothing in $file"
        stale=$((stale + 1))
    done <"$here/mutations.list"
    rm -f "$mutant"
    echo "$edits edits, $stale stale"
    [ "$edits" -gt 0 ] && [ "$stale" -eq 0 ]
}
if [ "${1:-}" = --check ]; then
    check
    exit
fi

build=${1:-${TMPDIR:-/tmp}/adit-mutations}
pattern=${2:-.}
export ADIT_SIM_SEEDS="${ADIT_SIM_SEEDS:-1000}" ADIT_SIM_STRIDE="${ADIT_SIM_STRIDE:-5}"
unset ADIT_SEED ADIT_SIM_TEST
mkdir -p "$build/tree" || exit 70
for part in CMakeLists.txt cmake common proto services tests tools; do
    rm -rf "${build:?}/tree/$part"
    cp -R "$tree/$part" "$build/tree/$part" || exit 70
done
cmake -S "$build/tree" -B "$build/build" -G Ninja -DADIT_TESTS=ON >"$build/configure.log" 2>&1 ||
    { tail -n 5 "$build/configure.log"; exit 70; }

# The simulator; or the test that a mutation's name ends with, behind an @.
run() {
    program=payout_sim_test
    case $name in *@*) program=${name##*@} ;; esac
    ninja -C "$build/build" "$program" >"$build/build.log" 2>&1 || { tail -n 20 "$build/build.log"; return 70; }
    (ulimit -t "${1:-400}"; timeout 3600 "$build/build/tests/$program"; exit $?) >"$build/run.log" 2>&1
}

# What the last run said first: the test that failed, or was under way at its end, and its complaint.
complaint() {
    test=$(sed -n 's/^\[  FAILED  \] //p' "$build/run.log" | head -n 1)
    [ -n "$test" ] || test=$(sed -n 's/^\[ RUN      \] //p' "$build/run.log" | tail -n 1)
    [ "$test" = no_seed_is_one_base_unit_off ] && test=seeds
    said=$(grep -m1 -oE '(seed [0-9]+, call.*|ASSERT.*|[Aa]ssert.*)' "$build/run.log" | cut -c1-120)
    [ -n "$said" ] || said=$(sed -n 's/^\[  ERROR   \] --- //p' "$build/run.log" | head -n 1 | cut -c1-120)
    echo "$test: ${said:-it does not end}"
}

name=
run || { echo "the unchanged tree does not pass"; tail -n 3 "$build/run.log"; exit 1; }

survivors=0
count=0
name=
stale=
files=

# Runs with the edits of one mutation, and takes them back.
judge() {
    [ -n "$name" ] || return 0
    count=$((count + 1))
    if [ -n "$stale" ]; then
        echo "STALE     $name: its edit changes nothing in $stale"
        survivors=$((survivors + 1))
    else
        run
        case $? in
        0) echo "SURVIVED  $name" && survivors=$((survivors + 1)) ;;
        70) echo "UNBUILT   $name" && survivors=$((survivors + 1)) ;;
        *) echo "noticed   $name ($(complaint))" ;;
        esac
    fi
    for edited in $files; do
        cp "$tree/$edited" "$build/tree/$edited"
    done
    name=
    stale=
    files=
}

while IFS='|' read -r first file edit; do
    case $first in '#'* | '') continue ;; esac
    if [ "$first" != + ]; then
        judge
        echo "$first" | grep -q -- "$pattern" || { name=; continue; }
        name=$first
    fi
    [ -n "$name" ] || continue
    sed "$edit" "$tree/$file" >"$build/mutant"
    cmp -s "$build/mutant" "$tree/$file" && stale=$file
    cp "$build/mutant" "$build/tree/$file"
    files="$files $file"
done <"$here/mutations.list"
judge
echo "$count mutations, $survivors not noticed"
[ "$survivors" -eq 0 ]
