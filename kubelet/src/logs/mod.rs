//! Container logs: finding the file, reading it, following it.

mod chain;
mod find;
pub(crate) mod line;
mod options;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use find::{LogFile, newest, previous};
pub(crate) use options::{LogOptions, StreamChoice};
pub(crate) use read::send;
