#!/usr/bin/env bash
# Runs a command beside a control plane on loopback, which then ends and leaves nothing.
# Usage: control-plane.sh DIR COMMAND...
#
# KUBE_APISERVER and ETCD name the programs. KUBE_CONTROLLER_MANAGER and KUBE_SCHEDULER are looked for beside
# the first. The command finds DIR in PODLING_TEST_CLUSTER; docs/cluster.md says what is in it.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: control-plane.sh DIR COMMAND..." >&2; exit 2; }
: "${KUBE_APISERVER:?names no program}"
dir=$(realpath -m "$1")
shift
patience=120 # seconds
# What is closed by default and stories are told of.
gates=ClusterTrustBundle=true,ClusterTrustBundleProjection=true,PodCertificateRequest=true
processes=()

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Where a program is: what the variable says, or beside the API server.
program() {
    local variable=$1 path
    path=${!variable:-$(dirname "$KUBE_APISERVER")/$2}
    [ -x "$path" ] || fail "there is no program $path: $variable names the $2"
    realpath "$path"
}

# The first of four ports in a row that nobody listens at.
free_ports() {
    local first offset
    for ((first = 16443; first < 32000; first += 10)); do
        for offset in 0 1 2 3; do
            ! (: <"/dev/tcp/127.0.0.1/$((first + offset))") 2>/dev/null || continue 2
        done
        echo "$first"
        return
    done
    fail "no four ports in a row are free"
}

# A certificate of this authority: its file's name, its subject, what it is for.
certify() {
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>>openssl.log
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
        -extfile <(printf '%s\n' "$3") 2>>openssl.log
}

certify_all() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=podling-tests -days 2 \
        2>openssl.log
    openssl genrsa -out accounts.key 2048 2>>openssl.log
    openssl rsa -in accounts.key -pubout -out accounts.pub 2>>openssl.log
    local client=extendedKeyUsage=clientAuth
    certify server /CN=kube-apiserver 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc'
    certify admin /O=system:masters/CN=admin $client
    certify to-kubelets /O=system:masters/CN=kube-apiserver-kubelet-client $client
    certify node /O=system:nodes/CN=system:node:node $client
}

kubeconfig() {
    cat >"$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
- name: tests
  cluster: {server: "$url", certificate-authority: $dir/ca.crt}
users:
- name: $1
  user: {client-certificate: $dir/$1.crt, client-key: $dir/$1.key}
contexts:
- name: tests
  context: {cluster: tests, user: $1}
current-context: tests
END
}

# Starts a program in a session of its own: Ctrl-C is for the script.
start() {
    local name=$1
    shift
    setsid "$@" >"$name.log" 2>&1 </dev/null &
    processes+=($!)
}

# What the API server answers to somebody who may do everything.
ask() {
    openssl s_client -quiet -no_ign_eof -connect "127.0.0.1:$port" -cert admin.crt -key admin.key -CAfile ca.crt \
        <<<"GET $1 HTTP/1.1"$'\r\nHost: localhost\r\nConnection: close\r\n\r' 2>/dev/null || true
}

is_there() { [[ $(ask "$1") == 'HTTP/1.1 200'* ]]; }

# Waits until the API server has what the path names.
wait_for() {
    local end=$((SECONDS + patience))
    until is_there "$1"; do
        kill -0 "${processes[-1]}" 2>/dev/null || fail "a program has ended: $(tail -qn 5 ./*.log)"
        [ $SECONDS -lt $end ] || fail "$1 is not there within $patience s: $(tail -qn 5 ./*.log)"
        sleep 0.2
    done
}

# Ends the programs, the last one first. An API server waits a minute for its watches.
end_all() {
    trap '' INT TERM
    trap - EXIT
    local status=$1 i
    for ((i = ${#processes[@]} - 1; i >= 0; i--)); do
        kill -KILL "${processes[i]}" 2>/dev/null || true
        wait "${processes[i]}" 2>/dev/null || true
    done
    if [ "$status" = 0 ]; then rm -rf "$dir"; else say "What the control plane said is in $dir"; fi
    exit "$status"
}

etcd=$(program ETCD etcd)
apiserver=$(program KUBE_APISERVER kube-apiserver)
controllers=$(program KUBE_CONTROLLER_MANAGER kube-controller-manager)
scheduler=$(program KUBE_SCHEDULER kube-scheduler)

rm -rf "$dir"
mkdir -p -m 700 "$dir"
cd "$dir"
port=$(free_ports)
url=https://127.0.0.1:$port
storage=http://127.0.0.1:$((port + 1))
peers=http://127.0.0.1:$((port + 2))
say "Starting a control plane at $url"
certify_all
kubeconfig admin
kubeconfig node
echo "$url" >server

trap 'end_all $?' EXIT
trap 'end_all 130' INT TERM
start etcd "$etcd" --data-dir "$dir/etcd" --unsafe-no-fsync \
    --listen-client-urls "$storage" --advertise-client-urls "$storage" \
    --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers"
start apiserver "$apiserver" --etcd-servers "$storage" --bind-address 127.0.0.1 --secure-port "$port" \
    --advertise-address 127.0.0.1 --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 \
    --tls-cert-file server.crt --tls-private-key-file server.key --client-ca-file ca.crt \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file accounts.pub --service-account-signing-key-file accounts.key \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --enable-bootstrap-token-auth \
    --kubelet-client-certificate to-kubelets.crt --kubelet-client-key to-kubelets.key \
    --kubelet-preferred-address-types InternalIP --allow-privileged \
    --feature-gates "$gates" --runtime-config certificates.k8s.io/v1beta1=true
wait_for /readyz
start controllers "$controllers" --kubeconfig admin.kubeconfig --leader-elect=false --secure-port 0 \
    --service-account-private-key-file accounts.key --root-ca-file ca.crt --use-service-account-credentials \
    --cluster-signing-cert-file ca.crt --cluster-signing-key-file ca.key \
    --controllers '*,bootstrap-signer-controller,token-cleaner-controller'
start scheduler "$scheduler" --kubeconfig admin.kubeconfig --leader-elect=false --secure-port 0
# Nobody may make pods before that.
wait_for /api/v1/namespaces/default/serviceaccounts/default

cd "$OLDPWD"
PODLING_TEST_CLUSTER=$dir "$@"
