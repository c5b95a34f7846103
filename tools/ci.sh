#!/usr/bin/env bash
# ci.sh STAGE: format, layers, build, unit, e2e, interop, heavy, sanitizers, fuzz, bits, docs, or all (every
# stage but heavy, fuzz and bits; under sanitizers the replays of all corpora, and the unit tests only if that
# stage is run alone, because they take long). Each stage can be run alone and closes with one line
# "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build
jobs=${JOBS:-$(nproc)}
passed=0
failed=0

count() { # count DESCRIPTION COMMAND...: one check
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
    fi
}

add() { # add PASSED FAILED
    passed=$((passed + $1))
    failed=$((failed + $2))
}

targets=all # what configure_and_build builds

configure_and_build() { # configure_and_build PRESET DIR [CMAKE OPTIONS]
    local preset=$1 dir=$2
    shift 2
    mkdir -p "$dir"
    cmake --preset "$preset" "$@" >"$dir/configure.log" 2>&1 || { tail -30 "$dir/configure.log"; return 1; }
    # shellcheck disable=SC2086 # several targets
    cmake --build "$dir" -j"$jobs" --target $targets >"$dir/build.log" 2>&1 || { grep -E 'error|FAILED' "$dir/build.log" | head -40; return 1; }
}

stage_format() {
    tools/install_deps.sh test && command -v clang-format-16 >/dev/null || return 1
    local all bad
    all=$(git ls-files -co --exclude-standard '*.h' '*.cpp')
    # One process for many files: starting it takes longer than reading one.
    bad=$(xargs -P "$jobs" -n 50 clang-format-16 --dry-run -Werror <<<"$all" 2>&1 |
        grep -oP '^[^ :]+(?=:\d+:\d+: error)' | sort -u)
    [ "$bad" ] && sed 's/^/FAILED: not laid out by clang-format-16 (make format): /' <<<"$bad"
    failed=$(grep -c . <<<"$bad")
    passed=$(($(wc -l <<<"$all") - failed))
}

stage_layers() {
    tools/install_deps.sh test || return 1
    count "layers" /usr/bin/python3 tools/check_layers.py
    count "TRY in braced initializers" /usr/bin/python3 tools/check_try.py
}

stage_build() {
    tools/install_deps.sh build test || return 1
    count "build" configure_and_build release "$build" -DVS_TESTS=ON -DVS_REPLAY=OFF
}

run_unit_binaries() { # run_unit_binaries DIR: every *_test in it, side by side
    local dir=$1 logs
    logs=$(mktemp -d)
    find "$dir" -maxdepth 1 -name '*_test' -type f -perm -u+x -printf '%f\n' | sort |
        xargs -P "$jobs" -I{} sh -c \
            '"$1/{}" --gtest_brief=1 >"$2/{}.log" 2>&1 || echo "exit status $?" >>"$2/{}.log"' sh "$dir" "$logs"
    local log good bad
    for log in "$logs"/*.log; do
        good=$(grep -oP '\[  PASSED  \] \K[0-9]+' "$log" | tail -1)
        bad=$(grep -oP '\[  FAILED  \] \K[0-9]+(?= test)' "$log" | tail -1)
        if grep -q '^exit status' "$log" && [ -z "$bad" ]; then bad=1; fi
        add "${good:-0}" "${bad:-0}"
        if [ "${bad:-0}" -ne 0 ]; then
            echo "FAILED: $(basename "$log" .log)"
            grep -vE '^\[ +(RUN|OK) ' "$log" | tail -40
        fi
    done
    rm -rf "$logs"
}

need_build() { [ -x "$build/vouchsafe" ] && [ -x "$build/base_test" ] || stage_build; }

stage_unit() {
    need_build
    run_unit_binaries "$build"
}

run_python_tests() { # run_python_tests FOLDER/PATTERN...: those of each pattern side by side
    local logs log tests ran bad running=()
    logs=$(mktemp -d)
    for tests in "$@"; do
        log=$logs/$(mktemp -u XXXXXX).log
        (
            VOUCHSAFE=$build/vouchsafe VS_BUILD_DIR=$build timeout 900 \
                /usr/bin/python3 -m unittest discover -v -s "${tests%/*}" -p "${tests##*/}" >"$log" 2>&1 ||
                echo "exit status $?" >>"$log"
        ) &
        running+=($!)
    done
    wait "${running[@]}" # not for what is being prepared
    for log in "$logs"/*.log; do
        ran=$(grep -oP '^Ran \K[0-9]+' "$log")
        bad=$(grep -oP '(failures|errors)=\K[0-9]+' "$log" | paste -sd+ | sed 's/^$/0/' | { read -r sum; echo $((sum)); })
        grep -q '^exit status' "$log" && [ "$bad" -eq 0 ] && bad=1
        [ "$bad" -ne 0 ] && tail -80 "$log"
        # What could not run is said, and not counted as passed.
        grep -oP '\.\.\. skipped \K.*' "$log" | sed 's/^/NOT RUN: /'
        ran=$((${ran:-0} - $(grep '\.\.\. skipped ' "$log" | grep -vc '^setUpClass')))
        add $((ran > bad ? ran - bad : 0)) "$bad"
    done
    rm -rf "$logs"
}

stage_e2e() {
    need_build
    run_python_tests 'tests/e2e/[a-n]*_test.py' 'tests/e2e/[o-z]*_test.py'
}

stage_interop() {
    tools/install_deps.sh interop || echo "NOT INSTALLED: Debian packages of other people's clients; their tests will not run"
    need_build
    local results=$build/interop-operations.jsonl out
    : >"$results"
    rm -f "$build"/tutorial-*.txt
    VS_OPERATIONS=$results run_python_tests 'tests/interop/az*_test.py' 'tests/interop/a[!z]*_test.py' \
        'tests/interop/[!a]*_test.py' 'tests/tutorials/*_test.py'
    cat "$build"/tutorial-*.txt 2>/dev/null
    out=$(/usr/bin/python3 tools/operations.py check "$results")
    echo "$out" | sed '$d'
    add $(echo "$out" | tail -1 | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p')
}

stage_heavy() {
    tools/install_deps.sh heavy || return 1
    need_build
    # One after the other: boots beside each other take longer than each has.
    run_python_tests 'tests/heavy/[!l]*_test.py'
    run_python_tests 'tests/heavy/l*_test.py'
}

# replays names what reads the bytes of others: every fuzzer's corpus, which brings the parsers of all modules.
replays() {
    local fuzzer
    for fuzzer in fuzz/*_fuzz.cpp; do basename "$fuzzer" .cpp; done
}

build_sanitizers() {
    tools/install_deps.sh build test clang || return 1
    configure_and_build asan "$build/asan"
}

# prepare installs and builds what later stages need while others run, and gives way to them: those
# of the clients and of the services wait for disks and clocks more than they compute.
preparing= # process group
prepare() {
    trap 'kill -- -$preparing 2>/dev/null' EXIT
    setsid nice -n 19 tools/ci.sh prepare >"$build/prepare.log" 2>&1 &
    preparing=$!
}

run_replays() { # run_replays DIR: every fuzzer's corpus, side by side
    local dir=$1 results
    results=$(find "$dir" -maxdepth 1 -name '*_fuzz' -type f -perm -u+x -printf '%f\n' | sort |
        xargs -P "$jobs" -I{} sh -c 'name=${2%_fuzz}
            if out=$("$1/$2" "fuzz/corpus/$name" 2>&1); then echo "replayed $name"
            else echo "FAILED: replay of the corpus $name"; echo "$out" | tail -40; fi' sh "$dir" {})
    echo "$results" | grep -v '^replayed '
    add "$(grep -c '^replayed ' <<<"$results")" "$(grep -c '^FAILED: replay' <<<"$results")"
}

stage_sanitizers() {
    # What was prepared is finished here, and told if it fails.
    if [ "$preparing" ]; then wait "$preparing"; fi
    [ "${quiet_total:-}" ] && targets=$(replays)
    count "build with ASan and UBSan" build_sanitizers
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
    [ "$targets" = all ] && run_unit_binaries "$build/asan"
    targets=all
    run_replays "$build/asan"
}

# Unit tests flip samples of the bits of the longer signed structures; here it is every one of them.
stage_bits() {
    need_build
    VS_EVERY_BIT=1 GTEST_FILTER='*Mutation*' run_unit_binaries "$build"
}

stage_fuzz() {
    tools/install_deps.sh build clang || return 1
    count "build of the fuzzers" configure_and_build fuzz "$build/fuzz"
    local fuzzer name work
    for fuzzer in "$build"/fuzz/*_fuzz; do
        name=$(basename "$fuzzer")
        work=$(mktemp -d)
        echo "$name ..."
        count "$name" "$fuzzer" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
            -artifact_prefix="$build/fuzz/$name-" -print_final_stats=0 -verbosity=0 "$work" "fuzz/corpus/${name%_fuzz}"
        rm -rf "$work"
    done
}

stage_docs() {
    tools/install_deps.sh test || return 1
    need_build
    local out
    out=$(/usr/bin/python3 tools/check_docs.py "$build/vouchsafe")
    echo "$out" | sed '$d'
    add $(echo "$out" | tail -1 | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p')
}

run_stage() {
    passed=0
    failed=0
    local started=$SECONDS
    echo "== $1"
    "stage_$1"
    local status=$?
    [ $status -ne 0 ] && [ "$failed" -eq 0 ] && failed=1
    [ $((passed + failed)) -eq 0 ] && failed=1
    echo "$passed passed, $failed failed" | { read -r line; [ "${quiet_total:-}" ] && echo "$1: $line ($((SECONDS - started)) s)" || echo "$line"; }
    [ "$failed" -eq 0 ]
}

case ${1:-} in
    format | layers | build | unit | e2e | interop | heavy | sanitizers | fuzz | bits | docs) run_stage "$1" ;;
    all)
        total_passed=0
        total_failed=0
        quiet_total=1
        for stage in build format layers unit e2e interop docs sanitizers; do
            run_stage "$stage"
            total_passed=$((total_passed + passed))
            total_failed=$((total_failed + failed))
            if [ "$stage" = build ] && [ "$failed" -ne 0 ]; then break; fi
            # Stages interop and sanitizers try again and say what they could not get.
            if [ "$stage" = unit ]; then prepare; fi
        done
        echo "$total_passed passed, $total_failed failed"
        [ "$total_failed" -eq 0 ]
        ;;
    prepare) # what stage all has going on beside other stages
        tools/install_deps.sh interop
        targets=$(replays)
        build_sanitizers
        ;;
    *)
        echo "usage: tools/ci.sh format|layers|build|unit|e2e|interop|heavy|sanitizers|fuzz|bits|docs|all" >&2
        exit 2
        ;;
esac
