#!/usr/bin/env bash
# Tries every command of crictl on the runtime of this build, alone below a root of its own: a line for
# each trial, "ok" or "NOT OK" with what was said instead. Wants what critest.sh wants, and util-linux.
# Usage: crictl.sh PODLING CRICTL ROOT
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
crictl=$(realpath "$2")
root=$(realpath -m "$3")
name=podling-crictl
cidr=10.234.0.0/22
source scripts/node.sh

image=registry.k8s.io/e2e-test-images/busybox:1.29-2
failures=0

# What crictl thinks of configurations without a cgroup is not asked for.
ctl() { "$crictl" -c "$root/crictl.yaml" "$@"; }

# crictl on a terminal of its own, which it is given as input.
on_terminal() {
    local words
    printf -v words '%q ' "$crictl" -c "$root/crictl.yaml" "$@"
    script -qefc "$words" /dev/null
}

tell() {
    if [ "$1" = 0 ]; then
        printf 'ok      %s\n' "$2"
    else
        printf 'NOT OK  %s\n        status %s, said: %s\n' "$2" "$3" "$4"
        failures=$((failures + 1))
    fi
}

# says WHAT PATTERN COMMAND...: it succeeds, and what it says matches.
says() {
    local what=$1 pattern=$2 said status=0
    shift 2
    said=$(timeout -k 1 30 bash -c '"$@"' _ "$@" 2>&1) || status=$?
    [ "$status" = 0 ] && grep -qzE -- "$pattern" <<<"$said" && set -- 0 || set -- 1
    tell "$1" "$what" "$status" "${said:0:600}"
}

# refuses WHAT PATTERN COMMAND...: it fails, and what it says matches.
refuses() {
    local what=$1 pattern=$2 said status=0
    shift 2
    said=$(timeout -k 1 30 bash -c '"$@"' _ "$@" 2>&1) || status=$?
    [ "$status" != 0 ] && grep -qzE -- "$pattern" <<<"$said" && set -- 0 || set -- 1
    tell "$1" "$what" "$status" "${said:0:600}"
}

# Commands run in a shell of their own, so that one that hangs is ended.
export crictl root
export -f ctl on_terminal

# Configurations as a user of crictl writes them.
write_configurations() {
    cat >"$root/pod.json" <<JSON
{ "metadata": { "name": "pod", "namespace": "default", "uid": "uid-1", "attempt": 1 },
  "log_directory": "$root/logs", "linux": {} }
JSON
    container main 0 '"sh", "-c", "echo to-stdout; echo to-stderr >&2; i=0; while :; do i=$((i+1)); echo tick-$i; sleep 1; done"' \
        false false >"$root/main.json"
    container cat 0 '"cat"' true false >"$root/cat.json"
    container main 1 '"sh", "-c", "echo second; exit 3"' false false >"$root/second.json"
    sed 's/"pod"/"other"/; s/uid-1/uid-2/' "$root/pod.json" >"$root/other.json"
}

# container NAME ATTEMPT COMMAND STDIN TTY
container() {
    cat <<JSON
{ "metadata": { "name": "$1", "attempt": $2 }, "image": { "image": "$image" }, "command": [$3],
  "log_path": "$1/$2.log", "stdin": $4, "tty": $5, "linux": {},
  "labels": { "app": "$1", "io.kubernetes.pod.name": "pod", "io.kubernetes.pod.namespace": "default" } }
JSON
}

the_runtime() {
    says "version" 'RuntimeName: +podling.*RuntimeApiVersion: +v1' ctl version
    says "info" 'RuntimeReady.*"status": true' ctl info
    says "info -o go-template" 'NetworkReady' ctl info -o go-template --template '{{.status.conditions}}'
    says "runtime-config" 'CGROUPFS' ctl runtime-config
    says "update-runtime-config with the bridge's own CIDR" '' ctl update-runtime-config --pod-cidr "$cidr"
    says "update-runtime-config with another CIDR is agreed to or says what to do" 'successfully updated|--pod-cidr' \
        bash -c 'ctl update-runtime-config --pod-cidr 10.238.0.0/24 2>&1 || true'
    says "update-runtime-config back" '' ctl update-runtime-config --pod-cidr "$cidr"
    says "config --get" "$endpoint" ctl config --get runtime-endpoint
    says "config --list" 'runtime-endpoint' ctl config --list
    says "completion" 'crictl' ctl completion bash
}

images() {
    says "pull" 'Image is up to date for sha256:' ctl pull "$image"
    refuses "pull of what is not there" 'NotFound|not found' ctl pull registry.k8s.io/e2e-test-images/nothing:1
    says "images" 'e2e-test-images/busybox +1.29-2' ctl images
    says "images --digests" '1\.29-2 +[0-9a-f]{13} +[0-9a-f]{13}' ctl images --digests
    says "images -q" 'sha256:[0-9a-f]{64}' ctl images -q --no-trunc
    says "images -o json" '"repoTags"' ctl images -o json
    says "images -v" 'RepoDigests: .*@sha256' ctl images -v
    says "inspecti" '"imageSpec".*"repoTags"' ctl inspecti "$image"
    says "imagefsinfo" 'containerFilesystems.*mountpoint.*imageFilesystems' ctl imagefsinfo
}

pods() {
    pod=$(ctl runp "$root/pod.json")
    export pod
    says "runp" '^[0-9a-f]{64}' echo "$pod"
    refuses "runp of another handler" 'no-such' ctl runp --runtime no-such "$root/other.json"
    says "pods" 'Ready +pod +default +1' ctl pods
    says "pods --name --state -q" '^[0-9a-f]{64}' ctl pods --name '^pod$' --state ready -q --no-trunc
    says "pods --id of a beginning" "${pod:0:13}" ctl pods --id "${pod:0:5}"
    says "inspectp" '"ip": "10\.234\..*"state": "SANDBOX_READY"' ctl inspectp "${pod:0:13}"
}

containers() {
    main=$(ctl create "$pod" "$root/main.json" "$root/pod.json")
    export main
    says "create" '^[0-9a-f]{64}' echo "$main"
    says "ps -a shows what is created" 'Created +main' ctl ps -a
    says "start" "$main" ctl start "$main"
    says "ps" 'Running +main +0 +[0-9a-f]{13} +pod' ctl ps
    says "ps with filters" "${main:0:13}" ctl ps --name '^main$' --pod "$pod" --label app=main --state running --image "$image"
    says "ps -o json" '"imageId"' ctl ps -o json
    says "ps --latest -q" "$main" ctl ps -lq --no-trunc
    says "inspect" '"runtimeSpec".*"state": "CONTAINER_RUNNING"' ctl inspect "$main"
    says "inspect -o go-template" '^[0-9]+' ctl inspect -o go-template --template '{{.info.pid}}' "$main"
    says "update --memory" "$main" ctl update --memory 67108864 --cpu-share 512 "$main"
    says "update is seen" '"memoryLimitInBytes": "67108864"' ctl inspect "$main"
    refuses "update to less than is possible" 'InvalidArgument' ctl update --memory -7 "$main"
    refuses "create again names the container that has the name" "AlreadyExists.*$main" \
        ctl create "$pod" "$root/main.json" "$root/pod.json"
}

logs() {
    says "logs" 'to-stdout' ctl logs "$main"
    says "logs --stream stderr" '^to-stderr' ctl logs --stream stderr "$main"
    says "logs -t" '^[0-9]{4}-[0-9-]+T[0-9:.]+Z to-stdout' ctl logs -t "$main"
    says "logs --since" 'tick' ctl logs --since 1h "$main"
    says "logs -r opens the log anew" 'tick' bash -c 'mv "$root/logs/main/0.log" "$root/logs/old" &&
        ctl logs -r "$main" 2>/dev/null && sleep 2.5 && ctl logs "$main"'
    says "logs -f until Ctrl-C" 'tick-[0-9]+.tick-' \
        bash -c 'timeout -k 1 -s INT 3 "$crictl" -c "$root/crictl.yaml" logs -f --tail 1 "$main" || true'
    says "logs --tail 1" '^tick-[0-9]+.?$' ctl logs --tail 1 "$main"
}

commands() {
    says "exec -s" '^hello\s*$' ctl exec -s "$main" echo hello
    refuses "exec -s with an exit code" 'exited with 7' ctl exec -s "$main" sh -c 'exit 7'
    refuses "exec -s --timeout" 'DeadlineExceeded.*timed out' ctl exec -s --timeout 1 "$main" sleep 20
    refuses "exec -s of what is not there" 'no such file|not found' ctl exec -s "$main" /no/such
    local transport
    for transport in spdy websocket; do
        says "exec -i over $transport" '^both ways' bash -c "echo both ways | ctl exec -i -r $transport $main cat"
        refuses "exec with an exit code over $transport" 'exit code 5|exit status 5' ctl exec -r $transport "$main" sh -c 'exit 5'
        says "exec -it over $transport" '/dev/pts/0.*done-42' bash -c \
            "{ sleep 1; echo 'tty; echo done-\$((6*7)); exit'; sleep 2; } | on_terminal exec -it -r $transport $main sh"
        says "exec of 32 MiB out over $transport" '^33554432' bash -c \
            "ctl exec -r $transport $main head -c 33554432 /dev/zero | wc -c"
        says "exec of 8 MiB in over $transport" '^8388608' bash -c \
            "head -c 8388608 /dev/zero | ctl exec -i -r $transport $main wc -c"
    done
    says "exec with a filter" 'by-name' ctl exec --name '^main$' echo by-name
}

attaching() {
    local transport
    echoing=$(ctl create "$pod" "$root/cat.json" "$root/pod.json")
    export echoing
    ctl start "$echoing" >/dev/null
    for transport in spdy websocket; do
        says "attach -i over $transport" "to-$transport" bash -c \
            "{ sleep 1; echo to-$transport; sleep 1; } | timeout -k 1 5 \"\$crictl\" -c \"\$root/crictl.yaml\" attach -i -r $transport $echoing || true"
        # It ends with the terminal that types on it.
        container "shell-$transport" 0 '"sh"' true true >"$root/shell.json"
        typing=$(ctl create "$pod" "$root/shell.json" "$root/pod.json")
        ctl start "$typing" >/dev/null
        says "attach -it over $transport" "typed-42-$transport" bash -c \
            "{ sleep 1; echo 'echo typed-\$((6*7))-$transport'; sleep 2; } | timeout -k 1 6 script -qefc \"\$crictl -c \$root/crictl.yaml attach -it -r $transport $typing\" /dev/null || true"
    done
    refuses "attach to what does not run" 'not running|NotFound|not found' ctl attach 0123456789ab
}

forwarding() {
    local transport port=24400
    ctl exec -s "$main" sh -c 'nc -ll -p 8080 -e cat >/dev/null 2>&1 </dev/null &' >/dev/null
    for transport in spdy websocket; do
        port=$((port + 1))
        says "port-forward over $transport" 'through the port' bash -c "
            \"\$crictl\" -c \"\$root/crictl.yaml\" port-forward -r $transport $pod $port:8080 >/dev/null 2>&1 & forward=\$!
            for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; exec 3<>/dev/tcp/127.0.0.1/$port && break; done 2>/dev/null
            echo through the port >&3; head -n 1 <&3; kill \$forward; wait \$forward || true"
    done
}

measures() {
    says "stats" "${main:0:13}.*main" ctl stats
    says "stats -o json with filters" '"workingSetBytes"' ctl stats --id "$main" -o json
    says "statsp" 'pod' ctl statsp
    says "statsp -o json" '"defaultInterface"' ctl statsp --id "$pod" -o json
    says "metricdescs" 'container_cpu_usage_seconds_total' ctl metricdescs
    says "metricsp" 'container_memory_working_set_bytes' ctl metricsp
    says "events" 'CONTAINER_(STOPPED|CREATED|STARTED)_EVENT' bash -c "
        \"\$crictl\" -c \"\$root/crictl.yaml\" events >\"\$root/events\" & events=\$!; sleep 1
        ctl create $pod $root/second.json $root/pod.json >\"\$root/second\"; ctl start \"\$(cat \$root/second)\" >/dev/null
        sleep 2; kill -INT \$events; wait \$events || true; cat \"\$root/events\""
}

endings() {
    second=$(cat "$root/second")
    export second
    says "inspect of what has ended" '"exitCode": 3' ctl inspect "$second"
    says "ps -a --state exited" 'Exited +main +1' ctl ps -a --state exited
    says "logs -p" 'tick' bash -c 'ctl logs -p "$second" | tail -n 3'
    refuses "checkpoint, with the reason" 'CheckpointContainer.*(trusted|not)' \
        ctl checkpoint --export "$root/c.tar" "$main"
    refuses "rm of what runs" 'running' ctl rm "$main"
    says "stop" "$main" ctl stop -t 1 "$main"
    says "stop again" "$main" ctl stop "$main"
    says "rm" "$main" ctl rm "$main"
    refuses "rm again" 'NotFound|not found' ctl rm "$main"
    says "rm -f of what runs" "$echoing" ctl rm -f "$echoing"
    refuses "rmp of what runs" 'running' ctl rmp "$pod"
    says "stopp" 'Stopped sandbox' ctl stopp "$pod"
    says "pods of one that is stopped" 'NotReady +pod' ctl pods
    says "rmp" 'Removed sandbox' ctl rmp "$pod"
    says "run and rmp -fa" 'Removed sandbox' bash -c 'ctl run "$root/cat.json" "$root/other.json" >/dev/null && ctl rmp -fa'
    says "rmi" 'Deleted: ' ctl rmi "$image"
    refuses "inspecti of what is gone" 'no such image|not found' ctl inspecti "$image"
    says "rmi --prune" '' ctl rmi --prune
    says "nothing is left" '^\s*$' bash -c 'ctl pods -q; ctl ps -aq; ctl images -q'
}

prepare_cri_tools
export endpoint
write_configurations
start_runtime
for part in the_runtime images pods containers logs commands attaching forwarding measures endings; do
    "$part"
done
say "$failures trials did not go as they should"
exit "$((failures > 0))"
