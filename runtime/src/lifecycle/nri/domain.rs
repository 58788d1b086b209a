//! What plugins ask for of their own accord, carried out as if a client had asked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::super::stop_container;
use super::facts;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::error::{LifecycleError, chain};
use crate::model::config::Resources;
use crate::nri::{BoxError, Domain, Inventory};

impl Domain for Lifecycle {
    fn inventory(&self) -> BoxFuture<'_, Inventory> {
        let parts = Arc::clone(&self.parts);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || facts::inventory(&parts));
            // It does not panic, and without it a plugin knows less than there is.
            read.await.unwrap_or_default()
        })
    }

    fn update(&self, id: String, limits: Resources) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            match self.parts.pods.container(&id) {
                Ok((pod, known)) if known.as_str() == id => Ok(pod
                    .update_container(known, limits)
                    .await
                    .map_err(in_words)?),
                _ => Ok(()),
            }
        })
    }

    fn evict(&self, id: String) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            match self.parts.pods.container(&id) {
                Ok((pod, known)) if known.as_str() == id => {
                    let ended = stop_container::stop(&pod, &known, Duration::ZERO).await;
                    Ok(ended.map_err(in_words)?)
                }
                _ => Ok(()),
            }
        })
    }
}

fn in_words(error: LifecycleError) -> String {
    chain(&error)
}
