#!/usr/bin/env bash
# Runs every test, with cargo nextest where it is installed; arguments go to cargo.
# Cargo prints a total for each test program; the last line here is their sum.
set -euo pipefail

if [ "$(id -u)" != 0 ]; then
    echo "The tests run nodes: run make test as root." >&2
    exit 1
fi

# Stories that are told over containerd too, and what is left out of them.
stories=()
skipped=()
while read -r line; do
    case $line in
        '' | '#'*) ;;
        -*) skipped+=(--skip "${line#-}") ;;
        *) stories+=("$line") ;;
    esac
done <scripts/stories-over-containerd

if cargo nextest --version >/dev/null 2>&1; then
    status=0
    cargo nextest run --locked --workspace --no-fail-fast "$@" || status=$?
    PODLING_TEST_RUNTIME=containerd cargo nextest run --locked --workspace --no-fail-fast --test node \
        "$@" -- "${stories[@]}" "${skipped[@]}" || status=$?
    # Examples in documentation are not nextest's.
    cargo test --locked --workspace --doc "$@" || status=$?
    exit "$status"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --locked --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
PODLING_TEST_RUNTIME=containerd cargo test --locked --workspace --no-fail-fast --test node "$@" -- \
    "${stories[@]}" "${skipped[@]}" 2>&1 | tee -a "$log" || status=$?
awk '/^test result:/ {
         passed += $4; failed += $6; ignored += $8; programs++
     }
     END {
         printf "\n%d tests passed, %d failed, %d ignored, in %d programs\n",
             passed, failed, ignored, programs
     }' "$log"
exit "$status"
