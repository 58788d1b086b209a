//! A private node for a test: a root, a network range, a bridge and a cgroup of its own.
//!
//! ```text
//! Node ─┬─ Range     10.x.y.0/24, bridge, cgroup: nobody else's while the test runs
//!       ├─ Daemon    podling up, killed or ended as the test asks
//!       ├─ Containerd  its runtime instead of podling's, when a variable says so
//!       ├─ Cri       gRPC clients on the node's socket
//!       ├─ http      the kubelet's read-only HTTP
//!       └─ leftovers what must be gone when the node has been stopped
//! Registry           Debian's docker-registry on a loopback port
//! Page               a page that says what the test wants
//! Systemd            slices and scopes where no systemd runs the machine
//! Logind             a shutdown that can be called off
//! Cluster            an API server to join
//! ```
//!
//! A test waits for states with a deadline and never sleeps; `Node::stop` fails when anything is
//! left of the node, and dropping a node tidies up as well as it can.

pub mod census;
pub mod cluster;
pub mod containerd;
pub mod cri;
pub mod csi_driver;
pub mod daemon;
pub mod device_plugin;
mod following;
pub mod http;
pub mod leftovers;
pub mod logind;
pub mod node;
pub mod nri;
pub mod page;
pub mod pod;
pub mod processes;
pub mod programs;
pub mod range;
pub mod registry;
pub mod requests;
pub mod systemd;
pub mod wait;

pub use census::Census;
pub use cluster::Cluster;
pub use cri::Cri;
pub use following::Following;
pub use node::{Node, Options};
pub use page::Page;
pub use pod::Pod;
pub use registry::Registry;
pub use wait::{DEADLINE, wait_for, wait_until};
