#!/bin/bash
# Proves what the build promises beside the programs themselves: modules that would not load are refused with the reason, and
# installing keeps the stock module and gives it back.
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
