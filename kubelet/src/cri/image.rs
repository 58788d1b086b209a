//! Images: what is asked for and what the runtime has.

use std::fmt;

/// An image as a pod names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageReference {
    /// What the runtime is given: an id, a digest, or a name with its tag.
    pub image: String,
    /// What the pod's author wrote.
    pub user_specified: String,
}

impl ImageReference {
    /// A reference that is given to the runtime as it was written.
    pub fn as_written(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            user_specified: image.to_owned(),
        }
    }
}

/// A name and a password for a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.username)
    }
}

/// An image that is present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Id: the digest of its configuration, usually.
    pub id: String,
    /// `name:tag` names.
    pub tags: Vec<String>,
    /// `name@digest` names.
    pub digests: Vec<String>,
    /// Bytes on disk.
    pub size: u64,
    /// The numeric user it runs as, when it names one.
    pub uid: Option<i64>,
    /// The user it runs as, by name, when it is not numeric.
    pub username: String,
    /// Whether garbage collection must keep it.
    pub is_pinned: bool,
}

/// What a pull came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledImage {
    /// What the image is now known by: an id or a digest.
    pub reference: String,
}
