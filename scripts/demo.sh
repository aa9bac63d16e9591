#!/bin/bash
# A real Kamailio captures real calls, and the tool shows them.
#
#   scripts/demo.sh
#
# Three servers run on loopback, on free ports, and end with this script: a capture node (Kamailio with our sipcapture
# and doc/examples/kamailio.cfg as it is), a proxy (Kamailio whose siptrace, ours too, sends HEPv3 to the node) and a telephone
# (sipp). Some calls are made through the proxy. The database and the logs stay in build/demo/.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$(dirname "$0")/.."
root=$PWD
kamailio=${KAMAILIO:-kamailio}
module_dir=$root/build/kamailio
out=$root/build/demo
tool=build/sipcapture
# The same file, for a server with a working directory of its own and, shorter, for whoever types a command here.
server_url=sqlite:///$out/sipcapture.db
url=sqlite:///build/demo/sipcapture.db
# One address a party, so that the ladder has a column for each.
caller=127.0.0.11 proxy=127.0.0.12 callee=127.0.0.13 node=127.0.0.14
pids=()
scratch=$(mktemp -d)

say() {
    printf '%s\n' "$*"
}

fail() {
    say "demo: $*" >&2
    grep -hE 'ERROR|CRITICAL' "$out"/*.log 2>/dev/null | head -n 5 >&2 || true
    say "demo: the logs are in $out" >&2
    exit 1
}

# Ends a process of ours by its id and waits for it, at most 15 s.
stop() {
    kill -TERM "$1" 2>/dev/null || true
    for _ in {1..150}; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null || true
}

cleanup() {
    trap - EXIT INT TERM HUP
    local pid
    for pid in "${pids[@]}"; do
        stop "$pid"
    done
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# A UDP port that nothing on this machine has open, of which this script has not spoken before.
taken=" "
free_port() {
    while :; do
        port=$((20000 + RANDOM % 12000))
        case $taken in *" $port "*) continue ;; esac
        if ! grep -qi ":$(printf '%04X' "$port") " /proc/net/udp /proc/net/udp6 2>/dev/null; then
            taken="$taken$port "
            return
        fi
    done
}

# until_true WHAT PID COMMAND...: polls COMMAND for at most 20 s, as long as the process PID lives; fails with WHAT.
until_true() {
    local what=$1 pid=$2 tries=200
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -0 "$pid" 2>/dev/null; then
            fail "$what"
        fi
        sleep 0.1
    done
}

# start_kamailio NAME CFG ARGUMENTS...: one instance with its own run directory, ready when it answers on its control socket.
start_kamailio() {
    local name=$1 cfg=$2
    shift 2
    mkdir -p "$scratch/$name"
    "$kamailio" -f "$cfg" -DD -E -Y "$scratch/$name" -w "$scratch/$name" -P "$scratch/$name/pid" "$@" \
        </dev/null >"$out/$name.log" 2>&1 &
    pids+=($!)
    until_true "the $name did not start, see $out/$name.log" $! kamcmd -s "unix:$scratch/$name/kamailio_ctl" core.uptime
}

# call SCENARIO CALLEE TIMES: that many calls through the proxy, in the background.
calls=()
call() {
    free_port
    sipp -sf "scripts/demo/$1.xml" -s "$2" -i "$caller" -p "$port" -m "$3" -r 2 -nostdin -timeout 20s -timeout_error \
        "$proxy:$proxy_port" </dev/null >"$out/sipp-$1.log" 2>&1 &
    pids+=($!)
    calls+=("$!:$1")
}

stored_messages() {
    "$tool" --db "$url" calls --json
}

# Nothing more is on its way when two looks, half a second apart, see the same.
settled() {
    local before
    before=$(stored_messages) && [ -n "$before" ] && sleep 0.5 && [ "$before" = "$(stored_messages)" ]
}

command -v "$kamailio" >/dev/null || fail "there is no program $kamailio"
[ -x "$tool" ] || fail "there is no $tool: run 'make tool'"
for module in sipcapture siptrace; do
    [ -f "$module_dir/$module.so" ] || fail "there is no $module_dir/$module.so: run 'make kamailio'"
done
stock_dir=$("$kamailio" -h 2>/dev/null | sed -n 's/.*Modules search path (default: \(.*\)).*/\1/p')
rm -rf "$out"
mkdir -p "$out"

free_port; hep_port=$port
free_port; proxy_port=$port
free_port; callee_port=$port

say "Starting a capture node, a proxy and a telephone on loopback."
start_kamailio capture-node doc/examples/kamailio.cfg -L "$module_dir:$stock_dir" \
    -A "HEP_LISTEN=udp:$node:$hep_port" -A "DB_URL=\"$server_url\""
start_kamailio proxy scripts/demo/proxy.cfg -L "$module_dir:$stock_dir" -A "PROXY_LISTEN=udp:$proxy:$proxy_port" \
    -A "TRACE_SPOOL=\"$out/proxy-spool\"" -A "CALLEE_URI=\"sip:$callee:$callee_port\"" -A "CAPTURE_URI=\"sip:$node:$hep_port\""
sipp -sf scripts/demo/callee.xml -i "$callee" -p "$callee_port" -nostdin </dev/null >"$out/sipp-callee.log" 2>&1 &
pids+=($!)
until_true "the telephone did not start, see $out/sipp-callee.log" $! \
    grep -qi ":$(printf '%04X' "$callee_port") " /proc/net/udp

say "Calling: two calls are answered, one finds its callee busy, one is cancelled."
call answered bob 2
call busy busy 1
call cancelled absent 1
for each in "${calls[@]}"; do
    wait "${each%%:*}" || fail "the call '${each#*:}' did not go as it should, see $out/sipp-${each#*:}.log"
done
until_true "no calls arrived in $url, see $out/capture-node.log" $$ settled

say ""
say "\$ $tool --db $url calls"
"$tool" --db "$url" calls
call_id=$("$tool" --db "$url" calls --json --from alice | awk -F '"' '$2 == "call_id" && !seen++ { print $4 }')
[ -n "$call_id" ] || fail "no call of alice is in $url"
say ""
say "\$ $tool --db $url flow $call_id"
"$tool" --db "$url" flow "$call_id"
say ""
say "The rows are in build/demo/sipcapture.db, the logs beside it. Go on with:"
say "  $tool --db $url show $call_id"
say "  $tool --db $url export $call_id -o call.pcap"
say "The capture node ran doc/examples/kamailio.cfg; README.md tells how to take the module into a configuration of yours."
