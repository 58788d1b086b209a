//! Resource limits.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::model::process::Rlimit;

/// Sets a limit of this process, clamped to the hard limit that it has when it may not raise it.
/// Returns whether it was set as asked.
pub fn set(limit: &Rlimit) -> io::Result<bool> {
    if try_set(limit.resource, limit.soft, limit.hard)? {
        return Ok(true);
    }
    let hard = limit.hard.min(hard_limit(limit.resource)?);
    match try_set(limit.resource, limit.soft.min(hard), hard)? {
        true => Ok(false),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// The hard limit of this process.
pub fn hard_limit(resource: i32) -> io::Result<u64> {
    limits(resource).map(|(_, hard)| hard)
}

/// Soft and hard limit of this process.
pub fn limits(resource: i32) -> io::Result<(u64, u64)> {
    let mut current = MaybeUninit::<libc::rlimit64>::uninit();
    // SAFETY: pid 0 is this process; `current` has the size that the kernel fills.
    let result = unsafe {
        libc::prlimit64(
            0,
            resource as libc::__rlimit_resource_t,
            ptr::null(),
            current.as_mut_ptr(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel has filled it.
    let current = unsafe { current.assume_init() };
    Ok((current.rlim_cur, current.rlim_max))
}

fn try_set(resource: i32, soft: u64, hard: u64) -> io::Result<bool> {
    let new = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: pid 0 is this process; `new` is initialised and outlives the call.
    let result = unsafe {
        libc::prlimit64(
            0,
            resource as libc::__rlimit_resource_t,
            &raw const new,
            ptr::null_mut(),
        )
    };
    match (result, io::Error::last_os_error()) {
        (0, _) => Ok(true),
        (_, error) if error.raw_os_error() == Some(libc::EPERM) => Ok(false),
        (_, error) => Err(error),
    }
}
