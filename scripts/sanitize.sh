#!/bin/bash
# Runs real Kamailio servers with our modules under AddressSanitizer, and fails when a report names our code.
#
#   scripts/sanitize.sh [FILTER...]
#
# The core is compiled by nightly with its address sanitizer, the shim by gcc with its own; gcc's runtime comes into the
# distribution's Kamailio by LD_PRELOAD, through a wrapper that the tests take for the kamailio program. The tests are those named
# `sanitize::` (tests/it/sanitize.rs) and those of the capture agent, or those that match FILTER; each report is a file of its own in build/sanitize/reports/.
#
# What the sanitizer sees: the core's heap and stack, the shim's stack and globals, and everything that either hands to the C library.
# Not Kamailio's own allocator, whose blocks lie in one large mapping; and no leaks, since Kamailio's are not ours to judge. Tests that measure
# memory are left out: the sanitizer keeps what is given back.
#
# Before each run it is shown that a fault is found: a module with one planted in it must be reported, as ours.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/sanitize
reports=$work/reports

fail() {
    printf 'sanitize: %s\n' "$@" >&2
    exit 1
}

# ours REPORTS: prints the reports in that directory that name our code: any frame, of the access or of the block's allocation and release,
# that lies in our module, in one of our sources or in a library that is linked into it. Others are Kamailio's own affair.
ours() {
    grep -lE '^ +#[0-9]+ .*(sipcapture_core|build/sanitize/.*\.so|c_shim/|\.cargo/registry/|planted\.c)' "$1"/* 2>/dev/null || true
}

if [ "${1:-}" = --judge ]; then
    found=$(ours "${2:?usage: scripts/sanitize.sh --judge DIRECTORY}")
    [ -z "$found" ] || fail "these reports name our code:" "$found"
    exit 0
fi

cargo +nightly --version >/dev/null 2>&1 ||
    fail "the sanitizer needs a nightly compiler beside the stable one:" "    rustup toolchain install nightly --profile minimal"
runtime=$(gcc -print-file-name=libasan.so)
[ -e "$runtime" ] || fail "gcc has no address sanitizer here:" "    apt-get install libasan8"
runtime=$(readlink -f "$runtime")
kamailio=$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "${KAMAILIO:-kamailio}") ||
    fail "there is no program ${KAMAILIO:-kamailio}: set KAMAILIO to the Kamailio that will load the module"

mkdir -p "$work" "$reports"
rm -rf "${reports:?}"/*
cat >"$work/kamailio" <<WRAPPER
#!/bin/sh
# Kamailio with the sanitizer's runtime. The server's own leaks and allocator are not looked at.
ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:halt_on_error=1:exitcode=99:log_exe_name=1:log_path=$reports/asan
LD_PRELOAD=$runtime
export ASAN_OPTIONS LD_PRELOAD
exec "$kamailio" "\$@"
WRAPPER
chmod +x "$work/kamailio"

target=x86_64-unknown-linux-gnu
[ "$(uname -m)" = x86_64 ] || target=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=-Zsanitizer=address CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_TARGET_DIR=$work/target \
    cargo +nightly build --locked --lib --target "$target"
core=$work/target/$target/debug/libsipcapture_core.a
export KAMAILIO=$work/kamailio SHIM_CFLAGS="-fsanitize=address -fno-omit-frame-pointer"

# build MODULE DIRECTORY LDFLAGS: a module, with the sanitizer.
build() {
    MODULE_OUT=$2 SHIM_LDFLAGS="-fsanitize=address ${3:-}" scripts/build-kamailio.sh "$1" "$core"
}

echo "== a planted fault is found"
mkdir -p "$work/planted"
cat >"$work/planted/planted.c" <<'PLANTED'
#include <stdlib.h>

/* Writes one byte behind a heap block as soon as the module is loaded. */
__attribute__((constructor)) static void planted(void)
{
	volatile char *block = malloc(7);
	block[7] = 1;
	free((void *)block);
}
PLANTED
gcc -g -fPIC -fsanitize=address -c "$work/planted/planted.c" -o "$work/planted/planted.o"
if build sipcapture "$work/planted" "$work/planted/planted.o" >"$work/planted/log" 2>&1; then
    fail "a Kamailio with a faulty module starts: the sanitizer is not at work, see build/sanitize/planted/log"
fi
[ -n "$(ours "$reports")" ] ||
    fail "a planted fault is not reported as ours: see build/sanitize/reports/ and build/sanitize/planted/log"
rm -rf "${reports:?}"/*

for module in sipcapture siptrace; do
    build $module "$work"
    [[ $(nm -u "$work/$module.so") == *__asan_report_load* ]] || fail "build/sanitize/$module.so has no checks in it"
done

echo "== servers under the sanitizer"
[ $# != 0 ] || set -- sanitize:: kamailio_siptrace_agent:: kamailio_siptrace_peers::copies:: kamailio_siptrace_peers::xheaders::
status=0
SIPCAPTURE_KAMAILIO_MODULE=$work/sipcapture.so SIPCAPTURE_SANITIZE_CALLS=${SIPCAPTURE_SANITIZE_CALLS:-10000} \
    scripts/cargo-test.sh --test it -- --test-threads=1 --skip memory:: "$@" || status=$?

found=$(ours "$reports")
all=$(find "$reports" -type f | wc -l)
if [ -n "$found" ]; then
    # shellcheck disable=SC2086  # one file name a word
    head -n 40 $found >&2
    fail "$(wc -w <<<"$found") of $all reports name our code:" "$found"
fi
[ "$status" = 0 ] || fail "no report names our code, but the tests failed"
echo "sanitize: no report names our code ($all reports of others in build/sanitize/reports/)"
