#!/bin/bash
# Builds one OpenSIPS module out of its C shim and the core: build/opensips/MODULE.so
#
#   scripts/build-opensips.sh MODULE CORE.a TREE
#
# TREE is the configured source tree of the server that will load the module (its Makefile.conf is there); it need not be
# built. Its headers are system headers to the compiler, so that only the warnings of our own code count, and those are
# errors. What differs between releases is told by what the headers have, not by their version. CC names the compiler,
# SHIM_CFLAGS and SHIM_LDFLAGS add flags, MODULE_OUT is another directory to build in.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
module=${1:?usage: scripts/build-opensips.sh MODULE CORE.a TREE}
core=${2:?usage: scripts/build-opensips.sh MODULE CORE.a TREE}
tree=$(cd "${3:?usage: scripts/build-opensips.sh MODULE CORE.a TREE}" && pwd)
cc=${CC:-gcc}
out=${MODULE_OUT:-$root/build/opensips}
shim=$root/c_shim/opensips

fail() {
    printf 'build-opensips: %s\n' "$@" >&2
    exit 1
}

[ -d "$shim/$module" ] || fail "there is no $shim/$module"
[ -f "$tree/sr_module.h" ] || fail "there are no sources of OpenSIPS in $tree"
[ -f "$tree/Makefile.conf" ] || fail "$tree is not configured: it has no Makefile.conf (make menuconfig, or a copy of Makefile.conf.template)"
mkdir -p "$out"

env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CFLAGS -u LDFLAGS \
    make -s -C "$tree" -f "$root/scripts/opensips-flags.mk" OUT="$out/flags" >/dev/null
[ -s "$out/flags" ] || fail "the makefiles of $tree tell no flags"

# has WORD FILE FLAG: adds FLAG where a header, or what else the tree has of its modules, has WORD.
has() {
    ! grep -qs "$1" "$tree/$2" || printf ' -D%s' "$3" >>"$out/flags"
}
has in_parent pt.h HOST_HAS_POST_FORK
has MI_EXPORT_ALIASES mi/mi.h HOST_HAS_MI_ALIASES
has payload_chunk_free modules/proto_hep/hep.h HOST_HAS_PAYLOAD_CHUNK_FREE
has sip_msg_cloner modules/tm/async.c HOST_SUSPENDS_REPLIES

cat >"$out/exports.map" <<'MAP'
{
    global: exports;
    local: *;
};
MAP

objects=()
for file in "$shim/$module"/*.c "$shim"/*.c "$root/c_shim/shared"/{parameters,reply}.c; do
    # Own and shared files may have the same name.
    name=${file#"$root/c_shim/"}
    name=${name%.c}
    object=$out/$module-${name//\//-}.o
    # shellcheck disable=SC2086  # lists of flags are meant
    "$cc" -std=gnu11 -O2 -g -fPIC -fno-strict-aliasing -ffunction-sections -fdata-sections \
        -Wall -Wextra -Werror "@$out/flags" "-DMOD_NAME=$module" -ffile-prefix-map="$root/=" \
        -I "$root/c_shim" -I "$shim" -isystem "$tree" ${SHIM_CFLAGS:-} -c "$file" -o "$object"
    objects+=("$object")
done

# shellcheck disable=SC2086
"$cc" -shared -pthread -o "$out/$module.so" "${objects[@]}" "$core" -Wl,--version-script="$out/exports.map" -Wl,--gc-sections \
    -Wl,-z,now -Wl,-z,relro -Wl,-Bsymbolic -Wl,-O1 -Wl,--compress-debug-sections=zlib -Wl,--as-needed ${SHIM_LDFLAGS:-} -lgcc_s -lm -ldl -lc
echo "built ${out#"$root/"}/$module.so for $tree"
