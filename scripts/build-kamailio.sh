#!/bin/bash
# Builds one Kamailio module out of its C shim and the core: build/kamailio/MODULE.so
#
#   scripts/build-kamailio.sh MODULE CORE.a
#
# Kamailio's headers and flags come from scripts/kamailio-headers.sh; they are system headers to the compiler, so that
# only the warnings of our own code count, and those are errors. Only what Kamailio looks up is visible in the module.
# KAMAILIO names the Kamailio that will load it, CC the compiler, SHIM_CFLAGS and SHIM_LDFLAGS add flags, MODULE_OUT is another
# directory to build in.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
root=$(cd "$(dirname "$0")/.." && pwd)
module=${1:?usage: scripts/build-kamailio.sh MODULE CORE.a}
core=${2:?usage: scripts/build-kamailio.sh MODULE CORE.a}
kamailio=${KAMAILIO:-kamailio}
cc=${CC:-gcc}
out=${MODULE_OUT:-$root/build/kamailio}
shim=$root/c_shim/kamailio

fail() {
    printf 'build-kamailio: %s\n' "$@" >&2
    exit 1
}

[ -d "$shim/$module" ] || fail "there is no $shim/$module"
command -v "$kamailio" >/dev/null || fail "there is no program $kamailio: set KAMAILIO to the Kamailio that will load the module"
tree=$("$root/scripts/kamailio-headers.sh")
mkdir -p "$out/unchecked"

"$root/scripts/kamailio-flags.sh" "$tree" "$kamailio" >"$out/flags"

# The module's own files, those that all modules of this host share, and those of every host.
sources=("$shim/$module"/*.c "$shim"/*.c "$root/c_shim/shared"/*.c)

cat >"$out/exports.map" <<'MAP'
{
    global: exports; mod_register; module_version; module_flags; module_interface_ver;
    local: *;
};
MAP

objects=()
for file in "${sources[@]}"; do
    # Own and shared files may have the same name, and shared ones know for which module they are compiled.
    name=${file#"$root/c_shim/"}
    name=${name%.c}
    object=$out/$module-${name//\//-}.o
    # shellcheck disable=SC2086  # lists of flags are meant
    "$cc" -std=gnu11 -O2 -g -fPIC -fno-strict-aliasing -ffunction-sections -fdata-sections \
        -Wall -Wextra -Werror "@$out/flags" "-DMOD_NAME=\"$module\"" "-DMOD_NAMEID=$module" \
        -ffile-prefix-map="$root/=" \
        -I "$root/c_shim" -I "$shim" -isystem "$tree/src" ${SHIM_CFLAGS:-} -c "$file" -o "$object"
    objects+=("$object")
done

# shellcheck disable=SC2086
"$cc" -shared -pthread -o "$out/unchecked/$module.so" "${objects[@]}" "$core" -Wl,--version-script="$out/exports.map" -Wl,--gc-sections \
    -Wl,-z,now -Wl,-z,relro -Wl,-Bsymbolic -Wl,-O1 -Wl,--compress-debug-sections=zlib -Wl,--as-needed ${SHIM_LDFLAGS:-} -lgcc_s -lm -ldl -lc

"$root/scripts/check-module.sh" "$out/unchecked/$module.so" "$kamailio"
mv "$out/unchecked/$module.so" "$out/$module.so"
echo "built ${out#"$root/"}/$module.so for $("$kamailio" -v | sed -n 's/^version: //p')"
