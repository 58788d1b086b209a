#!/usr/bin/env bash
# Runs critest of cri-tools against the runtime of this build, alone below a root of its own.
# Usage: critest.sh PODLING CRITEST ROOT [ARGUMENTS OF critest...]
#
# CRITEST_REGISTRY, when it is set, is the URL of a registry that has the images which critest pulls,
# under their names without the host. Without it they come from where they are published.
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
critest=$(realpath "$2")
root=$(realpath -m "$3")
shift 3
name=podling-critest
cidr=10.233.0.0/22
source scripts/node.sh

prepare_cri_tools
start_runtime
say "Running critest"
"$critest" -config "$root/crictl.yaml" -runtime-endpoint "$endpoint" -image-endpoint "$endpoint" "$@"
