//! The last step in the container: finding and executing its program.
//!
//! libcontainer calls this in the container's first process. Failures go through a pipe of ours
//! that closes on exec: its errors cross as flat texts, and after the start not at all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::{fs::File, os::fd::BorrowedFd};

use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use oci_spec::runtime::Spec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::model::process::CapabilityMasks;
use crate::monitor::protocol::{LaunchFailure, LaunchStage};
use crate::sys::program::{self, ProgramError};
use crate::sys::{credentials, label, seccomp, signal};

/// Executes the spec's program in the container.
#[derive(Clone, Debug)]
pub(super) struct PodExecutor {
    failures: Rc<OwnedFd>,
    program: Rc<RefCell<PathBuf>>,
    /// What libcontainer found as the user's home, when the spec names none.
    home: Rc<RefCell<Option<String>>>,
    last_steps: LastSteps,
}

/// What is done right before the program is executed, because it confines what comes after.
#[derive(Clone, Debug)]
pub(super) struct LastSteps {
    /// Directory of the host's procfs.
    pub(super) host_proc: Rc<OwnedFd>,
    /// Labels to change to (row 17).
    pub(super) labels: Rc<Labels>,
    /// The seccomp filter.
    pub(super) filter: Option<Rc<Filter>>,
}

/// Labels of security modules.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    /// AppArmor profile.
    pub(super) apparmor: Option<String>,
    /// SELinux label.
    pub(super) selinux: Option<String>,
}

/// A compiled seccomp filter, and what is to be given up once it is loaded.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// The instructions.
    pub(super) instructions: Vec<u8>,
    /// The container's own capabilities, if more were lent to load the filter.
    pub(super) capabilities: Option<CapabilityMasks>,
}

/// The reading end of an executor's failures.
#[derive(Debug)]
pub(super) struct Failures {
    pipe: OwnedFd,
}

/// An executor and what tells how it went.
pub(super) fn pair(last_steps: LastSteps) -> io::Result<(PodExecutor, Failures)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let executor = PodExecutor {
        failures: Rc::new(writer),
        program: Rc::default(),
        home: Rc::default(),
        last_steps,
    };
    Ok((executor, Failures { pipe: reader }))
}

impl Failures {
    /// The failure that was reported until now, if any.
    pub(super) fn reported(&self) -> Option<LaunchFailure> {
        rustix::io::ioctl_fionbio(&self.pipe, true).ok()?;
        self.wait()
    }

    /// Waits until the program has been executed: `None`, or could not be.
    ///
    /// The executor of this process must have been dropped.
    pub(super) fn wait(&self) -> Option<LaunchFailure> {
        let mut json = Vec::new();
        // What was read before an error counts.
        let _ = File::from(self.pipe.try_clone().ok()?).read_to_end(&mut json);
        serde_json::from_slice(&json).ok()
    }
}

impl Executor for PodExecutor {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let process = spec.process().as_ref().ok_or(ExecutorError::InvalidArg)?;
        let args = process.args().as_deref().unwrap_or_default();
        let mut env = process.env().clone().unwrap_or_default();
        if let Some(home) = self.home.borrow().as_ref()
            && !env.iter().any(|variable| variable.starts_with("HOME="))
        {
            env.push(format!("HOME={home}"));
        }
        // What this program's own start-up has set must not be the container's: SIGPIPE ignored.
        let _ = signal::reset();
        self.confine().map_err(|failure| {
            self.report_failure(&failure);
            ExecutorError::Other(failure.message)
        })?;
        // A container does not outlive its monitor: nobody would ever learn how it ended.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        let error = program::execute(&self.program.borrow(), args, &env);
        self.report(&error);
        Err(ExecutorError::Other(error.to_string()))
    }

    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let refused =
            |error: &ProgramError| ExecutorValidationError::ArgValidationError(error.to_string());
        let process = spec.process().as_ref();
        let args = process
            .and_then(|process| process.args().as_deref())
            .unwrap_or_default();
        let env = process
            .and_then(|process| process.env().as_deref())
            .unwrap_or_default();
        let path = program::search_path(env.iter().map(String::as_bytes));
        match program::find(args.first().map_or("", String::as_str), path) {
            Ok(file) => {
                *self.program.borrow_mut() = file;
                Ok(())
            }
            Err(error) => {
                self.report(&error);
                Err(refused(&error))
            }
        }
    }

    fn setup_envs(&self, envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        *self.home.borrow_mut() = envs.get("HOME").cloned();
        Ok(())
    }
}

impl PodExecutor {
    fn confine(&self) -> Result<(), LaunchFailure> {
        let LastSteps {
            host_proc, labels, ..
        } = &self.last_steps;
        let at = |stage, what: String| {
            move |error: io::Error| LaunchFailure {
                stage,
                message: format!("{what}: {error}"),
                code: 128,
            }
        };
        if let Some(profile) = &labels.apparmor {
            label::set_apparmor_profile(host_proc.as_fd(), profile).map_err(at(
                LaunchStage::Create,
                format!("AppArmor profile {profile:?}"),
            ))?;
        }
        if let Some(label) = &labels.selinux {
            label::set_selinux_label(host_proc.as_fd(), label)
                .map_err(at(LaunchStage::Create, format!("SELinux label {label:?}")))?;
        }
        self.load_filter().map_err(at(
            LaunchStage::Seccomp,
            "loading the seccomp filter".to_owned(),
        ))
    }

    /// As late as it can be: the filter need not allow what comes before.
    fn load_filter(&self) -> io::Result<()> {
        let Some(filter) = &self.last_steps.filter else {
            return Ok(());
        };
        seccomp::load(&filter.instructions)?;
        match &filter.capabilities {
            Some(own) => credentials::limit_capabilities(own),
            None => Ok(()),
        }
    }

    fn report(&self, error: &ProgramError) {
        self.report_failure(&LaunchFailure {
            stage: LaunchStage::Exec,
            message: error.to_string(),
            code: error.code(),
        });
    }

    fn report_failure(&self, failure: &LaunchFailure) {
        let json = serde_json::to_vec(failure).unwrap_or_default();
        let pipe: BorrowedFd<'_> = self.failures.as_fd();
        // If nobody reads, the caller sees the process end, and reports that.
        let _ = pipe
            .try_clone_to_owned()
            .and_then(|pipe| File::from(pipe).write_all(&json));
    }
}
