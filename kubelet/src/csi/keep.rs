//! Keeps the record of drivers' volumes, and counts what is done with them.

use std::io;

use tokio::time::Instant;

use super::mounter::Parts;
use super::place::{Name, Spot, attachment_name};
use super::plan::{Outcome, Phase, after};
use super::record::{self, Record};
use super::wire::CallError;
use super::{NAME, Wanted};
use crate::model::VolumeMode;
use crate::volume::VolumeError;

/// What is counted, by the words of dashboards: of a tree of files, and of a device.
type Operation = [&'static str; 2];

pub(super) const MOUNT: Operation = ["volume_mount", "map_volume"];
pub(super) const UNMOUNT: Operation = ["volume_unmount", "unmap_volume"];
pub(super) const RESIZE: Operation = ["volume_fs_resize"; 2];
pub(super) const UNMOUNT_DEVICE: Operation = ["unmount_device", "unmap_device"];

impl Parts {
    /// Counts what was done.
    pub(super) fn count<T>(
        &self,
        name: &Name,
        operation: Operation,
        (began, done): (Instant, &Result<T, VolumeError>),
    ) {
        let operation = match name.mode {
            VolumeMode::Filesystem => operation[0],
            VolumeMode::Block => operation[1],
        };
        let plugin = format!("{NAME}:{}", name.driver);
        let (metrics, took) = (self.drivers.metrics(), began.elapsed());
        metrics.operation((&plugin, operation, name.migrated), took, done);
    }

    pub(super) fn record(&self, wanted: &Wanted) -> Record {
        Record {
            node: self.node.clone(),
            attachment: attachment_name(&wanted.driver, &wanted.handle, &self.node),
            lifecycle: wanted.lifecycle.as_str().to_owned(),
            attached: is_attached(wanted),
            ..Record::of(&wanted.name())
        }
    }

    /// What holds for this boot.
    pub(super) async fn phase(&self, spot: &Spot) -> io::Result<Option<Phase>> {
        let record = self.read(spot).await?;
        Ok(record.map(|record| record.phase_now(&self.boot)))
    }

    pub(super) async fn read(&self, spot: &Spot) -> io::Result<Option<Record>> {
        let directory = spot.directory.clone();
        blocking(move || record::read(&directory)).await
    }

    pub(super) async fn write(&self, spot: &Spot, record: &Record) -> io::Result<()> {
        let (directory, mut record) = (spot.directory.clone(), record.clone());
        record.boot.clone_from(&self.boot);
        blocking(move || record::write(&directory, &record)).await
    }

    /// Records how a call ended.
    pub(super) async fn note(
        &self,
        spot: &Spot,
        mut record: Record,
        (before, called): (Option<Phase>, &Result<(), CallError>),
    ) -> io::Result<()> {
        let outcome = match called {
            Ok(()) => Outcome::Done,
            Err(error) => error.outcome(),
        };
        match after(before, outcome) {
            Some(phase) => {
                record.phase = phase;
                self.write(spot, &record).await
            }
            None => self.forget(spot).await,
        }
    }

    pub(super) async fn forget(&self, spot: &Spot) -> io::Result<()> {
        let spot = spot.clone();
        blocking(move || record::forget(&spot)).await
    }
}

pub(super) fn is_attached(wanted: &Wanted) -> String {
    let word = if wanted.is_attached { "true" } else { "" };
    word.to_owned()
}

pub(super) fn error(operation: &'static str, volume: &str, problem: String) -> VolumeError {
    VolumeError::Csi {
        operation,
        volume: volume.to_owned(),
        problem,
    }
}

pub(super) fn io_failed(
    failed: &impl Fn(String) -> VolumeError,
) -> impl Fn(io::Error) -> VolumeError {
    move |error| failed(format!("{NAME}: cannot keep its record: {error}"))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}
