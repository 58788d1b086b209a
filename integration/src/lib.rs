//! Black-box tests, benches and the images they need.

pub mod apiserver;
pub mod bench;
pub mod harness;
pub mod health;
pub mod images;
