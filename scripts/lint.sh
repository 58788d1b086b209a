#!/usr/bin/env bash
# Formatting and clippy; arguments go to clippy's cargo. A toolchain without one of the two cannot
# judge, and says so.
set -euo pipefail

if cargo fmt --version >/dev/null 2>&1; then
    cargo fmt --all --check
else
    echo "Formatting is not checked: this toolchain has no rustfmt (rustup component add rustfmt)."
fi
if cargo clippy --version >/dev/null 2>&1; then
    cargo clippy --locked --workspace --all-targets "$@" -- -D warnings
else
    echo "Clippy is not run: this toolchain has no clippy (rustup component add clippy)."
fi
