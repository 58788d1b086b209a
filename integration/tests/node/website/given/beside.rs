//! What pages tell to make before their file is applied: objects, directories and profiles of the node.

use std::fs;
use std::path::Path;

use podling_integration::harness::Node;
use serde_json::{Value, json};

use super::super::object;

/// Where `pods/storage/pv-volume` has its files.
const DATA: &str = "/mnt/data";

/// nginx with a page of its own.
const NGINX_CONF: &str = "events {}\nhttp {\n  client_body_temp_path /tmp/b;\n  proxy_temp_path /tmp/p;\n  \
                          fastcgi_temp_path /tmp/f;\n  uwsgi_temp_path /tmp/u;\n  scgi_temp_path /tmp/s;\n  \
                          server { listen 80; root /usr/share/nginx/html; }\n}\n";

/// System calls of a small server.
const FINE_GRAINED: &[&str] = &[
    "accept4",
    "access",
    "arch_prctl",
    "bind",
    "brk",
    "capget",
    "capset",
    "chdir",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "close",
    "close_range",
    "connect",
    "dup",
    "dup2",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fcntl",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrandom",
    "getsockname",
    "getsockopt",
    "gettid",
    "getuid",
    "ioctl",
    "listen",
    "lseek",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe2",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "recvfrom",
    "recvmsg",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "setsockopt",
    "setuid",
    "shutdown",
    "sigaltstack",
    "socket",
    "socketpair",
    "statx",
    "tgkill",
    "uname",
    "wait4",
    "write",
    "writev",
];

/// Makes what is there for every file.
pub(super) fn prepare(node: &Node) {
    let profiles = node.root().join("var/lib/podling/kubelet/seccomp/profiles");
    fs::create_dir_all(&profiles).expect("there is room");
    let fine = json!({ "names": FINE_GRAINED, "action": "SCMP_ACT_ALLOW" });
    let rows = [
        ("audit", json!({ "defaultAction": "SCMP_ACT_LOG" })),
        ("violation", json!({ "defaultAction": "SCMP_ACT_ERRNO" })),
        (
            "fine-grained",
            json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [fine] }),
        ),
    ];
    for (name, profile) in rows {
        let path = profiles.join(format!("{name}.json"));
        fs::write(path, profile.to_string()).expect("there is room");
    }
    let shared = node.folder().join("shared");
    fs::create_dir_all(shared.join("html")).expect("there is room");
    fs::write(shared.join("nginx.conf"), NGINX_CONF).expect("there is room");
}

/// The directory of the machine that a page tells to make, unless it was there; it goes in the end.
pub(super) struct Data(bool);

impl Data {
    pub(super) fn make() -> Self {
        let is_new = !Path::new(DATA).exists();
        if is_new {
            fs::create_dir_all(DATA).expect("there is room");
        }
        Self(is_new)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.0 {
            let _ = fs::remove_dir_all(DATA);
        }
    }
}

/// An object of that name, and what has to be there with it.
pub(super) fn documents(name: &str, node: &Node) -> Vec<Value> {
    let map = |data| vec![object("ConfigMap", name, data)];
    let secret = |data| vec![object("Secret", name, data)];
    match name {
        "special-config" => map(json!({
            "special.how": "very", "SPECIAL_LEVEL": "very", "SPECIAL_TYPE": "charm",
        })),
        "env-config" => map(json!({ "log_level": "INFO" })),
        "myconfigmap" => map(json!({ "config": "from the map" })),
        "game-demo" => map(json!({
            "player_initial_lives": "3", "ui_properties_file_name": "user-interface.properties",
            "game.properties": "lives=3\n", "user-interface.properties": "color=purple\n",
        })),
        "backend-user" => secret(json!({
            "backend-username": "backend-admin", "backend_username": "backend-admin",
        })),
        "db-user" => secret(json!({ "db-username": "db-admin", "db_username": "db-admin" })),
        "mysecret" => secret(json!({ "username": "admin" })),
        "mysecret2" => secret(json!({ "password": "1f2d1e2e67df" })),
        "user" => secret(json!({ "username.txt": "admin" })),
        "pass" => secret(json!({ "password.txt": "1f2d1e2e67df" })),
        "regcred" => vec![json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": { "name": name },
            "stringData": { ".dockerconfigjson": json!({ "auths": {} }).to_string() },
        })],
        "test-nfs-claim" | "expandable-pvc" => claim(name, &node.folder().join("shared")),
        other => panic!("nothing is known of {other}"),
    }
}

fn claim(name: &str, path: &Path) -> Vec<Value> {
    let spec = json!({
        "storageClassName": name, "capacity": { "storage": "1Gi" },
        "accessModes": ["ReadWriteOnce"], "hostPath": { "path": path },
    });
    let wish = json!({
        "storageClassName": name, "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "1Gi" } },
    });
    let object = |kind: &str, spec: Value| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    vec![
        object("PersistentVolume", spec),
        object("PersistentVolumeClaim", wish),
    ]
}
