//! Black-box tests, benches and the images they need.

pub mod bench;
pub mod harness;
pub mod images;
