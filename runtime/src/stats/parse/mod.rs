//! Files of the kernel, as numbers. What is not there, or not understood, is `None`.
#![deny(clippy::disallowed_methods)]

mod io;
mod lines;
mod net_dev;
mod pressure;
mod texts;
mod v1;
mod v2;

pub(super) use net_dev::interfaces;
pub(super) use texts::Texts;

use std::borrow::Cow;

use super::usage::Usage;
use crate::cgroup::Controller;
use crate::spec::CgroupMode;

/// One file to be read of each cgroup.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Whose directory it is in.
    pub(super) controller: Controller,
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// Whether every kernel has it.
    pub(super) presence: Presence,
}

/// Whether a file can be missing from a cgroup that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// A cgroup without it is gone.
    Always,
    /// It depends on the kernel.
    Sometimes,
}

/// The files that are read of a cgroup, on a machine with huge pages of these sizes.
pub(super) fn files(mode: CgroupMode, page_sizes: &[String]) -> Vec<File> {
    let (fixed, by_size): (&[_], &[_]) = match mode {
        CgroupMode::V1 => (&v1::FILES, &v1::BY_PAGE_SIZE),
        CgroupMode::V2 => (&v2::FILES, &v2::BY_PAGE_SIZE),
    };
    let fixed = fixed.iter().map(|&(controller, name, presence)| File {
        controller,
        name: Cow::Borrowed(name),
        presence,
    });
    let by_size = page_sizes.iter().flat_map(|size| {
        by_size.iter().map(move |end| File {
            controller: Controller::HugePages,
            name: Cow::Owned(format!("hugetlb.{size}.{end}")),
            presence: Presence::Sometimes,
        })
    });
    fixed.chain(by_size).collect()
}

/// What a cgroup uses, after what its files say.
pub(super) fn usage(mode: CgroupMode, texts: &Texts, at: i64) -> Usage {
    match mode {
        CgroupMode::V1 => v1::usage(texts, at),
        CgroupMode::V2 => v2::usage(texts, at),
    }
}

#[cfg(test)]
mod tests;
