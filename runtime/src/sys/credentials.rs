//! Who a process is: groups, gid, uid and the five capability sets.

use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::model::process::CapabilityMasks;

/// The ids of a process.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: &'a [u32],
}

/// Becomes `ids` with exactly the capabilities of `masks`, as far as this process has them.
///
/// The bounding set goes first (that needs CAP_SETPCAP), permitted is kept across the change of
/// uid, and the ambient set comes last because it must lie within permitted and inheritable.
pub fn become_user(ids: Ids<'_>, masks: &CapabilityMasks) -> io::Result<()> {
    let masks = within(masks, bounding()?);
    drop_bounding(masks.bounding)?;
    let groups: Vec<Gid> = ids.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups)?;
    let gid = Gid::from_raw(ids.gid);
    set_thread_res_gid(gid, gid, gid)?;
    set_keep_capabilities(true)?;
    let uid = Uid::from_raw(ids.uid);
    set_thread_res_uid(uid, uid, uid)?;
    set_keep_capabilities(false)?;
    set_sets(&masks)
}

/// Becomes root of the user namespace that this process is in, and keeps its capabilities.
pub fn become_root() -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

/// Gives up what lies outside of `masks`, without becoming anybody else.
pub fn limit_capabilities(masks: &CapabilityMasks) -> io::Result<()> {
    let masks = within(masks, bounding()?);
    drop_bounding(masks.bounding)?;
    set_sets(&masks)
}

/// The bounding set of this process.
pub fn bounding() -> io::Result<u64> {
    let mut mask = 0;
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_READ, capability, 0) {
            Ok(0) => {}
            Ok(_) => mask |= 1 << capability,
            // The kernel knows no capability of this number, and none above.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(mask)
}

/// `masks` without what lies outside of `bounding`.
fn within(masks: &CapabilityMasks, bounding: u64) -> CapabilityMasks {
    CapabilityMasks {
        bounding: masks.bounding & bounding,
        effective: masks.effective & bounding,
        permitted: masks.permitted & bounding,
        inheritable: masks.inheritable & bounding,
        ambient: masks.ambient & bounding,
    }
}

fn set_sets(masks: &CapabilityMasks) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(masks.effective),
        permitted: CapabilitySet::from_bits_retain(masks.permitted),
        inheritable: CapabilitySet::from_bits_retain(masks.inheritable),
    };
    set_capabilities(None, sets)?;
    set_ambient(masks.ambient)
}

fn drop_bounding(keep: u64) -> io::Result<()> {
    let drop = bounding()? & !keep;
    for capability in (0..64).filter(|n| drop & (1 << n) != 0) {
        prctl(libc::PR_CAPBSET_DROP, capability, 0)?;
    }
    Ok(())
}

fn set_ambient(mask: u64) -> io::Result<()> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as u64,
        0,
    )?;
    for capability in (0..64).filter(|n| mask & (1 << n) != 0) {
        prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE as u64,
            capability,
        )?;
    }
    Ok(())
}

fn prctl(option: i32, second: u64, third: u64) -> io::Result<i32> {
    // SAFETY: the options used here take numbers only and touch no memory.
    match unsafe { libc::prctl(option, second, third, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}
