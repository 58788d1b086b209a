#!/usr/bin/env bash
# Runs a node with the example pod until Ctrl-C or SIGTERM; then ends the pods and leaves nothing
# behind. Usage: run.sh PODLING IMAGES ROOT
set -euo pipefail
cd "$(dirname "$0")/.."

podling=$(realpath "$1")
images=$(realpath "$2")
root=$(realpath -m "$3")
name=podling-run
cidr=10.231.0.0/24
source scripts/node.sh

is_ready() {
    node get pods web |
        awk 'NR == 2 && $2 == "1/1" && $3 == "Running" { ready = 1 } END { exit !ready }'
}

# The pod's address: the first word of the wide table that looks like one.
address() { node get pods web -o wide | grep -oE '\b[0-9]+(\.[0-9]+){3}\b' | head -n 1; }

# A page over HTTP, without curl: a bare machine has none.
fetch() {
    exec 3<>"/dev/tcp/$1/80" || return
    printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
    sed '1,/^\r$/d' <&3
    exec 3>&-
}

start_node
say "Importing the images"
node import "$images/busybox.oci.tar" "$images/nginx.oci.tar"

say "Starting the pod of examples/web.yaml"
mkdir -p "$root/etc/podling/manifests"
cp examples/web.yaml "$root/etc/podling/manifests/"
wait_until "the pod is ready" is_ready
node get pods -o wide

ip=$(address)
say "Fetching http://$ip/"
wait_until "the page is served" fetch "$ip"
fetch "$ip"

say "The node goes on until Ctrl-C. In another terminal:"
command="$(realpath --relative-to=. "$podling") --root $(realpath --relative-to=. "$root")"
cat <<END
  $command get pods
  $command logs web
  $command exec web -c nginx -- nginx -v
END
wait "$daemon" || true
fail "podling has ended"
