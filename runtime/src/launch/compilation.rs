//! Getting the compiled filter of a profile: from the cache, or from libseccomp.
//!
//! Compiling a default profile for three architectures takes tens of milliseconds, more than all the
//! rest of a launch, and its result depends on the profile alone. So it is done once for a profile, in
//! a process beside the rest, and kept under the profile's digest.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxSeccomp;
use sha2::{Digest, Sha256};

use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage};
use crate::monitor::wire;
use crate::sys::process::{self, Child, Clone3, Forked, clone3, exit_now};
use crate::sys::seqpacket;

use super::failure::{chain, failed, failure};
use super::seccomp;

/// Part of every key: to be raised when profiles are compiled differently.
const VERSION: &[u8] = b"2";

/// A filter under way.
#[derive(Debug)]
pub(super) struct Compilation {
    /// Where the container's filter is in the end, for its execs.
    target: PathBuf,
    /// Where it is kept for other containers.
    cached: Option<PathBuf>,
    /// The process that compiles it, unless it was found.
    compiler: Option<Compiler>,
}

#[derive(Debug)]
struct Compiler {
    process: Child,
    result: OwnedFd,
}

impl Compilation {
    /// Takes the filter from the cache or begins to compile it.
    pub(super) fn begin(
        profile: &LinuxSeccomp,
        request: &LaunchRequest,
    ) -> Result<Self, LaunchFailure> {
        let target = request.bundle.join(seccomp::FILE);
        let cached = request
            .seccomp_cache
            .as_ref()
            .map(|dir| dir.join(key(profile)));
        let is_found = cached.as_ref().is_some_and(|cached| take(cached, &target));
        let compiler = match is_found {
            true => None,
            false => Some(Compiler::start(profile, &target)?),
        };
        Ok(Self {
            target,
            cached,
            compiler,
        })
    }

    /// Waits for the filter: no container starts whose later processes would lack it.
    pub(super) fn finish(self) -> Result<Vec<u8>, LaunchFailure> {
        if let Some(compiler) = self.compiler {
            compiler.finish()?;
            if let Some(cached) = &self.cached {
                // Another launch may have been faster; without a cache the next one compiles too.
                let _ = fs::hard_link(&self.target, cached);
            }
        }
        fs::read(&self.target).map_err(failed(LaunchStage::Seccomp, "reading the compiled filter"))
    }
}

/// Name of a profile's filter in the cache.
fn key(profile: &LinuxSeccomp) -> String {
    let json = serde_json::to_vec(profile).expect("a profile that was JSON becomes JSON again");
    let digest = Sha256::new()
        .chain_update(VERSION)
        .chain_update(json)
        .finalize();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}.bpf")
}

/// Puts a cached filter into place; whether there was a whole one.
fn take(cached: &Path, target: &Path) -> bool {
    let is_whole = |length: u64| length > 0 && length.is_multiple_of(8);
    if !fs::metadata(cached).is_ok_and(|metadata| is_whole(metadata.len())) {
        return false;
    }
    match fs::hard_link(cached, target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(cached, target).is_ok()
        }
        result => result.is_ok(),
    }
}

impl Compiler {
    fn start(profile: &LinuxSeccomp, target: &Path) -> Result<Self, LaunchFailure> {
        let failed_at = |what| failed::<io::Error>(LaunchStage::Seccomp, what);
        let (result, writer) = seqpacket::pair().map_err(failed_at("socket"))?;
        match clone3(Clone3::default()).map_err(failed_at("fork"))? {
            Forked::Child => {
                let message = match seccomp::compile_into(profile, target) {
                    Ok(()) => String::new(),
                    Err(error) => format!("seccomp: {}", chain(&error)),
                };
                exit_now(i32::from(
                    wire::send(writer.as_fd(), &message, &[]).is_err(),
                ))
            }
            Forked::Parent(process) => Ok(Self { process, result }),
        }
    }

    fn finish(self) -> Result<(), LaunchFailure> {
        let message = wire::receive::<String>(self.result.as_fd()).map_err(failed(
            LaunchStage::Seccomp,
            "compiling the seccomp profile",
        ))?;
        process::wait_for(self.process);
        match message.map(|message| message.body) {
            Some(message) if message.is_empty() => Ok(()),
            Some(message) => Err(failure(LaunchStage::Seccomp, message)),
            None => Err(failure(
                LaunchStage::Seccomp,
                "compiling the seccomp profile died",
            )),
        }
    }
}
