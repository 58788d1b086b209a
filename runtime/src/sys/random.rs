//! Randomness, for ids and tokens.

use rustix::rand::{GetRandomFlags, getrandom};

/// 32 bytes nobody can guess.
pub fn bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        // EINTR only: the pool is initialised long before a container runtime starts.
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes
}
