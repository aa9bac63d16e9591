#!/bin/bash
# Types the README's commands on machines that have nothing, and fails when one of them does not do what the README says.
#
#   scripts/fresh.sh [ROOM...]     all rooms when none is named
#
# A room is a bare Debian, made by debootstrap in FRESH_DIR (default build/fresh), with the Rust toolchain that runs here, make and git; what is
# tried in it is a clean clone of the commit that is checked out.
#
#   root     Debian 12, `make demo` as root, twice
#   sudo     Debian 12, `make demo` as an ordinary user who may use sudo
#   llvm     Debian 12 with llvm-14-dev, which brings libclang-cpp but no libclang: `make demo`
#   test     Debian 12, `make test` as an ordinary user who may use sudo
#   trixie   Debian 13 with its Kamailio 6.0: `make kamailio tool`, then calls through it
#
# A room has process ids and mounts of its own, and this machine's network; what runs in it ends with it. Logs are kept in FRESH_DIR/ROOM.log; a room that
# failed is kept too, for a look (chroot FRESH_DIR/ROOM).
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
[ "$(id -u)" = 0 ] || exec scripts/as-root.sh "$root/scripts/fresh.sh" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
work=${FRESH_DIR:-$root/build/fresh}
user=alice

fail() {
    printf 'fresh: %s\n' "$@" >&2
    exit 1
}

# mirror SUITE: where this machine gets that suite of the release that it runs. The archives of other releases lie at the same places.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Identifier: Packages' | awk -v suite="$1" '$2 == suite { print $1; exit }'
}

# base CODENAME: a bare system, made once, with what the README asks for: a Rust toolchain (whose cargo needs certificates), make and git.
base() {
    local codename=$1 archive=$work/$1.tar tree=$work/base
    [ ! -f "$archive" ] || return 0
    echo "== a bare $codename"
    rm -rf "$tree"
    debootstrap --variant=minbase --include=ca-certificates,make,git "$codename" "$tree" "$debian" >"$work/$codename.log" 2>&1 ||
        fail "debootstrap failed, see $work/$codename.log"
    printf 'deb %s %s main\n' "$debian" "$codename" "$debian" "$codename-updates" "$security" "$codename-security" >"$tree/etc/apt/sources.list"
    # The way to the archives and whom to trust on it are this machine's.
    apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date)' >"$tree/etc/apt/apt.conf.d/90machine" || true
    cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    tar -C "$tree" -cf "$archive.part" .
    mv "$archive.part" "$archive"
    rm -rf "$tree"
}

# make_room ROOM CODENAME: the room, with the toolchain and a bundle of the commit to clone.
make_room() {
    local room=$work/$1 toolchain name
    base "$2"
    leave "$1"
    mkdir -p "$room"
    tar -C "$room" -xpf "$work/$2.tar"
    cp -L /etc/resolv.conf /etc/hosts "$room/etc/"
    toolchain=$(rustc --print sysroot)
    mkdir -p "$room/opt/rust"
    for name in "$toolchain"/bin/*; do
        ln -s "/opt/rust/bin/${name##*/}" "$room/usr/local/bin/"
    done
    git -c safe.directory="$root" bundle create -q "$room/opt/sipcapture.bundle" HEAD
    cat >"$room/opt/enter" <<ENTER
#!/bin/sh
# Mounts what a machine has, in a namespace that goes away with its first process, and runs a command as ROOM's USER.
set -e
mount --make-rprivate /
# As on a machine, the root is a mount of its own: unshare(1) asks for that.
mount --bind "$room" "$room"
mount --rbind /dev "$room/dev"
mount -t proc proc "$room/proc"
mount -t sysfs sysfs "$room/sys"
mount -t tmpfs tmpfs "$room/run"
mount --bind "$toolchain" "$room/opt/rust"
exec chroot "$room" "\$@"
ENTER
    chmod 755 "$room/opt/enter"
}

# inside ROOM USER COMMAND: a command line in the room, with the environment of a login; ended after two hours.
inside() {
    local room=$1 who=$2 command=$3 home=/root
    [ "$who" = root ] || home=/home/$who
    timeout 7200 unshare --mount --pid --fork --kill-child --uts "$work/$room/opt/enter" \
        /usr/bin/env -i HOME="$home" USER="$who" TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        setpriv --reuid "$who" --regid "$who" --init-groups sh -c "cd ~ && $command" </dev/null
}

# with_sudo ROOM: an ordinary user who may do everything through sudo.
with_sudo() {
    inside "$1" root "apt-get update -q && apt-get install -q -y --no-install-recommends sudo && useradd -m -s /bin/bash $user" || return
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$work/$1/etc/sudoers.d/$user"
    chmod 440 "$work/$1/etc/sudoers.d/$user"
}

clone='git -c advice.detachedHead=false clone -q /opt/sipcapture.bundle sipcapture && cd sipcapture'

# The line that says that something is compiled.
compiles='^Compiling .* minutes on two cores'

# shows_calls LOG: what the README shows of `make demo`: four calls and the ladder of one.
shows_calls() {
    [ "$(grep -cE 'alice@example\.org +bob@example\.org .* 200 OK' "$1")" -ge 2 ] &&
        grep -qE 'carol@example\.org +busy@example\.org .* 486 Busy Here' "$1" &&
        grep -qE 'dave@example\.org +absent@example\.org .* 487 Request Terminated' "$1" &&
        grep -qE '│─+ INVITE \(SDP\) ─+►│' "$1" &&
        grep -q '^INVITE alice@example\.org → bob@example\.org' "$1"
}

leave() {
    [ ! -d "$work/$1" ] || rm -rf --one-file-system "${work:?}/$1"
}

# demo ROOM USER: the first command of the README, typed twice.
demo() {
    local again
    inside "$1" "$2" "$clone && make demo" && shows_calls "$log" && grep -q "$compiles" "$log" || return
    echo "-- again"
    inside "$1" "$2" "cd sipcapture && make demo >again.log 2>&1" || return
    again=$(find "$work/$1/root" "$work/$1/home" -maxdepth 3 -name again.log)
    shows_calls "$again" && ! grep -q "$compiles" "$again"
}

room_root() {
    make_room root bookworm && demo root root
}

room_sudo() {
    make_room sudo bookworm && with_sudo sudo && demo sudo $user
}

room_llvm() {
    make_room llvm bookworm &&
        inside llvm root "apt-get update -q && apt-get install -q -y --no-install-recommends llvm-14-dev" &&
        inside llvm root "ls /usr/lib/llvm-14/lib/libclang-cpp.so.14" && demo llvm root
}

room_test() {
    make_room test bookworm && with_sudo test && inside test $user "$clone && make test" &&
        grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' "$log"
}

room_trixie() {
    make_room trixie trixie &&
        inside trixie root "$clone && make kamailio tool && kamailio -v && ls -l build/kamailio/sipcapture.so build/kamailio/siptrace.so build/sipcapture" &&
        grep -q '^version: kamailio 6\.0' "$log" && inside trixie root "cd sipcapture && make demo" && shows_calls "$log"
}

for program in debootstrap unshare chroot setpriv git rustc; do
    command -v $program >/dev/null || fail "there is no program $program (Debian's packages debootstrap, util-linux, coreutils, git; a Rust toolchain)"
done
rooms=("$@")
[ $# != 0 ] || rooms=(root sudo llvm test trixie)
for room in "${rooms[@]}"; do
    [ "$(type -t "room_$room")" = function ] || fail "there is no room $room: root, sudo, llvm, test and trixie are known"
done
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
debian=${DEBIAN_MIRROR:-$(mirror "$codename")}
security=${DEBIAN_SECURITY_MIRROR:-$(mirror "$codename-security")}
[ -n "$debian" ] && [ -n "$security" ] ||
    fail "apt does not tell where this machine gets Debian from: set DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR"
mkdir -p "$work"

passed=0
failed=0
for room in "${rooms[@]}"; do
    log=$work/$room.log
    echo "== $room"
    began=$(date +%s)
    status=0
    "room_$room" >"$log" 2>&1 || status=$?
    took=$((($(date +%s) - began) / 60))
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        echo "ok: $room, $took min"
        leave "$room"
    else
        failed=$((failed + 1))
        tail -n 20 "$log"
        echo "FAILED: $room, $took min, see $log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
