#!/bin/sh
# Runs a program as root, through sudo unless it is root already, with the environment that tests look at.
#
#   scripts/as-root.sh PROGRAM [ARGUMENT...]
set -eu

[ "$(id -u)" != 0 ] || exec "$@"
for name in PATH HOME LD_LIBRARY_PATH RUST_BACKTRACE RUST_TEST_THREADS PROPTEST_CASES KAMAILIO KAMAILIO_MODULES_DIR \
    SIPCAPTURE_KAMAILIO_MODULE SIPCAPTURE_FAULT_SECONDS SIPCAPTURE_SOAK_SECONDS SIPCAPTURE_SANITIZE_CALLS HEP_DISSECTOR \
    FRESH_DIR DEBIAN_MIRROR DEBIAN_SECURITY_MIRROR CARGO_MANIFEST_DIR CARGO_TARGET_TMPDIR; do
    eval "value=\${$name-}"
    # shellcheck disable=SC2154  # set by eval
    [ -z "$value" ] || set -- "$name=$value" "$@"
done
exec sudo env "$@"
