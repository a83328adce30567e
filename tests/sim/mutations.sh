#!/bin/sh
# tests/sim/mutations.sh [BUILD]: takes away each guard of mutations.list in a copy of the tree, and
# fails where the simulator does not notice. ADIT_SIM_SEEDS seeds each (default 1000). Prints a line
# a mutation, and with what it was noticed.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tree=$(CDPATH='' cd -- "$here/../.." && pwd)
build=${1:-${TMPDIR:-/tmp}/adit-mutations}
export ADIT_SIM_SEEDS="${ADIT_SIM_SEEDS:-1000}" ADIT_SIM_STRIDE="${ADIT_SIM_STRIDE:-5}"
unset ADIT_SEED
mkdir -p "$build/tree" || exit 70
for part in CMakeLists.txt cmake common proto services tests tools; do
    rm -rf "${build:?}/tree/$part"
    cp -R "$tree/$part" "$build/tree/$part" || exit 70
done
cmake -S "$build/tree" -B "$build/build" -G Ninja -DADIT_TESTS=ON >"$build/configure.log" 2>&1 ||
    { tail -n 5 "$build/configure.log"; exit 70; }

run() {
    ninja -C "$build/build" payout_sim_test >"$build/build.log" 2>&1 || { tail -n 20 "$build/build.log"; return 70; }
    timeout 600 "$build/build/tests/payout_sim_test" >"$build/run.log" 2>&1
}

run || { echo "the unchanged tree does not pass"; tail -n 3 "$build/run.log"; exit 1; }
survivors=0
while IFS='|' read -r name file edit; do
    case $name in '#'* | '') continue ;; esac
    sed "$edit" "$tree/$file" >"$build/mutant"
    if cmp -s "$build/mutant" "$tree/$file"; then
        echo "STALE     $name: its edit changes nothing in $file"
        survivors=$((survivors + 1))
        continue
    fi
    cp "$build/mutant" "$build/tree/$file"
    run
    case $? in
    0) echo "SURVIVED  $name" && survivors=$((survivors + 1)) ;;
    70) echo "UNBUILT   $name" && survivors=$((survivors + 1)) ;;
    *) echo "noticed   $name ($(grep -m1 -oE 'seed [0-9]+.*|ASSERT.*|[Aa]ssert.*' "$build/run.log" | cut -c1-100))" ;;
    esac
    cp "$tree/$file" "$build/tree/$file"
done <"$here/mutations.list"
[ "$survivors" -eq 0 ] || { echo "$survivors not noticed"; exit 1; }
