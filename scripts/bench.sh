#!/usr/bin/env bash
# Measures a fresh node of this build: its runtime, beside other endpoints if they are named, or what it
# makes of manifests. Which of the two the name of the bench says.
# Usage: bench.sh PODLING podling-bench|podling-node-bench IMAGES ROOT [ARGUMENTS OF THE BENCH...]
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
case $(basename "$bench") in
    podling-node-bench) about=(--root "$root") ;;
    *) about=(--endpoint "podling=unix://$root/run/podling/podling.sock" --cgroup-parent "/$name") ;;
esac
"$bench" "${about[@]}" --image "$image" "$@"
