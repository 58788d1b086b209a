//! `podling run`: a pod of one container, by a manifest that is written for it.
//!
//! ```text
//! arguments ─► manifest ─► directory ─┬─► created
//!                                     │   when the kubelet has seen it
//!                                     └─► wait, attach, exit code ─► (--rm) deleted
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use podling_runtime::layout::Layout;
use serde_json::{Value, json};

use super::attaching::{Attaching, attach_or_print};
use super::manifests;
use super::taken_up::taken_up;
use super::until::{Judgement, UntilError, one, until};
use super::{Outcome, output};
use crate::args::{Restart, RunArguments};
use crate::kubelet::Kubelet;
use crate::print::object::to_yaml;
use crate::resource::name;

pub(super) async fn run(layout: &Layout, arguments: RunArguments) -> Outcome {
    if arguments.rm && !arguments.new.is_attached() {
        return Err("--rm should only be used for attached containers".into());
    }
    let text = to_yaml(&manifest(&arguments))?;
    if arguments.dry_run.is_some() {
        if arguments.new.is_attached() {
            return Err(
                "--dry-run can't be used with attached containers options (--attach, --stdin, \
                        or --tty)"
                    .into(),
            );
        }
        return output::print(&text);
    }
    let file = file(layout, &arguments);
    manifests::named(&file, &text)?;
    if file.exists() {
        let file = file.display();
        return Err(format!("pods {:?} already exists: {file}", arguments.name).into());
    }
    manifests::write(&file, &text)?;
    if !arguments.new.is_attached() {
        let namespace = arguments.namespace.namespace.clone();
        taken_up(layout, &[(namespace, arguments.name.clone())]).await;
        return output::print(&format!("pod/{} created\n", arguments.name));
    }
    let ended = follow(layout, &arguments).await;
    if arguments.rm {
        std::fs::remove_file(&file)?;
        if !arguments.new.quiet {
            let namespace = &arguments.namespace.namespace;
            output::print(&format!(
                "pod {:?} deleted from {namespace} namespace\n",
                arguments.name
            ))?;
        }
    }
    ended
}

/// Attaches once it runs, and comes to what its container does.
async fn follow(layout: &Layout, arguments: &RunArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let namespace = &arguments.namespace.namespace;
    let selection = || one(namespace, &arguments.name);
    let timeout = Some(arguments.pod_running_timeout);
    let pod = until(&kubelet, selection(), timeout, has_begun)
        .await
        .map_err(|error| match error {
            UntilError::TimedOut => format!("{error} on pods/{}", arguments.name).into(),
            other => Box::<dyn std::error::Error>::from(other),
        })?;
    let attaching = Attaching {
        namespace,
        pod: &pod,
        container: &arguments.name,
        new: &arguments.new,
    };
    attach_or_print(&kubelet, &attaching).await?;
    if arguments.leave_stdin_open || policy(arguments) == Restart::Always {
        return Ok(ExitCode::SUCCESS);
    }
    let restart = policy(arguments);
    // It has ended, or is about to be started again: its status says so in a moment.
    let timeout = Some(arguments.pod_running_timeout.max(Duration::from_secs(60)));
    let code = until(&kubelet, selection(), timeout, |pod| {
        exit_code(pod, restart)
    })
    .await?;
    if code != 0 {
        eprintln!("pod {namespace}/{} terminated (Error)", arguments.name);
    }
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The name of a pod whose container runs, or has.
fn has_begun(pod: Option<&Value>) -> Judgement<String> {
    let Some(pod) = pod else {
        return Ok(None);
    };
    let status = &pod["status"];
    let is_ready = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    let is_over = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    Ok((is_ready || is_over).then(|| name(pod).to_owned()))
}

/// The exit code of a pod that is over; one that is started again until it succeeds is over then.
fn exit_code(pod: Option<&Value>, restart: Restart) -> Judgement<i64> {
    let pod = pod.ok_or_else(|| UntilError::Hopeless("the pod has gone".to_owned()))?;
    let status = &pod["status"];
    let container = &status["containerStatuses"][0];
    match status["phase"].as_str() {
        Some("Succeeded") => Ok(Some(0)),
        Some("Failed") if restart == Restart::Never => {
            let code = container["state"]["terminated"]["exitCode"].as_i64();
            let code = code.filter(|code| *code != 0);
            let unknown =
                || UntilError::Hopeless(format!("pod {} failed with unknown exit code", name(pod)));
            code.map(Some).ok_or_else(unknown)
        }
        _ => Ok(None),
    }
}

fn policy(arguments: &RunArguments) -> Restart {
    let usual = match arguments.new.stdin {
        true => Restart::OnFailure,
        false => Restart::Always,
    };
    arguments.restart.unwrap_or(usual)
}

/// Where its manifest stands: one file for each name in each namespace.
fn file(layout: &Layout, arguments: &RunArguments) -> PathBuf {
    let directory = manifests::directory(layout, arguments.manifests.as_ref());
    let file = match arguments.namespace.namespace.as_str() {
        "default" => format!("{}.yaml", arguments.name),
        namespace => format!("{namespace}.{}.yaml", arguments.name),
    };
    directory.join(file)
}

fn manifest(arguments: &RunArguments) -> Value {
    let new = &arguments.new;
    let mut container = json!({ "name": arguments.name, "image": arguments.image });
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            container[field] = value;
        }
    };
    set(
        "imagePullPolicy",
        new.image_pull_policy.clone().map(Value::from),
    );
    let field = if arguments.command { "command" } else { "args" };
    set(
        field,
        (!new.words.is_empty()).then(|| new.words.clone().into()),
    );
    let variable = |(name, value): &(String, String)| json!({ "name": name, "value": value });
    let env = new.env.iter().map(variable).collect();
    set("env", (!new.env.is_empty()).then_some(env));
    set(
        "ports",
        arguments
            .port
            .map(|port| json!([{ "containerPort": port }])),
    );
    set("stdin", new.stdin.then(|| true.into()));
    set(
        "stdinOnce",
        (new.stdin && !arguments.leave_stdin_open).then(|| true.into()),
    );
    set("tty", new.tty.then(|| true.into()));
    set(
        "securityContext",
        arguments.privileged.then(|| json!({ "privileged": true })),
    );
    let map = |pairs: &[(String, String)]| -> Value {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.clone())));
        Value::Object(pairs.collect())
    };
    let labels = match arguments.labels.is_empty() {
        true => json!({ "run": arguments.name }),
        false => map(&arguments.labels),
    };
    let mut metadata = json!({ "name": arguments.name, "labels": labels });
    if !arguments.annotations.is_empty() {
        metadata["annotations"] = map(&arguments.annotations);
    }
    if arguments.namespace.namespace != "default" {
        metadata["namespace"] = arguments.namespace.namespace.clone().into();
    }
    let restart = match policy(arguments) {
        Restart::Always => "Always",
        Restart::OnFailure => "OnFailure",
        Restart::Never => "Never",
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": { "containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart },
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Ask, Command};

    fn parsed(line: &str) -> RunArguments {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Ask(Ask::Run(run)) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_manifest_is_what_kubectl_would_create() {
        let line = "podling run web --image=web:1 -it --env=A=b --port=80 --labels=a=b,c=d \
                    --restart=Never --command -- sh -c true";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            manifest(&parsed(&line)),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": "web", "labels": { "a": "b", "c": "d" } },
                "spec": {
                    "containers": [{
                        "name": "web", "image": "web:1", "command": ["sh", "-c", "true"],
                        "env": [{ "name": "A", "value": "b" }], "ports": [{ "containerPort": 80 }],
                        "stdin": true, "stdinOnce": true, "tty": true,
                    }],
                    "dnsPolicy": "ClusterFirst", "restartPolicy": "Never",
                },
            })
        );
        let plain = manifest(&parsed("podling run web --image=web:1 -- -v"));
        assert_eq!(plain["metadata"]["labels"]["run"], "web");
        assert_eq!(plain["spec"]["containers"][0]["args"], json!(["-v"]));
        assert_eq!(plain["spec"]["restartPolicy"], "Always");
        let with_input = manifest(&parsed("podling run web --image=web:1 -i"));
        assert_eq!(with_input["spec"]["restartPolicy"], "OnFailure");
    }

    #[test]
    fn a_pod_comes_to_the_exit_code_of_its_container() {
        let pod = |phase: &str, code: i64| {
            json!({ "status": { "phase": phase, "containerStatuses": [
                { "state": { "terminated": { "exitCode": code } } },
            ] } })
        };
        let code = |pod: &Value, restart| exit_code(Some(pod), restart).ok();
        assert_eq!(code(&pod("Succeeded", 0), Restart::Never), Some(Some(0)));
        assert_eq!(code(&pod("Failed", 7), Restart::Never), Some(Some(7)));
        assert_eq!(code(&pod("Failed", 7), Restart::OnFailure), Some(None));
        assert_eq!(code(&pod("Running", 7), Restart::OnFailure), Some(None));
        assert_eq!(
            code(&json!({ "status": { "phase": "Failed" } }), Restart::Never),
            None
        );
    }
}
