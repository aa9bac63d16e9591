#!/bin/bash
# Proves what the build promises beside the programs themselves: modules that would not load are refused with the reason, and
# installing keeps the stock module and gives it back, and the headers' source package is fetched from a mirror that lacks its signature.
#
#   scripts/test-build.sh
#
# Needs the modules in build/kamailio and build/sipcapture. Touches nothing outside a private directory.
set -euo pipefail

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
module=build/kamailio/sipcapture.so
kamailio=${KAMAILIO:-kamailio}
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# holds SENTENCE COMMAND...: one check.
holds() {
    local sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED: $sentence"
    fi
}

# refused_with MODULE TEXT...: check-module.sh refuses it and says each text.
refused_with() {
    local refused=$1 said
    shift
    if said=$(scripts/check-module.sh "$refused" "$kamailio" 2>&1); then
        return 1
    fi
    for text in "$@"; do
        grep -qF -- "$text" <<<"$said" || { echo "$said"; return 1; }
    done
}

# altered FROM TO FILE: the module with one string of the same length in place of another.
altered() {
    [ "${#1}" = "${#2}" ] && LC_ALL=C sed "s|$1|$2|" "$module" >"$3" && ! cmp -s "$module" "$3"
}

# make_mirror: a mirror in $scratch/mirror with a made-up source package kamailio, of the version that is installed, which lists a signature
# of its tarball that the mirror does not have.
make_mirror() {
    local tree=$scratch/package/kamailio mirror=$scratch/mirror upstream file
    upstream=${package_version%-*}
    mkdir -p "$tree/src/core" "$mirror"
    echo '/* made up */' >"$tree/src/core/sr_module.h"
    printf 'cfg:\n\t@echo configured\n' >"$tree/Makefile"
    tar -C "$scratch/package" -czf "$scratch/package/kamailio_$upstream.orig.tar.gz" kamailio
    printf '%s\n' '-----BEGIN PGP SIGNATURE-----' '' 'bWFkZSB1cA==' '-----END PGP SIGNATURE-----' >"$scratch/package/kamailio_$upstream.orig.tar.gz.asc"
    mkdir -p "$tree/debian/source"
    echo '3.0 (quilt)' >"$tree/debian/source/format"
    printf 'kamailio (%s) unstable; urgency=low\n\n  * Made up.\n\n -- Nobody <nobody@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n' \
        "$package_version" >"$tree/debian/changelog"
    printf 'Source: kamailio\nMaintainer: Nobody <nobody@example.org>\n\nPackage: kamailio\nArchitecture: any\nDescription: made up\n' >"$tree/debian/control"
    (cd "$scratch/package" && dpkg-source -b kamailio) >"$scratch/mirror.log" 2>&1 || return
    cp "$scratch"/package/kamailio_* "$mirror"
    file=("$mirror"/*.dsc)
    {
        sed -n '/^Source:/,$p' "${file[0]}" | sed 's/^Source:/Package:/'
        echo 'Directory: .'
    } >"$scratch/index"
    # The index lists the description of the package beside the parts that the description lists.
    awk -v dsc="$(basename "${file[0]}")" -v size="$(stat -c %s "${file[0]}")" -v sha256="$(sha256sum "${file[0]}" | cut -d' ' -f1)" \
        -v md5="$(md5sum "${file[0]}" | cut -d' ' -f1)" '
        { print }
        /^Checksums-Sha256:/ { print " " sha256, size, dsc }
        /^Files:/ { print " " md5, size, dsc }' "$scratch/index" >"$mirror/Sources"
    grep -q '\.asc$' "$mirror/Sources" && rm "$mirror"/*.asc
    echo "deb [trusted=yes] file:$mirror ./" >"$scratch/sources.list"
    cat >"$scratch/mirror.conf" <<CONF
Dir::Etc::sourcelist "$scratch/sources.list";
Dir::Etc::sourceparts "$scratch/none";
CONF
}

# fetched_whole: apt by itself gets the package with all that it lists.
fetched_whole() {
    apt=$scratch/whole-apt
    # shellcheck source=scripts/private-apt.sh
    (. scripts/private-apt.sh && make_private_apt deb-src && cd "$apt" &&
        private_apt source --only-source --download-only "kamailio=$package_version") >"$scratch/whole.log" 2>&1
}

# headers_fetched: the headers of a project that has none yet come from the mirror.
headers_fetched() {
    local tree
    mkdir -p "$scratch/project"
    cp -r scripts "$scratch/project/"
    tree=$(env -u KAMAILIO_SRC "$scratch/project/scripts/kamailio-headers.sh") && [ -f "$tree/src/core/sr_module.h" ] && [ -f "$tree/.configured" ]
}

version=$("$kamailio" -v | sed -n 's/^version: \(.*)\).*/\1/p')
other_version=${version/kamailio /kamailio~}
holds "the built module loads" scripts/check-module.sh "$module" "$kamailio"
holds "the built agent loads" scripts/check-module.sh build/kamailio/siptrace.so "$kamailio"
holds "a module with another version can be made" altered "$version" "$other_version" "$scratch/version.so"
holds "another version is refused, both shown" refused_with "$scratch/version.so" "versions differ" "$version" "$other_version"
holds "a module with other flags can be made" altered "USE_TCP, USE_TLS" "USE_TCP, NOT_TLS" "$scratch/flags.so"
holds "other flags are refused, both shown" refused_with "$scratch/flags.so" "flags differ" "USE_TCP, USE_TLS" "USE_TCP, NOT_TLS"
echo "no module" >"$scratch/text.so"
holds "what is no module is refused" refused_with "$scratch/text.so" "is it a Kamailio module"

package_version=$(dpkg-query -W -f '${source:Version}' kamailio 2>/dev/null) || package_version=
if [ -n "$package_version" ]; then
    export APT_CONFIG=$scratch/mirror.conf
    holds "a mirror without the signature of a source package can be made" make_mirror
    holds "apt by itself fails at that signature" eval '! fetched_whole && grep -q "\.asc" "$scratch/whole.log"'
    holds "the headers are fetched all the same" headers_fetched
    unset APT_CONFIG
fi

export DESTDIR=$scratch/root PREFIX=/opt/sipcapture KAMAILIO_MODULES_DIR=/usr/lib/kamailio/modules
modules=$DESTDIR$KAMAILIO_MODULES_DIR
mkdir -p "$modules"
echo stock >"$modules/sipcapture.so"
echo stock >"$modules/siptrace.so"
for round in first second; do
    holds "the $round installation succeeds" make -s install
    holds "the $round installation puts the module in place" cmp "$module" "$modules/sipcapture.so"
    holds "the $round installation keeps the stock module" grep -qx stock "$modules/sipcapture.so.stock"
    holds "the $round installation puts the agent in place" cmp build/kamailio/siptrace.so "$modules/siptrace.so"
    holds "the $round installation keeps the stock agent" grep -qx stock "$modules/siptrace.so.stock"
done
holds "the tool is installed and runs" "$DESTDIR$PREFIX/bin/sipcapture" --version
holds "the manual is installed" test -s "$DESTDIR$PREFIX/share/doc/sipcapture/sipcapture.md"
holds "the example is installed" test -s "$DESTDIR$PREFIX/share/doc/sipcapture/examples/kamailio.cfg"
holds "taking it away succeeds" make -s uninstall
holds "the stock module is back" grep -qx stock "$modules/sipcapture.so"
holds "the stock agent is back" grep -qx stock "$modules/siptrace.so"
left=$(find "$DESTDIR" -type f | grep -cv "^$modules/sip[a-z]*\.so$" || true)
holds "nothing of ours is left" test "$left" = 0

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
