//! What is on disk of a driver's volume: upstream's `vol_data.json`, and how far the driver was asked.
//!
//! A record is whole, old or new, whenever the machine stops. What it says was done holds as long as
//! the machine is up: mounts do not outlive it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::place::{DEVICES, Name, RECORD, Spot, in_a_path};
use super::plan::Phase;
use crate::layout::Layout;
use crate::model::{Migrated, PodUid, Quantity, VolumeMode};
use crate::whole::write_private;

/// What is recorded. Upstream knows the first fields, reads texts alone, and passes over the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Record {
    #[serde(rename = "specVolID")]
    pub(super) volume: String,
    #[serde(rename = "volumeHandle")]
    pub(super) handle: String,
    #[serde(rename = "driverName")]
    pub(super) driver: String,
    #[serde(rename = "nodeName", skip_serializing_if = "String::is_empty")]
    pub(super) node: String,
    #[serde(rename = "attachmentID", skip_serializing_if = "String::is_empty")]
    pub(super) attachment: String,
    #[serde(
        rename = "volumeLifecycleMode",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) lifecycle: String,
    #[serde(rename = "podling.mode", skip_serializing_if = "String::is_empty")]
    pub(super) mode: String,
    /// Whether it is written as a volume of a plugin of old.
    #[serde(rename = "podling.migrated", skip_serializing_if = "String::is_empty")]
    pub(super) migrated: String,
    /// Whether it has to be attached.
    #[serde(rename = "podling.attached", skip_serializing_if = "String::is_empty")]
    pub(super) attached: String,
    /// How much the driver has made of it, once that was looked at.
    #[serde(rename = "podling.size", skip_serializing_if = "String::is_empty")]
    pub(super) size: String,
    #[serde(rename = "podling.phase")]
    pub(super) phase: Phase,
    /// When the machine was started for which it holds.
    #[serde(rename = "podling.boot")]
    pub(super) boot: String,
}

impl Record {
    /// A volume that nobody was asked for.
    pub(super) fn of(name: &Name) -> Self {
        let mode = match name.mode {
            VolumeMode::Filesystem => "",
            VolumeMode::Block => name.mode.as_str(),
        };
        let migrated = match name.migrated {
            Migrated::No => "",
            Migrated::Yes => name.migrated.as_str(),
        };
        Self {
            volume: name.volume.clone(),
            handle: name.handle.clone(),
            driver: name.driver.clone(),
            mode: mode.to_owned(),
            migrated: migrated.to_owned(),
            phase: Phase::Wanted,
            ..Self::default()
        }
    }

    pub(super) fn name(&self) -> Name {
        Name {
            driver: self.driver.clone(),
            handle: self.handle.clone(),
            volume: self.volume.clone(),
            mode: match self.mode == VolumeMode::Block.as_str() {
                true => VolumeMode::Block,
                false => VolumeMode::Filesystem,
            },
            migrated: match self.migrated == Migrated::Yes.as_str() {
                true => Migrated::Yes,
                false => Migrated::No,
            },
        }
    }

    /// What holds of it for this boot of the machine.
    pub(super) fn phase_now(&self, boot: &str) -> Phase {
        match self.phase {
            Phase::Done if self.boot != boot => Phase::Called,
            phase => phase,
        }
    }

    /// How much it holds here, if that was looked at.
    pub(super) fn size(&self) -> Option<Quantity> {
        Quantity::parse(&self.size).ok()
    }

    /// It holds so much here.
    pub(super) fn set_size(&mut self, size: Quantity) {
        self.size = size.binary();
    }

    fn is_of(&self, name: &Name) -> bool {
        self.driver == name.driver && self.handle == name.handle
    }
}

/// What is recorded in a directory, if anything is.
pub(super) fn read(directory: &Path) -> io::Result<Option<Record>> {
    match fs::read(directory.join(RECORD)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Records it.
pub(super) fn write(directory: &Path, record: &Record) -> io::Result<()> {
    make_directory(directory)?;
    write_private(&directory.join(RECORD), serde_json::to_vec(record)?)
}

/// Makes a directory that only root looks into.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o750).create(directory)
}

/// Takes away what is left at a place, and then its record. What is still there is not removed.
pub(super) fn forget(spot: &Spot) -> io::Result<()> {
    let removed = match fs::symlink_metadata(&spot.target) {
        Ok(found) if found.is_dir() => fs::remove_dir(&spot.target),
        Ok(_) => fs::remove_file(&spot.target),
        Err(error) => Err(error),
    };
    gone(removed)?;
    // The first is what earlier kubelets did not finish, the second what this one did not.
    for name in [
        format!(".{RECORD}"),
        format!("{RECORD}.new"),
        RECORD.to_owned(),
    ] {
        gone(fs::remove_file(spot.directory.join(name)))?;
    }
    gone(fs::remove_dir(&spot.directory))
}

/// Takes away the places of a device that is nobody's any more.
pub(super) fn forget_device(layout: &Layout, name: &Name) -> io::Result<()> {
    let devices = layout.devices();
    let volume = in_a_path(&name.volume);
    for place in [devices.join("publish").join(&volume), devices.join(volume)] {
        gone(fs::remove_dir(place))?;
    }
    Ok(())
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Everything that is recorded for a pod.
pub(super) fn of_pod(layout: &Layout, uid: &PodUid) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for mode in [VolumeMode::Filesystem, VolumeMode::Block] {
        records.extend(below(&layout.all_published(uid, mode))?);
    }
    Ok(records)
}

/// Everything that is recorded for the node.
pub(super) fn of_node(layout: &Layout) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in entries(&layout.drivers())? {
        if entry.file_name() != DEVICES {
            records.extend(below(&entry.path())?);
        }
    }
    for entry in entries(&layout.devices())? {
        records.extend(read(&entry.path().join("data"))?);
    }
    Ok(records)
}

/// The attached volumes that are used, or may be.
pub(super) fn attached(layout: &Layout) -> io::Result<Vec<Name>> {
    let mut records = of_node(layout)?;
    for entry in entries(&layout.pods())? {
        let uid = PodUid::from(entry.file_name().to_string_lossy().into_owned());
        records.extend(of_pod(layout, &uid)?);
    }
    records.retain(|record| !record.attached.is_empty());
    Ok(records.iter().map(Record::name).collect())
}

/// The pods that have a volume or want it, and how far that has come.
pub(super) fn users(layout: &Layout, name: &Name) -> io::Result<Vec<(PodUid, Phase)>> {
    let users = records_of(layout, name)?.into_iter();
    Ok(users.map(|(uid, record)| (uid, record.phase)).collect())
}

/// How much each pod's record says that a volume holds.
pub(super) fn sizes(layout: &Layout, name: &Name) -> io::Result<Vec<Quantity>> {
    let users = records_of(layout, name)?.into_iter();
    Ok(users.filter_map(|(_, record)| record.size()).collect())
}

fn records_of(layout: &Layout, name: &Name) -> io::Result<Vec<(PodUid, Record)>> {
    let mut users = Vec::new();
    for entry in entries(&layout.pods())? {
        let uid = PodUid::from(entry.file_name().to_string_lossy().into_owned());
        let mut records = of_pod(layout, &uid)?.into_iter();
        if let Some(record) = records.find(|one| one.is_of(name)) {
            users.push((uid, record));
        }
    }
    Ok(users)
}

fn below(directory: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in entries(directory)? {
        records.extend(read(&entry.path())?);
    }
    Ok(records)
}

fn entries(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
