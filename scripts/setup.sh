#!/bin/sh
# Installs what the build, the demo or the tests need and this machine lacks, with apt-get.
#
#   scripts/setup.sh build|demo|test
#
# Every need is named by a program or a file, so a machine that has it already, from wherever, is left alone and
# the whole script takes a few milliseconds. Packages are installed as root or through sudo. Services that come with
# them are not started: for the time of the installation, and only where no policy-rc.d exists, one is put in
# place that forbids it.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
policy_mark='# sipcapture setup: for the time of an installation'
missing=

fail() {
    echo "setup: $*" >&2
    exit 1
}

# want PACKAGE NEED...: notes PACKAGE as missing unless one NEED, a program in PATH or a path (patterns allowed), exists.
want() {
    package=$1
    shift
    for need in "$@"; do
        case $need in
            /*)
                [ -e "$need" ] && return 0
                ;;
            *)
                command -v "$need" >/dev/null 2>&1 && return 0
                ;;
        esac
    done
    missing="$missing $package"
}

want_build() {
    want gcc gcc cc
    want libc6-dev /usr/include/stdio.h
    want binutils readelf
    # bindgen loads libclang at run time and needs the compiler's own headers (stddef.h) beside it.
    want libclang-runtime ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang-*.so*
    want libclang-headers /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib/clang/*/include/stddef.h
    if [ "${KAMAILIO:-kamailio}" = kamailio ]; then
        want kamailio kamailio
    fi
    if [ -z "${KAMAILIO_SRC:-}" ]; then
        want dpkg-dev dpkg-source
        want xz-utils xz
    fi
}

want_demo() {
    want_build
    want sip-tester sipp
}

want_test() {
    want_demo
    want kamailio-sqlite-modules /usr/lib/*/kamailio/modules/db_sqlite.so
    want kamailio-mysql-modules /usr/lib/*/kamailio/modules/db_mysql.so
    want kamailio-postgres-modules /usr/lib/*/kamailio/modules/db_postgres.so
    want kamailio-lua-modules /usr/lib/*/kamailio/modules/app_lua.so
    want kamailio-tls-modules /usr/lib/*/kamailio/modules/tls.so
    want openssl openssl
    want mariadb-server-core mariadbd
    want mariadb-client-core mariadb
    want postgresql /usr/lib/postgresql/*/bin/postgres
    want sngrep sngrep
    want tshark tshark
    want sqlite3 sqlite3
    want util-linux setpriv
    want mount mount
    want iproute2 ip
    want tcpreplay tcpreplay
    want tzdata /usr/share/zoneinfo/America/New_York
}

# The names of libclang's packages carry its version; the unversioned one tells which.
resolve_libclang() {
    version=$(apt-cache depends libclang1 2>/dev/null | sed -n 's/.*Depends: libclang1-\([0-9.]*\)$/\1/p' | head -n 1)
    for package in "$@"; do
        case $package in
            libclang-runtime) echo "libclang1${version:+-$version}" ;;
            libclang-headers) echo "${version:+libclang-common-$version-dev}${version:-libclang-dev}" | sed 's/-dev[0-9.]*$/-dev/' ;;
            *) echo "$package" ;;
        esac
    done
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
    # shellcheck disable=SC2046  # one word a package is meant
    set -- $(resolve_libclang "$@")
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@" ||
        fail "apt-get could not install: $*"
}

case ${1:-} in
    build) want_build ;;
    demo) want_demo ;;
    test) want_test ;;
    --install)
        shift
        install_packages "$@"
        exit 0
        ;;
    *) fail "usage: scripts/setup.sh build|demo|test" ;;
esac

command -v cargo >/dev/null 2>&1 || [ -x "${HOME:-}/.cargo/bin/cargo" ] ||
    fail "cargo is not in PATH: install a stable Rust toolchain (rustup) first"
[ -n "$missing" ] || exit 0
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
