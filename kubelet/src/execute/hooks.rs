//! Runs hooks: after a container's start, and before its end.

use std::net::IpAddr;
use std::time::Duration;

use super::executor::PodExecutor;
use super::order::Order;
use super::report::Reporter;
use super::sandbox::Standing;
use crate::cri::ExecOutput;
use crate::model::{
    Container, ContainerId, ContainerName, FailureReason, Hook, HttpGet, KillContainer, KillReason,
    NetworkMode, Pod, PodName, PodObservation, PodUid, Scheme, StartFailure,
};
use crate::probe::http::{Caller, FetchError, Place};

/// Whose hook it is.
struct Subject<'a> {
    pod: &'a PodName,
    uid: &'a PodUid,
    container: &'a ContainerName,
    id: &'a ContainerId,
    ip: Option<IpAddr>,
}

impl PodExecutor {
    /// Runs the hook of a container that was just started; when it fails, the container is ended.
    pub(super) async fn post_start(
        &self,
        pod: &Pod,
        container: &Container,
        id: &ContainerId,
        standing: &Standing,
        report: &Reporter<'_>,
    ) -> Result<(), StartFailure> {
        let Some(hook) = &container.lifecycle.post_start else {
            return Ok(());
        };
        let subject = Subject {
            pod: &pod.name,
            uid: &pod.uid,
            container: &container.name,
            id,
            ip: standing.ips.first().copied(),
        };
        let hook = hook.clone().resolved(&container.ports);
        let Err(message) = self.run(&hook, &subject, report).await else {
            return Ok(());
        };
        // What the hook said stays out of the event: it may hold secrets.
        report.warning("FailedPostStartHook", "PostStartHook failed".to_owned());
        let kill = KillContainer {
            id: id.clone(),
            name: container.name.clone(),
            grace: pod.spec.termination_grace_period,
            reason: KillReason::PostStartFailed,
            pre_stop: pre_stop_of(container),
            after: Vec::new(),
        };
        let order = Order::of(std::slice::from_ref(&kill));
        if let Err(error) = self.kill(&kill, &order, subject.ip, report).await {
            tracing::warn!(%error, "a container whose hook failed would not end");
        }
        Err(StartFailure {
            reason: FailureReason::PostStartHookError,
            message,
            retry_after: None,
        })
    }

    /// Runs the hook of a container that is to end, no longer than its grace period.
    pub(super) async fn pre_stop(
        &self,
        kill: &KillContainer,
        ip: Option<IpAddr>,
        report: &Reporter<'_>,
    ) {
        let Some(hook) = kill.pre_stop.as_ref().filter(|_| !kill.grace.is_zero()) else {
            return;
        };
        let subject = Subject {
            pod: report.pod_name(),
            uid: report.uid(),
            container: &kill.name,
            id: &kill.id,
            ip,
        };
        match tokio::time::timeout(kill.grace, self.run(hook, &subject, report)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                tracing::warn!(%why, "a hook failed");
                report.warning("FailedPreStopHook", "PreStopHook failed".to_owned());
            }
            Err(_) => {
                if matches!(hook, Hook::Sleep(_)) {
                    self.metrics.starts().cut_sleep();
                }
                tracing::info!(
                    pod = %subject.pod,
                    container = %subject.container,
                    "the hook did not end within the grace period"
                );
            }
        }
    }

    /// What went wrong, in the words of other kubelets.
    async fn run(
        &self,
        hook: &Hook,
        subject: &Subject<'_>,
        report: &Reporter<'_>,
    ) -> Result<(), String> {
        let (what, failed) = match hook {
            Hook::Exec(command) => (
                format!("Exec lifecycle hook ([{}])", command.join(" ")),
                self.exec(command, subject).await,
            ),
            Hook::HttpGet(get) => (
                format!("HTTP lifecycle hook ({})", get.path),
                self.fetch(get, subject, report).await,
            ),
            Hook::Sleep(pause) => {
                tokio::time::sleep(*pause).await;
                return Ok(());
            }
        };
        let Subject {
            pod,
            uid,
            container,
            ..
        } = subject;
        failed.map_err(|error| {
            format!(
                "{what} for Container \"{container}\" in Pod \"{}_{}({uid})\" failed - \
                 error: {error}",
                pod.name, pod.namespace
            )
        })
    }

    async fn exec(&self, command: &[String], subject: &Subject<'_>) -> Result<(), String> {
        let unlimited = Duration::ZERO;
        let run = self
            .runtime
            .exec_sync(subject.id.clone(), command.to_owned(), unlimited);
        match run.await {
            Ok(output) if output.exit_code == 0 => Ok(()),
            Ok(output) => Err(complaint(command, output)),
            Err(error) => Err(format!("{}, message: \"\"", error.explanation())),
        }
    }

    /// Any answer will do. A server that does not speak TLS is asked in the clear.
    async fn fetch(
        &self,
        get: &HttpGet,
        subject: &Subject<'_>,
        report: &Reporter<'_>,
    ) -> Result<(), String> {
        let fetcher = &self.fetcher;
        let place = Place::of(get, &[], subject.ip).map_err(|error| error.to_string())?;
        match fetcher.fetch(get, &place, Caller::Lifecycle, None).await {
            Ok(_) => Ok(()),
            Err(encrypted @ FetchError::NotEncrypted { .. }) => {
                let plain = in_the_clear(get);
                let at = Place::of(&plain, &[], subject.ip).map_err(|error| error.to_string())?;
                let answer = fetcher.fetch(&plain, &at, Caller::Lifecycle, None).await;
                answer.map_err(|_| encrypted.to_string())?;
                let message = format!(
                    "request to HTTPS lifecycle hook {} got HTTP response, retry with HTTP \
                     succeeded",
                    at.address
                );
                report.warning("LifecycleHTTPFallback", message);
                self.metrics.starts().http_fallback();
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The address at which a pod's hooks find it.
    pub(super) fn address_of(&self, observation: &PodObservation) -> Option<IpAddr> {
        let sandbox = observation.newest_sandbox()?;
        match sandbox.network {
            NetworkMode::Pod => sandbox.ips.first().copied(),
            NetworkMode::Host => self.node.ips.first().copied(),
        }
    }
}

/// What is done before a container ends.
fn pre_stop_of(container: &Container) -> Option<Hook> {
    let hook = container.lifecycle.pre_stop.clone()?;
    Some(hook.resolved(&container.ports))
}

fn complaint(command: &[String], output: ExecOutput) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut said = output.stdout;
    said.extend(output.stderr);
    format!(
        "command '{}' exited with {}: {stderr}, message: {:?}",
        command.join(" "),
        output.exit_code,
        String::from_utf8_lossy(&said)
    )
}

/// The same page without TLS, and without what must not be seen.
fn in_the_clear(get: &HttpGet) -> HttpGet {
    let mut plain = get.clone();
    plain.scheme = Scheme::Http;
    plain
        .headers
        .retain(|header| !header.name.eq_ignore_ascii_case("authorization"));
    plain
}
