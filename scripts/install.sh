#!/bin/bash
# Puts modules, tool and documentation in place, or takes them away again.
#
#   scripts/install.sh install|uninstall
#
# PREFIX, DESTDIR and KAMAILIO_MODULES_DIR as in the Makefile. A stock module of the same name is kept beside ours as
# NAME.so.stock and comes back with uninstall. Where a Debian package owns it this is a diversion, so that an upgrade
# of that package renews the kept file instead of ours. What was installed is listed in share/sipcapture/manifest.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
root=$(cd "$(dirname "$0")/.." && pwd)
prefix=${PREFIX:-/usr/local}
destdir=${DESTDIR:-}
kamailio=${KAMAILIO:-kamailio}
manifest=$prefix/share/sipcapture/manifest

fail() {
    printf 'install: %s\n' "$@" >&2
    exit 1
}

# Kamailio prints the path that it was built with; of several directories the first is meant.
modules_dir() {
    if [ -n "${KAMAILIO_MODULES_DIR:-}" ]; then
        echo "$KAMAILIO_MODULES_DIR"
        return
    fi
    local found
    found=$("$kamailio" -h 2>/dev/null | sed -n 's/.*Modules search path (default: \([^:)]*\).*/\1/p')
    [ -n "$found" ] || fail "$kamailio does not tell its module directory: set KAMAILIO_MODULES_DIR"
    echo "${found%/}"
}

listed() {
    grep -qsxF "$1" "$destdir$manifest"
}

owned_by_package() {
    [ -z "$destdir" ] && command -v dpkg-divert >/dev/null 2>&1 && dpkg-query -S "$1" >/dev/null 2>&1
}

# put MODE FILE PATH: one file of ours at PATH (below DESTDIR), noted in the manifest.
put() {
    install -D -m "$1" "$2" "$destdir$3"
    listed "$3" || echo "$3" >>"$destdir$manifest"
    echo "$destdir$3"
}

keep_stock() {
    local path=$1
    if [ ! -e "$destdir$path" ] || [ -e "$destdir$path.stock" ] || listed "$path"; then
        return
    fi
    if owned_by_package "$path"; then
        dpkg-divert --local --rename --divert "$path.stock" --add "$path"
    else
        mv "$destdir$path" "$destdir$path.stock"
        echo "kept the module that was there as $destdir$path.stock"
    fi
}

restore_stock() {
    local path=$1
    [ -e "$destdir$path.stock" ] || return 0
    if [ -z "$destdir" ] && command -v dpkg-divert >/dev/null 2>&1 && [ -n "$(dpkg-divert --list "$path")" ]; then
        dpkg-divert --local --rename --remove "$path"
    else
        mv "$destdir$path.stock" "$destdir$path"
        echo "put back $destdir$path"
    fi
}

install_all() {
    local directory module file
    directory=$(modules_dir)
    [ -x "$root/build/sipcapture" ] || fail "there is no build/sipcapture: run 'make tool' first"
    for module in sipcapture siptrace; do
        [ -f "$root/build/kamailio/$module.so" ] || fail "there is no build/kamailio/$module.so: run 'make kamailio' first"
    done
    mkdir -p "$destdir$(dirname "$manifest")"
    for module in "$root"/build/kamailio/*.so; do
        keep_stock "$directory/$(basename "$module")"
        put 644 "$module" "$directory/$(basename "$module")"
    done
    put 755 "$root/build/sipcapture" "$prefix/bin/sipcapture"
    for file in "$root"/README.md "$root"/CHANGELOG.md "$root"/LICENSE "$root"/doc/*.md; do
        put 644 "$file" "$prefix/share/doc/sipcapture/$(basename "$file")"
    done
    for file in "$root"/doc/examples/*; do
        put 644 "$file" "$prefix/share/doc/sipcapture/examples/$(basename "$file")"
    done
}

uninstall_all() {
    local path
    [ -f "$destdir$manifest" ] || fail "nothing is installed: there is no $destdir$manifest"
    while read -r path; do
        rm -f "$destdir$path"
        echo "removed $destdir$path"
        restore_stock "$path"
    done <"$destdir$manifest"
    rm -f "$destdir$manifest"
    for path in share/doc/sipcapture/examples share/doc/sipcapture share/sipcapture; do
        rmdir "$destdir$prefix/$path" 2>/dev/null || true
    done
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "usage: scripts/install.sh install|uninstall" ;;
esac
