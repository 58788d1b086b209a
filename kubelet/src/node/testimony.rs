//! What the runtime says of itself, and how long its last word counts when it says nothing: a runtime that is
//! started anew makes no node unready.

use std::time::Duration;

use tokio::time::Instant;

use crate::cri::{Image, Runtime, RuntimeError, RuntimeFeatures};

/// How long a runtime that does not answer is taken for what it was (upstream's maxWaitForContainerRuntime).
const BELIEVED: Duration = Duration::from_secs(30);

/// What a runtime says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Testimony {
    /// Name and version, as a node tells them.
    pub(super) version: String,
    /// What is wrong with it.
    pub(super) troubles: Vec<String>,
    pub(super) images: Vec<Image>,
    /// Nothing if it does not say.
    pub(super) features: Option<RuntimeFeatures>,
}

impl Testimony {
    /// Asks a runtime.
    ///
    /// # Errors
    ///
    /// That of its version or its conditions.
    pub(super) async fn of(runtime: &dyn Runtime) -> Result<Self, RuntimeError> {
        let version = runtime.version().await?;
        let conditions = runtime.conditions().await?;
        let wrong = conditions.iter().filter(|one| !one.holds);
        Ok(Self {
            version: format!("{}://{}", version.name, version.version),
            troubles: wrong.map(ToString::to_string).collect(),
            images: runtime.list_images().await.unwrap_or_default(),
            features: runtime.features().await.ok(),
        })
    }
}

/// The last word of a runtime.
#[derive(Debug, Default)]
pub(super) struct LastWord(Option<(Instant, Testimony)>);

impl LastWord {
    /// What counts now, when this was heard, or nothing was.
    pub(super) fn counting(&mut self, heard: Option<Testimony>, now: Instant) -> Testimony {
        if let Some(heard) = heard {
            self.0 = Some((now, heard.clone()));
            return heard;
        }
        match &self.0 {
            Some((at, last)) if now.duration_since(*at) < BELIEVED => last.clone(),
            Some((_, last)) => Testimony {
                troubles: vec!["container runtime is down".to_owned()],
                ..last.clone()
            },
            None => Testimony {
                version: "unknown://".to_owned(),
                troubles: vec![
                    "container runtime status check may not have completed yet".to_owned(),
                ],
                ..Testimony::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_is_silent_for_less_than_half_a_minute_is_what_it_was() {
        let mut last = LastWord::default();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let first = last.counting(None, now);
        assert_eq!(
            first.troubles,
            ["container runtime status check may not have completed yet"]
        );
        let said = Testimony {
            version: "podling://1".to_owned(),
            troubles: vec!["no network".to_owned()],
            ..Testimony::default()
        };
        for (seconds, heard, troubles) in [
            (0, Some(said.clone()), "no network"),
            (29, None, "no network"),
            (30, None, "container runtime is down"),
            (40, Some(said), "no network"),
            (69, None, "no network"),
        ] {
            let counts = last.counting(heard, after(seconds));
            assert_eq!(counts.troubles, [troubles], "after {seconds} s");
            assert_eq!(counts.version, "podling://1");
        }
    }
}
