//! podling-launch: the only caller of libcontainer, short-lived and with one thread.
//!
//! ```text
//! request ─► spec::adjust (pure: guards) ─► cgroup joined ─► stage ─► create ─► verify ─► start
//!                                                             │
//!                     namespace B: the container's overlay, its cgroups read-only, what is bound
//!                     namespace A: the host's mounts without any cgroup file system
//! ```
//!
//! With a runtime handler that is an OCI runtime of the machine, `oci` takes the place of `create`.
//!
//! libcontainer runs in A and enters B through the spec's mount namespace path when it prepares the
//! container's root. So its cgroup manager, which would move pids the slow way and on failure
//! kills everything in the cgroup, finds no hierarchy and does nothing; and its state directory
//! is on a tmpfs of A that dies with this process.

pub mod start;

mod capability;
mod cgroup_view;
mod compilation;
mod complaints;
mod console;
mod create;
mod executor;
mod failure;
mod newer_calls;
mod oci;
mod seccomp;
mod sources;
mod spec;
mod stage;
mod staging;
mod verify;
