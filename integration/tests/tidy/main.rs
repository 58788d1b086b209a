//! What the compiler does not check: who imports whom, what a file looks like, what the map says.
//!
//! Everything is decided from the text of the files, so a rule is a function from lines to
//! complaints, and a test fails with all of them at once.

mod examples;
mod guards;
mod imports;
mod map;
mod purity;
mod source;
mod text;

use std::path::Path;

/// The top of the repository.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies below the top")
}

/// Fails with one line a complaint.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} found:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
