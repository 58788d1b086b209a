//! The kernel: the only unsafe code of this crate, one topic a file.
//!
//! Everything that names a kernel object owns it (`OwnedFd`), and every descriptor made here is
//! close-on-exec, so that a forked process keeps only what it is given on purpose.

#[cfg(test)]
pub(crate) mod allocations;
pub mod beneath;
pub mod bpf;
pub mod cgroup;
pub mod credentials;
pub mod epoll;
pub mod label;
pub mod lock;
pub mod mount;
pub mod mount_tree;
pub mod netns;
pub mod oom;
pub mod overlay;
pub mod process;
pub mod program;
pub mod random;
pub mod readable;
pub mod remove;
pub mod rlimit;
pub mod rooted;
pub mod seccomp;
pub mod seqpacket;
pub mod signal;
pub mod stdio;
pub mod subgroup;
pub mod subprocess;
pub mod terminal;
pub mod user_namespace;
