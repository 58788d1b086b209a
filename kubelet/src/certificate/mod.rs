//! Certificates and keys of this node: what they say, what is asked to be in them, and where they are
//! kept. Who signs them is not known here.
//!
//! ```text
//! wish (P) ── a key ─► a request ─► (somebody signs it) ─► shelf: KIND-current.pem
//! due (P): when the next one is asked for              read (P): what one says
//! ```

mod due;
mod read;
mod shelf;
#[cfg(test)]
mod tests;
mod wish;

pub(crate) use due::due;
pub(crate) use read::{Leaf, certificates_of, pem_of, pem_of_certificates};
pub(crate) use shelf::{Shelf, ShelfError};
pub(crate) use wish::Wish;
