#!/bin/sh
# Prints the directory of a configured Kamailio source tree whose headers fit the installed Kamailio.
#
#   scripts/kamailio-headers.sh
#
# KAMAILIO_SRC, if set, is that tree: it is only read. Otherwise the distribution's source package of exactly the
# installed version is fetched, unpacked under build/ and configured there, once. The fetch uses a private
# apt configuration: the system's own sources and settings, with source packages switched on, and all that apt
# writes kept under build/. Nothing on the system changes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
apt=$build/apt
. "$root/scripts/private-apt.sh"

fail() {
    echo "kamailio-headers: $*" >&2
    exit 1
}

if [ -n "${KAMAILIO_SRC:-}" ]; then
    [ -f "$KAMAILIO_SRC/src/core/sr_module.h" ] ||
        fail "KAMAILIO_SRC=$KAMAILIO_SRC is not a Kamailio source tree (there is no src/core/sr_module.h in it)"
    (cd "$KAMAILIO_SRC" && pwd)
    exit 0
fi

hint="set KAMAILIO_SRC to the source tree that your Kamailio was built from"
command -v dpkg-query >/dev/null 2>&1 || fail "no dpkg here to tell the version of Kamailio's package; $hint"
package=$(dpkg-query -W -f '${source:Package}' kamailio 2>/dev/null) || package=
version=$(dpkg-query -W -f '${source:Version}' kamailio 2>/dev/null) || version=
[ -n "$version" ] || fail "the package kamailio is not installed; install it, or $hint"

tree=$build/kamailio-src-$(echo "$version" | tr ':/' '__')
if [ -f "$tree/.configured" ]; then
    echo "$tree"
    exit 0
fi

# The three files that a tree is made of, and nothing beside them: a mirror may lack a signature (.orig.tar.xz.asc) that the package lists.
fetch_source() {
    make_private_apt deb-src
    for part in --dsc-only --tar-only --diff-only; do
        (cd "$apt" && private_apt source --only-source --download-only "$part" "$package=$version") || return
    done
}

log=$build/kamailio-src.log
rm -rf "$tree"
mkdir -p "$build"
echo "kamailio-headers: fetching the source package $package $version" >&2
if ! fetch_source >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "apt offers no source package $package $version (log: $log); $hint"
fi
# apt has checked the files against the signed index.
dpkg-source --no-check --no-copy -x "$apt/"*.dsc "$tree" >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    fail "cannot unpack the source package (log: $log)"
}
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$tree" cfg >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    fail "cannot configure $tree (log: $log)"
}
rm -rf "$apt"
touch "$tree/.configured"
echo "$tree"
