#!/bin/bash
# Traces 240,000 calls and looks at the memory before and after; then runs a capture node under steady load for a long time, with databases
# that pause and restarts, and shows a line for each round.
#
#   scripts/soak.sh [SECONDS]     how long the steady load lasts; 3600 without a number
#
# A message that is neither stored once nor accounted for, or memory or a spool that grows, fails it. The log is kept in
# build/test/soak.log.
set -euo pipefail

cd "$(dirname "$0")/.."
mkdir -p build/test
log=build/test/soak.log
export SIPCAPTURE_SOAK_SECONDS=${1:-3600}
export SIPCAPTURE_KAMAILIO_MODULE=${SIPCAPTURE_KAMAILIO_MODULE:-$PWD/build/kamailio/sipcapture.so}

status=0
scripts/cargo-test.sh --test it -- --ignored --nocapture --test-threads=1 kamailio_siptrace_agent::memory:: kamailio_spool::soak:: 2>&1 | tee "$log" |
    sed -nu 's/.*soak | \(.*\)/\1/p' || status=$?
grep '^test result:' "$log" || true
[ "$status" = 0 ] || echo "failed: $log"
exit "$status"
