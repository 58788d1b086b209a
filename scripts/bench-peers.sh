#!/usr/bin/env bash
# Measures a fresh node of this build beside Debian's containerd with runc and the CNI bridge plugin, in
# one run, so that both see the same machine. With PODLING_NETWORK=cni, podling uses the plugin too.
# Usage: bench-peers.sh PODLING BENCH IMAGES PAUSE_IMAGE PACKAGES ROOT [ARGUMENTS OF podling-bench...]
#
# containerd's packages are unpacked below PACKAGES and never installed; everything of it lies below ROOT.
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
bench=$(realpath "$2")
images=$(realpath "$3")
pause_image=$(realpath "$4")
packages=$(realpath -m "$5")
root=$(realpath -m "$6")
shift 6
name=podling-bench
cidr=10.232.0.0/22
source scripts/node.sh

# Below a directory of its own, which a node's end does not remove.
peer=$root.containerd
peer_bridge=podling-peer
peer_socket=$peer/containerd.sock

# network DIRECTORY BRIDGE CIDR: the configuration of a bridge, as both runtimes read it.
network() {
    mkdir -p "$1"
    cat >"$1/10-bridge.conflist" <<END
{ "cniVersion": "1.0.0", "name": "$2", "plugins": [ {
    "type": "bridge", "bridge": "$2", "isGateway": true, "ipMasq": true,
    "ipam": { "type": "host-local", "dataDir": "$1/addresses",
              "ranges": [[{ "subnet": "$3" }]], "routes": [{ "dst": "0.0.0.0/0" }] } } ] }
END
}

configure_containerd() {
    mkdir -p "$peer"
    network "$peer/net.d" "$peer_bridge" 10.235.0.0/22
    cat >"$peer/config.toml" <<END
version = 2
root = "$peer/root"
state = "$peer/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "$peer_socket"
[plugins."io.containerd.internal.v1.opt"]
  path = "$peer/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/podling/pause:$version"
  # Without it containers cannot start where CAP_SYS_RESOURCE is missing.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$peer/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "$peer/runc"
END
}

start_containerd() {
    say "Starting containerd below $(realpath --relative-to=. "$peer")"
    PATH=$packages/usr/bin:$packages/usr/sbin:$PATH \
        setsid "$packages/usr/bin/containerd" --config "$peer/config.toml" \
        >>"$peer/containerd.log" 2>&1 </dev/null &
    containerd=$!
    local end=$((SECONDS + patience))
    until peer_ctl version >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] && kill -0 "$containerd" 2>/dev/null ||
            { tail -n 20 "$peer/containerd.log" >&2; exit 1; }
        sleep 0.2
    done
    peer_ctl images import "$images/busybox.oci.tar" >/dev/null
    peer_ctl images import "$pause_image" >/dev/null
}

peer_ctl() { "$packages/usr/bin/ctr" --address "$peer_socket" --namespace k8s.io "$@"; }

# The bench has removed its pods; what an interrupted one leaves is not containerd's to end.
end_peers() {
    trap '' INT TERM
    trap - EXIT
    local status=$1
    if [ -n "${containerd:-}" ]; then
        say "Ending containerd"
        kill -TERM "$containerd" 2>/dev/null || true
        wait "$containerd" || true
    fi
    for bridge in "$peer_bridge" "$name-c"; do
        ip link delete "$bridge" 2>/dev/null || true
    done
    if grep -q " $peer/" /proc/self/mountinfo; then
        echo "bench-peers.sh: something of containerd is left below $peer" >&2
        status=1
    else
        rm -rf "$peer"
        # Where its shims listen cannot be chosen.
        rmdir /run/containerd/s /run/containerd 2>/dev/null || true
    fi
    if [ -n "${daemon:-}" ]; then end_node "$status"; else exit "$status"; fi
}

scripts/install-packages.sh containernetworking-plugins iptables iproute2
version=$("$podling" --root "$root" version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
scripts/fetch-peers.sh "$packages"
configure_containerd
trap 'end_peers $?' EXIT
trap 'end_peers 130' INT TERM
start_containerd
if [ "${PODLING_NETWORK:-built-in}" = cni ]; then
    network "$peer/podling-net.d" "$name-c" 10.236.0.0/22
    node_arguments=(--cni-conf-dir "$peer/podling-net.d" --cni-bin-dir /usr/lib/cni)
fi
start_node
trap 'end_peers $?' EXIT
trap 'end_peers 130' INT TERM
# The first name is the tag, the second the digest.
image=$(node import "$images/busybox.oci.tar" | sed -n 1p)
"$bench" --endpoint "podling=unix://$root/run/podling/podling.sock" \
    --endpoint "containerd=unix://$peer_socket" --image "$image" --cgroup-parent "/$name" "$@"
