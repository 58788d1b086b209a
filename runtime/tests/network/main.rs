//! The built-in network against the kernel, with namespaces of the tests' own for host, pods and the
//! outside: the machine's network is not touched, and everything is gone with the test.
//!
//! Needs root and iproute2 (to do what an administrator or a crash would do).

mod bridge;
mod dual_stack;
mod firewalls;
mod host_ports;
mod mending;
mod moving;
mod world;
