#!/bin/sh
# Installs what the build, the demo or the tests need and this machine lacks, with apt-get.
#
#   scripts/setup.sh build|demo|test            installs it
#   scripts/setup.sh missing build|demo|test    names the packages that are missing, one a line, and installs nothing
#
# A need is met by what serves it, wherever that comes from, and not by a file of its name: a program is run and must say what it is, a library must
# be one for this kind of machine. So a machine that has all is left alone, and looking takes less than a second. Packages are
# installed as root or through sudo. Services that come with them are not started: for the time of the installation, and only
# where no policy-rc.d exists, one is put in place that forbids it.
#
# SETUP_ROOT, for the tests of this script, is a directory in which to look instead of the whole system. `missing` alone obeys it.
set -eu

root=${SETUP_ROOT:-}
here=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
policy_mark='# sipcapture setup: for the time of an installation'
missing=

fail() {
    echo "setup: $*" >&2
    exit 1
}

# want PACKAGE CHECK...: notes PACKAGE as missing unless the command CHECK succeeds.
want() {
    package=$1
    shift
    "$@" || missing="$missing $package"
}

# find_program NAME: its path, if there is a program of that name. A name with a slash is a path.
find_program() {
    if [ -z "$root" ] || [ "${1#*/}" != "$1" ]; then
        command -v "$1"
        return
    fi
    for directory in "$root/usr/local/bin" "$root/usr/local/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/bin" "$root/sbin"; do
        if [ -f "$directory/$1" ] && [ -x "$directory/$1" ]; then
            echo "$directory/$1"
            return
        fi
    done
    return 1
}

# Longest that a program may take to say what it is, where there is timeout(1) to end it.
limit=
! command -v timeout >/dev/null 2>&1 || limit='timeout 10'

# says PROGRAM TEXT ARGUMENT...: PROGRAM is there, runs with these arguments, and prints TEXT (a basic regular expression), as the program that is meant does.
says() {
    program=$(find_program "$1" 2>/dev/null) || return 1
    text=$2
    shift 2
    # Some end with an error after they have said their version.
    { $limit "$program" "$@" </dev/null 2>&1 || true; } | grep -q -- "$text"
}

# compiles: gcc, which the modules are built with, and cc, which the Rust toolchain links with, make a program out of the C library's headers.
compiles() {
    for name in gcc cc; do
        compiler=$(find_program "$name" 2>/dev/null) || return 1
        printf '#include <stdio.h>\n#include <pthread.h>\nint main(void) { return puts("") < 0; }\n' |
            "$compiler" -x c -pthread -o /dev/null - >/dev/null 2>&1 || return 1
    done
}

# ours FILE: FILE is a program or a library for this kind of machine: it has the class and the machine of the shell that runs this.
ours() {
    [ -f "$1" ] && [ "$(kind_of "$1" 2>/dev/null)" = "$(kind_of /bin/sh)" ]
}

# The magic number of ELF, class and byte order, and the machine.
kind_of() {
    od -An -tx1 -N6 "$1"
    od -An -tx1 -j18 -N2 "$1"
}

# any CHECK FILE...: CHECK holds for one of the files.
any() {
    check=$1
    shift
    for file in "$@"; do
        ! "$check" "$file" || return 0
    done
    return 1
}

# libclang as bindgen's loader looks for it. libclang-cpp, which LLVM brings without clang, has another interface.
has_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ] && [ -z "$root" ]; then
        any ours "$LIBCLANG_PATH" "$LIBCLANG_PATH"/libclang.so* "$LIBCLANG_PATH"/libclang-[0-9]*.so*
        return
    fi
    for directory in "$root"/usr/lib/llvm-*/lib "$root"/usr/lib/*-linux-* "$root"/usr/lib "$root"/usr/lib64 "$root"/usr/local/lib; do
        ! any ours "$directory"/libclang.so* "$directory"/libclang-[0-9]*.so* || return 0
    done
    return 1
}

# has_kamailio_module NAME: the Kamailio that is to load it has it on its module path.
has_kamailio_module() {
    program=$(find_program "${KAMAILIO:-kamailio}" 2>/dev/null) || return 1
    path=$($limit "$program" -h 2>/dev/null </dev/null | sed -n 's/.*Modules search path (default: \([^)]*\)).*/\1/p')
    old_ifs=$IFS
    IFS=:
    for directory in $path; do
        IFS=$old_ifs
        ! ours "$root${directory%/}/$1.so" || return 0
    done
    IFS=$old_ifs
    return 1
}

# The tests start the newest PostgreSQL, by the two programs beside each other.
has_postgresql() {
    newest=
    for directory in "$root"/usr/lib/postgresql/*; do
        case ${directory##*/} in
            *[!0-9]*) ;;
            *) [ "${newest:-0}" -ge "${directory##*/}" ] || newest=${directory##*/} ;;
        esac
    done
    directory=$root/usr/lib/postgresql/$newest/bin
    [ -n "$newest" ] &&
        "$directory/postgres" --version 2>/dev/null | grep -q '^postgres (PostgreSQL)' &&
        "$directory/initdb" --version 2>/dev/null | grep -q '^initdb (PostgreSQL)'
}

# Times of zones with their rules, as the C library and our own code read them.
has_zones() {
    [ "$(head -c 4 "$root/usr/share/zoneinfo/America/New_York" 2>/dev/null)" = TZif ]
}

# A toolchain that compiles this edition. It comes from rustup, and from no package of Debian 12.
check_cargo() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/Cargo.toml")
    cargo=$(find_program cargo 2>/dev/null) || cargo=$root${HOME:-}/.cargo/bin/cargo
    [ -x "$cargo" ] ||
        fail "cargo is not in PATH: install a stable Rust toolchain, $wanted or later (rustup), first"
    # In the project's directory a toolchain file or an override may choose another one.
    found=$(cd "$here" && $limit "$cargo" --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p')
    [ -n "$found" ] || fail "$cargo does not tell its version: install a stable Rust toolchain, $wanted or later (rustup), first"
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        fail "$cargo is of Rust $found: install a stable toolchain of $wanted or later (rustup update stable)"
}

want_build() {
    want gcc compiles
    case $missing in
        *gcc*) missing="$missing libc6-dev" ;;
    esac
    want binutils says readelf 'GNU readelf' --version
    if [ "${KAMAILIO:-kamailio}" = kamailio ]; then
        want kamailio says kamailio '^version: kamailio' -v
    fi
    if [ -z "${KAMAILIO_SRC:-}" ]; then
        want dpkg-dev says dpkg-source 'Debian dpkg-source' --version
        want xz-utils says xz 'XZ Utils' --version
    fi
}

want_demo() {
    want_build
    want sip-tester says sipp SIPp -v
}

# Modules for another Kamailio than the distribution's come with it, and not with the distribution's packages.
check_foreign_kamailio() {
    [ "${KAMAILIO:-kamailio}" != kamailio ] || return 0
    case $missing in
        *kamailio-*-modules*)
            fail "KAMAILIO=$KAMAILIO lacks modules that the tests load, of those that Debian has in:$(printf '%s\n' $missing |
                sed -n '/^kamailio-/p' | tr '\n' ' ' | sed 's/^/ /'); build them into its module path"
            ;;
    esac
}

want_test() {
    want_demo
    # Only the test that compares the committed bindings with core.h needs it.
    want libclang1 has_libclang
    for module in sqlite mysql postgres; do
        want kamailio-$module-modules has_kamailio_module db_$module
    done
    want kamailio-lua-modules has_kamailio_module app_lua
    want kamailio-tls-modules has_kamailio_module tls
    want kamailio-extra-modules has_kamailio_module evapi
    check_foreign_kamailio
    want openssl says openssl '^OpenSSL' version
    want mariadb-server-core says mariadbd MariaDB --version
    want mariadb-client-core says mariadb MariaDB --version
    want postgresql has_postgresql
    want sngrep says sngrep '^sngrep' -V
    want tshark says tshark '^TShark' -v
    want sqlite3 says sqlite3 '^3\.' -version
    want util-linux says setpriv util-linux --version
    want mount says mount util-linux --version
    want iproute2 says ip iproute2 -V
    want curl says curl '^curl [0-9]' --version
    want tcpreplay says tcpreplay '^tcpreplay version' -V
    want tzdata has_zones
}

remove_policy() {
    if grep -qsF "$policy_mark" "$policy"; then
        rm -f "$policy"
    fi
}

# Runs as root: installs the packages named, then leaves the machine as it was but for them.
install_packages() {
    trap remove_policy EXIT
    trap 'exit 1' HUP INT TERM
    remove_policy
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # A source that cannot be reached is not in the way as long as the others offer what is needed.
    apt-get update -q || echo "setup: apt-get update had errors, trying to install all the same" >&2
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@" ||
        fail "apt-get could not install: $*"
}

look() {
    check_cargo
    case ${1:-} in
        build) want_build ;;
        demo) want_demo ;;
        test) want_test ;;
        *) fail "usage: scripts/setup.sh [missing] build|demo|test" ;;
    esac
}

case ${1:-} in
    missing)
        look "${2:-}"
        # shellcheck disable=SC2086  # one word a package is meant
        [ -z "$missing" ] || printf '%s\n' $missing
        exit 0
        ;;
    --install)
        shift
        install_packages "$@"
        exit 0
        ;;
esac
root=
what=${1:-}
look "$what"

if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 ||
        fail "this machine lacks (Debian package names):$missing; there is no apt-get here, so please install them yourself"

    echo "setup: installing$missing"
    # shellcheck disable=SC2086  # one word a package is meant
    if [ "$(id -u)" = 0 ]; then
        sh "$0" --install $missing
    elif command -v sudo >/dev/null 2>&1; then
        sudo sh "$0" --install $missing
    else
        fail "this machine lacks$missing; installing packages needs root: run 'make setup' as root or install sudo"
    fi
    # What is installed and does not serve would only fail later, and less clearly.
    missing=
    look "$what"
    [ -z "$missing" ] ||
        fail "still lacking after the installation:$missing; is there something else of the same name before it in PATH ($PATH)?" \
            "${LIBCLANG_PATH:+LIBCLANG_PATH=$LIBCLANG_PATH is where libclang is looked for, and nowhere else}"
fi

# What tests run from where it is unpacked, and nothing installs.
if [ "$what" = test ] && command -v apt-get >/dev/null 2>&1; then
    "$here/scripts/unpack-package.sh" prometheus homer-api homer-api-mysql homer-api-postgresql \
        libdbi-perl libdbd-mysql-perl libdbd-pg-perl >/dev/null ||
        echo "setup: going on without; the tests that need these packages will say that they are skipped"
fi
