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

# deb822 and one-line sources alike become source-package sources; stanzas switched off stay off.
derive_sources() {
    mkdir -p "$apt/sources.list.d"
    : >"$apt/sources.list"
    list='' parts=''
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "$list" "$parts"/*.list; do
        [ -f "$file" ] || continue
        grep -v 'cdrom:' "$file" | sed -n 's/^[[:space:]]*deb\([[:space:]]\)/deb-src\1/p' >>"$apt/sources.list"
    done
    for file in "$parts"/*.sources; do
        [ -f "$file" ] || continue
        sed 's/^[Tt]ypes:.*/Types: deb-src/' "$file" >"$apt/sources.list.d/$(basename "$file")"
    done
}

# Only where apt writes, and what it reads as sources, is ours; hooks of the system's own updates are not run.
write_configuration() {
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    cat >"$apt/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/sources.list.d";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::Cache::archives "$apt/cache/archives";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
}

fetch_source() {
    derive_sources
    write_configuration
    apt-get -c "$apt/apt.conf" -q update || echo "some sources failed to update, trying the others"
    (cd "$apt" && apt-get -c "$apt/apt.conf" -q source --only-source --download-only "$package=$version")
}

apt=$build/apt
log=$build/kamailio-src.log
rm -rf "$apt" "$tree"
mkdir -p "$apt"
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
