#!/bin/sh
# Unpacks packages of the distribution without installing them, for tests that run something from there, and prints the directory of each.
#
#   scripts/unpack-package.sh PACKAGE...
#
# Each is downloaded once and lies in build/packages/PACKAGE. Nothing on the system changes: no service, no user, and no script of the package
# is run. What cannot be had is said, and ends this with 1 when the others are there.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
apt=$root/build/packages/apt
log=$root/build/packages/apt.log
. "$root/scripts/private-apt.sh"

# fail WHAT: says what cannot be had; the others are fetched all the same.
fail() {
    echo "unpack-package: $* (log: $log)" >&2
    status=1
}

[ $# != 0 ] || {
    echo "usage: scripts/unpack-package.sh PACKAGE..." >&2
    exit 1
}
mkdir -p "$root/build/packages"
missing='' status=0
for package in "$@"; do
    [ -f "$root/build/packages/$package/.unpacked" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "unpack-package: fetching$missing" >&2
    make_private_apt deb >"$log" 2>&1
    for package in $missing; do
        tree=$root/build/packages/$package
        rm -rf "$tree" "$apt/fetched"
        mkdir -p "$tree" "$apt/fetched"
        if ! (cd "$apt/fetched" && private_apt download "$package") >>"$log" 2>&1; then
            fail "apt offers no package $package"
        elif ! dpkg-deb -x "$apt/fetched/"*.deb "$tree" >>"$log" 2>&1; then
            fail "cannot unpack the package $package"
        else
            touch "$tree/.unpacked"
            continue
        fi
        rm -rf "$tree"
    done
    rm -rf "$apt"
fi
for package in "$@"; do
    [ ! -d "$root/build/packages/$package" ] || echo "$root/build/packages/$package"
done
exit "$status"
