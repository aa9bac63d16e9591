#!/bin/bash
# Runs the fuzz targets, one after the other, and ends with a table.
#
#   scripts/fuzz.sh [TARGET...]         each for FUZZ_SECONDS (default 60); all of fuzz/targets/ when none is named
#   scripts/fuzz.sh --keep [TARGET...]  takes over into fuzz/corpus/ what was found so far, as few inputs as reach all of it
#
# What the runs find grows in build/fuzz/corpus/, from one run to the next; inputs that fail and the logs are in
# build/fuzz/findings/ and build/fuzz/logs/. An input fails when it panics, when a sanitizer reports, when it takes
# 10 seconds or 2 GiB.
set -euo pipefail

cd "$(dirname "$0")/.."
work=$PWD/build/fuzz
seconds=${FUZZ_SECONDS:-60}
# Longer inputs reach nothing that these do not, and the corpus is to stay small.
longest=2048

fail() {
    printf 'fuzz: %s\n' "$@" >&2
    exit 1
}

cargo +nightly --version >/dev/null 2>&1 ||
    fail "fuzzing needs a nightly compiler beside the stable one, for its coverage and its sanitizer:" \
        "    rustup toolchain install nightly --profile minimal"
cargo fuzz --version >/dev/null 2>&1 ||
    fail "fuzzing needs cargo-fuzz:" "    cargo install cargo-fuzz --locked"
command -v c++ >/dev/null ||
    fail "fuzzing needs a C++ compiler, for libFuzzer:" "    apt-get install g++"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "FUZZ_SECONDS=$seconds: a number of seconds, 1 or more, is allowed"

keep=
if [ "${1:-}" = --keep ]; then
    keep=1
    shift
fi
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for file in fuzz/targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi
for target in "${targets[@]}"; do
    [ -f "fuzz/targets/$target.rs" ] || fail "there is no target $target: fuzz/targets/ has $(cd fuzz/targets && echo *.rs | sed 's/\.rs//g')"
done

cargo +nightly fuzz build || fail "the targets do not build"

# seeds TARGET: sets `seeds` to the directories that hold inputs already.
seeds() {
    seeds=()
    local directory
    for directory in "fuzz/corpus/$1" "fuzz/regressions/$1"; do
        [ ! -d "$directory" ] || seeds+=("$PWD/$directory")
    done
    [ "$1" != sip ] || seeds+=("$PWD/tests/corpus/awkward")
}

# run TARGET DIRECTORY... -- OPTION...: libFuzzer, at the lowest priority.
run() {
    nice -n 19 cargo +nightly fuzz run "$@"
}

if [ "$keep" ]; then
    for target in "${targets[@]}"; do
        seeds "$target"
        mkdir -p "$work/corpus/$target"
        fresh=$(mktemp -d "$work/fresh.XXXXXX")
        run "$target" "$fresh" "${seeds[@]}" "$work/corpus/$target" -- -merge=1 -set_cover_merge=1 -use_counters=0 "-max_len=$longest" \
            >"$work/$target.merge.log" 2>&1 || fail "the inputs of $target cannot be merged, see build/fuzz/$target.merge.log"
        # What is taken over already has a file of its own.
        [ "$target" != sip ] || for file in tests/corpus/awkward/*; do rm -f "$fresh/$(sha1sum "$file" | cut -d' ' -f1)"; done
        rm -rf "fuzz/corpus/$target"
        mv "$fresh" "fuzz/corpus/$target"
        chmod 755 "fuzz/corpus/$target"
        echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs"
    done
    exit 0
fi

mkdir -p "$work/logs"
table=()
found=0
for target in "${targets[@]}"; do
    seeds "$target"
    log=$work/logs/$target.log
    findings=$work/findings/$target
    mkdir -p "$work/corpus/$target" "$findings"
    touch "$work/started"
    echo "== $target, $seconds s"
    options=("-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$findings/")
    [ ! -f "fuzz/dictionaries/$target.dict" ] || options+=("-dict=$PWD/fuzz/dictionaries/$target.dict")
    status=0
    run "$target" "$work/corpus/$target" "${seeds[@]}" -- "${options[@]}" >"$log" 2>&1 || status=$?
    new=$(find "$findings" -type f -newer "$work/started" | wc -l)
    if [ "$status" != 0 ] && [ "$new" = 0 ]; then
        tail -n 20 "$log" >&2
        fail "$target did not run, see build/fuzz/logs/$target.log"
    fi
    found=$((found + new))
    table+=("$(awk -v target="$target" -v findings="$new" '
        match($0, /cov: [0-9]+/) { last = substr($0, RSTART + 5, RLENGTH - 5); if (/INITED/) first = last }
        $1 == "stat::number_of_executed_units:" { executions = $2 }
        END { printf "%-12s %14d %14d %14d %10d\n", target, executions, last, last - first, findings }' "$log")")
done

printf '\n%-12s %14s %14s %14s %10s\n' target executions coverage 'new coverage' findings
printf '%s\n' "${table[@]}"
if [ "$found" != 0 ]; then
    cat <<'END'

Inputs that fail are in build/fuzz/findings/TARGET/, what they did in build/fuzz/logs/TARGET.log. To mend one:
    cargo +nightly fuzz tmin TARGET INPUT    makes it as short as it can be
    cp MINIMIZED fuzz/regressions/TARGET/    has every `make test` try it
END
    exit 1
fi
