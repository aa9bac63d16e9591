#!/bin/bash
# Builds the toy host of tests/toy_host into build/toy-host, with the core that has its module, and the sanitizers that C has.
#
#   scripts/toy-host.sh
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
mkdir -p build
cargo build --locked --lib --features toy-host
# The next build of the core has the same name and is without it.
cp "${CARGO_TARGET_DIR:-target}/debug/libsipcapture_core.a" build/toy-core.a
"${CC:-gcc}" -std=gnu11 -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-omit-frame-pointer -I c_shim \
    tests/toy_host/host.c build/toy-core.a -o build/toy-host -pthread -lgcc_s -lm -ldl
cargo build --locked --lib
