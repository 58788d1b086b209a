//! The runtime as plugins reach it.

use std::fmt;

use futures::future::BoxFuture;

use super::describe::{ContainerFacts, PodFacts};
use crate::model::config::Resources;

/// Any other error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is there.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Every pod that was made whole.
    pub pods: Vec<PodFacts>,
    /// Every container that was made whole, those that have ended too.
    pub containers: Vec<ContainerFacts>,
}

/// What plugins can ask of the runtime besides what they answer.
pub trait Domain: fmt::Debug + Send + Sync {
    /// What is there now.
    fn inventory(&self) -> BoxFuture<'_, Inventory>;

    /// Gives a container new limits. One that is not there needs none.
    fn update(&self, id: String, limits: Resources) -> BoxFuture<'_, Result<(), BoxError>>;

    /// Ends a container by force. One that is not there has ended.
    fn evict(&self, id: String) -> BoxFuture<'_, Result<(), BoxError>>;
}
