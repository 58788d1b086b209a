//! `podling debug`: a container that is added to a pod while it runs, to look around.

use std::process::ExitCode;

use k8s_openapi::api::core::v1::{
    Capabilities, EnvVar, EphemeralContainer, SeccompProfile, SecurityContext,
};
use podling_runtime::layout::Layout;
use serde_json::Value;

use super::attaching::{Attaching, attach_or_print};
use super::until::{Judgement, UntilError, container_status, one, until};
use super::{Outcome, output};
use crate::args::{DebugArguments, Profile};
use crate::kubelet::pod::{self, Pod};
use crate::kubelet::{Kubelet, Path};

pub(super) async fn run(layout: &Layout, arguments: &DebugArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let name = name(pod, arguments)?;
    if let Some(target) = &arguments.target
        && !arguments.new.quiet
    {
        output::print(&format!(
            "Targeting container {target:?}. If you don't see processes from this container it may be \
             because the container runtime doesn't support this feature.\n"
        ))?;
    }
    let path = Path::of(["pods", pod.namespace(), pod.name(), "ephemeralcontainers"]);
    let container = container(&name, arguments);
    let _: Value = kubelet.post(path.as_str(), &container).await?;
    if !arguments.new.is_attached() {
        return Ok(ExitCode::SUCCESS);
    }
    let selection = one(pod.namespace(), pod.name());
    let mut told = None;
    until(&kubelet, selection, None, |pod| {
        has_begun(pod, &name, |words| {
            if !arguments.new.quiet && told.as_deref() != Some(words) {
                eprintln!("Warning: container {name}: {words}");
                told = Some(words.to_owned());
            }
        })
    })
    .await?;
    let attaching = Attaching {
        namespace: pod.namespace(),
        pod: pod.name(),
        container: &name,
        new: &arguments.new,
    };
    Ok(attach_or_print(&kubelet, &attaching).await?.exit_code())
}

/// The container's name; one that nothing of the pod has yet when none is given.
fn name(pod: &Pod, arguments: &DebugArguments) -> Result<String, Box<dyn std::error::Error>> {
    if let Some(name) = &arguments.container {
        return Ok(name.clone());
    }
    let taken = pod.container_names();
    loop {
        let name = format!("debugger-{}", random_word()?);
        if !taken.contains(&name.as_str()) {
            if !arguments.new.quiet {
                output::print(&format!("Defaulting debug container name to {name}.\n"))?;
            }
            return Ok(name);
        }
    }
}

/// Five letters and digits that cannot be mistaken or make words, as upstream draws them.
fn random_word() -> std::io::Result<String> {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bytes = [0_u8; 5];
    let file = std::fs::File::open("/dev/urandom")?;
    std::io::Read::read_exact(&mut &file, &mut bytes)?;
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    Ok(bytes.into_iter().map(letter).collect())
}

/// What is added.
fn container(name: &str, arguments: &DebugArguments) -> EphemeralContainer {
    let new = &arguments.new;
    let words = (!new.words.is_empty()).then(|| new.words.clone());
    let (command, args) = match arguments.arguments_only {
        true => (None, words),
        false => (words, None),
    };
    let env = new.env.iter().map(|(name, value)| EnvVar {
        name: name.clone(),
        value: Some(value.clone()),
        value_from: None,
    });
    EphemeralContainer {
        name: name.to_owned(),
        image: Some(arguments.image.clone()),
        image_pull_policy: new.image_pull_policy.clone(),
        command,
        args,
        env: (!new.env.is_empty()).then(|| env.collect()),
        stdin: new.stdin.then_some(true),
        tty: new.tty.then_some(true),
        security_context: security(arguments.profile),
        target_container_name: arguments.target.clone(),
        termination_message_policy: Some("File".to_owned()),
        ..EphemeralContainer::default()
    }
}

/// What the profile lets it do.
fn security(profile: Profile) -> Option<SecurityContext> {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let adding = |capabilities: &[&str]| {
        Some(SecurityContext {
            capabilities: Some(Capabilities {
                add: words(capabilities),
                drop: None,
            }),
            ..SecurityContext::default()
        })
    };
    match profile {
        Profile::General => adding(&["SYS_PTRACE"]),
        Profile::Baseline => None,
        Profile::Netadmin => adding(&["NET_ADMIN", "NET_RAW"]),
        Profile::Sysadmin => Some(SecurityContext {
            privileged: Some(true),
            ..SecurityContext::default()
        }),
        Profile::Restricted => Some(SecurityContext {
            run_as_non_root: Some(true),
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: words(&["ALL"]),
            }),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..SecurityContext::default()
        }),
    }
}

/// Whether a container runs or has; `wait` hears why it does not yet.
fn has_begun(pod: Option<&Value>, name: &str, mut wait: impl FnMut(&str)) -> Judgement<()> {
    let pod = pod.ok_or_else(|| UntilError::Hopeless("the pod has gone".to_owned()))?;
    let Some(status) = container_status(pod, name) else {
        return Ok(None);
    };
    let state = &status["state"];
    if let Some(words) = state["waiting"]["message"].as_str() {
        wait(words);
    }
    let has = state["running"].is_object() || state["terminated"].is_object();
    Ok(has.then_some(()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::args::{Arguments, Ask, Command};

    fn parsed(line: &str) -> DebugArguments {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Ask(Ask::Debug(debug)) => debug,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_debug_container_is_what_kubectl_makes() {
        let line = "podling debug web --image=box:1 -it --target=web --env=A=b -- sh -c true";
        let made = serde_json::to_value(container("debugger-1", &parsed(line))).unwrap();
        let expected = json!({
            "name": "debugger-1", "image": "box:1", "command": ["sh", "-c", "true"],
            "env": [{ "name": "A", "value": "b" }], "stdin": true, "tty": true,
            "securityContext": { "capabilities": { "add": ["SYS_PTRACE"] } },
            "targetContainerName": "web", "terminationMessagePolicy": "File",
        });
        assert_eq!(made, expected);
        let line = "podling debug web --image=box:1 --arguments-only --profile=restricted -- -v";
        let made = serde_json::to_value(container("d", &parsed(line))).unwrap();
        assert_eq!(
            (&made["args"], &made["command"]),
            (&json!(["-v"]), &Value::Null)
        );
        assert_eq!(made["securityContext"]["runAsNonRoot"], true);
    }

    #[test]
    fn names_are_drawn_from_letters_that_make_no_words() {
        let word = random_word().unwrap();
        assert_eq!(word.len(), 5);
        assert!(
            !word.contains(['a', 'e', 'i', 'o', 'u', '0', '1', '3']),
            "{word}"
        );
    }

    #[test]
    fn who_waits_hears_why() {
        let pod = |state: Value| json!({ "status": { "ephemeralContainerStatuses": [{ "name": "d", "state": state }] } });
        let mut heard = Vec::new();
        let mut judge = |state: Value| {
            has_begun(Some(&pod(state)), "d", |words| heard.push(words.to_owned())).unwrap()
        };
        assert_eq!(judge(json!({ "waiting": { "message": "no image" } })), None);
        assert_eq!(judge(json!({ "running": {} })), Some(()));
        assert_eq!(judge(json!({ "terminated": {} })), Some(()));
        assert_eq!(heard, ["no image"]);
    }
}
