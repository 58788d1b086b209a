//! What a cluster tells who is to join it: signed with the token that both know, as the controller
//! manager does, and what it wants of kubelets, as kubeadm writes it down.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::json;

use super::BOOTSTRAP;
use super::address::Address;
use super::store::Store;
use super::verbs::post as make;

const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: systemd
clusterDNS:
- 10.96.0.77
clusterDomain: cluster.test
containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock
cpuManagerReconcilePeriod: 0s
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
httpCheckFrequency: 0s
imageMinimumGCAge: 0s
kind: KubeletConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: \"0\"
  verbosity: 0
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
";

/// Posts both.
pub(super) fn post(store: &mut Store, server: &str, authority: &str) {
    let kubeconfig = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: {server}\n  \
         name: \"\"\ncontexts: []\ncurrent-context: \"\"\nkind: Config\nusers: []\n",
        STANDARD.encode(authority)
    );
    let (id, secret) = BOOTSTRAP.split_once('.').expect("it is a token");
    let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": id }).to_string());
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(&kubeconfig));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    let mut info =
        json!({ "metadata": { "name": "cluster-info" }, "data": { "kubeconfig": kubeconfig } });
    info["data"][format!("jws-kubeconfig-{id}")] = format!("{head}..{mac}").into();
    let wanted =
        json!({ "metadata": { "name": "kubelet-config" }, "data": { "kubelet": KUBELET } });
    for (namespace, object) in [("kube-public", info), ("kube-system", wanted)] {
        let address = Address {
            api_version: "v1".to_owned(),
            resource: "configmaps".to_owned(),
            namespace: namespace.to_owned(),
            name: None,
            subresource: None,
        };
        make(store, &address, object).expect("nobody else made it");
    }
}
