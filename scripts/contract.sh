#!/bin/bash
# Walks the contract of c_shim/core.h from the C side, with what every shim shares, under AddressSanitizer.
#
#   scripts/contract.sh CORE.a
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
core=${1:?usage: scripts/contract.sh CORE.a}
mkdir -p "$root/build"
"${CC:-gcc}" -std=gnu11 -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-omit-frame-pointer \
    "$root"/tests/contract/*.c "$root"/c_shim/shared/{parameters,reply}.c "$core" -o "$root/build/contract" \
    -pthread -lgcc_s -lm -ldl
"$root/build/contract"
