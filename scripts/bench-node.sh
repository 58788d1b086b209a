#!/usr/bin/env bash
# Measures what a fresh node of this build makes of manifests.
# Usage: bench-node.sh PODLING BENCH IMAGES ROOT [ARGUMENTS OF podling-node-bench...]
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
"$bench" --root "$root" --image "$image" "$@"
