#!/bin/bash
# Runs the faults that a spool must outlast at full length, and ends with a table of what became of each message.
#
#   scripts/faults.sh [SECONDS]     how long each fault lasts; 60 without a number
#
# A fault that costs what it must not fails its test, and with it this script. The log is kept in build/test/faults.log.
set -euo pipefail

cd "$(dirname "$0")/.."
mkdir -p build/test
log=build/test/faults.log
export SIPCAPTURE_FAULT_SECONDS=${1:-60}
export SIPCAPTURE_KAMAILIO_MODULE=${SIPCAPTURE_KAMAILIO_MODULE:-$PWD/build/kamailio/sipcapture.so}

status=0
scripts/cargo-test.sh --test it -- --nocapture kamailio_spool:: kamailio_siptrace_faults:: >"$log" 2>&1 || status=$?
# A line may begin behind the name of another test that runs beside it.
{
    echo "| fault | lasts | sent | captured | stored | dropped, counted | lost | doubled | ping before | ping meanwhile |"
    echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    sed -n 's/.*fault | \(.*\)/| \1 |/p' "$log" | tr -s ' ' | sort
}
echo "Pings: median/99th percentile of the round trip to the same SIP worker, in microseconds."
grep '^test result:' "$log" || true
[ "$status" = 0 ] || echo "failed: $log"
exit "$status"
