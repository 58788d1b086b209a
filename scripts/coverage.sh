#!/usr/bin/env bash
# Says which lines of the kubelet's planners no unit test of its crate runs; arguments go to cargo.
# Only that crate is measured: everything else is taken as the tests' build has it.
set -euo pipefail

llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
scripts/install-packages.sh "llvm-$llvm"
export PATH="/usr/lib/llvm-$llvm/bin:$PATH"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/rustc" <<'SCRIPT'
#!/bin/sh
case "$*" in
    *'--crate-name podling_kubelet '*) exec "$@" -C instrument-coverage ;;
    *) exec "$@" ;;
esac
SCRIPT
chmod +x "$work/rustc"

# What a build script runs must not leave profiles in the tree.
export LLVM_PROFILE_FILE="$work/%p.profraw"
tests=$(RUSTC_WORKSPACE_WRAPPER="$work/rustc" cargo test --locked --workspace --lib --no-run "$@" \
    --message-format json | sed -n 's/.*"executable":"\([^"]*podling_kubelet-[^"]*\)".*/\1/p')
(cd kubelet && "$tests" --quiet)
llvm-profdata merge -sparse "$work"/*.profraw -o "$work/merged"

folders=(plan status admit)
for folder in "${folders[@]}"; do
    echo
    echo "kubelet/src/$folder"
    find "kubelet/src/$folder" -name '*.rs' ! -name '*tests.rs' ! -path '*/tests/*' ! -name fixture.rs -print0 |
        xargs -0 llvm-cov export "$tests" -instr-profile "$work/merged" -format lcov --sources |
        awk -F '[:,]' '
            /^SF:/ { file = substr($0, 4); sub(/.*kubelet\//, "kubelet/", file) }
            /^DA:/ { lines++; if ($3 == 0) { print "  " file ":" $2; missed++ } }
            END { printf "  %d of %d lines\n", lines - missed, lines }'
done
