#!/bin/bash
# Runs everything that proves the project, goes on after a failure, and ends with one line that sums it up.
#
#   scripts/test.sh
#
# A step without tests of its own (format, lints, a build) counts as one. The tests find what was built by environment:
# SIPCAPTURE_KAMAILIO_MODULE and SIPCAPTURE_OPENSIPS_MODULE are paths of modules. Logs are kept in build/test/.
set -euo pipefail

cd "$(dirname "$0")/.."
logs=build/test
mkdir -p "$logs"
passed=0
failed=0
skipped=0
failures=()

# count LOG STATUS: adds the "N passed; N failed; N ignored" of a log, or the step itself where it says nothing. A test that says that it
# has skipped itself, as those do that need a later Kamailio, has not passed.
count() {
    local log=$1 status=$2 sums
    sums=$(awk '/^test result:/ { p += $4; f += $6; s += $8; n++ }
        /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5; n++ }
        /^skipped: [a-z_0-9:]+: / { p--; s++ }
        END { if (n) print p, f, s }' "$log")
    if [ -z "$sums" ]; then
        sums="$((status == 0)) $((status != 0)) 0"
    fi
    # shellcheck disable=SC2086  # three words are meant
    set -- $sums
    # A runner that was killed, or did not compile, has failed whatever it printed before.
    if [ "$status" != 0 ] && [ "$2" = 0 ]; then
        set -- "$1" 1 "$3"
    fi
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

# step NAME COMMAND...: one step, its output on the terminal and in the log.
step() {
    local name=$1 status=0
    shift
    echo "== $name"
    "$@" 2>&1 | tee "$logs/$name.log" || status=$?
    [ "$status" = 0 ] || failures+=("$name: $logs/$name.log")
    count "$logs/$name.log" "$status"
}

skip() {
    echo "skipped: $*"
    skipped=$((skipped + 1))
}

export SIPCAPTURE_KAMAILIO_MODULE=$PWD/build/kamailio/sipcapture.so
# Where the tests look too.
export OPENSIPS_SRC=${OPENSIPS_SRC:-/opt/opensips/src}

step format cargo fmt --check
step lints cargo clippy --locked --all-targets -- -D warnings
step kamailio make kamailio
# Warnings of the shim are errors there.
if [ -f "$OPENSIPS_SRC/Makefile.conf" ]; then
    export SIPCAPTURE_OPENSIPS_MODULE=$PWD/build/opensips/sipcapture.so
    step opensips make opensips
fi
step tool make tool
step setup scripts/test-setup.sh
step build scripts/test-build.sh
step contract make contract
step toy-host scripts/toy-host.sh
step tests scripts/cargo-test.sh --no-fail-fast
step demo make demo

if [ -f "${HEP_DISSECTOR:-}" ]; then
    step dissector scripts/cargo-test.sh --test it -- --ignored the_published_dissector
else
    skip "no HEP_DISSECTOR (the published hep.lua for Wireshark)"
fi
[ -f "$OPENSIPS_SRC/Makefile.conf" ] || skip "no OpenSIPS (OPENSIPS_SRC names its configured and built tree)"
if [ -d "${FREESWITCH_PREFIX:-}" ]; then
    skip "no module for FreeSWITCH yet"
else
    skip "no FreeSWITCH prefix"
fi
for failure in "${failures[@]}"; do
    echo "failed: $failure"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
