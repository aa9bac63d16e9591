#!/bin/bash
# Proves that setup.sh tells what a machine lacks by what serves, in made-up roots: each need there, absent, and there under a name that does
# not serve.
#
#   scripts/test-setup.sh
#
# Touches nothing outside a private directory, and installs nothing.
set -euo pipefail

cd "$(dirname "$0")/.."
unset KAMAILIO KAMAILIO_SRC LIBCLANG_PATH
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
whole=$scratch/whole
modules=/usr/lib/kamailio/modules

# missing_in ROOT KIND: the packages that setup.sh would install, in one line.
missing_in() {
    SETUP_ROOT=$1 sh scripts/setup.sh missing "$2" | paste -sd ' ' -
}

# lacks SENTENCE ROOT KIND PACKAGES: setup.sh finds exactly these missing.
lacks() {
    local found
    found=$(missing_in "$2" "$3")
    if [ "$found" = "$4" ]; then
        passed=$((passed + 1))
        echo "ok: $1"
    else
        failed=$((failed + 1))
        echo "FAILED: $1: expected '$4', found '$found'"
    fi
}

# program ROOT PATH TEXT: a program that prints TEXT, whatever it is asked.
program() {
    mkdir -p "$(dirname "$1$2")"
    printf '#!/bin/sh\ncat <<"TEXT"\n%s\nTEXT\n' "$3" >"$1$2"
    chmod 755 "$1$2"
}

# library ROOT PATH: the beginning of a file of ELF for this machine.
library() {
    mkdir -p "$(dirname "$1$2")"
    head -c 64 /bin/sh >"$1$2"
}

# foreign_library ROOT PATH: the same for another machine (m68k).
foreign_library() {
    library "$1" "$2"
    printf '\004' | dd of="$1$2" bs=1 seek=18 conv=notrunc status=none
}

text_file() {
    mkdir -p "$(dirname "$1$2")"
    echo "${3:-a text}" >"$1$2"
}

# A root that has everything that `make test` needs.
make_whole() {
    program "$whole" /usr/bin/cargo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'
    program "$whole" /usr/bin/gcc ''
    program "$whole" /usr/bin/cc ''
    program "$whole" /usr/bin/readelf 'GNU readelf (GNU Binutils) 2.40'
    program "$whole" /usr/sbin/kamailio "version: kamailio 5.6.3 (x86_64/linux)
    -L path      Modules search path (default: $modules)"
    program "$whole" /usr/bin/dpkg-source 'Debian dpkg-source version 1.21.22.'
    program "$whole" /usr/bin/xz 'xz (XZ Utils) 5.4.1'
    program "$whole" /usr/bin/sipp ' SIPp v3.6.1-TLS-PCAP.'
    library "$whole" /usr/lib/x86_64-linux-gnu/libclang-14.so.14.0.6
    for name in db_sqlite db_mysql db_postgres app_lua tls evapi; do
        library "$whole" "$modules/$name.so"
    done
    program "$whole" /usr/bin/openssl 'OpenSSL 3.0.17 1 Jul 2025'
    program "$whole" /usr/sbin/mariadbd 'mariadbd  Ver 10.11.14-MariaDB-0+deb12u2'
    program "$whole" /usr/bin/mariadb 'mariadb  Ver 15.1 Distrib 10.11.14-MariaDB'
    program "$whole" /usr/lib/postgresql/15/bin/postgres 'postgres (PostgreSQL) 15.14'
    program "$whole" /usr/lib/postgresql/15/bin/initdb 'initdb (PostgreSQL) 15.14'
    program "$whole" /usr/bin/sngrep 'sngrep - 1.6.0'
    program "$whole" /usr/bin/tshark 'TShark (Wireshark) 4.0.17'
    program "$whole" /usr/bin/sqlite3 '3.40.1 2022-12-28'
    program "$whole" /usr/bin/setpriv 'setpriv from util-linux 2.38.1'
    program "$whole" /bin/mount 'mount from util-linux 2.38.1'
    program "$whole" /bin/ip 'ip utility, iproute2-6.1.0'
    program "$whole" /usr/bin/curl 'curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1'
    program "$whole" /usr/bin/tcpreplay 'tcpreplay version: 4.4.3'
    text_file "$whole" /usr/share/zoneinfo/America/New_York 'TZif2'
}

# copy: a root that has everything, to take something away from.
copy() {
    rm -rf "$scratch/root"
    cp -a "$whole" "$scratch/root"
    root=$scratch/root
}

# without PACKAGES PATH...: a root without these files lacks just these packages.
without() {
    local packages=$1
    shift
    copy
    (cd "$root" && rm -r "${@#/}")
    lacks "$* absent" "$root" test "$packages"
}

# other PACKAGES PATH TEXT: a program of that name that says something else does not serve.
other() {
    copy
    program "$root" "$2" "$3"
    lacks "$2 is another program: $3" "$root" test "$1"
    copy
    printf '#!/nonexistent\n' >"$root$2"
    lacks "$2 does not run" "$root" test "$1"
    copy
    chmod 644 "$root$2"
    lacks "$2 is not executable" "$root" test "$1"
    copy
    ln -sf /nonexistent "$root$2"
    lacks "$2 leads nowhere" "$root" test "$1"
}

make_whole
for kind in build demo test; do
    lacks "nothing is missing for '$kind' where all is there" "$whole" "$kind" ''
done
program "$scratch/empty" /usr/bin/cargo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'
lacks "all that a build needs is missing where only cargo is" "$scratch/empty" build "gcc libc6-dev binutils kamailio dpkg-dev xz-utils"

modules_packages='kamailio-sqlite-modules kamailio-mysql-modules kamailio-postgres-modules kamailio-lua-modules kamailio-tls-modules kamailio-extra-modules'
while IFS='|' read -r packages path wrong; do
    without "$packages" "$path"
    other "$packages" "$path" "$wrong"
done <<NEEDS
binutils|/usr/bin/readelf|LLVM readobj
dpkg-dev|/usr/bin/dpkg-source|a source of something
xz-utils|/usr/bin/xz|BusyBox v1.35.0
sip-tester|/usr/bin/sipp|another sipp
openssl|/usr/bin/openssl|LibreSSL 3.8
mariadb-server-core|/usr/sbin/mariadbd|mysqld  Ver 8.0.36
mariadb-client-core|/usr/bin/mariadb|mysql  Ver 8.0.36
postgresql|/usr/lib/postgresql/15/bin/postgres|postgres: could not find anything
postgresql|/usr/lib/postgresql/15/bin/initdb|not this
sngrep|/usr/bin/sngrep|an error
tshark|/usr/bin/tshark|an error
sqlite3|/usr/bin/sqlite3|2.8.17
util-linux|/usr/bin/setpriv|BusyBox v1.35.0
mount|/bin/mount|BusyBox v1.35.0
iproute2|/bin/ip|BusyBox v1.35.0
curl|/usr/bin/curl|an error
tcpreplay|/usr/bin/tcpreplay|an error
kamailio $modules_packages|/usr/sbin/kamailio|another program
NEEDS

# A compiler serves when it compiles.
for name in gcc cc; do
    without "gcc libc6-dev" /usr/bin/$name
    copy
    printf '#!/bin/sh\nexit 1\n' >"$root/usr/bin/$name"
    lacks "$name finds no headers" "$root" test "gcc libc6-dev"
done

# Modules lie where the Kamailio that loads them looks.
for name in db_sqlite db_mysql db_postgres app_lua tls evapi; do
    package=${name#*_}
    package=${package/evapi/extra}
    package=kamailio-$package-modules
    without "$package" "$modules/$name.so"
    copy
    text_file "$root" "$modules/$name.so"
    lacks "$name.so is no library" "$root" test "$package"
    copy
    foreign_library "$root" "$modules/$name.so"
    lacks "$name.so is for another machine" "$root" test "$package"
done
copy
mkdir -p "$root/usr/lib/x86_64-linux-gnu/kamailio"
mv "$root$modules" "$root/usr/lib/x86_64-linux-gnu/kamailio/modules"
lacks "modules lie where another Kamailio looks" "$root" test "$modules_packages"

# libclang by the names under which bindgen's loader takes it, and no other.
clang=/usr/lib/x86_64-linux-gnu/libclang-14.so.14.0.6
without libclang1 "$clang"
for path in /usr/lib/llvm-14/lib/libclang.so.1 /usr/lib/llvm-14/lib/libclang-14.so /usr/lib/x86_64-linux-gnu/libclang-14.so.1 /usr/lib/libclang.so; do
    copy
    rm "$root$clang"
    library "$root" $path
    lacks "$path is libclang" "$root" test ''
done
for path in /usr/lib/x86_64-linux-gnu/libclang-cpp.so.14 /usr/lib/llvm-14/lib/libclang-cpp.so.14 /usr/lib/llvm-14/lib/libclang-cpp.so; do
    copy
    rm "$root$clang"
    library "$root" $path
    lacks "$path is not libclang" "$root" test libclang1
    lacks "who only builds needs none" "$root" demo ''
done
copy
foreign_library "$root" "$clang"
lacks "libclang is for another machine" "$root" test libclang1
copy
ln -sf /nonexistent "$root$clang"
lacks "libclang leads nowhere" "$root" test libclang1

# The newest PostgreSQL is the one that is started.
copy
mkdir -p "$root/usr/lib/postgresql/16/lib"
lacks "a newer PostgreSQL has left a directory" "$root" test postgresql
copy
mkdir -p "$root/usr/lib/postgresql/9.6/bin" "$root/usr/lib/postgresql/common"
lacks "directories beside PostgreSQL's are none of it" "$root" test ''

# refused SENTENCE KIND TEXT...: setup.sh ends with an error that has each text.
refused() {
    local sentence=$1 kind=$2 said text
    shift 2
    if ! said=$(missing_in "$root" "$kind" 2>&1); then
        for text in "$@"; do
            grep -qF -- "$text" <<<"$said" || said=
        done
    else
        said=
    fi
    if [ -n "$said" ]; then
        passed=$((passed + 1))
        echo "ok: $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED: $sentence"
    fi
}

# Nothing is looked for, and nothing installed, for a toolchain that cannot compile this.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
copy
rm "$root/usr/bin/cargo"
refused "no cargo" build "cargo is not in PATH" "$wanted or later"
copy
program "$root" /usr/bin/cargo 'cargo 1.65.0'
refused "an old cargo" build "of Rust 1.65.0" "$wanted or later"
copy
program "$root" /usr/bin/cargo 'error: rustup could not choose a version of cargo to run'
refused "a cargo without a toolchain" build "does not tell its version" "$wanted or later"
copy
program "$root" /usr/bin/cargo 'cargo 2.0.0-nightly (0123456 2030-01-01)'
lacks "a later cargo serves" "$root" test ''

# Another Kamailio than the distribution's has modules of its own.
copy
program "$root" /opt/kamailio "version: kamailio 6.1.4 (x86_64/linux)
    -L path      Modules search path (default: /opt/modules)"
mv "$root$modules" "$root/opt/modules"
export KAMAILIO=$root/opt/kamailio
lacks "another Kamailio with all its modules" "$root" test ''
rm "$root/opt/modules/tls.so"
refused "another Kamailio that lacks a module is named, and no package of the distribution is asked for" test "KAMAILIO=$KAMAILIO lacks" kamailio-tls-modules
unset KAMAILIO

without tzdata /usr/share/zoneinfo/America/New_York
copy
text_file "$root" /usr/share/zoneinfo/America/New_York
lacks "a zone is no zone" "$root" test tzdata

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
