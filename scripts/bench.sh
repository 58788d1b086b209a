#!/usr/bin/env bash
# Measures a fresh node of this build, beside other endpoints if they are named.
# Usage: bench.sh PODLING BENCH IMAGES ROOT [ARGUMENTS OF podling-bench...]
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
bench=$(realpath "$2")
images=$(realpath "$3")
root=$(realpath -m "$4")
shift 4
name=podling-bench
cidr=10.232.0.0/22
source scripts/node.sh

start_node
# The first name is the tag, the second the digest.
image=$(node import "$images/busybox.oci.tar" | sed -n 1p)
"$bench" --endpoint "podling=unix://$root/run/podling/podling.sock" --image "$image" \
    --cgroup-parent "/$name" "$@"
