# Sourced by the scripts that run a node below a root of its own.
# Wants: podling, root (absolute paths), name (of the node, its bridge and cgroup), cidr; node_arguments
# are more arguments of `podling up`.

patience=120 # seconds
log=$root/podling.log

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

# `podling` itself, on this node.
node() { "$podling" --root "$root" "$@"; }

fail() {
    echo "$(basename "$0"): $*; the end of $log:" >&2
    tail -n 30 "$log" >&2 || true
    exit 1
}

# Repeats a command until it succeeds; gives up when podling has ended or patience has.
wait_until() {
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$daemon" 2>/dev/null || fail "podling has ended"
        [ $SECONDS -lt $end ] || fail "$what: not within $patience s"
        sleep 0.2
    done
}

# Starts podling as a daemon of this root, with these arguments.
start_daemon() {
    if [ "$(id -u)" != 0 ]; then
        echo "$(basename "$0"): a node needs root" >&2
        exit 1
    fi
    mkdir -p "$root"
    # In a session of its own: Ctrl-C is for the script, which passes it on.
    setsid "$podling" --root "$root" "$@" --pod-cidr "$cidr" --bridge "$name" \
        >>"$log" 2>&1 </dev/null &
    daemon=$!
}

# Starts the node, and has it ended however the script ends.
start_node() {
    say "Starting a node below $(realpath --relative-to=. "$root")"
    # On a machine whose disk is nearly full a kubelet lets no pod in; what is shown here is pods.
    start_daemon up --end-pods-on-exit --node-name "$name" --cgroup-root "/$name" \
        --eviction-hard 'pid.available<1' \
        ${node_arguments[@]+"${node_arguments[@]}"}
    trap 'end_node $?' EXIT
    trap 'end_node 0' INT TERM
    wait_until "the node answers" node get pods
}

# Starts the runtime alone, and has it ended however the script ends.
start_runtime() {
    say "Starting a runtime below $(realpath --relative-to=. "$root")"
    # Where the node that ends its pods looks for cgroups.
    mkdir -p "$root/etc/podling"
    printf 'apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\ncgroupParent: /%s\n' "$name" \
        >"$root/etc/podling/config.yaml"
    start_daemon runtime
    trap 'end_runtime $?' EXIT
    trap 'end_runtime 130' INT TERM
    wait_until "the runtime answers" node images
}

# Ends the runtime; a node that takes over then ends the pods that clients have left.
end_runtime() {
    trap '' INT TERM
    trap - EXIT
    local status=$1
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" || { echo "$(basename "$0"): podling did not end well" >&2; status=1; }
    start_node
    end_node "$status"
}

# Ends the daemon, which ends its pods; the root goes only when that has worked.
end_node() {
    trap '' INT TERM
    trap - EXIT
    local status=$1
    say "Ending the pods"
    kill -TERM "$daemon" 2>/dev/null || true
    if wait "$daemon"; then
        rm -rf "$root"
        say "Nothing is left"
    else
        echo "$(basename "$0"): podling did not end well; its log is $log" >&2
        status=1
    fi
    exit "$status"
}

# For critest and crictl: `endpoint`, a configuration of their own in place of the machine's, and, when
# CRITEST_REGISTRY names a registry, every other registry as a mirror of it.
prepare_cri_tools() {
    local host directory
    mkdir -p "$root"
    endpoint=unix://$root/run/podling/podling.sock
    printf 'runtime-endpoint: %s\nimage-endpoint: %s\ntimeout: 30\n' "$endpoint" "$endpoint" \
        >"$root/crictl.yaml"
    [ -n "${CRITEST_REGISTRY:-}" ] || return 0
    for host in registry.k8s.io k8s.gcr.io gcr.io docker.io quay.io public.ecr.aws; do
        directory=$root/etc/podling/certs.d/$host
        mkdir -p "$directory"
        printf 'server = "%s"\n[host."%s"]\n  capabilities = ["pull", "resolve"]\n' \
            "$CRITEST_REGISTRY" "$CRITEST_REGISTRY" >"$directory/hosts.toml"
    done
}
