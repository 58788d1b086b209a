//! Makes a container's image present, as its pull policy says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::backoff::Backoff;
use super::executor::PodExecutor;
use super::pulls::{Gate, PullSettings};
use super::report::Reporter;
use super::sandbox::Standing;
use crate::causes::chain;
use crate::config;
use crate::credential::{Credential, PullSecret, SecretName, Wallet};
use crate::cri::{Image, ImageReference, Login, Runtime, RuntimeError, SandboxConfig};
use crate::metrics::StartMetrics;
use crate::model::{
    FailureReason, Object, ObjectKey, ObjectKind, Pod, PodUid, PullPolicy, StartFailure,
    repository, with_default_tag,
};
use crate::pulled::{Check, PullRecords};
use crate::sync::Clock;

/// What pulls need beside the runtime.
#[derive(Clone, Default)]
pub struct ImageParts {
    /// What registries are shown.
    pub wallet: Arc<Wallet>,
    /// How many there are, and how often.
    pub pulls: PullSettings,
    /// Who may have images that are here; nothing when everybody may.
    pub records: Option<Arc<PullRecords>>,
}

/// Pulls images and remembers which pulls failed.
pub(crate) struct ImagePuller {
    runtime: Arc<dyn Runtime>,
    clock: Arc<dyn Clock>,
    wallet: Arc<Wallet>,
    gate: Gate,
    records: Option<Arc<PullRecords>>,
    starts: StartMetrics,
    failures: Mutex<HashMap<Attempt, Backoff>>,
}

/// Pulls that are the same: one pod's bad luck does not hold up another, and other credentials are
/// tried at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attempt {
    pod: PodUid,
    image: String,
    /// Hashes of what the registry is shown.
    shown: Vec<String>,
}

/// An image that a container runs, or shows as a volume.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The reference, as written.
    pub(crate) written: &'a str,
    /// When it is pulled.
    pub(crate) policy: PullPolicy,
}

/// An image that was pulled.
struct Pulled {
    image: Image,
    /// What the registry was shown.
    with: Option<Credential>,
    /// Without waiting for other pulls.
    took: Duration,
}

impl ImagePuller {
    /// A puller without memory of failures.
    pub(crate) fn new(
        runtime: Arc<dyn Runtime>,
        clock: Arc<dyn Clock>,
        parts: ImageParts,
        starts: &StartMetrics,
    ) -> Self {
        let ImageParts {
            wallet,
            pulls,
            records,
        } = parts;
        Self {
            starts: starts.clone(),
            records,
            runtime,
            clock,
            wallet,
            gate: Gate::new(pulls),
            failures: Mutex::default(),
        }
    }

    /// The image, pulled if it must be.
    pub(super) async fn ensure(
        &self,
        pod: &Pod,
        wanted: Wanted<'_>,
        standing: &Standing,
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
        let present = match policy {
            PullPolicy::Always => None,
            PullPolicy::IfNotPresent | PullPolicy::Never => self.look(&reference, report).await?,
        };
        let may_have = match &present {
            Some(image) => self.may_have(&reference, image, standing).await?,
            None => false,
        };
        // One that may not have the image is told the same as if there were none.
        match (policy, present.filter(|_| may_have)) {
            (_, Some(image)) => {
                let access = match self.records {
                    Some(_) => " and can be accessed by the pod",
                    None => "",
                };
                let message =
                    format!("Container image {written:?} already present on machine{access}");
                report.normal("Pulled", message);
                Ok(image)
            }
            (PullPolicy::Never, None) => {
                let message =
                    format!("Container image {written:?} is not present with pull policy of Never");
                report.warning("ErrImageNeverPull", message.clone());
                Err(failure(FailureReason::ErrImageNeverPull, message))
            }
            (PullPolicy::IfNotPresent | PullPolicy::Always, None) => {
                self.pull(pod, reference, standing, report).await
            }
        }
    }

    /// Forgets the failures of a pod that is gone.
    pub(crate) fn forget(&self, uid: &PodUid) {
        self.failures().retain(|attempt, _| attempt.pod != *uid);
        self.starts.waited_for_images(uid);
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

    /// Whether a pod may have an image that is here.
    async fn may_have(
        &self,
        reference: &ImageReference,
        image: &Image,
        standing: &Standing,
    ) -> Result<bool, StartFailure> {
        let Some(records) = &self.records else {
            return Ok(true);
        };
        let (records, written) = (Arc::clone(records), reference.user_specified.clone());
        let (asked, id) = (Arc::clone(&records), image.id.clone());
        let check = tokio::task::spawn_blocking(move || asked.must_verify(&written, &id)).await;
        let shown = match check {
            Ok(Check::Free) => return Ok(true),
            Ok(Check::Pull) | Err(_) => return Ok(false),
            Ok(Check::Show(shown)) => shown,
        };
        let credentials = self.credentials(reference, standing).await?;
        let now = self.clock.now();
        let accepts = move || records.accepts(&shown, &credentials, now);
        Ok(tokio::task::spawn_blocking(accepts).await.unwrap_or(false))
    }

    async fn pull(
        &self,
        pod: &Pod,
        reference: ImageReference,
        standing: &Standing,
        report: &Reporter<'_>,
    ) -> Result<Image, StartFailure> {
        let written = reference.user_specified.clone();
        let credentials = self.credentials(&reference, standing).await?;
        let attempt = Attempt {
            pod: pod.uid.clone(),
            image: reference.image.clone(),
            shown: credentials.iter().map(|one| one.hash.clone()).collect(),
        };
        if let Some((remaining, cause)) = self.held_back(&attempt) {
            report.normal("BackOff", format!("Back-off pulling image {written:?}"));
            return Err(StartFailure {
                reason: FailureReason::ImagePullBackOff,
                message: format!("Back-off pulling image {written:?}: {cause}"),
                retry_after: Some(remaining),
            });
        }

        let intent = self.intent(&written).await.map_err(|why| {
            let message = format!(
                "Failed to record image pull intent for container image {written:?}: {why}"
            );
            report.warning("Failed", message.clone());
            failure(FailureReason::ErrImagePull, message)
        })?;
        report.normal("Pulling", format!("Pulling image {written:?}"));
        let began = self.clock.now();
        match self.fetch(reference, &credentials, &standing.config).await {
            Ok(Pulled { image, with, took }) => {
                intent.fulfil(&image, with, self.clock.now()).await;
                self.failures().remove(&attempt);
                let now = self.clock.now();
                let in_all = now.duration_since(began).unsigned_abs();
                self.starts.waited(&pod.uid, began, now);
                self.starts.pulled(image.size, in_all);
                let message = format!(
                    "Successfully pulled image {written:?} in {} ({} including waiting). Image \
                     size: {} bytes.",
                    milliseconds(took),
                    milliseconds(in_all),
                    image.size
                );
                report.normal("Pulled", message);
                Ok(image)
            }
            Err(cause) => {
                let message = format!("Failed to pull image {written:?}: {cause}");
                report.warning("Failed", message);
                let (reason, message) = what_failed(&written, cause);
                self.note_failure(attempt, format!("{}: {message}", reason.as_str()));
                // Soon enough for the next look to find it waiting, and to say so.
                Err(failure(reason, message))
            }
        }
    }

    /// Writes down that an image is being pulled.
    async fn intent(&self, written: &str) -> Result<Intent, String> {
        let Some(records) = &self.records else {
            return Ok(Intent(None));
        };
        let intent = Intent(Some((Arc::clone(records), written.to_owned())));
        let (records, image) = (Arc::clone(records), written.to_owned());
        match tokio::task::spawn_blocking(move || records.begin(&image)).await {
            Ok(Ok(())) => Ok(intent),
            Ok(Err(error)) => {
                intent.forget();
                Err(chain(&error))
            }
            Err(panicked) => Err(panicked.to_string()),
        }
    }

    /// What the registry can be shown.
    async fn credentials(
        &self,
        reference: &ImageReference,
        standing: &Standing,
    ) -> Result<Vec<Credential>, StartFailure> {
        let failed = |message: String| failure(FailureReason::ErrImagePull, message);
        let name = repository(&reference.image).map_err(|error| failed(error.to_string()))?;
        let found = self.wallet.lookup(&name, &standing.pull_secrets).await;
        found.map_err(|error| failed(format!("cannot read a pull secret: {error}")))
    }

    /// Waits for its turn and pulls, with one credential after the other until one is taken.
    async fn fetch(
        &self,
        reference: ImageReference,
        credentials: &[Credential],
        sandbox_config: &SandboxConfig,
    ) -> Result<Pulled, String> {
        let _place = self.gate.enter().await.map_err(|error| error.to_string())?;
        let began = self.clock.now();
        let all: Vec<_> = match credentials {
            [] => vec![None],
            _ => credentials.iter().map(Some).collect(),
        };
        let mut causes: Vec<String> = Vec::new();
        for shown in all {
            let login = shown.map(|one| Login::from(&one.login));
            match self.fetch_with(&reference, login, sandbox_config).await {
                Ok(image) => {
                    return Ok(Pulled {
                        image,
                        with: shown.cloned(),
                        took: self.clock.now().duration_since(began).unsigned_abs(),
                    });
                }
                Err(error) => {
                    let cause = error.explanation();
                    if !causes.contains(&cause) {
                        causes.push(cause);
                    }
                }
            }
        }
        Err(match causes.as_slice() {
            [cause] => cause.clone(),
            causes => format!("[{}]", causes.join(", ")),
        })
    }

    async fn fetch_with(
        &self,
        reference: &ImageReference,
        login: Option<Login>,
        sandbox_config: &SandboxConfig,
    ) -> Result<Image, RuntimeError> {
        let pulled = self
            .runtime
            .pull_image(reference.clone(), login, sandbox_config.clone())
            .await?;
        // A tag may already point elsewhere: what was pulled is asked for by what the pull said.
        let exact = ImageReference {
            image: pulled.reference.clone(),
            ..reference.clone()
        };
        let image = self.runtime.image(exact).await?;
        Ok(image.unwrap_or_else(|| Image {
            id: pulled.reference,
            ..Image::default()
        }))
    }

    fn held_back(&self, attempt: &Attempt) -> Option<(Duration, String)> {
        let failures = self.failures();
        let backoff = failures.get(attempt)?;
        let remaining = backoff.remaining(self.clock.now());
        (!remaining.is_zero()).then(|| (remaining, backoff.cause.clone()))
    }

    fn note_failure(&self, attempt: Attempt, cause: String) {
        let now = self.clock.now();
        let mut failures = self.failures();
        let next = match failures.get(&attempt) {
            Some(backoff) => backoff.again(now, cause),
            None => Backoff::first(now, cause),
        };
        failures.insert(attempt, next);
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<Attempt, Backoff>> {
        self.failures
            .lock()
            .expect("no holder of this lock can panic")
    }
}

/// A pull that is written down. Dropped, it was given up.
struct Intent(Option<(Arc<PullRecords>, String)>);

impl Intent {
    /// The image is here.
    async fn fulfil(mut self, image: &Image, with: Option<Credential>, now: jiff::Timestamp) {
        if let Some((records, written)) = self.0.take() {
            let id = image.id.clone();
            let keep = move || records.pulled(&written, &id, with.as_ref(), now);
            // What it panics with was told.
            let _ = tokio::task::spawn_blocking(keep).await;
        }
    }

    /// It was never written down.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        if let Some((records, written)) = self.0.take() {
            records.failed(&written);
        }
    }
}

impl PodExecutor {
    /// The Secrets that the pod's images may be pulled with. One that is missing is told: a registry
    /// may give the image away without.
    pub(super) async fn pull_secrets(&self, pod: &Pod, report: &Reporter<'_>) -> Vec<PullSecret> {
        let namespace = &pod.name.namespace;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in &pod.spec.pull_secrets {
            let key = ObjectKey::new(ObjectKind::Secret, namespace, name);
            match self.objects.get(&pod.uid, &key).await {
                Ok(Object::Secret(secret)) => found.push(PullSecret {
                    name: SecretName {
                        namespace: namespace.to_string(),
                        name: name.clone(),
                        uid: secret.uid.clone(),
                    },
                    secret,
                }),
                Ok(_) | Err(_) => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let message = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image may \
                 not succeed.",
                missing.join(", ")
            );
            report.warning("FailedToRetrieveImagePullSecret", message);
        }
        found
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

/// As Go prints it.
fn milliseconds(took: Duration) -> config::Duration {
    config::Duration::milliseconds(i64::try_from(took.as_millis()).unwrap_or(i64::MAX / 1_000_000))
}

fn failure(reason: FailureReason, message: String) -> StartFailure {
    StartFailure {
        reason,
        message,
        retry_after: None,
    }
}
