#!/bin/bash
# Runs cargo test. Some tests make networks, disks and mounts of their own, which only root may: for an ordinary user the test programs,
# and they alone, run through sudo.
#
#   scripts/cargo-test.sh [ARGUMENT...]     what cargo test takes
set -euo pipefail

cd "$(dirname "$0")/.."
[ "$(id -u)" != 0 ] || exec cargo test --locked "$@"

triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${triple}_RUNNER=$PWD/scripts/as-root.sh"
status=0
cargo test --locked "$@" || status=$?
kept=${CARGO_TARGET_DIR:-target}/tmp
[ ! -d "$kept" ] || sudo chown -R "$(id -u):$(id -g)" "$kept"
exit "$status"
