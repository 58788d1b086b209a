//! Volumes of CSI drivers for a pod: what the driver is told is looked up, and then it is asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::described::{Described, about_pod, group, is_attached, lifecycle_problem};
use super::executor::PodExecutor;
use crate::csi::{Again, Attachable, NotAttached, Secrets, Wanted};
use crate::model::{
    CsiDriver, Object, ObjectKey, ObjectKind, PersistentVolume, Pod, PodUid, SecretName, StringMap,
    TokenRequest, Volume,
};
use crate::store::LookupError;
use crate::volume::{Mounted, VolumeError, is_on_node};

/// What was attempted, in upstream's words.
const ATTACH: &str = "MountVolume.WaitForAttach";
const SET_UP: &str = "MountVolume.SetUp";
const STAGE: &str = "MountVolume.MountDevice";

/// The persistent volume of each volume that is a claim, or why there is none.
pub(super) type Claims = BTreeMap<String, Result<Arc<PersistentVolume>, String>>;

impl PodExecutor {
    /// Makes the pod's volumes of drivers, all at once; those that are there are left alone.
    pub(super) async fn set_up_csi(
        &self,
        pod: &Pod,
        claims: &Claims,
    ) -> Result<BTreeMap<String, Mounted>, VolumeError> {
        let of_drivers = of_drivers(pod, claims);
        let made = of_drivers.map(|(volume, described)| async move {
            let path = self.set_up_one(pod, &described).await?;
            let mounted = Mounted {
                path,
                read_only: described.read_only,
                is_relabelled: !described.read_only,
            };
            Ok((volume.name.clone(), mounted))
        });
        futures::future::join_all(made).await.into_iter().collect()
    }

    /// Publishes again what drivers want to be published again and again; says what could not be.
    pub(super) async fn republish(&self, pod: &Pod, claims: &Claims) -> Vec<VolumeError> {
        let mut failed = Vec::new();
        for (_, described) in of_drivers(pod, claims) {
            let driver = self.csi_driver(pod, &described.driver).await;
            let wants = driver.is_ok_and(|driver| driver.is_some_and(|one| one.requires_republish));
            let standing = self.standing(pod, &described).await;
            if let (true, Some(_)) = (wants, standing)
                && let Err(error) = self.ask(pod, &described, Again::Always).await
            {
                failed.push(error);
            }
        }
        failed
    }

    /// Has drivers take their volumes away from a pod that has ended, before anything else of it goes.
    pub(super) async fn unmount_csi(
        &self,
        uid: &PodUid,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (volumes, of) = (self.volumes.clone(), uid.clone());
        tokio::task::spawn_blocking(move || volumes.unmount_sub_paths(&of)).await??;
        Ok(self.csi.tear_down(uid).await?)
    }

    async fn set_up_one(
        &self,
        pod: &Pod,
        described: &Described<'_>,
    ) -> Result<PathBuf, VolumeError> {
        let path = match self.standing(pod, described).await {
            Some(path) => path,
            None => self.ask(pod, described, Again::OnlyIfNeeded).await?,
        };
        self.grow_as_mounted(pod, described).await?;
        Ok(path)
    }

    async fn standing(&self, pod: &Pod, described: &Described<'_>) -> Option<PathBuf> {
        let (volume, mode) = (described.volume, described.mode);
        self.csi.standing(&pod.uid, volume, mode).await
    }

    async fn ask(
        &self,
        pod: &Pod,
        described: &Described<'_>,
        again: Again,
    ) -> Result<PathBuf, VolumeError> {
        let failed = |problem: String| described.failed(SET_UP, problem);
        self.check_affinity(described).await?;
        let driver = self.csi_driver(pod, &described.driver).await;
        let driver = driver.map_err(|error| failed(error.to_string()))?;
        if let Some(problem) = lifecycle_problem(described, driver.as_deref()) {
            let what = "mounter.SetupAt failed to check volume lifecycle mode";
            return Err(failed(format!("kubernetes.io/csi: {what}: {problem}")));
        }
        let is_attached = is_attached(pod, described, driver.as_deref());
        let is_attached = is_attached.map_err(|why| described.failed(ATTACH, why))?;
        let stage_secrets = match &described.stage_secret {
            Some(secret) => {
                let found = self.secret(pod, secret, "NodeStageSecretRef").await;
                found.map_err(|why| described.failed(STAGE, why))?
            }
            None => StringMap::new(),
        };
        let mut publish_secrets = match &described.publish_secret {
            Some(secret) => {
                let found = self.secret(pod, secret, "NodePublishSecretRef").await;
                found.map_err(failed)?
            }
            None => StringMap::new(),
        };
        let mut about = StringMap::new();
        if let Some(driver) = driver.as_deref() {
            if driver.pod_info_on_mount {
                about = about_pod(pod, described.lifecycle);
            }
            let tokens = self.tokens(pod, driver).await.map_err(|why| {
                // The word is upstream's, with its slip.
                let what = "mounter.SetUpAt failed to get service accoount token attributes";
                failed(format!("kubernetes.io/csi: {what}: {why}"))
            })?;
            match driver.tokens_in_secrets {
                true => publish_secrets.extend(tokens),
                false => about.extend(tokens),
            }
        }
        let mut wanted = Wanted {
            uid: pod.uid.clone(),
            driver: described.driver.clone(),
            handle: described.handle.clone(),
            volume: described.volume.to_owned(),
            mode: described.mode,
            lifecycle: described.lifecycle,
            access: described.access,
            is_exclusive: described.is_exclusive(),
            is_attached,
            read_only: described.read_only,
            migrated: described.migrated,
            fs_type: described.fs_type.clone(),
            mount_options: described.mount_options.clone(),
            publish_context: StringMap::new(),
            context: described.attributes.clone(),
            about_pod: about,
            stage_secrets: Secrets(stage_secrets),
            publish_secrets: Secrets(publish_secrets),
            group: group(pod, described, driver.as_deref()),
            again,
        };
        if is_attached {
            let limits = driver.as_deref().and_then(|driver| driver.limit_period);
            wanted.publish_context = self.attached(&wanted, described, limits).await?;
        }
        self.csi.set_up(wanted).await
    }

    /// What was said when the volume was attached, which is waited for.
    async fn attached(
        &self,
        wanted: &Wanted,
        described: &Described<'_>,
        limits: Option<Duration>,
    ) -> Result<StringMap, VolumeError> {
        let Some(attachments) = &self.attachments else {
            return Ok(StringMap::new());
        };
        self.csi.intend(wanted).await?;
        let volume = Attachable::of(&wanted.driver, &wanted.handle, &self.node.name);
        match attachments.wait(&volume).await {
            Ok(said) => Ok(said),
            Err(why) => Err(self.unattached(described, (why, limits)).await),
        }
    }

    /// What a pod is told of a volume that is not attached.
    async fn unattached(
        &self,
        described: &Described<'_>,
        (why, limits): (NotAttached, Option<Duration>),
    ) -> VolumeError {
        match (why, limits) {
            (NotAttached::BeyondLimit, Some(_)) => {
                // What the node can have has changed since the driver said it.
                if let Err(why) = self.csi.drivers().ask_again(&described.driver).await {
                    tracing::warn!(
                        driver = described.driver,
                        why,
                        "a driver does not tell its limit"
                    );
                }
                described.beyond_limit()
            }
            (NotAttached::InTime | NotAttached::BeyondLimit, _) => described.unattached(),
            (NotAttached::Because(why), _) => described.failed(ATTACH, why),
            (NotAttached::ByNobody, _) => VolumeError::NotAttachable {
                volume: described.volume.to_owned(),
            },
        }
    }

    /// Refuses a volume that is not at this node.
    async fn check_affinity(&self, described: &Described<'_>) -> Result<(), VolumeError> {
        let is_here = || {
            let volume = described.persistent;
            volume.is_none_or(|volume| is_on_node(volume, &self.labels()))
        };
        if is_here() {
            return Ok(());
        }
        // Where the node is for a driver, the driver says when it registers.
        let known = self.csi.drivers().wait(&described.driver).await;
        known.map_err(|no_driver| {
            let what = "attacher.MountDevice failed to create newCsiDriverClient";
            described.failed(STAGE, format!("kubernetes.io/csi: {what}: {no_driver}"))
        })?;
        if is_here() {
            return Ok(());
        }
        let problem = "storage node affinity check failed: no matching NodeSelectorTerms";
        Err(described.failed("MountVolume.NodeAffinity check", problem.to_owned()))
    }

    /// What is said of a driver; it need not be anything.
    async fn csi_driver(
        &self,
        pod: &Pod,
        name: &str,
    ) -> Result<Option<Arc<CsiDriver>>, LookupError> {
        let key = ObjectKey::new(ObjectKind::CsiDriver, "", name);
        match self.objects.get(&pod.uid, &key).await {
            Ok(Object::CsiDriver(driver)) => Ok(Some(driver)),
            Ok(_) | Err(LookupError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn secret(&self, pod: &Pod, name: &SecretName, field: &str) -> Result<StringMap, String> {
        let found = self.find_secret(pod, name).await;
        found.map_err(|why| format!("fetching {field} {name} failed: {why}"))
    }

    /// What a Secret says that a driver wants to see.
    pub(super) async fn find_secret(
        &self,
        pod: &Pod,
        name: &SecretName,
    ) -> Result<StringMap, String> {
        let why = match self.objects.get(&pod.uid, &name.key()).await {
            Ok(Object::Secret(secret)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let entries = secret.data.iter();
                return Ok(entries
                    .map(|(key, bytes)| (key.clone(), text(bytes)))
                    .collect());
            }
            Ok(_) => "it is something else".to_owned(),
            Err(error) => error.to_string(),
        };
        let SecretName {
            namespace,
            name: of,
        } = name;
        Err(format!(
            "kubernetes.io/csi: failed to find the secret {of} in the namespace {namespace} with error: {why}"
        ))
    }

    /// The tokens that the driver wants, as it is told of them.
    async fn tokens(&self, pod: &Pod, driver: &CsiDriver) -> Result<StringMap, String> {
        let spec = pod.manifest.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.clone());
        let mut tokens = serde_json::Map::new();
        for wanted in &driver.tokens {
            let request = TokenRequest {
                account: account.clone().unwrap_or_default(),
                audience: wanted.audience.clone(),
                seconds: wanted.seconds,
            };
            let key = request.key(&pod.name.namespace);
            match self.objects.get(&pod.uid, &key).await {
                Ok(Object::Token(token)) => {
                    let status = serde_json::json!({
                        "expirationTimestamp": token.expires(),
                        "token": token.as_str(),
                    });
                    tokens.insert(wanted.audience.clone(), status);
                }
                Ok(_) => return Err("it is something else".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(match tokens.is_empty() {
            true => StringMap::new(),
            false => StringMap::from([(
                "csi.storage.k8s.io/serviceAccount.tokens".to_owned(),
                serde_json::Value::Object(tokens).to_string(),
            )]),
        })
    }

    /// The node's labels, and where it is for the drivers.
    pub(super) fn labels(&self) -> StringMap {
        let mut labels = self.node_facts.borrow().labels.clone();
        labels.extend(self.csi.drivers().topology());
        labels
    }
}

/// The pod's volumes that a driver mounts.
pub(super) fn of_drivers<'a>(
    pod: &'a Pod,
    claims: &'a Claims,
) -> impl Iterator<Item = (&'a Volume, Described<'a>)> {
    let volumes = pod.spec.volumes.iter();
    volumes.filter_map(|volume| {
        let claim = claims.get(&volume.name).and_then(|one| one.as_ref().ok());
        let described = Described::of(pod, volume, claim.map(Arc::as_ref))?;
        Some((volume, described))
    })
}
