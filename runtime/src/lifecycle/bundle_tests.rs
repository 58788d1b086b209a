//! What of a request reaches a container's directory, and what is refused.

use serde_json::Value;

use super::*;
use crate::model::config::SecurityProfile;
use crate::model::{ContainerId, SandboxId};
use crate::spec::{AppArmor, CgroupMode, OpenFiles, Selinux};

const DESCRIPTION: &str = r#"
cdiVersion: "1.0.0"
kind: vendor.com/gpu
containerEdits: {env: [VENDOR=yes]}
devices:
  - name: first
    containerEdits:
      env: [GPU=first]
      deviceNodes: [{path: /dev/gpu0, hostPath: /dev/zero, fileMode: 384}]
      mounts: [{hostPath: /usr, containerPath: /lib/vendor, options: [ro, bind]}]
      additionalGids: [44]
  - name: hooked
    containerEdits: {hooks: [{hookName: createContainer, path: /bin/hook}]}
"#;

fn host() -> HostFacts {
    HostFacts {
        user_namespaces: true,
        hostname: "node-1".to_owned(),
        bounding: (1 << 41) - 1,
        oom_score_adj_floor: -1000,
        cgroup_mode: CgroupMode::V1,
        swap_limit: true,
        recursive_read_only: true,
        apparmor: AppArmor::Disabled,
        selinux: Selinux::Disabled,
        open_files: OpenFiles {
            soft: 1024,
            hard: 4096,
        },
    }
}

fn bundle(root: &Path, config: ContainerConfig) -> Bundle {
    let id = ContainerId::from_random([1; 32]);
    let sandbox_id = SandboxId::from_random([2; 32]);
    let cdi = root.join("cdi");
    fs::create_dir_all(&cdi).unwrap();
    fs::write(cdi.join("vendor.yaml"), DESCRIPTION).unwrap();
    let dir = root.join("container");
    fs::create_dir_all(&dir).unwrap();
    Bundle {
        image_volumes: Vec::new(),
        oci: None,
        dir,
        layers: vec![root.to_owned()],
        image: ImageFacts {
            cmd: vec!["/bin/true".to_owned()],
            ..ImageFacts::default()
        },
        accounts: Accounts::default(),
        sandbox: SandboxFacts {
            user_namespace: None,
            selinux: None,
            id: sandbox_id.clone(),
            pause_pid: 7,
            target_pid: None,
            hostname: "web-0".to_owned(),
            hostname_file: None,
            hosts_file: None,
            resolv_conf: None,
            shm_dir: root.join("shm"),
        },
        host: host(),
        cgroup_path: CgroupPath::new("/podling", id.as_str()).unwrap(),
        log_path: None,
        seccomp_cache: root.join("seccomp"),
        cdi_dirs: vec![cdi],
        container: ContainerRecord {
            image_volumes: Vec::new(),
            id,
            sandbox_id,
            config,
            image_id: String::new(),
            image_ref: String::new(),
            stop_signal: 0,
            user: User::default(),
            created_at: 0,
            state: ContainerState::Reserved,
        },
    }
}

fn write(config: ContainerConfig) -> Result<(Prepared, Value), BundleError> {
    let root = tempfile::tempdir().unwrap();
    let prepared = bundle(root.path(), config).draft()?.write()?;
    let text = fs::read(root.path().join("container/config.json")).unwrap();
    Ok((prepared, serde_json::from_slice(&text).unwrap()))
}

fn refused(config: ContainerConfig) -> String {
    let error = write(config).err().expect("a refusal");
    assert!(error.is_of_the_request(), "{error}");
    super::super::error::chain(&error)
}

fn with_devices(names: &[&str]) -> ContainerConfig {
    ContainerConfig {
        cdi_devices: names.iter().map(|&name| name.to_owned()).collect(),
        ..ContainerConfig::default()
    }
}

#[test]
fn what_a_cdi_device_describes_is_in_the_spec() {
    let mut by_annotation = ContainerConfig::default();
    let (key, value) = ("cdi.k8s.io/plugin", "vendor.com/gpu=first");
    by_annotation
        .annotations
        .insert(key.to_owned(), value.to_owned());
    for config in [with_devices(&["vendor.com/gpu=first"]), by_annotation] {
        let (prepared, spec) = write(config).unwrap();
        assert!(prepared.user.groups.contains(&44));
        let env = spec["process"]["env"].as_array().unwrap();
        assert!(env.contains(&"VENDOR=yes".into()) && env.contains(&"GPU=first".into()));
        let node = &spec["linux"]["devices"][0];
        assert_eq!(
            (&node["path"], &node["minor"], &node["fileMode"]),
            (&"/dev/gpu0".into(), &5.into(), &384.into())
        );
        let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
        assert_eq!(rules.last().unwrap()["access"], "rwm");
        let mounts = spec["mounts"].as_array().unwrap();
        let mount = mounts.iter().find(|m| m["destination"] == "/lib/vendor");
        assert_eq!(mount.unwrap()["source"], "/usr");
    }
}

#[test]
fn a_cdi_device_that_cannot_be_given_is_refused_by_name() {
    for (name, why) in [
        ("gpu0", "no name of a CDI device"),
        ("vendor.com/gpu=second", "is unknown"),
        ("vendor.com/gpu=hooked", "createContainer"),
    ] {
        let error = refused(with_devices(&[name]));
        assert!(error.contains(name) && error.contains(why), "{error}");
    }
}

#[test]
fn a_seccomp_profile_that_is_no_file_or_no_profile_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    fs::write(&bad, "{\"defaultAction\": \"SCMP_ACT_MAYBE\"}").unwrap();
    let missing = folder.path().join("missing.json");
    for (path, why) in [
        (missing.to_str().unwrap(), "No such file"),
        (bad.to_str().unwrap(), "SCMP_ACT_MAYBE"),
        (folder.path().to_str().unwrap(), "not a regular file"),
        ("profiles/relative.json", "not absolute"),
    ] {
        let mut config = ContainerConfig::default();
        config.security.seccomp = SecurityProfile::Localhost(path.to_owned());
        let error = refused(config);
        assert!(error.contains(path) && error.contains(why), "{error}");
    }
}

#[test]
fn a_device_that_is_asked_for_twice_is_there_once() {
    let device = |permissions: &str| crate::model::config::Device {
        host_path: "/dev/zero".to_owned(),
        container_path: "/dev/mine".to_owned(),
        permissions: permissions.to_owned(),
    };
    let config = ContainerConfig {
        devices: vec![device("r"), device("rwm")],
        ..ContainerConfig::default()
    };
    let (_, spec) = write(config).unwrap();
    assert_eq!(spec["linux"]["devices"].as_array().unwrap().len(), 1);
}
