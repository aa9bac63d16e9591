#!/bin/bash
# Prints the flags to compile a module with, for a source tree and the Kamailio that will load the module.
#
#   scripts/kamailio-flags.sh TREE [KAMAILIO]
#
# They are those of the tree's own makefiles, brought in line with what Kamailio says it was compiled with: some of its
# switches follow from the machine or the tool (make or cmake) that built it, which may differ here. Which switch shows as
# which word in `kamailio -v` is read in the tree's ver_defs.h, in entries of this form (and make and cmake spell the system's name
# differently, which is part of the version that a module must have):
#
#   #ifdef USE_FUTEX
#   #define USE_FUTEX_STR ", USE_FUTEX"
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
root=$(cd "$(dirname "$0")/.." && pwd)
tree=${1:?usage: scripts/kamailio-flags.sh TREE [KAMAILIO]}
kamailio=${2:-kamailio}

mkdir -p "$root/build"
file=$(mktemp "$root/build/flags.XXXXXX")
trap 'rm -f "$file"' EXIT
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CFLAGS -u LDFLAGS \
    make -s -f "$root/scripts/kamailio-flags.mk" TREE="$tree" OUT="$file" >/dev/null
flags=" $(cat "$file") "
version=$("$kamailio" -v)
host=", $(sed -n 's/^flags: *//p' <<<"$version"),"

# version: kamailio 6.1.4 (x86_64/Linux)
system=$(sed -n 's|^version:[^(]*([^/]*/\([^)]*\)).*|\1|p' <<<"$version")
[ -z "$system" ] || flags=$(sed "s|-DOS_QUOTED='\"[^\"]*\"'|-DOS_QUOTED='\"$system\"'|" <<<"$flags")

switches=$(awk '$1 == "#ifdef" { macro = $2 }
    $1 == "#define" && $2 == macro "_STR" && gsub(/[",]/, "") && $3 ~ /^[A-Z]/ { print macro, $3 }' "$tree/src/core/ver_defs.h")
while read -r macro word; do
    # The headers of the allocators define these themselves.
    [[ $macro != DBG_*_MALLOC ]] || continue
    case $host in
        *", $word,"*) [[ $flags == *" -D$macro "* ]] || flags="$flags-D$macro " ;;
        *) flags=${flags//" -D$macro "/ } ;;
    esac
done <<<"$switches"
# The one that shows together with how it waits.
[[ $host == *", FAST_LOCK"* ]] || flags=${flags//" -DFAST_LOCK "/ }

echo "$flags"
