//! Makes a container's image present, as its pull policy says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::backoff::Backoff;
use super::report::Reporter;
use crate::cri::{Image, ImageReference, Runtime, RuntimeError, SandboxConfig};
use crate::model::{
    FailureReason, Pod, PodUid, PullPolicy, StartFailure, in_words, with_default_tag,
};
use crate::sync::Clock;

/// Pulls images and remembers which pulls failed.
pub(crate) struct ImagePuller {
    runtime: Arc<dyn Runtime>,
    clock: Arc<dyn Clock>,
    /// By pod and image, so that one pod's bad luck does not hold up another.
    failures: Mutex<HashMap<(PodUid, String), Backoff>>,
}

/// An image that a container runs, or shows as a volume.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The reference, as written.
    pub(crate) written: &'a str,
    /// When it is pulled.
    pub(crate) policy: PullPolicy,
}

impl ImagePuller {
    /// A puller without memory of failures.
    pub(crate) fn new(runtime: Arc<dyn Runtime>, clock: Arc<dyn Clock>) -> Self {
        Self {
            runtime,
            clock,
            failures: Mutex::default(),
        }
    }

    /// The image, pulled if it must be.
    pub(crate) async fn ensure(
        &self,
        pod: &Pod,
        wanted: Wanted<'_>,
        sandbox_config: &SandboxConfig,
        report: &Reporter<'_>,
    ) -> Result<Image, StartFailure> {
        let Wanted { written, policy } = wanted;
        let tagged = with_default_tag(written).map_err(|error| {
            let message = format!("Failed to apply default image tag {written:?}: {error}");
            report.warning("InspectFailed", message.clone());
            failure(FailureReason::InvalidImageName, message)
        })?;
        let reference = ImageReference {
            image: tagged,
            user_specified: written.to_owned(),
        };
        let present = self.look(&reference, report).await?;
        match (policy, present) {
            (PullPolicy::IfNotPresent | PullPolicy::Never, Some(image)) => {
                let message = format!(
                    "Container image {written:?} already present on machine and can be accessed \
                     by the pod"
                );
                report.normal("Pulled", message);
                Ok(image)
            }
            (PullPolicy::Never, None) => {
                let message =
                    format!("Container image {written:?} is not present with pull policy of Never");
                report.warning("ErrImageNeverPull", message.clone());
                Err(failure(FailureReason::ErrImageNeverPull, message))
            }
            (PullPolicy::IfNotPresent, None) | (PullPolicy::Always, _) => {
                self.pull(pod, reference, sandbox_config, report).await
            }
        }
    }

    /// Forgets the failures of a pod that is gone.
    pub(crate) fn forget(&self, uid: &PodUid) {
        self.failures().retain(|(owner, _), _| owner != uid);
    }

    async fn look(
        &self,
        reference: &ImageReference,
        report: &Reporter<'_>,
    ) -> Result<Option<Image>, StartFailure> {
        self.runtime
            .image(reference.clone())
            .await
            .map_err(|error| {
                let message = format!(
                    "Failed to inspect image {:?}: {}",
                    reference.user_specified,
                    error.explanation()
                );
                report.warning("InspectFailed", message.clone());
                failure(FailureReason::ImageInspectError, message)
            })
    }

    async fn pull(
        &self,
        pod: &Pod,
        reference: ImageReference,
        sandbox_config: &SandboxConfig,
        report: &Reporter<'_>,
    ) -> Result<Image, StartFailure> {
        let key = (pod.uid.clone(), reference.image.clone());
        let written = reference.user_specified.clone();
        if let Some((remaining, cause)) = self.held_back(&key) {
            report.normal("BackOff", format!("Back-off pulling image {written:?}"));
            return Err(StartFailure {
                reason: FailureReason::ImagePullBackOff,
                message: format!("Back-off pulling image {written:?}: {cause}"),
                retry_after: Some(remaining),
            });
        }

        report.normal("Pulling", format!("Pulling image {written:?}"));
        let began = self.clock.now();
        match self.fetch(reference, sandbox_config).await {
            Ok(image) => {
                self.failures().remove(&key);
                let took = in_words(self.clock.now().duration_since(began).unsigned_abs());
                let message = format!(
                    "Successfully pulled image {written:?} in {took} ({took} including waiting). \
                     Image size: {} bytes.",
                    image.size
                );
                report.normal("Pulled", message);
                Ok(image)
            }
            Err(error) => {
                let cause = error.explanation();
                report.warning(
                    "Failed",
                    format!("Failed to pull image {written:?}: {cause}"),
                );
                let (reason, message) = what_failed(&written, cause);
                self.note_failure(key, format!("{}: {message}", reason.as_str()));
                // Soon enough for the next look to find it waiting, and to say so.
                Err(failure(reason, message))
            }
        }
    }

    async fn fetch(
        &self,
        reference: ImageReference,
        sandbox_config: &SandboxConfig,
    ) -> Result<Image, RuntimeError> {
        let pulled = self
            .runtime
            .pull_image(reference.clone(), sandbox_config.clone())
            .await?;
        // A tag may already point elsewhere: what was pulled is asked for by what the pull said.
        let exact = ImageReference {
            image: pulled.reference.clone(),
            ..reference
        };
        let image = self.runtime.image(exact).await?;
        Ok(image.unwrap_or_else(|| Image {
            id: pulled.reference,
            ..Image::default()
        }))
    }

    fn held_back(&self, key: &(PodUid, String)) -> Option<(Duration, String)> {
        let failures = self.failures();
        let backoff = failures.get(key)?;
        let remaining = backoff.remaining(self.clock.now());
        (!remaining.is_zero()).then(|| (remaining, backoff.cause.clone()))
    }

    fn note_failure(&self, key: (PodUid, String), cause: String) {
        let now = self.clock.now();
        let mut failures = self.failures();
        let next = match failures.get(&key) {
            Some(backoff) => backoff.again(now, cause),
            None => Backoff::first(now, cause),
        };
        failures.insert(key, next);
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<(PodUid, String), Backoff>> {
        self.failures
            .lock()
            .expect("no holder of this lock can panic")
    }
}

/// What a runtime says of a pull that failed: some failures begin with a word of their own.
fn what_failed(image: &str, cause: String) -> (FailureReason, String) {
    let words = [
        (
            "RegistryUnavailable",
            FailureReason::RegistryUnavailable,
            "the registry is unavailable",
        ),
        (
            "SignatureValidationFailed",
            FailureReason::SignatureValidationFailed,
            "the signature validation failed",
        ),
    ];
    let known = words
        .into_iter()
        .find_map(|(word, reason, why)| Some((reason, why, cause.strip_prefix(word)?)));
    match known {
        Some((reason, why, rest)) => {
            let message = format!("image pull failed for {image} because {why}{rest}");
            (reason, message)
        }
        None => (FailureReason::ErrImagePull, cause),
    }
}

fn failure(reason: FailureReason, message: String) -> StartFailure {
    StartFailure {
        reason,
        message,
        retry_after: None,
    }
}
