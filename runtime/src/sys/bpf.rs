//! Loading and attaching a cgroup's device program: bpf(2), as far as that needs it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
/// Programs of parents and of the same cgroup must all agree.
const ALLOW_MULTI: u32 = 2;

/// The fields of `union bpf_attr` for BPF_PROG_LOAD, up to the last one used.
#[repr(C)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// The fields of `union bpf_attr` for BPF_PROG_ATTACH.
#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads a BPF_PROG_TYPE_CGROUP_DEVICE program.
pub fn load_device_program(instructions: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let attributes = LoadAttributes {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    // SAFETY: the attributes have the layout that the kernel reads for this command, their size is
    // passed, and the instructions and the license they point to outlive the call.
    let fd = unsafe { bpf(PROG_LOAD, &attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us alone; it is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a loaded program to the cgroup whose directory is open.
pub fn attach_device_program(directory: &impl AsFd, program: &impl AsFd) -> io::Result<()> {
    let attributes = AttachAttributes {
        target: number(directory),
        program: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the attributes have the layout that the kernel reads for this command, and both
    // descriptors are open.
    unsafe { bpf(PROG_ATTACH, &attributes) }?;
    Ok(())
}

fn number(fd: &impl AsFd) -> u32 {
    u32::try_from(fd.as_fd().as_raw_fd()).expect("an open descriptor is not negative")
}

/// # Safety
///
/// `attributes` must be what the kernel reads for `command`, and all that it points to must live.
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    // SAFETY: as the caller promises.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    match i32::try_from(result) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}
