# Sourced by the scripts that run a node below a root of its own.
# Wants: podling, root (absolute paths), name (of the node, its bridge and cgroup), cidr.

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

# Starts the node, and has it ended however the script ends.
start_node() {
    if [ "$(id -u)" != 0 ]; then
        echo "$(basename "$0"): a node needs root" >&2
        exit 1
    fi
    mkdir -p "$root"
    say "Starting a node below $(realpath --relative-to=. "$root")"
    # In a session of its own: Ctrl-C is for the script, which passes it on.
    setsid "$podling" --root "$root" up --end-pods-on-exit --node-name "$name" \
        --pod-cidr "$cidr" --bridge "$name" --cgroup-root "/$name" \
        >>"$log" 2>&1 </dev/null &
    daemon=$!
    trap 'end_node $?' EXIT
    trap 'end_node 0' INT TERM
    wait_until "the node answers" node get pods
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
