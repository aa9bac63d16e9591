#!/bin/bash
# Refuses a module that the installed Kamailio would not load.
#
#   scripts/check-module.sh MODULE.so [KAMAILIO]
#
# Kamailio itself is the judge: it loads the module in a configuration check, as it would in service. It compares two strings of
# a module with its own, version and compile flags, and ends when they differ; then both are shown, the module's
# read out of the file itself, Kamailio's as `kamailio -v` prints them.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
module=${1:?usage: scripts/check-module.sh MODULE.so [KAMAILIO]}
kamailio=${2:-kamailio}

fail() {
    printf 'check-module: %s\n' "$@" >&2
    exit 1
}

[ -f "$module" ] || fail "there is no file $module"
command -v "$kamailio" >/dev/null || fail "there is no program $kamailio: set KAMAILIO to the Kamailio that will load $module"

# string_at ADDRESS: the C string at that address of the module's image.
string_at() {
    local type offset address _ size _rest string
    while read -r type offset address _ size _rest; do
        [ "$type" = LOAD ] || continue
        if (($1 >= address && $1 < address + size)); then
            IFS= read -r -d '' string < <(tail -c +$(($1 - address + offset + 1)) "$module" 2>/dev/null) || true
            printf '%s' "$string"
            return
        fi
    done <<<"$segments"
}

# string_of SYMBOL: the string that a `char *SYMBOL` of the module points to once the file is loaded.
string_of() {
    local place target
    place=$(awk -v name="$1" '$8 == name { print $2 }' <<<"$symbols")
    [ -n "$place" ] || fail "$module exports no $1: is it a Kamailio module?"
    target=$(awk -v place="$place" '{ sub(/^0+/, "", $1); sub(/^0+/, "", place) } $1 == place { print $NF }' <<<"$relocations")
    [ -n "$target" ] || fail "$module: $1 points nowhere"
    string_at $((16#$target))
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'loadmodule "%s"\nrequest_route { exit; }\n' "$(realpath "$module")" >"$scratch/load.cfg"
if "$kamailio" -c -Y "$scratch" -f "$scratch/load.cfg" >"$scratch/log" 2>&1; then
    exit 0
fi

segments=$(readelf -lW "$module" 2>/dev/null) || fail "$module is no shared object: is it a Kamailio module?"
symbols=$(readelf --dyn-syms -W "$module")
relocations=$(readelf -rW "$module")

about=$("$kamailio" -v)
host_version=$(sed -n 's/^version: \(.*)\).*/\1/p' <<<"$about")
host_flags=$(sed -n 's/^flags: *//p' <<<"$about")
module_version=$(string_of module_version)
module_flags=$(string_of module_flags)

if [ "$module_version" != "$host_version" ]; then
    fail "$kamailio refuses $module, the versions differ:" "  module:   $module_version" "  Kamailio: $host_version"
fi
if [ "$module_flags" != "$host_flags" ]; then
    fail "$kamailio refuses $module, the compile flags differ:" "  module:   $module_flags" "  Kamailio: $host_flags"
fi

grep -E 'ERROR|CRITICAL' "$scratch/log" >&2 || cat "$scratch/log" >&2
fail "$kamailio does not load $module"
