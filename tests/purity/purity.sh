#!/bin/sh
# Core is pure: its archives may only use the compiler's helpers, the plain memory and string
# functions, and what base and core themselves define. Anything else (a clock, a socket, a lock, the
# heap, stdio) is a leak of the world into the rules.
# usage: purity.sh BUILD_FOLDER
set -eu
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

find "$build/common/core" -name 'libcore_*.a' | sort >"$work/archives"
find "$build/common/base" -name 'libbase.a' >"$work/base"
if [ ! -s "$work/archives" ] || [ ! -s "$work/base" ]; then
    echo "no core archives below $build/common/core"
    exit 1
fi

# What a compiler may call by itself, and what is pure in libc. Sanitizers' own symbols are the
# build's doing, not the code's.
cat >"$work/allowed" <<'END'
memcpy
memmove
memset
memcmp
bcmp
memchr
strlen
strnlen
strchr
strcmp
strncmp
__memcpy_chk
__memmove_chk
__memset_chk
__stack_chk_fail
_GLOBAL_OFFSET_TABLE_
__udivti3
__umodti3
__divti3
__modti3
__udivmodti4
__divmodti4
END
xargs nm --defined-only -g <"$work/archives" | awk 'NF == 3 { print $3 }' >>"$work/allowed"
xargs nm --defined-only -g <"$work/base" | awk 'NF == 3 { print $3 }' >>"$work/allowed"

# The variables of core that are written, once and before main: core/pow/sha256.c says why.
variables_allowed='^(blocks|engine|scrypt_engine)_chosen$'

complain() { # WHAT FILE: the archive fails where the file has lines
    if [ -s "$2" ]; then
        echo "$(basename "$archive") $1:" $(sort -u "$2")
        status=1
    fi
}

status=0
while read -r archive; do
    nm -u "$archive" | awk '$1 == "U" { print $2 }' | sort -u >"$work/undefined"
    grep -vE '^__(asan|ubsan|tsan|sanitizer|lsan|gcov|llvm)_' "$work/undefined" |
        grep -vxFf "$work/allowed" >"$work/found" || true
    complain "uses what is not pure" "$work/found"

    # A failure of the world is nothing core can meet; behind these base keeps stdio.
    grep -xE 'error_(set|system|prefix)' "$work/undefined" >"$work/found" || true
    complain "tells failures of the world" "$work/found"

    objdump -t "$archive" | awk '$3 == "O" && $4 ~ /^\.(data|bss)($|\.)/ && $4 !~ /rel\.ro/ { print $NF }' |
        grep -vE "$variables_allowed|^_*(__odr_)?asan|^__(sancov|llvm|gcov|unnamed)" >"$work/found" || true
    complain "keeps variables" "$work/found"

    if [ "$(uname -m)" = x86_64 ]; then
        objdump -d --no-show-raw-insn "$archive" |
            awk '$2 ~ /^v?(add|sub|mul|div|sqrt)[sp][sd]$|^v?cvt|^f(ld|st|ild|mul|add|div)/ { print $2 }' \
                >"$work/found"
        complain "calculates in floating point" "$work/found"
    fi
done <"$work/archives"
[ $status -ne 0 ] || echo "$(wc -l <"$work/archives") core archives are pure"
exit $status
