#!/bin/sh
# Says in one line that something is compiled and how long that takes, if it is.
#
#   scripts/announce.sh TARGET_DIR     cargo's directory for what it builds
set -eu

release=$1/release

# is_stale PRODUCT: one of the files that cargo notes as its sources (PRODUCT: SOURCE...) is newer.
is_stale() {
    [ -n "$(sed 's/^[^:]*://' "${1%.a}.d" | xargs -r sh -c 'product=$1; shift; find "$@" -newer "$product" 2>/dev/null' sh "$1" | head -n 1)" ]
}

core=$release/libsipcapture_core.a
tool=$release/sipcapture
if [ ! -e "$core" ] || [ ! -e "$tool" ]; then
    echo "Compiling the core, the modules and the tool: about five minutes on two cores, this once."
elif is_stale "$core" || is_stale "$tool"; then
    echo "Compiling what has changed in the core, the modules and the tool: about two minutes on two cores."
fi
