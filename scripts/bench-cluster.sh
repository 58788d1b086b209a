#!/usr/bin/env bash
# Measures a fresh node of this build in a cluster, beside other nodes of it if they are named.
# Usage: bench-cluster.sh PODLING podling-cluster-bench IMAGES ROOT [ARGUMENTS OF THE BENCH...]
# PODLING_TEST_CLUSTER names a directory that describes the cluster (docs/cluster.md).
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
bench=$(realpath "$2")
images=$(realpath "$3")
root=$(realpath -m "$4")
cluster=$(realpath "${PODLING_TEST_CLUSTER:?names no directory}")
shift 4
# The name that the cluster knows the node by, and of its bridge and cgroup.
name=node
cidr=10.232.0.0/22
node_arguments=(--kubeconfig "$cluster/node.kubeconfig")
source scripts/node.sh

start_node
# The first name is the tag, the second the digest.
image=$(node import "$images/busybox.oci.tar" | sed -n 1p)
"$bench" --cluster "$cluster" --node "$name" --image "$image" "$@"
