//! The `process` section: what runs, as whom, and how confined.

use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, User};

use super::env::{self, Defaults};
use super::user::Identity;
use super::{
    HostFacts, Note, SpecError, SpecInput, apparmor, args, capabilities, oom, working_dir,
};
use crate::model::process::CapabilityMasks;

/// The process of a container with this identity and these capabilities.
pub(super) fn process(
    input: &SpecInput<'_>,
    identity: &Identity,
    masks: &CapabilityMasks,
    notes: &mut Vec<Note>,
) -> Result<Process, SpecError> {
    let SpecInput {
        config,
        image,
        host,
        ..
    } = *input;
    let security = &config.security;
    let defaults = Defaults {
        hostname: hostname(input),
        home: &identity.home,
    };
    let mut process = Process::default();
    process
        .set_terminal(config.tty.then_some(true))
        .set_user(user(identity))
        .set_args(Some(args::args(config, image)?))
        .set_env(Some(env::env(config, image, &defaults)?))
        .set_cwd(working_dir::working_dir(config, image)?.into())
        .set_capabilities(Some(capabilities::to_spec(masks)))
        .set_rlimits(Some(vec![open_files(host)]))
        // libcontainer takes the presence of the field for true.
        .set_no_new_privileges(security.no_new_privs.then_some(true))
        .set_apparmor_profile(apparmor::profile(security, host, notes)?)
        .set_oom_score_adj(Some(oom::oom_score_adj(config.resources.oom_score_adj, host, notes)));
    Ok(process)
}

fn user(identity: &Identity) -> User {
    let mut user = User::default();
    user.set_uid(identity.uid)
        .set_gid(identity.gid)
        .set_additional_gids(Some(identity.groups.clone()));
    user
}

/// The daemon's own limit, said in the spec so that an exec has the same after the daemon was
/// started with another.
fn open_files(host: &HostFacts) -> PosixRlimit {
    let limit = PosixRlimitBuilder::default()
        .typ(PosixRlimitType::RlimitNofile)
        .soft(host.open_files.soft)
        .hard(host.open_files.hard)
        .build();
    limit.expect("every field is set")
}

/// The pod's hostname; on the host's network that is the host's.
fn hostname<'a>(input: &SpecInput<'a>) -> &'a str {
    match input.sandbox.hostname.as_str() {
        "" => &input.host.hostname,
        name => name,
    }
}
