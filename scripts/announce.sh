#!/bin/sh
# Says in one line that something is compiled and how long that takes, if it is.
#
#   scripts/announce.sh TARGET_DIR            cargo's directory for what it builds
#   scripts/announce.sh --compiled            notes that all is compiled
#
# What was compiled, by which compiler, is noted in build/compiled.
set -eu

cd "$(dirname "$0")/.."
stamp=build/compiled
compiler=$(rustc --version 2>/dev/null || echo none)

if [ "$1" = --compiled ]; then
    mkdir -p build
    echo "$compiler" >"$stamp"
    exit 0
fi
if [ ! -e "$1/release/libsipcapture_core.a" ] || [ ! -e "$1/release/sipcapture" ]; then
    echo "Compiling the core, the modules and the tool: about five minutes on two cores, this once."
elif [ "$(cat "$stamp" 2>/dev/null)" != "$compiler" ] || [ -n "$(find src crates Cargo.toml Cargo.lock -newer "$stamp" 2>/dev/null | head -n 1)" ]; then
    echo "Compiling what has changed in the core, the modules and the tool: two minutes on two cores, or five where libraries have changed."
fi
