//! When a log is full, and how many files of it are kept: pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::config::Configuration;
use crate::model::Quantity;

/// When a log is full, and how many files of it are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Bytes from which on a log is set aside.
    pub max_size: u64,
    /// Files of one log, with the one that is written.
    pub max_files: usize,
    /// Logs that are worked on at a time.
    pub workers: usize,
    /// From one look at all logs to the next.
    pub interval: Duration,
}

impl Policy {
    /// What is configured; nothing when logs are never set aside, which a negative size says.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Option<Self> {
        let size = Quantity::parse(&configuration.container_log_max_size);
        let size = size.expect("the configuration was found valid").units();
        let number = |number: i32| usize::try_from(number).unwrap_or(1);
        Some(Self {
            max_size: u64::try_from(size).ok()?,
            max_files: number(configuration.container_log_max_files),
            workers: number(configuration.container_log_max_workers),
            interval: configuration.container_log_monitor_interval.to_std(),
        })
    }
}
