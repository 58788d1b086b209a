//! What the kernel can do, and what it is told by sysctls.

use super::super::facts::{Facts, Trial};
use super::super::finding::Finding;

/// Below so many, a node with many pods runs out of watches or processes.
const LEAST_INOTIFY_INSTANCES: u64 = 512;
/// See above.
const LEAST_INOTIFY_WATCHES: u64 = 65_536;
/// See above.
const LEAST_PROCESSES: u64 = 65_536;

pub(super) fn verdict(facts: &Facts) -> Vec<Finding> {
    let kernel = &facts.kernel;
    let overlay_mend = match facts.disk.kind.as_str() {
        "overlay" => {
            "an overlay cannot lie on an overlay: put the root (--root) or var/lib/podling on a \
             real file system, such as a volume"
        }
        _ => {
            "load the module (modprobe overlay), and use a file system with d_type, as ext4 or xfs with ftype=1"
        }
    };
    let user_namespaces = match &kernel.user_namespaces {
        Ok(()) => Finding::ok(
            "kernel user namespaces",
            "made, with the files of images in it",
        ),
        Err(why) => Finding::limited(
            "kernel user namespaces",
            why,
            "pods with hostUsers: false are refused: allow user.max_user_namespaces, and use a \
             file system that can be shown with other ids",
        ),
    };
    vec![
        needed(
            "kernel overlayfs",
            &kernel.overlay,
            "mounted, written and removed from",
            overlay_mend,
        ),
        user_namespaces,
        needed(
            "kernel seccomp",
            &kernel.seccomp,
            "a filter was loaded",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ),
        needed(
            "kernel pidfd",
            &kernel.pidfd,
            &format!("opened; Linux {}", kernel.release),
            "use Linux 5.10 or later",
        ),
        at_least(
            facts,
            "fs.inotify.max_user_instances",
            LEAST_INOTIFY_INSTANCES,
        ),
        at_least(facts, "fs.inotify.max_user_watches", LEAST_INOTIFY_WATCHES),
        at_least(facts, "kernel.pid_max", LEAST_PROCESSES),
        security_modules(facts),
    ]
}

/// Something that no node runs without.
pub(super) fn needed(check: &'static str, trial: &Trial, works: &str, mend: &str) -> Finding {
    match trial {
        Ok(()) => Finding::ok(check, works),
        Err(why) => Finding::missing(check, why, mend),
    }
}

fn at_least(facts: &Facts, name: &'static str, least: u64) -> Finding {
    let Some(text) = facts.sysctls.get(name) else {
        return Finding::limited(name, "not known to this kernel", "use a kernel with it");
    };
    match text.parse::<u64>() {
        Ok(value) if value >= least => Finding::ok(name, text),
        _ => Finding::limited(name, text, &format!("sysctl -w {name}={least}")),
    }
}

fn security_modules(facts: &Facts) -> Finding {
    let check = "security modules";
    let Some(active) = &facts.security_modules else {
        return Finding::limited(
            check,
            "not listed",
            "mount securityfs on /sys/kernel/security",
        );
    };
    let has = |name| active.split(',').any(|module| module == name);
    if facts.lacks_container_labels {
        return Finding::limited(
            check,
            active,
            "install container-selinux: the SELinux policy has no container_t, and pods get no labels",
        );
    }
    if has("apparmor") && !facts.has_apparmor_parser {
        return Finding::limited(
            check,
            active,
            "install apparmor (apparmor_parser): podling's default profile cannot be loaded without",
        );
    }
    Finding::ok(check, active)
}
